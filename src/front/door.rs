//! A door: a room and what belongs to it; the house: all doors and what they share.

use super::access::AccessLog;
use super::classes::Classes;
use super::crowd::{Crowd, network};
use super::frames::Frames;
use super::page::{LaneWords, Lang, Pages, RefusalKind};
use super::passing::Passer;
use super::sift::Dropped;
use super::untold::Untold;
use super::written::Written;
use crate::config::{Config, Notice, RoomConfig, Routes};
use crate::cookie::{Held, Keys, Rejected, RoomCookie, RoomCookies, Stale, room_id};
use crate::host;
use crate::metrics::{Metrics, RoomMeters};
use crate::room::{Room, Visitor};
use crate::time::Millis;
use crate::tls::Tls;
use crate::upstream::{Client, Portal};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use jiff::tz::TimeZone;
use prometheus::IntCounter;
use std::cmp::Reverse;
use std::hash::{Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::task::TaskTracker;

/// Codes of classes that are tried a minute from one address (a whole school is one) …
const CODES_PER_MINUTE: u32 = 300;
/// … and by one visitor.
const CODES_OF_VISITOR: u32 = 6;

/// Checks of monitors, and pages for programs, a minute from one address; more are those of a newcomer.
const CHECKS_PER_MINUTE: u32 = 240;

/// Pictures and the like a minute from one address, by browsers that show nothing of ours; more are
/// those of newcomers.
const BESIDE_PER_MINUTE: u32 = 1_200;

/// Preflights a minute from one address (a whole school is one, and never says who is inside); more
/// pass only while there is room.
const PREFLIGHTS_PER_MINUTE: u32 = 1_200;

/// The index of no rule.
const NO_RULE: usize = usize::MAX;

/// Everything that requests share, over all threads.
pub struct House {
    /// The configuration in force.
    pub config: Config,
    /// The doors, in the order of [`Config::rooms`].
    pub doors: Vec<Arc<Door>>,
    /// The portals, in the order of [`Config::portals`].
    pub portals: Vec<Arc<Portal>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub access: AccessLog,
    /// What is written down.
    pub written: Written,
    /// TLS to visitors, if a listener speaks it.
    pub tls: Option<Tls>,
    pub(super) pages: Pages,
    pub(super) zone: TimeZone,
    pub(super) crowd: Crowd,
    pub(super) dropped: Dropped,
    pub(super) untold: Untold,
    /// Tells clients apart; with a key of its own in each process.
    pub(super) faces: RandomState,
    draining: AtomicBool,
    routes: Routes,
    newcomers: DefaultKeyedRateLimiter<u128>,
    callbacks: DefaultKeyedRateLimiter<u128>,
    checks: DefaultKeyedRateLimiter<u128>,
    preflights: DefaultKeyedRateLimiter<u128>,
    beside: DefaultKeyedRateLimiter<u128>,
    codes: DefaultKeyedRateLimiter<u128>,
    codes_of_visitors: DefaultKeyedRateLimiter<(u32, u64)>,
    rejected: Vec<IntCounter>,
    refused: Vec<IntCounter>,
}

/// A room and what belongs to it.
pub struct Door {
    /// Its part of the configuration.
    pub config: RoomConfig,
    pub(super) name: Arc<str>,
    pub(super) cookie: RoomCookie,
    pub(super) frames: Frames,
    pub(super) meters: RoomMeters,
    /// What is said of its lanes, by language.
    lane_words: [LaneWords; Lang::ALL.len()],
    pub(super) classes: Classes,
    room: Mutex<Room>,
    /// The rule of the schedule that holds; [`NO_RULE`] if none does.
    rule: AtomicUsize,
}

/// Who asks at a door.
pub(super) struct Met {
    /// As the room shall see them.
    pub visitor: Visitor,
    /// What is to become of the second cookie.
    pub second: Second,
    /// What an old configuration has left, to be cleared with the next cookie.
    pub stale: Stale,
}

/// What is to become of what a form from another site has brought, beside what its visitor held
/// already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Second {
    /// There is none, or nothing.
    None,
    /// Its cookie is of no use any more.
    Old,
    /// Its seat or place goes back: the visitor has one.
    Spare(u64),
    /// It is the visitor's from now on, in place of the number that they held.
    Taken(Option<u64>),
}

