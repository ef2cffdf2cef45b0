//! Where a server is: the addresses of its name, and which of them answer.
//!
//! A name is looked up in the background: no request waits for that, but the very first. It is the
//! operating system that is asked, which knows `/etc/hosts` and whatever else is set up there, but
//! tells no TTL; so a name is looked up again and again ([`Portal::resolve_every`]). As long as that
//! fails, what was last known holds: an old address may serve, none cannot.
//!
//! An address that did not answer, or not before another that was asked after it, is *doubtful*:
//! it is asked after all others, until it has answered a trial in the background. So a dead
//! address among living ones is paid for once, and not by each request.
//!
//! Some names give a few of many addresses, and others each time. One that is missing is not asked for
//! new connections; but it is *gone*, and connections that lead there end, only after it was missing
//! several times in a row (`MISSED_MAX`).
//!
//! [`Portal::resolve_every`]: crate::config::Portal::resolve_every

use crate::config::ServerAddress;
use crate::time::Span;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::net::lookup_host;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 32;
/// After a look-up that failed, the next comes so soon; then after twice as long each time, up to
/// the usual.
const AGAIN: Span = Span::secs(1);

/// Look-ups in a row that did not find an address, until it is gone.
const MISSED_MAX: u32 = 3;

/// The addresses of one server, shared by all threads.
pub struct Addresses {
    server: ServerAddress,
    /// If it is an address itself: then there is nothing to look up, nor to choose.
    literal: Option<SocketAddr>,
    known: watch::Sender<Known>,
    /// How often addresses were gone.
    changes: AtomicU64,
    /// The name has just come to lead elsewhere, or to lead anywhere at all.
    moved: Notify,
    /// Connections so far: equals take turns.
    turn: AtomicUsize,
    /// It is looked up in the background.
    followed: AtomicBool,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Known {
    /// As the system prefers them.
    list: Vec<Candidate>,
    /// Not found by the last look-ups, but not gone yet.
    missing: Vec<Candidate>,
    /// What was wrong when it was last looked up, in words that follow its name.
    wrong: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    doubtful: bool,
    /// Look-ups in a row that did not find it.
    missed: u32,
}

impl Addresses {
    /// Nothing is known of a name until it is first asked for.
    pub fn new(server: ServerAddress) -> Addresses {
        let ip = server.host.parse().ok();
        Addresses {
            literal: ip.map(|ip: IpAddr| SocketAddr::new(ip, server.port)),
            server,
            known: watch::Sender::default(),
            changes: AtomicU64::new(0),
            moved: Notify::new(),
            turn: AtomicUsize::new(0),
            followed: AtomicBool::new(false),
        }
    }

    /// The server.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// Its only address, if it was written as one.
    pub fn literal(&self) -> Option<SocketAddr> {
        self.literal
    }

