//! One request, sent to a server of the portal.

use super::answer;
use super::bearing::{self, OnItsWay};
use super::body::{Lease, ResponseBody};
use super::connect::NoConnection;
use super::pool::{Pool, Sender, Wanted};
use super::slots::{Claim, Slot};
use super::taken::Readers;
use super::upload::{Progress, RequestBody};
use super::{Failure, Outcome, Portal, judge};
use crate::host;
use crate::room;
use crate::time::Span;
use http::{Method, Request, Response, StatusCode};
use hyper::client::conn::TrySendError;
use std::error::Error as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One thread's way to one portal.
pub struct Client {
    portal: Arc<Portal>,
    pools: Vec<Arc<Pool>>,
    readers: Arc<Readers>,
}

/// What a request wants beside its answer.
#[derive(Clone, Copy, Debug)]
pub struct Wants<'a> {
    /// The host that is asked for, in lower case and without a port; empty where any will do.
    pub host: &'a str,
    /// The path, as it came.
    pub path: &'a str,
    /// The visitor on whose behalf it is sent.
    pub visitor: IpAddr,
    /// The number of their pass, if they are inside.
    pub pass: Option<u64>,
    /// The connection is to become something else (101).
    pub upgrade: bool,
    /// It works once, such as the ticket of a sign-on: it is treated as a form is.
    pub once: bool,
    /// Who asks for the slot.
    pub claim: Claim,
}

impl Wants<'_> {
    /// The same number for the same visitor: of the pass, or of the address (of IPv6, the /64).
    pub(super) fn number(&self) -> u64 {
        let address = || match self.visitor.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        self.pass.unwrap_or_else(address)
    }
}

/// A request that got no answer.
struct Lost {
    slot: Slot,
    failure: Failure,
    again: Again,
    /// In words that follow the server's name.
    why: String,
}

/// Whether a request that got no answer can be sent again.
enum Again {
    /// It may have been worked on, and may not be repeated; or there was an answer.
    Never,
    /// The connection was closed before an answer came (RFC 9112 §9.3.1).
    IfSafe,
    /// Nobody has worked on it. Here it is, if nothing of it was sent at all.
    Always(Option<Box<Request<RequestBody>>>),
}

type Answer = Response<ResponseBody>;

impl Client {
    /// A client with connections of its own.
    pub fn new(portal: Arc<Portal>) -> Client {
        let pools = (0..portal.config.servers.len())
            .map(|server| portal.pool(server, portal.config.connect_timeout))
            .collect();
        Client {
            portal,
            pools,
            readers: Arc::default(),
        }
    }

    /// The portal.
    pub fn portal(&self) -> &Arc<Portal> {
        &self.portal
    }

    /// Closes connections that have been idle for too long, and lends slots of slow visitors to
    /// those who wait: to be called once a second.
    pub fn prune(&self) {
        self.pools.iter().for_each(|pool| pool.prune());
        self.readers.look(self.portal.is_short());
    }

