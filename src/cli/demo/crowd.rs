//! A crowd of simulated visitors over real sockets.
//!
//! The crowd is kept at a size, not at a rate: whoever goes is replaced by somebody new, who
//! arrives at random. So the line stays alive as long as the demo runs, and never grows beyond
//! what a person in front of the browser would wait for.

use super::client::{Accept, Answer, Client};
use crate::host;
use crate::time::{Millis, Span};
use fastrand::Rng;
use serde::Deserialize;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::task::JoinSet;

/// The room that the crowd waits in.
pub const ROOM: &str = "demo";
/// Nobody stays in line for longer; a bound, not a habit.
pub const LINE_MAX: Span = Span::mins(15);
/// Failures in a row after which a visitor gives up.
pub const FAILURES_MAX: u32 = 3;

const NAMES: [&str; 12] = [
    "Adam", "Alice", "Camille", "Gabin", "Ines", "Jade", "Lina", "Louis", "Malo", "Noa", "Rose",
    "Yanis",
];
const PERSONAL_PAGES: [&str; 5] = [
    "/espace",
    "/emploi-du-temps",
    "/notes",
    "/messagerie",
    "/cahier-de-textes",
];
/// A poll interval is believed within these bounds, in seconds.
const POLL_SECONDS: RangeInclusive<u64> = 1..=120;

/// How many visitors come, where to, and what they are like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where they connect.
    pub address: SocketAddr,
    /// Visitors around at once, in line and inside.
    pub visitors: usize,
    /// Arrivals per second while fewer are around.
    pub arrivals_per_second: f64,
    /// What they are like.
    pub manners: Manners,
}

/// What the visitors of a crowd are like.
#[derive(Clone, Debug)]
pub struct Manners {
    /// Pages read after the sign-on.
    pub pages: RangeInclusive<u32>,
    /// Milliseconds between two pages.
    pub think: RangeInclusive<u64>,
    /// Milliseconds before somebody who failed tries again.
    pub retry: RangeInclusive<u64>,
    /// Share of those who reload the page every second instead of waiting.
    pub reload: f64,
    /// Share of those who leave the line without a word, within the first minute.
    pub leave_line: f64,
    /// Share of those who go without logging out, so that their seat has to expire.
    pub forget_logout: f64,
}

impl Default for Manners {
    fn default() -> Manners {
        Manners {
            pages: 4..=8,
            think: 2_000..=5_000,
            retry: 2_000..=5_000,
            reload: 0.10,
            leave_line: 0.05,
            forget_logout: 0.20,
        }
    }
}

/// What the crowd has seen so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Visitors who came.
    pub arrived: AtomicU64,
    /// Visitors in line now.
    pub waiting: AtomicU64,
    /// Visitors inside now.
    pub inside: AtomicU64,
    /// Visits that ended well.
    pub finished: AtomicU64,
    /// Visitors who left the line or gave up.
    pub gave_up: AtomicU64,
    /// Polls sent from the line.
    pub polls: AtomicU64,
    /// Requests that broke, or that were answered by an error to somebody who is inside.
    pub errors: AtomicU64,
    /// Errors without a word in them; what must never be seen.
    pub blank: AtomicU64,
    /// Milliseconds of the longest wait in line that ended inside.
    pub longest_wait: AtomicU64,
}

/// Lets the crowd come, for ever; dropping the future sends everybody home.
pub async fn run(plan: Plan, seed: u64, tally: Arc<Tally>) {
    let mut chance = Rng::with_seed(seed);
    let mut around = JoinSet::new();
    loop {
        // Exponential gaps make a Poisson process: people do not come in step.
        let gap = -(1.0 - chance.f64()).ln() / plan.arrivals_per_second;
        tokio::time::sleep(Span::from_secs_f64(gap).into()).await;
        while around.try_join_next().is_some() {}
        if around.len() < plan.visitors {
            let visitor = Visitor {
                client: Client::new(plan.address),
                chance: chance.fork(),
                manners: plan.manners.clone(),
                tally: tally.clone(),
            };
            around.spawn(visitor.live());
        }
    }
}

struct Visitor {
    client: Client,
    chance: Rng,
    manners: Manners,
    tally: Arc<Tally>,
}

/// How an attempt to come in ended.
enum Door {
    In,
    /// There is a line, and we were told so.
    Line,
    Failed,
}

/// The part of the status answer that a waiting page lives by.
#[derive(Deserialize)]
struct Status {
    state: State,
    poll_after_seconds: Option<u64>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Waiting,
    Called,
    #[serde(other)]
    Elsewhere,
}

