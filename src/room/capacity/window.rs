//! What was heard since the last decision, and which failures are none of the portal's load.
//!
//! Load fails everybody alike: each address in the same share, whoever asks for it. What is broken
//! fails one address, or one part of the portal, or one visitor (who is limited, or whose session is
//! locked), and leaves the others alone. So the share of failures is looked at again without what may
//! explain it, and it is the least of these that counts, each as long as enough of the others was heard
//! ([`OTHERS`]):
//!
//! - without the classes of which nothing but failures has come for a while ([`Classes::is_dead`]);
//! - and without the class that fails most, if it is the smaller part of what is asked for: a portal that
//!   has one address for nearly everything is judged by that;
//! - and without the part of the portal (the first name of the path), or the host, that fails most, if
//!   nearly all of it fails ([`NEARLY_ALL`]);
//! - and without the visitor that fails most.
//!
//! Others are pages alone. What else is answered (a redirect, a 404, a 500) may come from what stands before
//! the portal's application; style sheets and pictures are served while it cannot do its work.
//!
//! While one of these explains the failures and too little is heard of others who were well a while
//! ago ([`LATELY`]), there is no verdict: the window stays open until they are heard, or until it is as
//! long as it may be. Then what fails is load, unless hardly anything is in flight. It does not stay
//! open when nothing but failures came, of so much that was well a while ago that no one class, part,
//! host or visitor has all of it.

use super::classes::{Class, Classes};
use super::fnv::{self, Fnv};
use crate::time::{Millis, Span};

/// Answers that are looked at, of one window, and failures among them: more are not needed.
const HEARD_MAX: usize = 4_096;
const FAILED_MAX: u32 = 1_024;
/// Others that are waited for are looked for no more often than this.
const LOOK_EVERY: Span = Span(200);
/// Requests in flight that are load for no portal.
const NO_LOAD: f64 = 2.0;
/// Failures below which a share says nothing.
pub const FAILURES_MIN: u32 = 2;
/// Answers of others that say how they are; at the end of the longest window one is enough.
const OTHERS: u32 = 5;
/// A share beyond which most fail.
const MOST: f64 = 0.5;
/// A part that fails to this share is broken.
const NEARLY_ALL: f64 = 0.8;
/// Others who were well within this time are waited for.
const LATELY: Span = Span::secs(60);
/// Hosts, and visitors, are dealt into so many heaps.
const HEAPS_LOG: u32 = 6;
const HEAPS: usize = 1 << HEAPS_LOG;

/// Ratios below which their median says nothing.
const RATIOS_MIN: u32 = 5;
/// Steps of a ratio: sixteen for each doubling, from 1/16 to 4096.
const RATIOS: usize = 16 * 16;
const RATIO_STEPS: f64 = 16.0;
const RATIO_LEAST_LOG: f64 = -4.0;

/// Whose request it is, as far as failures are told apart by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    visitor: u64,
    host: u64,
}

/// The same, dealt into heaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heaps {
    visitor: u8,
    host: u8,
}

/// One answer, or none.
#[derive(Clone, Copy, Debug)]
struct Heard {
    class: Class,
    heaps: Heaps,
    what: Came,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// A page; `far`: it took far too long, whatever is usual.
    Page {
        ratio: Option<Ratio>,
        far: bool,
    },
    /// No answer yet, when the visitor left.
    Left(Ratio),
    /// An answer that is no page: it says neither that the portal is well nor that it is not.
    Odd,
    Failed,
}

/// How many times as long as usual an answer took, as a step of its logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(u8);

/// What was heard since it began.
#[derive(Clone, Debug, Default)]
pub struct Window {
    pub began: Millis,
    heard: Vec<Heard>,
    failed: u32,
    /// When others were last looked for.
    looked: Millis,
    /// Of requests sent: how many, and the sum of those in flight.
    pub sent: u32,
    in_flight_sum: u64,
    /// Of the answers: the seconds that each takes with little to do.
    pub work: f64,
}

