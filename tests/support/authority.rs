//! Certificates of an authority of a test's own.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// An authority, and the folder of what it gives.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// Whether a certificate is still good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// For a long time.
    Later,
    /// It has expired.
    Past,
}

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// A new one, that nobody knows.
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities are not to be taken for each other.
        let name = format!("authority {:x}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority can be made");
        let folder = TempDir::new().expect("the temporary folder can be written");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("it is ours");
        Authority { issuer, folder }
    }

    /// The file with its certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Its certificate.
    pub fn root(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A certificate for `name`.
    pub fn certify(&self, name: &str, until: Until) -> Pair {
        self.issue(name, &[name], until)
    }

    /// A certificate for `hosts`, in files called after `name`; what stood there is replaced.
    pub fn issue(&self, name: &str, hosts: &[&str], until: Until) -> Pair {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).expect("names");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = match until {
            Until::Later => date_time_ymd(2090, 1, 1),
            Until::Past => date_time_ymd(2021, 1, 1),
        };
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.issuer);
        let signed = signed.expect("an authority can sign");
        let at = |end: &str| self.folder.path().join(format!("{name}-{end}"));
        let pair = Pair {
            cert: at("cert.pem"),
            key: at("key.pem"),
        };
        fs::write(&pair.cert, signed.pem()).expect("it is ours");
        fs::write(&pair.key, key.serialize_pem()).expect("it is ours");
        pair
    }
}

impl Pair {
    /// The entry of `tls.certificates`.
    pub fn entry(&self) -> String {
        format!("{{ cert = {:?}, key = {:?} }}", self.cert, self.key)
    }
}