/// Counts one more for as long as it lives.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(gauge: &'a AtomicU64) -> Counted<'a> {
        gauge.fetch_add(1, Relaxed);
        Counted(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Visitor {
    async fn live(mut self) {
        let tally = self.tally.clone();
        tally.arrived.fetch_add(1, Relaxed);
        let content = self.come_in().await && {
            let _inside = Counted::new(&tally.inside);
            self.visit().await
        };
        let end = if content {
            &tally.finished
        } else {
            &tally.gave_up
        };
        end.fetch_add(1, Relaxed);
    }

    /// Asks for the personal space until it opens; false if the visitor leaves before.
    async fn come_in(&mut self) -> bool {
        let tally = self.tally.clone();
        let start = host::now();
        let until = start + self.patience();
        let reloads = self.chance.f64() < self.manners.reload;
        let mut in_line = None;
        let mut failures = 0;
        while host::now() < until {
            match self.knock().await {
                Door::In => {
                    if in_line.is_some() {
                        let waited = host::now().since(start);
                        tally.longest_wait.fetch_max(waited.0, Relaxed);
                    }
                    return true;
                }
                Door::Line => {
                    failures = 0;
                    in_line.get_or_insert_with(|| Counted::new(&tally.waiting));
                    self.wait_for_call(until, reloads).await;
                }
                Door::Failed => {
                    failures += 1;
                    if failures >= FAILURES_MAX {
                        return false;
                    }
                    self.pause(self.manners.retry.clone()).await;
                }
            }
        }
        false
    }

    async fn knock(&mut self) -> Door {
        match self.ask("/espace").await {
            Some(answer) if is_good(&answer) => Door::In,
            Some(answer) if is_line(&answer) => Door::Line,
            Some(_) => {
                self.tally.errors.fetch_add(1, Relaxed);
                Door::Failed
            }
            None => Door::Failed,
        }
    }

    /// Does what the waiting page's script does, until it is time to ask for the page again.
    async fn wait_for_call(&mut self, until: Millis, reloads: bool) {
        self.pause(900..=1_100).await;
        while !reloads && host::now() < until {
            let status = self.poll().await;
            match status.as_ref().map(|status| status.state) {
                Some(State::Waiting) => {}
                Some(State::Called) => return self.pause(0..=2_000).await,
                Some(State::Elsewhere) | None => {
                    return self.pause(self.manners.retry.clone()).await;
                }
            }
            let seconds = status.and_then(|status| status.poll_after_seconds);
            let seconds = seconds.unwrap_or(0);
            let seconds = seconds.clamp(*POLL_SECONDS.start(), *POLL_SECONDS.end());
            tokio::time::sleep(Span::secs(seconds).into()).await;
        }
    }

    async fn poll(&mut self) -> Option<Status> {
        self.tally.polls.fetch_add(1, Relaxed);
        let path = format!("/.preau/status?room={ROOM}");
        let answer = self.client.get(&path, Accept::Json).await.ok();
        let status = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok());
        if status.is_none() {
            self.tally.errors.fetch_add(1, Relaxed);
        }
        status
    }

    /// Signs on, reads, and goes; false if the portal let the visitor down.
    async fn visit(&mut self) -> bool {
        if !self.read("/connexion").await || !self.sign_on().await || !self.read("/espace").await {
            return false;
        }
        for _ in 0..self.chance.u32(self.manners.pages.clone()) {
            self.pause(self.manners.think.clone()).await;
            let page = PERSONAL_PAGES[self.chance.usize(..PERSONAL_PAGES.len())];
            if !self.read(page).await {
                return false;
            }
        }
        if self.chance.f64() >= self.manners.forget_logout {
            self.pause(self.manners.think.clone()).await;
            return self.read("/deconnexion").await;
        }
        true
    }

    /// Fills in the form; sent once, because a form must not be sent twice.
    async fn sign_on(&mut self) -> bool {
        self.pause(self.manners.think.clone()).await;
        let name = NAMES[self.chance.usize(..NAMES.len())];
        let form = format!("prenom={name}&motdepasse=tilleul");
        let answer = self.client.post("/connexion", form).await;
        let signed_on = answer.is_ok_and(|answer| {
            self.look_at(&answer);
            answer.location.as_deref() == Some("/espace")
        });
        if !signed_on {
            self.tally.errors.fetch_add(1, Relaxed);
        }
        signed_on
    }

    /// Reads a page, trying again a few times like anybody would.
    async fn read(&mut self, path: &str) -> bool {
        for _ in 0..FAILURES_MAX {
            match self.ask(path).await {
                Some(answer) if is_good(&answer) => return true,
                Some(_) => {
                    self.tally.errors.fetch_add(1, Relaxed);
                }
                None => {}
            }
            self.pause(self.manners.retry.clone()).await;
        }
        false
    }

    async fn ask(&mut self, path: &str) -> Option<Answer> {
        match self.client.get(path, Accept::Page).await {
            Ok(answer) => {
                self.look_at(&answer);
                Some(answer)
            }
            Err(_) => {
                self.tally.errors.fetch_add(1, Relaxed);
                None
            }
        }
    }

    fn look_at(&self, answer: &Answer) {
        if answer.body.is_empty() && !answer.status.is_redirection() {
            self.tally.blank.fetch_add(1, Relaxed);
        }
    }

    /// How long this visitor is ready to stand in line.
    fn patience(&mut self) -> Span {
        if self.chance.f64() < self.manners.leave_line {
            Span::secs(self.chance.u64(5..=60))
        } else {
            LINE_MAX
        }
    }

    async fn pause(&mut self, millis: RangeInclusive<u64>) {
        let pause = Span(self.chance.u64(millis));
        tokio::time::sleep(pause.into()).await;
    }
}

