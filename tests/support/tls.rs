//! Certificates of an authority of our own, and visitors over TLS.

use super::{Answer, PATIENCE, http};
use ::http::{Request, header};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion, version,
};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and a folder for the certificates that it gives.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    folder: TempDir,
}

/// The files of one certificate.
#[derive(Debug, Clone)]
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// One that nobody knew before.
    pub fn new() -> Authority {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of them are not to be taken for each other.
        params.distinguished_name.push(
            DnType::CommonName,
            format!("Tests of preau {}", fastrand::u64(..)),
        );
        let root = params.self_signed(&key).expect("a root can be made");
        Authority {
            root: root.der().clone(),
            issuer: Issuer::new(params, key),
            folder: TempDir::new().expect("the temporary folder can be written"),
        }
    }

    /// Writes a certificate for `hosts`, with its key, into files called `name`; what stood there
    /// before is replaced. `last_year` is that of its end.
    pub fn issue(&self, name: &str, hosts: &[&str], last_year: i32) -> Files {
        self.issue_with(name, hosts, |params| {
            params.not_after = date_time_ymd(last_year, 1, 1);
        })
    }

    /// The same with a change to it; without hosts there is a common name alone.
    pub fn issue_with(
        &self,
        name: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        let key = KeyPair::generate().expect("a key can be made");
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).expect("the hosts are hosts");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let cert = params
            .signed_by(&key, &self.issuer)
            .expect("a certificate can be made");
        let files = Files {
            cert: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}.key")),
        };
        fs::write(&files.cert, cert.pem()).expect("the folder is ours");
        fs::write(&files.key, key.serialize_pem()).expect("the folder is ours");
        files
    }

    /// The root, in PEM, as a file.
    pub fn root_file(&self) -> PathBuf {
        let path = self.folder.path().join("root.pem");
        fs::write(&path, pem(&self.root)).expect("the folder is ours");
        path
    }
}

/// Two certificates of one name and key that have signed themselves, as `openssl req -x509` makes
/// them: marked as those of an authority, for no host, and the first has expired.
pub fn self_signed(folder: &Path) -> [Files; 2] {
    let key = KeyPair::generate().expect("a key can be made");
    ["own", "renewed"].map(|name| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "portail");
        params.not_after = date_time_ymd(if name == "own" { 2021 } else { 2090 }, 1, 1);
        let cert = params.self_signed(&key).expect("a certificate can be made");
        let files = Files {
            cert: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&files.cert, cert.pem()).expect("the folder is ours");
        fs::write(&files.key, key.serialize_pem()).expect("the folder is ours");
        files
    })
}

impl Files {
    /// The entry of `tls.certificates`.
    pub fn entry(&self) -> String {
        format!("{{ cert = {:?}, key = {:?} }}", self.cert, self.key)
    }
}

/// `[tls]` with these certificates, and a listener on `address` that speaks TLS.
pub fn https(address: SocketAddr, certificates: &[&Files]) -> String {
    let entries: Vec<String> = certificates.iter().map(|files| files.entry()).collect();
    let entries = entries.join(", ");
    format!(
        "\n[[listener]]\naddress = \"{address}\"\ntls = true\n\
         [tls]\ncertificates = [{entries}]\n"
    )
}

/// A visitor's software, which believes the authority and remembers sessions.
#[derive(Clone)]
pub struct Client {
    pub config: ClientConfig,
    /// What of the configuration is shared by its connections.
    shared: Arc<ClientConfig>,
}

impl Client {
    /// Speaks both versions of TLS and the protocols `alpn`.
    pub fn new(authority: &Authority, alpn: &[&str]) -> Client {
        Client::with_versions(authority, alpn, &[&version::TLS13, &version::TLS12])
    }

    /// Speaks these versions only.
    pub fn with_versions(
        authority: &Authority,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Client {
        Client::new_with(&authority.root, alpn, versions)
    }

    /// Believes an authority of which it knows the root alone.
    pub fn trusting(root: &CertificateDer<'static>, alpn: &[&str]) -> Client {
        Client::new_with(root, alpn, &[&version::TLS13, &version::TLS12])
    }

    fn new_with(
        root: &CertificateDer<'static>,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).expect("it is a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("they are known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(64);
        Client {
            shared: Arc::new(config.clone()),
            config,
        }
    }

    /// The same with a change to its configuration, and nothing remembered.
    pub fn with(mut self, change: impl FnOnce(&mut ClientConfig)) -> Client {
        change(&mut self.config);
        self.shared = Arc::new(self.config.clone());
        self
    }

    /// A connection to `host`, which is at `to`.
    pub async fn connect(&self, to: SocketAddr, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connect = async {
            let socket = TcpStream::connect(to).await?;
            let connector = TlsConnector::from(self.shared.clone());
            connector.connect(name, socket).await
        };
        let connected = tokio::time::timeout(PATIENCE, connect).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether its session with `host` lets it send bytes before the handshake has ended. (The
    /// session is used up by this look.)
    pub fn would_send_early(&self, host: &str) -> bool {
        let name = ServerName::try_from(host.to_owned()).expect("a host");
        let connection = ClientConnection::new(self.shared.clone(), name);
        connection.expect("a greeting").early_data().is_some()
    }

    /// Opens `path` of `host` in HTTP/1.1, over a connection of its own.
    pub async fn get(&self, to: SocketAddr, host: &str, path: &str) -> Answer {
        let (answer, _) = self.get_by(to, host, path).await;
        answer
    }

    /// The same, and how the hands were shaken.
    pub async fn get_by(
        &self,
        to: SocketAddr,
        host: &str,
        path: &str,
    ) -> (Answer, Option<HandshakeKind>) {
        let stream = self.connect(to, host).await.expect("a connection");
        let kind = stream.get_ref().1.handshake_kind();
        (ask(stream, host, path).await, kind)
    }
}

/// Opens `path` of `host` in HTTP/1.1, over a connection that is there already.
pub async fn ask(stream: TlsStream<TcpStream>, host: &str, path: &str) -> Answer {
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "text/html")
        .body(Bytes::new())
        .expect("the request is well-formed");
    let answer = http::over(TokioIo::new(stream), request).await;
    answer.expect("a whole answer")
}

/// The serial number and so the identity of what a server has shown first.
pub fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates();
    chain.expect("a server shows a certificate")[0].to_vec()
}

/// The first certificate of a file.
pub fn der(path: &Path) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_file(path).expect("a certificate in PEM");
    der.to_vec()
}

fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}
