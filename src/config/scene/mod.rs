//! A scene for `preau simulate`: who comes when, what the portal can bear, what happens to it.
//!
//! Parsed once into types that cannot be wrong, with the readers and reports of `proxy.toml`:
//! [`read`] gives a [`Scene`] or every error at once, each with file, line and column. Times in a
//! scene count from its beginning.

mod lanes;
mod read;
mod tables;
#[cfg(test)]
mod tests;

pub use read::read;

use crate::room::{Limit, Opening, Rules};
use crate::time::Span;

/// Everything a run is made from, beside its seed.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What it is called.
    pub name: String,
    /// The clock when it begins, as time since midnight: only shown.
    pub clock: Span,
    /// How long it lasts: from a minute to two days.
    pub length: Span,
    /// Completed visits count from here on.
    pub warm_up: Span,
    /// The room's rules; `seats` are those to begin with. The lane of all others is the last in
    /// the file, and the first here.
    pub rules: Rules,
    /// When the room opens, if it does so in the scene, which begins with the year 1970 in UTC: its
    /// times are moments by the clock on the wall, too.
    pub opening: Option<Opening>,
    /// People inside at most: a number, or found.
    pub seats: Limit,
    /// The portal.
    pub portal: Portal,
    /// What people do inside.
    pub visit: Visit,
    /// What people do in line.
    pub crowd: Crowd,
    /// When people come; rates of pieces that overlap add up.
    pub arrivals: Vec<Piece>,
    /// Visits as they were, in order of time, beside those of `arrivals`; only before a portal of
    /// whole visits. Never from a file of a scene.
    pub recorded: Vec<Recorded>,
    /// What happens, in no order.
    pub events: Vec<Event>,
}

/// A visit that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded {
    /// Seconds from the beginning of the scene.
    pub at: u32,
    /// Seconds from the first request to the last.
    pub lasts: u32,
}

/// A portal, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Portal {
    /// How its requests end.
    pub model: Model,
    /// Requests in flight at most: a number, or found.
    pub slots: Limit,
    /// Requests that may wait for a slot.
    pub slot_queue: u32,
}

/// How a portal answers. Each is described where it runs, in `sim::portal`.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Cores shared by all that runs, slower when there is too much of it.
    Cores {
        /// Cores.
        cores: f64,
        /// Requests in flight beyond which it slows down.
        thrash_above: f64,
        /// Mean time of one core for one page.
        work: Span,
    },
    /// Workers that take one request after the other, a database behind them, swapping when most
    /// are busy.
    Workers {
        /// Workers.
        workers: u32,
        /// Busy workers beyond which the machine swaps.
        swap_above: u32,
        /// Requests that wait for a worker; the portal refuses others.
        backlog: u32,
        /// Mean time of a page without the database.
        service: Span,
        /// Share of pages that need the database.
        database_share: f64,
        /// Mean time of the database for one of these.
        database: Span,
        /// Requests that the database answers at once.
        connections: u32,
    },
    /// Visits last as long as they last, whatever is done: for very many people.
    Visits {
        /// Mean length of a visit; lognormal.
        length: Span,
        /// Standard deviation of its logarithm.
        spread: f64,
    },
}

/// What people do inside: sign on, then page after page with time to think.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Mean number of pages after signing on (geometric).
    pub pages: f64,
    /// Mean time between two pages (exponential).
    pub think: Span,
    /// Signing on costs so many pages.
    pub login_cost: f64,
    /// A request is given up after this long, with its wait for a slot.
    pub patience: Span,
    /// A visit is broken off after so many requests that failed or were given up.
    pub failures: u8,
    /// Share of those who log out; the others just stop.
    pub logout: f64,
}

/// What people do in line. Shares are independent of each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Crowd {
    /// Share of those who do not come in when they are called.
    pub no_show: f64,
    /// Share of those who wait no longer than they like.
    pub impatient: f64,
    /// Mean of how long that is (exponential).
    pub impatience: Span,
    /// Share of those who gave up and come back …
    pub come_back: f64,
    /// … after this long on average (exponential).
    pub come_back_after: Span,
    /// Share of those who do not wait for the page to ask, but reload it.
    pub reload: f64,
    /// Mean time between two reloads (half of it is the least).
    pub reload_every: Span,
    /// Share of those with three tabs.
    pub tabs: f64,
    /// The network adds up to this to each way.
    pub network: Span,
}

/// People come, between two moments, at a rate that moves in a straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// From.
    pub from: Span,
    /// Until.
    pub until: Span,
    /// How many.
    pub rate: Rate,
    /// Which lane they belong to: an index into [`Rules::lanes`].
    pub lane: usize,
}

/// How many people come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// People per minute at the beginning and at the end.
    PerMinute(f64, f64),
    /// In multiples of what the portal can complete, as it is at the beginning of the scene.
    Load(f64, f64),
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// From.
    pub from: Span,
    /// Until; the end of the scene if the file does not say.
    pub until: Span,
    /// What.
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Happening {
    /// The portal works at this multiple of its speed.
    Capacity(f64),
    /// The portal does not answer at all.
    Dead,
    /// Something behind the portal adds this to each page, without work for the portal; what overlaps
    /// adds up.
    Slow(Span),
    /// After each page, this share of visits has a long poll of 25 s.
    LongPolls(f64),
    /// Préau is killed at `from` and is there again at `until`, from what it had stored.
    Restart,
}
