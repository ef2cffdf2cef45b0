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
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let slot = self.portal.slot().await?;
        let (slot, sender) = self.connect(slot).await?;
        let again = sender.reused && request.body().is_none() && is_safe(request.method());
        let copy = again.then(|| copy(&request));
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
    async fn connect(&self, slot: Slot) -> Result<(Slot, Sender), Failure> {
        match self.pools[slot.server()].take().await {
            Ok(sender) => return Ok((slot, sender)),
            Err(why) => match self.unconnected(&slot, why) {
                Failure::Down => {}
                failure => return Err(failure),
            },
        }
        let slot = slot.elsewhere().ok_or(Failure::Down)?;
        self.portal.counts.retries.fetch_add(1, Ordering::Relaxed);
        match self.pools[slot.server()].take().await {
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
