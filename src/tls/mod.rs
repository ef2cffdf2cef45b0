//! TLS to visitors: which certificate is shown, and what is spoken with it.
//!
//! Versions 1.2 and 1.3 only, with the cipher suites of rustls (forward secret, authenticated).
//! One configuration serves all threads: whoever comes back to another thread resumes, and a new
//! certificate changes nothing but the certificate. Early data (0-RTT) is off: it can be played
//! again by others (RFC 8470).

mod certificate;
mod chain;
mod proofs;
mod shelf;

pub use certificate::{Certificate, CertificateError, Flaw};
pub use proofs::{Proofs, Shown};
pub use shelf::{Change, Shelf};

use crate::config::{HostPattern, Pair, TlsConfig, TlsVersion};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ServerSessionMemoryCache;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Notify;

/// HTTP/2, as ALPN says it (RFC 9113 §3.1).
pub const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
/// Sessions kept for visitors without tickets (TLS 1.2), over all threads.
const SESSIONS_MAX: usize = 16 * 1024;

/// TLS to visitors.
pub struct Tls {
    /// The certificates in use.
    pub shelf: Arc<Shelf>,
    /// What we show to an authority that gives certificates.
    pub proofs: Proofs,
    /// Told when an operator wants certificates to be looked after now.
    pub hurry: Notify,
    visitors: Arc<ServerConfig>,
    http1: Arc<ServerConfig>,
}

/// Why TLS cannot be spoken.
#[derive(Debug)]
pub enum TlsError {
    /// A certificate.
    Certificate(CertificateError),
    /// The library, for want of randomness or the like.
    Library(rustls::Error),
}

impl Tls {
    /// Reads the certificates, for rooms at `hosts`; the last one, with its key, is `stand_in` (PEM), if there is one, until
    /// its files can be read.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(
        config: &TlsConfig,
        stand_in: Option<String>,
        hosts: Vec<HostPattern>,
    ) -> Result<Tls, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let shelf = Shelf::new(&config.certificates, stand_in, hosts, provider.clone());
        let shelf = Arc::new(shelf.map_err(TlsError::Certificate)?);
        let mut http1 = server_config(config.min_version, provider, shelf.clone())
            .map_err(TlsError::Library)?;
        http1.alpn_protocols = vec![HTTP1.to_vec()];
        let mut visitors = http1.clone();
        if !config.http1_only {
            visitors.alpn_protocols.insert(0, H2.to_vec());
        }
        Ok(Tls {
            shelf,
            proofs: Proofs::default(),
            hurry: Notify::new(),
            visitors: Arc::new(visitors),
            http1: Arc::new(http1),
        })
    }

    /// What is spoken with visitors.
    pub fn visitors(&self) -> Arc<ServerConfig> {
        self.visitors.clone()
    }

    /// The same without HTTP/2.
    pub fn http1(&self) -> Arc<ServerConfig> {
        self.http1.clone()
    }
}

/// Reads a pair of files, only to see whether they are good.
///
/// # Errors
/// What is wrong with them.
pub fn check(pair: &Pair) -> Result<Certificate, CertificateError> {
    Certificate::read(pair, &aws_lc_rs::default_provider())
}

fn server_config(
    min_version: TlsVersion,
    provider: Arc<CryptoProvider>,
    shelf: Arc<Shelf>,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[&SupportedProtocolVersion] = match min_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(shelf);
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    config.max_early_data_size = 0;
    Ok(config)
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Certificate(error) => error.fmt(f),
            TlsError::Library(error) => write!(f, "TLS cannot be used: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}
