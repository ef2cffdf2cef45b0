//! Cookies: nobody gets in with what we did not sign, ours never reach the portal, and the
//! portal's own pass byte for byte.

#![no_main]

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use libfuzzer_sys::fuzz_target;
use preau::cookie::{Held, Keys, RoomCookie, RoomCookies, strip_request, strip_response};
use preau::room::Visitor;
use preau::time::Span;
use std::sync::{Arc, LazyLock};

static ROOM: LazyLock<RoomCookie> = LazyLock::new(|| {
    let cookies = RoomCookies {
        room: "ent",
        secure: false,
        domain: None,
        domains: &[],
        pass_max: Span::mins(60),
    };
    RoomCookie::new(Arc::new(Keys::random()), &cookies)
});

fuzz_target!(|bytes: &[u8]| {
    let mut asked = HeaderMap::new();
    let mut told = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            asked.append(COOKIE, value.clone());
            told.append(SET_COOKIE, value);
        }
    }
    let mut rejected = 0;
    let held = ROOM.read(&asked, |_| rejected += 1);
    let Held { found, beside, .. } = held;
    assert!(
        found
            .into_iter()
            .chain([beside])
            .all(|it| it == Visitor::Newcomer)
    );
    assert!(
        rejected <= 2 * 3 * 5,
        "the number of candidates under each of the two names is bounded, in each of three forms"
    );

    let before = pairs(&asked);
    strip_request(&mut asked);
    let after = pairs(&asked);
    assert!(!after.iter().any(|pair| ours(pair)));
    let kept: Vec<_> = before.into_iter().filter(|pair| !ours(pair)).collect();
    assert_eq!(after, kept);

    strip_response(&mut told);
    let mut values = told.get_all(SET_COOKIE).iter();
    assert!(!values.any(|value| ours(value.as_bytes().trim_ascii_start())));
});

/// What stands between semicolons, in order.
fn pairs(headers: &HeaderMap) -> Vec<Vec<u8>> {
    (headers.get_all(COOKIE).iter())
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
        .map(|part| part.trim_ascii().to_vec())
        .filter(|part| !part.is_empty())
        .collect()
}

fn ours(pair: &[u8]) -> bool {
    ["preau-", "__Host-preau-", "__Secure-preau-"]
        .iter()
        .any(|name| pair.starts_with(name.as_bytes()))
}
