//! Many visitors: as many at once as are told, or coming by chance at a rate.

use crate::browser::Browser;
use crate::visit::{self, Manners, Record, Visitor};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Addresses that visitors share: 127.0.1.1 and those after it. Each is a school.
const ADDRESSES: u32 = 250;
/// The same chance for everybody.
const SEED: u64 = 8_55;

/// Everything that a crowd needs.
pub struct Crowd {
    to: SocketAddr,
    manners: Manners,
    chance: fastrand::Rng,
    began: Instant,
    /// When the next one would come, in seconds.
    next: f64,
    records: Vec<Arc<Mutex<Record>>>,
    visits: JoinSet<()>,
}

impl Crowd {
    /// Nobody yet.
    #[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub fn new(to: SocketAddr, manners: Manners) -> Crowd {
        Crowd {
            to,
            manners,
            chance: fastrand::Rng::with_seed(SEED),
            began: Instant::now(),
            next: 0.0,
            records: Vec::new(),
            visits: JoinSet::new(),
        }
    }

    /// As many a second as this come until so many seconds after the beginning, each when chance will
    /// have it.
    pub async fn come(&mut self, per_second: f64, until: f64) {
        loop {
            self.next += -(1.0 - self.chance.f64()).ln() / per_second;
            if self.next >= until {
                break;
            }
            sleep_until(self.at(self.next)).await;
            self.one_more();
            while self.visits.try_join_next().is_some() {}
        }
        self.next = until;
        sleep_until(self.at(until)).await;
    }

    /// So many at once, each followed by another, for so many seconds.
    pub async fn keep(&mut self, count: usize, secs: f64) {
        (0..count).for_each(|_| self.one_more());
        let end = self.at(secs);
        while timeout_at(end, self.visits.join_next()).await.is_ok() {
            self.one_more();
        }
    }

    /// Nobody comes any more: all that has begun comes to its end, within so many seconds.
    pub async fn leave(&mut self, secs: f64) {
        let end = self.at(self.next + secs);
        while let Ok(Some(_)) = timeout_at(end, self.visits.join_next()).await {}
    }

    /// What is known of everybody; all that goes on is cut off.
    pub fn end(mut self) -> Vec<Record> {
        self.visits.abort_all();
        let copy = |record: &Arc<Mutex<Record>>| visit::open(record).clone();
        self.records.iter().map(copy).collect()
    }

    fn at(&self, secs: f64) -> Instant {
        self.began + Duration::from_secs_f64(secs)
    }

    fn one_more(&mut self) {
        let record = Arc::new(Mutex::new(Record::default()));
        self.records.push(record.clone());
        let address = 1 + self.records.len() as u32 % ADDRESSES;
        let from = IpAddr::V4(Ipv4Addr::from(0x7f00_0100 + address));
        let browser = Browser::new(from, self.to);
        let visitor = Visitor::new(browser, self.manners, &mut self.chance, self.began, record);
        self.visits.spawn(visitor.visit());
    }
}
