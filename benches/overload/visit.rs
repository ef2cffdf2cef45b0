//! One visit: a form, a sign-on, pages with time to read them, and for most a way out.

use crate::browser::{Ask, Browser};
use serde::Deserialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Nobody waits longer for an answer …
const PATIENCE: Duration = Duration::from_secs(10);
/// … or reloads after so many failures.
const FAILURES_MAX: u32 = 3;
/// The impatient reload when nothing has come for this long.
const IMPATIENCE: Duration = Duration::from_secs(4);
/// Between a failure and the next attempt, in seconds.
const AFTER_FAILURE: (f64, f64) = (1.0, 3.0);
/// Between two polls, if nobody says how long.
const POLL: f64 = 5.0;
/// Pages of a visit beside form, sign-on and way out.
pub const PAGES: usize = 11;
/// Those who log out; the others just go.
pub const LOG_OUT: f64 = 0.75;
/// Those who are impatient.
const IMPATIENT: f64 = 0.3;

/// How people are.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Seconds between two pages, from and to.
    pub thinks: (f64, f64),
    pub impatient: bool,
    pub logs_out: bool,
}

impl Manners {
    /// Drawn by lot.
    pub fn draw(chance: &mut fastrand::Rng, thinks: (f64, f64)) -> Manners {
        Manners {
            thinks,
            impatient: chance.f64() < IMPATIENT,
            logs_out: chance.f64() < LOG_OUT,
        }
    }
}

/// What is known of a visit. Times in seconds since the crowd began to come.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub arrived: f64,
    /// The first answer of the portal.
    pub entered: Option<f64>,
    pub ended: Option<(f64, End)>,
    /// Of each page inside: when it was there or given up, and how long that took.
    pub pages: Vec<(f64, f64)>,
    /// The first promise: when it was given, and how long it would take at most.
    pub promise: Option<(f64, f64)>,
    pub called: Option<f64>,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Completed,
    /// Without an answer of the portal.
    NeverIn,
    /// After one.
    BrokenOff,
}

/// Somebody who visits.
pub struct Visitor {
    pub browser: Browser,
    pub manners: Manners,
    pub chance: fastrand::Rng,
    pub began: Instant,
    pub record: Arc<Mutex<Record>>,
}

/// What came of an attempt.
#[derive(PartialEq, Eq)]
enum Came {
    Answer,
    /// A place in line.
    Place,
    Nothing,
}

/// What a waiting page is told.
#[derive(Deserialize)]
struct Status {
    state: String,
    wait_seconds: Option<Range>,
    poll_after_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Range {
    high: f64,
}

impl Visitor {
    /// Comes, visits and goes.
    pub async fn visit(mut self) {
        self.note(|record, now| record.arrived = now);
        let end = self.walk().await;
        self.note(|record, now| record.ended = Some((now, end)));
    }

    async fn walk(&mut self) -> End {
        let mut failures = 0;
        while !self.enter().await {
            failures += 1;
            if failures == FAILURES_MAX {
                return End::NeverIn;
            }
            self.pause(AFTER_FAILURE).await;
        }
        self.note(|record, now| record.entered = Some(now));
        let mut paths = vec!["/connexion".to_owned()];
        paths.extend((0..PAGES).map(|page| format!("/page/{page}")));
        if self.manners.logs_out {
            paths.push("/deconnexion".to_owned());
        }
        failures = 0;
        for path in paths {
            self.pause(self.manners.thinks).await;
            while !self.open(&path).await {
                failures += 1;
                if failures == FAILURES_MAX {
                    return End::BrokenOff;
                }
                self.pause(AFTER_FAILURE).await;
            }
        }
        End::Completed
    }

    /// The form; whoever gets a place in line waits.
    async fn enter(&mut self) -> bool {
        loop {
            match self.attempt("/").await {
                Came::Answer => return true,
                Came::Place => self.wait().await,
                Came::Nothing => return false,
            }
        }
    }

    /// A page inside.
    async fn open(&mut self, path: &str) -> bool {
        let began = self.now();
        let came = self.attempt(path).await;
        self.note(|record, now| record.pages.push((now, now - began)));
        came == Came::Answer
    }

    /// Asks for a page, and again if one is impatient, until there is an answer or no patience left.
    async fn attempt(&mut self, path: &str) -> Came {
        let ask = Ask {
            path,
            form: (path == "/connexion").then_some("prenom=Zoe"),
            script: false,
        };
        let reloads = match self.manners.impatient {
            true => IMPATIENCE,
            false => PATIENCE,
        };
        let browser = &mut self.browser;
        let asked = async {
            loop {
                if let Ok(answer) = timeout(reloads, browser.ask(ask)).await {
                    return answer;
                }
            }
        };
        match timeout(PATIENCE, asked).await.ok().flatten() {
            Some(answer) if answer.status.is_success() => Came::Answer,
            Some(answer) if answer.status == 503 && self.browser.has_ticket() => Came::Place,
            _ => Came::Nothing,
        }
    }

    /// Polls as the server wants it, until the turn comes. The impatient reload the page as well:
    /// whoever's turn it is, is in by that.
    async fn wait(&mut self) {
        loop {
            let Some(status) = self.poll().await else {
                sleep(Duration::from_secs_f64(POLL)).await;
                continue;
            };
            if let Some(wait) = &status.wait_seconds {
                self.note(|record, now| {
                    record.promise.get_or_insert((now, wait.high));
                });
            }
            if status.state != "waiting" {
                self.note(|record, now| {
                    record.called.get_or_insert(now);
                });
                return;
            }
            let pause = status.poll_after_seconds.unwrap_or(POLL);
            sleep(Duration::from_secs_f64(pause)).await;
            if self.manners.impatient && self.attempt("/").await == Came::Answer {
                self.note(|record, now| {
                    record.called.get_or_insert(now);
                });
                return;
            }
        }
    }

    async fn poll(&mut self) -> Option<Status> {
        let ask = Ask {
            path: "/.preau/status",
            form: None,
            script: true,
        };
        let answer = timeout(PATIENCE, self.browser.ask(ask)).await.ok()??;
        serde_json::from_slice(&answer.body).ok()
    }

    async fn pause(&mut self, (from, to): (f64, f64)) {
        let secs = from + (to - from) * self.chance.f64();
        sleep(Duration::from_secs_f64(secs)).await;
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn note(&self, write: impl FnOnce(&mut Record, f64)) {
        write(&mut open(&self.record), self.now());
    }
}

/// The record, whoever else looks at it.
pub fn open(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
