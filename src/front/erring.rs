//! A portal that answers with an error: its own page, or ours.
//!
//! Nobody sees a blank page, whatever the portal is set up to show. A 502, a 503 or a 504 mostly comes from
//! what stands before its application (nginx, HAProxy, Varnish), in a machine's English and without advice: a
//! visitor who wanted a page gets ours, unless the operator prefers the portal's.
//!
//! One such answer is better than ours: a maintenance that somebody has planned, which says what is done and
//! until when. It is known by its `Retry-After` of [`MEANT`] or more beside a page: applications say so of
//! their maintenance (Moodle five minutes, WordPress ten, Nextcloud two), and what stands before them names
//! nothing (nginx, Apache, HAProxy) or a few seconds (Varnish). It is handed on as it is.
//!
//! Where the words are ours, the time is still the portal's, if it names one.

use super::body::Body;
use super::forward::Errand;
use super::page::RefusalKind;
use super::reply;
use crate::config::ErrorPages;
use crate::host;
use crate::time::{Millis, Span};
use crate::upstream::ResponseBody;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;

/// Who is away for so long or longer has planned it, and has said so.
const MEANT: Span = Span::secs(60);
/// Nobody is asked to come back later than this, whatever a portal says.
const RETRY_MAX: Span = Span::mins(24 * 60);

/// Whether a visitor would see a blank page, or a machine's words where ours are better. `bodyless`: an
/// answer without a body says nothing of what the page would be (HEAD).
pub(super) fn needs_words(
    errand: &Errand<'_>,
    response: &Response<ResponseBody>,
    bodyless: bool,
) -> bool {
    let (status, headers) = (response.status(), response.headers());
    if !status.is_server_error() {
        return false;
    }
    let none = |value: &HeaderValue| value.as_bytes() == b"0";
    let empty = response.body().is_empty() && !bodyless;
    let blank = empty || headers.get(CONTENT_LENGTH).is_some_and(none);
    let away = matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    );
    let ours = errand.client.portal().config().error_pages == ErrorPages::Ours;
    blank || (away && ours && errand.manner.page && !is_meant(status, headers))
}

/// Words in place of an error that came with this `status` and these `headers`.
pub(super) fn worded(
    errand: &Errand<'_>,
    status: StatusCode,
    headers: &HeaderMap,
) -> Response<Body> {
    errand.house.metrics.pages_given_words.inc();
    let kind = match status {
        StatusCode::SERVICE_UNAVAILABLE => RefusalKind::PartUnavailable,
        StatusCode::BAD_GATEWAY => RefusalKind::PartBroken,
        StatusCode::GATEWAY_TIMEOUT => RefusalKind::PartSlow,
        _ => RefusalKind::PartFailed,
    };
    // Nor sooner than we would ask for by ourselves.
    let least = kind.retry().unwrap_or_default();
    let retry = retry_after(headers, host::wall());
    let retry = retry.map(|wait| wait.min(RETRY_MAX).ceil_secs().max(least));
    let names = (
        errand.door.config.name.as_str(),
        errand.asked.target.as_str(),
    );
    reply::in_place_of(errand.house, errand.manner, kind, names, (status, retry))
}

/// Whether it is the page of a maintenance that was planned.
fn is_meant(status: StatusCode, headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let html = b"text/html";
    let page = kind.and_then(|kind| kind.get(..html.len()));
    status == StatusCode::SERVICE_UNAVAILABLE
        && page.is_some_and(|kind| kind.eq_ignore_ascii_case(html))
        && retry_after(headers, host::wall()).is_some_and(|wait| wait >= MEANT)
}

/// How long the portal wants to be left alone, if it says so (RFC 9110 §10.2.3): seconds, or a date. What
/// has passed says nothing: a maintenance takes longer than was planned, and goes on.
fn retry_after(headers: &HeaderMap, now: Millis) -> Option<Span> {
    let said = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !said.is_empty() && said.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than a number holds is long enough.
        let wait = said.parse().map_or(RETRY_MAX, Span::secs);
        return Some(wait).filter(|wait| *wait > Span::ZERO);
    }
    let date = DateTimeParser::new().parse_timestamp(said).ok()?;
    let date = u64::try_from(date.as_millisecond()).ok()?;
    Some(Millis(date).since(now)).filter(|wait| *wait > Span::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(retry: &str, kind: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry.parse().unwrap());
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        headers
    }

    #[test]
    fn a_time_to_come_back_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT.
        let now = Millis(784_111_777_000);
        let said = |text: &str| retry_after(&headers(text, "text/html"), now);
        assert_eq!(said("120"), Some(Span::secs(120)));
        assert_eq!(said("Sun, 06 Nov 1994 08:51:37 GMT"), Some(Span::secs(120)));
        assert_eq!(said("99999999999999999999999"), Some(RETRY_MAX));
        let overrun = [
            "Sun, 06 Nov 1994 08:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ];
        for nothing in ["", "-1", "1.5", "soon", "2 h", "Sun", "0", "000"]
            .iter()
            .chain(&overrun)
        {
            assert_eq!(said(nothing), None, "{nothing:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_planned_maintenance_is_a_503_with_a_page_and_a_time_of_minutes() {
        let meant = |status, retry, kind| is_meant(status, &headers(retry, kind));
        let away = StatusCode::SERVICE_UNAVAILABLE;
        assert!(meant(away, "300", "text/html; charset=utf-8") && meant(away, "60", "Text/HTML"));
        assert!(!meant(away, "5", "text/html"), "Varnish");
        assert!(!meant(away, "300", "text/plain") && !meant(away, "300", "application/json"));
        assert!(!meant(StatusCode::BAD_GATEWAY, "300", "text/html"));
        let mut silent = headers("300", "text/html");
        silent.remove(RETRY_AFTER);
        assert!(!is_meant(away, &silent), "nginx, Apache, HAProxy");
    }
}
