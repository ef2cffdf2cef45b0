//! Whose pages may show ours in a frame: those of the room's own hosts. In a stranger's frame a
//! visitor sees why not, and a link that opens a window.
//!
//! Browsers neither send nor keep our cookies in a frame of another site (`SameSite=Lax`), so that
//! nobody can keep a place there; and whoever frames a page can lay something over it, so that
//! there must be nothing to be clicked but what opens a window.

use super::fetch::{frame_of, said};
use crate::config::{HostPattern, RoomConfig};
use http::header::{HeaderMap, REFERER};
use http::{HeaderValue, Uri};
use std::fmt::Write;

/// What our pages are made for: nothing inline, nothing from elsewhere.
macro_rules! policy {
    ($frames:literal) => {
        concat!(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; ",
            "img-src 'self'; form-action 'self'; base-uri 'none'",
            $frames
        )
    };
}

/// The policy of a page that only its own host may frame.
pub const OWN_HOST: &str = policy!("; frame-ancestors 'self'");
/// The policy of a page that anybody may frame.
pub const ANYBODY: &str = policy!("");

/// Who may frame the pages of a room.
pub struct Frames {
    policy: HeaderValue,
    hosts: Vec<HostPattern>,
    /// Whoever lies in it shares the room's cookies.
    domain: Option<String>,
}

impl Frames {
    /// Those of a room: its hosts, as far as a policy has words for them, and the siblings that share
    /// its cookies.
    pub fn new(room: &RoomConfig) -> Frames {
        Frames::of(room.hosts.clone(), room.cookie_domain.clone())
    }

    fn of(mut hosts: Vec<HostPattern>, domain: Option<String>) -> Frames {
        hosts.retain(|host| host.as_source().is_some());
        let sources = hosts.iter().filter_map(HostPattern::as_source);
        let siblings = domain.iter().flat_map(|it| [it.clone(), format!("*.{it}")]);
        let mut policy = OWN_HOST.to_owned();
        for source in sources.map(str::to_owned).chain(siblings) {
            write!(policy, " {source}:*").expect("a string takes every write");
        }
        Frames {
            policy: HeaderValue::try_from(policy).expect("hosts are plain ASCII"),
            hosts,
            domain,
        }
    }

    /// The `Content-Security-Policy` of a page of the room.
    pub fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }

    /// Whether a page is asked for that will be shown in a frame of somebody else's; as far as
    /// the browser tells.
    pub fn are_strange(&self, headers: &HeaderMap) -> bool {
        match frame_of(headers) {
            None | Some(b"same-origin" | b"none") => false,
            Some(b"same-site") => !self.is_ours(said(headers, &REFERER)),
            Some(_) => true,
        }
    }

    /// Whether the script of this origin is one of the room's own pages: those may be told what is
    /// their visitor's alone.
    pub fn own(&self, origin: &HeaderValue) -> bool {
        self.is_ours(Some(origin.as_bytes()))
    }

    /// Whether the page at `address` may frame ours.
    fn is_ours(&self, address: Option<&[u8]>) -> bool {
        let Some(address) = address.and_then(|it| Uri::try_from(it).ok()) else {
            return false;
        };
        let host = address.host().unwrap_or_default();
        let within = |domain: &String| {
            let rest = host.strip_suffix(domain.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domain.as_ref().is_some_and(within) || self.hosts.iter().any(|it| it.matches(host))
    }
}

#[cfg(test)]
pub(super) use tests::any_host;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(hosts: &[&str], domain: Option<&str>) -> Frames {
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap());
        Frames::of(hosts.collect(), domain.map(str::to_owned))
    }

    /// Those of a room for every host.
    pub fn any_host() -> Frames {
        frames(&["*"], None)
    }

    fn strange(frames: &Frames, dest: &'static str, site: &'static str, referer: &str) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in [("sec-fetch-dest", dest), ("sec-fetch-site", site)] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if !referer.is_empty() {
            headers.insert(REFERER, referer.parse().unwrap());
        }
        frames.are_strange(&headers)
    }

    #[test]
    fn the_hosts_of_a_room_may_frame_its_pages() {
        let policy = |hosts: &[&str], domain| {
            let policy = frames(hosts, domain).policy();
            let (_, ancestors) = policy
                .to_str()
                .unwrap()
                .split_once("frame-ancestors ")
                .unwrap();
            ancestors.to_owned()
        };
        assert_eq!(policy(&["*"], None), "'self'");
        // What a policy has no words for is left out.
        assert_eq!(policy(&["ent-*.example.fr", "[::1]"], None), "'self'");
        assert_eq!(
            policy(&["ent.example.fr", "*.ent.example.fr"], None),
            "'self' ent.example.fr:* *.ent.example.fr:*"
        );
        assert_eq!(
            policy(&["cas.example.fr"], Some("example.fr")),
            "'self' cas.example.fr:* example.fr:* *.example.fr:*"
        );
    }

    #[test]
    fn a_frame_is_strange_unless_the_page_around_it_may_frame_ours() {
        let room = frames(&["ent.example.fr", "cas.example.fr"], None);
        for dest in ["iframe", "frame", "embed", "object"] {
            assert!(strange(&room, dest, "cross-site", ""), "{dest}");
        }
        for dest in ["document", "empty", "image"] {
            assert!(!strange(&room, dest, "cross-site", ""), "{dest}");
        }
        let of = |referer| strange(&room, "iframe", "same-site", referer);
        assert!(!of("https://cas.example.fr/") && !of("https://cas.example.fr:8443/login?a=1"));
        assert!(of("https://www.example.fr/") && of("") && of("about:blank"));
        assert!(!strange(&room, "iframe", "same-origin", ""));
        assert!(!room.are_strange(&HeaderMap::new()), "an old browser");

        let own = |origin: &'static str| room.own(&HeaderValue::from_static(origin));
        assert!(own("https://cas.example.fr") && own("http://ent.example.fr:8080"));
        for other in [
            "null",
            "https://app.example.fr",
            "capacitor://localhost",
            "",
        ] {
            assert!(!own(other) && !any_host().own(&HeaderValue::from_static(other)));
        }

        let siblings = frames(&["ent.example.fr"], Some("example.fr"));
        let of = |referer| strange(&siblings, "iframe", "same-site", referer);
        assert!(!of("https://www.example.fr/") && !of("https://example.fr/"));
        assert!(of("https://badexample.fr/"));
        // Our cookies are not sent across sites, whoever it is.
        assert!(strange(
            &siblings,
            "iframe",
            "cross-site",
            "https://www.example.fr/"
        ));
    }
}
