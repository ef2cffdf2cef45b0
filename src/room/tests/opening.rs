//! Openings: who is held, who is drawn, and that nobody's rank ever changes.

use super::restart::stored;
use super::*;
use crate::calendar::Start;
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// The rooms of these tests open at 8:00 of the first day of 1970, and hold from 7:30 on.
const OPENS: u64 = 8 * 3_600;
const EARLY: u64 = OPENS - 30 * 60;
const SEED: Seed = [7; 32];

fn plan() -> Plan {
    let opening = Opening {
        at: Start::parse("1970-01-01T08:00").unwrap(),
        early: Span::mins(30),
    };
    Plan::new(TimeZone::UTC, Vec::new(), Some(opening))
}

/// The calendar is asked, with the clock on the wall at `clock`.
fn follow(room: &mut Room, clock: u64, secs: u64) {
    let force = plan().at(Mode::Queue, room.opened(), at(clock));
    room.follow(&force, || SEED, at(clock), at(secs));
}

/// What was changed is stored, and the room hears of it.
fn keep(room: &mut Room, saved: &mut Saved, secs: u64) {
    stored(room, saved, secs);
    saved.lanes = store_reserves(room);
    saved.lanes.iter().for_each(|lane| room.reserve(lane.limit));
    room.stored();
}

fn store_reserves(room: &Room) -> Vec<LaneNumbers> {
    let mut lanes = room.lane_numbers();
    for lane in &mut lanes {
        lane.limit = (lane.next + 3_000).next_multiple_of(BLOCK).max(lane.limit);
    }
    lanes
}

/// A room in its early window, whose hold has begun.
fn early(seats: u32) -> (Room, Saved) {
    early_by(rules(seats))
}

fn early_by(rules: Rules) -> (Room, Saved) {
    let (mut room, mut saved) = (
        Room::new("test", rules, 0, at(EARLY - 60)),
        Saved::default(),
    );
    follow(&mut room, EARLY - 60, EARLY - 60);
    keep(&mut room, &mut saved, EARLY - 60);
    assert_eq!(room.rules().mode, Mode::Closed);
    assert_eq!(room.takes_tickets(), Some(at(EARLY)));
    follow(&mut room, EARLY, EARLY);
    // For a moment, until the seed is stored; nobody is to stay away until the opening for it.
    assert_eq!(room.takes_tickets(), None);
    assert_eq!(
        room.rules().mode,
        Mode::Closed,
        "nothing is held before the seed is kept"
    );
    keep(&mut room, &mut saved, EARLY);
    follow(&mut room, EARLY + 1, EARLY + 1);
    assert_eq!(room.rules().mode, Mode::Hold);
    (room, saved)
}

/// The room opens, and its store is quick.
fn open(room: &mut Room, saved: &mut Saved, secs: u64) {
    follow(room, secs, secs);
    keep(room, saved, secs);
    room.tick(at(secs));
}

/// Everybody asks how things stand.
fn tell(room: &mut Room, tickets: &[Ticket], secs: u64) {
    for ticket in tickets {
        told(room, *ticket, secs);
    }
}

#[test]
fn the_early_are_drawn_and_the_others_stand_behind_them() {
    let (mut room, mut saved) = early(10);
    let early: Vec<Ticket> = (0..1_000)
        .map(|_| ticket_of(come(&mut room, EARLY + 2)))
        .collect();
    let waiting = told(&mut room, early[0], OPENS - 10);
    assert_eq!((waiting.place, waiting.drawn_at), (1_000, Some(at(OPENS))));
    assert_eq!((waiting.reopens, waiting.promise), (Some(at(OPENS)), None));
    for ticket in &early {
        told(&mut room, *ticket, OPENS - 10);
    }
    follow(&mut room, OPENS, OPENS);
    let late = ticket_of(come(&mut room, OPENS));
    assert_eq!(room.status(at(OPENS)).called, 0, "the draw is not kept yet");
    keep(&mut room, &mut saved, OPENS);
    let lot = room.lot().unwrap().clone();
    assert_eq!(lot.ranges.first(), Some(&(early[0].number..late.number)));
    let places: Vec<u64> = (early.iter())
        .map(|ticket| told(&mut room, *ticket, OPENS))
        .map(|waiting| waiting.place + u64::from(waiting.called.is_none()))
        .collect();
    for (ticket, place) in early.iter().zip(&places) {
        let rank = lot.rank(ticket.number).unwrap();
        assert!(rank == *place || rank == 1, "rank {rank}, place {place}");
    }
    assert!(!places.is_sorted(), "nobody was shuffled");
    assert_eq!(told(&mut room, late, OPENS).place, 1_000);
    clean(&mut room, OPENS);
}