/// When a visitor, and a host, of each heap last had an answer.
#[derive(Clone, Debug)]
pub struct Lately {
    visitors: [Option<Millis>; HEAPS],
    hosts: [Option<Millis>; HEAPS],
}

/// So many answers, and how many of them failed.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    all: u32,
    failed: u32,
}

impl Window {
    pub fn at(began: Millis) -> Window {
        Window {
            began,
            ..Window::default()
        }
    }

    /// A request goes to the portal.
    pub fn sent(&mut self, in_flight: u32) {
        self.sent = self.sent.saturating_add(1);
        self.in_flight_sum += u64::from(in_flight);
    }

    /// What became of one.
    pub fn heard(&mut self, class: Class, heaps: Heaps, what: Came) {
        let failed = what == Came::Failed;
        if self.heard.len() < HEARD_MAX && !(failed && self.failed == FAILED_MAX) {
            self.failed += u32::from(failed);
            self.heard.push(Heard { class, heaps, what });
        }
    }

    /// Requests in flight when one was sent, on the mean.
    pub fn in_flight(&self) -> f64 {
        self.in_flight_sum as f64 / f64::from(self.sent.max(1))
    }

    /// Answers, and what came in their place.
    pub fn answers(&self) -> u32 {
        self.heard.len() as u32
    }

    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// The median of the ratios, or `far_too_slow` if most pages took far too long. What is above
    /// `slow` is looked at without the visitor who asks most.
    pub fn slowness(&self, slow: f64, far_too_slow: f64) -> Option<f64> {
        let all = slowness(self.heard.iter(), far_too_slow)?;
        if all <= slow {
            return Some(all);
        }
        let visitors = tally(&self.heard, |it| it.heaps.visitor);
        let busiest = (0..).zip(&visitors).max_by_key(|(_, tally)| tally.all)?.0;
        let others = (self.heard.iter()).filter(|it| it.heaps.visitor != busiest);
        Some(slowness(others, far_too_slow).map_or(all, |others| all.min(others)))
    }

    /// The share of failures that counts, if more than `most` are too many; none if others are to be
    /// heard first. `last`: it is the end of the longest window.
    pub fn errors(
        &mut self,
        classes: &Classes,
        lately: &Lately,
        most: f64,
        (now, last): (Millis, bool),
    ) -> Option<f64> {
        let all = Tally::of(&self.heard);
        if !all.is_above(most) {
            return Some(all.share());
        }
        if now.since(self.looked) < LOOK_EVERY && !last {
            return None;
        }
        self.looked = now;
        let alive = |it: &&Heard| !classes.is_dead(it.class);
        let heard: Vec<Heard> = self.speaking(classes).filter(alive).copied().collect();
        let all_gone = self.all_gone(classes, lately, now - LATELY);
        let mut wait = false;
        for cause in causes(&heard, classes) {
            let others = heard.iter().filter(|it| !cause.is(it, classes));
            let others = Tally::of(others);
            let few = others.all < OTHERS && !others.is_above(most);
            let well = match few {
                true => last && others.all > 0 && others.failed == 0,
                false => !others.is_above(most),
            };
            if well {
                return Some(others.share().min(most));
            }
            wait |= few && !all_gone && lately.any_but(cause, classes, now - LATELY);
        }
        match wait {
            true if !last => None,
            true if self.in_flight() <= NO_LOAD => Some(all.share().min(most)),
            _ => Some(all.share()),
        }
    }
}

impl Window {
    /// Whether most of what was asked failed, also without the visitor who failed most.
    pub fn mostly_fails(&self, classes: &Classes) -> bool {
        let all = Tally::of(self.speaking(classes));
        if !all.is_above(MOST) {
            return false;
        }
        let heard: Vec<Heard> = self.speaking(classes).copied().collect();
        let visitors = (0..).zip(tally(&heard, |it| it.heaps.visitor));
        let worst = worst(visitors, |_| true);
        let others = heard.iter().filter(|it| Some(it.heaps.visitor) != worst);
        Tally::of(others).is_above(MOST)
    }

