//! Portals as they run: servers, slots, health, connections, and one request sent to one of them.

mod body;
mod client;
mod health;
mod pool;
mod slots;

pub use body::{RequestBody, ResponseBody};
pub use client::Client;
pub use health::Outcome;
pub use slots::{Slot, Usage};

use crate::config;
use crate::host;
use crate::time::{Millis, Span};
use health::Health;
use http::{Request, StatusCode};
use pool::{NoConnection, Pool};
use slots::{NoSlot, Slots, Turn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// What holds for every request is said in the log no more often than this.
const SAY_AGAIN: Span = Span::secs(10);

/// A portal, shared by all threads.
pub struct Portal {
    config: config::Portal,
    slots: Arc<Slots>,
    /// One lock for all servers, held while a change is told to the slots and the watchers:
    /// otherwise they could learn of two changes in the wrong order, for good. It is taken
    /// before theirs.
    health: Mutex<Vec<Health>>,
    /// For each server: a request has just taken it down.
    fell: Vec<Notify>,
    up: watch::Sender<bool>,
    /// When the log last said that we are out of something.
    exhausted_said: AtomicU64,
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
    /// No slot became free in time, or too many wait already; or we have no descriptor or port
    /// left for a connection.
    Busy,
    /// The server gave no answer in time.
    Slow,
    /// The connection broke before an answer, or the answer was not HTTP.
    Broken,
    /// The visitor's own body broke off, or stood still for too long.
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
            health: Mutex::new(vec![Health::new(config.health.fall); servers]),
            fell: (0..servers).map(|_| Notify::new()).collect(),
            up: watch::Sender::new(true),
            exhausted_said: AtomicU64::new(0),
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
        let mut dice = fastrand::Rng::with_seed(host::seed());
        let pool = self.pool(server, health.timeout);
        // The first probe at once: a portal that is down at the start is known as such soon.
        loop {
            let outcome = self.probe(&pool).await;
            if let Some(outcome) = outcome {
                self.judged(server, |health| health.probe(outcome, host::now()));
            }
            if self.health()[server].is_up() {
                let interval = health.interval.into();
                let _ = tokio::time::timeout(interval, self.fell[server].notified()).await;
            }
            let wait = {
                let known = &mut self.health()[server];
                (!known.is_up())
                    .then(|| known.next_wait(health.probe_min, health.probe_max, dice.f64()))
            };
            if let Some(wait) = wait {
                tokio::time::sleep(wait.into()).await;
            }
        }
    }

    /// Nothing, if we could not even ask.
    async fn probe(&self, pool: &Arc<Pool>) -> Option<Outcome> {
        let health = &self.config.health;
        let request = Request::get(health.path.as_str())
            .header(http::header::HOST, pool.address().to_string())
            .header(http::header::USER_AGENT, "preau-probe")
            .body(RequestBody::none());
        let Ok(request) = request else {
            return Some(Outcome::Failed);
        };
        let ask = async {
            let mut sender = pool.connect().await?;
            let answer = sender.inner.send_request(request).await;
            answer.map_err(|_| NoConnection::Unreachable)
        };
        match tokio::time::timeout(health.timeout.into(), ask).await {
            Ok(Ok(response)) if !response.status().is_server_error() => Some(Outcome::Answered),
            Ok(Err(NoConnection::Exhausted)) => {
                self.log_exhausted();
                None
            }
            _ => Some(Outcome::Failed),
        }
    }

    fn request_ended(&self, server: usize, outcome: Outcome) {
        if self.judged(server, |health| health.request(outcome, host::now())) {
            self.fell[server].notify_one();
        }
    }

    /// Judges a server. If `verdict` says that it has changed, the slots and whoever watches
    /// learn it before the next verdict. Returns whether it has changed.
    fn judged(&self, server: usize, verdict: impl FnOnce(&mut Health) -> bool) -> bool {
        let mut health = self.health();
        if !verdict(&mut health[server]) {
            return false;
        }
        let up = health[server].is_up();
        let any = health.iter().any(Health::is_up);
        self.slots.set_up(server, up);
        self.up
            .send_if_modified(|was| std::mem::replace(was, any) != any);
        drop(health);
        self.log_change(server, up);
        true
    }

    fn log_change(&self, server: usize, up: bool) {
        let (portal, address) = (&self.config.name, &self.config.servers[server]);
        if up {
            tracing::info!(%portal, server = %address, "the server answers again");
        } else {
            self.counts.falls.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%portal, server = %address, "the server is down: it does not answer, or most answers are errors");
        }
    }

    /// Says that we are out of something, but not for each request.
    fn log_exhausted(&self) {
        let now = host::now();
        let said = Millis(self.exhausted_said.load(Ordering::Relaxed));
        if now.since(said) >= SAY_AGAIN {
            self.exhausted_said.store(now.0, Ordering::Relaxed);
            let portal = &self.config.name;
            tracing::warn!(%portal, "no connection to the portal: this process or machine has no open files, ports or memory left. Raise LimitNOFILE, or lower limits.connections");
        }
    }

    fn health(&self) -> MutexGuard<'_, Vec<Health>> {
        // Nothing panics while it is held; if it did, each verdict is still whole.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
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

/// 502, 503 and 504 say "the portal is not well"; a 500 may be one broken page.
fn judge(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Failed
        }
        StatusCode::INTERNAL_SERVER_ERROR => Outcome::Erred,
        _ => Outcome::Answered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    /// A portal of these servers; one failure takes a server down.
    pub(super) fn portal(servers: &str, keys: &str) -> Arc<Portal> {
        let text = format!(
            "[[portal]]\nname = \"ent\"\nservers = {servers}\nhealth = {{ fall = 1 }}\n{keys}\n\
             [[room]]\nname = \"ent\"\nportal = \"ent\"\n"
        );
        let source = config::Source {
            name: "test",
            text: &text,
            overrides: &[],
        };
        let config = config::parse(source).unwrap();
        Portal::new(config.portals[0].clone())
    }

    #[test]
    fn health_slots_and_watchers_agree_whoever_comes_last() {
        const ROUNDS: usize = 20_000;
        let portal = portal(r#"["http://127.0.0.1:9", "http://127.0.0.2:9"]"#, "");
        let round = Barrier::new(5);
        let mut disagreed = 0;
        thread::scope(|scope| {
            for server in [0, 1] {
                let (portal, round) = (&portal, &round);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        round.wait();
                        portal.request_ended(server, Outcome::Failed);
                        round.wait();
                    }
                });
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        round.wait();
                        portal.judged(server, |health| health.probe(Outcome::Answered, Millis(0)));
                        round.wait();
                    }
                });
            }
            for _ in 0..ROUNDS {
                round.wait();
                round.wait();
                let known: Vec<bool> = portal.health().iter().map(Health::is_up).collect();
                let used: Vec<bool> = portal.usage().servers.iter().map(|(up, _)| *up).collect();
                let agree = known == used && portal.is_up() == known.contains(&true);
                disagreed += u32::from(!agree);
            }
        });
        assert_eq!(disagreed, 0, "of {ROUNDS} rounds");
    }
}
