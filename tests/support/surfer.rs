//! A visitor of several hosts: the cookie rules of browsers (RFC 6265bis) as far as sign-ons need
//! them: hosts, domains, and `SameSite=Lax`.

use super::{Answer, send};
use bytes::Bytes;
use http::{Method, Request, header};
use std::net::SocketAddr;

/// Redirections followed in one go, at most.
const HOPS: usize = 8;

/// Where a request comes from, as a browser sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// A page of the same site, or the address bar.
    Here,
    /// A page of another site.
    Elsewhere,
}

/// Somebody with a browser.
pub struct Surfer {
    proxy: SocketAddr,
    name: String,
    jar: Vec<Cookie>,
}

struct Cookie {
    name: String,
    value: String,
    host: String,
    /// Sent to hosts below `host`, too.
    domain: bool,
    lax: bool,
}

impl Surfer {
    /// Somebody called `name` in the portal's log, whose every host is behind `proxy`.
    pub fn new(proxy: SocketAddr, name: &str) -> Surfer {
        Surfer {
            proxy,
            name: name.to_owned(),
            jar: Vec::new(),
        }
    }

    /// Opens `host/path`, without following redirections.
    pub async fn get(&mut self, url: &str) -> Answer {
        self.ask(Method::GET, url, "", From::Here).await
    }

    /// Sends a form to `host/path` from a page that is `from` there.
    pub async fn post(&mut self, url: &str, form: &str, from: From) -> Answer {
        self.ask(Method::POST, url, form, from).await
    }

    /// Opens `host/path` and follows redirections; says where they end, and the last answer.
    pub async fn follow(&mut self, url: &str) -> (String, Answer) {
        let mut url = url.to_owned();
        for _ in 0..HOPS {
            let answer = self.get(&url).await;
            match next(&url, &answer) {
                Some(location) => url = location,
                None => return (url, answer),
            }
        }
        panic!("{}: too many redirections, to {url}", self.name);
    }

    /// The value of the cookie that would be sent to `host`.
    pub fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        let mut jar = self.jar.iter().filter(|cookie| cookie.goes_to(host));
        Some(&jar.find(|cookie| cookie.name == name)?.value)
    }

    async fn ask(&mut self, method: Method, url: &str, form: &str, from: From) -> Answer {
        let (host, path) = parts(url);
        // A browser sends `Lax` cookies from elsewhere only with a safe method, to a page.
        let bare = from == From::Elsewhere && method != Method::GET;
        let cookies: Vec<String> = (self.jar.iter())
            .filter(|cookie| cookie.goes_to(host) && !(bare && cookie.lax))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::USER_AGENT, &self.name)
            .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-mode", "navigate");
        if method != Method::GET {
            let (origin, site) = match from {
                From::Here => (format!("http://{host}"), "same-origin"),
                From::Elsewhere => ("https://idp.example.org".to_owned(), "cross-site"),
            };
            request = request
                .header(header::ORIGIN, origin)
                .header("sec-fetch-site", site);
        }
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if !form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Bytes::from(form.to_owned()));
        let answer = send(self.proxy, request.expect("the request is well-formed")).await;
        let answer = answer.unwrap_or_else(|broken| panic!("{}: {url}: {broken:?}", self.name));
        answer.assert_words(&self.name);
        for set in answer.set_cookies() {
            self.keep(host, &String::from_utf8_lossy(&set));
        }
        answer
    }

    fn keep(&mut self, host: &str, set: &str) {
        let mut parts = set.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
        let domain = attributes
            .iter()
            .find_map(|one| one.strip_prefix("domain="));
        if let Some(domain) = domain {
            let sibling = host == domain || host.ends_with(&format!(".{domain}"));
            assert!(sibling, "a browser refuses {set} from {host}");
        }
        let cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            host: domain.unwrap_or(host).to_owned(),
            domain: domain.is_some(),
            lax: attributes.iter().any(|one| one == "samesite=lax"),
        };
        self.jar
            .retain(|old| (&old.name, &old.host) != (&cookie.name, &cookie.host));
        let gone = |one: &String| one == "max-age=0" || one.contains("1970");
        if !attributes.iter().any(gone) {
            self.jar.push(cookie);
        }
    }
}

impl Cookie {
    fn goes_to(&self, host: &str) -> bool {
        host == self.host || (self.domain && host.ends_with(&format!(".{}", self.host)))
    }
}

/// Where an answer leads, seen from `url`.
fn next(url: &str, answer: &Answer) -> Option<String> {
    let location = answer.header(header::LOCATION)?;
    Some(match location.strip_prefix("http://") {
        Some(absolute) => absolute.to_owned(),
        None => format!("{}{location}", parts(url).0),
    })
}

fn parts(url: &str) -> (&str, &str) {
    url.split_at(url.find('/').expect("host/path"))
}
