//! What a ticket's holder was promised, as bytes: the first promise, and what has changed since, if
//! anything has.

use crate::room::{Doubt, Given, Promise, Promised, Reason};
use crate::time::{Millis, Span};

/// Bytes of the first promise.
pub const FIRST: usize = 6 + 4 + 4;
/// Bytes of what has changed since.
pub const REVISION: usize = 1 + 4 + 4 + 4 + 4;
/// Bytes of both.
pub const LONGEST: usize = FIRST + REVISION;

/// The lower bits of the flags: why the promise was raised.
const RAISED: u8 = 0b0000_1111;
/// The estimate was off when it was last looked at …
const DOUBTED: u8 = 0b0001_0000;
/// … and higher.
const ABOVE: u8 = 0b0010_0000;

/// Reasons by their number in the flags, from 1.
const REASONS: [Reason; 7] = [
    Reason::PortalDown,
    Reason::Held,
    Reason::Slower,
    Reason::FewerLeft,
    Reason::Stopped,
    Reason::Hours,
    Reason::NextHours,
];

/// Writes `given` and returns how many bytes it takes.
pub fn write(given: &Given, bytes: &mut [u8; LONGEST]) -> usize {
    let first = given.first;
    bytes[..6].copy_from_slice(&first.at.0.to_le_bytes()[..6]);
    promise(first.promise, &mut bytes[6..]);
    if *given == Given::first(first) {
        return FIRST;
    }
    let number = |reason| REASONS.iter().position(|known| *known == reason);
    let mut flags = given.raised.and_then(number).map_or(0, |at| at as u8 + 1);
    let mut doubted = Span::ZERO;
    if let Some(doubt) = given.doubt {
        flags |= if doubt.above {
            DOUBTED | ABOVE
        } else {
            DOUBTED
        };
        doubted = doubt.since.since(first.at);
    }
    bytes[14] = flags;
    bytes[15..19].copy_from_slice(&millis32(given.last.at.since(first.at)));
    promise(given.last.promise, &mut bytes[19..]);
    bytes[27..31].copy_from_slice(&millis32(doubted));
    LONGEST
}

/// Reads what [`write`] wrote; `None` for a length that is not one of its.
pub fn read(bytes: &[u8]) -> Option<Given> {
    let (first, revision) = bytes.split_at_checked(FIRST)?;
    let first = Promised {
        at: Millis(number(&first[..6])),
        promise: promised(&first[6..]),
    };
    if revision.is_empty() {
        return Some(Given::first(first));
    }
    if revision.len() != REVISION {
        return None;
    }
    let flags = revision[0];
    let time = |bytes: &[u8]| first.at + Span(number(bytes));
    Some(Given {
        first,
        last: Promised {
            at: time(&revision[1..5]),
            promise: promised(&revision[5..13]),
        },
        doubt: (flags & DOUBTED != 0).then(|| Doubt {
            since: time(&revision[13..]),
            above: flags & ABOVE != 0,
        }),
        raised: usize::from(flags & RAISED)
            .checked_sub(1)
            .and_then(|at| REASONS.get(at).copied()),
    })
}

fn promise(promise: Promise, bytes: &mut [u8]) {
    bytes[..4].copy_from_slice(&millis32(promise.low));
    bytes[4..8].copy_from_slice(&millis32(promise.high));
}

fn promised(bytes: &[u8]) -> Promise {
    Promise {
        low: Span(number(&bytes[..4])),
        high: Span(number(&bytes[4..8])),
    }
}

/// At most seven weeks; a ticket lasts a day.
fn millis32(span: Span) -> [u8; 4] {
    u32::try_from(span.0).unwrap_or(u32::MAX).to_le_bytes()
}

/// A number of up to eight bytes, little-endian.
pub fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_reason_has_a_number() {
        let first = Promised {
            at: Millis(1_700_000_000_000),
            promise: Promise {
                low: Span(1),
                high: Span(2),
            },
        };
        for reason in REASONS {
            let given = Given {
                raised: Some(reason),
                ..Given::first(first)
            };
            let mut bytes = [0; LONGEST];
            let length = write(&given, &mut bytes);
            assert_eq!(read(&bytes[..length]), Some(given));
        }
        assert_eq!(read(&[0; FIRST - 1]), None);
        assert_eq!(read(&[0; FIRST + 1]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            at in 1_600_000_000_000u64..1_900_000_000_000,
            spans in any::<[u32; 6]>(),
            doubted: Option<bool>,
            raised in 0..=REASONS.len(),
        ) {
            let spans = spans.map(|span| Span(u64::from(span)));
            let promised = |at, low, high| Promised { at, promise: Promise { low, high } };
            let at = Millis(at);
            let given = Given {
                first: promised(at, spans[0], spans[1]),
                last: promised(at + spans[2], spans[3], spans[4]),
                doubt: doubted.map(|above| Doubt { since: at + spans[5], above }),
                raised: REASONS.get(raised).copied(),
            };
            let mut bytes = [0; LONGEST];
            let length = write(&given, &mut bytes);
            prop_assert_eq!(read(&bytes[..length]), Some(given));
        }
    }
}
