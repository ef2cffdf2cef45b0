//! What the visitor holds: one signed cookie per room, a ticket or a pass.
//!
//! ```text
//! version 1 | key id 1 | kind 1 | room 4 | number 8 | issued 6 | (promise 14) | (revision 17) | tag 16
//! promise:  made at 6 | low 4 | high 4
//! revision: flags 1 | made 4 | low 4 | high 4 | doubted 4      (both times since the promise)
//! ```
//!
//! Numbers are little-endian, times are milliseconds, the tag is HMAC-SHA256 cut to 128 bits
//! (RFC 2104 §5) over everything before it; the whole is base64url. Nothing personal is in it,
//! everything that a poll needs is, and nothing is looked up or allocated for a forgery.
//! A ticket and a pass share the name, so that one replaces the other in one step.
//!
//! What is signed by us is genuine, whatever its times: clocks are set, forward and back, and a
//! machine whose clock was ahead has signed what now comes from the future. So a time proves nothing
//! by itself: whoever still has the place or the seat has it, and only what is too old *and* known
//! to no room is nobody's (see [`RoomCookie::is_old`]).

mod given;
mod header;
mod keys;

pub use header::{
    FOUND_MAX, Held, LaneHint, RoomCookie, RoomCookies, Stale, strip_request, strip_response,
};
pub use keys::{KeyError, Keys};

use crate::room::{Pass, Ticket, Visitor};
use crate::time::{Millis, Span};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use given::number;

/// A ticket older than this counts only as long as its place does.
pub const TICKET_MAX: Span = Span::mins(24 * 60);
const VERSION: u8 = 1;
const TICKET: u8 = 1;
const PASS: u8 = 2;
/// Bytes before the optional promise.
const HEAD: usize = 1 + 1 + 1 + 4 + 8 + 6;
/// Bytes of the tag.
pub(crate) const TAG: usize = 16;
const LONGEST: usize = HEAD + given::LONGEST + TAG;
/// Characters of the longest cookie value of ours.
pub const VALUE_MAX: usize = LONGEST.div_ceil(3) * 4;

/// Why a cookie counts as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Not of our form.
    Garbage,
    /// Longer than ours can be.
    Oversized,
    /// Our form, not our signature.
    Forged,
    /// Another room's.
    Foreign,
    /// Too old, and without a place or a seat any more.
    Expired,
    /// A second, different one that is signed just as well, or one too many.
    Duplicate,
}

