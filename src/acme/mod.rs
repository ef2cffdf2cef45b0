//! A certificate that an authority gives us and renews (ACME, RFC 8555), for the hosts of `[acme]`.
//!
//! [`prepare`] sees to it that there is a certificate to start with; [`keep`] orders a new one when
//! it is time, beside the desk and away from visitors. `order` is the talk with the authority, by
//! `client`; `kept` is what stays in the state folder; [`crate::tls::Proofs`] are shown by the front.
//! A new certificate is taken like any other whose file has changed.

mod client;
mod kept;
mod order;

use crate::config::{self, AcmeConfig, Config, TlsConfig};
use crate::host;
use crate::time::Span;
use crate::tls::{self, Certificate, Tls};
use client::Client;
use fastrand::Rng;
use kept::Kept;
use order::AcmeError;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The certificate is renewed after this part of its life …
const RENEWED: f64 = 2.0 / 3.0;
/// … or up to this part later, so that not everybody comes at once.
const JITTER: f64 = 1.0 / 60.0;
/// How often the clock is asked whether it is time, at least.
const LOOK: Span = Span::mins(60);
/// Pause after a failure. The next ones are thrice as long each: fewer than the five failures an
/// hour that Let's Encrypt forgives.
const PAUSE: Span = Span::mins(1);
/// The longest pause between failures.
const PAUSE_MAX: Span = Span::mins(6 * 60);
/// Time for one order, all in all.
const ORDER_MAX: Duration = Duration::from_secs(5 * 60);

/// The certificates of the file, and that of the authority as the last: the stored one, or, if there
/// is none that is still valid and for one of the hosts, one of our own to start with. If its disk cannot be written and no
/// expired one is there, ours is returned, too: what is shown until the last can be read.
///
/// # Errors
/// When the state folder cannot be written for another reason than its disk.
pub fn prepare(config: &Config) -> io::Result<(TlsConfig, Option<String>)> {
    let mut tls = config.tls.clone();
    let Some(acme) = &config.acme else {
        return Ok((tls, None));
    };
    let directory = &acme.directory;
    let kept = Kept::at(acme, &config.state);
    let pair = kept.pair();
    tls.certificates.push(pair.clone());
    let stored = tls::check(&pair);
    let serves = |it: &Certificate| acme.hosts.iter().any(|host| it.covers(host));
    if (stored.as_ref()).is_ok_and(|it| !it.has_expired() && serves(it)) {
        tracing::info!(directory, "the stored certificate is used");
        return Ok((tls, None));
    }
    let pem = kept::stand_in(&acme.hosts)?;
    match kept.store_stand_in(&pem) {
        Ok(()) => {
            tracing::warn!(
                directory,
                "there is no certificate of this authority for these hosts yet: until it gives one, \
                 visitors are shown one of our own, which browsers do not trust"
            );
            Ok((tls, None))
        }
        Err(error) if host::is_of_disk(&error) => {
            tracing::error!(
                directory,
                "there is no valid certificate of this authority, and none can be stored ({error}. {}): \
                 until then visitors are shown one that browsers do not trust",
                host::remedy(&error)
            );
            Ok((tls, stored.is_err().then_some(pem)))
        }
        Err(error) => Err(error),
    }
}

/// Orders a certificate whenever it is time, and stores it; `tell` hears whether it worked. What is
/// in use stays until there is a better one.
pub async fn keep(config: &AcmeConfig, state: &Path, tls: &Tls, tell: impl Fn(bool)) -> Infallible {
    let mut dice = Rng::with_seed(host::seed());
    let part = RENEWED + JITTER * dice.f64();
    let client = Client::new(config);
    let mut pause = PAUSE;
    loop {
        let wait = match Kept::new(config, state) {
            Ok(kept) => due(config, &kept, part),
            Err(_) => Span::ZERO,
        };
        if wait > Span::ZERO {
            tokio::time::sleep(wait.min(LOOK).into()).await;
            continue;
        }
        let directory = &config.directory;
        // From now on: whoever asks while an attempt is under way is not forgotten.
        let hurried = tls.hurry.notified();
        match renew(config, state, tls, &client, part).await {
            Ok(()) => {
                pause = PAUSE;
                tracing::info!(directory, "the authority has given a certificate");
                tell(true);
            }
            Err(error) => {
                let again = Span::secs(pause.scale(1.0 + dice.f64() / 10.0).ceil_secs());
                tracing::error!(
                    directory,
                    "no new certificate: {error}. The one in use stays; this is tried again in {}, \
                     or at a reload",
                    config::show(again)
                );
                tell(false);
                tokio::select! {
                    () = tokio::time::sleep(again.into()) => {}
                    () = hurried => {}
                }
                pause = longer(pause);
            }
        }
    }
}