#[test]
fn they_are_called_in_the_order_of_their_ranks() {
    let (mut room, mut saved) = early(5);
    let early: Vec<Ticket> = (0..50)
        .map(|_| ticket_of(come(&mut room, EARLY + 2)))
        .collect();
    tell(&mut room, &early, OPENS - 5);
    open(&mut room, &mut saved, OPENS);
    let lot = room.lot().unwrap().clone();
    let mut by_rank = early.clone();
    by_rank.sort_by_key(|ticket| lot.rank(ticket.number));
    let mut entered = Vec::new();
    for secs in OPENS..OPENS + 300 {
        for ticket in &early {
            if !entered.contains(ticket) && told_or_in(&mut room, *ticket, secs) {
                number_inside(room.arrive(Visitor::Ticket(*ticket), Ask::PAGE, at(secs)));
                entered.push(*ticket);
                room.leave(ticket.number, at(secs));
            }
        }
    }
    assert_eq!(entered, by_rank);
    clean(&mut room, OPENS + 300);
}

fn told_or_in(room: &mut Room, ticket: Ticket, secs: u64) -> bool {
    told(room, ticket, secs).called.is_some()
}

#[test]
fn the_absent_are_passed_over_and_come_back_to_their_rank() {
    let (mut room, mut saved) = early(1);
    let early: Vec<Ticket> = (0..20)
        .map(|_| ticket_of(come(&mut room, OPENS - 200)))
        .collect();
    let lot = room.lot().unwrap().clone();
    tell(&mut room, &early, OPENS - 190);
    assert_eq!(
        lot.rank(early[0].number),
        None,
        "nothing is known before the draw"
    );
    // Most of them are not heard of again before the opening.
    let (present, absent) = early.split_at(5);
    for secs in OPENS - 189..OPENS {
        room.tick(at(secs));
        if secs % 10 == 9 {
            tell(&mut room, present, secs);
        }
    }
    open(&mut room, &mut saved, OPENS);
    let lot = room.lot().unwrap().clone();
    let first = *present
        .iter()
        .min_by_key(|ticket| lot.rank(ticket.number))
        .unwrap();
    assert!(told(&mut room, first, OPENS).called.is_some());
    let first_absent = *absent
        .iter()
        .min_by_key(|ticket| lot.rank(ticket.number))
        .unwrap();
    assert!(
        lot.rank(first_absent.number) < lot.rank(first.number),
        "the test wants another seed"
    );
    assert_eq!(told(&mut room, first_absent, OPENS + 1).place, 1);
    clean(&mut room, OPENS + 1);
}

#[test]
fn a_store_that_cannot_be_written_delays_an_opening_by_seconds() {
    let (mut room, _) = early(1);
    let ticket = ticket_of(come(&mut room, EARLY + 2));
    told(&mut room, ticket, OPENS);
    follow(&mut room, OPENS, OPENS);
    assert!(told(&mut room, ticket, OPENS + 5).called.is_none());
    assert!(told(&mut room, ticket, OPENS + 6).called.is_some());
}

#[test]
fn a_clock_that_is_set_back_after_the_draw_opens_nothing_twice() {
    let (mut room, mut saved) = early(1);
    let ticket = ticket_of(come(&mut room, EARLY + 2));
    // Somebody sets the clock on by mistake, and back again.
    follow(&mut room, OPENS + 60, EARLY + 3);
    keep(&mut room, &mut saved, EARLY + 3);
    assert!(told(&mut room, ticket, EARLY + 4).called.is_some());
    follow(&mut room, EARLY + 5, EARLY + 5);
    assert_eq!(room.rules().mode, Mode::Queue);
    assert_eq!(room.lot().unwrap().stage, Stage::Drawn);
}

