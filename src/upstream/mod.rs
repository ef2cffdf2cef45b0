//! Portals as they run: servers, slots, health, connections, and one request sent to one of them.

mod body;
mod health;
mod pool;
mod slots;

pub use body::{RequestBody, ResponseBody};
pub use health::Outcome;
pub use slots::{Slot, Usage};

use crate::config;
use crate::host;
use crate::time::Span;
use health::Health;
use http::{Method, Request, Response, StatusCode};
use pool::{Pool, Sender};
use slots::{NoSlot, Slots, Turn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A portal, shared by all threads.
pub struct Portal {
    config: config::Portal,
    slots: Arc<Slots>,
    health: Vec<Mutex<Health>>,
    up: watch::Sender<bool>,
    /// What happened, for the desk.
    pub counts: Counts,
}

/// What happened to requests to a portal. All only ever grow.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests that the portal answered, whatever it said.
    pub answered: AtomicU64,
    /// Answers of 500 and above.
    pub errors: AtomicU64,
    /// Requests for which no connection could be made.
    pub unreachable: AtomicU64,
    /// Requests that got no answer in time.
    pub timeouts: AtomicU64,
    /// Requests that broke before an answer.
    pub broken: AtomicU64,
    /// Requests sent again on another connection or to another server.
    pub retries: AtomicU64,
    /// Requests that found no slot in time.
    pub no_slot: AtomicU64,
    /// Times that a server went down.
    pub falls: AtomicU64,
}

/// Why there is no answer from the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No server is up, or none could be reached.
    Down,
    /// No slot became free in time, or too many wait already.
    Busy,
    /// The server gave no answer in time.
    Slow,
    /// The connection broke before an answer, or the answer was not HTTP.
    Broken,
    /// The visitor's own body broke off.
    Left,
}

