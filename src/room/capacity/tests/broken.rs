//! What is broken by itself teaches nothing; what fails with everything else is load.

use super::super::super::phase;
use super::super::*;
use super::{SLOTS, there};

/// Slots to begin with.
const START: u32 = 8;

/// Requests of one kind, every second.
#[derive(Clone, Copy)]
struct Stream {
    /// A `*` is a number that changes with each.
    path: &'static str,
    host: &'static [u8],
    /// By so many visitors, the first of whom has this number.
    visitors: (u64, u64),
    /// So many in ten seconds.
    rate: u64,
    /// Of a hundred, so many fail; the others are good, or odd.
    fails: u64,
    odd: bool,
    /// What each takes.
    takes: Span,
}

const FINE: Stream = Stream {
    path: "/",
    host: b"ent",
    visitors: (1, 50),
    rate: 100,
    fails: 0,
    odd: false,
    takes: Span(50),
};

fn fine(path: &'static str) -> Stream {
    Stream { path, ..FINE }
}

fn broken(path: &'static str, rate: u64) -> Stream {
    Stream {
        path,
        rate,
        fails: 100,
        ..FINE
    }
}

struct Portal {
    law: Capacity,
    now: Millis,
    count: u64,
    /// Half of the slots, if nothing.
    in_flight: Option<u32>,
}

impl Portal {
    fn new() -> Portal {
        let rules = CapacityRules {
            slots: SLOTS,
            seats: Limit::Fixed(10),
        };
        Portal {
            law: Capacity::new(&rules, Millis(0)),
            now: Millis(0),
            count: 0,
            in_flight: None,
        }
    }

    /// Its seats are found, and all taken.
    fn seats_found(&mut self) {
        let rules = CapacityRules {
            slots: SLOTS,
            seats: Limit::Auto {
                min: 1,
                max: 10_000,
            },
        };
        self.law = Capacity::new(&rules, self.now);
    }

    /// So many seconds of this.
    fn lives(&mut self, seconds: u64, streams: &[Stream]) -> &mut Portal {
        for _ in 0..seconds * 100 {
            for stream in streams {
                let turn = self.now.0 / 10;
                let due = |turn: u64| turn * stream.rate / 1_000;
                for _ in due(turn)..due(turn + 1) {
                    self.ask(stream);
                }
            }
            self.now = self.now + Span(10);
            let inside = self.law.seats();
            self.law.tick(Heads::default(), 0, there(inside), self.now);
        }
        self
    }

    fn ask(&mut self, stream: &Stream) {
        self.count += 2;
        let part = |of: u64, number| (phase(number) * of as f64) as u64;
        let visitor = stream.visitors.0 + part(stream.visitors.1, self.count);
        let whose = Whose::new(visitor, stream.host);
        let class = self.law.class("GET", stream.path);
        let half = self.law.slots() / 2;
        let in_flight = self.in_flight.unwrap_or(half);
        let waited = Some(super::AT_ONCE);
        let sent = self
            .law
            .sent(in_flight, waited, whose, self.now - stream.takes);
        let answer = match part(100, self.count + 1) < stream.fails {
            true => Answer::Failed,
            false if stream.odd => Answer::Odd,
            false => Answer::Good,
        };
        self.law.answered(sent, class, answer, self.now);
    }

    fn slots(&self) -> u32 {
        self.law.slots()
    }
}

/// Slots after a minute of what is fine, and a minute with what is broken as well.
fn slots_with(well: &[Stream], ill: &[Stream]) -> u32 {
    let mut portal = Portal::new();
    portal.lives(60, well);
    portal.lives(60, &[well, ill].concat()).slots()
}

#[test]
fn one_address_that_fails_teaches_nothing_however_often_it_is_asked_for() {
    for rate in [5, 50, 500, 5_000] {
        for well in [3, 10, 100, 1_000] {
            let well = Stream { rate: well, ..FINE };
            let slots = slots_with(&[well], &[broken("/mort/x", rate)]);
            assert_eq!(slots, START, "{rate} beside {} in ten seconds", well.rate);
        }
    }
}

#[test]
fn a_part_of_many_addresses_that_fails_teaches_nothing() {
    let part = [
        "/mort/un",
        "/mort/deux",
        "/mort/trois",
        "/mort/a/b",
        "/mort/a/c",
    ];
    for rate in [5, 50, 500] {
        let ill = part.map(|path| broken(path, rate));
        assert_eq!(slots_with(&[FINE, fine("/cours")], &ill), START, "{rate}");
    }
}

