//! What a request is in the flows of its room (see `config::Flows`).
//!
//! What goes around the room, or past its line, must be meant in every reading of the path; what
//! only says how somebody inside behaves, in every reading without parameters.

use super::canonical::Asked;
use super::door::Door;
use super::fetch::{self, CROSS_SITE, SEC_FETCH_SITE};
use super::forms::Upload;
use super::forward;
use super::passing::{self, Passer};
use crate::config::{RequestSet, Seen};
use crate::room::{Ask, Visitor};
use crate::upstream::Claim;
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, COOKIE, HOST, HeaderMap, ORIGIN, REFERER,
};
use http::{HeaderValue, Method, Request};

/// What a request is.
pub(super) struct Flow {
    /// It never waits and takes no seat.
    pub around: Option<Around>,
    /// It gives the seat back.
    pub leaves: bool,
    /// Without a seat to give back, it never waits: wherever a path says so, or, where only what it
    /// asks says so and everybody can say that anywhere, as rarely as a stranger.
    pub leaves_around: Option<Around>,
    /// It offers to become a WebSocket: whoever sends it wants to stay.
    pub tunnel: bool,
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
    /// It asks about another origin's script, for a page that is there.
    Preflight,
    /// Another server calls.
    BackChannel,
    /// The same, where only what it says tells it from a visitor: as rare as callbacks.
    Stranger,
}

impl Flow {
    /// What `request` is at `door`; `form`: the name of the first parameter of its form, if that was
    /// read.
    pub fn of(door: &Door, asked: &Asked, request: &Request<Upload>, form: Option<&str>) -> Flow {
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
        let there =
            |set: &RequestSet| asked.opens(|path| set.contains_there(Seen { path, ..seen }));
        let flows = &door.config.flows;
        let leaves = plainly(&flows.logout);
        let mut ask = ask(method, headers);
        let tunnel = forward::offers_tunnel(request);
        ask.callback = !ask.takes_nothing() && !tunnel && surely(&flows.callbacks);
        let preflight = !asked.changes && is_preflight(request);
        let calls = &flows.back_channels;
        let around = if surely(&flows.open) {
            Some(Around::Open)
        } else if preflight {
            Some(Around::Preflight)
        } else if there(calls) {
            Some(Around::BackChannel)
        } else if (ask.callback && ask.work && !is_of_a_browser(headers))
            || (surely(calls) && !is_of_a_page(headers))
        {
            // A single logout, say: it would hold a seat for nobody.
            Some(Around::Stranger)
        } else {
            None
        };
        let leaves_around = if !leaves {
            None
        } else if there(&flows.logout) {
            Some(Around::Open)
        } else {
            surely(&flows.logout).then_some(Around::Stranger)
        };
        ask.renews = ask.callback || !plainly(&flows.non_renewing);
        Flow {
            around,
            leaves,
            leaves_around,
            tunnel,
            unseen: ask.work && is_from_elsewhere(headers),
            ask,
        }
    }
}

impl Flow {
    /// What the room needs to know of the same `request`, now that `visitor` has sent it: of
    /// somebody who shows nothing of ours, it may come from nobody, or be for another site's frame,
    /// in which browsers keep nothing of ours. `may`: one more such may pass by now.
    pub fn ask_of<B>(
        &self,
        visitor: Visitor,
        request: &Request<B>,
        may: impl FnOnce(Passer) -> bool,
    ) -> Ask {
        let newcomer = visitor == Visitor::Newcomer;
        let passer = (newcomer && !self.tunnel).then(|| passing::passer(request));
        let passing = passer.flatten().is_some_and(may);
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
    /// Who asks for its slot, and by which pass if that is known: `inside`, that of whoever sends it. A
    /// preflight is of a page that is inside, and never says so.
    pub fn claim(self, inside: impl FnOnce() -> Option<u64>) -> (Claim, Option<u64>) {
        match self {
            Around::Preflight => (Claim::Inside, None),
            Around::Open => match inside() {
                Some(pass) => (Claim::Inside, Some(pass)),
                None => (Claim::Outside, None),
            },
            Around::BackChannel | Around::Stranger => (Claim::BackChannel, None),
        }
    }
}

/// A question of a browser about another origin's script (Fetch, "CORS-preflight fetch"). It
/// never carries a body, or anything that says who is inside: whatever does is no such question, and a
/// page that does not look at the method would answer it to somebody in particular.
fn is_preflight(request: &Request<Upload>) -> bool {
    let headers = request.headers();
    *request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && !headers.contains_key(COOKIE)
        && !headers.contains_key(AUTHORIZATION)
        && request.body().is_empty()
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
