//! The calendar against a reference that looks at every minute.

use super::*;
use proptest::prelude::*;

const MINUTE: u64 = 60_000;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn paris() -> TimeZone {
    zone("Europe/Paris")
}

/// The moment at which the clock in `zone` shows `reading` for the first time.
fn when(zone: &TimeZone, reading: &str) -> Millis {
    let reading: DateTime = reading.parse().unwrap();
    millis(zone.to_ambiguous_timestamp(reading).earlier().unwrap())
}

fn table(zone: TimeZone, rules: &[&str]) -> Timetable {
    let entries = rules.iter().map(|rule| vec![Rule::parse(rule).unwrap()]);
    Timetable::new(zone, entries.collect())
}

fn shown(zone: &TimeZone, moment: Option<Millis>) -> String {
    moment.map_or("never".to_owned(), |m| reading(zone, m).to_string())
}

#[test]
fn hours_of_days() {
    let zone = paris();
    let table = table(zone.clone(), &["mon-fri 08:00-17:30", "wed 20:00-22:00"]);
    let at = |text| table.at(when(&zone, text));
    // 2026-09-02 is a Wednesday.
    assert_eq!(at("2026-09-02T07:59:59"), None);
    assert_eq!(at("2026-09-02T08:00"), Some(0));
    assert_eq!(at("2026-09-02T17:29:59"), Some(0));
    assert_eq!(at("2026-09-02T17:30"), None);
    assert_eq!(at("2026-09-02T20:00"), Some(1));
    assert_eq!(at("2026-09-03T20:00"), None);
    assert_eq!(at("2026-09-05T08:00"), None);
    let change = |text| shown(&zone, table.change(when(&zone, text)));
    assert_eq!(change("2026-09-02T17:30"), "2026-09-02T20:00:00");
    assert_eq!(change("2026-09-04T17:30"), "2026-09-07T08:00:00");
}

#[test]
fn over_midnight_belongs_to_the_day_on_which_it_begins() {
    let zone = paris();
    let table = table(zone.clone(), &["fri 22:00-06:00"]);
    let at = |text| table.at(when(&zone, text)).is_some();
    assert!(at("2026-09-04T23:00") && at("2026-09-05T05:59"));
    assert!(!at("2026-09-04T05:00") && !at("2026-09-05T06:00") && !at("2026-09-05T23:00"));
}

#[test]
fn the_night_with_two_and_the_night_with_no_half_past_two() {
    let zone = paris();
    let table = table(zone.clone(), &["sun 02:30-02:45"]);
    let first = when(&zone, "2026-10-25T02:30");
    let hours = |n: u64| Millis(first.0 + n * 15 * MINUTE);
    let holds: Vec<bool> = (0..6).map(|n| table.at(hours(n)).is_some()).collect();
    assert_eq!(holds, [true, false, false, false, true, false]);
    assert_eq!(table.change(hours(1)), Some(hours(4)));
    // In spring the clock goes from 02:00 to 03:00: the rule waits for the next Sunday.
    let spring = table.change(when(&zone, "2026-03-29T01:00"));
    assert_eq!(shown(&zone, spring), "2026-04-05T02:30:00");
    let start = Start::parse("sun 02:30").unwrap();
    let start = |text| shown(&zone, start.next(&zone, when(&zone, text)));
    assert_eq!(start("2026-03-29T00:00"), "2026-03-29T03:30:00");
    assert_eq!(start("2026-10-25T00:00"), "2026-10-25T02:30:00");
}

#[test]
fn a_start_comes_once_or_again_and_again() {
    let zone = paris();
    let next = |text, after| {
        let start = Start::parse(text).unwrap();
        shown(&zone, start.next(&zone, when(&zone, after)))
    };
    let once = "2026-09-01T08:00";
    assert_eq!(next(once, "2026-01-01T00:00"), "2026-09-01T08:00:00");
    assert_eq!(next(once, "2026-09-01T08:00"), "never");
    assert_eq!(
        next("mon 08:00:30", "2026-08-31T08:00"),
        "2026-08-31T08:00:30"
    );
    assert_eq!(next("mon 08:00", "2026-09-01T08:00"), "2026-09-07T08:00:00");
    assert_eq!(
        next("daily 08:00", "2026-09-01T07:59"),
        "2026-09-01T08:00:00"
    );
    assert!(Start::parse(once).unwrap().is_once());
    assert!(!Start::parse("mon 08:00").unwrap().is_once());
}

