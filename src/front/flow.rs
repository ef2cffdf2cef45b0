//! What a request is in the flows of its room (see `config::Flows`).
//!
//! What goes around the room, or past its line, must be meant in every reading of the path; what
//! only says how somebody inside behaves, in every reading without parameters.

use super::canonical::Asked;
use super::door::Door;
use super::fetch::{self, CROSS_SITE, SEC_FETCH_SITE};
use super::passing;
use crate::config::{RequestSet, Seen};
use crate::room::{Ask, Visitor};
use crate::upstream::Claim;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, COOKIE, HOST, HeaderMap, ORIGIN, REFERER};
use http::{HeaderValue, Method, Request};

/// What a request is.
pub(super) struct Flow {
    /// It never waits and takes no seat.
    pub around: Option<Around>,
    /// It asks about another origin's script.
    pub preflight: bool,
    /// It gives the seat back.
    pub leaves: bool,
    /// Without a seat to give back, it never waits.
    pub leaves_around: bool,
    /// It is a form from another site, with which browsers send no cookie of ours: whoever sends
    /// it may hold what we cannot see.
    pub unseen: bool,
    /// What the room needs to know of it, whoever has sent it.
    pub ask: Ask,
}

/// Why a request goes around the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// It is open to everybody.
    Open,
    /// Another server calls.
    BackChannel,
    /// The same, where only what it says tells it from a visitor: as rare as callbacks.
    Stranger,
}

impl Flow {
    /// What `request` is at `door`; `form`: the name of the first parameter of its form, if that was
    /// read.
    pub fn of<B>(door: &Door, asked: &Asked, request: &Request<B>, form: Option<&str>) -> Flow {
        let (method, headers) = (request.method(), request.headers());
        let query = request.uri().query().unwrap_or("");
        let seen = Seen {
            method,
            host: &asked.host,
            path: "",
            query,
            form,
        };
        let means = |set: &RequestSet, path: &str| set.contains(Seen { path, ..seen });
        let plainly = |set| asked.says(|path| means(set, path));
        let surely = |set| asked.opens(|path| means(set, path));
        let flows = &door.config.flows;
        let leaves = plainly(&flows.logout);
        let mut ask = ask(method, headers);
        ask.callback = !ask.takes_nothing() && surely(&flows.callbacks);
        let preflight = !asked.changes && is_preflight(method, headers);
        let calls = &flows.back_channels;
        let around = if surely(&flows.open) || preflight {
            Some(Around::Open)
        } else if asked.opens(|path| calls.contains_there(Seen { path, ..seen })) {
            Some(Around::BackChannel)
        } else if (ask.callback && ask.work && !is_of_a_browser(headers))
            || (surely(calls) && !is_of_a_page(headers))
        {
            // A single logout, say: it would hold a seat for nobody.
            Some(Around::Stranger)
        } else {
            None
        };
        ask.renews = ask.callback || !plainly(&flows.non_renewing);
        Flow {
            around,
            preflight,
            leaves,
            leaves_around: leaves && surely(&flows.logout),
            unseen: ask.work && is_from_elsewhere(headers),
            ask,
        }
    }
}

impl Flow {
    /// What the room needs to know of the same `request`, now that `visitor` has sent it: of
    /// somebody who shows nothing of ours, it may come from nobody, or be for another site's frame,
    /// in which browsers keep nothing of ours.
    pub fn ask_of<B>(&self, visitor: Visitor, request: &Request<B>) -> Ask {
        let newcomer = visitor == Visitor::Newcomer;
        let passing = newcomer && passing::passes_by(request);
        let callback = self.ask.callback && !passing;
        let framed =
            newcomer && !callback && fetch::frame_of(request.headers()) == Some(CROSS_SITE);
        Ask {
            passing: passing || framed,
            callback,
            ..self.ask
        }
    }

    /// Whether it works once: what a sign-on has brought, or the question whether that is good.
    pub fn works_once(&self) -> bool {
        self.ask.callback || matches!(self.around, Some(Around::BackChannel | Around::Stranger))
    }
}

impl Around {
    /// Who asks for its slot. A preflight is of a page that is inside, and never says so.
    pub fn claim(self, preflight: bool, inside: impl FnOnce() -> bool) -> Claim {
        match self {
            Around::Open if preflight || inside() => Claim::Inside,
            Around::Open => Claim::Outside,
            Around::BackChannel | Around::Stranger => Claim::BackChannel,
        }
    }
}

/// A question of a browser about another origin's script (Fetch, "CORS-preflight fetch"). It
/// never carries a cookie, so that it says nothing about who is inside.
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether a form was sent by a browser. They say where it comes from, or have cookies.
pub(super) fn is_of_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(COOKIE) || is_of_a_page(headers)
}

/// Whether it says where it comes from, as only browsers do. (Servers may keep cookies.)
pub(super) fn is_of_a_page(headers: &HeaderMap) -> bool {
    [ORIGIN, REFERER, SEC_FETCH_SITE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Whether a form comes from a page of another site, as far as the browser tells. Older ones say
/// only the origin, which may be a sibling's: then a cookie that was not there is not missed.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site.as_bytes() == CROSS_SITE;
    }
    let host = headers.get(HOST).map_or(&[][..], HeaderValue::as_bytes);
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    origin.is_some_and(|origin| host.is_empty() || !origin.ends_with(host))
}

/// What the method and the fields of a request tell the room.
fn ask(method: &Method, headers: &HeaderMap) -> Ask {
    Ask {
        work: matches!(
            *method,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE
        ),
        guess: passing::is_guess(method, headers),
        ..Ask::PAGE
    }
}
