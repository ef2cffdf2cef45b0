//! The lanes of a room in words, resolved once: who goes first, and by what rule, is said to
//! everybody.

use super::super::Lang;
use super::{Words, attributes, message};
use crate::calendar::{Days, Rule};
use crate::config::LaneConfig;
use crate::room::LaneRules;
use std::collections::BTreeMap;

/// What is said of the lanes of one room, in one language.
#[derive(Clone, Debug, Default)]
pub struct LaneWords {
    titles: Vec<String>,
    others: String,
    /// When each lane is let in, if not always.
    hours: Vec<Option<String>>,
    /// What each lane gets.
    pub rules: String,
}

/// Minutes of an hour.
const HOUR: u16 = 60;
/// Days in a row that are said by the first and the last.
const RUN: u32 = 3;
/// The days of the week as the words name them, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl LaneWords {
    /// The title of the lane at `index`.
    pub fn title(&self, index: usize) -> &str {
        self.titles.get(index).unwrap_or(&self.others)
    }

    /// When the lane at `index` is let in, if not always.
    pub fn hours(&self, index: usize) -> Option<&str> {
        self.hours.get(index)?.as_deref()
    }
}

impl Words {
    /// What is said of `lanes`; nothing of a room that has none.
    pub(in super::super) fn lanes(&self, lanes: &[LaneConfig], rules: &[LaneRules]) -> LaneWords {
        let others = attributes(&self.bundle, "lane")["others"].clone();
        let titles: Vec<String> = (lanes.iter())
            .map(|lane| match (&lane.title, self.lang) {
                (None, _) => others.clone(),
                (Some(title), Lang::Fr) => title.fr.clone(),
                (Some(title), Lang::En) => title.en.clone(),
            })
            .collect();
        let weights = || rules.iter().map(|rules| rules.weight.max(1));
        let unit = weights().fold(0, gcd).max(1);
        let all: u32 = weights().sum();
        let said = lanes
            .iter()
            .zip(rules)
            .zip(&titles)
            .map(|((lane, rules), title)| {
                let share = [rules.weight / unit, all / unit];
                self.lane(lane, rules, title, share)
            });
        // The lane of all others comes last, as in the file.
        let mut said: Vec<String> = said.collect();
        if !said.is_empty() {
            said.rotate_left(1);
        }
        LaneWords {
            hours: lanes.iter().map(|lane| self.entering(lane)).collect(),
            rules: said.join(" "),
            titles,
            others,
        }
    }

    /// "Teachers: 3 calls out of 4, 10 seats kept, Monday to Friday from 7:30 to 8:15."
    fn lane(
        &self,
        lane: &LaneConfig,
        rules: &LaneRules,
        title: &str,
        [calls, all]: [u32; 2],
    ) -> String {
        let arguments = [
            ("title", title.to_owned().into()),
            ("count", calls.into()),
            ("all", all.into()),
        ];
        let mut parts = vec![message(&self.bundle, "lane-share", &arguments).into_owned()];
        if rules.seats > 0 {
            let seats = [("count", rules.seats.into())];
            parts.push(message(&self.bundle, "lane-seats", &seats).into_owned());
        }
        parts.extend(lane.when.iter().map(|rule| self.hours(rule)));
        parts.extend(self.entering(lane).map(|hours| {
            message(&self.bundle, "lane-enters", &[("hours", hours.into())]).into_owned()
        }));
        format!("{}.", parts.join(", "))
    }

    /// When a lane is let in, if not always.
    fn entering(&self, lane: &LaneConfig) -> Option<String> {
        let hours: Vec<String> = lane.enters.iter().map(|rule| self.hours(rule)).collect();
        (!hours.is_empty()).then(|| hours.join(", "))
    }

    /// Days and hours.
    fn hours(&self, rule: &Rule) -> String {
        let (from, to) = rule.hours();
        let days = self.days(rule.days());
        let arguments = [
            ("days", days.into()),
            ("from", self.clock(from).into()),
            ("to", self.clock(to).into()),
        ];
        message(&self.bundle, "lane-hours", &arguments).into_owned()
    }

    fn days(&self, days: Days) -> String {
        let names = attributes(&self.bundle, "lane-day");
        let named = |days: [&str; 2], id| {
            let [first, last] = days.map(ToOwned::to_owned);
            let arguments = [("first", first.into()), ("last", last.into())];
            message(&self.bundle, id, &arguments).into_owned()
        };
        match days {
            Days::Dates(first, last) => {
                let [first, last] = [first, last].map(|date| date.strftime("%d/%m/%Y").to_string());
                named([&first, &last], "lane-days")
            }
            Days::Week(week) if week.count_ones() == 7 => names["all"].clone(),
            Days::Week(week) => match run(week) {
                Some([first, last]) => named([&names[first], &names[last]], "lane-days"),
                None => list(week, &names),
            },
        }
    }

