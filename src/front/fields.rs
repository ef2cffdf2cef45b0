//! Header fields on their way through: what belongs to one connection, and where a request comes
//! from.

use super::digits;
use super::origin::Origin;
use crate::upstream::is_trailer;
use http::header::{
    ALT_SVC, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, COOKIE, DATE, FORWARDED, HOST, HeaderMap, HeaderName, LOCATION,
    ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RETRY_AFTER, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Uri};
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Fields that belong to one connection (RFC 9110 §7.6.1), whether it names them or not; behind them
/// [`ELSEWHERE`], for answers alone.
static NOT_ONWARDS: [HeaderName; HOP_BY_HOP + ELSEWHERE] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    ALT_SVC,
    HeaderName::from_static("alternate-protocol"),
];
const HOP_BY_HOP: usize = 10;
/// Fields by which a portal tells browsers to come to it by another way, for days: around us. (In
/// HTTP/2 the frames ALTSVC and ORIGIN say the same; those end with a connection.) What sends a
/// visitor to another *address* is the portal's to say: `Location`, `Refresh`, `Link`. So is what its
/// pages may do in a browser, such as `Service-Worker-Allowed`: whatever they fetch comes to us.
const ELSEWHERE: usize = 2;

/// Fields that are meant for whoever is at the end, so that a `Connection` field cannot have them
/// taken out on the way: an attacker could take away what the portal decides by.
static END_TO_END: [HeaderName; 19] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    DATE,
    FORWARDED,
    FORWARDED_FOR,
    HOST,
    LOCATION,
    ORIGIN,
    REAL_IP,
    RETRY_AFTER,
    SET_COOKIE,
    VIA,
    WWW_AUTHENTICATE,
    HeaderName::from_static("content-security-policy"),
];

/// Bytes that a field of ours rarely exceeds.
const FIELD_BYTES: usize = 96;

/// Takes out of a request what belongs to the connection and what its `Connection` field names,
/// unless it is `kept`: what a proxy says of its visitor, a visitor must not take away.
pub fn strip_request(headers: &mut HeaderMap, kept: impl Fn(&str) -> bool) {
    strip(headers, &NOT_ONWARDS[..HOP_BY_HOP], kept);
}

/// The same of an answer, and what would lead visitors around us.
pub fn strip_answer(headers: &mut HeaderMap) {
    strip(headers, &NOT_ONWARDS, |_| false);
}

fn strip(headers: &mut HeaderMap, names: &[HeaderName], kept: impl Fn(&str) -> bool) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = nominations(headers)
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            .filter(|name| !END_TO_END.contains(name) && !kept(name.as_str()))
            .collect();
        named.iter().for_each(|name| drop(headers.remove(name)));
    }
    take_out(headers, names);
}

/// Takes out the fields of these names. Most heads have none of them, and few fields: to look at
/// those costs less than to ask for each that could be there.
fn take_out(headers: &mut HeaderMap, names: &[HeaderName]) {
    if headers.keys().any(|name| names.contains(name)) {
        names.iter().for_each(|name| drop(headers.remove(name)));
    }
}

/// The fields that `Connection` names.
pub fn nominations(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    tokens(headers, &CONNECTION)
}

/// The members of a list, over all fields of its name.
pub fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Whether whoever sent these fields takes trailers (RFC 9110 §10.1.4).
pub fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"))
}

/// What `Trailer` announces, without what has no place there.
pub fn announced_trailers(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = tokens(headers, &TRAILER)
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .filter(is_trailer);
    names.collect()
}

/// What `Trailer` says of them; nothing if there are none.
pub fn announcement(trailers: &[HeaderName]) -> Option<HeaderValue> {
    let names: Vec<&str> = trailers.iter().map(HeaderName::as_str).collect();
    let list = (!names.is_empty()).then(|| names.join(", "))?;
    HeaderValue::try_from(list).ok()
}

/// Says where the request comes from, in place of whatever it says of that itself: `Forwarded` (RFC 7239)
/// and the `X-Forwarded-` fields that most portals read. `Host` is what the portal will see.
pub fn introduce(headers: &mut HeaderMap, origin: &Origin) {
    let host = headers.get(HOST).cloned();
    if let Ok(value) = HeaderValue::try_from(forwarded(origin, host.as_ref())) {
        headers.insert(FORWARDED, value);
    }
    if let Ok(value) = HeaderValue::try_from(way(origin)) {
        headers.insert(FORWARDED_FOR, value);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme(origin)));
    match host {
        Some(host) => drop(headers.insert(FORWARDED_HOST, host)),
        None => drop(headers.remove(FORWARDED_HOST)),
    }
}

fn scheme(origin: &Origin) -> &'static str {
    if origin.secure { "https" } else { "http" }
}

/// The visitor's address, and the proxies of ours behind it.
fn way(origin: &Origin) -> Vec<u8> {
    let mut way = Vec::with_capacity(FIELD_BYTES);
    digits::address(origin.address, &mut way);
    for hop in &origin.hops {
        way.extend_from_slice(b", ");
        digits::address(*hop, &mut way);
    }
    way
}

