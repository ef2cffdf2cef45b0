//! Why a request is not served: one table from the reason to the answer.

use http::StatusCode;

/// Why a request gets neither the portal's answer nor a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// Not valid HTTP, or valid in a way that two servers could read differently.
    BadRequest,
    /// The address is longer than the limit.
    UriTooLong,
    /// The head is longer than the limit.
    HeadersTooLarge,
    /// A method that this address does not take.
    MethodNotAllowed,
    /// A method or a coding that we do not carry.
    NotImplemented,
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    /// The address can be read in ways that lead to different rooms.
    Ambiguous,
    /// No room covers this address.
    Misdirected,
    /// The host is one that the certificate of this connection is not for.
    OtherConnection,
    /// No server of the portal is up.
    PortalDown,
    /// The portal's answer could not be understood, or broke off.
    PortalBroken,
    /// The portal did not answer in time.
    PortalSlow,
    /// The portal answered 503: a part of it is out of service, or has too much to do.
    PartUnavailable,
    /// The portal answered 502: a part of it is broken.
    PartBroken,
    /// The portal answered 504: a part of it did not answer in time.
    PartSlow,
    /// The portal answered with another error, and not one word.
    PartFailed,
    /// The request has come through us before: the portal sends it back to us.
    Loop,
    /// No slot became free in time.
    Busy,
    /// The operators closed the room.
    Closed,
    /// As many tickets wait as the line may hold.
    LineFull,
    /// Too many new tickets came from one address.
    TooManyTickets,
    /// We are stopping.
    Draining,
    /// We failed.
    Internal,
    /// A request that takes no place came from somebody who is not inside.
    NotInside,
    /// The visitor took too long to send the request.
    TooSlow,
    /// Something that speaks TLS came to a port that does not.
    PlainPort,
    /// HTTP without TLS came to a port that speaks TLS.
    TlsPort,
    /// As many connections are open as may be, in all or from one address.
    TooManyConnections,
}

/// How a refusal is answered.
struct Row {
    kind: RefusalKind,
    name: &'static str,
    status: StatusCode,
    retry_secs: Option<u64>,
    title: &'static str,
    detail: &'static str,
}

impl RefusalKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = RefusalKind> {
        TABLE.iter().map(|row| row.kind)
    }

    /// Its name in logs, metrics and the address of a problem's `type`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// `Retry-After` in seconds where nobody knows better; `None` where trying again is no use.
    pub fn retry(self) -> Option<u64> {
        self.row().retry_secs
    }

    /// The `title` of `application/problem+json`: the same for every occurrence.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// The `detail` of `application/problem+json`: what it means for the caller.
    pub fn detail(self) -> &'static str {
        self.row().detail
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

const fn row(
    kind: RefusalKind,
    name: &'static str,
    status: StatusCode,
    retry_secs: Option<u64>,
    title: &'static str,
    detail: &'static str,
) -> Row {
    Row {
        kind,
        name,
        status,
        retry_secs,
        title,
        detail,
    }
}

