//! What an operator means, and how it is told.

use super::wrong::one_wrong;
use super::{PORTAL, read};

#[test]
fn a_value_without_quotes_is_shown_as_it_would_be_right() {
    for (line, at, words) in [
        (
            "seats = NEUF",
            "4:9",
            [
                "`NEUF` is not a whole number",
                "whole number in digits, without a word or a unit behind it, or `seats = \"auto\"`",
            ],
        ),
        (
            "seats = auto",
            "4:9",
            ["neither a number nor in quotes", "`seats = \"auto\"`"],
        ),
        ("idle = 10m", "4:8", ["nor in quotes", "`idle = \"10m\"`"]),
        ("idle = 10 mn", "4:8", ["nor in quotes", "`idle = \"10m\"`"]),
        (
            "mode = queue",
            "4:8",
            ["nor in quotes", "`mode = \"queue\"`"],
        ),
        (
            "host = ent.fr # x",
            "4:8",
            ["`ent.fr` is neither", "`host = \"ent.fr\"`"],
        ),
        (
            "host = [a.fr, \"b.fr\"]",
            "4:9",
            ["`a.fr` is neither", "write `\"a.fr\"`"],
        ),
        (
            "poll = { max = 30s }",
            "4:16",
            ["`30s` is neither", "write `max = \"30s\"`"],
        ),
        (
            "seats = 1 000",
            "4:9",
            ["no spaces, dots or commas", "`seats = 1000`"],
        ),
        (
            "seats = 5 // five",
            "4:9",
            ["more than one value", "`seats = 5`"],
        ),
        (
            "lane = [{ code = Oui }]",
            "4:18",
            ["not how true is written", "`code = true`"],
        ),
        (
            "lane = [{ code = True }]",
            "4:18",
            ["not how true is written", "`code = true`"],
        ),
        ("seats: 5", "4:6", ["`:` stands here", "`seats = 5`"]),
        ("seats := 5", "4:7", ["`:=` stands here", "`seats = 5`"]),
        ("seats == 5", "4:8", ["`=` stands here", "`seats = 5`"]),
        (
            "seats : \"auto\"",
            "4:7",
            ["`:` stands here", "`seats = \"auto\"`"],
        ),
        ("seats 5", "4:7", ["key with no value", "`seats = 5`"]),
        (
            "name eleves",
            "4:6",
            ["key with no value", "`name = \"eleves\"`"],
        ),
        (
            "open [\"/a\", \"/b\"]",
            "4:6",
            ["no value", "`open = [\"/a\", \"/b\"]`"],
        ),
        (
            "seats are few",
            "4:7",
            ["key with no value", "begins with #"],
        ),
        ("path = \"C:\\dir\"", "4:12", ["escape", "single quotes"]),
        (
            "seats = 1.000",
            "4:9",
            ["a number with a fraction", "if 1000 is meant"],
        ),
        (
            "idle = \"2 jours\"",
            "4:8",
            ["not a length of time", "did you mean \"2d\"?"],
        ),
    ] {
        one_wrong(&format!("[[room]]\n{line}\n"), at, &words);
    }
}

#[test]
fn the_wrong_name_of_a_table_is_the_one_error() {
    let servers = "servers = \"http://10.0.0.5\"\n";
    for (text, at, words) in [
        (
            format!("[[portail]]\n{servers}[[room]]\nportal = \"ent\"\n"),
            "1:3",
            "did you mean `[[portal]]`?",
        ),
        (
            format!("[portail]\n{servers}[[room]]\nhost = \"ent.fr\"\n"),
            "1:2",
            "did you mean `[[portal]]`?",
        ),
        (
            format!(
                "[[portal]]\nname = \"a\"\n{servers}[[portail]]\nname = \"ent\"\n{servers}[[room]]\nportal = \"ent\"\n"
            ),
            "4:3",
            "did you mean `[[portal]]`?",
        ),
        (
            format!("[portail]\n{servers}"),
            "1:2",
            "did you mean `[[portal]]`?",
        ),
        (
            format!("[portal]\n{servers}"),
            "1:1",
            "`[[portal]]`, with two brackets",
        ),
        (
            format!("{PORTAL}[room]\nseats = 5\n"),
            "3:1",
            "`[[room]]`, with two brackets",
        ),
        (
            format!("{PORTAL}[[salle]]\nseats = 5\n"),
            "3:3",
            "did you mean `[[room]]`?",
        ),
        (
            "[[portal]]\nserveurs = \"http://a\"\n".to_owned(),
            "2:1",
            "did you mean `servers`?",
        ),
    ] {
        let problems = read(&text, &[]).unwrap_err();
        let shown = problems.to_string();
        assert_eq!(problems.len(), 1, "{shown}");
        assert!(shown.contains(&format!("--> proxy.toml:{at}\n")), "{shown}");
        assert!(shown.contains(words), "{shown}");
    }
    // What else is wrong with it is said at once.
    let both = format!("{PORTAL}[room]\nseats = 0\n");
    assert_eq!(read(&both, &[]).unwrap_err().len(), 2);
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    for (text, words) in [
        (
            format!("seats = 5\n{PORTAL}"),
            "`seats` belongs in [[room]]",
        ),
        (
            format!("{PORTAL}idle = \"5m\"\n"),
            "`idle` belongs in [[room]]",
        ),
        (
            format!("{PORTAL}[[room]]\nslots = 5\n"),
            "`slots` belongs in [[portal]]",
        ),
        (
            format!("{PORTAL}[log]\nstreams = 5\n"),
            "`streams` belongs in [limits]",
        ),
        (
            format!("{PORTAL}interval = \"5s\"\n"),
            "`interval` belongs in [portal.health]",
        ),
        (
            format!("places = 5\n{PORTAL}"),
            "did you mean `seats`, in [[room]] or",
        ),
        (
            format!("{PORTAL}[[room]]\nhosts = \"a.fr\"\n"),
            "did you mean `host`?",
        ),
        (
            format!("{PORTAL}[[room]]\nplaces = 5\n"),
            "did you mean `seats`?",
        ),
    ] {
        let shown = read(&text, &[]).unwrap_err().to_string();
        assert!(shown.contains(words), "{shown}");
        assert!(shown.contains("1 error in"), "{shown}");
    }
}

