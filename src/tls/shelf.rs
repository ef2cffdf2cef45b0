//! The certificates in use: chosen by the host that a visitor names, changed while visitors come.

use super::certificate::{Certificate, CertificateError, Files};
use crate::config::{HostPattern, Pair};
use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The certificates in use.
pub struct Shelf {
    pairs: Vec<Pair>,
    /// Those of the rooms.
    hosts: Vec<HostPattern>,
    provider: Arc<CryptoProvider>,
    set: ArcSwap<Set>,
    /// Why each pair was refused last, so that it is said once. Held while files are read.
    refused: Mutex<Vec<Option<String>>>,
}

/// What came of a look at one pair of files.
#[derive(Debug)]
pub enum Change {
    /// There is a new certificate.
    Taken(Arc<Certificate>),
    /// The files are no good, or not as good: the old one stays.
    Kept(CertificateError),
}

/// The certificates at one moment.
struct Set {
    /// In the order of the file.
    certificates: Vec<Arc<Certificate>>,
    /// Which are for a host; a key is as it stands in the certificate.
    by_host: HashMap<String, Vec<usize>>,
}

impl Shelf {
    /// Reads every pair, for rooms at `hosts`; in place of the last one, `stand_in` is used until it can
    /// be read.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn new(
        pairs: &[Pair],
        mut stand_in: Option<String>,
        hosts: Vec<HostPattern>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Shelf, CertificateError> {
        let mut certificates = Vec::with_capacity(pairs.len());
        for (index, pair) in pairs.iter().enumerate() {
            let last = index + 1 == pairs.len();
            let files = match stand_in.take_if(|_| last) {
                Some(pem) => Files::of(pem),
                None => Files::read(pair)?,
            };
            certificates.push(Arc::new(files.parse(pair, &provider)?));
        }
        Ok(Shelf {
            refused: Mutex::new(certificates.iter().map(|_| None).collect()),
            set: ArcSwap::from_pointee(Set::new(certificates)),
            pairs: pairs.to_vec(),
            hosts,
            provider,
        })
    }

    /// The certificates in use, in the order of the file.
    pub fn certificates(&self) -> Vec<Arc<Certificate>> {
        self.set.load().certificates.clone()
    }

    /// The certificate that a visitor sees who names `host`.
    pub fn shown(&self, host: Option<&str>) -> Option<Arc<Certificate>> {
        let set = self.set.load();
        set.pick(host, |_| true).cloned()
    }

    /// Reads again what has changed. What is no good keeps the old one, and is told once, or each
    /// time if `asked`.
    pub fn look(&self, asked: bool) -> Vec<Change> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let mut certificates = self.certificates();
        let mut changes = Vec::new();
        for (index, pair) in self.pairs.iter().enumerate() {
            let looked = self.look_at(pair, &certificates[index]);
            let why = looked.as_ref().err().map(ToString::to_string);
            match looked {
                Ok(None) => {}
                Ok(Some(new)) => {
                    certificates[index] = Arc::new(new);
                    changes.push(Change::Taken(certificates[index].clone()));
                }
                Err(_) if !asked && why == refused[index] => {}
                Err(error) => changes.push(Change::Kept(error)),
            }
            refused[index] = why;
        }
        if changes.iter().any(|it| matches!(it, Change::Taken(_))) {
            self.set.store(Arc::new(Set::new(certificates)));
        }
        changes
    }

    /// The new certificate, if the files have changed; never one that is worse than the old.
    fn look_at(
        &self,
        pair: &Pair,
        old: &Certificate,
    ) -> Result<Option<Certificate>, CertificateError> {
        let files = Files::read(pair)?;
        if files.mark() == old.mark {
            return Ok(None);
        }
        let new = files.parse(pair, &self.provider)?;
        match new.worse_than(old, &self.hosts) {
            Some(flaw) => Err(CertificateError::worse(pair, flaw, old)),
            None => Ok(Some(new)),
        }
    }
}

impl Set {
    fn new(certificates: Vec<Arc<Certificate>>) -> Set {
        let mut by_host: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, certificate) in certificates.iter().enumerate() {
            for host in certificate.hosts() {
                by_host.entry(host.clone()).or_default().push(index);
            }
        }
        Set {
            certificates,
            by_host,
        }
    }

    /// The first that is for exactly `host`, or for its siblings, and that `fits`; if none does,
    /// the first for the host; if there is none, the first of all.
    fn pick(
        &self,
        host: Option<&str>,
        fits: impl Fn(&Certificate) -> bool,
    ) -> Option<&Arc<Certificate>> {
        let host = host.unwrap_or_default().to_ascii_lowercase();
        let siblings = host
            .split_once('.')
            .map(|(_, parent)| format!("*.{parent}"));
        let exact = self.by_host.get(&host);
        let found = exact.or_else(|| self.by_host.get(siblings.as_ref()?));
        let named = found
            .into_iter()
            .flatten()
            .map(|at| &self.certificates[*at]);
        let fitting = named.clone().find(|certificate| fits(certificate));
        fitting
            .or_else(|| named.clone().next())
            .or_else(|| self.certificates.first())
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let set = self.set.load();
        let signs = |certificate: &Certificate| {
            let key = &certificate.key.key;
            key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let picked = set.pick(hello.server_name(), signs)?;
        Some(picked.key.clone())
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.pairs).finish()
    }
}
