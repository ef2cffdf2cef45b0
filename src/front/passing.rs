//! Requests behind which nobody is who wants to come in: a browser's guess, what browsers fetch
//! beside a page, link previews, crawlers, monitors. They take neither a seat nor a ticket.
//!
//! A guess is turned away, for the browser asks anew when it is needed. The others pass while there is
//! room, so many a minute from one address, and are turned away while there is none: whoever says one
//! of these names, or that it is a picture, goes past no line, and is soon a newcomer like anybody.
//! A program that has cookies is a visitor.

use super::agents;
use super::fetch::{self, SEC_FETCH_DEST};
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, RANGE, USER_AGENT};
use http::{HeaderValue, Method, Request};

const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

/// Where browsers say that they only guess: today's field, that of Chromium and WebKit before, that
/// of WebKit's pictures of pages (and of Facebook's application), that of Firefox before.
const PURPOSES: [HeaderName; 4] = [
    SEC_PURPOSE,
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];
/// What they say there.
const GUESSES: [&[u8]; 3] = [b"prefetch", b"prerender", b"preview"];

/// What browsers fetch beside a page, now and then without any cookie (Fetch, "destination").
const BESIDE: [&[u8]; 9] = [
    b"audio",
    b"font",
    b"image",
    b"manifest",
    b"script",
    b"style",
    b"track",
    b"video",
    b"webidentity",
];
/// The same, as browsers that name no destination begin their `Accept`.
const BESIDE_TYPES: [&[u8]; 5] = [b"image/", b"audio/", b"video/", b"font/", b"text/css"];
/// What a browser reports of itself, by its destination or by its type (Reporting, CSP).
const REPORT: &[u8] = b"report";
const REPORT_TYPES: [&[u8]; 2] = [b"application/reports+json", b"application/csp-report"];
/// Pictures that systems fetch for bookmarks and tabs, without the browser's cookies.
const ICONS: [&str; 2] = ["/favicon.ico", "/apple-touch-icon"];

/// Whether a browser only guesses that its visitor may want this (prefetch, prerender). A form is
/// never a guess.
pub(super) fn is_guess(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &HeaderName| {
        let purposes = headers.get_all(name).iter();
        purposes.map(HeaderValue::as_bytes).any(|purpose| {
            let mut known = GUESSES.iter();
            known.any(|guess| begins(purpose, guess))
        })
    };
    is_read(method) && PURPOSES.iter().any(says)
}

/// Behind which nobody is who wants to come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passer {
    /// A browser, for a page that is there: a whole school may be one address.
    Beside,
    /// A program that says so.
    Program,
}

/// Who sends `request`, which shows nothing of ours, if nobody wants to come in with it; to be asked
/// for nobody else, for whoever has a ticket or a pass may do all of this.
pub(super) fn passer<B>(request: &Request<B>) -> Option<Passer> {
    let headers = request.headers();
    let beside = match is_read(request.method()) {
        true => is_beside(request.uri().path(), headers),
        false => is_report(headers),
    };
    if beside {
        return Some(Passer::Beside);
    }
    (is_read(request.method()) && is_of_program(headers)).then_some(Passer::Program)
}

/// Whether it is for a page (or a player, or a tab) that is there already.
fn is_beside(path: &str, headers: &HeaderMap) -> bool {
    let bytes = |name| headers.get(name).map(HeaderValue::as_bytes);
    if let Some(destination) = bytes(SEC_FETCH_DEST)
        && destination != b"empty"
    {
        return BESIDE.contains(&destination);
    }
    if fetch::is_navigation(headers) {
        return false;
    }
    let accept = bytes(ACCEPT).unwrap_or_default();
    headers.contains_key(RANGE)
        || BESIDE_TYPES.iter().any(|kind| begins(accept, kind))
        || ICONS.iter().any(|icon| path.starts_with(icon))
}

/// Whether a browser reports something; not for a person, and never with cookies.
fn is_report(headers: &HeaderMap) -> bool {
    let bytes = |name| headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
    bytes(SEC_FETCH_DEST) == REPORT
        || (REPORT_TYPES.iter()).any(|kind| begins(bytes(CONTENT_TYPE), kind))
}

/// Whether it is sent by a program that says so, and keeps nothing, as none of these does.
fn is_of_program(headers: &HeaderMap) -> bool {
    if headers.contains_key(COOKIE) {
        return false;
    }
    headers.get(USER_AGENT).is_some_and(agents::is_known)
}

