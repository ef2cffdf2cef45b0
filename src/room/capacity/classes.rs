//! Classes of requests, and how long their answers take with little to do.
//!
//! Two pages of a portal differ by more than a busy portal differs from an idle one. So each answer's
//! time is divided by what is usual for its class: the method and the form of the path (numbers and
//! long names are taken for names of things, and only the first parts count), at most
//! [`CLASSES_MAX`]; what comes beyond shares one.
//!
//! The *baseline* of a class is the median of its last [`SAMPLES`] answers that were sent while little
//! was in flight; it needs [`SAMPLES_MIN`]. It may be wrong in two ways, both seen elsewhere:
//! an incident is taken for the usual (so samples count only while answers are not slow, and each
//! for no more than [`RISE`] times the baseline), or the usual has changed for good (so a portal that
//! is slow with as little in flight as can be is believed, slowly: [`BELIEF`]).

use super::fnv::Fnv;
use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};

/// Classes that are told apart.
pub const CLASSES_MAX: usize = 64;
/// Answers that a baseline is the median of, and is not without.
const SAMPLES: usize = 400;
const SAMPLES_MIN: usize = 20;
/// No sample raises or lowers the median by more than this at once.
const RISE: f64 = 1.25;
/// With as little in flight as can be, a baseline below what is seen rises by this each second.
const BELIEF: f64 = 0.001;
/// Whose answers take this long while others do not is a long poll.
const LONG_SECS: f64 = 5.0;
/// So many of its answers must take long; then half of that, to stay one.
const LONG_SHARE: f64 = 0.8;
const LONG_STILL: f64 = 0.4;
/// Or the first so many, all of them: until they are known for what they are, they hold slots.
const LONG_AT_ONCE: u32 = 5;
/// A class of which so many answers in a row have failed is dead until one comes.
const DEAD: u32 = 3;
/// What is dead is stuck if it fails only after this, and others have come within this.
const STUCK_SECS: f64 = 1.0;
const STUCK_ALONE: Span = Span::secs(10);
/// Added on both sides of a ratio: differences below it are noise, or nobody feels them.
pub const GRACE_SECS: f64 = 0.005;
/// A class of which nothing was heard for this long makes room for another.
const FORGOTTEN: Span = Span::mins(30);
/// Files whose kind alone makes the class: they differ little.
const FILES: [&str; 12] = [
    "css", "gif", "ico", "jpg", "js", "json", "map", "png", "svg", "webp", "woff", "woff2",
];
/// Parts of a path that tell classes apart; bytes of one, beyond which it is a name of a thing.
const PARTS: usize = 3;
const PART_BYTES_MAX: usize = 24;

/// A class of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(u8);

impl Class {
    /// What has no class of its own.
    pub const OTHER: Class = Class(0);

    /// Below [`CLASSES_MAX`].
    pub(super) fn index(self) -> u8 {
        self.0
    }

    pub(super) fn at(index: u8) -> Class {
        Class(index)
    }
}

/// The classes of one portal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classes {
    known: Vec<Baseline>,
}

/// What is known of one class.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Baseline {
    /// Of method and form.
    hash: u64,
    heard: Millis,
    /// Seconds; none while too little is known.
    usual: Option<f64>,
    /// The last answers with little in flight, in seconds; oldest overwritten first.
    samples: Vec<f32>,
    at: usize,
    /// Samples since `usual` was computed.
    fresh: u32,
    /// Of the last answers while others were not slow: those that came soon, and those that did not.
    quick: u32,
    slow: u32,
    long: bool,
    #[serde(skip)]
    form: Form,
    /// Failures since the last answer of any kind.
    #[serde(skip)]
    failed: u32,
    /// Seconds that the last of them took.
    #[serde(skip)]
    failed_secs: f64,
    /// When the last good one came.
    #[serde(skip)]
    well: Option<Millis>,
}

/// What tells classes apart.
#[derive(Clone, Copy, Debug, Default)]
struct Form {
    /// Of the method and all that counts of the path.
    hash: u64,
    /// Of the path's first name alone: the part of the portal.
    part: u64,
    /// Known by the kind of a file.
    file: bool,
}

impl Classes {
    /// None is known but [`Class::OTHER`].
    pub fn new() -> Classes {
        Classes {
            known: vec![Baseline::default()],
        }
    }

