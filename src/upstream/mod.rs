//! Portals as they run: servers, slots, health, connections, and one request sent to one of them.

mod addresses;
mod answer;
mod bearing;
mod beginning;
mod body;
mod client;
mod connect;
mod few;
mod health;
mod pace;
mod pool;
mod probe;
mod race;
mod slots;
mod socket;
mod taken;
mod tls;
mod upload;
mod via;

pub use bearing::Bearing;
pub use body::{BodyError, ResponseBody, has_blanks, is_trailer};
pub use client::{Client, Wants};
pub use connect::reach;
pub use health::{Health, Outcome};
pub use pace::Pace;
pub use probe::try_server;
pub use slots::{CONNECTIONS_PER_SLOT, Claim, LENT_PER_SLOT, LONG_WAIT, Slot, Usage};
pub use tls::client_config;
pub use upload::{Interim, RequestBody};
pub use via::{add as add_via, came_back};

use crate::config;
use crate::host::{self, Seldom};
use crate::room::{Capacity, CapacityRules, Limit, PartChange, People, What};
use crate::time::Span;
use addresses::Addresses;
use connect::Connector;
use http::StatusCode;
use pool::{Keep, Pool};
use slots::Slots;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tls::Tls;
use tokio::sync::{Notify, watch};

/// What holds for every request is said in the log no more often than this.
const SAY_AGAIN: Span = Span::secs(10);

/// A portal, shared by all threads.
pub struct Portal {
    config: config::Portal,
    slots: Arc<Slots>,
    /// Of these, the few that what is stuck may have.
    few: Arc<Slots>,
    /// One lock for all servers, held while a change is told to the slots and the watchers:
    /// otherwise they could learn of two changes in the wrong order, for good. It is taken
    /// before theirs.
    health: Mutex<Vec<Server>>,
    /// For each server: a request has just cast a doubt on it.
    doubted: Vec<Notify>,
    up: watch::Sender<bool>,
    /// For each server: where it is.
    addresses: Vec<Arc<Addresses>>,
    /// If any server is behind TLS.
    tls: Option<Arc<Tls>>,
    /// When the log last said that we are out of something, and that an answer was broken.
    exhausted_said: Seldom,
    broken_said: Seldom,
    /// How much it can bear.
    pub bearing: Bearing,
    /// What happened, for the desk.
    pub counts: Counts,
}

/// What is known of one server.
struct Server {
    health: Health,
    /// What was wrong with its last probe that failed, in words that follow its name; empty if none
    /// ever has.
    why: Why,
}

