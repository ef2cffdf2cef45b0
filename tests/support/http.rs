//! One HTTP/1.1 request over a connection of its own, and its whole answer.

use super::PATIENCE;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub enum Broken {
    /// Nobody listens: honest, and never seen by a visitor of a proxy that runs.
    Refused,
    /// The connection broke before the end of the answer.
    Cut(String),
    /// No end of the answer in time.
    TimedOut,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON: {error}: {:?}", self.text()))
    }

    /// One header, if it is there and is text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Each `Set-Cookie`, byte for byte.
    pub fn set_cookies(&self) -> Vec<Vec<u8>> {
        let all = self.headers.get_all(header::SET_COOKIE);
        all.iter().map(|value| value.as_bytes().to_vec()).collect()
    }

    /// The names of the proxy's own cookies that this answer sets.
    pub fn our_cookies(&self) -> Vec<String> {
        let texts = self.set_cookies();
        let names = texts.iter().filter_map(|cookie| {
            let name = cookie.split(|byte| *byte == b'=').next()?;
            Some(String::from_utf8_lossy(name).into_owned())
        });
        names.filter(|name| name.contains("preau-")).collect()
    }

    /// Panics if a visitor would see a blank page: an error, or a success that is a page,
    /// without words; or an answer "later" that does not say when.
    pub fn assert_words(&self, what: &str) {
        let blank = self.body.iter().all(u8::is_ascii_whitespace);
        let may_be_blank = self.status.is_redirection() || self.status == StatusCode::NO_CONTENT;
        assert!(!blank || may_be_blank, "{what}: a blank page: {self:?}");
        if matches!(self.status.as_u16(), 429 | 502 | 503 | 504) {
            let after = self.header(header::RETRY_AFTER);
            let seconds: Option<u64> = after.and_then(|text| text.parse().ok());
            assert!(seconds.is_some(), "{what}: when to come back? {self:?}");
        }
    }
}

/// Sends one request over a new connection and reads the whole answer.
pub async fn send(to: SocketAddr, request: Request<Bytes>) -> Result<Answer, Broken> {
    tokio::time::timeout(PATIENCE, exchange(to, request))
        .await
        .unwrap_or(Err(Broken::TimedOut))
}

/// A plain `GET`, as a script does it.
pub async fn get(to: SocketAddr, path: &str) -> Result<Answer, Broken> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::HOST, to.to_string())
        .body(Bytes::new())
        .expect("the request is well-formed");
    send(to, request).await
}

/// Sends bytes as they are, and reads until the other side closes.
pub async fn raw(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let talk = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(bytes).await?;
        stream.read_to_end(&mut answer).await
    };
    // What came before a reset or the deadline is what there is to look at.
    let _ = tokio::time::timeout(PATIENCE, talk).await;
    answer
}

async fn exchange(to: SocketAddr, request: Request<Bytes>) -> Result<Answer, Broken> {
    let stream = TcpStream::connect(to).await.map_err(refused_or_cut)?;
    over(TokioIo::new(stream), request).await
}

/// Sends one request over a connection that is there already, and reads the whole answer.
pub async fn over<S>(stream: S, request: Request<Bytes>) -> Result<Answer, Broken>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(cut)?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request.map(Full::new)).await;
        let (head, body) = response.map_err(cut)?.into_parts();
        let body = body.collect().await.map_err(cut)?.to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
    .await;
    driver.abort();
    answer
}

fn refused_or_cut(error: std::io::Error) -> Broken {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Broken::Refused,
        _ => Broken::Cut(error.to_string()),
    }
}

fn cut(error: hyper::Error) -> Broken {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    Broken::Cut(words)
}
