//! The rooms follow the calendar.
//!
//! It is asked again and again, not only when something is due: so what holds now holds, after a
//! restart, on a machine that was suspended, and when somebody sets the clock.

use crate::calendar::reading;
use crate::front::Door;
use crate::host;
use crate::room::{InForce, News, Seed, Why};
use crate::time::{Millis, Span};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// What the calendar said is believed for so long at most.
const BELIEVED: Span = Span::mins(1);

/// Follows the calendar for one door.
pub struct Follower {
    door: Arc<Door>,
    zone: TimeZone,
    /// What it said, when, and which opening had been drawn by then.
    said: Option<(Millis, Option<Millis>, InForce)>,
}

impl Follower {
    /// For `door`, whose calendar is in `zone`.
    pub fn new(door: Arc<Door>, zone: TimeZone) -> Follower {
        Follower {
            door,
            zone,
            said: None,
        }
    }

    /// Has the room do what the calendar says now; returns when it says something else.
    pub fn follow(&mut self) -> Option<Millis> {
        self.follow_at(host::wall(), host::now())
    }

    /// The same at `clock` on the wall, which is `now` to the room.
    fn follow_at(&mut self, clock: Millis, now: Millis) -> Option<Millis> {
        let drawn = self.door.room().opened();
        let force = self.ask(drawn, clock);
        let rule = match force.why {
            Why::Schedule(rule) => Some(rule),
            _ => None,
        };
        self.door.set_rule(rule);
        let news = {
            let mut room = self.door.room();
            room.follow(&force, seed, clock, now);
            room.take_news()
        };
        for news in news {
            self.log(news);
        }
        force.next.map(|next| now + next.since(clock))
    }

    fn ask(&mut self, drawn: Option<Millis>, clock: Millis) -> InForce {
        if let Some((asked, then_drawn, force)) = self.said
            && then_drawn == drawn
            && (asked..asked + BELIEVED).contains(&clock)
            && force.next.is_none_or(|next| clock < next)
        {
            return force;
        }
        let config = &self.door.config;
        let force = config.plan.at(config.rules.mode, drawn, clock);
        self.said = Some((clock, drawn, force));
        force
    }

    fn log(&self, news: News) {
        let room = &self.door.config.name;
        let shown = |at: Millis| reading(&self.zone, at).to_string();
        match news {
            News::Mode {
                from,
                to,
                why,
                until,
            } => {
                let until = until.map_or("further notice".to_owned(), shown);
                let (from, to, why) = (from.name(), to.name(), why.name());
                tracing::info!("room {room} is now {to}, was {from} ({why}), until {until}");
            }
            News::Gathering(at) => {
                let at = shown(at);
                tracing::info!("room {room}: who comes from now on is drawn by lot at {at}");
            }
            News::Drawn(numbers) => {
                tracing::info!(
                    "room {room}: drawn, among {numbers} numbers; the seed is public now"
                );
            }
        }
    }
}

fn seed() -> Seed {
    let mut seed = Seed::default();
    host::fill_random(&mut seed);
    seed
}
