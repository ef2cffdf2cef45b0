//! `--set key=value`.

use super::{PORTAL, good, read};
use crate::room::Limit;
use crate::time::Span;

#[test]
fn overrides_replace_what_the_file_says() {
    let text = format!(
        "threads = 1\n{PORTAL}slots = 5\n[[room]]\nname = \"a\"\nseats = 0\n\
         [[room]]\nname = \"b\"\npath = \"/b/**\"\nidle = \"5m\"\n"
    );
    let set = [
        "threads=2",
        "log.level=debug",
        "portal.slots=7",
        "portal.servers=[\"http://a\", 'http://b']",
        "portal.health.path=/up",
        "room.seats=50",
        "room.b.seats = 60",
        "room.idle=30s",
        "room.a.idle=\"40s\"",
        "room.a.poll.max=20s",
        "room.poll.min=3s",
        "cookie.secure=true",
        "listen=127.0.0.1:81",
    ];
    let config = good(&text, &set);
    assert_eq!((config.threads, config.log.level.as_str()), (2, "debug"));
    let portal = &config.portals[0];
    assert_eq!((portal.slots, portal.servers.len()), (Limit::Fixed(7), 2));
    assert_eq!(portal.health.path, "/up");
    assert!(config.cookie.secure && config.listeners[0].address.port() == 81);
    let (a, b) = (&config.rooms[0].rules, &config.rooms[1].rules);
    assert_eq!((a.seats, b.seats), (50, 60));
    assert_eq!((a.idle, b.idle), (Span::secs(40), Span::secs(30)));
    assert_eq!((a.poll_max, b.poll_max), (Span::secs(20), Span::secs(60)));
    assert_eq!((a.poll_min, b.poll_min), (Span::secs(3), Span::secs(3)));
}

#[test]
fn overrides_alone_are_a_whole_configuration() {
    let config = good(
        "",
        &["portal.servers=http://127.0.0.1:9000", "room.seats=5"],
    );
    assert_eq!(config.portals.len(), 1);
    assert_eq!(config.rooms[0].rules.seats, 5);
}

#[test]
fn a_wrong_override_has_its_caret_in_the_option() {
    let text = format!("{PORTAL}[[room]]\nname = \"ent\"\n");
    for (set, column, words) in [
        ("room.idle=abc", 11, "not a length of time"),
        ("room.ent.idle=5", 15, "needs a unit"),
        ("room.open=[\"/\", \"x\"]", 17, "begins with `/`"),
        ("room.idel=30s", 6, "not known here"),
        ("lisen=x", 1, "not known here"),
        ("room.other.idle=30s", 6, "not a name in the file"),
        ("room.idle", 1, "there is no `=`"),
        ("room..idle=3", 6, "a key is missing here"),
        ("room.idle=", 1, "a value is missing"),
        ("portal.servers.x=1", 8, "has no keys below it"),
        ("room=5", 6, "expected a list of tables"),
    ] {
        let problems = read(&text, &[set]).unwrap_err();
        let first = problems.iter().next().unwrap();
        assert_eq!(first.source, format!("--set {set}"));
        assert_eq!((first.line, first.column), (1, column), "{problems}");
        assert!(first.label.contains(words), "{problems}");
        let shown = problems.to_string();
        assert!(shown.contains(&format!("1 | {set}")), "{shown}");
    }
}

#[test]
fn an_override_that_is_wrong_in_every_room_is_reported_once() {
    let text = format!("{PORTAL}[[room]]\nname = \"a\"\n[[room]]\nname = \"b\"\npath = \"/b\"\n");
    let problems = read(&text, &["room.idle=5"]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems}");
}
