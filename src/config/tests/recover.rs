//! A file of which one line is not TOML: what is wrong with the rest is said all the same, and nothing
//! that is only an echo of that line.

use super::read;
use super::wrong::wrong;

/// A file with four faults, each of another kind, in lines that are TOML.
const FAULTY: &str = "lisen = \"x\"\n\
    BROKEN\n\
    [[portal]]\n\
    slots = 0\n\
    [[room]]\n\
    seats = 0\n\
    [[room.lane]]\n\
    weight = 3\n";

/// The lines of the problems.
fn lines(text: &str) -> Vec<usize> {
    let problems = read(text, &[]).expect_err(text);
    problems.iter().map(|it| it.line).collect()
}

#[test]
fn one_line_that_is_not_toml_hides_no_other_fault() {
    // An unknown key, missing `servers`, slots, seats, and a lane without a name.
    let others = [1, 3, 4, 6, 7];
    for broken in [
        "threads",
        "threads 4",
        "threads : 4",
        "threads = quatre",
        "threads = ",
        "threads = \"4",
        "threads == 4",
        "« threads » = 4",
        "= 4",
        ", 4",
        "threads = [4",
        "threads = { a = 4",
        "threads = { a 4 }",
        "threads = [1, 2] 3",
        "drain = \"5s\" threads = 4",
        "[log",
        "[log] level = \"info\"",
        "[[log]",
        "[]",
        "[lo g]",
        "]",
        "}",
    ] {
        let found = lines(&FAULTY.replace("BROKEN", broken));
        let mut expected = others.to_vec();
        expected.push(2);
        expected.sort_unstable();
        assert_eq!(found, expected, "{broken}");
    }
}

#[test]
fn each_broken_line_is_told_wherever_it_stands() {
    let text = "threads 4\n[[portal]]\nservers = http://a\nslots = 5\nslot_queue : 7\n[[room]\n\
                idle = 10m\nopen = [\"/a\" \"/b\"]\nseats = 0\nhost = [\"a.fr\",\n[[room.lane]]\nname x\n";
    let problems = read(text, &[]).unwrap_err();
    let found: Vec<usize> = problems.iter().map(|it| it.line).collect();
    assert_eq!(found, [1, 3, 5, 6, 7, 8, 9, 10, 12], "{problems}");
}

/// More than a reading each would allow.
#[test]
fn many_faults_are_all_told() {
    for line in ["[x", "[[x]", "a = x", "a 5", "= 5"] {
        let text = format!("{line}\n").repeat(300);
        let found = lines(&text);
        let broken = found.iter().filter(|it| **it > 0).count();
        assert!(broken >= 300, "{line}: {broken}");
    }
}

#[test]
fn what_could_not_be_read_is_not_missing() {
    for (text, broken) in [
        ("[[portal]]\nservers = http://a\n", vec![2]),
        ("[[portal]]\nservers\n", vec![2]),
        ("[[portal]]\nserveurs http://a\n", vec![2]),
        ("[[portal]]\nservers = [\"http://a\"\nslots = 5\n", vec![2]),
        ("[[portal]\nservers = \"http://a\"\n", vec![1]),
        ("[[portal\nservers = \"http://a\"\n[[room]]\n", vec![1]),
        (
            "[[portal]]\nservers = [\n  http://a,\n  \"http://b\",\n  http://c\n]\n",
            vec![3, 5],
        ),
        (
            "[[portal]]\nname = ent\nservers = \"http://a\"\n[[room]]\nportal = \"ent\"\n",
            vec![2],
        ),
        (
            "[[portal]]\nservers = \"http://a\"\n[[room]]\nname = \"a\"\nhost = a.fr\n[[room]]\n\
             name = \"b\"\nhost = b.fr\n",
            vec![5, 8],
        ),
        (
            "[[portal]]\nservers = \"http://a\"\n[[listener]]\naddress = \"0.0.0.0:443\"\ntls = true\n\
             [tls]\ncertificates = [{ cert = \"a.pem\", key = a.key }]\n",
            vec![7],
        ),
        (
            "[[portal]]\nservers = \"http://a\"\n[[listener]]\naddress = \"0.0.0.0:443\"\ntls = oui\n\
             [tls]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n",
            vec![5],
        ),
    ] {
        assert_eq!(lines(text), broken, "{text}");
    }
}

