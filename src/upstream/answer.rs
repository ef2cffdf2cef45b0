//! What is wrong with the head of an answer.
//!
//! hyper's client refuses most of what RFC 9112 wants refused: differing lengths, lengths that are
//! no numbers, folded lines, spaces before the colon, control bytes, more than 100 fields, a head
//! beyond the buffer. Measured with raw bytes, it takes: `Content-Length` beside
//! `Transfer-Encoding` (and believes the latter), codings other than `chunked` (it would hand on
//! coded bytes without saying so), any length at all where no body follows, and a 101 that nobody
//! asked for. All of it shows in the fields that hyper hands over, so it is refused here, and no
//! byte is read twice. After such an answer its connection is closed. Lines that end with LF alone
//! are taken (RFC 9112 §2.2): what visitors get is written anew.
//!
//! Interim answers (100, 102, 103) never come here: hyper tells of them by the way
//! ([`super::upload::Interim`]).

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{HeaderValue, Response, StatusCode, Version};

/// The highest status that means anything (RFC 9110 §15).
const STATUS_MAX: u16 = 599;

/// Looks at the head of an answer to a request that asked for an upgrade or did not, and leaves
/// its length once, if it has one.
///
/// # Errors
/// What is wrong, in words that follow "its answer".
pub fn check<B>(answer: &mut Response<B>, upgrade: bool) -> Result<(), &'static str> {
    let (status, version) = (answer.status(), answer.version());
    if status.as_u16() > STATUS_MAX {
        return Err("has a status that does not exist");
    }
    if status == StatusCode::SWITCHING_PROTOCOLS && !upgrade {
        return Err("changes the protocol, which nobody asked for");
    }
    let headers = answer.headers_mut();
    coding(headers, version)?;
    length(headers)?;
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        headers.remove(CONTENT_LENGTH);
    }
    Ok(())
}

/// Whether its connection may be used again: HTTP/1.0 would make hyper speak HTTP/1.0 as well.
pub fn keeps_connection<B>(answer: &Response<B>) -> bool {
    answer.version() >= Version::HTTP_11
}

/// RFC 9112 §6.1: one lone `chunked`, without a length beside it.
fn coding(headers: &HeaderMap, version: Version) -> Result<(), &'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if version < Version::HTTP_11 {
        return Err("has a Transfer-Encoding, which HTTP/1.0 does not know");
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err("has a Transfer-Encoding other than chunked");
    }
    match headers.contains_key(CONTENT_LENGTH) {
        true => Err("has both Content-Length and Transfer-Encoding"),
        false => Ok(()),
    }
}

/// RFC 9112 §6.3: the same length as often as they like, but no two.
fn length(headers: &mut HeaderMap) -> Result<(), &'static str> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(first), more) = (lengths.next(), lengths.next().is_some()) else {
        return Ok(());
    };
    // The usual case: one number.
    if !more && number(first.as_bytes()).is_some() {
        return Ok(());
    }
    let all = headers.get_all(CONTENT_LENGTH).iter();
    let numbers: Option<Vec<u64>> = all
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .map(|length| number(length.trim_ascii()))
        .collect();
    let numbers = numbers.ok_or("has a Content-Length that is no number")?;
    if numbers.iter().any(|number| *number != numbers[0]) {
        return Err("has two Content-Lengths that differ");
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(numbers[0]));
    Ok(())
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(status: u16, fields: &[(&str, &str)]) -> Result<Option<String>, &'static str> {
        let mut build = Response::builder().status(status);
        for (name, value) in fields {
            build = build.header(*name, *value);
        }
        let mut answer = build.body(()).unwrap();
        check(&mut answer, false)?;
        let lengths = answer.headers().get_all(CONTENT_LENGTH).iter();
        let lengths: Vec<&str> = lengths.map(|it| it.to_str().unwrap()).collect();
        assert!(lengths.len() <= 1, "{lengths:?}");
        Ok(lengths.first().map(|it| (*it).to_owned()))
    }

    #[test]
    fn point_18_one_length_or_one_coding() {
        let length = "content-length";
        let coding = "transfer-encoding";
        assert_eq!(checked(200, &[]), Ok(None));
        assert_eq!(checked(200, &[(length, "5")]), Ok(Some("5".to_owned())));
        let twice = [(length, "5"), (length, " 5, 05")];
        assert_eq!(checked(200, &twice), Ok(Some("5".to_owned())));
        assert_eq!(checked(200, &[(coding, "Chunked")]), Ok(None));
        for bad in [
            &[(length, "5"), (length, "6")][..],
            &[(length, "5, 6")],
            &[(length, "+5")],
            &[(length, "")],
            &[(length, "99999999999999999999")],
            &[(length, "5"), (coding, "chunked")],
            &[(coding, "gzip, chunked")],
            &[(coding, "chunked"), (coding, "chunked")],
            &[(coding, "identity")],
        ] {
            assert!(checked(200, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn point_11_no_content_has_no_length() {
        assert_eq!(checked(204, &[("content-length", "5")]), Ok(None));
        let not_modified = checked(304, &[("content-length", "5")]);
        assert_eq!(not_modified, Ok(Some("5".to_owned())));
    }

    #[test]
    fn point_21_nobody_asked_for_101() {
        assert!(checked(101, &[("upgrade", "websocket")]).is_err());
        assert!(checked(600, &[]).is_err());
    }
}
