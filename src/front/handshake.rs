//! The TLS handshake of a visitor's connection, and what is remembered of it.

use super::serve::{Phase, Reception};
use super::stream::Stream;
use crate::tls::{Certificate, H2, Tls};
use rustls::{HandshakeKind, ServerConfig};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What is remembered of a handshake.
pub struct Session {
    /// HTTP/2 was agreed on.
    pub http2: bool,
    /// The host that the visitor named (SNI), in lower case.
    host: Option<Box<str>>,
    /// What was shown for it.
    certificate: Option<Arc<Certificate>>,
}

impl Session {
    fn of(stream: &TlsStream<TcpStream>, tls: &Tls) -> Session {
        let (_, connection) = stream.get_ref();
        let host = connection.server_name();
        Session {
            http2: connection.alpn_protocol() == Some(H2),
            certificate: tls.shelf.shown(host),
            host: host.map(|host| host.to_ascii_lowercase().into()),
        }
    }

    /// Whether a request for `host` may come over this connection (RFC 9110 §7.4).
    ///
    /// Browsers send requests for every host of one certificate over one connection; so may
    /// everybody. Whoever has named no host has claimed nothing.
    pub fn serves(&self, host: &str) -> bool {
        let Some(named) = self.host.as_deref() else {
            return true;
        };
        named == host || (self.certificate.as_ref()).is_some_and(|shown| shown.covers(host))
    }
}

/// Why nothing came of a handshake.
pub enum Unshaken {
    /// The visitor is gone, or could not agree with us.
    Gone,
    /// The visitor speaks HTTP without TLS, and would understand words.
    Plain(TcpStream),
}

/// Shakes hands, in time.
///
/// # Errors
/// Nothing came of it.
pub async fn shake(
    reception: &Reception,
    socket: TcpStream,
) -> Result<(Stream, Session), Unshaken> {
    let house = &reception.thread.house;
    let counts = &house.metrics.tls;
    let Some(tls) = &house.tls else {
        return Err(Unshaken::Gone);
    };
    let most = Duration::from(house.config.limits.handshake_timeout);
    let mut phase = reception.phase.clone();
    let accept = async {
        match speaks_plainly(&socket).await {
            true => Err(Unshaken::Plain(socket)),
            false => Ok(accept(tls.visitors(), socket).await),
        }
    };
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(most, accept) => accepted,
        _ = phase.wait_for(|phase| *phase == Phase::Closing) => return Err(Unshaken::Gone),
    };
    match accepted {
        Ok(Ok(Ok(stream))) => {
            let count = match stream.get_ref().1.handshake_kind() {
                Some(HandshakeKind::Resumed) => &counts.resumed,
                _ => &counts.full,
            };
            count.inc();
            let session = Session::of(&stream, tls);
            Ok((Stream::Tls(Box::new(stream)), session))
        }
        Ok(Ok(Err(error))) => {
            counts.failed.inc();
            tracing::debug!(%error, "a TLS handshake failed");
            Err(Unshaken::Gone)
        }
        Ok(Err(plain)) => {
            counts.failed.inc();
            Err(plain)
        }
        Err(_) => {
            counts.late.inc();
            Err(Unshaken::Gone)
        }
    }
}

/// The same for a few words in HTTP/1.1; the caller bounds the time.
///
/// # Errors
/// The handshake failed.
pub async fn for_words(reception: &Reception, socket: TcpStream) -> io::Result<Stream> {
    let tls = reception.thread.house.tls.as_ref();
    let tls = tls.ok_or(io::ErrorKind::Unsupported)?;
    let stream = accept(tls.http1(), socket).await?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Whether the first byte is a letter, with which HTTP begins; TLS begins with 22.
async fn speaks_plainly(socket: &TcpStream) -> bool {
    let mut first = [0];
    socket.peek(&mut first).await.is_ok() && first[0].is_ascii_uppercase()
}

async fn accept(config: Arc<ServerConfig>, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    TlsAcceptor::from(config).accept(socket).await
}