fn is_good(answer: &Answer) -> bool {
    answer.status.is_success() || answer.status.is_redirection()
}

/// An answer that says with words to come back: a waiting page, or a server that asks for time.
fn is_line(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 429 | 503) && !answer.body.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::portal::SamplePortal;
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    /// Runs a crowd straight against a portal until `enough`, for at most `limit`.
    async fn crowd_without_proxy(
        plan: impl FnOnce(SocketAddr) -> Plan,
        enough: impl Fn(&Tally, &SamplePortal) -> bool,
        limit: Duration,
    ) -> (Arc<Tally>, SamplePortal) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plan = plan(listener.local_addr().unwrap());
        let portal = SamplePortal::new();
        let tally = Arc::new(Tally::default());
        let watch = async {
            while !enough(&tally, &portal) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = portal.serve(listener) => {}
            () = run(plan, 7, tally.clone()) => {}
            () = watch => {}
            () = tokio::time::sleep(limit) => panic!("not in time: {tally:?}"),
        }
        (tally, portal)
    }

    fn hasty() -> Manners {
        Manners {
            pages: 2..=3,
            think: 5..=10,
            retry: 5..=10,
            ..Manners::default()
        }
    }

    #[tokio::test]
    async fn a_small_crowd_finishes_its_visits() {
        let (tally, portal) = crowd_without_proxy(
            |address| Plan {
                address,
                visitors: 2,
                arrivals_per_second: 100.0,
                manners: hasty(),
            },
            |tally, _| tally.finished.load(Relaxed) >= 3,
            Duration::from_secs(30),
        )
        .await;
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        assert_eq!(count(&tally.errors), 0, "{tally:?}");
        assert_eq!(count(&tally.blank), 0, "{tally:?}");
        assert_eq!(count(&tally.gave_up), 0, "{tally:?}");
        assert_eq!(count(&tally.polls), 0, "{tally:?}");
        assert!(count(&tally.arrived) >= 3, "{tally:?}");
        // The space, the form, the sign-on, the space again, and two pages: for each of three.
        assert!(portal.gauges().done >= 18, "{:?}", portal.gauges());
    }

    /// Why there is a waiting room: the same crowd, without one.
    #[tokio::test]
    async fn a_large_crowd_without_a_room_breaks_the_portal() {
        let (tally, portal) = crowd_without_proxy(
            |address| Plan {
                address,
                visitors: 400,
                arrivals_per_second: 4_000.0,
                manners: Manners::default(),
            },
            |_, portal| portal.gauges().breakdowns > 0,
            Duration::from_secs(30),
        )
        .await;
        let blank = tally.blank.load(Relaxed);
        assert!(blank > 100, "{tally:?}");
        assert_eq!(tally.finished.load(Relaxed), 0, "{tally:?}");
        assert!(portal.gauges().failed > portal.gauges().done);
    }

    #[test]
    fn the_status_answer_is_read_as_documented() {
        let read = |text: &str| serde_json::from_str::<Status>(text).unwrap();
        let waiting = read(
            r#"{"state":"waiting","position":12,"wait_seconds":{"low":40,"high":60},"poll_after_seconds":7}"#,
        );
        assert!(waiting.state == State::Waiting);
        assert_eq!(waiting.poll_after_seconds, Some(7));
        assert!(read(r#"{"state":"called","poll_after_seconds":2}"#).state == State::Called);
        assert!(read(r#"{"state":"closed"}"#).state == State::Elsewhere);
        assert!(read(r#"{"state":"outside"}"#).state == State::Elsewhere);
    }
}