/// One thread's view of the house, with connections of its own to the portals.
pub struct Thread {
    pub(super) house: Arc<House>,
    pub(super) clients: Vec<Client>,
    /// Tunnels of this thread; a stop waits for them.
    pub(super) tunnels: TaskTracker,
}

impl House {
    /// `rooms` and `portals` in the order of the configuration.
    pub fn new(
        config: Config,
        rooms: Vec<Room>,
        portals: Vec<Arc<Portal>>,
        keys: &Arc<Keys>,
        metrics: Arc<Metrics>,
        access: AccessLog,
        tls: Option<Tls>,
    ) -> House {
        let pages = Pages::new();
        let doors = (config.rooms.iter().zip(rooms))
            .map(|(room_config, room)| {
                let rules = &room_config.rules;
                let pass_max = rules.visit_max + rules.keep;
                let name = &room_config.name;
                let cookies = RoomCookies {
                    room: name,
                    secure: config.cookie.secure,
                    domain: room_config.cookie_domain.as_deref(),
                    domains: &room_config.domains(),
                    pass_max,
                };
                Arc::new(Door {
                    cookie: RoomCookie::new(keys.clone(), &cookies),
                    frames: Frames::new(room_config),
                    meters: metrics.room(name),
                    classes: Classes::default(),
                    lane_words: Lang::ALL.map(|lang| pages.lanes(lang, room_config)),
                    name: name.as_str().into(),
                    room: Mutex::new(room),
                    rule: AtomicUsize::new(NO_RULE),
                    config: room_config.clone(),
                })
            })
            .collect();
        let limits = &config.limits;
        House {
            routes: Routes::new(&config.rooms),
            newcomers: rate(limits.tickets_per_minute, limits.tickets_burst),
            callbacks: rate(limits.callbacks_per_minute, limits.callbacks_burst),
            checks: rate(CHECKS_PER_MINUTE, CHECKS_PER_MINUTE),
            preflights: rate(PREFLIGHTS_PER_MINUTE, PREFLIGHTS_PER_MINUTE),
            beside: rate(BESIDE_PER_MINUTE, BESIDE_PER_MINUTE),
            codes: rate(CODES_PER_MINUTE, CODES_PER_MINUTE),
            codes_of_visitors: rate(CODES_OF_VISITOR, CODES_OF_VISITOR),
            rejected: (Rejected::NAMES.iter())
                .map(|(name, _)| metrics.cookie_rejected(name))
                .collect(),
            refused: RefusalKind::all()
                .map(|kind| metrics.refusal(kind.name()))
                .collect(),
            written: Written::new(metrics.store_late.clone()),
            pages,
            zone: config.time_zone.clone(),
            crowd: Crowd::default(),
            dropped: Dropped::new(&metrics),
            untold: Untold::default(),
            faces: RandomState::new(),
            draining: AtomicBool::new(false),
            doors,
            portals,
            metrics,
            access,
            tls,
            config,
        }
    }

    /// The door for an address; `None` if no room covers it.
    pub fn door(&self, host: &str, path: &str) -> Option<&Arc<Door>> {
        self.room_at(host, path).map(|room| &self.doors[room])
    }

    /// The same as an index into [`House::doors`].
    pub fn room_at(&self, host: &str, path: &str) -> Option<usize> {
        self.routes.room_for(host, path)
    }

    /// The door of the room `name`.
    pub fn door_named(&self, name: &str) -> Option<&Arc<Door>> {
        self.doors.iter().find(|door| door.config.name == name)
    }

    /// From now on every answer asks its visitor to connect anew.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the house is being left.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether one more newcomer may come from this address now.
    pub(super) fn may_come(&self, address: IpAddr, proven: bool) -> bool {
        self.speaks_for_many(address, proven) || self.newcomers.check_key(&network(address)).is_ok()
    }

