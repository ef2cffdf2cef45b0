//! TLS to the servers of a portal: whom we trust, which name we expect, and what went wrong, in
//! words.

use crate::config;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Sessions that are remembered for resumption, per portal.
const SESSIONS_MAX: usize = 256;

const HTTP2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

/// What a portal's TLS connections share over all threads, also the sessions to resume.
pub struct Tls {
    /// Offers what the portal may speak.
    any: Arc<ClientConfig>,
    /// Offers HTTP/1.1 alone.
    http1: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Tls {
    /// For a portal that has a server behind TLS.
    pub fn new(portal: &config::Portal) -> Tls {
        let roots = match &portal.tls.ca {
            Some(ca) => ca.0.clone(),
            None => system_roots(),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        config.alpn_protocols = vec![HTTP11.to_vec()];
        let http1 = Arc::new(config.clone());
        if portal.http2 {
            config.alpn_protocols.insert(0, HTTP2.to_vec());
        }
        Tls {
            any: Arc::new(config),
            http1,
            name: portal.tls.name.clone(),
        }
    }

    /// Whether a server is asked if it speaks HTTP/2.
    pub fn offers_http2(&self) -> bool {
        self.any.alpn_protocols.iter().any(|name| name == HTTP2)
    }

    /// Speaks TLS with the server at `host`, and finds out whether it speaks HTTP/2.
    ///
    /// # Errors
    /// What is wrong with the server, in words that follow its name.
    pub async fn shake_hands<IO>(
        &self,
        stream: IO,
        host: &str,
        http1: bool,
    ) -> Result<(TlsStream<IO>, bool), String>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| format!("cannot be checked: {host} is no name for a certificate"))?,
        };
        let config = if http1 { &self.http1 } else { &self.any };
        let expected = name.to_str().into_owned();
        let shaken = TlsConnector::from(config.clone()).connect(name, stream);
        let stream = shaken.await.map_err(|error| words(&error, &expected))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok((stream, http2))
    }
}

/// The authorities that this machine trusts, read once.
pub fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!(
                "this machine trusts no certificate authority, so nothing behind https can be \
                 reached: install ca-certificates, or name an authority (`ca`)"
            );
        }
        Arc::new(roots)
    });
    roots.clone()
}

/// What went wrong, in words that follow the server's name.
fn words(error: &io::Error, expected: &str) -> String {
    let cause = error.get_ref();
    let cause = cause.and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        Some(Error::InvalidCertificate(why)) => distrust(why, expected),
        Some(Error::InvalidMessage(_)) => "does not speak TLS on this port".to_owned(),
        Some(Error::AlertReceived(alert)) => format!("refuses TLS with us ({alert:?})"),
        Some(other) => format!("cannot be reached by TLS ({other})"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "closes the connection instead of speaking TLS".to_owned()
        }
        None => format!("breaks the connection while TLS begins ({error})"),
    }
}

fn distrust(why: &CertificateError, expected: &str) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has a certificate that has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "has a certificate that is not valid yet; or our clock is wrong".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "has a certificate from an authority that is not known here; `ca` can name it"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "has a certificate for another name, not for {expected}; `tls_name` can say which \
                 name it has"
            )
        }
        other => format!("has a certificate that is not accepted ({other})"),
    }
}
