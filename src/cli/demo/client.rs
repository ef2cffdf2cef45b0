//! A small browser for one simulated visitor: HTTP/1.1 over one connection, with a cookie jar.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// Cookies kept at once; further ones are not taken.
pub const COOKIES_MAX: usize = 16;
/// Bytes of an answer that are read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// From sending a request to the end of its answer; a person has long given up by then.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the visitor wants to have back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// A page to look at.
    Page,
    /// Data for the page's own script.
    Json,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Where a redirect points.
    pub location: Option<String>,
    /// The body, whole.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug)]
pub enum Failure {
    /// Nobody listens, or no more connections can be opened.
    Connect(std::io::Error),
    /// The connection ended before the answer did.
    Broken(hyper::Error),
    /// The answer's body broke off or was beyond [`BODY_BYTES_MAX`].
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// No whole answer within [`PATIENCE`].
    TimedOut,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect(error) => write!(f, "cannot connect: {error}"),
            Failure::Broken(error) => write!(f, "the connection broke: {error}"),
            Failure::Body(error) => write!(f, "the answer broke off: {error}"),
            Failure::TimedOut => write!(f, "no answer within {} s", PATIENCE.as_secs()),
        }
    }
}

/// The browser.
pub struct Client {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
    link: Option<Link>,
}

struct Link {
    sender: SendRequest<Full<Bytes>>,
    _connection: AbortOnDropHandle<()>,
}

impl Client {
    /// A browser without cookies that speaks to `address` alone.
    pub fn new(address: SocketAddr) -> Client {
        Client {
            address,
            cookies: BTreeMap::new(),
            link: None,
        }
    }

    /// Asks for `path`; once more on a new connection if the old one had just been closed.
    pub async fn get(&mut self, path: &str, accept: Accept) -> Result<Answer, Failure> {
        let reused = self.link.is_some();
        match self.send(Method::GET, path, accept, String::new()).await {
            Err(Failure::Broken(_)) if reused => {
                self.send(Method::GET, path, accept, String::new()).await
            }
            answer => answer,
        }
    }

    /// Sends a form, once.
    pub async fn post(&mut self, path: &str, form: String) -> Result<Answer, Failure> {
        self.send(Method::POST, path, Accept::Page, form).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        accept: Accept,
        form: String,
    ) -> Result<Answer, Failure> {
        let request = self.request(method, path, accept, form);
        let answer = match tokio::time::timeout(PATIENCE, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::TimedOut),
        };
        if answer.is_err() {
            self.link = None;
        }
        answer
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        accept: Accept,
        form: String,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(ACCEPT_LANGUAGE, "fr")
            .header(
                ACCEPT,
                match accept {
                    Accept::Page => "text/html,application/xhtml+xml,*/*;q=0.8",
                    Accept::Json => "application/json",
                },
            );
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request
            .method(method)
            .body(Full::new(Bytes::from(form)))
            .expect("paths are constants and cookies came in as headers")
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let response = self
            .sender()
            .await?
            .send_request(request)
            .await
            .map_err(Failure::Broken)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(Failure::Body)?
            .to_bytes();
        self.keep_cookies(&head.headers);
        let location = head.headers.get(LOCATION);
        Ok(Answer {
            status: head.status,
            location: location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned()),
            body,
        })
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Failure> {
        let mut usable = self.link.take();
        if let Some(link) = &mut usable
            && link.sender.ready().await.is_err()
        {
            usable = None;
        }
        let link = match usable {
            Some(link) => link,
            None => self.connect().await?,
        };
        Ok(&mut self.link.insert(link).sender)
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(Failure::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Broken)?;
        let connection = tokio::spawn(async move {
            // What goes wrong here, the request that needed it is told.
            let _ended = connection.await;
        });
        Ok(Link {
            sender,
            _connection: AbortOnDropHandle::new(connection),
        })
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let Ok(header) = header.to_str() else {
                continue;
            };
            let mut parts = header.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                self.cookies.remove(name);
            } else if self.cookies.contains_key(name) || self.cookies.len() < COOKIES_MAX {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn cookies_are_kept_replaced_removed_and_bounded() {
        let mut client = Client::new("127.0.0.1:1".parse().unwrap());
        let mut take = |cookies: &[String]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
            }
            client.keep_cookies(&headers);
            client.cookies.clone().into_iter().collect::<Vec<_>>()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let first = take(&["a=1; Path=/; HttpOnly".into(), "b=2=3".into(), "c".into()]);
        assert_eq!(first, [pair("a", "1"), pair("b", "2=3")]);
        let second = take(&["a=9".into(), "b=; Path=/; Max-Age=0".into()]);
        assert_eq!(second, [pair("a", "9")]);
        let many: Vec<String> = (0..100).map(|i| format!("n{i}=x")).collect();
        assert_eq!(take(&many).len(), COOKIES_MAX);
    }

    #[tokio::test]
    async fn a_closed_door_is_a_failure_with_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let answer = Client::new(address).get("/", Accept::Page).await;
        assert!(
            answer
                .unwrap_err()
                .to_string()
                .starts_with("cannot connect")
        );
    }
}
