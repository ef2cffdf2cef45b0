//! How the asker wants to be answered: with a page, or with JSON; in which language.
//!
//! Whatever a browser is about to show gets a page. JSON is for what nobody reads: a script's own
//! request, an application, a file beside a page, a WebDAV client. A page that is taken for one of
//! those shows its visitor raw JSON, never asks again, and loses the place.

use super::fetch;
use super::frames::Frames;
use super::page::Lang;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderMap, HeaderName, USER_AGENT};
use http::{HeaderValue, Method};

const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// What libraries of scripts say there. Browsers inside applications say the application's name,
/// in every request.
const BY_SCRIPT: &[u8] = b"XMLHttpRequest";
/// What is shown as a page.
const PAGES: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// How the asker wants to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// A page is wanted; otherwise JSON.
    pub page: bool,
    /// The visitor's language.
    pub lang: Lang,
    /// The request was not a GET or HEAD: it must not be repeated as one.
    pub form: bool,
    /// It is shown in a frame of a page that may not show it (see `frames`).
    pub strange: bool,
}

impl Manner {
    /// What the request's fields say about it.
    pub fn of(method: &Method, headers: &HeaderMap) -> Manner {
        Manner {
            page: wants_page(method, headers),
            lang: Lang::from_accept_language(text(headers, ACCEPT_LANGUAGE)),
            form: !matches!(*method, Method::GET | Method::HEAD),
            strange: false,
        }
    }

    /// The same at a door that knows `apps` by parts of their user agents: they want no page; and
    /// whose pages are shown in the `frames` of some others.
    pub fn at(self, apps: &[String], frames: &Frames, headers: &HeaderMap) -> Manner {
        let agent = text(headers, USER_AGENT);
        let app = agent.is_some_and(|agent| apps.iter().any(|app| agent.contains(app)));
        let page = self.page && !app;
        Manner {
            page,
            strange: page && frames.are_strange(headers),
            ..self
        }
    }
}

/// Whether a page is wanted.
fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return false;
    }
    if fetch::is_navigation(headers) {
        return true;
    }
    let requested_with = headers.get_all(REQUESTED_WITH).iter();
    let mut requested_with = requested_with.map(HeaderValue::as_bytes);
    if requested_with.any(|with| with.eq_ignore_ascii_case(BY_SCRIPT)) || fetch::is_told(headers) {
        return false;
    }
    let accept = text(headers, ACCEPT).unwrap_or("");
    let page = PAGES.map(|media| quality(accept, media));
    page[0].max(page[1]) > quality(accept, "application/json")
}