    /// Its addresses, in the order in which they are to be asked; at least one.
    ///
    /// # Errors
    /// Why there is none, in words that follow its name.
    pub async fn in_order(&self) -> Result<Vec<SocketAddr>, String> {
        if let Some(literal) = self.literal {
            return Ok(vec![literal]);
        }
        if self.known.borrow().list.is_empty() {
            if self.followed.load(Ordering::Relaxed) {
                let told = |known: &Known| !known.list.is_empty() || known.wrong.is_some();
                // The sender is ours: it cannot be gone.
                let _ = self.known.subscribe().wait_for(told).await;
            } else {
                self.look_up().await;
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let known = self.known.borrow();
        match (known.list.as_slice(), &known.wrong) {
            ([], wrong) => Err(wrong.clone().unwrap_or_default()),
            (list, _) => Ok(in_order(list, turn)),
        }
    }

    /// It has answered, or has not.
    pub fn note(&self, address: SocketAddr, answers: bool) {
        self.known.send_if_modified(|known| {
            let mut list = known.list.iter_mut();
            if let Some(candidate) = list.find(|it| it.address == address) {
                candidate.doubtful = !answers;
            }
            // Nobody waits for this.
            false
        });
    }

    /// How often addresses were gone.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Returns when the name has come to lead elsewhere, or resolves after it did not: a server that
    /// is down may be there again. For one to wait at a time.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }

    /// Whether this is an address of the server, and not gone.
    pub fn has(&self, address: SocketAddr) -> bool {
        let known = || self.known.borrow().has(address);
        self.literal == Some(address) || known()
    }

    /// Looks the name up whenever `every` has passed, and then asks of each doubtful address whether
    /// it `answers`; ends at once if there is nothing to look up.
    pub async fn follow<F>(&self, every: Span, answers: impl Fn(SocketAddr) -> F)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        if self.literal.is_some() {
            return;
        }
        self.followed.store(true, Ordering::Relaxed);
        let mut again = AGAIN;
        loop {
            let mut pause = every;
            if self.look_up().await {
                again = AGAIN;
            } else {
                pause = again.min(every);
                again = Span(again.0.saturating_mul(2));
            }
            self.try_doubtful(&answers).await;
            tokio::time::sleep(pause.into()).await;
        }
    }

    /// Returns whether the name has addresses.
    async fn look_up(&self) -> bool {
        let found = lookup_host((self.server.host.as_str(), self.server.port)).await;
        let found = found.map(Iterator::collect);
        self.learn(found.map_err(|error| format!("has a name that does not resolve ({error})")))
    }

    fn learn(&self, found: Result<Vec<SocketAddr>, String>) -> bool {
        let found = found.and_then(|found| match found.is_empty() {
            true => Err("has a name without an address".to_owned()),
            false => Ok(found),
        });
        let name = &self.server;
        let mut learnt = false;
        self.known.send_modify(|known| match found {
            Ok(found) => {
                let next = known.with(found);
                let was_known = !known.list.is_empty();
                let (new, gone) = (next.beyond(known), known.beyond(&next));
                if was_known && !new.is_empty() {
                    tracing::info!(server = %name, addresses = new, "the server's name has come to lead there, too");
                }
                if !gone.is_empty() {
                    tracing::info!(server = %name, addresses = gone, "the server's name leads there no more");
                    self.changes.fetch_add(1, Ordering::Relaxed);
                }
                let mut list = next.list.iter();
                let elsewhere = list.any(|it| known.list.iter().all(|old| old.address != it.address));
                if elsewhere && (was_known || known.wrong.is_some()) {
                    self.moved.notify_one();
                }
                *known = next;
                learnt = true;
            }
            Err(wrong) => {
                if known.wrong.is_none() && !known.list.is_empty() {
                    tracing::warn!(server = %name, "the server {wrong}: what was last known is used");
                }
                known.wrong = Some(wrong);
            }
        });
        learnt
    }

    /// Whoever of several is doubtful is tried, so that no request has to.
    async fn try_doubtful<F>(&self, answers: &impl Fn(SocketAddr) -> F)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let doubtful = self.known.borrow().doubtful();
        let mut trials = JoinSet::new();
        for address in doubtful {
            let answers = answers(address);
            trials.spawn(async move { answers.await.then_some(address) });
        }
        while let Some(tried) = trials.join_next().await {
            if let Ok(Some(address)) = tried {
                self.note(address, true);
            }
        }
    }
}

impl Known {
    fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.list.iter().chain(&self.missing)
    }

    fn has(&self, address: SocketAddr) -> bool {
        self.all().any(|it| it.address == address)
    }

    /// What `other` does not have, for the log.
    fn beyond(&self, other: &Known) -> String {
        let beyond = self.all().filter(|it| !other.has(it.address));
        let beyond: Vec<String> = beyond.map(|it| it.address.ip().to_string()).collect();
        beyond.join(" ")
    }

    fn doubtful(&self) -> Vec<SocketAddr> {
        let several = self.list.len() > 1;
        let doubtful = self.list.iter().filter(|it| it.doubtful && several);
        doubtful.map(|it| it.address).collect()
    }