/// What is wrong with a server.
type Why = Cow<'static, str>;

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
    /// Requests that waited for others of their visitor, or for what is as heavy.
    pub held_back: AtomicU64,
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
    /// A portal whose servers are taken to be up until they fail. `seats`: those of its rooms whose
    /// seats are found; `found`: what was known of it before a restart.
    pub fn new(config: config::Portal, seats: Limit, found: Option<Capacity>) -> Arc<Portal> {
        let servers = config.servers.len();
        let rules = CapacityRules {
            slots: config.slots,
            seats,
        };
        let bearing = Bearing::new(rules, found);
        let few = few::of(bearing.slots(), config.slot_queue);
        let slots = Slots::new(
            bearing.slots(),
            config.server_slots,
            config.slot_queue,
            servers,
        );
        Arc::new(Portal {
            slots,
            few,
            bearing,
            health: Mutex::new((0..servers).map(|_| Server::new(&config)).collect()),
            doubted: (0..servers).map(|_| Notify::new()).collect(),
            up: watch::Sender::new(true),
            addresses: (config.servers.iter())
                .map(|server| Arc::new(Addresses::new(server.clone())))
                .collect(),
            tls: tls(&config),
            exhausted_said: Seldom::new(SAY_AGAIN),
            broken_said: Seldom::new(SAY_AGAIN),
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
        let mut usage = self.slots.usage();
        usage.waiting += self.few.usage().waiting;
        usage
    }

    /// For each server that is down: what was wrong with it last, in words that follow its name.
    pub fn wrongs(&self) -> Vec<Option<String>> {
        let wrong = |server: &Server| {
            let down = !server.health.is_up();
            down.then(|| server.why.clone().into_owned())
        };
        self.health().iter().map(wrong).collect()
    }

    /// Once a second: moves the limits by what was seen, and says so. `inside`: people in the rooms
    /// whose seats are found. Their seats are [`Bearing::seats`].
    pub fn tick(&self, inside: People) {
        let (heads, in_flight) = self.slots.pressure(host::now());
        for moved in self.bearing.tick(heads, in_flight, inside) {
            if moved.what == What::Slots {
                self.set_slots(moved.to);
            }
            let (portal, seen) = (&self.config.name, moved.seen);
            tracing::debug!(
                %portal, what = ?moved.what, from = moved.from, to = moved.to, ?seen,
                "a limit is moved: {}", moved.why.words()
            );
        }
        // What is kept for others is so only for a while.
        self.slots.hand_on();
        self.few.hand_on();
        self.bearing
            .parts_changed()
            .into_iter()
            .for_each(|change| self.log_part(change));
    }

    /// It answers again after it was down.
    pub fn back(&self, inside: u32) {
        self.bearing.back(inside);
    }

    /// Looks up the name of one server, again and again, for as long as the program runs.
    pub async fn follow(self: Arc<Self>, server: usize) {
        let config = &self.config;
        let connector = Arc::new(self.connector(server));
        connector
            .follow(config.resolve_every, config.connect_timeout)
            .await;
    }

    /// Frees the slots of those who left as soon as their answers would have come, for as long as
    /// the program runs.
    pub async fn free_slots(self: Arc<Self>) {
        tokio::join!(self.slots.free_on_time(), self.few.free_on_time());
    }

    /// Whether anybody waits for a slot.
    fn is_short(&self) -> bool {
        self.slots.is_short()
    }

    /// What a request says of its server; if that casts a doubt, the server is probed at once.
    fn request_ended(&self, server: usize, outcome: Outcome) {
        if self.health()[server].health.request(outcome) {
            self.doubted[server].notify_one();
        }
    }

    /// What a probe says of its server. If it has changed by that, the slots and whoever watches
    /// learn it before the next verdict. Returns whether it has changed.
    fn probed(&self, server: usize, outcome: Outcome, why: Why) -> bool {
        let mut servers = self.health();
        let is_up = |server: &Server| server.health.is_up();
        let alone = !(servers.iter().enumerate()).any(|(at, it)| at != server && is_up(it));
        let judged = &mut servers[server];
        if outcome != Outcome::Answered {
            judged.why = why;
        }
        if !judged.health.probe(outcome, alone, host::now()) {
            return false;
        }
        let up = judged.health.is_up();
        let why = judged.why.clone();
        let any = servers.iter().any(is_up);
        self.slots.set_up(server, up);
        self.few.set_up(0, any);
        if !any {
            // Those who reload find few slots at once when it is back.
            self.bearing.down();
            self.set_slots(self.bearing.slots());
        }
        self.up
            .send_if_modified(|was| std::mem::replace(was, any) != any);
        drop(servers);
        self.log_change(server, up, &why);
        true
    }

    fn log_change(&self, server: usize, up: bool, why: &str) {
        let (portal, address) = (&self.config.name, &self.config.servers[server]);
        if up {
            tracing::info!(%portal, server = %address, "the server answers again");
        } else {
            self.counts.falls.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%portal, server = %address, "the server is down: it {why}");
        }
    }

    /// Says that a part of the portal fails for everybody, or does no longer.
    fn log_part(&self, change: PartChange) {
        let portal = &self.config.name;
        match change {
            PartChange::Fails { part, last } => {
                let others = match last {
                    true => ". If more parts do, only `preau status` says so",
                    false => "",
                };
                let how = part.how;
                tracing::warn!(%portal, %part, "a part of the portal fails for nearly everybody: it {how}{others}");
            }
            PartChange::Well(part) => {
                let (lasted, failures) = (host::now().since(part.since).words(), part.failures);
                tracing::info!(%portal, %part, "this part of the portal is well again: {failures} requests failed in {lasted}");
            }
            PartChange::Quiet(part) => {
                tracing::info!(%portal, %part, "nothing has failed in this part of the portal for a while; perhaps nobody asks for it");
            }
        }
    }

    /// Says that we are out of something.
    fn log_exhausted(&self) {
        if self.exhausted_said.now() {
            let portal = &self.config.name;
            tracing::warn!(%portal, "no connection to the portal: this process or machine has no open files, ports or memory left. Raise LimitNOFILE, or lower limits.connections");
        }
    }

    /// Says that a server gave no answer that could be handed on.
    fn log_broken(&self, server: usize, why: &str) {
        if self.broken_said.now() {
            let (portal, address) = (&self.config.name, &self.config.servers[server]);
            tracing::warn!(%portal, server = %address, "no answer that could be handed on: the server {why}");
        }
    }

    fn health(&self) -> MutexGuard<'_, Vec<Server>> {
        // Nothing panics while it is held; if it did, each verdict is still whole.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connector(&self, server: usize) -> Connector {
        Connector {
            addresses: self.addresses[server].clone(),
            ..connector(&self.config, self.tls.clone(), server)
        }
    }

    fn pool(&self, server: usize, connect_timeout: Span) -> Arc<Pool> {
        Pool::new(self.connector(server), keep(&self.config), connect_timeout)
    }
}

impl Server {
    fn new(config: &config::Portal) -> Server {
        Server {
            health: Health::new(config.health.fall),
            why: Why::Borrowed(""),
        }
    }
}

fn tls(config: &config::Portal) -> Option<Arc<Tls>> {
    let any = config.servers.iter().any(|server| server.tls);
    any.then(|| Arc::new(Tls::new(config)))
}

/// How connections to one server of a portal are made.
fn connector(config: &config::Portal, tls: Option<Arc<Tls>>, server: usize) -> Connector {
    let address = config.servers[server].clone();
    Connector {
        tls: tls.filter(|_| address.tls),
        addresses: Arc::new(Addresses::new(address)),
        send_proxy: config.send_proxy,
    }
}

/// How long connections to a portal are kept.
fn keep(config: &config::Portal) -> Keep {
    Keep {
        idle: config.keep_alive,
        age: config.keep_age,
    }
}

/// What a status says of the server: one of 500 and above may be one broken page, or a part that
/// is proxied to another.
fn judge(status: StatusCode) -> Outcome {
    match status.is_server_error() {
        true => Outcome::Erred,
        false => Outcome::Answered,
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
        Portal::new(config.portals[0].clone(), Limit::Fixed(1), None)
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
                        portal.probed(server, Outcome::Failed, "fails".into());
                        round.wait();
                    }
                });
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        round.wait();
                        portal.probed(server, Outcome::Answered, Why::Borrowed(""));
                        round.wait();
                    }
                });
            }
            for _ in 0..ROUNDS {
                round.wait();
                round.wait();
                let known: Vec<bool> = (portal.health().iter())
                    .map(|server| server.health.is_up())
                    .collect();
                let used: Vec<bool> = portal.usage().servers.iter().map(|(up, _)| *up).collect();
                let agree = known == used && portal.is_up() == known.contains(&true);
                disagreed += u32::from(!agree);
            }
        });
        assert_eq!(disagreed, 0, "of {ROUNDS} rounds");
    }
}
