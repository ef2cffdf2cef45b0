//! The fields of a request on their way: what belongs to the connection is gone, what a visitor
//! nominates cannot take out what matters, and what they say of themselves is not believed.

#![no_main]

use http::header::{CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use preau::config::{Config, Source, parse};
use preau::front::fuzz::{Origin, Peer, strip_request};
use std::sync::LazyLock;

static CONFIG: LazyLock<[Config; 2]> = LazyLock::new(|| {
    ["x-forwarded-for", "forwarded"].map(|field| {
        let text = format!(
            "[trust]\nproxies = \"10.0.0.0/8\"\nfield = \"{field}\"\n\
             [[portal]]\nservers = \"http://127.0.0.1:9\"\n"
        );
        let source = Source {
            name: "fuzz",
            text: &text,
            overrides: &[],
        };
        parse(source).expect("good")
    })
});

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("ent.example.fr"));
    headers.insert(COOKIE, HeaderValue::from_static("sid=1"));
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    believed(headers.clone());
    strip_request(&mut headers, |_| false);
    for gone in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert!(headers.contains_key(HOST) && headers.contains_key(COOKIE));
    let before = headers.clone();
    strip_request(&mut headers, |_| false);
    assert_eq!(before, headers, "a second time changes nothing");
    assert!(!headers.contains_key(CONNECTION));
});

/// A stranger is who they are; a proxy of ours adds the visitor at the end, and that holds.
fn believed(mut headers: HeaderMap) {
    for config in &*CONFIG {
        let peer = |address: &str| Peer {
            address: address.parse().expect("good"),
            secure: false,
            proven: false,
        };
        let stranger = Origin::of(peer("192.0.2.7"), &headers, config);
        assert_eq!(stranger.address, peer("192.0.2.7").address);
        assert!(stranger.hops.is_empty());
        for (name, value) in [
            ("x-forwarded-for", "198.51.100.1"),
            ("forwarded", "for=198.51.100.1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let through = Origin::of(peer("10.0.0.5"), &headers, config);
        assert_eq!(through.address, peer("198.51.100.1").address);
        assert_eq!(through.hops, [peer("10.0.0.5").address]);
    }
}