/// The weight that an `Accept` field gives to a type it names (RFC 9110 §12.5.1); wildcards do
/// not count, because what sends only them is seldom a browser that wants a page.
fn quality(accept: &str, media: &str) -> f32 {
    accept
        .split(',')
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next()?.eq_ignore_ascii_case(media);
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.and_then(|q| q.parse().ok()).unwrap_or(1.0);
            named.then_some(weight)
        })
        .fold(0.0, f32::max)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::frames::any_host;

    /// Who asks, with which method, and the fields by which it is told.
    type Row = (
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    );

    const HTML: (&str, &str) = (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    );
    const CHROMIUM_HTML: (&str, &str) = (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,\
         */*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    );
    const ANY: (&str, &str) = ("accept", "*/*");
    const UPGRADE: (&str, &str) = ("upgrade-insecure-requests", "1");
    const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
    const CORS: (&str, &str) = ("sec-fetch-mode", "cors");
    const NO_CORS: (&str, &str) = ("sec-fetch-mode", "no-cors");
    const SAME_ORIGIN: (&str, &str) = ("sec-fetch-mode", "same-origin");
    const DOCUMENT: (&str, &str) = ("sec-fetch-dest", "document");
    const EMPTY: (&str, &str) = ("sec-fetch-dest", "empty");
    const USER: (&str, &str) = ("sec-fetch-user", "?1");
    const IN_APP: (&str, &str) = ("x-requested-with", "com.facebook.katana");
    const BY_JQUERY: (&str, &str) = ("x-requested-with", "XMLHttpRequest");

    #[rustfmt::skip]
    const GET_A_PAGE: [Row; 31] = [
        ("Chromium, a link", "GET", &[CHROMIUM_HTML, UPGRADE, NAVIGATE, DOCUMENT, USER]),
        ("Chromium, a redirect or an address of the system's", "GET", &[CHROMIUM_HTML, UPGRADE, NAVIGATE, DOCUMENT]),
        ("Chromium, a form", "POST", &[CHROMIUM_HTML, UPGRADE, NAVIGATE, DOCUMENT, USER]),
        ("Chromium over http, which tells nothing", "GET", &[CHROMIUM_HTML, UPGRADE]),
        ("Chromium 60", "GET", &[UPGRADE, ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8")]),
        ("Firefox", "GET", &[("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), UPGRADE, DOCUMENT, NAVIGATE, USER]),
        ("Firefox 45", "GET", &[HTML]),
        ("Safari", "GET", &[HTML, DOCUMENT, NAVIGATE, ("sec-fetch-site", "none")]),
        ("Safari 12", "GET", &[HTML, UPGRADE]),
        ("Safari 9", "GET", &[HTML]),
        ("Internet Explorer 11", "GET", &[("accept", "text/html, application/xhtml+xml, */*")]),
        ("Opera Mini", "GET", &[("accept", "application/xhtml+xml, application/xml;q=0.9, */*;q=0.1")]),
        ("Lynx", "GET", &[("accept", "text/html, text/plain, text/sgml, */*;q=0.01")]),
        ("w3m", "GET", &[("accept", "text/html, text/*;q=0.5, image/*, application/*")]),
        ("an application's browser on Android", "GET", &[CHROMIUM_HTML, UPGRADE, NAVIGATE, DOCUMENT, USER, IN_APP]),
        ("the same over http", "GET", &[CHROMIUM_HTML, UPGRADE, IN_APP]),
        ("the same, a form", "POST", &[CHROMIUM_HTML, UPGRADE, IN_APP]),
        ("the same on Android 5", "GET", &[HTML, ("x-requested-with", "fr.kosmos.skolengo")]),
        ("the same, with an application that hides its name", "GET", &[CHROMIUM_HTML, UPGRADE, NAVIGATE, DOCUMENT, BY_JQUERY]),
        ("the same, with an empty name", "GET", &[HTML, ("x-requested-with", "")]),
        ("a frame", "GET", &[CHROMIUM_HTML, UPGRADE, NAVIGATE, ("sec-fetch-dest", "iframe")]),
        ("a frame of a frameset", "GET", &[HTML, NAVIGATE, ("sec-fetch-dest", "frame")]),
        ("an object that is a page", "GET", &[CHROMIUM_HTML, NAVIGATE, ("sec-fetch-dest", "object")]),
        ("a frame whose mode is lost", "GET", &[ANY, ("sec-fetch-dest", "embed")]),
        ("a service worker that passes a navigation on, Chromium", "GET", &[CHROMIUM_HTML, UPGRADE, NAVIGATE, EMPTY]),
        ("the same without any other sign", "GET", &[ANY, NAVIGATE, EMPTY]),
        ("the same, with the request made anew", "GET", &[CHROMIUM_HTML, UPGRADE, SAME_ORIGIN, EMPTY]),
        ("the same of a form", "POST", &[HTML, NAVIGATE, EMPTY]),
        ("a browser that only says that somebody has clicked", "GET", &[ANY, USER]),
        ("a browser's look at the head of a page", "HEAD", &[HTML, NAVIGATE, DOCUMENT]),
        ("who prefers a page to JSON", "GET", &[("accept", "application/json;q=0.5, text/html")]),
    ];

    #[rustfmt::skip]
    const GET_JSON: [Row; 27] = [
        ("fetch", "GET", &[ANY, CORS, EMPTY]),
        ("fetch, of the page's own host", "GET", &[ANY, SAME_ORIGIN, EMPTY]),
        ("fetch of a part of a page", "GET", &[("accept", "text/html, application/xhtml+xml"), SAME_ORIGIN, EMPTY]),
        ("fetch over http", "GET", &[ANY]),
        ("fetch, of an application's browser", "GET", &[ANY, CORS, EMPTY, IN_APP]),
        ("the same over http", "GET", &[ANY, IN_APP]),
        ("fetch in a browser that tells only where to", "GET", &[HTML, EMPTY]),
        ("XMLHttpRequest", "GET", &[ANY, CORS, EMPTY]),
        ("XMLHttpRequest by a library, of HTML", "GET", &[("accept", "text/html, */*; q=0.01"), BY_JQUERY]),
        ("the same in any case", "POST", &[HTML, ("x-requested-with", "xmlhttprequest")]),
        ("the same in an application's browser", "GET", &[HTML, IN_APP, BY_JQUERY]),
        ("a form that a script sends", "POST", &[("accept", "application/json, text/plain, */*"), CORS, EMPTY]),
        ("a stream of events", "GET", &[("accept", "text/event-stream"), CORS, EMPTY]),
        ("a WebSocket", "GET", &[("sec-fetch-mode", "websocket"), EMPTY]),
        ("a picture", "GET", &[("accept", "image/avif,image/webp,*/*;q=0.8"), NO_CORS, ("sec-fetch-dest", "image")]),
        ("a script", "GET", &[ANY, NO_CORS, ("sec-fetch-dest", "script")]),
        ("a style", "GET", &[("accept", "text/css,*/*;q=0.1"), NO_CORS, ("sec-fetch-dest", "style")]),
        ("a style, long ago", "GET", &[("accept", "text/css,*/*;q=0.1")]),
        ("a film", "GET", &[ANY, NO_CORS, ("sec-fetch-dest", "video"), ("range", "bytes=0-")]),
        ("a beacon", "POST", &[ANY, NO_CORS, EMPTY]),
        ("curl", "GET", &[ANY]),
        ("who says nothing", "GET", &[]),
        ("an application", "GET", &[("accept", "application/json")]),
        ("who prefers JSON to a page", "GET", &[("accept", "application/json, text/html;q=0.5")]),
        ("who takes either", "GET", &[("accept", "text/html, application/json")]),
        ("WebDAV", "PROPFIND", &[HTML]),
        ("a script's DELETE", "DELETE", &[HTML, UPGRADE, NAVIGATE]),
    ];

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn who_gets_a_page_and_who_gets_json() {
        for (rows, page) in [(&GET_A_PAGE[..], true), (&GET_JSON[..], false)] {
            for (who, method, fields) in rows {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let manner = Manner::of(&method, &headers(fields));
                assert_eq!(manner.page, page, "{who}: {method} {fields:?}");
            }
        }
    }

    #[test]
    fn no_page_for_the_apps_of_a_room() {
        let agent = ("user-agent", "Android X-APP=mobile 4");
        let headers = headers(&[HTML, NAVIGATE, DOCUMENT, agent]);
        let manner = Manner::of(&Method::GET, &headers);
        let frames = any_host();
        let page = |apps: &[String]| manner.at(apps, &frames, &headers).page;
        assert!(page(&[]) && page(&["mirall/".into()]));
        assert!(!page(&["X-APP=mobile".into()]));
    }
}
