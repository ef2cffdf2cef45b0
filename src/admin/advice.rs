//! What a room's numbers should be, by what was seen of its visitors and its portal; with the
//! evidence, and without a word where there is too little of it.

use super::Desk;
use crate::front::Door;
use crate::host;
use crate::room::{ANSWERS_MIN, Bears, Habits, Histogram, Load, Mode, Status};
use crate::time::Span;
use crate::upstream::Portal;
use serde::{Deserialize, Serialize};

/// Ended visits that must have been seen before anything is said about seats.
const VISITS_MIN: u64 = 100;
/// Pauses that must have been seen before anything is said about `idle`.
const PAUSES_MIN: u64 = 500;
/// Part of the slots that is busy when seats are well filled: the rest is for the unevenness.
const BUSY: f64 = 0.8;
/// The share of pauses that `idle` should outlast.
const PAUSES_KEPT: f64 = 0.99;
/// Pauses as long as this part of `idle` mean that longer ones were cut off.
const CUT: f64 = 0.8;

/// `/api/v1/advice`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Advice {
    /// Seconds since the start: what follows was seen in this time.
    pub seen_seconds: u64,
    /// The rooms, in the order of the file.
    pub rooms: Vec<RoomAdvice>,
}

/// One room.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoomAdvice {
    /// Its name.
    pub room: String,
    /// Its portal's name.
    pub portal: String,
    /// Its mode; `observe` holds nobody back and so shows most.
    pub mode: Mode,
    /// People inside at once, all of them.
    pub seats: Recommended,
    /// Requests in flight to its portal.
    pub slots: Recommended,
    /// Seconds after which a silent visitor's seat is given back.
    pub idle_seconds: Recommended,
    /// Most people inside at once.
    pub peak_inside: u32,
    /// Mean time that a seat is held, over half an hour: a visit, and `idle` after it where nobody logs
    /// out. Null while unknown.
    #[serde(default)]
    pub seat_seconds: Option<f64>,
    /// From coming in to the last request, of visits that have ended.
    pub visits: Lengths,
    /// Pauses of two seconds and more between requests of one visitor.
    pub pauses: Lengths,
    /// The portal's answers by load.
    pub answers: Vec<Answers>,
    /// With the seats in force, had the room held people back; null unless the mode is `observe`.
    pub observed: Option<WouldWait>,
}

/// A number, and why.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommended {
    /// What is in force.
    pub now: u64,
    /// What we advise; null while there is too little to go by.
    pub advised: Option<u64>,
    /// Why, or what is missing.
    pub why: String,
}

/// How long things took, in seconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lengths {
    /// How many there were.
    pub count: u64,
    /// Half of them were shorter; null while there are none.
    pub half: Option<f64>,
    /// Nine in ten were shorter.
    pub most: Option<f64>,
    /// All but one in a hundred were shorter.
    pub nearly_all: Option<f64>,
}

/// A portal's answers at one level of load.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answers {
    /// Requests in flight, at most; and more than half of this.
    pub in_flight: u32,
    /// How many there were.
    pub count: u64,
    /// Seconds within which half of them came.
    pub half: f64,
    /// Seconds within which nine in ten came.
    pub most: f64,
}

/// What would have happened in mode `queue`.
#[derive(Debug, Serialize, Deserialize)]
pub struct WouldWait {
    /// Seats that it was followed with.
    pub seats: u32,
    /// Visitors who would have waited.
    pub would_wait: u64,
    /// People who would wait now.
    pub waiting: u64,
    /// The longest that the line would have been.
    pub longest_line: u64,
    /// Seconds within which half of all visitors would have been in.
    pub half: Option<f64>,
    /// Seconds within which nine in ten would have been in.
    pub most: Option<f64>,
    /// The longest wait in seconds.
    pub longest: Option<f64>,
}

/// Advice on every room.
pub fn advice(desk: &Desk) -> Advice {
    let rooms = desk.house.doors.iter().map(|door| {
        let portal = &desk.house.portals[door.config.portal];
        let beside = (desk.house.doors.iter()).filter(|it| it.config.portal == door.config.portal);
        let held = beside.fold(Span::ZERO, |sum, it| sum + it.room().habits().held);
        room(door, portal, held)
    });
    Advice {
        seen_seconds: host::now().since(desk.began).0 / 1000,
        rooms: rooms.collect(),
    }
}