    /// Sends one request: waits for a slot, in order, then for the head of the answer. The slot
    /// is held until the answer's body has ended or is dropped.
    ///
    /// It is sent a second time, on a new connection, only if nothing of it was sent; if the
    /// server says that it has not worked on it (HTTP/2: REFUSED_STREAM, or beyond the last stream
    /// of a GOAWAY) and it has no body; or if it is safe, works more than once, has no body, and was
    /// sent on a connection that the server may have closed meanwhile (RFC 9112 §9.3.1). What cannot be sent
    /// again is kept off connections that have been idle for a while.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(
        &self,
        request: Request<RequestBody>,
        wants: Wants<'_>,
    ) -> Result<Answer, Failure> {
        let bodyless = request.body().is_none();
        let safe = bodyless && is_safe(request.method()) && !wants.once;
        let wanted = Wanted {
            visitor: Some(wants.visitor),
            http1: wants.upgrade,
            again: safe,
        };
        let (slot, on_its_way) = self.portal.way(&request, wants).await?;
        let telling = Telling {
            client: self,
            wants,
            on_its_way,
            progress: request.body().progress(),
            told: false,
        };
        let mut sent = self.send_by(slot, request, wanted, wants).await;
        let usual = telling.tell(&sent);
        if let Ok(answer) = &mut sent {
            answer.body_mut().usually_takes(usual);
        }
        sent
    }

    async fn send_by(
        &self,
        slot: Slot,
        request: Request<RequestBody>,
        wanted: Wanted,
        wants: Wants<'_>,
    ) -> Result<Answer, Failure> {
        let bodyless = request.body().is_none();
        let (slot, sender) = self.connect(slot, wanted, Kept::Taken).await?;
        let repeatable = wanted.again && sender.reused;
        let copied = repeatable || (bodyless && sender.is_shared());
        let copy = copied.then(|| copy(&request));
        let lost = match self.exchange(slot, sender, request, wants).await {
            Ok(answer) => return Ok(answer),
            Err(lost) => lost,
        };
        let second = match lost.again {
            Again::Never => None,
            Again::IfSafe => copy.filter(|_| repeatable),
            Again::Always(unsent) => unsent.map(|unsent| *unsent).or(copy),
        };
        match second {
            // A box: it is rare, and every request would hold room for it.
            Some(request) => Box::pin(self.once_more(lost.slot, request, wanted, wants)).await,
            None => Err(self.lost(lost.slot, lost.failure, lost.why)),
        }
    }

    /// On a fresh connection to the same server or, if that cannot be reached, to another.
    async fn once_more(
        &self,
        slot: Slot,
        request: Request<RequestBody>,
        wanted: Wanted,
        wants: Wants<'_>,
    ) -> Result<Answer, Failure> {
        self.portal.counts.retries.fetch_add(1, Ordering::Relaxed);
        let (slot, sender) = self.connect(slot, wanted, Kept::Left).await?;
        let answer = self.exchange(slot, sender, request, wants).await;
        answer.map_err(|lost| self.lost(lost.slot, lost.failure, lost.why))
    }

    /// A connection to the slot's server or, if that cannot be reached, to one other.
    async fn connect(
        &self,
        slot: Slot,
        wanted: Wanted,
        kept: Kept,
    ) -> Result<(Slot, Sender), Failure> {
        let pool = &self.pools[slot.server()];
        let connected = match kept {
            Kept::Taken => pool.take(wanted).await,
            Kept::Left => pool.connect(wanted).await,
        };
        match connected {
            Ok(sender) => return Ok((slot, sender)),
            Err(why) => match self.unconnected(&slot, why) {
                Failure::Down => {}
                failure => return Err(failure),
            },
        }
        let slot = slot.elsewhere().ok_or(Failure::Down)?;
        self.portal.counts.retries.fetch_add(1, Ordering::Relaxed);
        match self.pools[slot.server()].take(wanted).await {
            Ok(sender) => Ok((slot, sender)),
            Err(why) => Err(self.unconnected(&slot, why)),
        }
    }

    async fn exchange(
        &self,
        mut slot: Slot,
        mut sender: Sender,
        request: Request<RequestBody>,
        wants: Wants<'_>,
    ) -> Result<Answer, Lost> {
        let progress = request.body().progress();
        let answer = {
            let _working = Working(&mut slot, &progress);
            let answer = std::pin::pin!(sender.send(request));
            in_time(answer, &progress, self.portal.config.response_timeout).await
        };
        slot.works(false);
        let lost = |slot, failure, again, why| Lost {
            slot,
            failure,
            again,
            why,
        };
        match answer {
            Ok(Ok(mut answer)) => {
                if let Err(wrong) = answer::check(&mut answer, wants.upgrade) {
                    let why = format!("sends what is not HTTP: its answer {wrong}");
                    return Err(lost(slot, Failure::Broken, Again::Never, why));
                }
                self.answered(&slot, answer.status());
                let lease = Lease {
                    portal: self.portal.clone(),
                    slot: Some(slot),
                    readers: self.readers.clone(),
                    reader: None,
                    sender,
                    keep: true,
                    request: progress,
                };
                Ok(ResponseBody::new(answer, lease))
            }
            // The visitor's body broke off: nothing that the server is to blame for.
            Ok(Err(error)) if error.error().is_user() => {
                Err(lost(slot, Failure::Left, Again::Never, String::new()))
            }
            Ok(Err(error)) => {
                let why = words(error.error());
                Err(lost(slot, Failure::Broken, again(error), why))
            }
            // Nor is it if the body has stood still.
            Err(Failure::Left) => Err(lost(slot, Failure::Left, Again::Never, String::new())),
            Err(failure) => {
                let why = "does not answer in time".to_owned();
                Err(lost(slot, failure, Again::Never, why))
            }
        }
    }

    fn answered(&self, slot: &Slot, status: StatusCode) {
        let counts = &self.portal.counts;
        counts.answered.fetch_add(1, Ordering::Relaxed);
        let error = u64::from(status.is_server_error());
        counts.errors.fetch_add(error, Ordering::Relaxed);
        self.portal.request_ended(slot.server(), judge(status));
    }

    /// The server is to blame only for what is not our own want.
    fn unconnected(&self, slot: &Slot, why: NoConnection) -> Failure {
        let portal = &self.portal;
        portal.counts.unreachable.fetch_add(1, Ordering::Relaxed);
        match why {
            NoConnection::Unreachable(_) => {
                portal.request_ended(slot.server(), Outcome::Unreachable);
                Failure::Down
            }
            NoConnection::Exhausted => {
                portal.log_exhausted();
                Failure::Busy
            }
        }
    }

    /// Counts a request without an answer, and says whose fault that is.
    fn lost(&self, slot: Slot, failure: Failure, why: String) -> Failure {
        let counts = &self.portal.counts;
        match failure {
            Failure::Left => return failure,
            Failure::Slow => counts.timeouts.fetch_add(1, Ordering::Relaxed),
            _ => {
                self.portal.log_broken(slot.server(), &why);
                counts.broken.fetch_add(1, Ordering::Relaxed)
            }
        };
        self.portal.request_ended(slot.server(), Outcome::Failed);
        failure
    }
}

