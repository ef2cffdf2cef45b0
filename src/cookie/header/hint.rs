//! The cookie that remembers a visitor's lane from an earlier visit.
//!
//! ```text
//! version 1 | key id 1 | kind 1 | room 4 | lane 8 | issued 6 | tag 16
//! ```
//!
//! In the form of the other cookies (see `cookie`), under a name of its own; the lane by the identity
//! of its name. It says no more than that: not who the visitor is, nor what they did.

use super::{RoomCookie, form_of, pairs};
use crate::cookie::{HEAD, TAG, VALUE_MAX, VERSION, number, room_id};
use crate::time::{Millis, Span};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderMap, HeaderValue};

/// What the cookie's name ends in. No name of a room has a dot in it.
const LANE: &str = ".lane";
/// The cookie's kind, beside tickets and passes.
const HINT: u8 = 3;

/// A lane that a visitor was seen to belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneHint {
    lane: u32,
    /// When.
    pub issued: Millis,
}

impl LaneHint {
    /// Whether it is about the lane `name`.
    pub fn is_of(self, name: &str) -> bool {
        self.lane == room_id(name)
    }
}

impl RoomCookie {
    /// The `Set-Cookie` that remembers the lane `name` for so long.
    pub fn remember_lane(&self, name: &str, remembered: Span, now: Millis) -> HeaderValue {
        let mut bytes = [0u8; HEAD + TAG];
        bytes[0] = VERSION;
        bytes[1] = self.keys.signing_id();
        bytes[2] = HINT;
        bytes[3..7].copy_from_slice(&self.room.to_le_bytes());
        bytes[7..15].copy_from_slice(&u64::from(room_id(name)).to_le_bytes());
        bytes[15..21].copy_from_slice(&now.0.to_le_bytes()[..6]);
        let tag = self.keys.tag(&bytes[..HEAD]);
        bytes[HEAD..].copy_from_slice(&tag);
        let value = URL_SAFE_NO_PAD.encode(bytes);
        self.header(&format!("{}{LANE}", self.name), &value, remembered)
    }

    /// The lane that is remembered, if one is. How old that may be is for the caller to say.
    pub fn lane_hint(&self, headers: &HeaderMap) -> Option<LaneHint> {
        let in_form = |given: bool| {
            pairs(headers).filter(move |(name, _)| {
                let (form, bare) = form_of(name);
                let ours = bare.strip_suffix(LANE.as_bytes()) == Some(self.bare.as_bytes());
                ours && (form == self.form) == given
            })
        };
        // One that an old configuration has given counts while there is none of now.
        let old = in_form(true).next().is_none();
        let mut values = in_form(!old);
        let (_, value) = values.next()?;
        // Of two, one is not ours, or not of now.
        self.open_hint(value).filter(|_| values.next().is_none())
    }

    fn open_hint(&self, value: &[u8]) -> Option<LaneHint> {
        if value.len() > VALUE_MAX {
            return None;
        }
        let mut buffer = [0u8; VALUE_MAX];
        let length = URL_SAFE_NO_PAD.decode_slice(value, &mut buffer).ok()?;
        let (bytes, tag) = buffer.get(..length)?.split_at_checked(HEAD)?;
        let sound = tag.len() == TAG
            && (bytes[0], bytes[2]) == (VERSION, HINT)
            && self.keys.verify(bytes[1], bytes, tag)
            && bytes[3..7] == self.room.to_le_bytes();
        let issued = Millis(number(&bytes[15..21]));
        sound.then_some(LaneHint {
            lane: u32::try_from(number(&bytes[7..15])).ok()?,
            issued,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::RoomCookies;
    use super::*;
    use crate::cookie::{Keys, strip_request};
    use http::header::COOKIE;
    use proptest::prelude::*;
    use std::sync::Arc;

    const NOW: Millis = Millis(1_700_000_000_000);
    const DAY: Span = Span::mins(24 * 60);

    fn cookie(keys: &Arc<Keys>, room: &str) -> RoomCookie {
        let cookies = RoomCookies {
            room,
            secure: true,
            domain: None,
            domains: &[],
            pass_max: DAY,
        };
        RoomCookie::new(keys.clone(), &cookies)
    }

    /// The request of a browser that was given this.
    fn holding(given: &HeaderValue) -> HeaderMap {
        let pair = given.to_str().unwrap().split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_str(pair).unwrap());
        headers
    }

    #[test]
    fn a_lane_is_remembered() {
        let keys = Arc::new(Keys::random());
        let room = cookie(&keys, "ent");
        let given = room.remember_lane("teachers", DAY, NOW);
        let text = given.to_str().unwrap();
        assert!(text.starts_with("__Host-preau-ent.lane="), "{text}");
        assert!(text.contains("; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax; Secure"));
        let mut headers = holding(&given);
        let hint = room.lane_hint(&headers).unwrap();
        assert!(hint.is_of("teachers") && !hint.is_of("pupils"));
        assert_eq!(hint.issued, NOW);
        let plain = RoomCookies {
            room: "ent",
            secure: false,
            domain: None,
            domains: &[],
            pass_max: DAY,
        };
        let plain = RoomCookie::new(keys, &plain);
        assert!(plain.lane_hint(&headers).is_some(), "also in another form");
        strip_request(&mut headers);
        assert!(headers.is_empty(), "the portal does not see it");
    }

    #[test]
    fn only_our_own_word_counts() {
        let keys = Arc::new(Keys::random());
        let room = cookie(&keys, "ent");
        let given = holding(&room.remember_lane("teachers", DAY, NOW));
        let other = cookie(&Arc::new(Keys::random()), "ent");
        assert_eq!(other.lane_hint(&given), None);
        // A pass is not a hint, and a hint is no pass.
        let value = given[COOKIE].to_str().unwrap().replace(".lane", "");
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_str(&value).unwrap());
        let held = room.read(&headers, |_| {});
        assert_eq!(held.found[0], crate::room::Visitor::Newcomer);
        let mut twice = given.clone();
        twice.append(COOKIE, given[COOKIE].clone());
        assert_eq!(room.lane_hint(&twice), None);
    }

    proptest! {
        #[test]
        fn anything_else_is_nothing(value in "[ -:<-~]{0,120}", cut in 0..50usize) {
            let room = cookie(&Arc::new(Keys::random()), "ent");
            prop_assert_eq!(room.open_hint(value.as_bytes()), None);
            let good = holding(&room.remember_lane("teachers", DAY, NOW));
            let value = good[COOKIE].as_bytes();
            let value = &value["__Host-preau-ent.lane=".len()..];
            prop_assert!(room.open_hint(value).is_some());
            prop_assert_eq!(room.open_hint(&value[..cut.min(value.len() - 1)]), None);
        }
    }
}
