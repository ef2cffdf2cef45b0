//! Proofs that a host is ours, for an authority that looks before it gives a certificate: it asks
//! the host, without TLS, for something that only we can know (ACME, HTTP-01; RFC 8555 §8.3).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the address of a proof begins with; its token follows.
const PREFIX: &str = "/.well-known/acme-challenge/";

/// What is shown at this moment: nothing most of the time, and at most one for each host of a
/// certificate while it is ordered.
#[derive(Clone, Debug, Default)]
pub struct Proofs(Arc<Mutex<HashMap<String, String>>>);

/// A proof is shown until this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Shown {
    proofs: Proofs,
    token: String,
}

impl Proofs {
    /// Shows `proof` to whoever asks for `token`.
    pub fn show(&self, token: String, proof: String) -> Shown {
        self.shown().insert(token.clone(), proof);
        Shown {
            proofs: self.clone(),
            token,
        }
    }

    /// The proof at `target` (path and query as they came), if there is one.
    pub fn at(&self, target: &str) -> Option<String> {
        let token = target.strip_prefix(PREFIX)?;
        self.shown().get(token).cloned()
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.proofs.shown().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_at_its_address_only_and_as_long_as_it_is_shown() {
        let proofs = Proofs::default();
        let shown = proofs.show("tok".into(), "tok.key".into());
        let there = "/.well-known/acme-challenge/tok";
        assert_eq!(proofs.at(there).as_deref(), Some("tok.key"));
        for elsewhere in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge/toc",
            "/.well-known/acme-challenge/tok/",
            "/.well-known/acme-challenge/tok?a",
            "/.well-known//acme-challenge/tok",
            "/.well-known/acme-challenge/%74ok",
            "/tok",
        ] {
            assert_eq!(proofs.at(elsewhere), None, "{elsewhere}");
        }
        drop(shown);
        assert_eq!(proofs.at(there), None);
    }
}