    /// Goes on after a restart; nothing was heard later than now, whatever the clock showed.
    pub fn resume(&mut self, now: Millis) {
        for known in &mut self.known {
            known.heard = known.heard.min(now);
        }
    }

    /// The class of a request.
    pub fn class(&mut self, method: &str, path: &str, now: Millis) -> Class {
        let form = Form::of(method, path);
        let hash = form.hash;
        let found = self.known.iter().skip(1).position(|it| it.hash == hash);
        if let Some(at) = found {
            self.known[at + 1].form = form;
            return Class((at + 1) as u8);
        }
        let fresh = Baseline {
            hash,
            form,
            heard: now,
            ..Baseline::default()
        };
        if self.known.len() < CLASSES_MAX {
            self.known.push(fresh);
            return Class((self.known.len() - 1) as u8);
        }
        let forgotten = |it: &Baseline| now.since(it.heard) > FORGOTTEN;
        match self.known.iter().skip(1).position(forgotten) {
            Some(at) => {
                self.known[at + 1] = fresh;
                Class((at + 1) as u8)
            }
            None => Class::OTHER,
        }
    }

    /// An answer took so many seconds. `idle`: it was sent with little in flight; `calm`: answers
    /// are not slow; `healthy`: they are known not to be.
    pub fn heard(&mut self, class: Class, secs: f64, load: Load, now: Millis) {
        let class = &mut self.known[usize::from(class.0)];
        class.heard = now;
        class.quicken(secs, load.healthy);
        if load.idle && (load.calm || class.usual.is_none()) {
            class.sample(secs);
        }
    }

    /// How many times what is usual this is; none if that is not known, or the class is one of long
    /// polls.
    pub fn ratio(&self, class: Class, secs: f64) -> Option<f64> {
        let usual = self.usual(class)?;
        Some((secs + GRACE_SECS) / (usual + GRACE_SECS))
    }

    /// Seconds that an answer takes with little to do; none if that is not known, or the class is one
    /// of long polls.
    pub fn usual(&self, class: Class) -> Option<f64> {
        let class = &self.known[usize::from(class.0)];
        class.usual.filter(|_| !class.long)
    }

    /// Whether answers of this class take long by nature.
    pub fn is_long(&self, class: Class) -> bool {
        self.known[usize::from(class.0)].long
    }

    /// An answer came; `good`: it is a page, which the portal has to be well for.
    pub fn came(&mut self, class: Class, good: bool, now: Millis) {
        let class = &mut self.known[usize::from(class.0)];
        (class.heard, class.failed) = (now, 0);
        if good {
            class.well = Some(now);
        }
    }

    /// An answer failed to come, after so many seconds.
    pub fn failed(&mut self, class: Class, secs: f64, now: Millis) {
        let class = &mut self.known[usize::from(class.0)];
        (class.heard, class.failed_secs) = (now, secs);
        class.failed = class.failed.saturating_add(1);
    }

    /// Whether none of its answers comes in time while others do: the portal works on them in vain.
    pub fn is_stuck(&self, class: Class, now: Millis) -> bool {
        self.fails_after(class) >= STUCK_SECS && self.any_well(|it| it != class, now - STUCK_ALONE)
    }

    /// Seconds that the portal works on a request of it in vain; none if it is not dead.
    pub fn fails_after(&self, class: Class) -> f64 {
        match self.is_dead(class) {
            true => self.known[usize::from(class.0)].failed_secs,
            false => 0.0,
        }
    }

    /// Whether nothing but failures has come of it for a while.
    pub fn is_dead(&self, class: Class) -> bool {
        self.known[usize::from(class.0)].failed >= DEAD
    }

    /// Whether it is a kind of files: they are served also while a portal cannot do its work.
    pub fn is_file(&self, class: Class) -> bool {
        self.known[usize::from(class.0)].form.file
    }

    /// The part of the portal that it belongs to.
    pub fn part(&self, class: Class) -> u64 {
        self.known[usize::from(class.0)].form.part
    }

    /// Whether it has had a good answer after `since`.
    pub fn was_well(&self, class: Class, since: Millis) -> bool {
        let well = self.known[usize::from(class.0)].well;
        well.is_some_and(|at| at > since)
    }

    /// Whether any of `these`, no files and not dead, has had a good answer after `since`.
    pub fn any_well(&self, these: impl Fn(Class) -> bool, since: Millis) -> bool {
        let mut known = (0..).map(Class).zip(&self.known);
        known.any(|(class, it)| {
            let well = it.well.is_some_and(|at| at > since);
            well && !it.form.file && it.failed < DEAD && these(class)
        })
    }