    /// Whether one more callback may come from this address now without a seat.
    pub(super) fn may_call_back(&self, address: IpAddr, proven: bool) -> bool {
        self.speaks_for_many(address, proven) || self.callbacks.check_key(&network(address)).is_ok()
    }

    /// Whether one more such `passer` at this address may pass by now.
    pub(super) fn may_pass_by(&self, passer: Passer, address: IpAddr, proven: bool) -> bool {
        match passer {
            Passer::Program => self.may_check(address, proven),
            Passer::Beside => {
                self.speaks_for_many(address, proven)
                    || self.beside.check_key(&network(address)).is_ok()
            }
        }
    }

    /// Whether one more monitor at this address may look now, beside those who come in.
    pub(super) fn may_check(&self, address: IpAddr, proven: bool) -> bool {
        self.speaks_for_many(address, proven) || self.checks.check_key(&network(address)).is_ok()
    }

    /// Whether one more browser at this address may ask now about another origin's script, past the
    /// line.
    pub(super) fn may_ask_first(&self, address: IpAddr, proven: bool) -> bool {
        self.speaks_for_many(address, proven)
            || self.preflights.check_key(&network(address)).is_ok()
    }

    /// Whether the visitor `number` may try one more code of a class. An address is no visitor's own:
    /// a school is one; so it is counted whoever speaks for it.
    pub(super) fn may_try_code(&self, address: IpAddr, door: &Door, number: u64) -> bool {
        let visitor = (room_id(&door.name), number);
        self.codes_of_visitors.check_key(&visitor).is_ok()
            && self.codes.check_key(&network(address)).is_ok()
    }

    /// Whether a proxy of ours is at this address. One that does not say whom it speaks for
    /// speaks for everybody; unless the address is `proven` to be a visitor's own.
    pub(super) fn speaks_for_many(&self, address: IpAddr, proven: bool) -> bool {
        let trust = &self.config.trust;
        let behind_tls = self.config.cookie.secure && trust.proxies.is_empty() && !proven;
        (behind_tls && is_near(address)) || trust.covers(address)
    }

    /// Forgets addresses from which nobody came for a while. Wanted now and then.
    pub fn forget_quiet_addresses(&self) {
        self.newcomers.retain_recent();
        self.callbacks.retain_recent();
        self.checks.retain_recent();
        self.preflights.retain_recent();
        self.beside.retain_recent();
        self.codes.retain_recent();
        self.codes_of_visitors.retain_recent();
    }

    /// Counts and returns a refusal.
    pub(super) fn refused(&self, kind: RefusalKind) -> RefusalKind {
        self.refused[kind as usize].inc();
        kind
    }

    /// Who asks at `door`, as far as the cookies tell.
    pub(super) fn visitor(&self, door: &Door, headers: &HeaderMap) -> Visitor {
        self.meet(door, headers).visitor
    }

    /// Who asks at `door`, and what is to become of their second cookie, if they have one. Only
    /// looks.
    pub(super) fn meet(&self, door: &Door, headers: &HeaderMap) -> Met {
        let now = host::now();
        let rejected = |why| self.rejected[why as usize].inc();
        let held = door.cookie.read(headers, rejected);
        let counts = |visitor| match door.cookie.is_old(visitor, now) {
            true if !door.room().keeps(visitor, now) => {
                rejected(Rejected::Expired);
                Visitor::Newcomer
            }
            _ => visitor,
        };
        let Held { stale, .. } = held;
        let beside = counts(held.beside);
        let visitor = match held.found[1] {
            Visitor::Newcomer => counts(held.found[0]),
            _ => {
                let found = held.found.map(counts);
                the_better(&Held { found, ..held }, &door.room(), now)
            }
        };
        let Some(spare) = number(beside) else {
            return Met {
                visitor,
                second: Second::None,
                stale,
            };
        };
        let room = door.room();
        let first = number(visitor);
        let known = |visitor| room.knows(visitor, now);
        let (visitor, second) = if first == Some(spare) {
            (visitor, Second::Old)
        } else if room.holds_seat(visitor) {
            (visitor, Second::Spare(spare))
        } else if room.holds_seat(beside) {
            (beside, Second::Taken(first))
        } else if first.is_none() {
            (beside, Second::None)
        } else if known(visitor) || !known(beside) {
            (visitor, Second::Spare(spare))
        } else {
            (beside, Second::Taken(first))
        };
        Met {
            visitor,
            second,
            stale,
        }
    }
}

