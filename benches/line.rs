//! The line at a million and at thirteen million waiting: join, poll decision, call, expiry,
//! and bytes a ticket. Aims: join ≤ 1 µs, poll decision ≤ 300 ns, ≤ 10 bytes a ticket.
//!
//! `cargo bench --bench line`; in test mode (one iteration) the lines are a hundred times shorter.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use preau::room::{Ask, Decision, Line, Order, Room, Rules, Ticket, Visitor};
use preau::time::{Millis, Span};
use std::hint::black_box;
use std::time::{Duration, Instant};

const MILLION: u64 = 1_000_000;
/// Simulated seconds, and how often each visitor polls in them.
const SECONDS: u64 = 600;
const POLL_EVERY: u64 = 45;

/// A full room with `waiting` tickets, and every 997th of them.
fn crowd(waiting: u64) -> (Room, Vec<Ticket>, Millis) {
    let rules = Rules {
        seats: 5_000,
        poll_budget: u32::MAX,
        line_max: 100_000_000,
        // Nobody goes in while we measure.
        claim: Span::mins(60),
        idle: Span::mins(400),
        first_idle: Span::mins(400),
        ..Rules::default()
    };
    let mut now = Millis(1_700_000_000_000);
    let mut room = Room::new("bench", rules, 0, now);
    room.reserve(u64::MAX);
    let mut tickets = Vec::new();
    for count in 0..5_000 + waiting {
        if count % 10_000 == 0 {
            now = now + Span(1);
            room.take_changes();
        }
        if let Decision::Wait { ticket, .. } = room.arrive(Visitor::Newcomer, Ask::PAGE, now)
            && count % 997 == 0
        {
            tickets.push(ticket);
        }
    }
    // Departures, so that there is a promise to compute.
    for number in 0..20 {
        room.leave(number, now);
        now = now + Span::secs(1);
        room.tick(now);
    }
    (room, tickets, now)
}

fn at(criterion: &mut Criterion, name: &str, waiting: u64) {
    let (mut room, tickets, now) = crowd(waiting);
    let mut turn = 0;
    criterion.bench_function(&format!("poll decision, {name} waiting"), |bencher| {
        bencher.iter(|| {
            turn = (turn + 7_919) % tickets.len();
            black_box(room.poll(Visitor::Ticket(tickets[turn]), now))
        });
    });
    criterion.bench_function(&format!("join, {name} waiting"), |bencher| {
        bencher.iter(|| black_box(room.arrive(Visitor::Newcomer, Ask::PAGE, now)));
    });
    room.take_changes();
    criterion.bench_function(&format!("group for the store, {name} waiting"), |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                room.arrive(Visitor::Newcomer, Ask::PAGE, now);
                black_box(room.take_changes())
            },
            BatchSize::SmallInput,
        );
    });
}

/// Ten minutes in a line where everybody polls on time: what each second costs the room.
#[allow(
    clippy::disallowed_methods,
    reason = "a bench measures real time; the room's time is an argument"
)]
fn seconds(name: &str, waiting: u64) {
    let (mut room, tickets, mut now) = crowd(waiting);
    let issued = tickets[0].issued;
    let first = room.numbers().0 - waiting;
    let poll = |room: &mut Room, from: u64, to: u64, now| {
        for number in first + from..first + to {
            let ticket = Ticket {
                number,
                issued,
                promised: None,
            };
            black_box(room.poll(Visitor::Ticket(ticket), now));
        }
    };
    poll(&mut room, 0, waiting, now);
    let mut all = Vec::new();
    for second in 0..SECONDS {
        let turn = second % POLL_EVERY;
        let slice = waiting.div_ceil(POLL_EVERY);
        let end = ((turn + 1) * slice).min(waiting);
        poll(&mut room, turn * slice, end, now);
        room.take_changes();
        now = now + Span::secs(1);
        let began = Instant::now();
        room.tick(now);
        all.push(began.elapsed());
    }
    let living = room.status(now).waiting;
    assert!(living + 100 > waiting, "{living} of {waiting} still wait");
    let mean = all.iter().sum::<Duration>() / SECONDS as u32;
    let longest = all.iter().max().copied().unwrap_or_default();
    println!("one second passes, {name} waiting: mean {mean:.1?}, longest {longest:.1?}");
}

fn bytes(waiting: u64) {
    let mut line = Line::new(0, 300);
    for _ in 0..waiting {
        line.push(60);
    }
    let each = line.bytes() as f64 / waiting as f64;
    println!("bytes a ticket, {waiting} waiting: {each:.2}");
    assert!(each <= 10.0, "{each} bytes a ticket");
}

/// Those who came early for an opening are drawn by lot, all at once.
#[allow(
    clippy::disallowed_methods,
    reason = "a bench measures what the clock shows"
)]
fn draw(waiting: u64) {
    let mut line = Line::new(1_000, 300);
    for _ in 0..waiting {
        line.push(60);
    }
    let before = Instant::now();
    line.draw(Order::new(&[7; 32], 1_000..1_000 + waiting));
    let taken = before.elapsed();
    assert_eq!(line.living(), waiting);
    println!("a draw among {waiting}: {taken:.1?}");
}

fn line(criterion: &mut Criterion) {
    let smoke = !std::env::args().any(|argument| argument == "--bench");
    let scale = if smoke { 100 } else { 1 };
    for (name, waiting) in [("1 million", MILLION), ("13 million", 13 * MILLION)] {
        bytes(waiting / scale);
        draw(waiting / scale);
        seconds(name, waiting / scale);
        at(criterion, name, waiting / scale);
    }
}

criterion_group!(benches, line);
criterion_main!(benches);