/// What would have happened, if the room observes.
pub fn would_wait(status: &Status) -> Option<WouldWait> {
    let observed = status.observed.as_ref()?;
    let wait = |at: usize| observed.waits.map(|waits| waits[at].as_secs_f64());
    Some(WouldWait {
        seats: status.seats,
        would_wait: status.counts.would_wait,
        waiting: observed.waiting,
        longest_line: observed.longest,
        half: wait(0),
        most: wait(1),
        longest: wait(2),
    })
}

/// `held`: the time that visits of all rooms of the portal have held seats.
fn room(door: &Door, portal: &Portal, held: Span) -> RoomAdvice {
    let (status, habits, idle) = {
        let mut room = door.room();
        let idle = room.rules().idle;
        (room.status(host::now()), room.habits().clone(), idle)
    };
    let load = portal.bearing.load();
    RoomAdvice {
        room: status.name.clone(),
        portal: portal.config().name.clone(),
        mode: status.mode,
        seats: seats(&habits, &load, held, status.seats),
        slots: slots(&load, portal.usage().limit),
        idle_seconds: idle_seconds(&habits, idle),
        peak_inside: habits.peak,
        seat_seconds: status.visit_secs,
        visits: lengths(&habits.visits),
        pauses: lengths(&habits.pauses),
        answers: answers(&load),
        observed: would_wait(&status),
    }
}

fn slots(load: &Load, now: u32) -> Recommended {
    let (advised, why) = match load.bears() {
        Bears::Unknown => (
            None,
            format!(
                "not yet: {} answers seen, and {ANSWERS_MIN} at one level of load are needed",
                load.answers()
            ),
        ),
        Bears::AtLeast(most) => (
            Some(u64::from(most.max(now))),
            format!(
                "with up to {most} in flight, the most of which {ANSWERS_MIN} answers were seen, they \
                 were nearly as quick as with few{}",
                kept(most < now, now)
            ),
        ),
        Bears::UpTo(most) => (
            Some(u64::from(most)),
            format!(
                "with more than {most} in flight, half of the answers took more than twice as long \
                 as with few"
            ),
        ),
    };
    recommended(u64::from(now), advised, why)
}

/// As many people inside as keep the portal's slots busy: people and requests in flight stand in the
/// same proportion as the time of their visits and of their answers (Little's law).
fn seats(habits: &Habits, load: &Load, held: Span, now: u32) -> Recommended {
    let now = u64::from(now);
    let visits = habits.visits.count();
    if visits < VISITS_MIN {
        let why = format!("not yet: {visits} of {VISITS_MIN} visits seen to their end");
        return recommended(now, None, why);
    }
    let peak = u64::from(habits.peak);
    match load.bears() {
        Bears::Unknown => recommended(now, None, "not yet: see slots".to_owned()),
        Bears::AtLeast(_) => recommended(
            now,
            Some(peak.max(now)),
            format!(
                "{peak} were inside at once, and the portal was never slow: it bears them{}",
                kept(peak < now, now)
            ),
        ),
        Bears::UpTo(slots) => {
            let people = held.as_secs_f64() / load.total().as_secs_f64().max(0.001);
            let seats = (BUSY * f64::from(slots) * people).max(1.0) as u64;
            let why = format!(
                "{people:.1} people inside are one request in flight, {slots} of which are borne; {BUSY} \
                 of that, to leave room for unevenness. {peak} were inside at most"
            );
            recommended(now, Some(seats), why)
        }
    }
}

fn idle_seconds(habits: &Habits, idle: Span) -> Recommended {
    let now = idle.ceil_secs();
    let count = habits.pauses.count();
    let longest = habits.pauses.quantile(PAUSES_KEPT);
    let Some(longest) = longest.filter(|_| count >= PAUSES_MIN) else {
        let why = format!("not yet: {count} of {PAUSES_MIN} pauses seen");
        return recommended(now, None, why);
    };
    if longest >= idle.scale(CUT) {
        let why =
            "people pause for as long as `idle` lets them: try with twice as much, and look again";
        return recommended(now, Some(now * 2), why.to_owned());
    }
    // To whole minutes, as people write it.
    let minutes = longest.ceil_secs().div_ceil(60);
    let why = format!(
        "99 of 100 pauses of those inside are shorter than {}; to the minute",
        longest.words()
    );
    recommended(now, Some(minutes * 60), why)
}

