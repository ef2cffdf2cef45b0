//! Everything that can be wrong with a file, and how it is shown.

use super::super::MAX_FILE_BYTES;
use super::{PORTAL, read};

/// Place (`line:column`) and label of each problem.
pub(super) fn wrong(text: &str) -> Vec<(String, String)> {
    let problems = read(text, &[]).expect_err("the text is wrong");
    problems
        .iter()
        .map(|p| (format!("{}:{}", p.line, p.column), p.label.clone()))
        .collect()
}

/// Asserts that `lines`, below a sound portal (so from line 3), have one problem, at `at`, and
/// that what is shown contains `words`.
#[track_caller]
pub(super) fn one_wrong(lines: &str, at: &str, words: &[&str]) {
    let problems = read(&format!("{PORTAL}{lines}"), &[]).expect_err(lines);
    let shown = problems.to_string();
    assert_eq!(problems.len(), 1, "{shown}");
    assert!(
        shown.contains(&format!("--> proxy.toml:{at}\n")),
        "{at}: {shown}"
    );
    for word in words {
        assert!(shown.contains(word), "{word:?}: {shown}");
    }
}

#[test]
fn a_problem_is_shown_with_its_line_a_caret_and_what_would_be_right() {
    let text = format!("{PORTAL}[[room]]\n  seets = 5 # é\n");
    let problems = read(&text, &[]).unwrap_err();
    let shown = problems.to_string();
    let expected = "\
error: unknown key `seets` in [[room]]
 --> proxy.toml:4:3
  |
4 |   seets = 5 # é
  |   ^^^^^ not known here
  |
  = help: did you mean `seats`? the keys here are: apps, ";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.ends_with("\n\n1 error in proxy.toml"), "{shown}");
    assert!(problems.render(true).contains("\u{1b}["));
}

#[test]
fn a_file_from_windows_is_shown_without_its_line_ends() {
    let text = "[[portal]]\r\nservers = \"http://a\"\r\n\tslots = 0\r\n";
    let shown = read(text, &[]).unwrap_err().to_string();
    assert!(shown.contains("--> proxy.toml:3:10\n"), "{shown}");
    assert!(shown.contains("slots = 0\n"), "{shown}");
}