/// Whether `text` begins with `start`, in any case.
fn begins(text: &[u8], start: &[u8]) -> bool {
    let text = text.trim_ascii_start().get(..start.len());
    text.is_some_and(|text| text.eq_ignore_ascii_case(start))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/126.0.0.0 Mobile Safari/537.36";
    const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 15_6 like Mac OS X) \
                          AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Mobile/15E148 Safari/604.1";
    const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn get(fields: &[(&str, &str)]) -> bool {
        passes_by(&request("GET", "/cours", fields))
    }

    fn passes_by(request: &Request<()>) -> bool {
        passer(request).is_some()
    }

    #[test]
    fn a_program_that_keeps_cookies_is_a_visitor() {
        let bot = ("user-agent", "x bot");
        let of = |fields: &[(&str, &str)]| passer(&request("GET", "/cours", fields));
        assert_eq!(of(&[bot]), Some(Passer::Program));
        assert_eq!(of(&[bot, ("cookie", "PHPSESSID=1")]), None);
        let picture = ("sec-fetch-dest", "image");
        assert_eq!(of(&[bot, picture]), Some(Passer::Beside));
    }

    #[test]
    fn a_guess_is_known_by_the_marks_of_every_browser() {
        let guess = |method: &str, name: &str, purpose: &str| {
            let request = request(method, "/", &[(name, purpose)]);
            is_guess(request.method(), request.headers())
        };
        for (name, purpose) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
            ("x-purpose", "Preview"),
        ] {
            assert!(guess("GET", name, purpose), "{name}: {purpose}");
            assert!(!guess("POST", name, purpose), "a form: {name}: {purpose}");
        }
        assert!(!guess("GET", "purpose", "") && !guess("GET", "x-moz", "microsummary"));
        assert!(!guess("GET", "x-other", "prefetch"));
    }

    #[test]
    fn what_is_fetched_beside_a_page_passes_by() {
        for destination in ["image", "font", "video", "audio", "track", "manifest"] {
            assert!(get(&[("sec-fetch-dest", destination)]), "{destination}");
        }
        // A player of the system's; one that a script feeds; pictures of a browser without marks.
        let player = "AppleCoreMedia/1.0.0.19G71 (iPhone; U; CPU OS 15_6 like Mac OS X; fr_fr)";
        assert!(get(&[("user-agent", player), ("range", "bytes=0-1")]));
        assert!(get(&[("sec-fetch-dest", "empty"), ("range", "bytes=0-")]));
        let pictures = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5";
        assert!(get(&[("user-agent", SAFARI), ("accept", pictures)]));
        assert!(get(&[("accept", "text/css,*/*;q=0.1")]));
        let icon = "/apple-touch-icon-120x120-precomposed.png";
        assert!(passes_by(&request("GET", icon, &[("accept", "*/*")])));
        assert!(passes_by(&request("HEAD", "/favicon.ico", &[])));
        let report = [("content-type", "application/reports+json")];
        assert!(passes_by(&request("POST", "/rapports", &report)));
        assert!(passes_by(&request(
            "POST",
            "/r",
            &[("sec-fetch-dest", "report")]
        )));
    }

    #[test]
    fn a_page_an_app_and_a_form_do_not() {
        let navigation = [
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
        ];
        assert!(!get(&navigation));
        // A download that goes on is somebody's; so is what a service worker passes on.
        assert!(!get(&[
            navigation[0],
            navigation[1],
            ("range", "bytes=100-")
        ]));
        let passed_on = [("sec-fetch-dest", "empty"), ("sec-fetch-mode", "navigate")];
        assert!(!get(&[passed_on[0], passed_on[1], ("range", "bytes=100-")]));
        assert!(!get(&[("sec-fetch-dest", "iframe")]));
        assert!(!get(&[("sec-fetch-dest", "empty")]) && !get(&[]));
        assert!(!get(&[("user-agent", SAFARI), ("accept", HTML)]));
        assert!(!get(&[("accept", "application/json")]));
        assert!(!get(&[("accept", "*/*"), ("user-agent", "curl/8.5.0")]));
        for fields in [
            &[("accept", "image/png")][..],
            &[("user-agent", "WhatsApp/2.23.20.0 A")],
            &[("range", "bytes=0-")],
        ] {
            assert!(
                !passes_by(&request("POST", "/connexion", fields)),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn previews_of_links_pass_by_and_the_browsers_inside_messengers_do_not() {
        for preview in [
            "WhatsApp/2.23.20.0 A",
            "WhatsApp/2",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            // The pictures of links in Messages.
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like \
             Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
            "Twitterbot/1.0",
            "TelegramBot (like TwitterBot)",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Slackbot 1.0 (+https://api.slack.com/robots)",
            "Slack-ImgProxy (+https://api.slack.com/robots)",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 \
             skype-url-preview@microsoft.com",
            "Synapse (bot; +https://github.com/matrix-org/synapse)",
            "Mastodon/4.2.1 (http.rb/5.1.1; +https://exemple.fr/)",
            "Mozilla/5.0 (compatible; ZulipURLPreview/9.0; +https://exemple.fr)",
            "Mozilla/5.0 (compatible; Snap URL Preview Service; bot; snapchat; \
             https://developers.snap.com/robots)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        ] {
            assert!(
                get(&[("user-agent", preview), ("accept", HTML)]),
                "{preview}"
            );
        }
        for browser in [
            CHROME,
            SAFARI,
            "Mozilla/5.0 (Linux; Android 9; CUBOT X18 Plus) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/70.0.3538.110 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
             like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/466.0.0.38.102;FBDV/iPhone14,5]",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
             like Gecko) Mobile/15E148 Instagram 330.0.0.0 [Pinterest/iOS] WhatsApp/2.24",
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36 \
             Telegram-Android/10.14.5 (Google Pixel 7; Android 14; SDK 34; AVERAGE)",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Teams/1.7.00.7956 Chrome/114.0 Electron/25.8.4 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 LinkedInApp Snapchat/12",
        ] {
            assert!(
                !get(&[("user-agent", browser), ("accept", HTML)]),
                "{browser}"
            );
        }
    }
}
