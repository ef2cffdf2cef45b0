//! What a room does by the calendar: modes by schedule, and openings.

use super::rules::Mode;
use crate::calendar::{Rule, Start, Timetable};
use crate::time::{Millis, Span};
use jiff::tz::TimeZone;

/// Changes that are looked at in search of the next of a kind.
const CHANGES_MAX: usize = 64;

/// A room's schedule and its opening. All its moments are by the clock on the wall.
#[derive(Clone, Debug)]
pub struct Plan {
    zone: TimeZone,
    timetable: Timetable,
    modes: Vec<Mode>,
    opening: Option<Opening>,
}

/// When a room opens. Before, it holds those who come early; one that opens once and for all is
/// closed until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// When.
    pub at: Start,
    /// Those who come within this time before it are drawn by lot.
    pub early: Span,
}

/// Why a mode is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is the room's `mode`.
    Ordinary,
    /// By the rule of the schedule with this index.
    Schedule(usize),
    /// The room has not opened yet.
    Unopened,
    /// The room opens soon, and those who come early are held.
    Early,
}

/// What the calendar says for one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// What the room does.
    pub mode: Mode,
    /// Cause.
    pub why: Cause,
    /// What it would do if those who come early were not held.
    pub unheld: Mode,
    /// When `mode` is another one next.
    pub until: Option<Millis>,
    /// When somebody goes in again, if nobody does now.
    pub reopens: Option<Millis>,
    /// From when on those who come take part in the draw, if the room is closed until then.
    pub gathers: Option<Millis>,
    /// When any of this is different, as far as the calendar knows.
    pub next: Option<Millis>,
    /// When the room opens next.
    pub opens: Option<Millis>,
}

impl Cause {
    /// Its name, as written in status and logs.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Ordinary => "mode",
            Cause::Schedule(_) => "schedule",
            Cause::Unopened => "not open yet",
            Cause::Early => "opens soon",
        }
    }
}

impl Default for Plan {
    /// Nothing is scheduled.
    fn default() -> Plan {
        Plan::new(TimeZone::UTC, Vec::new(), None)
    }
}

impl Plan {
    /// A plan in `zone`: the first of `schedule` with a rule that holds says the mode.
    pub fn new(zone: TimeZone, schedule: Vec<(Vec<Rule>, Mode)>, opening: Option<Opening>) -> Plan {
        let (rules, modes) = schedule.into_iter().unzip();
        Plan {
            timetable: Timetable::new(zone.clone(), rules),
            zone,
            modes,
            opening,
        }
    }

    /// The schedule: which mode holds when, the first that does.
    pub fn schedule(&self) -> impl Iterator<Item = (&[Rule], Mode)> {
        self.timetable.entries().zip(self.modes.iter().copied())
    }

    /// The opening.
    pub fn opening(&self) -> Option<Opening> {
        self.opening
    }

    /// What holds at `clock`, in a room whose mode is `ordinary` when nothing else is said.
    /// `drawn`: the opening that was drawn last; it does not come a second time.
    pub fn at(&self, ordinary: Mode, drawn: Option<Millis>, clock: Millis) -> InForce {
        let (mode, why) = self.mode(ordinary, drawn, clock);
        let unheld = match why {
            Cause::Early if self.opening.is_some_and(|it| it.at.is_once()) => Mode::Closed,
            Cause::Early => self.scheduled(ordinary, clock).0,
            _ => mode,
        };
        let modes = |moment| self.mode(ordinary, drawn, moment);
        let change = |differs: &dyn Fn((Mode, Cause)) -> bool| {
            let next = |moment: &Millis| self.change(drawn, *moment);
            std::iter::successors(self.change(drawn, clock), next)
                .take(CHANGES_MAX)
                .find(|moment| differs(modes(*moment)))
        };
        let reopens = match lets_in(mode) {
            true => None,
            false => change(&|(other, _)| lets_in(other)),
        };
        let opens = self.opens(drawn, clock);
        let gathers = opens.filter(|at| mode == Mode::Closed && reopens == Some(*at));
        let early = self.opening.map_or(Span::ZERO, |opening| opening.early);
        InForce {
            mode,
            why,
            unheld,
            until: change(&|(other, _)| other != mode),
            reopens,
            gathers: gathers.map(|at| at - early),
            next: self.change(drawn, clock),
            opens,
        }
    }

    fn mode(&self, ordinary: Mode, drawn: Option<Millis>, clock: Millis) -> (Mode, Cause) {
        if let Some(opening) = self.opening
            && let Some(at) = self.opens(drawn, clock)
        {
            if clock + opening.early >= at {
                return (Mode::Hold, Cause::Early);
            }
            if opening.at.is_once() {
                return (Mode::Closed, Cause::Unopened);
            }
        }
        self.scheduled(ordinary, clock)
    }

    fn scheduled(&self, ordinary: Mode, clock: Millis) -> (Mode, Cause) {
        match self.timetable.at(clock) {
            Some(index) => (self.modes[index], Cause::Schedule(index)),
            None => (ordinary, Cause::Ordinary),
        }
    }

