//! Parts of a portal that fail for everybody, to be told to whoever runs it.
//!
//! A part is a host and the first name of a path; files that are served whatever happens (style sheets,
//! pictures) say nothing of it. Each has a level: a failure raises it by one, a page lowers it by [`PAGE`].
//! So it rises where more than eight in nine requests fail, and falls to nothing soon after they do not.
//! What is neither (a redirect, a 404) may come from what stands before the part, or be all that it has to
//! say (a sign-on, a logout): it lowers the level by [`ODD`], so that more than half must fail.
//!
//! One visitor who fails is no part that does: it takes [`VISITORS`]. And however many parts one visitor
//! brings here, they push out none that fails for others. How health and the laws of capacity
//! see failures is another matter ([`super::window`]): a part that fails changes nothing there, which is
//! just why nobody would hear of it.

use super::classes::{is_a_name, kind};
use super::window::heap;
use crate::time::{Millis, Span};
use std::collections::VecDeque;
use std::fmt::{self, Display};

/// Parts that are looked at; those of which something has failed.
const PARTS_MAX: usize = 32;
/// One that does not fail, and of which nothing has for so long, is the first to make room for another.
const OLD: Span = Span::secs(30);
/// Parts that are said to fail, of those that do at once: a portal may be broken as a whole.
const SAID_MAX: usize = 8;
/// Lines that a part fails, in an hour; no more than as many say that one is well again.
const LINES_MAX: usize = 16;
const HOUR: Span = Span::mins(60);
/// How high a level is at most, and by how much a page lowers it, and what is neither page nor failure.
const LEVEL_MAX: u32 = 20;
const PAGE: u32 = 8;
const ODD: u32 = 1;
/// A part fails from this level on …
const FAILING: u32 = 10;
/// … if its first failure is so long ago …
const LASTING: Span = Span::secs(5);
/// … and so many visitors have met one. (More are dealt into 64 heaps.)
const VISITORS: u32 = 3;
/// It is well again when it has been at level 0 for so long, or when nothing has failed for so long.
const WELL: Span = Span::secs(15);
const QUIET: Span = Span::mins(10);

/// What became of a request, as far as that says something of its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartAnswer {
    /// A page came.
    Page,
    /// Something else did: a redirect, a 404.
    Odd,
    /// None did.
    Failed(PartFailure),
}

/// How one has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartFailure {
    /// It was answered with this status.
    Status(u16),
    /// No answer came in time.
    Late,
    /// What came was no answer.
    Broken,
}

/// The parts of one portal of which something has failed.
#[derive(Debug, Default)]
pub struct Parts {
    parts: Vec<Part>,
    /// When it was said that one fails, in the last hour.
    lines: VecDeque<Millis>,
}

/// A part of a portal that fails, or may.
#[derive(Clone, Debug)]
pub struct Part {
    /// Empty where any will do.
    host: Box<str>,
    /// The first name of its paths; empty for the portal's first page.
    first: Box<str>,
    /// When something failed first.
    pub since: Millis,
    /// How many requests have failed since then.
    pub failures: u64,
    /// How the last of them did.
    pub how: PartFailure,
    /// When.
    last: Millis,
    level: u32,
    /// Since when the level is 0.
    well: Option<Millis>,
    /// For each heap of visitors whether one of them has met a failure.
    visitors: u64,
    fails: bool,
    said: bool,
}

/// A change that is worth a line.
#[derive(Clone, Debug)]
pub enum PartChange {
    /// It fails from now on; `last`: of others nothing is said, as too many do.
    Fails {
        /// The part.
        part: Part,
        /// There will be no line about others.
        last: bool,
    },
    /// Pages come of it again.
    Well(Part),
    /// Nothing of it has failed for a long time; perhaps nobody asks for it.
    Quiet(Part),
}

impl Parts {
    /// Whether nothing has failed lately: then a page is no news.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What became of a request for `path` at `host` (empty where the visitor may say any), of the visitor
    /// with this number.
    pub fn heard(&mut self, host: &str, path: &str, visitor: u64, fate: PartAnswer, now: Millis) {
        let Some(first) = first(path) else {
            return;
        };
        let mut parts = self.parts.iter_mut();
        let known = parts.find(|it| *it.first == *first && *it.host == *host);
        match (fate, known) {
            (PartAnswer::Page | PartAnswer::Odd, None) => {}
            (PartAnswer::Page, Some(part)) => part.fares(PAGE, now),
            (PartAnswer::Odd, Some(part)) => part.fares(ODD, now),
            (PartAnswer::Failed(how), Some(part)) => part.failed(how, visitor, now),
            (PartAnswer::Failed(how), None) => {
                let mut part = Part::new(host, first, how, now);
                part.failed(how, visitor, now);
                self.make_room(&part, now);
                self.parts.push(part);
            }
        }
    }

