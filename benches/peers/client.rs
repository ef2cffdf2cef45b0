//! A small client: one request at a time over one connection, plain or under TLS.

use crate::Outcome;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const ANSWER_MAX: usize = 1024 * 1024;

/// An answer, as far as measurements look at it.
pub struct Answer {
    pub status: u16,
    /// The first cookie that it sets, as the visitor sends it back.
    pub cookie: Option<String>,
    pub body_bytes: usize,
}

/// Whether somebody listens there.
pub fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A plain connection.
///
/// # Errors
/// When there is none.
pub fn connect(port: u16) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks once, and reads the whole answer. `fields` end with `\r\n` each.
///
/// # Errors
/// When what comes is not an answer.
pub fn ask(stream: &mut (impl Read + Write), path: &str, fields: &str) -> Outcome<Answer> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{fields}\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while bytes.len() < ANSWER_MAX {
        let count = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..count]);
        if let Some((answer, head_bytes)) = head(&bytes)?
            && bytes.len() >= head_bytes + answer.body_bytes
        {
            return Ok(answer);
        }
        if count == 0 {
            break;
        }
    }
    Err(format!(
        "no whole answer to {path}: {}",
        String::from_utf8_lossy(&bytes)
    )
    .into())
}

/// The head of an answer and its length in bytes, once it is whole.
fn head(bytes: &[u8]) -> Outcome<Option<(Answer, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes)? else {
        return Ok(None);
    };
    let field = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name));
        found.and_then(|field| std::str::from_utf8(field.value).ok())
    };
    let answer = Answer {
        status: head.code.ok_or("no status")?,
        cookie: field("set-cookie").and_then(|set| Some(set.split(';').next()?.to_owned())),
        body_bytes: field("content-length").ok_or("no length")?.parse()?,
    };
    Ok(Some((answer, head_bytes)))
}

/// A visitor who speaks TLS 1.3.
pub struct TlsVisitor {
    config: Arc<ClientConfig>,
    resumes: bool,
}

impl TlsVisitor {
    /// `resumes`: from the second connection on, the handshakes are resumed ones.
    ///
    /// # Errors
    /// When the certificate is none.
    pub fn new(certificate: CertificateDer<'static>, resumes: bool) -> Outcome<TlsVisitor> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // The same key exchange with everybody; not all of them know the post-quantum one.
        provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(TlsVisitor {
            config: Arc::new(config),
            resumes,
        })
    }

    /// A connection, a handshake and one request. `first`: there is nothing to resume yet.
    ///
    /// # Errors
    /// When the handshake is not of the kind that is measured.
    pub fn visit(&self, port: u16, path: &str, fields: &str, first: bool) -> Outcome<Answer> {
        let name = ServerName::try_from("localhost")?;
        let connection = ClientConnection::new(self.config.clone(), name)?;
        let mut stream = StreamOwned::new(connection, connect(port)?);
        let answer = ask(&mut stream, path, fields)?;
        let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
        if !first && resumed != self.resumes {
            return Err(format!(
                "a handshake that was {}resumed",
                if resumed { "" } else { "not " }
            )
            .into());
        }
        Ok(answer)
    }
}
