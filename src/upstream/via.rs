//! `Via` (RFC 9110 §7.6.3): each request that we send says that it came through us, so that one
//! that comes back is known and not sent round and round.
//!
//! The name in it is drawn anew by each process. Two proxies one behind the other are no loop,
//! however alike they are configured; nobody else can know the name before the portal has seen it.

use crate::host;
use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};
use std::sync::LazyLock;

static NAME: LazyLock<String> = LazyLock::new(|| format!("preau-{:016x}", host::seed()));

/// What we add to the `Via` field of a request that we received by `received`.
pub(super) fn entry(received: Version) -> HeaderValue {
    static ENTRIES: LazyLock<[HeaderValue; 3]> = LazyLock::new(|| {
        ["1.0", "1.1", "2.0"].map(|version| {
            let entry = format!("{version} {}", *NAME);
            HeaderValue::try_from(entry).expect("digits and letters")
        })
    });
    let version = match received {
        Version::HTTP_2 => 2,
        Version::HTTP_11 => 1,
        _ => 0,
    };
    ENTRIES[version].clone()
}

/// Adds us to those through whom the request came, to us by `received`.
pub fn add(headers: &mut HeaderMap, received: Version) {
    headers.append(VIA, entry(received));
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
    names.any(|name| name == *NAME)
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
        add(&mut headers, Version::HTTP_2);
        assert!(came_back(&headers));

        let list = format!("1.1 a, 1.0 {} (relayed),1.1 b", *NAME);
        headers.insert(VIA, HeaderValue::from_str(&list).unwrap());
        assert!(came_back(&headers), "in a list");
    }
}
