//! Lots: the order of those who came early for an opening, as anybody can check it.
//!
//! Those who take a ticket in the early window get the numbers `first`, `first + 1`, … up to, and
//! without, `last`. At the opening they are shuffled by a keyed permutation of 0 … n − 1, with
//! n = last − first: number `first + i` gets rank `rank(i)`, and the order of the line is the order of
//! the ranks. The key is a seed of 32 bytes. Its SHA-256 is published while people come, the seed
//! itself after the draw: nobody could choose it afterwards, and nobody could know it before.
//!
//! The permutation is a Feistel network over pairs, walked until it ends within the n (Black &
//! Rogaway 2002, "Ciphers with Arbitrary Finite Domains"; Luby & Rackoff 1988 for the network), in
//! unsigned arithmetic of 64 bits:
//!
//! ```text
//! side         the smallest number with side · side ≥ n, at least 16
//! key[r]       mix(word[r mod 4] + (r + 1) · 0x9e3779b97f4a7c15), r = 0 … 7
//!              word[0 … 3]: the seed's bytes as four little-endian numbers
//! mix(x)       x ^= x >> 30; x *= 0xbf58476d1ce4e5b9; x ^= x >> 27; x *= 0x94d049bb133111eb;
//!              x ^= x >> 31                    (splitmix64: Steele, Lea & Flood 2014)
//! once(i)      l = i / side, r = i mod side; for each key in order:
//!              (l, r) = (r, (l + ⌊mix(key + r) · side / 2^64⌋) mod side); then l · side + r
//! rank(i)      i = once(i), again while i ≥ n
//! ```

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a draw depends on, besides the numbers: drawn by the host, secret until the opening.
pub type Seed = [u8; 32];

/// Rounds of the network: four suffice for a permutation that looks like chance (Luby & Rackoff);
/// twice as many cost nothing that matters.
const ROUNDS: usize = 8;
/// The smallest side: tiny domains mix badly.
const SIDE_MIN: u64 = 16;
/// Splitmix64's increment: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// How far an opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Those who take part still come.
    Gathering,
    /// It is settled who takes part; from then on, so are their ranks.
    Settled,
    /// The line stands in the order of the draw.
    Drawn,
}

/// One opening: those who came early, and their draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// When it is drawn, by the clock on the wall.
    pub at: Millis,
    /// What the draw depends on.
    pub seed: Seed,
    /// The numbers that take part, drawn among themselves; their end is settled last.
    pub ranges: Vec<Range<u64>>,
    /// How far it is.
    pub stage: Stage,
}

impl Lot {
    /// Whether `number` takes part in a draw that is still to come.
    pub fn awaits(&self, number: u64) -> bool {
        self.stage != Stage::Drawn && self.range(number).is_some()
    }

    /// The rank of `number`, from 1 on, once it is settled who takes part.
    pub fn rank(&self, number: u64) -> Option<u64> {
        let range = self.range(number)?;
        if self.stage == Stage::Gathering {
            return None;
        }
        let order = Order::new(&self.seed, range.clone());
        Some(order.slot(number) - range.start + 1)
    }

    /// The numbers with which `number` is drawn, if it takes part.
    pub fn range(&self, number: u64) -> Option<&Range<u64>> {
        self.ranges.iter().find(|range| range.contains(&number))
    }
}

/// The order of a draw: which number stands where.
#[derive(Clone, Debug)]
pub struct Order {
    numbers: Range<u64>,
    permutation: Permutation,
}

impl Order {
    /// The order of `numbers`.
    pub fn new(seed: &Seed, numbers: Range<u64>) -> Order {
        let permutation = Permutation::new(seed, numbers.end.saturating_sub(numbers.start));
        Order {
            numbers,
            permutation,
        }
    }

    /// The numbers that it orders.
    pub fn numbers(&self) -> Range<u64> {
        self.numbers.clone()
    }

    /// Whether it orders `number`.
    pub fn has(&self, number: u64) -> bool {
        self.numbers.contains(&number)
    }

    /// Where `number`, one of its own, stands in the line.
    pub fn slot(&self, number: u64) -> u64 {
        self.numbers.start + self.permutation.rank(number - self.numbers.start)
    }

    /// Which number stands at `slot`, one of its own.
    pub fn number(&self, slot: u64) -> u64 {
        self.numbers.start + self.permutation.origin(slot - self.numbers.start)
    }
}

/// A permutation of 0 … n − 1.
#[derive(Clone, Debug)]
struct Permutation {
    n: u64,
    side: u64,
    keys: [u64; ROUNDS],
}

