//! The rooms follow the calendar.
//!
//! It is asked again and again, not only when something is due: so what holds now holds, after a
//! restart, on a machine that was suspended, and when somebody sets the clock.

use super::hours::LaneHours;
use crate::calendar::{reading, written};
use crate::front::Door;
use crate::host;
use crate::room::{Cause, InForce, News, Seed};
use crate::time::{Millis, Span};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// What the calendar said is believed for so long at most.
const BELIEVED: Span = Span::mins(1);

/// Follows the calendar for one door.
pub struct Follower {
    door: Arc<Door>,
    zone: TimeZone,
    hours: LaneHours,
    /// What it said, when, and which opening had been drawn by then.
    said: Option<(Millis, Option<Millis>, InForce)>,
}

impl Follower {
    /// For `door`, whose calendar is in `zone`.
    pub fn new(door: Arc<Door>, zone: TimeZone) -> Follower {
        Follower {
            hours: LaneHours::new(door.clone(), zone.clone()),
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
        let hours = self.hours.tell(clock, now);
        let drawn = self.door.room().opened();
        let force = self.ask(drawn, clock);
        let rule = match force.why {
            Cause::Schedule(rule) => Some(rule),
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
        let next = force.next.into_iter().chain(hours).min();
        next.map(|next| now + next.since(clock))
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
        let shown = |at: Millis| written(reading(&self.zone, at));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse};
    use crate::cookie::Keys;
    use crate::front::{AccessLog, House};
    use crate::metrics::Metrics;
    use crate::room::{Limit, Mode, Room, Stage};
    use crate::upstream::Portal;

    const HOUR: Span = Span::mins(60);
    /// 2026-09-02, a Wednesday, at 13:00 in Paris.
    const ONE: Millis = Millis(1_788_346_800_000);

    fn follower(room: &str) -> Follower {
        let text = format!("[[portal]]\nservers = \"http://127.0.0.1:1\"\n[[room]]\n{room}");
        let source = Source {
            name: "test",
            text: &text,
            overrides: &[],
        };
        let config = parse(source).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::load_or_create(&folder.path().join("keys")).unwrap());
        let metrics = Arc::new(Metrics::new());
        let rooms = vec![Room::new(
            "room",
            config.rooms[0].rules.clone(),
            0,
            Millis(0),
        )];
        let portal = Portal::new(config.portals[0].clone(), Limit::Fixed(100), None);
        let portals = vec![portal];
        let zone = config.time_zone.clone();
        let log = AccessLog::off();
        let house = House::new(config, rooms, portals, &keys, metrics, log, None);
        Follower::new(house.doors[0].clone(), zone)
    }

    /// The mode after the calendar was asked at `clock`; to the room it is `secs`.
    fn mode(follower: &mut Follower, clock: Millis, secs: u64) -> Mode {
        follower.follow_at(clock, Millis(secs * 1_000));
        let changes = follower.door.room().take_changes();
        assert!(changes.len() < 10, "a quiet room");
        follower.door.room().stored();
        follower.follow_at(clock, Millis(secs * 1_000));
        follower.door.room().rules().mode
    }

    #[test]
    fn what_holds_now_holds_wherever_the_clock_jumps() {
        let rule = "{ when = \"wed 14:00-18:00\", mode = \"hold\", notice = \"Maintenance\" }";
        let mut follower = follower(&format!("schedule = [{rule}]"));
        assert_eq!(mode(&mut follower, ONE, 1), Mode::Queue);
        assert_eq!(follower.door.notice(), None);
        assert_eq!(mode(&mut follower, ONE + HOUR, 2), Mode::Hold);
        assert!(follower.door.notice().is_some());
        // A machine that slept until the evening; a clock that is set back; and one set right.
        assert_eq!(mode(&mut follower, ONE + HOUR.scale(7.0), 3), Mode::Queue);
        assert_eq!(mode(&mut follower, ONE + HOUR.scale(2.0), 4), Mode::Hold);
        assert_eq!(mode(&mut follower, ONE - HOUR.scale(2.0), 5), Mode::Queue);
        assert_eq!(mode(&mut follower, ONE + HOUR.scale(168.0), 6), Mode::Queue);
        assert_eq!(mode(&mut follower, ONE + HOUR.scale(169.0), 7), Mode::Hold);
    }

    #[test]
    fn the_next_change_is_told_in_the_rooms_own_time() {
        let mut follower = follower("schedule = [{ when = \"wed 14:00-18:00\", mode = \"hold\" }]");
        let change = follower.follow_at(ONE, Millis(5_000));
        assert_eq!(change, Some(Millis(5_000) + HOUR));
        // It is believed for a while, and counts down.
        let change = follower.follow_at(ONE + Span(500), Millis(5_500));
        assert_eq!(change, Some(Millis(5_000) + HOUR));
    }

    #[test]
    fn lanes_are_let_in_by_the_clock_wherever_it_jumps() {
        let lane =
            "{ name = \"a\", path = \"/a\", enters = [\"wed 14:00-18:00\", \"thu 08:00-09:00\"] }";
        let mut follower = follower(&format!("lane = [{lane}]"));
        let mut hours = |clock: Millis, secs: u64| {
            let change = follower.follow_at(clock, Millis(secs * 1_000));
            let status = follower.door.room().status(Millis(secs * 1_000));
            assert!(status.lanes[0].hours.entering(), "all others are");
            let hours = status.lanes[1].hours;
            (
                hours.entering(),
                change.map(|at| at.since(Millis(secs * 1_000))),
            )
        };
        assert_eq!(hours(ONE, 1), (false, Some(HOUR)));
        assert_eq!(hours(ONE + Span(500), 2), (false, Some(Span(HOUR.0 - 500))));
        assert_eq!(hours(ONE + HOUR, 3), (true, Some(HOUR.scale(4.0))));
        // Back, on for a night, and right.
        assert_eq!(hours(ONE, 4), (false, Some(HOUR)));
        assert_eq!(hours(ONE + HOUR.scale(19.0), 5), (true, Some(HOUR)));
        assert_eq!(
            hours(ONE + HOUR.scale(6.0), 6),
            (false, Some(HOUR.scale(13.0)))
        );
        let hours = follower.door.room().status(Millis(7_000)).lanes[1].hours;
        assert_eq!(hours.until(), None);
        assert_eq!(hours.from(), Some(ONE + HOUR.scale(19.0)));
    }

    #[test]
    fn an_opening_is_drawn_once_wherever_the_clock_jumps() {
        let mut follower = follower("opening = { at = \"wed 14:00\", early = \"30m\" }");
        let early = ONE + Span::mins(40);
        assert_eq!(mode(&mut follower, ONE, 1), Mode::Queue);
        assert_eq!(mode(&mut follower, early, 2), Mode::Hold);
        // Back for two hours: they are held still, for the same opening.
        assert_eq!(mode(&mut follower, early - HOUR.scale(2.0), 3), Mode::Hold);
        let seed = follower.door.room().lot().unwrap().seed;
        assert_eq!(mode(&mut follower, ONE + HOUR, 4), Mode::Queue);
        follower.door.room().tick(Millis(5_000));
        assert_eq!(follower.door.room().lot().unwrap().stage, Stage::Drawn);
        assert_eq!(
            mode(&mut follower, early, 6),
            Mode::Queue,
            "it does not come twice"
        );
        assert_eq!(follower.door.room().lot().unwrap().seed, seed);
        // A week later it comes again.
        assert_eq!(
            mode(&mut follower, early + HOUR.scale(168.0), 7),
            Mode::Hold
        );
        assert_ne!(follower.door.room().lot().unwrap().seed, seed);
    }
}