    /// Whether nothing but failures came, and no one cause has all that was well after `since`, or
    /// nothing else was.
    fn all_gone(&self, classes: &Classes, lately: &Lately, since: Millis) -> bool {
        if self.speaking(classes).any(|it| it.what != Came::Failed) {
            return false;
        }
        let gone = || (self.speaking(classes)).filter(|it| classes.was_well(it.class, since));
        let Some(first) = gone().next() else {
            return false;
        };
        let explains = |cause: Cause| {
            gone().all(|it| cause.is(it, classes)) && lately.any_but(cause, classes, since)
        };
        let causes = [
            Cause::Class(first.class),
            Cause::Part(classes.part(first.class)),
            Cause::Host(first.heaps.host),
            Cause::Visitor(first.heaps.visitor),
        ];
        !causes.into_iter().any(explains)
    }

    /// What says how the portal's application is: its pages, and what failed.
    fn speaking<'a>(&'a self, classes: &'a Classes) -> impl Iterator<Item = &'a Heard> {
        let speaks = |it: &&Heard| matches!(it.what, Came::Page { .. } | Came::Failed);
        let heard = self.heard.iter().filter(speaks);
        heard.filter(|it| !classes.is_file(it.class))
    }
}

/// What may explain failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// What is dead already, and nothing else.
    Dead,
    Class(Class),
    Part(u64),
    Host(u8),
    Visitor(u8),
}

impl Cause {
    fn is(self, heard: &Heard, classes: &Classes) -> bool {
        match self {
            Cause::Host(heap) => heard.heaps.host == heap,
            Cause::Visitor(heap) => heard.heaps.visitor == heap,
            _ => self.has(heard.class, classes),
        }
    }

    /// Whether a class belongs to it.
    fn has(self, class: Class, classes: &Classes) -> bool {
        match self {
            Cause::Class(it) => it == class,
            Cause::Part(part) => classes.part(class) == part,
            Cause::Dead | Cause::Host(_) | Cause::Visitor(_) => false,
        }
    }
}

/// What may explain the failures among those heard: see the module.
fn causes(heard: &[Heard], classes: &Classes) -> Vec<Cause> {
    let nearly_all = |tally: &Tally| tally.share() >= NEARLY_ALL;
    let mut causes = vec![Cause::Dead];
    let by_class = tally(heard, |it| it.class.index());
    let smaller = |tally: &Tally| (tally.all as usize) * 2 < heard.len();
    let worst = worst((0..).zip(by_class), smaller);
    causes.extend(worst.map(|index| Cause::Class(Class::at(index))));
    let mut parts: Vec<(u64, Tally)> = Vec::new();
    for (index, tally) in (0..).zip(by_class).filter(|(_, tally)| tally.all > 0) {
        let part = classes.part(Class::at(index));
        match parts.iter_mut().find(|it| it.0 == part) {
            Some((_, sum)) => sum.add(tally),
            None => parts.push((part, tally)),
        }
    }
    causes.extend(self::worst(parts, nearly_all).map(Cause::Part));
    let hosts = (0..).zip(tally(heard, |it| it.heaps.host));
    causes.extend(self::worst(hosts, nearly_all).map(Cause::Host));
    let visitors = (0..).zip(tally(heard, |it| it.heaps.visitor));
    causes.extend(self::worst(visitors, |_| true).map(Cause::Visitor));
    causes
}

/// Of those that `may` be, and have failed, the one that has failed most.
fn worst<T>(
    tallies: impl IntoIterator<Item = (T, Tally)>,
    may: impl Fn(&Tally) -> bool,
) -> Option<T> {
    let failed = tallies
        .into_iter()
        .filter(|(_, it)| it.failed > 0 && may(it));
    failed.max_by_key(|(_, it)| it.failed).map(|it| it.0)
}

