//! Requests of monitors, which look whether the portal answers and never come in.
//!
//! Without a cookie they take neither a seat nor a ticket: while the room has room they pass, and
//! while it has none they are told so. Whoever only calls themselves a monitor gains nothing: past
//! a line nobody goes this way, and a cookie, which every portal gives, makes them a visitor.

use super::crowd::network;
use super::door::House;
use super::fetch::is_told;
use super::origin::Origin;
use crate::room::{Ask, Client};
use http::header::{ACCEPT, ACCEPT_LANGUAGE, COOKIE, HeaderMap, USER_AGENT};
use http::{HeaderValue, Method};
use std::hash::BuildHasher as _;

/// Whether a request is a check of a monitor that does not say so: a `HEAD` or `OPTIONS`, or a page for a
/// client that says nothing at all of itself (HAProxy); each without any cookie. (Those who say so pass by,
/// as other programs: `agents`.)
fn is_check(method: &Method, headers: &HeaderMap) -> bool {
    if headers.contains_key(COOKIE) {
        return false;
    }
    match *method {
        Method::HEAD | Method::OPTIONS => true,
        Method::GET => !headers.contains_key(USER_AGENT) && !headers.contains_key(ACCEPT),
        _ => false,
    }
}

impl House {
    /// What `ask` is, if it is a monitor's or of a client that may keep no cookies; of somebody who
    /// shows nothing of ours.
    pub(super) fn look_at(
        &self,
        ask: &mut Ask,
        origin: &Origin,
        method: &Method,
        headers: &HeaderMap,
    ) {
        if is_check(method, headers) && self.may_check(origin.address, origin.proven) {
            ask.passing = true;
            ask.callback = false;
        }
        ask.client = self.client(origin, headers);
    }

    /// Whose request this is, if it carries no cookie although its sender could have some: an
    /// address and a program. Nobody in particular, where one address may be everybody's; and no
    /// browser: they keep cookies, and there are many alike at one address.
    fn client(&self, origin: &Origin, headers: &HeaderMap) -> Option<Client> {
        let browser = headers.contains_key(ACCEPT_LANGUAGE) || is_told(headers);
        if browser
            || headers.contains_key(COOKIE)
            || self.speaks_for_many(origin.address, origin.proven)
        {
            return None;
        }
        let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        Some(Client {
            key: self.faces.hash_one((network(origin.address), agent)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, fields: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        is_check(&method, &headers)
    }

    #[test]
    fn monitors_and_no_visitors() {
        let get = |agent: &str| check(Method::GET, &[("user-agent", agent)]);
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert!(!get(browser) && !get("curl/8.5.0") && !get("rclone/v1.66.0") && !get(""));
        // HAProxy says nothing of itself; a script that wants something does.
        assert!(check(Method::GET, &[]) && check(Method::GET, &[("host", "a")]));
        assert!(!check(Method::GET, &[("accept", "application/json")]));
        assert!(check(Method::HEAD, &[("user-agent", browser)]));
        assert!(check(Method::OPTIONS, &[]) && !check(Method::POST, &[]));
    }

    #[test]
    fn whoever_keeps_cookies_is_a_visitor() {
        let kept = ("cookie", "PHPSESSID=1");
        assert!(!check(Method::GET, &[kept, ("user-agent", "Zabbix")]));
        assert!(!check(Method::HEAD, &[kept]));
    }
}
