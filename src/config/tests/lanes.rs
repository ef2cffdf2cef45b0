//! `[[room.lane]]`: what is read, and what is wrong with it.

use super::*;
use crate::calendar::Rule;
use http::HeaderMap;

const TRUST: &str = "[trust]\nproxies = \"10.0.0.5\"\n";

const LANES: &str = r#"
[[room]]
seats = 100
[[room.lane]]
name = "teachers"
title = { fr = "Enseignants", en = "Teachers" }
weight = 3
seats = 20
path = ["/teacher/**"]
network = ["192.0.2.0/24"]
header = { name = "X-Profile", value = "teacher" }
hint = { path = "/teacher/**", header = { name = "X-Role", value = "t" }, remembered = "7d" }
when = ["mon-fri 07:30-08:15", "wed 12:00-14:00"]
[[room.lane]]
name = "night"
when = "daily 22:00-06:00"
[[room.lane]]
name = "pupils"
title = "Élèves"
weight = 2
"#;

/// The problems with a room of 100 seats that has `lanes`, from line 2 on.
fn wrong(lanes: &str) -> Vec<(String, String)> {
    let text = format!("[[room]] # of 100 seats\n{lanes}\n{PORTAL}");
    let problems = read(&text, &["room.seats=100"]).expect_err(lanes);
    problems
        .iter()
        .map(|it| {
            let words = format!("{} | {} | {}", it.message, it.label, it.help);
            (format!("{}:{}", it.line, it.column), words)
        })
        .collect()
}

#[test]
fn lanes_are_read_with_that_of_all_others_first() {
    let config = good(&format!("{TRUST}{PORTAL}{LANES}"), &[]);
    let room = &config.rooms[0];
    let names: Vec<&str> = room.lanes.iter().map(|lane| lane.name.as_str()).collect();
    assert_eq!(names, ["pupils", "teachers", "night"]);
    let rules: Vec<_> = (room.rules.lanes.iter())
        .map(|lane| (lane.name.as_str(), lane.weight, lane.seats))
        .collect();
    assert_eq!(
        rules,
        [("pupils", 2, 0), ("teachers", 3, 20), ("night", 1, 0)]
    );
    let teachers = &room.lanes[1];
    assert_eq!(teachers.title.as_ref().unwrap().en, "Teachers");
    assert_eq!(teachers.when[1], Rule::parse("wed 12:00-14:00").unwrap());
    let hint = teachers.hint.as_ref().unwrap();
    assert_eq!(hint.remembered, Span::mins(7 * 24 * 60));
    assert_eq!(room.lanes[2].title.as_ref().unwrap().fr, "night");
    // Without a lane for everybody, there is one that nothing is said of.
    let two = LANES
        .split("[[room.lane]]\nname = \"night\"")
        .next()
        .unwrap();
    let config = good(&format!("{TRUST}{PORTAL}{two}"), &[]);
    let others = &config.rooms[0].lanes[0];
    assert!(others.name.is_empty() && others.title.is_none());
    let config = good(PORTAL, &[]);
    assert!(config.rooms[0].lanes.is_empty());
    assert_eq!(config.rooms[0].rules.lanes.len(), 1);
}

#[test]
fn one_of_the_rules_is_enough_within_the_hours() {
    let config = good(&format!("{TRUST}{PORTAL}{LANES}"), &[]);
    let teachers = &config.rooms[0].lanes[1];
    let mut fields = HeaderMap::new();
    fields.insert("x-profile", "teacher".parse().unwrap());
    let mut twice = fields.clone();
    twice.append("x-profile", "pupil".parse().unwrap());
    let takes = |address: &str, vouched, clock: &str, path: &str, hinted| {
        let newcomer = Newcomer {
            address: address.parse().unwrap(),
            vouched,
            clock: clock.parse().unwrap(),
        };
        teachers.takes(newcomer, |paths| paths.contains(path), || hinted)
    };
    // A Tuesday.
    let (open, shut) = ("2026-09-01T07:45", "2026-09-01T09:00");
    assert!(!takes("203.0.113.9", None, open, "/", false));
    assert!(takes("192.0.2.7", None, open, "/", false));
    assert!(takes("203.0.113.9", Some(&fields), open, "/", false));
    assert!(!takes("203.0.113.9", Some(&twice), open, "/", false));
    assert!(takes("203.0.113.9", None, open, "/teacher/x", false));
    assert!(takes("203.0.113.9", None, open, "/", true));
    assert!(!takes("192.0.2.7", Some(&fields), shut, "/teacher", true));
    let night = &config.rooms[0].lanes[2];
    let newcomer = Newcomer {
        address: "203.0.113.9".parse().unwrap(),
        vouched: None,
        clock: "2026-09-01T23:00".parse().unwrap(),
    };
    assert!(night.takes(newcomer, |_| false, || false));
}