/// Orders a certificate, looks at it, and stores it.
async fn renew(
    config: &AcmeConfig,
    state: &Path,
    tls: &Tls,
    client: &Client,
    part: f64,
) -> Result<(), AcmeError> {
    let kept = Kept::new(config, state).map_err(AcmeError::Store)?;
    let order = order::run(config, &kept, &tls.proofs, client);
    let given = tokio::time::timeout(ORDER_MAX, order).await;
    let pem = given.map_err(|_| AcmeError::Late)??;
    let fits = |certificate: &Certificate| {
        is_for(certificate, &config.hosts) && wait(certificate, part) > Span::ZERO
    };
    kept.store_certificate(&pem, fits)
}

/// The pause after the next failure.
fn longer(pause: Span) -> Span {
    pause.scale(3.0).min(PAUSE_MAX)
}

/// How long the stored certificate is good enough.
fn due(config: &AcmeConfig, kept: &Kept, part: f64) -> Span {
    match tls::check(&kept.pair()) {
        Ok(certificate) if is_for(&certificate, &config.hosts) => wait(&certificate, part),
        _ => Span::ZERO,
    }
}

/// How long until `part` of the life of a certificate has passed.
fn wait(certificate: &Certificate, part: f64) -> Span {
    let life = certificate.not_after.since(certificate.not_before);
    (certificate.not_before + life.scale(part)).since(host::wall())
}