#[test]
fn several_parts_that_fail_teach_nothing() {
    let ill = ["/mort", "/ferme", "/tard", "/trop", "/coupe"].map(|path| broken(path, 50));
    assert_eq!(slots_with(&[FINE, fine("/cours")], &ill), START);
}

#[test]
fn one_address_of_which_half_fails_teaches_nothing() {
    let half = Stream {
        fails: 50,
        ..broken("/mort/x", 40)
    };
    assert_eq!(slots_with(&[FINE, fine("/cours")], &[half]), START);
}

#[test]
fn a_host_that_is_dead_teaches_nothing() {
    let dead = |path| Stream {
        host: b"autre",
        ..broken(path, 100)
    };
    let ill = [dead("/"), dead("/cours"), dead("/notes")];
    assert_eq!(
        slots_with(&[FINE, fine("/cours"), fine("/notes")], &ill),
        START
    );
}

/// Whoever asks too often is limited (429) wherever they go, or on one open page.
#[test]
fn one_visitor_who_fails_teaches_nothing() {
    let limited = |path, fails| Stream {
        visitors: (1_000, 1),
        rate: 2_000,
        fails,
        ..fine(path)
    };
    for fails in [30, 60, 90, 100] {
        let ill = [limited("/", fails), limited("/cours", fails)];
        for rate in [10, 100] {
            let well = ["/", "/cours", "/notes"].map(|path| Stream { rate, ..fine(path) });
            assert_eq!(slots_with(&well, &ill), START, "{fails} % beside {rate}");
            let open = [limited("/ouvert/x", fails)];
            assert_eq!(slots_with(&well, &open), START, "{fails} %, open, {rate}");
        }
    }
}

/// A session that is locked is slow for one.
#[test]
fn one_visitor_for_whom_all_is_slow_teaches_nothing() {
    let mut portal = Portal::new();
    let well = [fine("/"), fine("/cours")];
    portal.lives(60, &well);
    let locked = Stream {
        visitors: (1_000, 1),
        rate: 1_000,
        takes: Span(2_000),
        ..fine("/cours")
    };
    assert_eq!(portal.lives(60, &[well[0], well[1], locked]).slots(), START);
    // But if all are slow with it, it is load.
    let mut portal = Portal::new();
    portal.lives(60, &well);
    let slow = well.map(|it| Stream {
        takes: Span(2_000),
        ..it
    });
    assert!(portal.lives(60, &[slow[0], slow[1], locked]).slots() < START);
}

#[test]
fn what_fails_everywhere_is_load_and_known_within_seconds() {
    let pages = ["/", "/cours", "/notes", "/agenda"].map(fine);
    for fails in [20, 50, 80, 100] {
        let mut portal = Portal::new();
        portal.lives(60, &pages);
        portal.lives(3, &pages.map(|it| Stream { fails, ..it }));
        assert!(portal.slots() <= START / 2, "{fails} %: {}", portal.slots());
    }
}

#[test]
fn style_sheets_that_still_come_are_no_witnesses() {
    let style = fine("/assets/style.css");
    let picture = fine("/assets/image.png");
    let pages = ["/", "/cours", "/notes"].map(fine);
    let mut portal = Portal::new();
    portal.lives(60, &pages).lives(10, &[style, picture]);
    let ill = pages.map(|it| Stream { fails: 60, ..it });
    portal.lives(3, &[ill[0], ill[1], ill[2], style, picture]);
    assert!(portal.slots() <= START / 2, "{}", portal.slots());
}

/// A bench; or an application with one address for everything, and a page before it.
#[test]
fn a_portal_of_one_address_is_judged_by_it() {
    for visitors in [(1, 1), (1, 50)] {
        for fails in [30, 100] {
            let alone = Stream {
                visitors,
                ..fine("/")
            };
            let mut portal = Portal::new();
            portal.lives(60, &[alone]);
            portal.lives(3, &[Stream { fails, ..alone }]);
            assert!(portal.slots() <= START / 2, "{visitors:?}, {fails} %");
        }
    }
    let (first, graphql) = (Stream { rate: 20, ..FINE }, fine("/graphql"));
    let mut portal = Portal::new();
    portal.lives(60, &[first, graphql]);
    let ill = Stream {
        fails: 40,
        ..graphql
    };
    portal.lives(5, &[first, ill]);
    assert!(portal.slots() <= START / 2, "{}", portal.slots());
}

