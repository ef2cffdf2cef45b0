//! TLS to the servers of a portal: whom we trust, which name we expect, and what went wrong, in
//! words.

use crate::config::{self, Authorities};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
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
        let mut config = client_config(portal.tls.ca.as_ref());
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

/// Trusts whom `ca` says, or whom the machine trusts.
pub fn client_config(ca: Option<&Authorities>) -> ClientConfig {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for TLS 1.2 and 1.3");
    let Some(ca) = ca else {
        return builder
            .with_root_certificates(system_roots())
            .with_no_client_auth();
    };
    let inner = WebPkiServerVerifier::builder_with_provider(ca.roots.clone(), provider)
        .build()
        .expect("there is at least one authority, and no list of revocations");
    builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Named {
            inner,
            certificates: ca.certificates.clone(),
        }))
        .with_no_client_auth()
}

/// Believes a server that shows, byte for byte, a certificate that the operator has named as `ca`:
/// whoever proves to have its key is the one who is meant, whatever name it has and however old it
/// is. (Authorities may not be servers by RFC 5280, and the self-signed certificates of portals are
/// mostly marked as such.) Of all others it asks what is usual.
#[derive(Debug)]
struct Named {
    inner: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.contains(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The authorities that this machine trusts, read once.
fn system_roots() -> Arc<RootCertStore> {
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
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            format!("has a certificate that names no host, only a common name; {NAME_IT}")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "has a certificate for another name, not for {expected}; `tls_name` can say which \
                 name it has"
            )
        }
        // The library has no word of its own for these.
        CertificateError::Other(OtherError(other)) if other.to_string().contains(CA) => format!(
            "has a certificate that is marked as that of an authority, as those that `openssl req \
             -x509` makes; {NAME_IT}"
        ),
        other => format!("has a certificate that is not accepted ({other})"),
    }
}

/// The library's word for a server that shows the certificate of an authority.
const CA: &str = "CaUsedAsEndEntity";
const NAME_IT: &str = "if just that one is meant, name its file as `ca`";