impl Portal {
    /// A portal whose servers are taken to be up until they fail.
    pub fn new(config: config::Portal) -> Arc<Portal> {
        let servers = config.servers.len();
        let slots = Slots::new(
            config.slots,
            config.server_slots,
            config.slot_queue,
            servers,
        );
        Arc::new(Portal {
            slots,
            health: (0..servers)
                .map(|_| Mutex::new(Health::new(config.health.fall)))
                .collect(),
            up: watch::Sender::new(true),
            counts: Counts::default(),
            config,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &config::Portal {
        &self.config
    }

    /// Whether any server is up; changes are seen by the receiver.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// Whether any server is up.
    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// How the slots are used.
    pub fn usage(&self) -> Usage {
        self.slots.usage()
    }

    /// Probes one server for as long as the program runs: at the interval while it is up, with
    /// growing waits while it is down.
    pub async fn probe_forever(self: Arc<Self>, server: usize) {
        let health = &self.config.health;
        let mut wait = Span::ZERO;
        let mut dice = fastrand::Rng::with_seed(host::seed());
        let pool = self.pool(server, health.timeout);
        // The first probe at once: a portal that is down at the start is known as such soon.
        loop {
            let outcome = self.probe(&pool).await;
            let was_up = self.health(server).is_up();
            let changed = self.health(server).probe(outcome);
            if changed {
                self.changed(server, outcome == Outcome::Answered);
            }
            let up = self.health(server).is_up();
            wait = match (up, was_up) {
                (true, _) => Span::ZERO,
                (false, true) => health.probe_min,
                (false, false) => {
                    health::next_probe(wait, health.probe_min, health.probe_max, dice.f64())
                }
            };
            // Someone's request may take the server down meanwhile: then the short wait counts.
            let pause = if up { health.interval } else { wait };
            self.pause(server, pause).await;
        }
    }

    /// Waits, but not longer than the first probe of a server that has just gone down wants.
    async fn pause(&self, server: usize, pause: Span) {
        let step = self.config.health.probe_min.min(pause);
        let mut waited = Span::ZERO;
        let was_up = self.health(server).is_up();
        while waited < pause {
            tokio::time::sleep(step.into()).await;
            waited = waited + step;
            if was_up && !self.health(server).is_up() {
                return;
            }
        }
    }

    async fn probe(&self, pool: &Arc<Pool>) -> Outcome {
        let health = &self.config.health;
        let request = Request::get(health.path.as_str())
            .header(http::header::HOST, pool.address().to_string())
            .header(http::header::USER_AGENT, "preau-probe")
            .body(RequestBody::none());
        let Ok(request) = request else {
            return Outcome::Failed;
        };
        let ask = async {
            let mut sender = pool.connect().await.ok()?;
            sender.inner.send_request(request).await.ok()
        };
        match tokio::time::timeout(health.timeout.into(), ask).await {
            Ok(Some(response)) if !response.status().is_server_error() => Outcome::Answered,
            _ => Outcome::Failed,
        }
    }

    fn request_ended(&self, server: usize, outcome: Outcome) {
        if self.health(server).request(outcome, host::now()) {
            self.changed(server, false);
        }
    }

    fn changed(&self, server: usize, up: bool) {
        let (portal, address) = (&self.config.name, &self.config.servers[server]);
        if up {
            tracing::info!(%portal, server = %address, "the server answers again");
        } else {
            self.counts.falls.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%portal, server = %address, "the server is down: it does not answer, or answers 502, 503 or 504");
        }
        self.slots.set_up(server, up);
        let any = self.slots.usage().servers.iter().any(|(up, _)| *up);
        self.up
            .send_if_modified(|was| std::mem::replace(was, any) != any);
    }

    fn health(&self, server: usize) -> std::sync::MutexGuard<'_, Health> {
        self.health[server]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self, server: usize, connect_timeout: Span) -> Arc<Pool> {
        let address = self.config.servers[server].clone();
        Pool::new(address, self.config.keep_alive, connect_timeout)
    }

    async fn slot(&self) -> Result<Slot, Failure> {
        let busy = || {
            self.counts.no_slot.fetch_add(1, Ordering::Relaxed);
            Failure::Busy
        };
        match self.slots.ask() {
            Ok(Turn::Now(slot)) => Ok(slot),
            Ok(Turn::Later(turn)) => {
                match tokio::time::timeout(self.config.slot_wait.into(), turn).await {
                    Ok(Ok(slot)) => Ok(slot),
                    Ok(Err(_)) => Err(Failure::Down),
                    Err(_) => Err(busy()),
                }
            }
            Err(NoSlot::Down) => Err(Failure::Down),
            Err(NoSlot::QueueFull) => Err(busy()),
        }
    }
}

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
        let Ok(sender) = self.pools[slot.server()].connect().await else {
            self.unreachable(&slot);
            return Err(Failure::Down);
        };
        match self.exchange(slot, sender, request).await {
            Ok(response) => Ok(response),
            Err((Failure::Broken, slot, _)) => Err(self.broken(&slot)),
            Err((failure, ..)) => Err(failure),
        }
    }

    /// A connection to the slot's server or, if that cannot be reached, to one other.
    async fn connect(&self, slot: Slot) -> Result<(Slot, Sender), Failure> {
        if let Ok(sender) = self.pools[slot.server()].take().await {
            return Ok((slot, sender));
        }
        self.unreachable(&slot);
        let slot = slot.elsewhere().ok_or(Failure::Down)?;
        self.portal.counts.retries.fetch_add(1, Ordering::Relaxed);
        match self.pools[slot.server()].take().await {
            Ok(sender) => Ok((slot, sender)),
            Err(_) => {
                self.unreachable(&slot);
                Err(Failure::Down)
            }
        }
    }

    async fn exchange(
        &self,
        slot: Slot,
        mut sender: Sender,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, (Failure, Slot, Option<Request<RequestBody>>)> {
        let request_ended = request.body().ended();
        let counts = &self.portal.counts;
        let patience: Duration = self.portal.config.response_timeout.into();
        match tokio::time::timeout(patience, sender.inner.try_send_request(request)).await {
            Ok(Ok(response)) => {
                counts.answered.fetch_add(1, Ordering::Relaxed);
                let status = response.status();
                counts
                    .errors
                    .fetch_add(u64::from(status.is_server_error()), Ordering::Relaxed);
                self.portal.request_ended(slot.server(), judge(status));
                let lease = body::Lease {
                    slot,
                    sender,
                    request_ended,
                };
                Ok(response.map(|incoming| ResponseBody::new(incoming, lease)))
            }
            // The visitor's body broke off: nothing that the server is to blame for.
            Ok(Err(error)) if error.error().is_user() => Err((Failure::Left, slot, None)),
            Ok(Err(mut error)) => Err((Failure::Broken, slot, error.take_message())),
            Err(_) => {
                counts.timeouts.fetch_add(1, Ordering::Relaxed);
                self.portal.request_ended(slot.server(), Outcome::Failed);
                Err((Failure::Slow, slot, None))
            }
        }
    }

    fn unreachable(&self, slot: &Slot) {
        self.portal
            .counts
            .unreachable
            .fetch_add(1, Ordering::Relaxed);
        self.portal.request_ended(slot.server(), Outcome::Failed);
    }

    fn broken(&self, slot: &Slot) -> Failure {
        self.portal.counts.broken.fetch_add(1, Ordering::Relaxed);
        self.portal.request_ended(slot.server(), Outcome::Failed);
        Failure::Broken
    }
}

/// 502, 503 and 504 say "the portal is not well"; a 500 may be one broken page.
fn judge(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Failed
        }
        _ => Outcome::Answered,
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