    /// What is known once this was `found`. Of too many, those that are known stay.
    fn with(&self, mut found: Vec<SocketAddr>) -> Known {
        if found.len() > ADDRESSES_MAX {
            found.sort_by_key(|address| !self.has(*address));
        }
        let mut next = Known::default();
        for address in found {
            if next.list.len() == ADDRESSES_MAX {
                break;
            }
            let known = self.all().find(|it| it.address == address);
            if !next.has(address) {
                next.list.push(Candidate {
                    address,
                    doubtful: known.is_some_and(|it| it.doubtful),
                    missed: 0,
                });
            }
        }
        let missing = self.all().filter(|it| !next.has(it.address));
        let missing = missing.map(|it| Candidate {
            missed: it.missed + 1,
            ..*it
        });
        next.missing = missing.filter(|it| it.missed < MISSED_MAX).collect();
        next
    }
}

/// Those that are doubtful come last.
fn in_order(list: &[Candidate], turn: usize) -> Vec<SocketAddr> {
    let (doubtful, good): (Vec<_>, Vec<_>) = list.iter().partition(|it| it.doubtful);
    let mut order = interleaved(&good, turn);
    order.append(&mut interleaved(&doubtful, turn));
    order
}

/// First the family that the system prefers, then both by turns (RFC 8305 §4). Of the former, each
/// address takes its turn at being the first: behind a name there may be several machines.
fn interleaved(candidates: &[&Candidate], turn: usize) -> Vec<SocketAddr> {
    let Some(first) = candidates.first() else {
        return Vec::new();
    };
    let addresses = candidates.iter().map(|it| it.address);
    let (mut near, far): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.is_ipv4() == first.address.is_ipv4());
    let turn = turn % near.len();
    near.rotate_left(turn);
    let mut far = far.into_iter();
    let mut order = Vec::with_capacity(candidates.len());
    for address in near {
        order.push(address);
        order.extend(far.next());
    }
    order.extend(far);
    order
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn named() -> Addresses {
        Addresses::new(ServerAddress::parse("http://ent.test:80").unwrap())
    }

    fn at(list: &[&str]) -> Vec<SocketAddr> {
        let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), 80);
        list.iter().map(address).collect()
    }

    /// A name that leads to these addresses.
    pub fn leading_to(list: Vec<SocketAddr>) -> Addresses {
        let addresses = named();
        addresses.lead_to(list);
        addresses
    }

    impl Addresses {
        /// From now on it leads to these.
        pub fn lead_to(&self, list: Vec<SocketAddr>) {
            assert!(self.learn(Ok(list)));
        }

        /// It has led to these for so long that all others are gone.
        pub fn gone_to(&self, list: Vec<SocketAddr>) {
            for _ in 0..MISSED_MAX {
                self.lead_to(list.clone());
            }
        }
    }

    async fn order(addresses: &Addresses) -> Vec<SocketAddr> {
        addresses.in_order().await.unwrap()
    }

    #[tokio::test]
    async fn families_take_turns_and_equals_take_theirs() {
        let name = leading_to(at(&["2001:db8::1", "2001:db8::2", "10.0.0.1"]));
        assert_eq!(
            order(&name).await,
            at(&["2001:db8::1", "10.0.0.1", "2001:db8::2"])
        );
        assert_eq!(
            order(&name).await,
            at(&["2001:db8::2", "10.0.0.1", "2001:db8::1"])
        );
    }

    #[tokio::test]
    async fn the_doubtful_come_last_until_they_answer() {
        let name = leading_to(at(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]));
        let dead = at(&["10.0.0.2"])[0];
        name.note(dead, false);
        // What is looked up anew is no less doubtful.
        name.lead_to(at(&["10.0.0.2", "10.0.0.3", "10.0.0.1"]));
        assert_eq!(name.changes(), 0, "the order means nothing");
        for _ in 0..4 {
            let order = order(&name).await;
            assert_eq!((order.len(), order[2]), (3, dead));
        }
        name.note(dead, true);
        let firsts = [
            order(&name).await[0],
            order(&name).await[0],
            order(&name).await[0],
        ];
        assert!(firsts.contains(&dead), "{firsts:?}");
    }

    #[tokio::test]
    async fn what_was_known_holds_while_a_name_does_not_resolve() {
        let name = named();
        assert!(!name.learn(Err("has no name".to_owned())));
        name.followed.store(true, Ordering::Relaxed);
        assert_eq!(name.in_order().await, Err("has no name".to_owned()));
        name.lead_to(at(&["10.0.0.1"]));
        for found in [Err("has no name".to_owned()), Ok(Vec::new())] {
            assert!(!name.learn(found));
            assert_eq!(order(&name).await, at(&["10.0.0.1"]));
        }
        name.gone_to(at(&["10.0.0.2"]));
        assert_eq!(order(&name).await, at(&["10.0.0.2"]));
        assert_eq!(name.changes(), 1);
        assert!(!name.has(at(&["10.0.0.1"])[0]) && name.has(at(&["10.0.0.2"])[0]));
    }

    #[tokio::test]
    async fn an_address_is_gone_only_after_it_was_missing_again_and_again() {
        let [one, two] = at(&["10.0.0.1", "10.0.0.2"])[..] else {
            panic!("two")
        };
        let name = leading_to(vec![one]);
        name.note(one, false);
        for round in 0..10 {
            name.lead_to(vec![[two, one][round % 2]]);
            assert!(name.has(one) && name.has(two) && name.changes() == 0);
        }
        assert_eq!(order(&name).await, [one], "what is missing is not asked");
        assert!(name.known.borrow().list[0].doubtful, "nor forgotten");
        for missed in 1..=MISSED_MAX {
            assert!(!name.learn(Err("has no name".to_owned())));
            name.lead_to(vec![two]);
            assert_eq!(name.has(one), missed < MISSED_MAX);
        }
        assert_eq!(name.changes(), 1);
        assert!(name.known.borrow().missing.is_empty());
    }

    #[tokio::test]
    async fn only_the_doubtful_of_several_are_tried_and_those_that_answer_are_used_again() {
        let name = leading_to(at(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]));
        let [good, back, dead] = at(&["10.0.0.1", "10.0.0.2", "10.0.0.3"])[..] else {
            panic!("three")
        };
        name.note(back, false);
        name.note(dead, false);
        name.try_doubtful(&move |address| async move {
            assert_ne!(address, good, "nobody doubts it");
            address == back
        })
        .await;
        assert_eq!(name.known.borrow().doubtful(), [dead]);
        name.lead_to(vec![dead]);
        name.try_doubtful(&|_| async { panic!("there is no other") })
            .await;
    }

    #[tokio::test]
    async fn the_first_request_waits_for_the_first_look_up() {
        let name = named();
        name.followed.store(true, Ordering::Relaxed);
        let (found, ()) = tokio::join!(order(&name), async {
            tokio::task::yield_now().await;
            name.lead_to(at(&["10.0.0.1"]));
        });
        assert_eq!(found, at(&["10.0.0.1"]));
    }

    #[test]
    fn of_too_many_addresses_those_in_use_stay() {
        let all: Vec<SocketAddr> = (0..100)
            .map(|n| SocketAddr::from(([10, 0, 0, n], 80)))
            .collect();
        let name = leading_to(all[60..].to_vec());
        let twice = [&all[..], &all[..]].concat();
        name.lead_to(twice);
        let known = name.known.borrow();
        assert_eq!(known.list.len(), ADDRESSES_MAX);
        assert!(known.list.iter().all(|it| all[60..].contains(&it.address)));
        assert_eq!(name.changes(), 0);
    }

    #[tokio::test]
    async fn an_address_is_neither_looked_up_nor_followed() {
        let written = Addresses::new(ServerAddress::parse("http://[2001:db8::1]:80").unwrap());
        assert_eq!(order(&written).await, at(&["2001:db8::1"]));
        let never = |_| async { panic!("nothing is doubtful") };
        written.follow(Span::secs(1), never).await;
        assert!(written.known.borrow().list.is_empty());
    }
}