/// In the order of [`RefusalKind`].
#[rustfmt::skip]
static TABLE: &[Row] = &[
    row(RefusalKind::BadRequest, "bad-request", StatusCode::BAD_REQUEST, None,
        "Bad request", "The request is not valid HTTP."),
    row(RefusalKind::UriTooLong, "uri-too-long", StatusCode::URI_TOO_LONG, None,
        "Address too long", "The address is longer than this server accepts."),
    row(RefusalKind::HeadersTooLarge, "headers-too-large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, None,
        "Header fields too large", "The header fields are larger than this server accepts; old cookies are the usual reason."),
    row(RefusalKind::MethodNotAllowed, "method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, None,
        "Method not allowed", "This address does not take this method."),
    row(RefusalKind::NotImplemented, "not-implemented", StatusCode::NOT_IMPLEMENTED, None,
        "Not implemented", "This server does not carry this method or transfer coding."),
    row(RefusalKind::ExpectationFailed, "expectation-failed", StatusCode::EXPECTATION_FAILED, None,
        "Expectation failed", "The only expectation understood is 100-continue."),
    row(RefusalKind::Ambiguous, "ambiguous", StatusCode::BAD_REQUEST, None,
        "Ambiguous address", "The address can be read in several ways, which lead to different places. Write it without encoded slashes, dots and semicolons."),
    row(RefusalKind::Misdirected, "misdirected", StatusCode::NOT_FOUND, None,
        "Nothing here", "No portal is served at this address."),
    row(RefusalKind::OtherConnection, "other-connection", StatusCode::MISDIRECTED_REQUEST, None,
        "Other connection", "This connection was opened for another host, with a certificate that is not for this one. Open a new one."),
    row(RefusalKind::PortalDown, "portal-down", StatusCode::SERVICE_UNAVAILABLE, Some(30),
        "Portal down", "The portal does not answer. It is tried again all the time; come back later."),
    row(RefusalKind::PortalBroken, "portal-broken", StatusCode::BAD_GATEWAY, Some(10),
        "Portal broken", "The portal's answer could not be understood."),
    row(RefusalKind::PortalSlow, "portal-slow", StatusCode::GATEWAY_TIMEOUT, Some(10),
        "Portal slow", "The portal did not answer in time."),
    row(RefusalKind::PartUnavailable, "part-unavailable", StatusCode::SERVICE_UNAVAILABLE, Some(30),
        "Part unavailable", "The portal answers that this part of it is unavailable. Others may be well."),
    row(RefusalKind::PartBroken, "part-broken", StatusCode::BAD_GATEWAY, Some(10),
        "Part broken", "The portal answers that this part of it is broken. Others may be well."),
    row(RefusalKind::PartSlow, "part-slow", StatusCode::GATEWAY_TIMEOUT, Some(10),
        "Part too slow", "The portal answers that this part of it did not answer in time. Others may be well."),
    row(RefusalKind::PartFailed, "part-failed", StatusCode::INTERNAL_SERVER_ERROR, Some(10),
        "Part failed", "The portal answers with an error, and without a word about it. Others of its pages may be well."),
    row(RefusalKind::Loop, "loop", StatusCode::LOOP_DETECTED, Some(60),
        "Loop", "The portal sends requests back to this server. Its operators have to set it right."),
    row(RefusalKind::Busy, "busy", StatusCode::SERVICE_UNAVAILABLE, Some(5),
        "Busy", "The portal is working on too many requests. The visitor is still inside."),
    row(RefusalKind::Closed, "closed", StatusCode::SERVICE_UNAVAILABLE, Some(300),
        "Closed", "The portal is closed for the moment."),
    row(RefusalKind::LineFull, "line-full", StatusCode::SERVICE_UNAVAILABLE, Some(60),
        "Line full", "The line is as long as it may be. No place was taken."),
    row(RefusalKind::TooManyTickets, "too-many-tickets", StatusCode::TOO_MANY_REQUESTS, Some(30),
        "Too many tickets", "Too many new tickets were asked for from this network address."),
    row(RefusalKind::Draining, "draining", StatusCode::SERVICE_UNAVAILABLE, Some(5),
        "Restarting", "This server is restarting. Places and visits are kept."),
    row(RefusalKind::Internal, "internal", StatusCode::INTERNAL_SERVER_ERROR, Some(10),
        "Internal error", "The waiting room failed to handle this request."),
    row(RefusalKind::NotInside, "not-inside", StatusCode::SERVICE_UNAVAILABLE, Some(5),
        "Not inside", "This request takes no place in the line. Open a page of the portal first."),
    row(RefusalKind::TooSlow, "too-slow", StatusCode::REQUEST_TIMEOUT, None,
        "Too slow", "The request did not arrive in time."),
    row(RefusalKind::PlainPort, "plain-port", StatusCode::BAD_REQUEST, None,
        "Not an HTTPS port", "This port speaks HTTP, not HTTPS."),
    row(RefusalKind::TlsPort, "tls-port", StatusCode::BAD_REQUEST, None,
        "An HTTPS port", "This port speaks HTTPS, not HTTP."),
    row(RefusalKind::TooManyConnections, "too-many-connections", StatusCode::SERVICE_UNAVAILABLE, Some(5),
        "Too many connections", "As many connections are open as this server takes, in all or from this network address."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_complete() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{}", row.name);
            assert_eq!(row.kind.name(), row.name);
        }
        assert_eq!(RefusalKind::TooManyConnections as usize, TABLE.len() - 1);
    }

    #[test]
    fn what_passes_says_when_to_come_back() {
        for kind in RefusalKind::all() {
            let passes = kind.status().is_server_error() && kind != RefusalKind::NotImplemented
                || kind.status() == StatusCode::TOO_MANY_REQUESTS;
            assert_eq!(kind.retry().is_some(), passes, "{}", kind.name());
        }
    }
}