fn tally(heard: &[Heard], by: impl Fn(&Heard) -> u8) -> [Tally; HEAPS] {
    let mut tallies = [Tally::default(); HEAPS];
    for heard in heard {
        tallies[usize::from(by(heard)) % HEAPS].add(Tally::of([heard]));
    }
    tallies
}

fn slowness<'h>(heard: impl Iterator<Item = &'h Heard>, far_too_slow: f64) -> Option<f64> {
    let mut counts = [0u32; RATIOS];
    let (mut pages, mut far_too_long, mut ratios) = (0u32, 0u32, 0u32);
    for heard in heard {
        let ratio = match heard.what {
            Came::Page { ratio, far } => {
                pages += 1;
                far_too_long += u32::from(far);
                ratio
            }
            Came::Left(ratio) => Some(ratio),
            Came::Odd | Came::Failed => None,
        };
        if let Some(ratio) = ratio {
            counts[usize::from(ratio.0)] += 1;
            ratios += 1;
        }
    }
    if far_too_long * 2 > pages {
        return Some(far_too_slow);
    }
    if ratios < RATIOS_MIN {
        return None;
    }
    let mut below = 0;
    let step = counts.iter().position(|count| {
        below += count;
        below * 2 > ratios
    })?;
    Some((step as f64 / RATIO_STEPS + RATIO_LEAST_LOG).exp2())
}

impl Ratio {
    /// Within a fiftieth.
    pub fn new(ratio: f64) -> Ratio {
        let step = ((ratio.log2() - RATIO_LEAST_LOG) * RATIO_STEPS).round();
        // What is not a number becomes the first step.
        Ratio((step as usize).min(RATIOS - 1) as u8)
    }
}

impl Tally {
    fn of<'h>(heard: impl IntoIterator<Item = &'h Heard>) -> Tally {
        let mut tally = Tally::default();
        for heard in heard {
            tally.all += 1;
            tally.failed += u32::from(heard.what == Came::Failed);
        }
        tally
    }

    fn add(&mut self, other: Tally) {
        self.all += other.all;
        self.failed += other.failed;
    }

    fn share(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.all.max(1))
    }

    fn is_above(&self, most: f64) -> bool {
        self.failed >= FAILURES_MIN && self.share() > most
    }
}

impl Whose {
    /// A request of the visitor with this number for this host.
    pub fn new(visitor: u64, host: &[u8]) -> Whose {
        let mut name = Fnv::new();
        name.take(host);
        Whose {
            visitor,
            host: name.0,
        }
    }

    pub(super) fn heaps(self) -> Heaps {
        Heaps {
            visitor: heap(self.visitor),
            host: heap(self.host),
        }
    }
}

/// Of visitors, or hosts.
pub(super) fn heap(number: u64) -> u8 {
    fnv::heap(number, HEAPS_LOG) as u8
}

impl Lately {
    /// Somebody got an answer.
    pub fn well(&mut self, heaps: Heaps, now: Millis) {
        self.visitors[usize::from(heaps.visitor)] = Some(now);
        self.hosts[usize::from(heaps.host)] = Some(now);
    }

    /// Whether anybody whom `cause` does not explain was well after `since`.
    fn any_but(&self, cause: Cause, classes: &Classes, since: Millis) -> bool {
        let any = |heaps: &[Option<Millis>], but: u8| {
            let mut others = (0..).zip(heaps).filter(|(heap, _)| *heap != but);
            others.any(|(_, well)| well.is_some_and(|at| at > since))
        };
        match cause {
            Cause::Visitor(but) => any(&self.visitors, but),
            Cause::Host(but) => any(&self.hosts, but),
            _ => classes.any_well(|class| !cause.has(class, classes), since),
        }
    }
}

impl Default for Lately {
    fn default() -> Lately {
        Lately {
            visitors: [None; HEAPS],
            hosts: [None; HEAPS],
        }
    }
}
