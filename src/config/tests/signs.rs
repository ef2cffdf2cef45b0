//! What comes with a text that is pasted, or saved elsewhere.

use super::super::scene;
use super::wrong::one_wrong;
use super::{PORTAL, good, read};
use crate::config::Source;

#[test]
fn what_cannot_be_seen_is_named_at_its_place() {
    for (line, at, words) in [
        (
            "seats\u{a0}= 5",
            "4:6",
            ["NO-BREAK SPACE (U+00A0)", "this is not TOML"],
        ),
        (
            "seats =\u{a0}5",
            "4:8",
            ["NO-BREAK SPACE (U+00A0)", "ordinary space"],
        ),
        (
            "\u{200b}seats = 5",
            "4:1",
            ["ZERO WIDTH SPACE (U+200B)", "cannot be seen"],
        ),
        (
            "seats = 5\u{200b}",
            "4:10",
            ["ZERO WIDTH SPACE", "or nothing"],
        ),
        (
            "\u{feff}seats = 5",
            "4:1",
            ["BYTE ORDER MARK (U+FEFF)", "cannot be seen"],
        ),
        (
            "host = \"a.fr\u{200b}\"",
            "4:13",
            ["ZERO WIDTH SPACE", "room.host"],
        ),
        (
            "open = [\"/a\", \"/b\u{a0}\"]",
            "4:18",
            ["NO-BREAK SPACE", "room.open"],
        ),
        (
            "open = { path = \"/\u{ad}b\" }",
            "4:19",
            ["SOFT HYPHEN", "room.open.path"],
        ),
        (
            "mode = 'queue\u{202f}'",
            "4:14",
            ["NARROW NO-BREAK SPACE", "remove it"],
        ),
        (
            "host = \"\"\"a.fr\u{200d}\"\"\"",
            "4:15",
            ["ZERO WIDTH JOINER", "room.host"],
        ),
    ] {
        one_wrong(&format!("[[room]]\n{line}\n"), at, &words);
    }
}

#[test]
fn quotes_of_a_word_processor_are_named() {
    for line in [
        "host = “a.fr”",
        "host = «a.fr»",
        "host = ‘a.fr’",
        "host = `a.fr`",
    ] {
        let words = ["is the quote of a word processor", "straight double quotes"];
        one_wrong(&format!("[[room]]\n{line}\n"), "4:8", &words);
    }
}

#[test]
fn people_may_be_told_something_with_spaces_that_do_not_break() {
    let notice = "notice = \"Fermé\u{a0}: à demain\u{202f}!\"";
    let schedule = format!("schedule = [{{ when = \"sun\", mode = \"closed\", {notice} }}]");
    let lane = "lane = [{ name = \"a\", path = \"/a\", title = \"Élèves\u{a0}!\" }]";
    good(
        &format!("# «\u{a0}é\u{a0}»\n{PORTAL}[[room]]\n{schedule}\n{lane}\n"),
        &[],
    );
    // What is written with its number is meant.
    good(&format!("log.access_file = \"a\\u00a0b\"\n{PORTAL}"), &[]);
    good(&format!("\u{feff}{PORTAL}"), &[]);
}

#[test]
fn a_value_of_the_command_line_is_looked_at_too() {
    let wrong = read(PORTAL, &["room.host=a\u{200b}.fr"]).unwrap_err();
    let shown = wrong.to_string();
    assert_eq!(wrong.len(), 1, "{shown}");
    assert!(
        shown.contains(":1:12\n") && shown.contains("ZERO WIDTH SPACE"),
        "{shown}"
    );
}

#[test]
fn a_scene_is_looked_at_too() {
    let text = "length = \"30m\u{a0}\"\n[portal]\nmodel = \"visits\"\n[room]\nseats\u{a0}= 5\n";
    let source = Source {
        name: "scene.toml",
        text,
        overrides: &[],
    };
    let shown = scene::read(source).unwrap_err().to_string();
    assert!(shown.contains("--> scene.toml:5:6\n"), "{shown}");
    assert!(shown.contains("NO-BREAK SPACE"), "{shown}");
}

#[test]
fn several_values_in_one_string_are_a_list() {
    for (line, at, words) in [
        (
            "host = \"a.fr,b.fr\"",
            "4:8",
            ["a host has no comma", "[\"a.fr\", \"b.fr\"]"],
        ),
        (
            "host = \"a.fr b.fr\"",
            "4:8",
            ["cannot stand", "[\"a.fr\", \"b.fr\"]"],
        ),
        (
            "host = \"a.fr; b.fr\"",
            "4:8",
            ["cannot stand", "[\"a.fr\", \"b.fr\"]"],
        ),
        (
            "host = \".a.fr\"",
            "4:8",
            [
                "no host begins with a dot",
                "`*.a.fr` means every host below",
            ],
        ),
        (
            "presets = \"cas,moodle\"",
            "4:11",
            ["not one of the words", "[\"cas\", \"moodle\"]"],
        ),
        (
            "path = \"/a,/b\"",
            "4:8",
            ["behind a comma", "[\"/a\", \"/b\"]"],
        ),
        ("path = \"/a, /b\"", "4:8", ["a list", "[\"/a\", \"/b\"]"]),
        (
            "open = \"/a;/b /c\"",
            "4:8",
            ["a list", "[\"/a\", \"/b\", \"/c\"]"],
        ),
        (
            "host = \"ent.a.fr\"\ncookie_domain = \".a.fr\"",
            "5:17",
            ["without the dot", "\"a.fr\""],
        ),
    ] {
        one_wrong(&format!("[[room]]\n{line}\n"), at, &words);
    }
    let servers = "[[portal]]\nservers = \"http://a, http://b\"\n";
    let shown = read(servers, &[]).unwrap_err().to_string();
    assert!(
        shown.contains("write a list: [\"http://a\", \"http://b\"]"),
        "{shown}"
    );
    let proxies = format!("trust.proxies = \"10.0.0.1,10.0.0.2\"\n{PORTAL}");
    let shown = read(&proxies, &[]).unwrap_err().to_string();
    assert!(
        shown.contains("write a list: [\"10.0.0.1\", \"10.0.0.2\"]"),
        "{shown}"
    );
    let braces = "host = \"{cas,www}.a.fr\"\npath = \"/{a,b}/**\"\n";
    good(&format!("{PORTAL}[[room]]\n{braces}"), &[]);
}
