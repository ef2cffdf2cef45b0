//! Scenes that make sense, and scenes that do not.

use super::*;
use crate::config::{Problems, Source};

fn parse(text: &str, overrides: &[&str]) -> Result<Scene, Problems> {
    let overrides: Vec<String> = overrides.iter().map(|it| (*it).to_owned()).collect();
    read(Source {
        name: "scene.toml",
        text,
        overrides: &overrides,
    })
}

const SMALL: &str = "length = \"10m\"\n[portal]\nmodel = \"cores\"\n[[arrivals]]\nload = 2\n";

/// Panics unless `text` has exactly these problems: line, column, and a word of the message.
fn wrong(text: &str, wanted: &[(usize, usize, &str)]) {
    let problems = parse(text, &[]).expect_err("it is wrong");
    let found: Vec<_> = problems.iter().map(|it| (it.line, it.column)).collect();
    let places: Vec<_> = wanted.iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(found, places, "{problems}");
    for (problem, (.., word)) in problems.iter().zip(wanted) {
        let said = format!("{} {} {}", problem.message, problem.label, problem.help);
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

#[test]
fn a_scene_needs_little() {
    let scene = parse(SMALL, &[]).unwrap();
    assert_eq!(scene.length, Span::mins(10));
    assert_eq!(scene.arrivals[0].rate, Rate::Load(2.0, 2.0));
    assert_eq!(scene.arrivals[0].until, Span::mins(10));
    assert!(!scene.seats.is_fixed() && !scene.portal.slots.is_fixed());
}

#[test]
fn values_are_replaced_from_the_command_line() {
    let set = ["room.seats=3000", "portal.slots=7", "length=5m"];
    let scene = parse(SMALL, &set).unwrap();
    assert_eq!((scene.length, scene.rules.seats), (Span::mins(5), 3_000));
    assert_eq!(scene.portal.slots, Limit::Fixed(7));
    let problems = parse(SMALL, &["room.sets=1"]).expect_err("no such key");
    let problem = problems.iter().next().unwrap();
    assert_eq!(
        (problem.source.as_str(), problem.column),
        ("--set room.sets=1", 6)
    );
}

#[test]
fn what_makes_no_sense_is_said_with_its_place() {
    wrong(
        "",
        &[(1, 1, "length"), (1, 1, "[portal]"), (1, 1, "nobody comes")],
    );
    let with = |more: &str| format!("{SMALL}{more}");
    wrong(&with("loud = 3\n"), &[(6, 1, "did you mean `load`")]);
    wrong(&with("per_minute = 3\n"), &[(5, 8, "one of the two")]);
    wrong(
        &with("from = \"5m\"\nuntil = \"5m\"\n"),
        &[(7, 9, "not after")],
    );
    wrong(&with("until = \"11m\"\n"), &[(6, 9, "10m")]);
    wrong(&with("[[event]]\n"), &[(6, 1, "what")]);
    wrong(
        &with("[[event]]\nwhat = \"ded\"\n"),
        &[(7, 8, "did you mean \"dead\"")],
    );
    wrong(
        &with("[[event]]\nwhat = \"capacity\"\n"),
        &[(6, 1, "factor")],
    );
    wrong(&with("[crowd]\nno_show = 2\n"), &[(7, 11, "from 0 to 1")]);
    wrong(&with("[crowd]\nno_show = \"2\"\n"), &[(7, 11, "a number")]);
    wrong(
        &with("[room]\nseats = \"many\"\n"),
        &[(7, 9, "whole number")],
    );
    wrong(&with("[room]\nkeep = \"5s\"\n"), &[(7, 8, "keep")]);
    wrong(
        "length = \"9m\"\n[portal\n",
        &[(1, 1, "nobody comes"), (2, 8, "TOML"), (2, 1, "model")],
    );
}

#[test]
fn whole_visits_know_no_requests() {
    let text = "length = \"10m\"\nroom.seats = 5\n[portal]\nmodel = \"visits\"\n[[arrivals]]\n\
        per_minute = [0, 9]\n";
    parse(text, &[]).unwrap();
    let slow = format!("{text}[[event]]\nwhat = \"slow\"\nadds = \"1s\"\n");
    wrong(&slow, &[(8, 8, "single requests")]);
    wrong(&text.replace("[0, 9]", "[0, 9, 3]"), &[(6, 14, "two")]);
    wrong(
        &text.replace("[0, 9]", "9_999_999"),
        &[(5, 1, "at most 50000000")],
    );
    wrong(
        &text.replace("seats = 5", "idle = \"9m\""),
        &[(2, 1, "seats = 500")],
    );
}

#[test]
fn lanes_have_their_own_people_and_the_last_is_that_of_all_others() {
    let with = |more: &str| format!("{SMALL}{more}");
    let two = "[[room.lane]]\nname = \"teachers\"\nweight = 3\n[[room.lane]]\nname = \"others\"\n";
    let scene = parse(&with(&format!("lane = \"teachers\"\n{two}")), &[]).unwrap();
    let names: Vec<_> = (scene.rules.lanes.iter())
        .map(|lane| (lane.name.as_str(), lane.weight))
        .collect();
    assert_eq!(names, [("others", 1), ("teachers", 3)]);
    assert_eq!(scene.arrivals[0].lane, 1);
    assert_eq!(parse(&with(two), &[]).unwrap().arrivals[0].lane, 0);
    wrong(&with("lane = \"teachers\"\n"), &[(6, 8, "has no lanes")]);
    wrong(
        &with(&format!("lane = \"parents\"\n{two}")),
        &[(6, 8, "others, teachers")],
    );
    wrong(
        &with(&two.replace("others", "teachers")),
        &[(10, 8, "same name")],
    );
    wrong(&with(&two.replace('3', "0")), &[(8, 10, "1")]);
    wrong(&with(&two.replace("weight", "path")), &[(8, 1, "path")]);
    wrong(
        &with(&format!(
            "[room]\nseats = 10\n{}",
            two.replace("weight = 3", "seats = 6")
        )),
        &[(8, 1, "more than half")],
    );
}

#[test]
fn a_room_opens_within_its_scene() {
    let with = |more: &str| format!("{SMALL}[room.opening]\n{more}");
    let scene = parse(&with("at = \"5m\"\nearly = \"2m\"\n"), &[]).unwrap();
    let opening = scene.opening.unwrap();
    assert_eq!(opening.early, Span::mins(2));
    assert!(parse(SMALL, &[]).unwrap().opening.is_none());
    wrong(&with("early = \"2m\"\n"), &[(6, 1, "at")]);
    wrong(&with("at = \"11m\"\n"), &[(7, 6, "10m")]);
    wrong(&with("at = \"08:00\"\n"), &[(7, 6, "")]);
}