    /// Whether it can be what was learnt.
    pub fn is_sound(&self) -> bool {
        let good = |it: &Baseline| {
            it.samples.len() <= SAMPLES
                && it.at < SAMPLES
                && it
                    .usual
                    .is_none_or(|usual| usual.is_finite() && usual >= 0.0)
        };
        (1..=CLASSES_MAX).contains(&self.known.len()) && self.known.iter().all(good)
    }

    /// Computes the medians anew.
    pub fn refresh(&mut self) {
        self.known.iter_mut().for_each(Baseline::refresh);
    }

    /// With as little in flight as can be, answers are still `ratio` times as slow as is usual, for
    /// so many seconds: perhaps that is what is usual now.
    pub fn believe(&mut self, ratio: f64, secs: f64) {
        let rise = (1.0 + BELIEF).powf(secs).min(ratio);
        for usual in self.known.iter_mut().filter_map(|it| it.usual.as_mut()) {
            *usual *= rise;
        }
        for sample in self.known.iter_mut().flat_map(|it| &mut it.samples) {
            *sample *= rise as f32;
        }
    }

    /// For each class with a baseline: its seconds.
    pub fn baselines(&self) -> impl Iterator<Item = (Class, f64)> + '_ {
        let usual = |(at, it): (usize, &Baseline)| Some((Class(at as u8), it.usual?));
        self.known.iter().enumerate().filter_map(usual)
    }
}

/// How things were when an answer was under way.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Little was in flight when it was sent.
    pub idle: bool,
    /// Answers are not slow, as far as is known.
    pub calm: bool,
    /// Answers of other classes are known not to be slow.
    pub healthy: bool,
}