impl Rejected {
    /// Every reason with its name in metrics.
    pub const NAMES: [(&'static str, Rejected); 6] = [
        ("garbage", Rejected::Garbage),
        ("oversized", Rejected::Oversized),
        ("forged", Rejected::Forged),
        ("foreign", Rejected::Foreign),
        ("expired", Rejected::Expired),
        ("duplicate", Rejected::Duplicate),
    ];
}

/// Signs what a visitor will hold in the room `room`.
pub fn seal(keys: &Keys, room: u32, visitor: &Visitor) -> Option<String> {
    let (kind, number, issued, promised) = match visitor {
        Visitor::Newcomer => return None,
        Visitor::Ticket(t) => (TICKET, t.number, t.issued, t.promised),
        Visitor::Pass(p) => (PASS, p.number, p.issued, None),
    };
    let mut bytes = [0u8; LONGEST];
    bytes[0] = VERSION;
    bytes[1] = keys.signing_id();
    bytes[2] = kind;
    bytes[3..7].copy_from_slice(&room.to_le_bytes());
    bytes[7..15].copy_from_slice(&number.to_le_bytes());
    bytes[15..21].copy_from_slice(&issued.0.to_le_bytes()[..6]);
    let mut end = HEAD;
    if let Some(promised) = promised {
        let mut told = [0; given::LONGEST];
        let length = given::write(&promised, &mut told);
        bytes[end..end + length].copy_from_slice(&told[..length]);
        end += length;
    }
    let tag = keys.tag(&bytes[..end]);
    bytes[end..end + TAG].copy_from_slice(&tag);
    Some(URL_SAFE_NO_PAD.encode(&bytes[..end + TAG]))
}

/// Verifies a value that claims to be ours.
///
/// # Errors
/// The reason why the value counts as none.
pub fn open(keys: &Keys, room: u32, value: &[u8]) -> Result<Visitor, Rejected> {
    if value.len() > VALUE_MAX {
        return Err(Rejected::Oversized);
    }
    let mut buffer = [0u8; VALUE_MAX];
    let length = URL_SAFE_NO_PAD
        .decode_slice(value, &mut buffer)
        .map_err(|_| Rejected::Garbage)?;
    let (bytes, tag) = (length.checked_sub(TAG))
        .map(|end| buffer[..length].split_at(end))
        .ok_or(Rejected::Garbage)?;
    let (head, told) = bytes.split_at_checked(HEAD).ok_or(Rejected::Garbage)?;
    let promised = match (head[0], head[2], told.is_empty()) {
        (VERSION, TICKET | PASS, true) => None,
        (VERSION, TICKET, false) => Some(given::read(told).ok_or(Rejected::Garbage)?),
        _ => return Err(Rejected::Garbage),
    };
    if !keys.verify(bytes[1], bytes, tag) {
        return Err(Rejected::Forged);
    }
    if bytes[3..7] != room.to_le_bytes() {
        return Err(Rejected::Foreign);
    }
    let number = number(&bytes[7..15]);
    let issued = Millis(given::number(&bytes[15..21]));
    if bytes[2] == PASS {
        return Ok(Visitor::Pass(Pass { number, issued }));
    }
    Ok(Visitor::Ticket(Ticket {
        number,
        issued,
        promised,
    }))
}

/// A room's identity inside the cookie: FNV-1a of its name (Fowler, Noll & Vo). It only tells a
/// foreign cookie from a forged one; what protects is the tag.
pub fn room_id(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{Given, Promise, Promised, Reason};
    use proptest::prelude::*;

    fn ticket(number: u64, promised: Option<Given>) -> Visitor {
        Visitor::Ticket(Ticket {
            number,
            issued: Millis(1_700_000_000_000),
            promised,
        })
    }

    fn given() -> Given {
        Given::first(Promised {
            at: Millis(1_700_000_005_000),
            promise: Promise {
                low: Span(60_000),
                high: Span(90_000),
            },
        })
    }

    /// The longest that a ticket can be.
    fn revised() -> Given {
        Given {
            raised: Some(Reason::Slower),
            ..given()
        }
    }

    fn opened(keys: &Keys, value: &str) -> Result<Visitor, Rejected> {
        open(keys, room_id("ent"), value.as_bytes())
    }

    #[test]
    fn what_is_sealed_opens() {
        let keys = Keys::random();
        let pass = Visitor::Pass(Pass {
            number: 7,
            issued: Millis(1_700_000_000_000),
        });
        let tickets = [None, Some(given()), Some(revised())].map(|it| ticket(u64::MAX, it));
        for visitor in tickets.into_iter().chain([pass]) {
            let value = seal(&keys, room_id("ent"), &visitor).unwrap();
            assert!(value.len() <= VALUE_MAX);
            assert_eq!(opened(&keys, &value), Ok(visitor));
        }
    }

    #[test]
    fn every_reason_to_reject_what_is_not_ours() {
        let keys = Keys::random();
        let room = room_id("ent");
        let good = seal(&keys, room, &ticket(1, Some(given()))).unwrap();
        let other_key = seal(&Keys::random(), room, &ticket(1, Some(given()))).unwrap();
        let other_room = seal(&keys, room_id("cned"), &ticket(1, Some(given()))).unwrap();
        let long = good.repeat(3);
        let cases = [
            ("", Rejected::Garbage),
            ("%%%", Rejected::Garbage),
            (&good[..good.len() - 4], Rejected::Garbage),
            (&long, Rejected::Oversized),
            (&other_key, Rejected::Forged),
            (&other_room, Rejected::Foreign),
        ];
        for (value, reason) in cases {
            assert_eq!(opened(&keys, value), Err(reason), "{value}");
        }
    }

    /// A machine that was ahead has signed it, or one that woke up in 1970 has learnt the time.
    #[test]
    fn a_time_proves_nothing() {
        let keys = Keys::random();
        for issued in [0, 1, (1 << 48) - 1] {
            let pass = Visitor::Pass(Pass {
                number: 7,
                issued: Millis(issued),
            });
            let value = seal(&keys, room_id("ent"), &pass).unwrap();
            assert_eq!(opened(&keys, &value), Ok(pass));
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_opens(at in 0usize..LONGEST, bit in 0u8..8) {
            let keys = Keys::random();
            let value = seal(&keys, room_id("ent"), &ticket(9, Some(revised()))).unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
            bytes[at] ^= 1 << bit;
            let forged = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(opened(&keys, &forged).is_err());
        }

        #[test]
        fn anything_at_all_is_rejected_without_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open(&Keys::random(), 1, &value).is_err());
        }
    }
}