#[test]
fn a_part_that_has_long_been_dead_does_not_hide_load() {
    let pages = ["/", "/cours", "/notes"].map(fine);
    let dead = broken("/mort/x", 500);
    let mut portal = Portal::new();
    portal.lives(600, &[pages[0], pages[1], pages[2], dead]);
    assert_eq!(portal.slots(), START);
    let ill = pages.map(|it| Stream { fails: 40, ..it });
    portal.lives(4, &[ill[0], ill[1], ill[2], dead]);
    assert!(portal.slots() <= START / 2, "{}", portal.slots());
}

/// An export that never ends in time would hold all slots.
#[test]
fn what_never_comes_in_time_is_stuck_while_others_come() {
    let export = Stream {
        takes: Span::secs(2),
        ..broken("/export", 10)
    };
    let class = |portal: &mut Portal| portal.law.class("GET", "/export");
    let mut portal = Portal::new();
    portal.lives(10, &[FINE, export]);
    let stuck = class(&mut portal);
    assert!(portal.law.is_stuck(stuck, portal.now));
    let sent = (portal.law).sent(1, None, Whose::default(), portal.now);
    let until = portal.law.expected(sent, stuck);
    assert_eq!(until, portal.now + Span::secs(2), "worked on until then");
    portal.lives(10, &[FINE, Stream { fails: 0, ..export }]);
    assert!(!portal.law.is_stuck(stuck, portal.now), "it comes again");

    let mut portal = Portal::new();
    portal.lives(10, &[FINE]).lives(20, &[export]);
    let stuck = class(&mut portal);
    assert!(!portal.law.is_stuck(stuck, portal.now), "nothing comes");
    let mut portal = Portal::new();
    portal.lives(10, &[FINE, broken("/mort", 10)]);
    let dead = portal.law.class("GET", "/mort");
    assert!(!portal.law.is_stuck(dead, portal.now), "it takes no time");
}

/// A redirect of what stands before the application, a page that is not there, one that is broken.
fn odd(path: &'static str) -> Stream {
    Stream {
        odd: true,
        ..fine(path)
    }
}

const APPLICATION: [&str; 4] = ["/app/cours", "/app/notes", "/app/agenda", "/vie/absences"];
const ONE_PART: [&str; 4] = ["/app/a", "/app/b", "/app/c", "/app/d"];

/// Others than pages come as before, and all of the application is dead.
#[test]
fn what_is_no_page_is_no_witness() {
    for (rate, paths) in [5, 100, 400]
        .into_iter()
        .zip([APPLICATION, ONE_PART, ONE_PART])
    {
        let first = Stream { rate, ..odd("/") };
        let pages = paths.map(fine);
        let mut portal = Portal::new();
        portal.lives(60, &[&[first][..], &pages].concat());
        let ill = pages.map(|it| Stream { fails: 100, ..it });
        portal.lives(4, &[&[first][..], &ill].concat());
        assert!(portal.slots() <= START / 2, "{rate}: {}", portal.slots());
        assert!(portal.law.slots.is_failing());
    }
}

/// Refusals that come at once leave nothing in flight.
#[test]
fn what_refuses_everybody_is_seen_though_hardly_anything_is_in_flight() {
    for paths in [APPLICATION, ONE_PART] {
        let pages = paths.map(fine);
        let rare = Stream { rate: 2, ..FINE };
        let mut portal = Portal::new();
        portal.in_flight = Some(1);
        portal.lives(60, &[&[rare][..], &pages].concat());
        // What is asked for rarely has not been asked for since.
        let ill = pages.map(|it| Stream { fails: 100, ..it });
        portal.lives(3, &ill);
        match paths == ONE_PART {
            // Perhaps it is the part alone: `/` is waited for.
            true => assert_eq!(portal.slots(), START),
            false => assert!(portal.slots() <= START / 2, "{}", portal.slots()),
        }
    }
}

#[test]
fn while_most_fails_no_seat_is_added_and_no_slot_is_lost() {
    let seats = |ill: &[Stream]| {
        let mut portal = Portal::new();
        portal.seats_found();
        portal.lives(10, &[FINE]);
        portal.lives(60, &[&[FINE][..], ill].concat());
        assert_eq!(portal.slots(), START);
        portal.law.seats()
    };
    let before = {
        let mut portal = Portal::new();
        portal.seats_found();
        portal.lives(10, &[FINE]).law.seats()
    };
    assert!(seats(&[]) > 2 * before);
    assert!(
        seats(&[broken("/mort/x", 30)]) > 2 * before,
        "less than half"
    );
    assert!(seats(&[broken("/mort/x", 500)]) <= before + before / 4);
    let one = Stream {
        visitors: (1_000, 1),
        ..broken("/mort/x", 500)
    };
    assert!(seats(&[one]) > 2 * before, "one visitor");
}
