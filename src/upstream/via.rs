//! `Via` (RFC 9110 §7.6.3): each request that we send says that it came through us, so that one
//! that comes back is known and not sent round and round.
//!
//! The name in it is drawn anew by each process. Two proxies one behind the other are no loop,
//! however alike they are configured; nobody else can know the name before the portal has seen it.

use crate::host;
use http::header::VIA;
use http::{HeaderMap, HeaderValue};
use std::sync::LazyLock;

/// The protocol that we speak to servers, and our name.
static ENTRY: LazyLock<String> = LazyLock::new(|| format!("1.1 preau-{:016x}", host::seed()));

/// What we add to the `Via` field of a request.
pub(super) fn entry() -> HeaderValue {
    HeaderValue::from_str(&ENTRY).expect("digits and letters")
}

/// Adds us to those through whom the request came.
pub fn add(headers: &mut HeaderMap) {
    headers.append(VIA, entry());
}

/// Whether a request with these fields has come through us before.
pub fn came_back(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(VIA).iter();
    let mut names = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        // Received protocol, name, and perhaps a comment; whoever stands between us and the
        // portal may have another protocol.
        .filter_map(|entry| entry.split_whitespace().nth(1));
    let ours = ENTRY.split_whitespace().nth(1);
    names.any(|name| Some(name) == ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_has_come_through_us_is_known_and_no_other() {
        let mut headers = HeaderMap::new();
        headers.append(
            VIA,
            HeaderValue::from_static("1.1 preau-0, 1.0 squid (a, b)"),
        );
        assert!(!came_back(&headers));
        add(&mut headers);
        assert!(came_back(&headers));

        let ours = entry();
        let name = ours.to_str().unwrap().split_once(' ').unwrap().1;
        let list = format!("1.1 a, 2.0 {name} (relayed),1.1 b");
        headers.insert(VIA, HeaderValue::from_str(&list).unwrap());
        assert!(came_back(&headers), "in a list, by another protocol");
    }
}