#[test]
fn a_list_over_several_lines_is_not_to_blame() {
    for list in [
        "lane = [{\n  name = \"a\",\n  path = \"/a\",\n  seats = 5\n}]\n",
        "poll = {\n  min = \"6s\",\n  budget = 5\n}\n",
        "open = [\n  \"/a\",\n\n  { path = \"/b\" }\n]\n",
        "apps = [\n\"\"\"a\n[b]\nc = [\"\"\"\n]\n",
    ] {
        let text = format!("[[portal]]\nservers = \"http://a\"\n[[room]]\n{list}idle 5\n");
        let problems = read(&text, &[]).unwrap_err();
        let found: Vec<usize> = problems.iter().map(|it| it.line).collect();
        assert_eq!(found, [text.lines().count()], "{problems}");
    }
}

#[test]
fn a_bracket_without_its_end_is_told_where_it_begins() {
    for (open, at, label) in [
        ("open = [\"/a\", \"/b\"", "4:8", "this list has no end"),
        (
            "open = [\n  \"/a\", # ]\n  \"/b\"",
            "4:8",
            "this list has no end",
        ),
        ("poll = { min = \"5s\"", "4:8", "this table has no end"),
        (
            "open = [\"/\", { path = \"/c\" }",
            "4:8",
            "this list has no end",
        ),
    ] {
        for rest in [
            "",
            "seats = 7\n",
            "seats = 7\n[[room.lane]]\nname = \"a\"\npath = \"/x\"\n",
        ] {
            let text = format!("[[portal]]\nservers = \"http://a\"\n[[room]]\n{open}\n{rest}");
            assert_eq!(wrong(&text), [(at.to_owned(), label.to_owned())], "{text}");
        }
    }
}

#[test]
fn a_header_that_is_there_twice_is_told_with_the_brackets_of_a_list() {
    let text = "[[portal]]\nservers = \"http://a\"\n[[room]]\n[room.lane]\nname = \"a\"\npath = \"/a\"\n\
                [room.lane]\nname = \"b\"\n";
    let shown = read(text, &[]).unwrap_err().to_string();
    assert_eq!(
        shown
            .matches("write `[[room.lane]]`, with two brackets")
            .count(),
        2,
        "{shown}"
    );
    let text =
        "[log]\nlevel = \"info\"\n[log]\nformat = \"json\"\n[[portal]]\nservers = \"http://a\"\n";
    let shown = read(text, &[]).unwrap_err().to_string();
    assert!(
        shown.contains("each `[table]` once") && shown.contains("1 error in"),
        "{shown}"
    );
}

#[test]
fn the_heading_of_a_table_within_a_room_is_offered_with_its_brackets() {
    let portal = "[[portal]]\nservers = \"http://a\"\n";
    for (lines, meant) in [
        (
            "[[room]]\n[[room.voie]]\nname = \"a\"\n",
            "did you mean `[[room.lane]]`?",
        ),
        (
            "[[room]]\n[room.ouverture]\nat = \"mon 08:00\"\n",
            "did you mean `[room.opening]`?",
        ),
        ("[limites]\nstreams = 5\n", "did you mean `[limits]`?"),
        ("[[room]]\nvoie = 5\n", "did you mean `lane`?"),
    ] {
        let shown = read(&format!("{portal}{lines}"), &[])
            .unwrap_err()
            .to_string();
        assert!(shown.contains(meant), "{shown}");
    }
}

#[test]
fn a_lane_has_a_number_of_seats() {
    let lane = "[[portal]]\nservers = \"http://a\"\n[[room]]\n";
    for lines in [
        "[[room.lane]]\nname = \"a\"\nseats = beaucoup\n",
        "lane = [{ name = \"a\", seats = beaucoup }]\n",
        "lane = [\n  { name = \"a\", seats = beaucoup },\n]\n",
        "[[room.lane]]\nname = \"a\"\nseats = auto\n",
    ] {
        let shown = read(&format!("{lane}{lines}"), &[])
            .unwrap_err()
            .to_string();
        assert!(shown.contains("write a whole number in digits"), "{shown}");
        assert!(!shown.contains("\"auto\""), "{shown}");
    }
}

#[test]
fn places_are_those_of_the_file_behind_a_header_that_was_mended() {
    let text = "[[portal]\nservers = \"http://a\"\n[[room]\nseats = 0\n  idle = \"é\" # é\n[[room.lane\n\
                name = \"A\"\n";
    let places: Vec<String> = wrong(text).into_iter().map(|(at, _)| at).collect();
    assert_eq!(places, ["1:10", "3:8", "4:9", "5:10", "6:12", "7:8"]);
}
