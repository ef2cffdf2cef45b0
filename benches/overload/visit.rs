//! One visit: a form, a sign-on, pages with time to read them, and for some a way out.

use crate::browser::{Answer, Ask, Browser};
use serde::Deserialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Nobody waits longer for an answer …
const PATIENCE: Duration = Duration::from_secs(10);
/// … or reloads after so many failures. A page that says when it reloads itself is none: inside, that is
/// borne with for so long; outside, as long as a place in line.
const FAILURES_MAX: u32 = 3;
const RELOADED_FOR: f64 = 60.0;
/// The impatient reload when nothing has come for this long.
const IMPATIENCE: Duration = Duration::from_secs(4);
/// Between a failure and the next attempt, in seconds.
const AFTER_FAILURE: (f64, f64) = (1.0, 3.0);
/// Between two polls, if nobody says how long.
const POLL: f64 = 5.0;
/// Whose turn it is, clicks, or is taken in by the page after 10 s.
pub const AFTER_CALL: (f64, f64) = (0.0, 10.0);
/// Pages of a visit beside form, sign-on and way out.
pub const PAGES: usize = 11;
/// Those who are impatient.
const IMPATIENT: f64 = 0.3;

/// What a request costs the portal with nothing else to do, in ms: see `portal/index.php`.
const FORM: f64 = 40.0;
const SIGN_ON: f64 = 120.0;
const PAGE: f64 = 80.0;
const WAY_OUT: f64 = 40.0;

/// How people are.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Seconds between two pages, from and to.
    pub thinks: (f64, f64),
    /// The share of those who log out; the others just go.
    pub log_out: f64,
}

/// A request of a visit: its path, and what it costs the portal, in ms on the mean.
type Step = (String, f64);

impl Manners {
    /// What a visit asks for, with a way out or without.
    fn steps(logs_out: bool) -> Vec<Step> {
        let mut steps = vec![("/".to_owned(), FORM), ("/connexion".to_owned(), SIGN_ON)];
        steps.extend((0..PAGES).map(|page| (format!("/page/{page}"), PAGE)));
        steps.extend(logs_out.then(|| ("/deconnexion".to_owned(), WAY_OUT)));
        steps
    }

    /// What the requests of a visit cost on the mean, in order.
    pub fn costs(self) -> Vec<f64> {
        let mut costs: Vec<f64> = Manners::steps(true).iter().map(|step| step.1).collect();
        *costs.last_mut().expect("there is a way out") *= self.log_out;
        costs
    }

    /// What a visit costs on the mean.
    pub fn cost(self) -> f64 {
        self.costs().iter().sum()
    }

    /// Seconds between two pages, on the mean.
    pub fn pause(self) -> f64 {
        (self.thinks.0 + self.thinks.1) / 2.0
    }
}

/// What is known of a visit. Times in seconds since the crowd began to come.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub arrived: f64,
    /// The first answer of the portal.
    pub entered: Option<f64>,
    pub ended: Option<(f64, End)>,
    /// Answers of the portal: when, and what each has cost it, in ms.
    pub answers: Vec<(f64, f64)>,
    pub pages: Vec<Page>,
    /// The first promise: when it was given, and how long it would take at most.
    pub promise: Option<(f64, f64)>,
    pub called: Option<f64>,
}

/// A page inside.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// When it was there, or given up.
    pub at: f64,
    /// Seconds that it took, with all that was in between.
    pub took: f64,
    /// It came, and nothing else in its place before.
    pub served: bool,
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
    pub impatient: bool,
    pub logs_out: bool,
    pub chance: fastrand::Rng,
    pub began: Instant,
    pub record: Arc<Mutex<Record>>,
}

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq)]
enum Came {
    Answer,
    /// A place in line.
    Place,
    /// A page that reloads itself after so many seconds.
    Reloads(f64),
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
    /// Lots are drawn of how somebody is.
    pub fn new(
        browser: Browser,
        manners: Manners,
        chance: &mut fastrand::Rng,
        began: Instant,
        record: Arc<Mutex<Record>>,
    ) -> Visitor {
        Visitor {
            browser,
            manners,
            impatient: chance.f64() < IMPATIENT,
            logs_out: chance.f64() < manners.log_out,
            chance: chance.fork(),
            began,
            record,
        }
    }

    /// Comes, visits and goes.
    pub async fn visit(mut self) {
        self.note(|record, now| record.arrived = now);
        let end = self.walk().await;
        self.note(|record, now| record.ended = Some((now, end)));
    }

    async fn walk(&mut self) -> End {
        let steps = Manners::steps(self.logs_out);
        let mut failures = 0;
        while !self.enter(&steps[0]).await {
            failures += 1;
            if failures == FAILURES_MAX {
                return End::NeverIn;
            }
            self.pause(AFTER_FAILURE).await;
        }
        self.note(|record, now| record.entered = Some(now));
        failures = 0;
        for step in &steps[1..] {
            self.pause(self.manners.thinks).await;
            while !self.open(step).await {
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
    async fn enter(&mut self, form: &Step) -> bool {
        loop {
            match self.attempt(form).await {
                Came::Answer => return true,
                Came::Place if self.wait(form).await => return true,
                Came::Place => {}
                Came::Reloads(secs) => self.pause((secs, secs)).await,
                Came::Nothing => return false,
            }
        }
    }

    /// A page inside.
    async fn open(&mut self, step: &Step) -> bool {
        let began = self.now();
        let mut came = self.attempt(step).await;
        let served = came == Came::Answer;
        while let Came::Reloads(secs) = came
            && self.now() < began + RELOADED_FOR
        {
            self.pause((secs, secs)).await;
            came = self.attempt(step).await;
        }
        self.note(|record, at| {
            let took = at - began;
            record.pages.push(Page { at, took, served });
        });
        came == Came::Answer
    }

    /// Asks for a page, and again if one is impatient, until there is an answer or no patience left.
    async fn attempt(&mut self, (path, cost): &Step) -> Came {
        let ask = Ask {
            path,
            form: (path == "/connexion").then_some("prenom=Zoe"),
            script: false,
        };
        let reloads = match self.impatient {
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
            Some(answer) if answer.status.is_success() => {
                self.note(|record, now| record.answers.push((now, *cost)));
                Came::Answer
            }
            Some(answer) if answer.status == 503 && self.browser.has_ticket() => Came::Place,
            Some(answer) => reloads_itself(&answer).map_or(Came::Nothing, Came::Reloads),
            None => Came::Nothing,
        }
    }

    /// Polls as the server wants it, until the turn comes. The impatient reload the page as well:
    /// true for whoever is in by that.
    async fn wait(&mut self, form: &Step) -> bool {
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
                self.pause(AFTER_CALL).await;
                return false;
            }
            let pause = status.poll_after_seconds.unwrap_or(POLL);
            sleep(Duration::from_secs_f64(pause)).await;
            if self.impatient && self.attempt(form).await == Came::Answer {
                self.note(|record, now| {
                    record.called.get_or_insert(now);
                });
                return true;
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

/// After how many seconds a page does, if it says so.
fn reloads_itself(answer: &Answer) -> Option<f64> {
    let page = String::from_utf8_lossy(&answer.body);
    let (_, after) = page.split_once("http-equiv=\"refresh\" content=\"")?;
    after.split_once('"')?.0.parse().ok()
}

/// The record, whoever else looks at it.
pub fn open(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
