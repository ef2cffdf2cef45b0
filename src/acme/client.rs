//! HTTPS to the authority: a connection for each request, and bounds on all of it.

use crate::config::AcmeConfig;
use crate::upstream::{client_config, reach};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::ServerName;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// Bytes of an answer, at most: a chain of certificates is the longest.
const ANSWER_MAX: usize = 256 * 1024;
/// Time for one request and its answer.
const PATIENCE: Duration = Duration::from_secs(30);
const HTTPS: u16 = 443;

/// Speaks with one authority.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    /// Trusts whom the file says, or whom the machine trusts.
    pub fn new(config: &AcmeConfig) -> Client {
        let tls = client_config(config.ca.as_ref());
        Client(TlsConnector::from(Arc::new(tls)))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = self.0.clone();
        Box::pin(async move {
            let asked = tokio::time::timeout(PATIENCE, ask(&tls, request)).await;
            let answer = asked.unwrap_or_else(|_| Err("it does not answer in time".into()));
            answer
                .map(BytesResponse::from)
                .map_err(|words| Error::Other(words.into()))
        })
    }
}

/// One request over a connection of its own; errors are words.
async fn ask(
    tls: &TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<http_body_util::Full<Bytes>>, String> {
    let (host, port) = address(request.uri()).ok_or("it names an address without https")?;
    let socket = reach(&host, port).await;
    let socket = socket.map_err(|why| format!("{host}:{port} cannot be reached: it {why}"))?;
    let name = ServerName::try_from(host.clone());
    let name = name.map_err(|_| format!("{host} is no name for a certificate"))?;
    let stream = tls.connect(name, socket).await;
    let stream = stream.map_err(|error| {
        format!("TLS with {host}:{port} fails ({error}); `ca` can say whom to trust")
    })?;
    to_origin(&mut request).ok_or("it names an address that cannot be asked")?;
    let exchanged = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((head, Limited::new(body, ANSWER_MAX).collect().await))
        };
        let driven = async {
            let _ = connection.await;
            pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            never = driven => never,
        }
    };
    let (head, body) = exchanged
        .await
        .map_err(|error| format!("{host}:{port} breaks the connection ({error})"))?;
    let body = body.map_err(|error| format!("the answer of {host}:{port} is no good ({error})"))?;
    Ok(Response::from_parts(head, body.to_bytes().into()))
}

fn address(uri: &Uri) -> Option<(String, u16)> {
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"))?;
    let host = host.trim_matches(['[', ']']).to_owned();
    Some((host, uri.port_u16().unwrap_or(HTTPS)))
}

/// From the address to what a server is asked (RFC 9112 §3.2.1).
fn to_origin<B>(request: &mut Request<B>) -> Option<()> {
    let uri = request.uri();
    let host = HeaderValue::from_str(uri.authority()?.as_str()).ok()?;
    let target = uri.path_and_query()?.as_str().parse().ok()?;
    *request.uri_mut() = target;
    request.headers_mut().insert(HOST, host);
    Some(())
}