#[test]
fn each_problem_of_a_room_stands_at_its_place() {
    for (line, at, words) in [
        ("seats = 0", "4:9", ["from 1 to 10000000", "whole number"]),
        ("seats = -5", "4:9", ["from 1 to 10000000", "whole number"]),
        (
            "seats = \"500\"",
            "4:9",
            ["found a string", "`seats = 500`"],
        ),
        (
            "seats = 5.5",
            "4:9",
            ["a number with a fraction", "whole number"],
        ),
        (
            "per_minute = 0",
            "4:14",
            ["from 1 to 10000000", "whole number"],
        ),
        (
            "per_minute = -200",
            "4:14",
            ["from 1 to 10000000", "whole number"],
        ),
        (
            "per_minute = 10000001",
            "4:14",
            ["from 1 to 10000000", "whole number"],
        ),
        (
            "per_minute = 3.3",
            "4:14",
            ["a number with a fraction", "whole number"],
        ),
        (
            "per_minute = \"200\"",
            "4:14",
            ["found a string", "`per_minute = 200`"],
        ),
        (
            "mode = \"open\"\nseats = 7\nper_minute = \"auto\"",
            "6:14",
            ["found a string", "from 1 to 10000000"],
        ),
        (
            "par_minute = 200",
            "4:1",
            ["not known here", "did you mean `per_minute`"],
        ),
        (
            "seats = \"automatic\"",
            "4:9",
            ["neither `\"auto\"` nor a number", "write \"auto\""],
        ),
        (
            "seats_max = 9\nseats = 7",
            "4:13",
            [
                "bounds for `seats`, which is a number",
                "`seats = \"auto\"`",
            ],
        ),
        (
            "seats_max = 9\nseats_min = 10",
            "5:13",
            [
                "`seats_min` is more than `seats_max`",
                "at most `seats_min = 9`",
            ],
        ),
        ("weight = 0", "4:10", ["from 1 to 1000", "whole number"]),
        ("idle = 30", "4:8", ["needs a unit", "`idle = \"30s\"`"]),
        ("idle = \"30\"", "4:8", ["not a length of time", "\"10m\""]),
        ("idle = \"-5s\"", "4:8", ["not a length of time", "\"10m\""]),
        ("idle = \"0s\"", "4:8", ["from 1s to 24h", "^^^^ "]),
        ("idle = true", "4:8", ["found true or false", "\"10m\""]),
        (
            "mode = \"queu\"",
            "4:8",
            ["did you mean \"queue\"?", "\"closed\""],
        ),
        ("open = []", "4:8", ["the list is empty", "at least one"]),
        (
            "open = [\"/\", \"a\"]",
            "4:14",
            ["begins with `/`", "/assets/**"],
        ),
        (
            "host = \"a.fr:80\"",
            "4:8",
            ["without a port", "*.example.fr"],
        ),
        ("name = \"Élèves\"", "4:8", ["not a name", "a-z"]),
        (
            "portal = \"other\"",
            "4:10",
            ["named `other`", "the portals are: portal"],
        ),
        ("poll = 5", "4:8", ["expected a table", "[room.poll]"]),
        (
            "poll = { min = \"0s\" }",
            "4:16",
            ["from 1s to 1h", "room.poll.min"],
        ),
        (
            "poll = { min = \"2m\" }",
            "4:16",
            ["shorter than", "`max = \"2m\"` or more"],
        ),
        (
            "poll = { maxi = \"2m\" }",
            "4:10",
            ["unknown key `maxi`", "did you mean `max`?"],
        ),
        (
            "poll = { max = \"10m\" }",
            "4:8",
            ["room.keep", "`keep = \"12m30s\"` or more"],
        ),
        (
            "keep = \"70s\"",
            "4:8",
            ["room.poll.max", "`keep = \"1m15s\"` or more"],
        ),
        (
            "idle = \"9h\"",
            "4:8",
            ["visit_max is 8h, idle is 9h", "`visit_max = \"9h\"`"],
        ),
        (
            "presets = [\"cas\", \"entcor\"]",
            "4:19",
            ["did you mean \"entcore\"?", "\"nextcloud\""],
        ),
        (
            "callbacks = [{ path = \"/acs\", methode = \"POST\" }]",
            "4:31",
            [
                "unknown key `methode` in `room.callbacks`",
                "did you mean `method`?",
            ],
        ),
        (
            "callbacks = [{ path = \"acs\" }]",
            "4:23",
            ["begins with `/`", "room.callbacks.path"],
        ),
        (
            "callbacks = { path = \"/acs\", method = \"post\" }",
            "4:39",
            ["written in capitals", "\"POST\""],
        ),
        (
            "callbacks = [\"/a\", { query = [\"code\", \"a=*b\"] }]",
            "4:39",
            ["only stand at the end of a value", "\"ticket=ST-*\""],
        ),
        (
            "open = [{ method = \"GET\" }]",
            "4:9",
            ["names neither a path nor a parameter", "query = "],
        ),
        (
            "open = [{ form = \"logoutRequest\" }]",
            "4:18",
            ["forms are not read here", "write it in `back_channels`"],
        ),
        (
            "back_channels = { form = \"a=1\" }",
            "4:26",
            ["only the name", "\"logoutRequest\""],
        ),
        (
            "back_channels = { form = \"a\", method = \"GET\" }",
            "4:40",
            ["no other method has one", "method = \"POST\""],
        ),
        (
            "back_channels = [5]",
            "4:18",
            ["expected a string, found a whole number", "double quotes"],
        ),
        (
            "cookie_domain = \"fr\"",
            "4:17",
            ["a whole top-level domain", "\"example.fr\""],
        ),
        (
            "cookie_domain = \"x.fr\"",
            "4:17",
            ["`*` is not at or below `x.fr`", "\"cas.x.fr\""],
        ),
        (
            "cookie_domain = \"x.fr\"\nhost = [\"cas.x.fr\", \"yx.fr\"]",
            "5:8",
            ["`yx.fr` is not at or below `x.fr`", "\"*.x.fr\""],
        ),
        (
            "path = [\"/a\", \"/a\"]",
            "4:8",
            ["`/a` on `*` is covered", "most specific"],
        ),
    ] {
        one_wrong(&format!("[[room]]\n{line}\n"), at, &words);
    }
}

#[test]
fn each_problem_at_the_top_stands_at_its_place() {
    for (line, at, words) in [
        (
            "listen = 8080",
            "1:10",
            "an address is missing before the port",
        ),
        (
            "listen = [\"0.0.0.0:80\", \"x y\"]",
            "1:25",
            "not an address with a port",
        ),
        (
            "listen = \"localhost:8080\"",
            "1:10",
            "names are not taken here",
        ),
        (
            "listen = [\"[::]:80\", \"[::]:80\"]",
            "1:10",
            "listed twice",
        ),
        ("admin = \"0.0.0.0:9900\"", "1:9", "no token yet"),
        ("admin = \"127.0.0.1:8080\"", "1:9", "same port"),
        ("state = \"\"", "1:9", "is empty"),
        ("threads = 257", "1:11", "from 1 to 256"),
        ("waiting_status = 404", "1:18", "not a status"),
        ("cookie = 5", "1:10", "expected a table"),
        ("cookie.secure = \"yes\"", "1:17", "expected true or false"),
        (
            "trust.proxies = \"all\"",
            "1:17",
            "neither an address nor a network",
        ),
        ("trust.proxies = \"0.0.0.0/0\"", "1:17", "everybody"),
        ("trust.proxies = \"10.1.2.3/16\"", "1:17", "10.1.0.0/16"),
        (
            "trust.field = \"x-real-ip\"",
            "1:15",
            "not one of the words",
        ),
        ("trust.guard = \"Cookie\"", "1:15", "wanted from everybody"),
        ("trust.guard = \"x_profile\"", "1:15", "`trust.underscores`"),
        ("trust.pass = \"proxy\"", "1:14", "passes from nobody"),
        (
            "trust.pass = \"X-Forwarded-For\"",
            "1:14",
            "we say it ourselves",
        ),
        ("trust.pass = \"X-HTTP-Metod\"", "1:14", "passes already"),
        ("trust.underscores = true", "1:21", "expected a string"),
        ("log.level = \"inof\"", "1:13", "\"inof\" is not a level"),
        ("log.access = \"xml\"", "1:14", "not one of the words"),
        ("limits.header_bytes = \"32kg\"", "1:23", "not a size"),
        ("limits.conections = 5", "1:8", "not known here"),
        ("room = 5", "1:8", "expected a list of tables"),
    ] {
        let found = wrong(&format!("{line}\n{PORTAL}"));
        assert_eq!(found[0].0, at, "{line}: {found:?}");
        assert!(found[0].1.contains(words), "{line}: {found:?}");
    }
}