/// Whether these are its hosts, no more and no less.
fn is_for(certificate: &Certificate, hosts: &[String]) -> bool {
    let its = certificate.hosts();
    its.len() == hosts.len() && hosts.iter().all(|host| its.contains(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostPattern, Source, parse};
    use std::fs;
    use std::path::PathBuf;

    const HOSTS: &str = "\"ent.example.fr\", \"cas.example.fr\"";

    fn config(state: &Path, directory: &str, hosts: &str) -> Config {
        let text = format!(
            "state = {state:?}\nportal = [{{ servers = \"http://10.0.0.5\" }}]\n\
             listener = [{{ address = \"0.0.0.0:443\", tls = true }}, \
             {{ address = \"0.0.0.0:80\", redirect = \"https\" }}]\n\
             [acme]\nterms_agreed = true\nhosts = [{hosts}]\ndirectory = {directory:?}\n"
        );
        let source = Source {
            name: "test.toml",
            text: &text,
            overrides: &[],
        };
        parse(source).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The file that a start would use.
    fn prepared(config: &Config) -> PathBuf {
        let (tls, stand_in) = prepare(config).unwrap();
        assert!(stand_in.is_none());
        assert_eq!(tls.certificates.len(), 1);
        tls.certificates[0].cert.clone()
    }

    fn due_in(config: &Config) -> Span {
        let acme = config.acme.as_ref().unwrap();
        let kept = Kept::new(acme, &config.state).unwrap();
        due(acme, &kept, RENEWED)
    }

    #[test]
    fn a_stand_in_is_good_enough_to_start_and_due_at_once() {
        let state = tempfile::tempdir().unwrap();
        let config = config(state.path(), "https://a.fr/dir", HOSTS);
        let acme = config.acme.as_ref().unwrap();
        let file = prepared(&config);
        let kept = Kept::new(acme, &config.state).unwrap();
        let certificate = tls::check(&kept.pair()).unwrap();
        assert!(is_for(&certificate, &acme.hosts) && !certificate.has_expired());
        assert!(certificate.not_after < host::wall() + Span::mins(8 * 24 * 60));
        assert_eq!(due_in(&config), Span::ZERO);
        // A second start has nothing to make.
        let before = fs::read(&file).unwrap();
        assert_eq!(prepared(&config), file);
        assert_eq!(fs::read(&file).unwrap(), before);
        fs::write(&file, "damaged").unwrap();
        prepared(&config);
        assert!(tls::check(&kept.pair()).is_ok());
    }

    /// A key and a certificate that will be good for years, as an authority would give.
    fn given(hosts: &[&str]) -> String {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let [key, its] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
        let mut authority = rcgen::CertificateParams::default();
        (authority.distinguished_name).push(rcgen::DnType::CommonName, "An authority");
        let authority = rcgen::Issuer::new(authority, its);
        let mut params = rcgen::CertificateParams::new(hosts).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2126, 1, 1);
        key.serialize_pem() + &params.signed_by(&key, &authority).unwrap().pem()
    }

    #[test]
    fn what_is_given_is_stored_if_it_fits_and_is_due_when_hosts_or_authority_change() {
        let state = tempfile::tempdir().unwrap();
        let here = config(state.path(), "https://a.fr/dir", HOSTS);
        let kept = Kept::new(here.acme.as_ref().unwrap(), &here.state).unwrap();
        let file = prepared(&here);
        let before = fs::read(&file).unwrap();
        let fits = |it: &Certificate| is_for(it, &here.acme.as_ref().unwrap().hosts);
        let other = given(&["ent.example.fr"]);
        for bad in ["", &other[..60], &other] {
            assert!(kept.store_certificate(bad, fits).is_err(), "{bad}");
            assert_eq!(fs::read(&file).unwrap(), before, "the old one stays");
        }
        let good = given(&["cas.example.fr", "ent.example.fr"]);
        kept.store_certificate(&good, fits).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), good);
        assert!(due_in(&here) > Span::mins(365 * 24 * 60));

        let fewer = config(state.path(), "https://a.fr/dir", "\"ent.example.fr\"");
        assert_eq!(due_in(&fewer), Span::ZERO);
        assert_eq!(fs::read_to_string(prepared(&fewer)).unwrap(), good);
        let elsewhere = config(state.path(), "https://b.fr/dir", HOSTS);
        assert_eq!(due_in(&elsewhere), Span::ZERO);
        assert_ne!(prepared(&elsewhere), file);
    }

    /// As `serve` does at its start, and then at a look at the files: a host in the file was wrong, or was
    /// another, and what the authority gives for the new one is taken.
    #[test]
    fn what_is_given_for_other_hosts_than_before_is_taken() {
        let state = tempfile::tempdir().unwrap();
        let at = |hosts: &str| config(state.path(), "https://a.fr/dir", hosts);
        for (wrong, has_been_given) in [("etn.example.fr", false), ("old.example.fr", true)] {
            let before = at(&format!("\"{wrong}\""));
            let kept = Kept::new(before.acme.as_ref().unwrap(), &before.state).unwrap();
            prepared(&before);
            if has_been_given {
                kept.store_certificate(&given(&[wrong]), |_| true).unwrap();
            }
            let (wanted, stand_in) = prepare(&at(HOSTS)).unwrap();
            let rooms = vec![HostPattern::any()];
            let tls = Tls::new(&wanted, stand_in, rooms).unwrap();
            let shown = tls.shelf.certificates();
            assert!(shown[0].covers("cas.example.fr"), "{wrong}: {shown:?}");
            let right = given(&["ent.example.fr", "cas.example.fr"]);
            kept.store_certificate(&right, |_| true).unwrap();
            let changes = tls.shelf.look(false);
            assert!(
                matches!(&changes[..], [tls::Change::Taken(_)]),
                "{wrong}: {changes:?}"
            );
        }
    }

    #[test]
    fn pauses_grow_from_a_minute_to_six_hours() {
        let mut pauses = std::iter::successors(Some(PAUSE), |pause| Some(longer(*pause)));
        let minutes = |pause: Span| pause.0 / Span::mins(1).0;
        let first: Vec<u64> = pauses.by_ref().take(7).map(minutes).collect();
        assert_eq!(first, [1, 3, 9, 27, 81, 243, 360]);
        assert_eq!(pauses.next(), Some(PAUSE_MAX));
    }
}
