//! Asking servers whether they are there, when nobody else asks.
//!
//! A probe is as much like a visitor as can be, for many servers are not the same to everybody: it asks
//! for the visitors' host, over the same kind of connection, with the fields that tell of them. Only
//! its name, and the `LOCAL` of the PROXY protocol, say that it is none.

use super::client::words;
use super::connect::{Connector, NoConnection};
use super::health::Outcome;
use super::pool::{Pool, Wanted};
use super::upload::RequestBody;
use super::{Portal, Why, connector, keep, tls, via};
use crate::config::{self, Check};
use crate::host;
use crate::time::Span;
use http::header::{ACCEPT, FORWARDED, HOST, USER_AGENT, VIA};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use std::sync::Arc;

/// Whatever is doubted, a server is probed no more often than this.
const APART: Span = Span(200);

/// A probe is nobody's.
const WANTED: Wanted = Wanted {
    visitor: None,
    http1: false,
    again: false,
};

/// Who asks.
const AGENT: &str = concat!("preau/", env!("CARGO_PKG_VERSION"), " (health)");

/// Sends one server of a portal the very probe that a running program sends.
///
/// # Errors
/// Both ways in words that follow the server's name: what it says, or what is wrong with it.
pub async fn try_server(portal: &config::Portal, server: usize) -> Result<String, String> {
    let pool = pool(portal, connector(portal, tls(portal), server));
    match ask(portal, &pool).await {
        Ok(said) if said.outcome == Outcome::Answered => Ok(said.words.into_owned()),
        Ok(said) => Err(said.words.into_owned()),
        Err(Exhausted) => Err("cannot be tried: we have no open files or ports left".to_owned()),
    }
}

/// How a probe went.
struct Said {
    outcome: Outcome,
    /// In words that follow the server's name.
    words: Why,
}

/// We could not even ask.
struct Exhausted;

impl Portal {
    /// Probes one server for as long as the program runs: at the interval while it is up, sooner
    /// while it is in doubt, with growing waits while it is down.
    pub async fn probe_forever(self: Arc<Self>, server: usize) {
        let mut dice = fastrand::Rng::with_seed(host::seed());
        let pool = pool(&self.config, self.connector(server));
        // The first probe at once: a portal that is down at the start is known as such soon.
        loop {
            match ask(&self.config, &pool).await {
                Ok(said) => {
                    if said.outcome == Outcome::Erred {
                        self.log_broken(server, &said.words);
                    }
                    self.probed(server, said.outcome, said.words);
                }
                Err(Exhausted) => self.log_exhausted(),
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
            () = self.addresses[server].moved() => {}
        }
    }
}

/// Connections for the probes of one server.
fn pool(portal: &config::Portal, mut connector: Connector) -> Arc<Pool> {
    if portal.health.check == Check::Tcp {
        connector.tls = None;
    }
    let patience = portal.connect_timeout.min(portal.health.timeout);
    Pool::new(connector, keep(portal), patience)
}

/// One probe.
async fn ask(portal: &config::Portal, pool: &Arc<Pool>) -> Result<Said, Exhausted> {
    let health = &portal.health;
    let asked = tokio::time::timeout(health.timeout.into(), answer(portal, pool)).await;
    pool.forget();
    let question = || question(portal, pool);
    match asked {
        Ok(Ok(None)) => Ok(Said {
            outcome: Outcome::Answered,
            words: match health.check {
                Check::Tls => "takes connections and speaks TLS".into(),
                Check::Http | Check::Tcp => "takes connections".into(),
            },
        }),
        Ok(Ok(Some(answer))) => Ok(judge(health, answer.status(), &question())),
        Ok(Err(NoConnection::Exhausted)) => Err(Exhausted),
        Ok(Err(NoConnection::Unreachable(why))) => Ok(Said {
            outcome: Outcome::Failed,
            words: why.into(),
        }),
        Err(_) => Ok(Said {
            outcome: Outcome::Failed,
            words: "does not answer in time".into(),
        }),
    }
}

/// What a server answers, if it is asked for more than a connection.
async fn answer(
    portal: &config::Portal,
    pool: &Arc<Pool>,
) -> Result<Option<Response<Incoming>>, NoConnection> {
    let mut sender = pool.connect(WANTED).await?;
    if portal.health.check != Check::Http {
        return Ok(None);
    }
    let wrong = |why| NoConnection::Unreachable(why);
    let request = request(portal, pool);
    let request = request.map_err(|_| wrong("cannot be asked for this".to_owned()))?;
    let answer = sender.send(request).await;
    let broken = |why: String| wrong(format!("{why} to {}", question(portal, pool)));
    answer
        .map(Some)
        .map_err(|error| broken(words(error.error())))
}

fn request(portal: &config::Portal, pool: &Pool) -> http::Result<Request<RequestBody>> {
    let health = &portal.health;
    let host = host_of(portal, pool);
    let scheme = match health.secure {
        true => "https",
        false => "http",
    };
    let quoted = match host.contains([':', '[']) {
        true => format!("\"{host}\""),
        false => host.clone(),
    };
    let forwarded = format!("for=127.0.0.1;host={quoted};proto={scheme}");
    Request::builder()
        .method(health.method.clone())
        .uri(health.path.as_str())
        .header(HOST, &host)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "*/*")
        .header(VIA, via::entry(Version::HTTP_11))
        .header(FORWARDED, forwarded)
        .header("x-forwarded-for", "127.0.0.1")
        .header("x-forwarded-proto", scheme)
        .header("x-forwarded-host", host)
        .body(RequestBody::none())
}

fn host_of(portal: &config::Portal, pool: &Pool) -> String {
    let host = portal.health.host.clone();
    host.unwrap_or_else(|| pool.address().to_string())
}

/// What is asked, in words.
fn question(portal: &config::Portal, pool: &Pool) -> String {
    let config::Health { method, path, .. } = &portal.health;
    let path = path.split('?').next().unwrap_or_default();
    let host = host_of(portal, pool);
    let hint = match portal.health.host {
        Some(_) => "",
        None => {
            " (a server that answers by host may know no such: `health.host` says for which to ask)"
        }
    };
    format!("`{method} {path}` for {host}{hint}")
}

fn judge(health: &config::Health, status: StatusCode, question: &str) -> Said {
    let (outcome, words) = match status {
        // The way is wrong, not the server; visitors hear the same.
        StatusCode::LOOP_DETECTED => (
            Outcome::Erred,
            "sends requests back to us (508): `servers` names this proxy, or another in front of it"
                .to_owned(),
        ),
        _ if health.is_good(status.as_u16()) => {
            (Outcome::Answered, format!("answers {status} to {question}"))
        }
        _ => {
            let words = format!("answers {status} to {question}, and that is not good (`health.status`)");
            (Outcome::Unwanted, words)
        }
    };
    Said {
        outcome,
        words: words.into(),
    }
}
