//! How long things took, counted in a few hundred buckets: quantiles to within a tenth, in bounded
//! memory, one addition each.

use crate::time::Span;

/// Buckets for each doubling: neighbours are 9 % apart.
const PER_OCTAVE: usize = 8;
/// Doublings from a millisecond: up to 12 days.
const OCTAVES: usize = 30;

/// See the module.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Box<[u64; PER_OCTAVE * OCTAVES]>,
    count: u64,
    max: Span,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            buckets: Box::new([0; PER_OCTAVE * OCTAVES]),
            count: 0,
            max: Span::ZERO,
        }
    }
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, span: Span) {
        self.buckets[bucket(span)] += 1;
        self.count += 1;
        self.max = self.max.max(span);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn max(&self) -> Span {
        self.max
    }

    /// What the part `share` of them stayed under, rounded up by at most a tenth; `None` if there
    /// were none.
    pub fn quantile(&self, share: f64) -> Option<Span> {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(end(at).min(self.max))
    }

    /// Takes in what another one has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }
}

fn bucket(span: Span) -> usize {
    let at = (span.0.max(1) as f64).log2() * PER_OCTAVE as f64;
    (at.ceil() as usize).min(PER_OCTAVE * OCTAVES - 1)
}

/// The longest that falls into a bucket.
fn end(bucket: usize) -> Span {
    Span(2f64.powf(bucket as f64 / PER_OCTAVE as f64).floor() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_within_a_tenth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for millis in 1..=100_000 {
            histogram.add(Span(millis));
        }
        for share in [0.01, 0.1, 0.5, 0.9, 0.99, 1.0] {
            let exact = 100_000.0 * share;
            let found = histogram.quantile(share).unwrap().0 as f64;
            assert!((0.999..=1.1).contains(&(found / exact)), "{share}: {found}");
        }
        assert_eq!(histogram.max(), Span(100_000));
    }

    #[test]
    fn extremes_have_a_bucket() {
        let mut histogram = Histogram::default();
        histogram.add(Span::ZERO);
        assert_eq!(histogram.quantile(1.0), Some(Span::ZERO));
        histogram.add(Span(u64::MAX));
        assert!(histogram.quantile(1.0).unwrap() > Span::mins(60 * 24));
        let mut other = Histogram::default();
        other.merge(&histogram);
        assert_eq!((other.count(), other.max()), (2, Span(u64::MAX)));
    }
}
