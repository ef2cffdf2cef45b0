//! What a visitor is told of a draw, so that they can check their own rank.

use super::door::House;
use crate::room::{Lot, Seed, Stage};
use crate::time::Millis;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// A draw as one visitor sees it: the members are part of the public surface.
#[derive(Debug, Serialize, Deserialize)]
pub struct Draw {
    /// When it is, or was.
    pub at: String,
    /// The visitor's number.
    pub number: u64,
    /// The SHA-256 of the seed, in hexadecimal; while the seed is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_sha256: Option<String>,
    /// The seed, in hexadecimal; after the draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// The first number that takes part.
    pub first: u64,
    /// The last number that takes part; after the draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// The visitor's rank among all numbers that take part; after the draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
}

impl Draw {
    /// What the holder of `number`, who takes part, is told.
    pub fn of(lot: &Lot, number: u64, house: &House) -> Draw {
        let drawn = lot.stage == Stage::Drawn;
        let range = lot.range(number).cloned().unwrap_or_default();
        Draw {
            at: moment(house, lot.at),
            number,
            seed_sha256: (!drawn).then(|| commitment(&lot.seed)),
            seed: drawn.then(|| hex(&lot.seed)),
            first: range.start,
            last: drawn.then(|| range.end.saturating_sub(1)),
            rank: lot.rank(number).filter(|_| drawn),
        }
    }
}

/// What is published of a seed before the draw.
pub fn commitment(seed: &Seed) -> String {
    hex(digest(&SHA256, seed).as_ref())
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // A string takes every write.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A moment in the house's time zone, as RFC 3339 writes it.
pub fn moment(house: &House, at: Millis) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    let offset = house.zone.to_offset(at);
    at.display_with_offset(offset).to_string()
}