/// The server works on a request, whether somebody waits for the answer or not; but on no half of
/// one.
struct Working<'a>(&'a mut Slot, &'a Progress);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.works(self.1.ended());
    }
}

/// Tells the portal's laws what became of a request, also if nobody waits for that any more.
struct Telling<'a> {
    client: &'a Client,
    wants: Wants<'a>,
    on_its_way: OnItsWay,
    progress: Arc<Progress>,
    told: bool,
}

impl Telling<'_> {
    /// Gives the seconds that an answer usually takes.
    fn tell(mut self, sent: &Result<Answer, Failure>) -> Option<f64> {
        self.told = true;
        let heard = sent
            .as_ref()
            .map(Response::status)
            .map_err(|failure| *failure);
        self.client.portal.bearing.heard(&self.wants, heard);
        self.say(match sent {
            // Until the visitor has sent all of it, it is not the portal that is slow.
            Ok(_) if self.progress.handed_on().is_none() => room::Answer::Odd,
            Ok(answer) => bearing::judge(answer.status()),
            Err(Failure::Slow | Failure::Broken | Failure::Down) => room::Answer::Failed,
            // Our own want, or the visitor's: nothing about the portal.
            Err(Failure::Busy | Failure::Left) => return None,
        })
    }

    fn say(&self, answer: room::Answer) -> Option<f64> {
        let since = self.progress.handed_on().unwrap_or_default();
        let bearing = &self.client.portal.bearing;
        bearing.answered(&self.on_its_way, since, answer)
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.told && self.progress.handed_on().is_some() {
            self.say(room::Answer::Left);
        }
    }
}

