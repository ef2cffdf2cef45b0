//! Many visitors: as many at once as are told, or coming by chance at a rate.

use crate::browser::Browser;
use crate::visit::{self, Manners, Record, Visitor};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Addresses that visitors share: 127.0.1.1 and those after it. Each is a school.
const ADDRESSES: u32 = 250;
/// The same chance for everybody.
const SEED: u64 = 8_55;

/// Everything that a crowd needs.
pub struct Crowd {
    to: SocketAddr,
    thinks: (f64, f64),
    chance: fastrand::Rng,
    began: Instant,
    records: Vec<Arc<Mutex<Record>>>,
    visits: JoinSet<()>,
}

impl Crowd {
    /// Nobody yet. `thinks`: seconds between two pages.
    #[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub fn new(to: SocketAddr, thinks: (f64, f64)) -> Crowd {
        Crowd {
            to,
            thinks,
            chance: fastrand::Rng::with_seed(SEED),
            began: Instant::now(),
            records: Vec::new(),
            visits: JoinSet::new(),
        }
    }

    /// As many a second as this come for so many seconds, each when chance will have it; then all
    /// that goes on is cut off.
    pub async fn come(mut self, per_second: f64, secs: f64) -> Vec<Record> {
        let mut at = 0.0;
        loop {
            at += -(1.0 - self.chance.f64()).ln() / per_second;
            if at >= secs {
                break;
            }
            sleep_until(self.began + Duration::from_secs_f64(at)).await;
            self.one_more();
            while self.visits.try_join_next().is_some() {}
        }
        sleep_until(self.began + Duration::from_secs_f64(secs)).await;
        self.end()
    }

    /// So many at once, each followed by another, for so many seconds.
    pub async fn keep(mut self, count: usize, secs: f64) -> Vec<Record> {
        (0..count).for_each(|_| self.one_more());
        let end = self.began + Duration::from_secs_f64(secs);
        while tokio::time::timeout_at(end, self.visits.join_next())
            .await
            .is_ok()
        {
            self.one_more();
        }
        self.end()
    }

    fn one_more(&mut self) {
        let record = Arc::new(Mutex::new(Record::default()));
        self.records.push(record.clone());
        let address = 1 + self.records.len() as u32 % ADDRESSES;
        let from = Ipv4Addr::from(0x7f00_0100 + address);
        let visitor = Visitor {
            browser: Browser::new(IpAddr::V4(from), self.to),
            manners: Manners::draw(&mut self.chance, self.thinks),
            chance: self.chance.fork(),
            began: self.began,
            record,
        };
        self.visits.spawn(visitor.visit());
    }

    fn end(mut self) -> Vec<Record> {
        self.visits.abort_all();
        let copy = |record: &Arc<Mutex<Record>>| visit::open(record).clone();
        self.records.iter().map(copy).collect()
    }
}