impl Permutation {
    fn new(seed: &Seed, n: u64) -> Permutation {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(seed.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let key = |round: usize| {
            let step = GOLDEN.wrapping_mul(round as u64 + 1);
            mix(words[round % words.len()].wrapping_add(step))
        };
        let root = n.isqrt();
        let side = root + u64::from(root * root < n);
        Permutation {
            n,
            side: side.max(SIDE_MIN),
            keys: std::array::from_fn(key),
        }
    }

    /// Where `origin` goes; it must be below n.
    fn rank(&self, origin: u64) -> u64 {
        let mut at = origin;
        loop {
            let (mut left, mut right) = (at / self.side, at % self.side);
            for key in self.keys {
                let moved = left + self.shift(key, right);
                (left, right) = (right, moved % self.side);
            }
            at = left * self.side + right;
            if at < self.n {
                return at;
            }
        }
    }

    /// What came to `rank`; it must be below n.
    fn origin(&self, rank: u64) -> u64 {
        let mut at = rank;
        loop {
            let (mut left, mut right) = (at / self.side, at % self.side);
            for key in self.keys.iter().rev() {
                let moved = right + self.side - self.shift(*key, left);
                (left, right) = (moved % self.side, left);
            }
            at = left * self.side + right;
            if at < self.n {
                return at;
            }
        }
    }

    fn shift(&self, key: u64, half: u64) -> u64 {
        let product = u128::from(mix(key.wrapping_add(half))) * u128::from(self.side);
        (product >> 64) as u64
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seed(dice: &mut fastrand::Rng) -> Seed {
        std::array::from_fn(|_| dice.u8(..))
    }

    proptest! {
        #[test]
        fn everybody_gets_one_place_of_their_own(seed: Seed, first in 0..1u64 << 50, n in 1..3_000u64) {
            let order = Order::new(&seed, first..first + n);
            let mut slots: Vec<u64> = (first..first + n).map(|number| order.slot(number)).collect();
            for (number, slot) in (first..).zip(&slots) {
                prop_assert_eq!(order.number(*slot), number);
            }
            slots.sort_unstable();
            prop_assert!(slots.into_iter().eq(first..first + n));
        }
    }

    /// Pearson's statistic, and its bound at one in a million (Wilson & Hilferty 1931).
    fn even(seen: &[u32], expected: f64) -> bool {
        let distance = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let statistic: f64 = seen.iter().map(distance).sum();
        let free = (seen.len() - 1) as f64;
        let spread = 2.0 / (9.0 * free);
        statistic < free * (1.0 - spread + 4.753 * spread.sqrt()).powi(3)
    }

    #[test]
    fn every_place_is_as_likely_for_everybody() {
        let mut dice = fastrand::Rng::with_seed(1);
        for n in [2, 3, 7, 40, 300] {
            let rounds = 200 * n.max(20) as u32;
            let mut seen = vec![vec![0; n]; n];
            for _ in 0..rounds {
                let permutation = Permutation::new(&seed(&mut dice), n as u64);
                for (origin, row) in seen.iter_mut().enumerate() {
                    row[permutation.rank(origin as u64) as usize] += 1;
                }
            }
            let expected = f64::from(rounds) / n as f64;
            let uneven = seen.iter().filter(|row| !even(row, expected)).count();
            assert_eq!(uneven, 0, "of {n}");
        }
    }

    #[test]
    fn every_order_of_five_is_as_likely() {
        let mut dice = fastrand::Rng::with_seed(2);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..120 * 500 {
            let permutation = Permutation::new(&seed(&mut dice), 5);
            let order: Vec<u64> = (0..5).map(|origin| permutation.rank(origin)).collect();
            *seen.entry(order).or_insert(0) += 1;
        }
        let seen: Vec<u32> = seen.into_values().collect();
        assert!(seen.len() == 120 && even(&seen, 500.0), "{seen:?}");
    }

    #[test]
    fn neighbours_do_not_stay_neighbours() {
        let mut dice = fastrand::Rng::with_seed(3);
        let n = 1_000u64;
        let mut seen = vec![0; 20];
        for _ in 0..200 {
            let permutation = Permutation::new(&seed(&mut dice), n);
            for origin in 0..n - 1 {
                let [one, other] = [origin, origin + 1].map(|origin| permutation.rank(origin));
                let apart = (other + n - one) % n;
                seen[((apart - 1) * 20 / (n - 1)) as usize] += 1;
            }
        }
        assert!(even(&seen, 200.0 * 999.0 / 20.0), "{seen:?}");
    }

    #[test]
    fn the_draw_is_the_documented_one() {
        // Published draws must stay checkable: computed once by hand from the documentation.
        let lot = Lot {
            at: Millis(0),
            seed: std::array::from_fn(|at| at as u8),
            ranges: vec![1_000..1_010, 5_000..5_002],
            stage: Stage::Settled,
        };
        let ranks: Vec<u64> = (1_000..1_010)
            .filter_map(|number| lot.rank(number))
            .collect();
        assert_eq!(ranks, [3, 10, 1, 4, 6, 8, 2, 9, 5, 7]);
        assert_eq!(lot.rank(999), None);
        assert_eq!(lot.rank(1_010), None);
    }
}
