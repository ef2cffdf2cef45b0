//! Who has a turn, how it begins, and how it goes.

use crate::contestants::{Bears, Who};
use crate::crowd::Crowd;
use crate::figures::{Figures, Span};
use crate::possible::Possible;
use crate::report::Row;
use crate::visit::Manners;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Before a rush after a calm: times the capacity, and for so many seconds.
const CALM: (f64, f64) = (0.5, 120.0);
/// The rush before a restart. Then nobody comes any more, and all go home, within so many seconds more.
const FOUND: (f64, f64) = (1.5, 90.0);
const HOME_SECS: f64 = 90.0;

/// The rush goes on for so many seconds after those that are counted, to see what becomes of whoever is inside:
/// one and a half times what a visit takes.
const AFTER_SECS: f64 = 60.0;

/// The share of those who log out: most people just go.
pub const LOG_OUT: f64 = 0.15;

/// What was before the first second that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Nothing: it was just installed.
    Cold,
    /// Two minutes at half load.
    Calm,
    /// A rush that is over, and a restart.
    Restart,
    /// Nothing; ten minutes, and nobody logs out.
    Long,
}

/// A turn: one contestant, one beginning.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub who: Who,
    pub start: Start,
}

/// All turns, in their order. Those who know what the portal bears have found nothing that a beginning
/// could change.
pub const TURNS: [Turn; 8] = {
    const fn turn(who: Who, start: Start) -> Turn {
        Turn { who, start }
    }
    [
        turn(Who::Nobody, Start::Cold),
        turn(Who::Haproxy, Start::Cold),
        turn(Who::Nginx, Start::Cold),
        turn(Who::Told, Start::Cold),
        turn(Who::Preau, Start::Cold),
        turn(Who::Preau, Start::Calm),
        turn(Who::Preau, Start::Restart),
        turn(Who::Preau, Start::Long),
    ]
};

/// How all turns are.
#[derive(Clone, Debug)]
pub struct Rules {
    pub preau: PathBuf,
    pub log: bool,
    pub bears: Bears,
    /// Times as long, what comes before and after the seconds that are counted.
    pub around: f64,
    pub thinks: (f64, f64),
    /// In place of those of the turn.
    pub minutes: Option<f64>,
    pub log_out: Option<f64>,
}

impl Start {
    pub fn name(self) -> &'static str {
        match self {
            Start::Cold => "from cold",
            Start::Calm => "after a calm",
            Start::Restart => "after a restart",
            Start::Long => "from cold, nobody logs out",
        }
    }

    /// Minutes that are counted.
    fn minutes(self) -> f64 {
        match self {
            Start::Long => 10.0,
            _ => 3.0,
        }
    }
}

impl Turn {
    /// The share of those who log out.
    fn log_out(self) -> f64 {
        match (self.who, self.start) {
            (Who::Told, _) => 1.0,
            (_, Start::Long) => 0.0,
            _ => LOG_OUT,
        }
    }

    /// Under one load.
    pub async fn take(self, rules: Rules, load: f64) -> Row {
        let mut stand = self.who.stand(rules.bears, &rules.preau, rules.log).await;
        let secs = 60.0 * rules.minutes.unwrap_or(self.start.minutes());
        let manners = Manners {
            thinks: rules.thinks,
            log_out: rules.log_out.unwrap_or(self.log_out()),
        };
        // With a way out, a visit is a little more.
        let measured = Manners {
            log_out: LOG_OUT,
            ..manners
        };
        let capacity = rules.bears.visits * measured.cost() / manners.cost();
        if self.start == Start::Restart {
            let mut crowd = Crowd::new(stand.address(), manners);
            let (times, secs) = FOUND;
            crowd
                .come(times * capacity / 60.0, secs * rules.around)
                .await;
            crowd.leave(HOME_SECS * rules.around).await;
            crowd.end();
            stand.restart().await;
        }
        let (before, from) = match self.start {
            Start::Calm => (CALM.0, CALM.1 * rules.around),
            _ => (0.0, 0.0),
        };
        let span = Span {
            from,
            to: from + secs,
        };
        let mut found = Vec::new();
        let mut crowd = Crowd::new(stand.address(), manners);
        let rush = async {
            if before > 0.0 {
                crowd.come(before * capacity / 60.0, span.from).await;
            }
            let end = span.to + AFTER_SECS * rules.around;
            crowd.come(load * capacity / 60.0, end).await;
        };
        tokio::select! {
            () = rush => (),
            () = stand.watch(&mut found) => (),
        }
        let records = crowd.end();
        let possible = Possible::new(capacity, load, before, manners);
        let figures = Figures::of(&records, span, &possible, stand.in_flight_most());
        if let Some(printed) = stand.printed().filter(|_| rules.log) {
            eprintln!("{printed}");
        }
        Row {
            load,
            contestant: self.who.name(rules.bears),
            start: self.start,
            log_out: manners.log_out,
            figures,
            found,
            status: stand.status().await,
        }
    }
}