impl Baseline {
    fn sample(&mut self, secs: f64) {
        let secs = match self.usual {
            Some(usual) => secs.clamp(usual / RISE, (usual + GRACE_SECS) * RISE),
            None => secs,
        } as f32;
        match self.samples.len() < SAMPLES {
            true => self.samples.push(secs),
            false => self.samples[self.at] = secs,
        }
        self.at = (self.at + 1) % SAMPLES;
        self.fresh += 1;
        if self.usual.is_none() && self.samples.len() == SAMPLES_MIN {
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        if self.fresh == 0 || self.samples.len() < SAMPLES_MIN {
            return;
        }
        self.fresh = 0;
        let mut samples = self.samples.clone();
        let middle = samples.len() / 2;
        let (_, median, _) = samples.select_nth_unstable_by(middle, f32::total_cmp);
        self.usual = Some(f64::from(*median));
    }

    /// A long poll is known by this: most of its answers take long, while those of others do not.
    /// (Some come soon: when there is something to tell.)
    fn quicken(&mut self, secs: f64, healthy: bool) {
        if !healthy {
            // Perhaps all is slow.
            (self.quick, self.slow) = (0, 0);
            return;
        }
        match secs < LONG_SECS {
            true => self.quick += 1,
            false => self.slow += 1,
        }
        let none_soon = self.quick == 0 && self.slow >= LONG_AT_ONCE;
        if self.quick + self.slow < SAMPLES_MIN as u32 && !none_soon {
            return;
        }
        let share = f64::from(self.slow) / f64::from(self.quick + self.slow);
        self.long = share >= if self.long { LONG_STILL } else { LONG_SHARE };
        (self.quick, self.slow) = (0, 0);
    }
}

impl Form {
    fn of(method: &str, path: &str) -> Form {
        let mut form = Fnv::new();
        form.take(method.as_bytes());
        let kind = kind(path);
        let mut part = Fnv::new();
        let names = path.split('/').filter(|name| !name.is_empty());
        for (at, name) in names.take(PARTS).enumerate() {
            let name = match is_a_name(name) {
                true => b"*",
                false => name.as_bytes(),
            };
            if at == 0 {
                part.take(name);
            }
            if kind.is_none() {
                form.take(b"/");
                form.take(name);
            }
        }
        if let Some(kind) = kind {
            form.take(kind.as_bytes());
        }
        Form {
            hash: form.0,
            part: part.0,
            file: kind.is_some(),
        }
    }
}

/// The kind of a file: a style sheet is not a page, wherever it lies.
pub(super) fn kind(path: &str) -> Option<&str> {
    let last = path.rsplit('/').next()?;
    let (_, kind) = last.rsplit_once('.')?;
    FILES.contains(&kind).then_some(kind)
}

/// Whether a part of a path names a thing rather than a kind of things.
pub(super) fn is_a_name(part: &str) -> bool {
    part.len() > PART_BYTES_MAX || part.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Load = Load {
        idle: true,
        calm: true,
        healthy: true,
    };

    fn usual(classes: &Classes, class: Class) -> Option<f64> {
        classes
            .baselines()
            .find(|(it, _)| *it == class)
            .map(|it| it.1)
    }

    #[test]
    fn the_form_of_a_path_makes_the_class() {
        let mut classes = Classes::new();
        let mut class = |path| classes.class("GET", path, Millis(0));
        assert_eq!(class("/cours/12/eleve"), class("/cours/997/eleve"));
        assert_eq!(class("/a/b/c/d"), class("/a/b/c/e"));
        assert_ne!(class("/cours/liste"), class("/cours/notes"));
        assert_ne!(class("/a/b/c/d.css"), class("/a/b/c/d"));
        assert_ne!(class("/"), Class::OTHER);
        assert_ne!(
            classes.class("POST", "/", Millis(0)),
            classes.class("GET", "/", Millis(0))
        );
    }

    #[test]
    fn classes_are_bounded_and_old_ones_make_room() {
        let mut classes = Classes::new();
        let name = |at: usize| format!("/{}", "ab".repeat(1 + at % 12) + &"c".repeat(at / 12));
        for at in 0..1_000 {
            classes.class("GET", &name(at), Millis(0));
        }
        assert_eq!(classes.known.len(), CLASSES_MAX);
        assert_eq!(classes.class("GET", "/new", Millis(1)), Class::OTHER);
        let later = Millis(0) + FORGOTTEN + Span(1);
        assert_ne!(classes.class("GET", "/new", later), Class::OTHER);
    }

    #[test]
    fn a_baseline_needs_samples_and_is_their_median() {
        let mut classes = Classes::new();
        let page = classes.class("GET", "/", Millis(0));
        for at in 0..SAMPLES_MIN {
            assert_eq!(usual(&classes, page), None);
            classes.heard(page, 0.1 + at as f64 / 1_000.0, CALM, Millis(0));
        }
        let found = usual(&classes, page).unwrap();
        assert!((found - 0.11).abs() < 0.001, "{found}");
        let ratio = classes.ratio(page, 0.225).unwrap();
        assert!((ratio - 2.0).abs() < 0.02, "{ratio}");
    }

    #[test]
    fn an_incident_is_not_what_is_usual() {
        let mut classes = Classes::new();
        let page = classes.class("GET", "/", Millis(0));
        for _ in 0..SAMPLES {
            classes.heard(page, 0.1, CALM, Millis(0));
        }
        let busy = Load {
            calm: false,
            ..CALM
        };
        for _ in 0..10 * SAMPLES {
            classes.heard(page, 5.0, busy, Millis(0));
        }
        classes.refresh();
        assert!(usual(&classes, page).unwrap() < 0.101);
        // Not seen to be one: by a quarter for each turn of half the samples.
        for _ in 0..SAMPLES / 2 + 1 {
            classes.heard(page, 5.0, CALM, Millis(0));
        }
        classes.refresh();
        assert!(usual(&classes, page).unwrap() < 0.14);
        classes.believe(50.0, 3_600.0);
        assert!(
            usual(&classes, page).unwrap() > 3.0,
            "believed within the hour"
        );
    }

    #[test]
    fn a_long_poll_is_known_by_most_of_its_answers() {
        let mut classes = Classes::new();
        let poll = classes.class("GET", "/poll", Millis(0));
        let sick = Load {
            healthy: false,
            ..CALM
        };
        for _ in 0..100 {
            classes.heard(poll, 25.0, sick, Millis(0));
        }
        assert!(!classes.is_long(poll), "perhaps all is slow");
        for _ in 0..SAMPLES_MIN {
            classes.heard(poll, 25.0, CALM, Millis(0));
        }
        assert!(classes.is_long(poll) && classes.ratio(poll, 25.0).is_none());
        classes.heard(poll, 0.1, CALM, Millis(0));
        assert!(classes.is_long(poll), "something was told");
        for _ in 0..2 * SAMPLES_MIN {
            classes.heard(poll, 0.1, CALM, Millis(0));
        }
        assert!(!classes.is_long(poll));
    }
}