    /// If there are as many as there may be, one goes for `part`: that which is the least trouble to
    /// others than who has met this one.
    fn make_room(&mut self, part: &Part, now: Millis) {
        if self.parts.len() < PARTS_MAX {
            return;
        }
        let trouble = |it: &Part| {
            let others = (it.visitors & !part.visitors).count_ones();
            (!it.is_old(now), others, it.level)
        };
        // What is said to fail is said to be well again.
        let unsaid = (0..).zip(&self.parts).filter(|(_, it)| !it.said);
        if let Some((least, _)) = unsaid.min_by_key(|(_, it)| trouble(it)) {
            self.parts.swap_remove(least);
        }
    }

    /// Time passes: what has changed by now, and is to be said.
    pub fn tick(&mut self, now: Millis) -> Vec<PartChange> {
        let mut changes = Vec::new();
        while self.lines.front().is_some_and(|at| now.since(*at) >= HOUR) {
            self.lines.pop_front();
        }
        let mut said = self.parts.iter().filter(|part| part.said).count();
        for part in &mut self.parts {
            if part.is_over(now) {
                let over = match part.well {
                    Some(_) => PartChange::Well(part.clone()),
                    None => PartChange::Quiet(part.clone()),
                };
                changes.extend(part.said.then_some(over));
            } else if part.begins_to_fail(now) {
                part.fails = true;
                part.said = said < SAID_MAX && self.lines.len() < LINES_MAX;
                if part.said {
                    said += 1;
                    self.lines.push_back(now);
                    changes.push(PartChange::Fails {
                        part: part.clone(),
                        last: said == SAID_MAX || self.lines.len() == LINES_MAX,
                    });
                }
            }
        }
        self.parts.retain(|part| !part.is_over(now));
        changes
    }

    /// The parts that fail.
    pub fn failing(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.fails)
    }
}

impl Part {
    fn new(host: &str, first: &str, how: PartFailure, now: Millis) -> Part {
        Part {
            host: host.into(),
            first: first.into(),
            since: now,
            failures: 0,
            how,
            last: now,
            level: 0,
            well: None,
            visitors: 0,
            fails: false,
            said: false,
        }
    }

    fn failed(&mut self, how: PartFailure, visitor: u64, now: Millis) {
        (self.how, self.last, self.well) = (how, now, None);
        self.failures += 1;
        self.level = (self.level + 1).min(LEVEL_MAX);
        self.visitors |= 1 << heap(visitor);
    }

    /// An answer came that lowers the level by so much.
    fn fares(&mut self, well: u32, now: Millis) {
        self.level = self.level.saturating_sub(well);
        if self.level == 0 {
            self.well.get_or_insert(now);
        }
    }

    fn is_old(&self, now: Millis) -> bool {
        !self.fails && now.since(self.last) >= OLD
    }

    fn begins_to_fail(&self, now: Millis) -> bool {
        !self.fails
            && self.level >= FAILING
            && self.visitors.count_ones() >= VISITORS
            && now.since(self.since) >= LASTING
    }

    /// Whether there is nothing to be seen of it any more.
    fn is_over(&self, now: Millis) -> bool {
        let well = |since| !self.fails || now.since(since) >= WELL;
        self.well.is_some_and(well) || now.since(self.last) >= QUIET
    }
}

/// As it stands in an address.
impl Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.first {
            "" => write!(f, "{}/", self.host),
            first => write!(f, "{}/{first}", self.host),
        }
    }
}

/// In words that follow the part.
impl Display for PartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartFailure::Status(status) => write!(f, "answers {status}"),
            PartFailure::Late => f.write_str("does not answer in time"),
            PartFailure::Broken => f.write_str("breaks off, or sends what is not HTTP"),
        }
    }
}