#[test]
fn words_of_another_language_are_understood_enough_to_say_ours() {
    for (line, words) in [
        (
            "mode = \"fermé\"",
            ["not one of the words", "did you mean \"closed\"?"],
        ),
        (
            "mode = \"file\"",
            ["not one of the words", "did you mean \"queue\"?"],
        ),
        (
            "mode = \"Queue\"",
            ["not one of the words", "did you mean \"queue\"?"],
        ),
        (
            "schedule = [{ when = \"lun-ven\", mode = \"hold\" }]",
            [
                "mon, tue, wed, thu, fri, sat, sun, daily",
                "did you mean \"mon-fri\"?",
            ],
        ),
        (
            "schedule = [{ when = \"lun-ven 8h-17h30\", mode = \"hold\" }]",
            ["not a day", "did you mean \"mon-fri 08:00-17:30\"?"],
        ),
        (
            "opening = { at = \"1/9/2026 8h\" }",
            ["2026", "did you mean \"2026-09-01 08:00\"?"],
        ),
    ] {
        let text = format!("{PORTAL}[[room]]\n{line}\n");
        let shown = read(&text, &[]).unwrap_err().to_string();
        assert!(shown.contains("1 error in"), "{shown}");
        for word in words {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert!(!shown.contains("write a list"), "{shown}");
    }
    let text = format!("cookie.secure = \"oui\"\n{PORTAL}");
    let shown = read(&text, &[]).unwrap_err().to_string();
    assert!(
        shown.contains("write `secure = true`, without quotes"),
        "{shown}"
    );
}

#[test]
fn an_address_without_quotes_is_shown_whole_and_in_quotes() {
    for (line, at, caret, words) in [
        (
            "servers = http://127.0.0.1:25890",
            "4:11",
            22,
            "write `servers = \"http://127.0.0.1:25890\"`",
        ),
        (
            "servers = [http://127.0.0.1:9000, https://ent.fr]",
            "4:12",
            21,
            "write `\"http://127.0.0.1:9000\"`, and each other text of the list in quotes",
        ),
        (
            "servers = http://a.fr // one",
            "4:11",
            18,
            "write `servers = \"http://a.fr\"`",
        ),
        (
            "listen = 0.0.0.0:8080",
            "4:10",
            12,
            "write `listen = \"0.0.0.0:8080\"`",
        ),
        (
            "listen = [127.0.0.1:80, 0.0.0.0:8080]",
            "4:11",
            12,
            "write `\"127.0.0.1:80\"`",
        ),
        (
            "listen = [::]:8080 # all",
            "4:10",
            9,
            "write `listen = \"[::]:8080\"`",
        ),
        (
            "proxies = 10.0.0.0/8",
            "4:11",
            10,
            "write `proxies = \"10.0.0.0/8\"`",
        ),
        (
            "network = 2001:db8::/32",
            "4:11",
            13,
            "write `network = \"2001:db8::/32\"`",
        ),
    ] {
        let caret = format!(" {} `", "^".repeat(caret));
        one_wrong(&format!("[[room]]\n{line}\n"), at, &[&caret, words]);
    }
}

#[test]
fn where_a_number_is_wanted_quotes_are_not_offered() {
    for (line, or_auto) in [
        ("seats = NEUF", "seats"),
        ("seats = 5000 places", "seats"),
        ("seats = 5000 places // x", "seats"),
        ("seats = Oui", "seats"),
        ("slots = douze", "slots"),
        ("weight = lourd", ""),
        ("poll = { budget = 100/s }", ""),
        ("limits.streams = 10m", ""),
    ] {
        let shown = read(&format!("{PORTAL}[[room]]\n{line}\n"), &[]).unwrap_err();
        let shown = shown.to_string();
        assert!(shown.contains("1 error in"), "{shown}");
        assert!(shown.contains("write a whole number in digits"), "{shown}");
        let auto = format!(", or `{or_auto} = \"auto\"`");
        assert_eq!(shown.contains(&auto), !or_auto.is_empty(), "{shown}");
        assert_eq!(shown.contains(" = \""), !or_auto.is_empty(), "{shown}");
    }
}

#[test]
fn what_is_no_address_of_ours_is_shown_as_it_would_be_right() {
    const ALL: &str = "\"0.0.0.0:8080\" or \"[::]:8080\" for all addresses of this machine";
    const HERE: &str = "write \"127.0.0.1:8080\" or \"[::1]:8080\"";
    for (line, label, help) in [
        (
            "listen = \"localhost:8080\"",
            "names are not taken here",
            HERE,
        ),
        ("listen = \"localhost\"", "names are not taken here", HERE),
        ("listen = \"ent.fr:8080\"", "names are not taken here", ALL),
        ("listen = \":8080\"", "an address is missing", ALL),
        ("listen = \"8080\"", "an address is missing", ALL),
        ("listen = 8080", "an address is missing", ALL),
        ("listen = \"*:8080\"", "`*` is no address", ALL),
        (
            "listen = \"0.0.0.0\"",
            "a port is missing",
            "write \"0.0.0.0:8080\"",
        ),
        (
            "listen = \"::1\"",
            "a port is missing",
            "write \"[::1]:8080\"",
        ),
        (
            "listen = \"http://0.0.0.0:81/\"",
            "only an address and a port",
            "write \"0.0.0.0:81\"",
        ),
        ("listen = \"a b\"", "not an address with a port", ALL),
        (
            "listener = [{ address = \"localhost:8080\" }]",
            "names are not taken here",
            HERE,
        ),
        (
            "admin = \"localhost:8080\"",
            "names are not taken here",
            HERE,
        ),
        ("admin = \"desk.fr:8080\"", "names are not taken here", HERE),
        ("admin = 8080", "an address is missing", HERE),
    ] {
        let shown = read(&format!("{line}\n{PORTAL}"), &[])
            .unwrap_err()
            .to_string();
        assert!(shown.contains("1 error in"), "{line}: {shown}");
        assert!(
            shown.contains(label) && shown.contains(help),
            "{line}: {shown}"
        );
    }
    assert!(
        super::super::desk_address("localhost:9900")
            .unwrap_err()
            .contains("127.0.0.1:9900")
    );
}

#[test]
fn what_a_probe_asks_is_not_how_servers_are_tested() {
    for (check, meant) in [
        ("\"/\"", "`path = \"/\"`"),
        ("\"/sante?a=1\"", "`path = \"/sante?a=1\"`"),
        ("\"HEAD\"", "`method = \"HEAD\"`"),
        (
            "\"GET /sante\"",
            "`method = \"GET\"` and `path = \"/sante\"`",
        ),
        ("\"200-399\"", "`status = \"200-399\"`"),
        ("\"https\"", "did you mean \"http\"?"),
        ("\"TCP\"", "\"tcp\""),
    ] {
        one_wrong(
            &format!("health.check = {check}\n"),
            "3:16",
            &[meant, "not one of the words"],
        );
    }
}

#[test]
fn each_table_without_a_name_is_offered_another() {
    let portals = "[[portal]]\nservers = \"http://a\"\n[[portal]]\nservers = \"http://b\"\n";
    let rooms = format!("{PORTAL}[[room]]\npath = \"/a\"\n[[room]]\npath = \"/b\"\n");
    let lanes =
        format!("{PORTAL}[[room]]\n[[room.lane]]\npath = \"/a\"\n[[room.lane]]\nweight = 2\n");
    for (text, names) in [
        (portals, ["\"ent\"", "\"ent-2\""]),
        (&rooms, ["\"ent\"", "\"ent-2\""]),
        (&lanes, ["\"teachers\"", "\"teachers-2\""]),
    ] {
        let shown = read(text, &[]).unwrap_err().to_string();
        for name in names {
            let offered = shown.matches(&format!("write `name = {name}`")).count();
            assert_eq!(offered, 1, "{name}: {shown}");
        }
    }
}

#[cfg(not(feature = "acme"))]
#[test]
fn what_a_build_has_not_is_not_offered() {
    let shown = read(&format!("acmee = 1\n{PORTAL}"), &[])
        .unwrap_err()
        .to_string();
    assert!(
        !shown.contains("acme,") && !shown.contains("did you mean"),
        "{shown}"
    );
    let shown = read(
        &format!("{PORTAL}[acme]\nhosts = \"a.fr\"\nterms_agreed = true\n"),
        &[],
    );
    assert!(
        shown
            .unwrap_err()
            .to_string()
            .contains("this build has no ACME")
    );
}