/// Why a number beyond what was seen is not lowered.
fn kept(beyond: bool, now: impl std::fmt::Display) -> String {
    match beyond {
        true => format!("; nothing speaks against {now}"),
        false => String::new(),
    }
}

fn recommended(now: u64, advised: Option<u64>, why: String) -> Recommended {
    Recommended { now, advised, why }
}

fn lengths(histogram: &Histogram) -> Lengths {
    let quantile = |share| histogram.quantile(share).map(Span::as_secs_f64);
    Lengths {
        count: histogram.count(),
        half: quantile(0.5),
        most: quantile(0.9),
        nearly_all: quantile(0.99),
    }
}

fn answers(load: &Load) -> Vec<Answers> {
    load.levels()
        .map(|level| Answers {
            in_flight: level.in_flight,
            count: level.answers,
            half: level.half.as_secs_f64(),
            most: level.most.as_secs_f64(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habits(visits: u64, pause: Span) -> Habits {
        let mut habits = Habits {
            peak: 150,
            ..Habits::default()
        };
        for _ in 0..visits {
            habits.visits.add(Span::mins(10));
        }
        for _ in 0..PAUSES_MIN {
            habits.pause(pause);
        }
        habits
    }

    fn load(levels: &[(u32, u64)]) -> Load {
        let mut load = Load::default();
        for (in_flight, millis) in levels {
            for _ in 0..100 {
                load.add(*in_flight, Span(*millis));
            }
        }
        load
    }

    #[test]
    fn nothing_is_said_without_evidence() {
        let (few, none) = (habits(99, Span::ZERO), Load::default());
        let seats = seats(&few, &none, Span::ZERO, 100);
        assert_eq!((seats.now, seats.advised), (100, None));
        assert!(seats.why.contains("99 of 100"), "{}", seats.why);
        assert_eq!(slots(&none, 32).advised, None);
        let idle = idle_seconds(&few, Span::mins(10));
        assert_eq!((idle.now, idle.advised), (600, None));
        assert!(idle.why.contains("0 of 500"), "{}", idle.why);
    }

    #[test]
    fn a_portal_that_was_never_slow_bears_what_was_seen() {
        let easy = load(&[(2, 50), (16, 60)]);
        assert_eq!(slots(&easy, 8).advised, Some(16));
        // Nothing that was not seen is claimed, and nothing that stands is lowered for it.
        let beyond = slots(&easy, 64);
        assert_eq!(beyond.advised, Some(64));
        let said = beyond.why.contains("up to 16") && beyond.why.contains("against 64");
        assert!(said, "{}", beyond.why);
        let habits = habits(100, Span::secs(60));
        assert_eq!(seats(&habits, &easy, Span::ZERO, 100).advised, Some(150));
        assert_eq!(seats(&habits, &easy, Span::ZERO, 500).advised, Some(500));
    }

    #[test]
    fn seats_follow_from_slots_by_the_time_that_people_and_answers_take() {
        let hard = load(&[(2, 50), (16, 90), (64, 860)]);
        assert_eq!(slots(&hard, 64).advised, Some(16));
        // Answers took 100 s in all, visits 1,000: ten people are one request in flight.
        assert_eq!(hard.total(), Span::secs(100));
        let seats = seats(&habits(100, Span::ZERO), &hard, Span::secs(1_000), 100);
        assert_eq!(seats.advised, Some(128), "{}", seats.why);
    }

    #[test]
    fn idle_outlasts_nearly_all_pauses() {
        let idle = idle_seconds(&habits(1, Span::secs(200)), Span::mins(10));
        assert_eq!(idle.advised, Some(240), "{}", idle.why);
        let cut = idle_seconds(&habits(1, Span::secs(500)), Span::mins(10));
        assert_eq!(cut.advised, Some(1_200), "{}", cut.why);
    }
}