    /// The first change of anything after `clock`.
    fn change(&self, drawn: Option<Millis>, clock: Millis) -> Option<Millis> {
        let opens = self.opens(drawn, clock);
        let early = self.opening.map_or(Span::ZERO, |opening| opening.early);
        let gathers = opens.map(|at| at - early).filter(|at| *at > clock);
        let scheduled = self.timetable.change(clock);
        [opens, gathers, scheduled].into_iter().flatten().min()
    }

    fn opens(&self, drawn: Option<Millis>, clock: Millis) -> Option<Millis> {
        let start = self.opening?.at;
        let next = start.next(&self.zone, clock)?;
        match drawn == Some(next) {
            true => start.next(&self.zone, next),
            false => Some(next),
        }
    }
}

fn lets_in(mode: Mode) -> bool {
    !matches!(mode, Mode::Hold | Mode::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::reading;

    fn plan(schedule: &[(&str, Mode)], opening: Option<&str>) -> Plan {
        let rule = |text: &str| vec![Rule::parse(text).unwrap()];
        let schedule = schedule.iter().map(|(when, mode)| (rule(when), *mode));
        let opening = opening.map(|at| Opening {
            at: Start::parse(at).unwrap(),
            early: Span::mins(30),
        });
        Plan::new(paris(), schedule.collect(), opening)
    }

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    fn at(text: &str) -> Millis {
        let moment = text.parse::<jiff::civil::DateTime>().unwrap();
        let moment = paris().to_ambiguous_timestamp(moment).compatible();
        Millis(moment.unwrap().as_millisecond() as u64)
    }

    /// Mode, why, until and reopens, as the clock shows them.
    fn says(plan: &Plan, clock: &str) -> (Mode, Cause, String, String) {
        let force = plan.at(Mode::Queue, None, at(clock));
        let shown = |moment: Option<Millis>| {
            moment.map_or("-".to_owned(), |it| reading(&paris(), it).to_string())
        };
        (
            force.mode,
            force.why,
            shown(force.until),
            shown(force.reopens),
        )
    }

    #[test]
    fn a_schedule_says_the_mode_and_until_when() {
        let plan = plan(
            &[
                ("wed 14:00-18:00", Mode::Hold),
                ("daily 22:00-06:00", Mode::Closed),
                ("daily 06:00-07:00", Mode::Hold),
            ],
            None,
        );
        let day = "2026-09-02T14:00:00".to_owned();
        let none = "-".to_owned();
        let clock = "2026-09-02T12:00";
        assert_eq!(
            says(&plan, clock),
            (Mode::Queue, Cause::Ordinary, day, none)
        );
        let day = "2026-09-02T18:00:00".to_owned();
        let clock = "2026-09-02T15:00";
        let held = (Mode::Hold, Cause::Schedule(0), day.clone(), day);
        assert_eq!(says(&plan, clock), held);
        // Somebody goes in when neither of two rules that follow each other holds any longer.
        let until = "2026-09-03T06:00:00".to_owned();
        let reopens = "2026-09-03T07:00:00".to_owned();
        let closed = (Mode::Closed, Cause::Schedule(1), until, reopens);
        assert_eq!(says(&plan, "2026-09-02T23:00"), closed);
    }

    #[test]
    fn before_it_opens_once_a_room_is_closed_then_holds() {
        let plan = plan(&[], Some("2026-09-01T08:00"));
        let early = "2026-09-01T07:30:00".to_owned();
        let opens = "2026-09-01T08:00:00".to_owned();
        let closed = (Mode::Closed, Cause::Unopened, early, opens.clone());
        assert_eq!(says(&plan, "2026-06-01T12:00"), closed);
        let held = (Mode::Hold, Cause::Early, opens.clone(), opens);
        assert_eq!(says(&plan, "2026-09-01T07:30"), held);
        let open = (Mode::Queue, Cause::Ordinary, "-".to_owned(), "-".to_owned());
        assert_eq!(says(&plan, "2026-09-01T08:00"), open);
    }

    #[test]
    fn an_opening_comes_again_but_none_comes_twice() {
        let plan = plan(&[], Some("mon 08:00"));
        // 2026-08-31 is a Monday.
        let opens = |drawn, clock| plan.at(Mode::Queue, drawn, at(clock)).opens;
        assert_eq!(
            opens(None, "2026-08-31T07:45"),
            Some(at("2026-08-31T08:00"))
        );
        assert_eq!(
            opens(None, "2026-08-31T08:00"),
            Some(at("2026-09-07T08:00"))
        );
        // The clock was set back after the draw.
        let drawn = Some(at("2026-08-31T08:00"));
        assert_eq!(
            opens(drawn, "2026-08-31T07:45"),
            Some(at("2026-09-07T08:00"))
        );
        let force = plan.at(Mode::Queue, drawn, at("2026-08-31T07:45"));
        assert_eq!((force.mode, force.why), (Mode::Queue, Cause::Ordinary));
        assert_eq!(
            opens(drawn, "2026-09-07T07:45"),
            Some(at("2026-09-07T08:00"))
        );
    }
}
