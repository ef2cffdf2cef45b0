//! Asking servers whether they are there, when nobody else asks.

use super::connect::NoConnection;
use super::health::Outcome;
use super::pool::{Pool, Wanted};
use super::upload::RequestBody;
use super::{Portal, Why, connector, tls, via};
use crate::config;
use crate::host;
use crate::time::Span;
use http::{Request, StatusCode, Version};
use std::sync::Arc;

/// Whatever is doubted, a server is probed no more often than this.
const APART: Span = Span(200);

/// A probe is nobody's.
const WANTED: Wanted = Wanted {
    visitor: None,
    http1: false,
    again: false,
};

/// Connects to one server of a portal, by TLS where that is configured, and lets it go again.
///
/// # Errors
/// What is wrong with it, in words that follow its name.
pub async fn try_server(
    portal: &config::Portal,
    server: usize,
    patience: Span,
) -> Result<(), String> {
    let connector = connector(portal, tls(portal), server);
    let connect = connector.connect(WANTED.visitor, WANTED.http1);
    match tokio::time::timeout(patience.into(), connect).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(NoConnection::Unreachable(why))) => Err(why),
        Ok(Err(NoConnection::Exhausted)) => {
            Err("cannot be tried: we have no open files or ports left".to_owned())
        }
        Err(_) => Err("does not answer in time".to_owned()),
    }
}

impl Portal {
    /// Probes one server for as long as the program runs: at the interval while it is up, sooner
    /// while it is in doubt, with growing waits while it is down.
    pub async fn probe_forever(self: Arc<Self>, server: usize) {
        let mut dice = fastrand::Rng::with_seed(host::seed());
        let pool = self.pool(server, self.config.health.timeout);
        // The first probe at once: a portal that is down at the start is known as such soon.
        loop {
            if let Some((outcome, why)) = self.probe(&pool).await {
                if outcome == Outcome::Erred {
                    self.log_broken(server, &why);
                }
                self.probed(server, outcome, why);
            }
            self.next_probe(server, &mut dice).await;
        }
    }

    /// Returns when the server is to be probed again.
    async fn next_probe(&self, server: usize, dice: &mut fastrand::Rng) {
        let health = &self.config.health;
        let (pause, up) = {
            let known = &mut self.health()[server].health;
            let pause = match known.is_up() {
                true if known.is_doubted() => health.probe_min.min(health.interval),
                true => health.interval,
                false => known.next_wait(health.probe_min, health.probe_max, dice.f64()),
            };
            (pause, known.is_up())
        };
        let first = pause.min(APART);
        tokio::time::sleep(first.into()).await;
        let rest = tokio::time::sleep(Span(pause.0 - first.0).into());
        tokio::select! {
            () = rest => {}
            () = self.doubted[server].notified(), if up => {}
        }
    }

    /// How one probe went, and why it failed if it has; nothing, if we could not even ask.
    async fn probe(&self, pool: &Arc<Pool>) -> Option<(Outcome, Why)> {
        let health = &self.config.health;
        let request = Request::get(health.path.as_str())
            .header(http::header::HOST, pool.address().to_string())
            .header(http::header::USER_AGENT, "preau-probe")
            .header(http::header::VIA, via::entry(Version::HTTP_11))
            .body(RequestBody::none());
        let Ok(request) = request else {
            return Some((Outcome::Failed, "cannot be asked for this path".into()));
        };
        let ask = async {
            let mut sender = pool.connect(WANTED).await?;
            let answer = sender.send(request).await;
            answer.map_err(|_| NoConnection::Unreachable("breaks the connection".to_owned()))
        };
        let asked = tokio::time::timeout(health.timeout.into(), ask).await;
        pool.forget();
        match asked {
            Ok(Ok(answer)) => Some(judge(answer.status())),
            Ok(Err(NoConnection::Exhausted)) => {
                self.log_exhausted();
                None
            }
            Ok(Err(NoConnection::Unreachable(why))) => Some((Outcome::Failed, why.into())),
            Err(_) => Some((Outcome::Failed, "does not answer in time".into())),
        }
    }
}

fn judge(status: StatusCode) -> (Outcome, Why) {
    match status {
        // The way is wrong, not the server; visitors hear the same.
        StatusCode::LOOP_DETECTED => (
            Outcome::Erred,
            "sends requests back to us (508): `servers` names this proxy, or another in front of it".into(),
        ),
        status if status.is_server_error() => {
            (Outcome::Failed, format!("answers {status} to probes").into())
        }
        _ => (Outcome::Answered, Why::Borrowed("")),
    }
}