impl Door {
    /// What the operators say to visitors now.
    pub fn notice(&self) -> Option<&Notice> {
        let rule = self.rule.load(Ordering::Relaxed);
        self.config.notices.get(rule)?.as_ref()
    }

    /// Which rule of the schedule holds now.
    pub fn set_rule(&self, rule: Option<usize>) {
        self.rule.store(rule.unwrap_or(NO_RULE), Ordering::Relaxed);
    }

    /// The room. Held for the moment of one decision only.
    pub fn room(&self) -> MutexGuard<'_, Room> {
        // A panic inside is a bug, but not a reason to send everybody home.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    /// What is said of its lanes, if it has several.
    pub(super) fn lanes(&self, lang: Lang) -> Option<&LaneWords> {
        let words = &self.lane_words[lang as usize];
        (self.config.lanes.len() > 1).then_some(words)
    }

    /// The title of the lane at `index` and the hours in which it is let in, if it has some.
    pub(super) fn lane_hours(&self, lang: Lang, index: usize) -> Option<(&str, &str)> {
        let words = &self.lane_words[lang as usize];
        Some((words.title(index), words.hours(index)?))
    }

    /// Whether somebody of the lane at `index` may type the code of a class.
    pub(super) fn takes_code(&self, index: usize) -> bool {
        let lanes = &self.config.lanes;
        lanes.iter().any(|lane| lane.code) && lanes.get(index).is_none_or(|lane| !lane.code)
    }

    /// The name of the lane at `index`, if it has one.
    pub(super) fn lane_name(&self, index: usize) -> Option<&str> {
        let lane = self.config.lanes.get(index)?;
        Some(lane.name.as_str()).filter(|name| !name.is_empty())
    }
}

impl Thread {
    /// A thread's view, with no connections yet.
    pub fn new(house: Arc<House>) -> Thread {
        let clients = house.portals.iter().cloned().map(Client::new).collect();
        Thread {
            house,
            clients,
            tunnels: TaskTracker::new(),
        }
    }
}

/// Which of several tickets and passes counts: the one that is worth most to the room, and of two
/// that are worth as much, a pass, or the older number. But whatever lives and cannot have been set
/// by anybody else comes first: otherwise a sibling host, or somebody on the way, could hand a visitor
/// a seat of their own, and take it back.
fn the_better(held: &Held, room: &Room, now: Millis) -> Visitor {
    let worth = |at: &usize| {
        let visitor = held.found[*at];
        let lives = room.knows(visitor, now);
        let pass = matches!(visitor, Visitor::Pass(_));
        let seat = room.holds_seat(visitor);
        (
            lives && held.bound[*at],
            seat,
            lives,
            pass,
            Reverse(number(visitor)),
        )
    };
    let found = (0..held.found.len()).filter(|at| held.found[*at] != Visitor::Newcomer);
    found
        .max_by_key(worth)
        .map_or(Visitor::Newcomer, |at| held.found[at])
}

/// Of the ticket or the pass.
pub(super) fn number(visitor: Visitor) -> Option<u64> {
    match visitor {
        Visitor::Newcomer => None,
        Visitor::Ticket(ticket) => Some(ticket.number),
        Visitor::Pass(pass) => Some(pass.number),
    }
}

/// A rate for each address, or whatever is told apart.
fn rate<K: Clone + Eq + Hash>(per_minute: u32, burst: u32) -> DefaultKeyedRateLimiter<K> {
    let [per_minute, burst] =
        [per_minute, burst].map(|n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
    RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst))
}

/// Loopback, private, or unique local.
pub(super) fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}