#[test]
fn a_clock_that_is_set_back_before_the_draw_makes_them_wait() {
    let (mut room, mut saved) = early(1);
    let ticket = ticket_of(come(&mut room, EARLY + 2));
    follow(&mut room, EARLY - 7_200, EARLY + 3);
    assert_eq!(
        room.rules().mode,
        Mode::Hold,
        "the opening is still the next"
    );
    open(&mut room, &mut saved, OPENS);
    assert!(told(&mut room, ticket, OPENS).called.is_some());
}

#[test]
fn an_opening_that_is_taken_out_of_the_plan_is_drawn_at_once() {
    let (mut room, mut saved) = early(1);
    let ticket = ticket_of(come(&mut room, EARLY + 2));
    let force = Plan::default().at(Mode::Queue, room.opened(), at(EARLY + 3));
    room.follow(&force, || SEED, at(EARLY + 3), at(EARLY + 3));
    keep(&mut room, &mut saved, EARLY + 3);
    assert!(told(&mut room, ticket, EARLY + 4).called.is_some());
}

#[test]
fn what_an_operator_decides_by_hand_holds_until_the_next_change() {
    let mut room = room(1);
    let quiet = Plan::default().at(Mode::Queue, None, at(0));
    room.follow(&quiet, || SEED, at(0), at(0));
    room.set_mode(Mode::Open, at(1));
    room.follow(&quiet, || SEED, at(2), at(2));
    assert_eq!(room.rules().mode, Mode::Open);
    let held = InForce {
        mode: Mode::Hold,
        unheld: Mode::Hold,
        ..quiet
    };
    room.follow(&held, || SEED, at(3), at(3));
    assert_eq!(room.rules().mode, Mode::Hold);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_rank_changes_whatever_breaks(seed in any::<u64>(), seats in 1..20u32) {
        morning(seed, seats);
    }
}

/// A morning of chance around an opening, with crashes: what was not committed is lost.
fn morning(seed: u64, seats: u32) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let (mut room, mut saved) = early(seats);
    let mut tickets: Vec<(Ticket, Option<bool>)> = Vec::new();
    let mut ranks = std::collections::BTreeMap::new();
    let mut now = OPENS - dice.u64(20..200);
    let (mut jumps, mut kept) = (0, now);
    while now < OPENS + 120 {
        now += dice.u64(0..3);
        follow(&mut room, now, now);
        for _ in 0..dice.usize(..20) {
            if let Decision::Wait { ticket, .. } = come(&mut room, now) {
                // In the moment until the store has kept who takes part, a crash may come to
                // another end of them; nobody has seen a rank by then.
                let early = match room.lot().unwrap().stage {
                    Stage::Gathering => Some(true),
                    Stage::Settled => None,
                    Stage::Drawn => Some(false),
                };
                tickets.push((ticket, early));
            }
        }
        match dice.u8(..30) {
            0 => {
                // A crash. The store may have been a while behind.
                jumps += room.status(at(now)).counts.queue_jumps;
                let due = saved.clone();
                room = Room::restore("test", rules(seats), due, at(now));
                let lanes = saved.lanes.iter().cloned().chain(store_reserves(&room));
                lanes.for_each(|lane| room.reserve(lane.limit));
                follow(&mut room, now, now);
                keep(&mut room, &mut saved, now);
                kept = now;
            }
            1..20 => {
                keep(&mut room, &mut saved, now);
                kept = now;
            }
            // A store that is late for longer than an opening waits is another test's.
            _ if now > kept + 2 => {
                keep(&mut room, &mut saved, now);
                kept = now;
            }
            _ => {}
        }
        for (ticket, early) in &tickets {
            if dice.u8(..) < 60 {
                check(&mut room, *ticket, *early, now, &mut ranks);
            }
        }
        let status = room.status(at(now));
        assert_eq!(status.counts.queue_jumps + jumps, 0, "seed {seed}");
        assert_eq!(status.counts.seat_overshoot, 0, "seed {seed}");
        assert!(status.taken + status.called <= seats, "seed {seed}");
    }
    keep(&mut room, &mut saved, now);
    room.tick(at(now));
    assert_eq!(room.lot().unwrap().stage, Stage::Drawn, "seed {seed}");
    let lot = room.lot().unwrap().clone();
    for (ticket, early) in &tickets {
        let drawn = lot.rank(ticket.number).is_some();
        assert!(
            early.is_none_or(|early| early == drawn),
            "seed {seed}: {ticket:?}"
        );
    }
    // Whoever waits stands in the order of the ranks, then of arrival.
    let mut waiting: Vec<(u64, (u64, u64))> = Vec::new();
    for (ticket, _) in &tickets {
        let rank = lot.rank(ticket.number).unwrap_or(u64::MAX);
        let alive = room.mark(ticket.number, room.clock(at(now))) == Mark::Living;
        if alive
            && let Standing::Waiting { waiting: told, .. } =
                room.poll(Visitor::Ticket(*ticket), at(now))
            && told.called.is_none()
        {
            waiting.push((room.line.place(ticket.number), (rank, ticket.number)));
        }
    }
    waiting.sort_unstable();
    assert!(waiting.is_sorted_by_key(|(_, order)| *order), "seed {seed}");
}