#[test]
fn what_is_missing_is_asked_for_at_the_header() {
    let empty = read("", &[]).unwrap_err();
    assert_eq!(empty.len(), 1, "{empty}");
    assert!(
        empty.to_string().contains("there is no [[portal]]"),
        "{empty}"
    );

    let found = wrong("# a comment\n[[portal]]\nslots = 5\n");
    assert_eq!(found, [("2:1".into(), "needs `servers`".into())]);

    let a = "[[portal]]\nname = \"a\"\nservers = \"http://a\"\n";
    let b = "[[portal]]\nservers = \"http://b\"\n";
    let found = wrong(&format!("{a}{b}[[room]]\nportal = \"a\""));
    assert_eq!(found, [("4:1".into(), "needs `name`".into())]);

    let two = format!("{a}{b}name = \"b\"\n");
    let found = read(&two, &[]).unwrap_err();
    assert!(
        found.to_string().contains("there is no [[room]]"),
        "{found}"
    );
    let found = wrong(&format!("{two}[[room]]\nname = \"r\""));
    assert_eq!(found, [("7:1".into(), "needs `portal`".into())]);
}

#[test]
fn names_and_places_are_taken_once() {
    let rooms = format!("{PORTAL}[[room]]\nname = \"a\"\n[[room]]\n");
    let found = wrong(&format!("{rooms}name = \"a\"\npath = \"/x\"\n"));
    assert_eq!(
        found,
        [("6:8".into(), "`a` is taken by a room above".into())]
    );

    let found = wrong(&format!("{rooms}name = \"b\"\npath = \"/**\"\n"));
    let label = "`/**` on `*` is covered by room `a` already";
    assert_eq!(found, [("7:8".into(), label.into())]);

    let portal = "[[portal]]\nname = \"p\"\nservers = \"http://a\"\n";
    let found = wrong(&format!("{portal}{portal}[[room]]\nportal = \"p\""));
    assert_eq!(found, [("5:8".into(), "taken by a portal above".into())]);
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_file() {
    let text = "lisen = \"x\"\nthreads = 0\n[log]\nformat = \"xml\"\n\
                [[portal]]\nservers = []\nslots = 1.5\n\
                [[room]]\nidle = 5\nportl = \"a\"\n";
    let problems = read(text, &["room.seats=none"]).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [1, 2, 4, 6, 7, 9, 10, 1], "{problems}");
    let shown = problems.to_string();
    let count = "8 errors in proxy.toml, --set room.seats=none";
    assert!(shown.ends_with(count), "{shown}");
}

#[test]
fn syntax_errors_come_together_and_with_what_else_is_sure() {
    let text = "threads = 0\nlisten = 127.0.0.1:80\nstate = \n[[portal]]\nslots = 0\n";
    let problems = read(text, &[]).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5], "{problems}");
    let shown = problems.to_string();
    assert!(shown.contains("this is not TOML"), "{shown}");
    assert!(shown.contains("missing key `servers`"), "{shown}");
}

#[test]
fn a_syntax_error_says_what_would_be_right() {
    for (lines, at, help) in [
        ("[[room]]\nidle = 10m\n", "4:8", "double quotes"),
        (
            "[[room]]\nidle = \"5s\"\nidle = \"6s\"\n",
            "5:1",
            "each key once",
        ),
        ("[[room]\nseats = 5\n", "3:8", "`[[room]]`"),
        (
            "[[room]]\nopen = [\"/\" \"/a\"]\n",
            "4:13",
            "commas between",
        ),
        ("[[room]]\nseats\n", "4:6", "`key = value`"),
    ] {
        one_wrong(lines, at, &["this is not TOML", help]);
    }
}

#[test]
fn a_file_without_end_is_refused() {
    let problems = read(&"#".repeat(MAX_FILE_BYTES + 1), &[]).unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert_eq!(message, "the file is too long");
}