#[test]
fn what_is_wrong_is_said() {
    for (text, words) in [
        ("wen 08:00-09:00", "\"wen\" is not a day"),
        ("mon-frei 08:00-09:00", "\"frei\" is not a day"),
        ("mon 8:00-09:00", "\"8:00\" is not a time"),
        ("mon 08:00-25:00", "\"25:00\" is not a time"),
        ("mon 08:60-09:00", "\"08:60\" is not a time"),
        ("mon 08:00", "no end"),
        ("mon 08:00-08:00", "in the minute in which it begins"),
        ("mon 24:00-08:00", "24:00 is its end"),
        ("2026-02-30 08:00-09:00", "is not a date"),
        ("2026-09-02..2026-09-01", "2026-09-01 is before 2026-09-02"),
        ("", "is not a day"),
    ] {
        let error = Rule::parse(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
    for text in [
        "mon 08:00:60",
        "mon 08:00:1",
        "mon 08:00:00:00",
        "mon 08:00:é",
        "08:00",
        "2026-09-01",
        "mon 24:00",
        "2026-09-01T8:00",
    ] {
        assert!(Start::parse(text).is_err(), "{text}");
    }
}

fn days() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("daily".to_owned()),
        (0..7usize, 0..7usize).prop_map(|(a, b)| {
            let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            format!("{}-{}", names[a], names[b])
        }),
        Just("mon,wed,sun".to_owned()),
        // Around the changes of the clocks.
        (20..31u8).prop_map(|day| format!("2026-10-{day}")),
        (20..26u8, 26..32u8).prop_map(|(a, b)| format!("2026-10-{a}..2026-10-{b}")),
        (25..30u8, 29..32u8).prop_map(|(a, b)| format!("2026-03-{a}..2026-03-{b}")),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    let hours = (0..1440u16, 1..1441u16).prop_filter("a rule has a length", |(a, b)| a != b);
    (days(), hours).prop_map(|(days, (from, to))| {
        let [from, to] = [from, to].map(|m| format!("{:02}:{:02}", m / 60, m % 60));
        format!("{days} {from}-{to}")
    })
}

/// Whether the rule holds in this minute of the clock, as anybody would first write it: over every
/// day on which it may have begun.
fn plainly(rule: &str, reading: DateTime) -> bool {
    let (days, hours) = rule.split_once(' ').unwrap();
    let (from, to) = hours.split_once('-').unwrap();
    let days = Days::parse(days).unwrap();
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':').unwrap();
        hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()
    };
    let (from, mut to) = (minutes(from), minutes(to));
    if to <= from {
        to += 24 * 60;
    }
    [0, 1].into_iter().any(|ago| {
        let date = reading
            .date()
            .checked_sub(jiff::Span::new().days(ago))
            .unwrap();
        let minute = i64::from(reading.hour()) * 60 + i64::from(reading.minute()) + ago * 24 * 60;
        days.has(date) && (from..to).contains(&minute)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn says_what_a_look_at_every_minute_says(
        rules in prop::collection::vec(rule(), 1..4),
        place in prop::sample::select(&["Europe/Paris", "America/Cayenne", "Pacific/Noumea", "Australia/Lord_Howe"][..]),
        spring in any::<bool>(),
        from in 0..6 * 1440u64,
    ) {
        let zone = zone(place);
        let names: Vec<&str> = rules.iter().map(String::as_str).collect();
        let table = table(zone.clone(), &names);
        let begin = match spring {
            true => "2026-03-26T00:00",
            false => "2026-10-22T00:00",
        };
        let begin = Millis(when(&zone, begin).0 + from * MINUTE);
        let plainly = |moment| {
            let reading = reading(&zone, moment);
            names.iter().position(|rule| plainly(rule, reading))
        };
        let now = plainly(begin);
        prop_assert_eq!(table.at(begin), now);
        let minutes = (1..9 * 1440).map(|n| Millis(begin.0 + n * MINUTE));
        let change = minutes.clone().find(|moment| plainly(*moment) != now);
        let found = table.change(begin).filter(|moment| *moment <= minutes.clone().next_back().unwrap());
        prop_assert_eq!(found, change);
    }

    #[test]
    fn overlaps_as_minutes_do(a in rule(), b in rule()) {
        // Where the dates lie that are chosen from; elsewhere only days of the week meet.
        let mut minutes = ["2026-03-24T00:00", "2026-10-19T00:00"].into_iter().flat_map(|from| {
            let from: DateTime = from.parse().unwrap();
            (0..15 * 1440).map(move |n| from.checked_add(jiff::Span::new().minutes(n)).unwrap())
        });
        let meet = minutes.any(|reading| plainly(&a, reading) && plainly(&b, reading));
        let [one, two] = [&a, &b].map(|text| Rule::parse(text).unwrap());
        prop_assert_eq!(one.overlaps(&two), two.overlaps(&one));
        prop_assert_eq!(one.overlaps(&two), meet, "{} {}", a, b);
    }

    #[test]
    fn is_read_as_it_is_written(text in rule()) {
        let rule = Rule::parse(&text).unwrap();
        prop_assert_eq!(Rule::parse(&rule.to_string()).unwrap(), rule);
    }
}
