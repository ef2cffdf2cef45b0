//! What a request of each class holds a slot for, and which classes are heavy: exports, report cards as
//! one file, films.
//!
//! Of each class the mean of its last answers, whatever the load: all become slow together, so that they
//! compare. *Heavy* is a class whose answers take [`HEAVY_TIMES`] as long as the mean of all answers, and
//! so long that somebody feels it ([`HEAVY_SECS`]). As the mean is over requests, and theirs are part of
//! it, what is heavy is never more than one request in [`HEAVY_TIMES`]: the pages that everybody asks for
//! cannot be, however quick all else is.

use super::classes::{CLASSES_MAX, Class};
use crate::time::Span;

/// Answers of a class without which it is not heavy.
const KNOWN: u32 = 5;
/// Answers that count for the mean of a class, and for that of all.
const MEMORY: f64 = 20.0;
const MEMORY_OF_ALL: f64 = 200.0;
/// Times the mean of all, and seconds, from which a class is heavy.
const HEAVY_TIMES: f64 = 8.0;
const HEAVY_SECS: f64 = 0.5;

/// What a request is to hold a slot for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight {
    /// As far as it is known.
    pub cost: Span,
    /// Far longer than others do.
    pub heavy: bool,
}

/// What is known of one portal's classes. See the module.
#[derive(Clone, Debug)]
pub struct Weights {
    classes: [Mean; CLASSES_MAX],
    all: Mean,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    /// Answers, up to those that it remembers.
    answers: u32,
    secs: f64,
}

impl Weights {
    /// An answer of this class took so many seconds.
    pub fn heard(&mut self, class: Class, secs: f64) {
        self.classes[usize::from(class.index())].add(secs, MEMORY);
        self.all.add(secs, MEMORY_OF_ALL);
    }

    /// Of a request of this class.
    pub fn of(&self, class: Class) -> Weight {
        let mean = self.classes[usize::from(class.index())];
        let long = mean.secs >= HEAVY_SECS.max(HEAVY_TIMES * self.all.secs);
        let cost = match mean.answers {
            0 => self.all.secs,
            _ => mean.secs,
        };
        Weight {
            cost: Span::from_secs_f64(cost),
            heavy: long && mean.answers >= KNOWN,
        }
    }
}

impl Default for Weights {
    fn default() -> Weights {
        Weights {
            classes: [Mean::default(); CLASSES_MAX],
            all: Mean::default(),
        }
    }
}

impl Mean {
    /// Of the first few, the plain mean.
    fn add(&mut self, secs: f64, memory: f64) {
        self.answers = self.answers.saturating_add(1);
        self.secs += (secs - self.secs) / f64::from(self.answers).min(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Class = Class::OTHER;

    fn heard(weights: &mut Weights, class: Class, secs: f64, times: u32) {
        (0..times).for_each(|_| weights.heard(class, secs));
    }

    #[test]
    fn what_takes_far_longer_than_others_is_heavy_once_it_is_known() {
        let export = Class::at(1);
        let mut weights = Weights::default();
        heard(&mut weights, PAGE, 0.05, 200);
        assert_eq!(weights.of(export).cost, Span(50), "as all are");
        heard(&mut weights, export, 2.0, KNOWN - 1);
        assert!(!weights.of(export).heavy, "perhaps it is chance");
        heard(&mut weights, export, 2.0, 1);
        let known = Weight {
            cost: Span::secs(2),
            heavy: true,
        };
        assert_eq!(weights.of(export), known);
        assert!(!weights.of(PAGE).heavy);
    }

    #[test]
    fn a_slow_portal_makes_nothing_heavy() {
        let mut weights = Weights::default();
        heard(&mut weights, PAGE, 0.05, 200);
        heard(&mut weights, PAGE, 5.0, 400);
        assert!(!weights.of(PAGE).heavy);
        let mut weights = Weights::default();
        heard(&mut weights, PAGE, 0.001, 1_000);
        heard(&mut weights, Class::at(1), 0.4, 20);
        assert!(!weights.of(Class::at(1)).heavy, "nobody feels it");
    }

    /// One request in five, beside a flood of pictures.
    #[test]
    fn what_everybody_asks_for_is_not_heavy_however_quick_all_else_is() {
        let (picture, page) = (Class::at(1), Class::at(2));
        let mut weights = Weights::default();
        for _ in 0..400 {
            heard(&mut weights, picture, 0.002, 4);
            heard(&mut weights, page, 1.5, 1);
        }
        assert!(!weights.of(page).heavy, "{weights:?}");
    }
}