    /// A minute of the day as the clock shows it: "7 h 30", "07:30".
    fn clock(&self, minute: u16) -> String {
        let (hours, minutes) = (minute / HOUR, minute % HOUR);
        match (self.lang, minutes) {
            (Lang::Fr, 0) => format!("{hours}\u{a0}h"),
            (Lang::Fr, _) => format!("{hours}\u{a0}h\u{a0}{minutes:02}"),
            (Lang::En, _) => format!("{hours:02}:{minutes:02}"),
        }
    }
}

/// The first and the last day, if the days of the week are a run.
fn run(week: u8) -> Option<[&'static str; 2]> {
    let count = week.count_ones();
    let first = (0..7u32).find(|first| {
        let days = (0..count).map(|day| (first + day) % 7);
        count >= RUN && days.fold(0, |all, day| all | 1 << day) == week
    })?;
    Some([
        DAYS[first as usize],
        DAYS[((first + count - 1) % 7) as usize],
    ])
}

fn list(week: u8, names: &BTreeMap<String, String>) -> String {
    let named = DAYS.iter().enumerate();
    let named = named.filter(|(day, _)| week & (1 << day) != 0);
    let named: Vec<&str> = named.map(|(_, name)| names[*name].as_str()).collect();
    named.join(", ")
}

fn gcd(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse};

    fn said(lang: Lang, lanes: &str) -> LaneWords {
        let text = format!(
            "portal = [{{ servers = \"http://a\" }}]\nroom = [{{ seats = 200, lane = [{lanes}] }}]"
        );
        let source = Source {
            name: "test",
            text: &text,
            overrides: &[],
        };
        let config = parse(source).unwrap_or_else(|problems| panic!("{problems}"));
        let room = &config.rooms[0];
        Words::new(lang).lanes(&room.lanes, &room.rules.lanes)
    }

    const TEACHERS: &str = "{ name = \"prof\", title = { fr = \"Enseignants\", en = \"Teachers\" }, \
        weight = 6, seats = 50, network = \"10.0.0.0/8\", when = \"mon-fri 07:30-08:15\" }";

    #[test]
    fn who_goes_first_is_said_with_the_rule() {
        let one_other =
            format!("{TEACHERS}, {{ name = \"eleves\", title = \"Élèves\", weight = 2 }}");
        let words = said(Lang::Fr, &one_other);
        assert_eq!(
            words.rules,
            "Enseignants\u{a0}: 3 appels sur 4, 50 places gardées, du lundi au vendredi de 7\u{a0}h\u{a0}30 à 8\u{a0}h\u{a0}15. \
             Élèves\u{a0}: 1 appel sur 4."
        );
        assert_eq!((words.title(0), words.title(1)), ("Élèves", "Enseignants"));
        let words = said(Lang::En, TEACHERS);
        assert_eq!(
            words.rules,
            "Teachers: 6 calls out of 7, 50 seats kept, Monday to Friday from 07:30 to 08:15. \
             Everybody else: 1 call out of 7."
        );
        assert_eq!(words.title(9), "Everybody else");
    }

    #[test]
    fn the_hours_of_a_group_are_said() {
        let lane = "{ name = \"a\", title = \"Collèges\", path = \"/a\", \
            enters = [\"mon-fri 08:00-11:00\", \"sat 09:00-12:00\"] }";
        let words = said(Lang::Fr, lane);
        let hours = "du lundi au vendredi de 8\u{a0}h à 11\u{a0}h, samedi de 9\u{a0}h à 12\u{a0}h";
        assert_eq!((words.hours(0), words.hours(1)), (None, Some(hours)));
        let rules = format!("Collèges\u{a0}: 1 appel sur 2, entrée {hours}. Tous");
        assert!(words.rules.starts_with(&rules), "{}", words.rules);
    }

    #[test]
    fn days_are_said_as_people_say_them() {
        for (when, words) in [
            (
                "daily 17:00-24:00",
                "tous les jours de 17\u{a0}h à 24\u{a0}h",
            ),
            ("wed 08:00-12:00", "mercredi de 8\u{a0}h à 12\u{a0}h"),
            ("mon,thu 08:00-09:00", "lundi, jeudi de 8\u{a0}h à 9\u{a0}h"),
            (
                "sat-mon 08:00-09:00",
                "du samedi au lundi de 8\u{a0}h à 9\u{a0}h",
            ),
            (
                "2026-12-19..2027-01-03 00:00-24:00",
                "du 19/12/2026 au 03/01/2027 de 0\u{a0}h à 24\u{a0}h",
            ),
        ] {
            let lane = format!("{{ name = \"a\", when = \"{when}\" }}");
            let rules = said(Lang::Fr, &lane).rules;
            assert!(rules.contains(words), "{when}: {rules}");
        }
    }
}
