//! One certificate: its chain, its key, the hosts it is for, and its last day.

use super::chain::{self, Parsed};
use crate::config::pem::{self, Found};
use crate::config::{HostPattern, Pair};
use crate::host;
use crate::time::Millis;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::time::ASN1Time;

/// Bytes of a file of certificates or of a key, at most.
const FILE_MAX: u64 = 1024 * 1024;

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    /// What messages and metrics call it: the first host it is for, or its common name.
    pub name: String,
    /// It is not valid before this moment.
    pub not_before: Millis,
    /// It is not valid after this moment.
    pub not_after: Millis,
    hosts: Vec<String>,
    /// It is for no host, not even for an address.
    nameless: bool,
    /// It says that it is for something else than servers.
    not_for_servers: bool,
    /// Nobody else vouches for it: it stands in for another.
    by_itself: bool,
    /// What browsers will refuse of it, in words.
    pub doubts: Vec<String>,
    pub(super) key: Arc<CertifiedKey>,
    /// Of both files, to see when they change.
    pub(super) mark: Mark,
}

/// Tells two states of a pair of files apart.
pub(super) type Mark = [u8; 32];

/// The bytes of both files.
pub(super) struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// Why a pair of files is not used. The message says what to do.
#[derive(Debug)]
pub struct CertificateError {
    path: PathBuf,
    /// The file is that of the key.
    of_key: bool,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(io::Error),
    TooLong,
    NoCertificate,
    NoKey,
    Garbled(usize, String),
    GarbledKey(usize, String),
    NotFirst(usize, PathBuf),
    UnfitKey(Error),
    OtherKey(PathBuf),
    Worse(Flaw, String),
}

/// Why browsers refuse a certificate, whatever they are shown with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its time has passed.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is for no host; an old habit is to name one in the common name.
    Nameless,
    /// It is for something else than servers.
    NotForServers,
    /// It is for these hosts, and for none of those of the one in use.
    OtherHosts(String),
}

impl Certificate {
    /// Reads and checks a pair of files.
    ///
    /// # Errors
    /// What is wrong with one of them, or between them.
    pub fn read(pair: &Pair, provider: &CryptoProvider) -> Result<Certificate, CertificateError> {
        Files::read(pair)?.parse(pair, provider)
    }

    /// Whether it is for `host`, which is in lower case (RFC 9525 §6.3: `*` is one label).
    pub fn covers(&self, host: &str) -> bool {
        let parent = host.split_once('.').map_or("", |(_, parent)| parent);
        let fits = |name: &String| match name.strip_prefix("*.") {
            Some(rest) => rest == parent,
            None => name == host,
        };
        !host.is_empty() && self.hosts.iter().any(fits)
    }

    /// The hosts it is for, in lower case: exact, or `*.` and the rest.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Whether its time has passed.
    pub fn has_expired(&self) -> bool {
        self.not_after < host::wall()
    }

    /// Why nobody can use it, if that is so.
    pub fn flaw(&self) -> Option<Flaw> {
        match () {
            () if self.has_expired() => Some(Flaw::Expired),
            () if host::wall() < self.not_before => Some(Flaw::NotYet),
            () if self.nameless => Some(Flaw::Nameless),
            () if self.not_for_servers => Some(Flaw::NotForServers),
            () => None,
        }
    }

    /// Whether it is for `name`, a host or `*.` and a domain; of a domain, one host is enough.
    pub fn serves(&self, name: &str) -> bool {
        let below = |host: &String| name.strip_prefix('*').is_some_and(|it| host.ends_with(it));
        self.covers(name) || self.hosts.iter().any(|host| host == name || below(host))
    }

