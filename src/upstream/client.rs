//! One request, sent to a server of the portal.

use super::body::{Lease, Progress, RequestBody, ResponseBody};
use super::pool::{NoConnection, Pool, Sender};
use super::slots::Slot;
use super::{Failure, Outcome, Portal, judge};
use crate::host;
use crate::time::Span;
use http::{Method, Request, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One thread's way to one portal.
pub struct Client {
    portal: Arc<Portal>,
    pools: Vec<Arc<Pool>>,
}

impl Client {
    /// A client with connections of its own.
    pub fn new(portal: Arc<Portal>) -> Client {
        let pools = (0..portal.config.servers.len())
            .map(|server| portal.pool(server, portal.config.connect_timeout))
            .collect();
        Client { portal, pools }
    }

    /// The portal.
    pub fn portal(&self) -> &Arc<Portal> {
        &self.portal
    }

    /// Closes connections that have been idle for too long.
    pub fn prune(&self) {
        self.pools.iter().for_each(|pool| pool.prune());
    }

    /// Sends one request: waits for a slot, in order, then for the head of the answer. The slot
    /// is held until the answer's body has ended or is dropped.
    ///
    /// It is sent a second time only if nothing of it was sent, or if it is safe, has no body,
    /// and was sent on a connection that the server may have closed meanwhile (RFC 9112 §9.3.1).
    /// What cannot be sent again is kept off connections that have been idle for a while.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let again = request.body().is_none() && is_safe(request.method());
        let slot = self.portal.slot().await?;
        let (slot, sender) = self.connect(slot, again).await?;
        let copy = (again && sender.reused).then(|| copy(&request));
        match self.exchange(slot, sender, request).await {
            Ok(response) => Ok(response),
            Err((Failure::Broken, slot, unsent)) => match unsent.or(copy) {
                Some(request) => self.once_more(slot, request).await,
                None => Err(self.broken(&slot)),
            },
            Err((failure, ..)) => Err(failure),
        }
    }

    /// On a fresh connection to the same server.
    async fn once_more(
        &self,
        slot: Slot,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failure> {
        self.portal.counts.retries.fetch_add(1, Ordering::Relaxed);
        let connected = self.pools[slot.server()].connect().await;
        let sender = connected.map_err(|why| self.unconnected(&slot, why))?;
        match self.exchange(slot, sender, request).await {
            Ok(response) => Ok(response),
            Err((Failure::Broken, slot, _)) => Err(self.broken(&slot)),
            Err((failure, ..)) => Err(failure),
        }
    }

    /// A connection to the slot's server or, if that cannot be reached, to one other.
    async fn connect(&self, slot: Slot, again: bool) -> Result<(Slot, Sender), Failure> {
        match self.pools[slot.server()].take(again).await {
            Ok(sender) => return Ok((slot, sender)),
            Err(why) => match self.unconnected(&slot, why) {
                Failure::Down => {}
                failure => return Err(failure),
            },
        }
        let slot = slot.elsewhere().ok_or(Failure::Down)?;
        self.portal.counts.retries.fetch_add(1, Ordering::Relaxed);
        match self.pools[slot.server()].take(again).await {
            Ok(sender) => Ok((slot, sender)),
            Err(why) => Err(self.unconnected(&slot, why)),
        }
    }

    async fn exchange(
        &self,
        slot: Slot,
        mut sender: Sender,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, (Failure, Slot, Option<Request<RequestBody>>)> {
        let progress = request.body().progress();
        let counts = &self.portal.counts;
        let answer = sender.inner.try_send_request(request);
        match in_time(answer, &progress, self.portal.config.response_timeout).await {
            Ok(Ok(response)) => {
                counts.answered.fetch_add(1, Ordering::Relaxed);
                let status = response.status();
                counts
                    .errors
                    .fetch_add(u64::from(status.is_server_error()), Ordering::Relaxed);
                self.portal.request_ended(slot.server(), judge(status));
                let lease = Lease {
                    slot,
                    sender,
                    request: progress,
                };
                Ok(response.map(|incoming| ResponseBody::new(incoming, lease)))
            }
            // The visitor's body broke off: nothing that the server is to blame for.
            Ok(Err(error)) if error.error().is_user() => Err((Failure::Left, slot, None)),
            Ok(Err(mut error)) => Err((Failure::Broken, slot, error.take_message())),
            // Nor is it if the body has stood still.
            Err(Failure::Left) => Err((Failure::Left, slot, None)),
            Err(_) => {
                counts.timeouts.fetch_add(1, Ordering::Relaxed);
                self.portal.request_ended(slot.server(), Outcome::Failed);
                Err((Failure::Slow, slot, None))
            }
        }
    }

    /// The server is to blame only for what is not our own want.
    fn unconnected(&self, slot: &Slot, why: NoConnection) -> Failure {
        let portal = &self.portal;
        portal.counts.unreachable.fetch_add(1, Ordering::Relaxed);
        match why {
            NoConnection::Unreachable => {
                portal.request_ended(slot.server(), Outcome::Failed);
                Failure::Down
            }
            NoConnection::Exhausted => {
                portal.log_exhausted();
                Failure::Busy
            }
        }
    }

    fn broken(&self, slot: &Slot) -> Failure {
        self.portal.counts.broken.fetch_add(1, Ordering::Relaxed);
        self.portal.request_ended(slot.server(), Outcome::Failed);
        Failure::Broken
    }
}

/// What `answer` gives, unless the server or the visitor lets us wait for too long.
async fn in_time<T>(
    answer: impl Future<Output = T>,
    progress: &Progress,
    patience: Span,
) -> Result<T, Failure> {
    progress.begin(host::now());
    let mut answer = std::pin::pin!(answer);
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
    let mut copy = Request::new(RequestBody::none());
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

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
        let page = client.send(request(Method::GET)).await.ok().unwrap();
        page.into_body().collect().await.unwrap();
        tokio::time::sleep(Span(1_100).into()).await;
        let sent = client.send(request(Method::POST)).await;
        assert_eq!(sent.err(), None);
        assert!(client.portal().is_up());
    }
}
