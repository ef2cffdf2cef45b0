//! Certificates that change while visitors come: read again when asked (SIGHUP), and when their
//! files have changed. Connections that are open keep the one that they have seen.

use crate::front::House;
use crate::host;
use crate::time::Span;
use crate::tls::{Certificate, Change};
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// A certificate that ends sooner than this is worth a word when it is read.
const SOON: Span = Span::mins(14 * 24 * 60);

/// Looks at the files now and then; never ends.
pub async fn watch(house: Arc<House>) {
    loop {
        tokio::time::sleep(LOOK).await;
        look(&house, false);
    }
}

/// Has the certificate of `[acme]` renewed when it is time; ends only if there is none.
#[cfg(feature = "acme")]
pub async fn renew(house: Arc<House>) {
    let (Some(acme), Some(tls)) = (&house.config.acme, &house.tls) else {
        return;
    };
    let tell = |renewed| match renewed {
        true => look(&house, false),
        false => house.metrics.tls.kept.inc(),
    };
    crate::acme::keep(acme, &house.config.state, tls, tell).await;
}

/// Reads what has changed. What is no good is told once, or each time if `asked`.
pub fn look(house: &House, asked: bool) {
    let Some(tls) = &house.tls else {
        return;
    };
    if asked {
        tls.hurry.notify_waiters();
    }
    for change in tls.shelf.look(asked) {
        match change {
            Change::Taken(certificate) => {
                house.metrics.tls.taken.inc();
                tracing::info!(name = certificate.name, "a new certificate is in use");
                warn_of_end(&certificate);
            }
            Change::Kept(error) => {
                house.metrics.tls.kept.inc();
                tracing::error!("the old certificate is kept: {error}");
            }
        }
    }
}

/// Says which certificates end soon, or have ended.
pub fn warn_of_ends(house: &House) {
    let tls = house.tls.iter();
    let certificates = tls.flat_map(|tls| tls.shelf.certificates());
    certificates.for_each(|certificate| warn_of_end(&certificate));
}

fn warn_of_end(certificate: &Certificate) {
    let name = &certificate.name;
    for doubt in &certificate.doubts {
        tracing::warn!(name, "of this certificate: {doubt}");
    }
    if certificate.has_expired() {
        tracing::error!(name, "this certificate has expired: browsers refuse it");
    } else if certificate.not_after < host::wall() + SOON {
        let days = certificate.not_after.since(host::wall()).0 / Span::mins(24 * 60).0;
        tracing::warn!(name, days, "this certificate expires soon");
    }
}