    /// Why it must not take the place of `old`: that one is good, and this is of no use, or of none to
    /// those who come now to `hosts`, which are those of the rooms.
    pub(super) fn worse_than(&self, old: &Certificate, hosts: &[HostPattern]) -> Option<Flaw> {
        if old.flaw().is_some() {
            return None;
        }
        let is_ours = |name: &String| hosts.iter().any(|host| host.may_be(name));
        // What browsers warn of, or nobody asks for, is no loss.
        let in_use = !old.by_itself && old.hosts.iter().any(is_ours);
        let others = in_use && !old.hosts.iter().any(|name| self.serves(name));
        let others = others.then(|| Flaw::OtherHosts(self.hosts.join(", ")));
        self.flaw().or(others)
    }
}

impl Files {
    pub(super) fn read(pair: &Pair) -> Result<Files, CertificateError> {
        let read = |path: &Path| {
            let mut bytes = Vec::new();
            let length = File::open(path).and_then(|file| {
                let mut file = file.take(FILE_MAX + 1);
                file.read_to_end(&mut bytes)
            });
            match length {
                Ok(length) if length as u64 > FILE_MAX => Err(wrong(path, Why::TooLong)),
                Ok(_) => Ok(bytes),
                Err(error) => Err(wrong(path, Why::Unreadable(error))),
            }
        };
        Ok(Files {
            cert: read(&pair.cert)?,
            key: read(&pair.key).map_err(|error| CertificateError {
                of_key: true,
                ..error
            })?,
        })
    }

    /// What would be in one file for both.
    pub(super) fn of(pem: String) -> Files {
        Files {
            cert: pem.clone().into_bytes(),
            key: pem.into_bytes(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        let marks = [&self.cert, &self.key].map(|bytes| digest(&SHA256, bytes));
        let both = [marks[0].as_ref(), marks[1].as_ref()].concat();
        let mark = digest(&SHA256, &both);
        mark.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    pub(super) fn parse(
        &self,
        pair: &Pair,
        provider: &CryptoProvider,
    ) -> Result<Certificate, CertificateError> {
        let in_cert = |why| wrong(&pair.cert, why);
        let read = pem::certificates(&self.cert)
            .map_err(|error| in_cert(Why::Garbled(error.line, error.to_string())))?;
        let chain = parsed(&read.found).map_err(in_cert)?;
        let (line, own) = chain.first().ok_or_else(|| in_cert(Why::NoCertificate))?;
        let validity = own.validity().clone();
        let hosts = hosts(own).map_err(|error| in_cert(Why::Garbled(*line, error)))?;
        let common = own.subject().iter_common_name().next();
        let common = common.and_then(|name| name.as_str().ok());
        let name = hosts.first().map(String::as_str).or(common);
        let name = name.unwrap_or("without a name").to_owned();
        let odd = (read.odd.iter()).map(|(line, what)| format!("line {line}: {what}"));
        let doubts = odd.chain(chain::doubts(&chain, host::wall())).collect();
        let key = self.key(pair, &read.found, provider)?;
        Ok(Certificate {
            name,
            not_before: millis(validity.not_before),
            not_after: millis(validity.not_after),
            hosts,
            nameless: chain::is_nameless(own),
            not_for_servers: chain::is_not_for_servers(own),
            by_itself: chain::is_signed_by_itself(own),
            doubts,
            key: Arc::new(key),
            mark: self.mark(),
        })
    }

    /// The key, which must be that of the first certificate.
    fn key(
        &self,
        pair: &Pair,
        chain: &[Found],
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, CertificateError> {
        let in_key = |why| wrong_key(&pair.key, why);
        let key = pem::private_key(&self.key)
            .map_err(|error| in_key(Why::GarbledKey(error.line, error.to_string())))?
            .ok_or_else(|| in_key(Why::NoKey))?;
        let certified = |chain: &[Found]| {
            let chain = chain.iter().map(|found| found.der.clone());
            CertifiedKey::from_der(chain.collect(), key.clone_key(), provider)
        };
        certified(chain).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let own = |found: &&Found| certified(std::slice::from_ref(*found)).is_ok();
                match chain.iter().find(own) {
                    Some(own) => wrong(&pair.cert, Why::NotFirst(own.line, pair.key.clone())),
                    None => in_key(Why::OtherKey(pair.cert.clone())),
                }
            }
            error => in_key(Why::UnfitKey(error)),
        })
    }
}

/// The certificates of a file, each with its line.
fn parsed(found: &[Found]) -> Result<Vec<Parsed<'_>>, Why> {
    (found.iter())
        .map(|Found { line, der }| match X509Certificate::from_der(der) {
            Ok((_, parsed)) => Ok((*line, parsed)),
            Err(error) => Err(Why::Garbled(*line, error.to_string())),
        })
        .collect()
}

