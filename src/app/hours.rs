//! The rooms are told when their lanes are let in.
//!
//! The calendar is looked at when something is due, and when somebody has set the clock back; what
//! it said is told to the room again and again, so that its clock follows the one on the wall.

use crate::calendar::{Timetable, reading, written};
use crate::front::Door;
use crate::room::Hours;
use crate::time::Millis;
use jiff::tz::TimeZone;
use std::iter::successors;
use std::sync::Arc;

/// Tells one room the hours of its lanes.
pub struct LaneHours {
    door: Arc<Door>,
    zone: TimeZone,
    /// In the order of the lanes; those without hours have none.
    tables: Vec<Option<Timetable>>,
    /// What the calendar said, and when.
    said: Option<(Millis, Vec<Hours>)>,
}

impl LaneHours {
    /// For `door`, whose calendar is in `zone`.
    pub fn new(door: Arc<Door>, zone: TimeZone) -> LaneHours {
        let lanes = door.config.lanes.iter();
        let tables = lanes.map(|lane| {
            let rules = (!lane.enters.is_empty()).then(|| lane.enters.clone())?;
            Some(Timetable::new(zone.clone(), vec![rules]))
        });
        LaneHours {
            tables: tables.collect(),
            door,
            zone,
            said: None,
        }
    }

    /// Tells the room its hours at `clock` on the wall, which is `now` to the room; returns when they
    /// change, by the clock on the wall.
    pub fn tell(&mut self, clock: Millis, now: Millis) -> Option<Millis> {
        if self.tables.iter().all(Option::is_none) {
            return None;
        }
        if !self.holds(clock) {
            self.ask(clock);
        }
        let (_, hours) = self.said.as_ref()?;
        let of = |lane: usize| hours.get(lane).copied().unwrap_or_default();
        self.door.room().set_hours(of, clock, now);
        hours.iter().filter_map(Hours::change).min()
    }

    /// Whether what the calendar said holds at `clock`.
    fn holds(&self, clock: Millis) -> bool {
        self.said.as_ref().is_some_and(|(asked, hours)| {
            let mut changes = hours.iter().filter_map(Hours::change);
            *asked <= clock && changes.all(|change| clock < change)
        })
    }

    fn ask(&mut self, clock: Millis) {
        let of = |table: &Option<Timetable>| {
            table.as_ref().map_or_else(Hours::default, |table| {
                let changes = successors(table.change(clock), |at| table.change(*at));
                Hours::new(table.at(clock).is_some(), changes)
            })
        };
        let hours: Vec<Hours> = self.tables.iter().map(of).collect();
        if let Some((_, before)) = self.said.replace((clock, hours.clone())) {
            let changed = hours.iter().zip(&before).enumerate();
            changed
                .filter(|(_, (now, before))| now.entering() != before.entering())
                .for_each(|(lane, (now, _))| self.log(lane, now));
        }
    }

    fn log(&self, lane: usize, hours: &Hours) {
        let room = &self.door.config.name;
        let lane = self.door.config.lanes.get(lane);
        let lane = lane.map_or("", |lane| lane.name.as_str());
        let shown = |at: Option<Millis>| {
            at.map_or("further notice".to_owned(), |at| {
                written(reading(&self.zone, at))
            })
        };
        if hours.entering() {
            let until = shown(hours.until());
            tracing::info!("room {room}: lane {lane} is let in now, until {until}");
        } else {
            let from = shown(hours.from());
            tracing::info!("room {room}: lane {lane} waits now, until {from}");
        }
    }
}
