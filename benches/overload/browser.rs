//! A browser over real sockets: an address of its own, cookies, one connection that is kept.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpSocket;
use tokio_util::task::AbortOnDropHandle;

/// See the module.
pub struct Browser {
    from: IpAddr,
    to: SocketAddr,
    jar: Vec<(String, String)>,
    line: Option<Line>,
}

/// A connection; it is closed when this is dropped.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub path: &'a str,
    /// The body of a POST.
    pub form: Option<&'static str>,
    /// A script asks, not a person.
    pub script: bool,
}

/// A whole answer.
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Browser {
    /// Comes from `from`, and goes to `to`.
    pub fn new(from: IpAddr, to: SocketAddr) -> Browser {
        Browser {
            from,
            to,
            jar: Vec::new(),
            line: None,
        }
    }

    /// Asks once; none if there is no whole answer. Whoever drops this before its end closes the
    /// connection, as somebody does who reloads.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Option<Answer> {
        if let Some(line) = self.line.take() {
            // The server may have closed it meanwhile: that is no failure of anybody.
            if let Some(answer) = self.over(line, ask).await {
                return Some(answer);
            }
        }
        let line = self.connect().await?;
        self.over(line, ask).await
    }

    /// Whether it holds a cookie of ours.
    pub fn has_ticket(&self) -> bool {
        self.jar.iter().any(|(name, _)| name.contains("preau-"))
    }

    async fn connect(&self) -> Option<Line> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind((self.from, 0).into()).ok()?;
        let stream = socket.connect(self.to).await.ok()?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let driver = tokio::spawn(async move {
            // It ends with the connection, whose user sees what is wrong with it.
            let _ = driver.await;
        });
        Some(Line {
            sender,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    async fn over(&mut self, mut line: Line, ask: Ask<'_>) -> Option<Answer> {
        let answer = line.sender.send_request(self.request(ask)).await.ok()?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            self.keep(&String::from_utf8_lossy(cookie.as_bytes()));
        }
        self.line = line.sender.ready().await.is_ok().then_some(line);
        Some(Answer {
            status: head.status,
            body,
        })
    }

    fn request(&self, ask: Ask<'_>) -> Request<Full<Bytes>> {
        let method = ask.form.map_or(Method::GET, |_| Method::POST);
        let (accept, fetched) = match ask.script {
            true => ("application/json", "empty"),
            false => ("text/html,*/*;q=0.8", "document"),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(ask.path)
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, accept)
            .header("sec-fetch-dest", fetched);
        if ask.form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if !self.jar.is_empty() {
            let jar: Vec<String> = (self.jar.iter())
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, jar.join("; "));
        }
        request
            .body(Full::from(ask.form.unwrap_or_default()))
            .expect("paths and cookies are words")
    }

    fn keep(&mut self, cookie: &str) {
        let pair = cookie
            .split(';')
            .next()
            .and_then(|pair| pair.split_once('='));
        let Some((name, value)) = pair else {
            return;
        };
        self.jar.retain(|(known, _)| known != name);
        if !cookie.to_ascii_lowercase().contains("max-age=0") {
            self.jar.push((name.to_owned(), value.to_owned()));
        }
    }
}