/// The first name of a path, without what Java portals hide behind a `;` (a session); one that looks like
/// the name of a thing is as good as another. None for a file.
fn first(path: &str) -> Option<&str> {
    if kind(path).is_some() {
        return None;
    }
    let mut names = path.split('/').filter(|name| !name.is_empty());
    let first = names.next().unwrap_or("");
    let first = first.split(';').next().unwrap_or("");
    Some(if is_a_name(first) { "*" } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "ent.example.fr";
    const AWAY: PartAnswer = PartAnswer::Failed(PartFailure::Status(503));

    /// A second for each request, by visitors in turn, each followed by a tick.
    struct Clock {
        parts: Parts,
        now: Millis,
        lines: Vec<String>,
    }

    impl Clock {
        fn new() -> Clock {
            Clock {
                parts: Parts::default(),
                now: Millis(1_000),
                lines: Vec::new(),
            }
        }

        fn hears(&mut self, path: &str, fate: PartAnswer, times: u64, visitors: u64) {
            for time in 0..times {
                self.parts
                    .heard(HOST, path, time % visitors, fate, self.now);
                self.passes(1);
            }
        }

        fn passes(&mut self, secs: u64) {
            for _ in 0..secs {
                self.now = self.now + Span::secs(1);
                for change in self.parts.tick(self.now) {
                    self.lines.push(match change {
                        PartChange::Fails { part, .. } => format!("{part} {}", part.how),
                        PartChange::Well(part) => format!("{part} is well"),
                        PartChange::Quiet(part) => format!("{part} is quiet"),
                    });
                }
            }
        }

        fn failing(&self) -> Vec<String> {
            self.parts.failing().map(Part::to_string).collect()
        }
    }

    #[test]
    fn a_part_that_fails_for_everybody_is_said_once_and_once_that_it_is_well() {
        let mut clock = Clock::new();
        clock.hears("/bulletins/2026/x?y", AWAY, 300, 5);
        clock.hears("/cours", PartAnswer::Page, 10, 5);
        assert_eq!(clock.lines, ["ent.example.fr/bulletins answers 503"]);
        assert_eq!(clock.failing(), ["ent.example.fr/bulletins"]);
        assert_eq!(clock.parts.failing().next().unwrap().failures, 300);
        clock.hears("/bulletins/x", PartAnswer::Page, 3, 5);
        clock.passes(20);
        assert_eq!(clock.lines[1..], ["ent.example.fr/bulletins is well"]);
        assert!(clock.parts.is_empty());
    }

    #[test]
    fn a_few_failures_and_one_visitor_are_nothing() {
        for (times, visitors) in [(FAILING as u64 - 1, 5), (300, 1), (300, 2)] {
            let mut clock = Clock::new();
            clock.hears("/bulletins", AWAY, times, visitors);
            clock.passes(QUIET.ceil_secs());
            assert!(clock.lines.is_empty(), "{times} of {visitors}");
            assert!(clock.parts.is_empty(), "{times} of {visitors}");
        }
        // Ten in the same second: perhaps it was restarted.
        let mut clock = Clock::new();
        for visitor in 0..10 {
            clock.parts.heard(HOST, "/a", visitor, AWAY, clock.now);
        }
        clock.hears("/a", PartAnswer::Page, 5, 5);
        assert!(clock.lines.is_empty() && clock.parts.is_empty());
    }

    #[test]
    fn half_of_it_may_fail_and_hardly_any_page_does_not_end_it() {
        let mut clock = Clock::new();
        for _ in 0..200 {
            clock.hears("/a", AWAY, 1, 1);
            clock.hears("/a", PartAnswer::Page, 1, 1);
        }
        assert!(clock.lines.is_empty());
        let mut clock = Clock::new();
        for _ in 0..50 {
            clock.hears("/a", AWAY, 20, 5);
            clock.hears("/a", PartAnswer::Page, 1, 5);
        }
        assert_eq!(clock.lines.len(), 1, "{:?}", clock.lines);
    }

    #[test]
    fn what_comes_and_goes_is_one_trouble() {
        let mut clock = Clock::new();
        for _ in 0..50 {
            clock.hears("/a", AWAY, 20, 5);
            clock.hears("/a", PartAnswer::Page, 5, 5);
        }
        assert_eq!(clock.lines.len(), 1, "{:?}", clock.lines);
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_not_told_for_ever() {
        let mut clock = Clock::new();
        clock.hears("/a", PartAnswer::Failed(PartFailure::Late), 20, 5);
        clock.passes(QUIET.ceil_secs() + 1);
        let told = [
            "ent.example.fr/a does not answer in time",
            "ent.example.fr/a is quiet",
        ];
        assert_eq!(clock.lines, told);
    }

    #[test]
    fn files_say_nothing_and_a_session_is_not_told() {
        let mut clock = Clock::new();
        clock.hears("/a/style.css", AWAY, 50, 5);
        assert!(clock.parts.is_empty());
        clock.hears("/a;jsessionid=SECRET/b", AWAY, 50, 5);
        clock.hears("/a/style.css", PartAnswer::Page, 50, 5);
        assert_eq!(clock.failing(), ["ent.example.fr/a"]);
        clock.hears("/12345/b", AWAY, 50, 5);
        clock.hears("/", AWAY, 50, 5);
        assert_eq!(
            clock.failing()[1..],
            ["ent.example.fr/*", "ent.example.fr/"]
        );
    }

    #[test]
    fn a_portal_that_is_broken_as_a_whole_is_few_lines() {
        let mut clock = Clock::new();
        for _ in 0..30 {
            for at in 0..100u8 {
                let path = format!("/{}{}", (b'a' + at / 10) as char, (b'a' + at % 10) as char);
                for visitor in 0..5 {
                    clock.parts.heard(HOST, &path, visitor, AWAY, clock.now);
                }
            }
            clock.passes(1);
        }
        assert_eq!(clock.parts.parts.len(), PARTS_MAX);
        assert_eq!(clock.lines.len(), SAID_MAX);
    }

    /// One in a hundred sign-ons fails, and each that does not is a redirect.
    #[test]
    fn what_only_ever_redirects_is_well_unless_half_of_it_fails() {
        let mut clock = Clock::new();
        for _ in 0..50 {
            clock.hears("/saml/acs", AWAY, 1, 5);
            clock.hears("/saml/acs", PartAnswer::Odd, 99, 5);
        }
        assert!(clock.lines.is_empty() && clock.parts.is_empty());
        for _ in 0..20 {
            clock.hears("/saml/acs", AWAY, 4, 5);
            clock.hears("/saml/acs", PartAnswer::Odd, 2, 5);
        }
        assert_eq!(clock.lines, ["ent.example.fr/saml answers 503"]);
        clock.hears("/saml/acs", PartAnswer::Odd, 40, 5);
        assert_eq!(clock.lines[1..], ["ent.example.fr/saml is well"]);
    }

    fn named(at: u64) -> String {
        let letter = |at: u64| char::from(b'a' + (at % 20) as u8);
        format!("/{}{}{}", letter(at / 400), letter(at / 20), letter(at))
    }

    /// Whoever asks for what is not there, again and again, under ever other names.
    #[test]
    fn one_visitor_hides_no_part_that_fails_for_others() {
        let mut clock = Clock::new();
        for second in 0..300 {
            for at in 0..100 {
                let name = named((second * 37 + at) % 200);
                clock.parts.heard(HOST, &name, 99, AWAY, clock.now);
            }
            clock.hears("/bulletins", AWAY, 1, 1);
            clock
                .parts
                .heard(HOST, "/notes", second % 5, AWAY, clock.now);
            clock
                .parts
                .heard(HOST, "/bulletins", second % 5, AWAY, clock.now);
        }
        clock.lines.sort();
        let told = ["bulletins", "notes"].map(|it| format!("{HOST}/{it} answers 503"));
        assert_eq!(clock.lines, told);
        assert_eq!(clock.parts.parts.len(), PARTS_MAX);
    }

    #[test]
    fn whatever_fails_and_is_well_again_the_lines_of_an_hour_are_few() {
        let mut clock = Clock::new();
        let began = clock.now;
        let mut at = 0;
        while clock.now.since(began) < HOUR {
            clock.hears(&named(at), AWAY, 15, 5);
            clock.hears(&named(at), PartAnswer::Page, 20, 5);
            at += 1;
        }
        assert_eq!(clock.lines.len(), 2 * LINES_MAX);
        clock.hears(&named(at), AWAY, 15, 5);
        assert_eq!(clock.lines.len(), 2 * LINES_MAX + 1);
    }

    #[test]
    fn where_any_host_will_do_a_part_is_named_without() {
        let mut clock = Clock::new();
        for visitor in 0..15 {
            clock.parts.heard("", "/a", visitor, AWAY, clock.now);
            clock.passes(1);
        }
        assert_eq!(clock.failing(), ["/a"]);
    }
}