/// The same by RFC 7239 §4, with what the visitor asked for: what is no token is quoted, and an
/// IPv6 address has brackets.
fn forwarded(origin: &Origin, host: Option<&HeaderValue>) -> Vec<u8> {
    let mut forwarded = Vec::with_capacity(FIELD_BYTES);
    node(origin.address, &mut forwarded);
    let host = host.and_then(|host| host.to_str().ok());
    // A valid host has neither quotes nor backslashes.
    if let Some(host) = host.filter(|host| !host.is_empty() && !host.contains(['"', '\\'])) {
        let quote: &[u8] = if host.contains([':', '[']) {
            b"\""
        } else {
            b""
        };
        for part in [b";host=", quote, host.as_bytes(), quote] {
            forwarded.extend_from_slice(part);
        }
    }
    forwarded.extend_from_slice(b";proto=");
    forwarded.extend_from_slice(scheme(origin).as_bytes());
    for hop in &origin.hops {
        forwarded.extend_from_slice(b", ");
        node(*hop, &mut forwarded);
    }
    forwarded
}

fn node(address: IpAddr, out: &mut Vec<u8>) {
    let (before, behind): (&[u8], &[u8]) = match address {
        IpAddr::V4(_) => (b"for=", b""),
        IpAddr::V6(_) => (b"for=\"[", b"]\""),
    };
    out.extend_from_slice(before);
    digits::address(address, out);
    out.extend_from_slice(behind);
}

/// The `Host` field to put in, if it is not to stay as it came: an absolute target overrides the
/// field (RFC 9112 §3.2.2), and the portal must see what we matched; `unnamed`, where none is named.
pub fn host(
    target: &Uri,
    headers: &HeaderMap,
    unnamed: impl FnOnce() -> Option<HeaderValue>,
) -> Option<HeaderValue> {
    match target.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None if headers.contains_key(HOST) => None,
        // HTTP/1.0 knows none; HTTP/1.1 must have one.
        None => Some(unnamed().unwrap_or(HeaderValue::from_static(""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn point_04_what_belongs_to_the_connection_is_taken_out() {
        let mut headers = headers(&[
            ("connection", "close, x-secret, Host, cookie, x-remote-user"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("host", "a"),
            ("cookie", "b=1"),
            ("x-kept", "2"),
            ("x-remote-user", "zoe"),
        ]);
        strip_request(&mut headers, |name| name == "x-remote-user");
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "host", "x-kept", "x-remote-user"]);
    }

    #[test]
    fn an_answer_leads_nobody_around_us() {
        let mut headers = headers(&[
            ("alt-svc", "h3=\":443\""),
            ("alternate-protocol", "443:quic"),
            ("keep-alive", "timeout=5"),
            ("location", "https://portal.internal/"),
            ("service-worker-allowed", "/"),
        ]);
        strip_answer(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["location", "service-worker-allowed"]);
    }

    #[test]
    fn an_absolute_target_overrides_the_host_field() {
        let cases = [
            ("http://ent/espace", Some("ent.example.fr"), Some("ent")),
            ("http://a:8080/", Some("a"), Some("a:8080")),
            ("/espace", Some("a"), None),
            ("/espace", None, Some("portail")),
        ];
        let unnamed = || Some(HeaderValue::from_static("portail"));
        for (target, field, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(field) = field {
                headers.insert(HOST, HeaderValue::from_static(field));
            }
            let put = host(&Uri::from_static(target), &headers, unnamed);
            assert_eq!(put, expected.map(HeaderValue::from_static), "{target}");
        }
    }

    #[test]
    fn point_05_where_a_request_comes_from_is_said_by_us_alone() {
        let introduced = |address: &str, host: &'static str| {
            let mut headers = headers(&[
                ("forwarded", "for=1.2.3.4"),
                ("forwarded", "for=1.2.3.5"),
                ("host", host),
            ]);
            let origin = Origin {
                vouched: false,
                address: address.parse().unwrap(),
                hops: vec!["10.0.0.1".parse().unwrap()],
                proven: true,
                secure: true,
            };
            introduce(&mut headers, &origin);
            assert_eq!(headers.get_all(FORWARDED).iter().count(), 1);
            headers[FORWARDED].to_str().unwrap().to_owned()
        };
        let plain = introduced("192.0.2.1", "ent.fr");
        assert_eq!(plain, "for=192.0.2.1;host=ent.fr;proto=https, for=10.0.0.1");
        let quoted = introduced("2001:db8::7", "ent.fr:8080");
        let expected = "for=\"[2001:db8::7]\";host=\"ent.fr:8080\";proto=https, for=10.0.0.1";
        assert_eq!(quoted, expected);
        let nameless = introduced("192.0.2.1", "");
        assert_eq!(nameless, "for=192.0.2.1;proto=https, for=10.0.0.1");
    }

    #[test]
    fn point_17_trailers_are_announced_without_what_has_no_place_in_them() {
        let announced = headers(&[("trailer", "X-Sum, Content-Length"), ("trailer", "x-end")]);
        let kept = announcement(&announced_trailers(&announced)).unwrap();
        assert_eq!(kept, "x-sum, x-end");
        let none = announced_trailers(&headers(&[("trailer", "host")]));
        assert_eq!(announcement(&none), None);
        assert!(takes_trailers(&headers(&[("te", "gzip;q=1, Trailers")])));
        assert!(!takes_trailers(&headers(&[("te", "gzip")])));
    }
}
