//! Answers that send a visitor away to sign on: to where the pass of their room is not shown.

use super::canonical::Asked;
use super::door::{Door, House};
use http::header::LOCATION;
use http::{Response, StatusCode, Uri};
use std::sync::Arc;

/// Whether `response` leads to another host, or to another room of ours: until its visitor is back,
/// nothing is seen of their pass. Not from one host to another that the same room names: that is one
/// portal with two names, unless its sign-on is there. (A room for any host names none: what it leads to
/// may be anything.) Nor if it says that what is asked for has moved for good: nobody comes back from there.
pub(super) fn leads_away<B>(
    house: &House,
    door: &Arc<Door>,
    asked: &Asked,
    response: &Response<B>,
) -> bool {
    let location = response.headers().get(LOCATION);
    let location = location.filter(|_| sends(response.status()));
    let Some(Ok(location)) = location.map(|location| location.to_str()) else {
        return false;
    };
    let Some((host, path)) = target(location, &asked.host) else {
        return false;
    };
    let named = |host: &str| (door.config.hosts.iter()).any(|it| it.exact() == Some(host));
    // Without a domain in common, what is said to one of them is not shown to the other.
    let signs_on = || door.config.flows.callbacks.names(&host, &path);
    let one = door.config.cookie_domain.is_some()
        || host == asked.host
        || (named(&host) && named(&asked.host) && !signs_on());
    let there = house.door(&host, &path);
    !(one && there.is_some_and(|there| Arc::ptr_eq(there, door)))
}

/// Whether somebody is sent elsewhere for now.
fn sends(status: StatusCode) -> bool {
    let for_good = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::PERMANENT_REDIRECT,
    ];
    status.is_redirection() && !for_good.contains(&status)
}

/// Host and path that a `Location` leads to, from a page of `here`; `None` if it is relative to that
/// page.
fn target(location: &str, here: &str) -> Option<(String, String)> {
    if location.starts_with('/') && !location.starts_with("//") {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        return Some((here.to_owned(), path.to_owned()));
    }
    let absolute = match location.strip_prefix("//") {
        Some(rest) => format!("http://{rest}"),
        None => location.to_owned(),
    };
    // `Uri` has no fragments.
    let uri: Uri = absolute.split('#').next()?.parse().ok()?;
    uri.scheme()?;
    Some((uri.host()?.to_ascii_lowercase(), uri.path().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_back_from_what_has_moved_for_good() {
        for (status, away) in [(200, false), (301, false), (302, true), (303, true)] {
            assert_eq!(
                sends(StatusCode::from_u16(status).unwrap()),
                away,
                "{status}"
            );
        }
        assert!(sends(StatusCode::TEMPORARY_REDIRECT) && !sends(StatusCode::PERMANENT_REDIRECT));
    }

    #[test]
    fn a_location_is_read_as_browsers_do() {
        let to = |location| target(location, "ent.fr");
        let at = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
        assert_eq!(to("/connexion?x=/y#z"), at("ent.fr", "/connexion"));
        assert_eq!(to("https://CAS.fr/login?service=x"), at("cas.fr", "/login"));
        assert_eq!(to("https://cas.fr:8443"), at("cas.fr", "/"));
        assert_eq!(to("//cas.fr/login"), at("cas.fr", "/login"));
        assert_eq!(to("http://cas.fr/a#b"), at("cas.fr", "/a"));
        assert_eq!(
            (to("connexion"), to("?x=1"), to(""), to("#a")),
            (None, None, None, None)
        );
    }
}
