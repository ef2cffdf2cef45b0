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

/// Adds the authority's certificate to those of the file: the stored one, or, if there is none that
/// is still valid, one of our own to start with.
///
/// # Errors
/// When the state folder cannot be written.
pub fn prepare(config: &Config, mut tls: TlsConfig) -> io::Result<TlsConfig> {
    let Some(acme) = &config.acme else {
        return Ok(tls);
    };
    let kept = Kept::new(acme, &config.state)?;
    let pair = kept.pair();
    if tls::check(&pair).is_ok_and(|certificate| !certificate.has_expired()) {
        tracing::info!(directory = acme.directory, "the stored certificate is used");
    } else {
        kept.store_stand_in(&acme.hosts)?;
        tracing::warn!(
            directory = acme.directory,
            "there is no certificate of this authority yet: until it gives one, visitors are shown \
             one of our own, which browsers do not trust"
        );
    }
    tls.certificates.push(pair);
    Ok(tls)
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
                    () = tls.hurry.notified() => {}
                }
                pause = pause.scale(3.0).min(PAUSE_MAX);
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
    (certificate.not_before + life.scale(part)).since(host::now())
}

/// Whether these are its hosts, no more and no less.
fn is_for(certificate: &Certificate, hosts: &[String]) -> bool {
    let its = certificate.hosts();
    its.len() == hosts.len() && hosts.iter().all(|host| its.contains(host))
}