/// A ticket is shown: if it is known who takes part, so is its rank, for ever.
fn check(
    room: &mut Room,
    ticket: Ticket,
    early: Option<bool>,
    now: u64,
    ranks: &mut std::collections::BTreeMap<u64, u64>,
) {
    let standing = room.poll(Visitor::Ticket(ticket), at(now));
    let lot = room.lot().unwrap();
    let Standing::Waiting { waiting, .. } = standing else {
        return;
    };
    if lot.stage != Stage::Drawn {
        assert_eq!(waiting.drawn_at.is_some(), lot.awaits(ticket.number));
        return;
    }
    assert_eq!(waiting.drawn_at, None);
    let rank = lot.rank(ticket.number);
    assert!(
        early.is_none_or(|early| early == rank.is_some()),
        "{ticket:?} {:?}",
        lot.ranges
    );
    if let Some(rank) = rank {
        assert_eq!(*ranks.entry(ticket.number).or_insert(rank), rank);
    }
}

#[test]
fn each_lane_is_drawn_by_itself() {
    let lane = |name: &str| LaneRules {
        name: name.to_owned(),
        ..LaneRules::default()
    };
    let (mut room, mut saved) = early_by(Rules {
        lanes: vec![lane(""), lane("teachers")],
        ..rules(1)
    });
    let mut tickets = Vec::new();
    for index in 0..400 {
        let ask = Ask {
            lane: index % 2,
            ..Ask::PAGE
        };
        tickets.push(ticket_of(room.arrive(
            Visitor::Newcomer,
            ask,
            at(EARLY + 2),
        )));
    }
    let worst = told(&mut room, tickets[0], EARLY + 3).place;
    assert_eq!(worst, 200, "of those of the lane");
    keep(&mut room, &mut saved, EARLY + 3);
    for second in [OPENS, OPENS + 1] {
        follow(&mut room, second, second);
        keep(&mut room, &mut saved, second);
    }
    room.tick(at(OPENS + 2));
    let lot = room.lot().unwrap().clone();
    assert_eq!((lot.stage, lot.ranges.len()), (Stage::Drawn, 2));
    for index in 0..2 {
        let own = tickets.iter().skip(index).step_by(2);
        let mut ranks: Vec<u64> = own.map(|it| lot.rank(it.number).unwrap()).collect();
        assert!(!ranks.is_sorted());
        ranks.sort_unstable();
        assert!(ranks.into_iter().eq(1..=200));
    }
    let saved = saved.clone();
    let rules = room.rules().clone();
    let room = Room::restore("test", rules, saved, at(OPENS + 3));
    let place = |ticket: &Ticket| room.line.place(ticket.number);
    let mut second: Vec<&Ticket> = tickets.iter().skip(1).step_by(2).collect();
    second.sort_by_key(|ticket| lot.rank(ticket.number));
    let living = |it: &&&Ticket| room.mark(it.number, at(OPENS + 3)) == Mark::Living;
    let places: Vec<u64> = second.iter().filter(living).map(|it| place(it)).collect();
    assert!(places.into_iter().eq(1..=room.lane(1).living()));
}