#[test]
fn what_is_wrong_with_lanes_is_said_at_its_place() {
    let lane = |keys: &str| format!("[[room.lane]]\nname = \"a\"\n{keys}");
    for (lanes, at, words) in [
        (lane("weight = 0"), "4:10", "from 1 to 1000"),
        (lane("wheight = 2"), "4:1", "in [[room.lane]]"),
        (
            lane("path = \"/a\"\nseats = 51"),
            "2:1",
            "they keep 51 of 100 together | keep 50 or fewer",
        ),
        (
            lane("header = { name = \"X\", value = \"y\" }"),
            "4:10",
            "anybody could send it | name the proxy",
        ),
        (lane("header = \"X\""), "4:10", "found a string"),
        (
            lane("header = { name = \"X Y\", value = \"y\" }"),
            "4:19",
            "not the name of a field",
        ),
        (lane("network = \"0.0.0.0/0\""), "4:11", "everybody"),
        (lane("when = \"mon 8-9\""), "4:8", "not a time of day"),
        (
            lane("when = [\"mon-fri 07:00-08:00\", \"fri 07:30-09:00\"]"),
            "4:8",
            "overlap | say each hour once",
        ),
        (lane("enters = \"mon 8-9\""), "4:10", "not a time of day"),
        (
            lane("enters = [\"mon-fri 08:00-11:00\", \"wed 10:00-12:00\"]"),
            "4:10",
            "the schedule overlaps itself: \"wed 10:00-12:00\" and \"mon,tue,wed,thu,fri 08:00-11:00\"",
        ),
        (lane("hint = true"), "4:8", "expected a table"),
        (
            lane("hint = { remembered = \"3d\" }"),
            "4:8",
            "neither a path nor a field",
        ),
        (lane("title = { fr = \"A\" }"), "4:9", "needs `en`"),
        (
            lane(&format!("title = \"{}\"", "x".repeat(41))),
            "4:9",
            "1 to 40 characters",
        ),
        (
            format!("{}\n{}", lane("path = \"/a\""), lane("path = \"/b\"")),
            "6:8",
            "`a` is taken by a lane above",
        ),
        (
            format!(
                "{}\n{}",
                lane("weight = 2"),
                "[[room.lane]]\nname = \"b\"\npath = \"/b\""
            ),
            "3:8",
            "nobody would reach the lanes below",
        ),
        (lane("class_codes = true"), "2:1", "no lane is for them"),
        (lane("code = true"), "2:1", "nobody may open one"),
        (lane("path = \"/a\"\nblock = 0"), "5:9", "from 1 to 1000"),
        (
            "[[room.lane]]\npath = \"/a\"".to_owned(),
            "2:1",
            "needs `name`",
        ),
        ("lane = \"a\"".to_owned(), "2:8", "write `[[room.lane]]`"),
    ] {
        let found = wrong(&lanes);
        assert_eq!(found.len(), 1, "{lanes}: {found:?}");
        assert_eq!(found[0].0, at, "{lanes}: {found:?}");
        assert!(found[0].1.contains(words), "{lanes}: {found:?}");
    }
    let many: String = (0..16)
        .map(|lane| format!("[[room.lane]]\nname = \"a{lane}\"\npath = \"/{lane}\"\n"))
        .collect();
    assert!(wrong(&many)[0].1.contains("too many lanes"));
}