/// What becomes of connections that are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// One of them will do.
    Taken,
    /// The last one broke: a new one is made.
    Left,
}

/// Whether a request that met `error` can be sent again.
fn again(mut error: TrySendError<Request<RequestBody>>) -> Again {
    if let Some(unsent) = error.take_message() {
        return Again::Always(Some(Box::new(unsent)));
    }
    let error = error.error();
    let http2 = error
        .source()
        .and_then(|cause| cause.downcast_ref::<h2::Error>());
    match http2 {
        // RFC 9113 §8.7: such a request has not been worked on.
        Some(cause) if cause.is_remote() && cause.is_go_away() => Again::Always(None),
        Some(cause) if cause.reason() == Some(h2::Reason::REFUSED_STREAM) => Again::Always(None),
        Some(_) => Again::Never,
        None if error.is_parse() => Again::Never,
        None => Again::IfSafe,
    }
}

/// What went wrong, in words that follow the server's name.
pub(super) fn words(error: &hyper::Error) -> String {
    let cause = error.source().map(ToString::to_string);
    match cause {
        _ if error.is_parse() => format!("sends what is not HTTP ({error})"),
        Some(cause) => format!("breaks the connection before it answers ({error}: {cause})"),
        None => format!("breaks the connection before it answers ({error})"),
    }
}

/// What `answer` gives, unless the server or the visitor lets us wait for too long.
async fn in_time<T>(
    mut answer: Pin<&mut impl Future<Output = T>>,
    progress: &Progress,
    patience: Span,
) -> Result<T, Failure> {
    progress.begin(host::now());
    loop {
        let wait = progress.wait(patience, host::now())?;
        if let Ok(answer) = tokio::time::timeout(wait.into(), answer.as_mut()).await {
            return Ok(answer);
        }
    }
}

/// RFC 9110 §9.2.1.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(request.body().none_again());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

#[cfg(test)]
mod tests {
    use super::super::tests::portal;
    use super::*;
    use http_body_util::BodyExt as _;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    const WANTS: Wants<'static> = Wants {
        host: "",
        path: "/",
        once: false,
        claim: Claim::Inside,
        visitor: IpAddr::V4(Ipv4Addr::LOCALHOST),
        pass: None,
        upgrade: false,
    };

    /// A server that answers once on each connection, and closes it when asked again.
    async fn closing_server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_once(stream));
            }
        });
        format!("[\"http://{address}\"]")
    }

    async fn answer_once(mut stream: TcpStream) {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let _ = stream.write_all(answer).await;
        let _ = stream.read(&mut request).await;
    }

    #[tokio::test]
    async fn a_form_does_not_meet_a_connection_that_the_server_is_closing() {
        let client = Client::new(portal(&closing_server().await, ""));
        let request = |method: Method| {
            let mut request = Request::new(RequestBody::none());
            *request.method_mut() = method;
            request
        };
        let page = client.send(request(Method::GET), WANTS).await.ok().unwrap();
        page.into_body().collect().await.unwrap();
        tokio::time::sleep(Span(1_100).into()).await;
        let sent = client.send(request(Method::POST), WANTS).await;
        assert_eq!(sent.err(), None);
        assert!(client.portal().is_up());
    }

    #[tokio::test]
    async fn what_works_once_is_sent_once() {
        for (once, retries) in [(false, 1), (true, 0)] {
            let client = Client::new(portal(&closing_server().await, ""));
            let request = || Request::new(RequestBody::none());
            let page = client.send(request(), WANTS).await.ok().unwrap();
            page.into_body().collect().await.unwrap();
            // On the kept connection, which the server closes when it has read the request.
            let sent = client.send(request(), Wants { once, ..WANTS }).await;
            assert_eq!(sent.err(), once.then_some(Failure::Broken));
            let sent_again = client.portal().counts.retries.load(Ordering::Relaxed);
            assert_eq!(sent_again, retries);
        }
    }
}