impl CertificateError {
    /// Whether it is about the key, and not about the certificate.
    pub fn is_of_key(&self) -> bool {
        self.of_key
    }

    /// The pair is sound, but not as good as `old`, which is in use.
    pub(super) fn worse(pair: &Pair, flaw: Flaw, old: &Certificate) -> CertificateError {
        wrong(&pair.cert, Why::Worse(flaw, old.hosts.join(", ")))
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Unreadable(error) => write!(
                f,
                "{path} cannot be read: {error}. The user running preau must be able to read it"
            ),
            Why::TooLong => write!(f, "{path} has more than {FILE_MAX} bytes"),
            Why::NoCertificate => write!(
                f,
                "{path} holds no certificate: it should have a part that begins with \
                 -----BEGIN CERTIFICATE-----"
            ),
            Why::NoKey => write!(
                f,
                "{path} holds no private key that can be read: it should have a part that begins \
                 with -----BEGIN PRIVATE KEY-----, without a password"
            ),
            Why::Garbled(line, error) => {
                write!(f, "{path}, line {line}: not a certificate in PEM: {error}")
            }
            Why::GarbledKey(line, error) => {
                write!(f, "{path}, line {line}: not a private key in PEM: {error}")
            }
            Why::NotFirst(line, key) => write!(
                f,
                "{path} begins with another certificate than that of the key in {}, which is in line \
                 {line}: it must come first, then the one that signed it, and so on",
                key.display()
            ),
            Why::UnfitKey(error) => write!(f, "the private key in {path} cannot be used: {error}"),
            Why::OtherKey(cert) => write!(
                f,
                "the private key in {path} is not that of the certificate in {}",
                cert.display()
            ),
            Why::Worse(flaw, old) => write!(
                f,
                "the certificate in {path} {flaw}, and the one in use is good (for {old})"
            ),
        }
    }
}

impl std::error::Error for CertificateError {}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Expired => f.write_str("has expired"),
            Flaw::NotYet => f.write_str("is not valid yet"),
            Flaw::Nameless => f.write_str(
                "is for no host (browsers look at alternative names, subjectAltName, and not at the \
                 common name)",
            ),
            Flaw::NotForServers => f.write_str("is not for servers (extended key usage)"),
            Flaw::OtherHosts(hosts) => write!(
                f,
                "is for {hosts}, and for none of the hosts of the one in use: if that is meant, a \
                 restart takes it"
            ),
        }
    }
}

fn wrong(path: &Path, why: Why) -> CertificateError {
    CertificateError {
        path: path.to_owned(),
        of_key: false,
        why,
    }
}

fn wrong_key(path: &Path, why: Why) -> CertificateError {
    CertificateError {
        of_key: true,
        ..wrong(path, why)
    }
}

fn millis(time: ASN1Time) -> Millis {
    Millis(
        u64::try_from(time.timestamp())
            .unwrap_or(0)
            .saturating_mul(1000),
    )
}

/// The hosts of a certificate; browsers have long looked at its alternative names only.
fn hosts(parsed: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let names = parsed.subject_alternative_name();
    let names = names.map_err(|error| error.to_string())?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let hosts = names.filter_map(|name| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        _ => None,
    });
    Ok(hosts.collect())
}
