//! `preau simulate` as an operator sees it: scenes, logs, pictures, and what is wrong with them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const SCENE: &str = "name = \"small\"\nlength = \"20m\"\n\
    [room]\nseats = 20\nidle = \"1m\"\n\
    [portal]\nmodel = \"visits\"\nvisit = \"1m\"\n\
    [[arrivals]]\nper_minute = 40\nuntil = \"5m\"\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("written");
    }

    /// Runs `preau simulate` in this folder.
    fn simulate(&self, arguments: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_preau"))
            .arg("simulate")
            .args(arguments)
            .current_dir(self.path())
            .output();
        Run(output.expect("the binary can be run"))
    }
}

struct Run(Output);

impl Run {
    fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    fn figures(&self) -> serde_json::Value {
        assert_eq!(self.code(), Some(0), "{}", self.err());
        let json: serde_json::Value = serde_json::from_str(&self.out()).expect("JSON");
        json["figures"].clone()
    }
}

#[test]
fn a_scene_is_told_as_a_table_and_as_json() {
    let folder = Folder::new();
    folder.write("scene.toml", SCENE);
    let table = folder.simulate(&["scene.toml"]);
    assert_eq!(table.code(), Some(0), "{}", table.err());
    for words in [
        "small: 20 min 00 s, seed 1",
        "visits completed",
        "promises kept",
        "0 · 0",
    ] {
        assert!(
            table.out().contains(words),
            "no {words:?} in {}",
            table.out()
        );
    }
    let figures = folder.simulate(&["scene.toml", "--json"]).figures();
    let people = figures["people"].as_u64().expect("a number");
    assert!((150..250).contains(&people), "{people}");
    assert_eq!(
        figures["line_at_end"], 0,
        "the line is empty long before the end"
    );
    assert_eq!(figures["completed"].as_u64(), Some(people));
    assert!(figures["called_in"].as_u64() > Some(50), "most had to wait");
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_does_not() {
    let folder = Folder::new();
    folder.write("scene.toml", SCENE);
    let run = |seed: &str| {
        folder
            .simulate(&["scene.toml", "--json", "--seed", seed])
            .out()
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn values_of_the_scene_can_be_replaced() {
    let folder = Folder::new();
    folder.write("scene.toml", SCENE);
    let plenty = folder
        .simulate(&["scene.toml", "--json", "--seats", "500"])
        .figures();
    assert_eq!(plenty["called_in"], 0, "nobody has to wait");
    let set = ["scene.toml", "--json", "--set", "arrivals=[{per_minute=0}]"];
    assert_eq!(folder.simulate(&set).figures()["people"], 0);
}

#[test]
fn pictures_are_drawn() {
    let folder = Folder::new();
    folder.write("scene.toml", SCENE);
    let run = folder.simulate(&["scene.toml", "--svg", "report/pictures"]);
    assert_eq!(run.code(), Some(0), "{}", run.err());
    for name in ["inside", "line", "flow", "wait", "promise"] {
        let svg = folder.path().join(format!("report/pictures/{name}.svg"));
        let svg = fs::read_to_string(svg).expect("it was drawn");
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{name}"
        );
    }
    folder.write("file", "");
    let run = folder.simulate(&["scene.toml", "--svg", "file"]);
    assert_eq!(run.code(), Some(2));
    assert!(run.err().contains("cannot write file"), "{}", run.err());
}

#[test]
fn lanes_and_a_draw_are_told_as_tables_as_json_and_as_pictures() {
    let folder = Folder::new();
    let scene = SCENE.replace(
        "idle = \"1m\"\n",
        "idle = \"1m\"\n[room.opening]\nat = \"3m\"\nearly = \"2m\"\n\
         [[room.lane]]\nname = \"teachers\"\nweight = 3\n[[room.lane]]\nname = \"pupils\"\n",
    );
    let teachers = "[[arrivals]]\nlane = \"teachers\"\nper_minute = 40\nuntil = \"5m\"\n";
    folder.write("scene.toml", &format!("{scene}{teachers}"));
    let table = folder.simulate(&["scene.toml", "--svg", "."]);
    assert_eq!(table.code(), Some(0), "{}", table.err());
    for words in ["teachers", "by weight", "75.0 %", "The draw in lane pupils"] {
        assert!(
            table.out().contains(words),
            "no {words:?} in {}",
            table.out()
        );
    }
    for name in ["lanes", "lane-calls", "draw"] {
        let svg = fs::read_to_string(folder.path().join(format!("{name}.svg")));
        assert!(svg.expect("it was drawn").starts_with("<svg"), "{name}");
    }
    let figures = folder.simulate(&["scene.toml", "--json"]).figures();
    let lanes = figures["lanes"].as_array().expect("a list");
    assert_eq!(
        lanes[0]["name"], "pupils",
        "that of all others is the first"
    );
    for lane in lanes {
        let people = lane["people"].as_u64().expect("a number");
        assert!((150..250).contains(&people), "{lane}");
        assert!(lane["draw"]["drawn"].as_u64() > Some(40), "{lane}");
    }
}

#[test]
fn what_is_wrong_with_a_scene_is_said_all_at_once_with_its_place() {
    let folder = Folder::new();
    let wrong = SCENE
        .replace("per_minute = 40", "per_minute = -4")
        .replace("idle =", "idel =");
    folder.write("scene.toml", &wrong);
    let run = folder.simulate(&["scene.toml"]);
    assert_eq!((run.code(), run.out().as_str()), (Some(1), ""));
    for words in [
        "scene.toml:5:1",
        "did you mean `idle`",
        "scene.toml:10:14",
        "2 errors",
    ] {
        assert!(run.err().contains(words), "no {words:?} in {}", run.err());
    }
    let run = folder.simulate(&["missing.toml"]);
    assert_eq!(run.code(), Some(2));
    assert!(
        run.err().contains("cannot read missing.toml"),
        "{}",
        run.err()
    );
    assert_eq!(
        folder.simulate(&[]).code(),
        Some(2),
        "neither a scene nor a log"
    );
}

/// Sixty people from 8:00 on, one every ten seconds, who each ask every minute for ten minutes.
fn access_log() -> String {
    let mut lines = Vec::new();
    for who in 0..60 {
        for minute in 0..10 {
            let secs = 8 * 3_600 + who * 10 + minute * 60;
            let (hour, min, sec) = (secs / 3_600, secs / 60 % 60, secs % 60);
            lines.push((
                secs,
                format!(
                    "192.0.2.{who} - - [16/Mar/2020:{hour:02}:{min:02}:{sec:02} +0100] \
                     \"GET /page/{minute} HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0\"\n"
                ),
            ));
        }
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn a_log_is_lived_through_again_with_other_seats() {
    let folder = Folder::new();
    folder.write("access.log", &access_log());
    let run = |seats: &str| {
        let arguments = [
            "--log",
            "access.log",
            "--seats",
            seats,
            "--set",
            "room.idle=2m",
        ];
        folder.simulate(&arguments)
    };
    let plenty = run("60");
    assert_eq!(plenty.code(), Some(0), "{}", plenty.err());
    for words in [
        "600 lines, 0 of them broken",
        "60 visits",
        "60 seats would have been enough",
    ] {
        assert!(
            plenty.out().contains(words),
            "no {words:?} in {}",
            plenty.out()
        );
    }
    let json = |seats: &str| {
        let set = "room.idle=2m";
        let arguments = [
            "--log",
            "access.log",
            "--seats",
            seats,
            "--set",
            set,
            "--json",
        ];
        folder.simulate(&arguments).figures()
    };
    assert_eq!(
        (
            json("60")["straight"].as_u64(),
            json("60")["called_in"].as_u64()
        ),
        (Some(60), Some(0))
    );
    let few = json("20");
    assert!(few["called_in"].as_u64() >= Some(30), "{few}");
    assert_eq!(
        (few["people"].as_u64(), few["completed"].as_u64()),
        (Some(60), Some(60))
    );
}

#[test]
fn broken_lines_are_counted_named_and_skipped() {
    let folder = Folder::new();
    let log = access_log();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.insert(0, "what is this");
    lines.insert(
        7,
        "192.0.2.1 - - [99/Mar/2020:08:00:00 +0100] \"GET /\" 200 5 \"-\" \"x\"",
    );
    folder.write("access.log", &lines.join("\n"));
    let run = folder.simulate(&["--log", "access.log", "--seats", "60"]);
    assert_eq!(run.code(), Some(0), "{}", run.err());
    assert!(
        run.out().contains("602 lines, 2 of them broken"),
        "{}",
        run.out()
    );
    for words in ["access.log:1: ", "access.log:8: its time"] {
        assert!(run.err().contains(words), "no {words:?} in {}", run.err());
    }
    folder.write("access.log.2.gz", "\u{1f}\u{8b}\u{8}");
    let run = folder.simulate(&["--log", "access.log.2.gz", "--seats", "60"]);
    assert!(
        run.err().contains("<(zcat access.log.2.gz)"),
        "{}",
        run.err()
    );
    folder.write("empty.log", "");
    let run = folder.simulate(&["--log", "empty.log", "--seats", "60"]);
    assert_eq!(run.code(), Some(1));
    assert!(run.err().contains("combined format"), "{}", run.err());
}

#[test]
fn a_log_needs_a_number_of_seats_however_it_is_said() {
    let folder = Folder::new();
    folder.write("access.log", &access_log());
    let log = |more: &[&str]| folder.simulate(&[&["--log", "access.log"], more].concat());
    for set in ["room.seats=60", "room.seats = 60"] {
        let run = log(&["--set", set, "--set", "room.idle=2m"]);
        assert_eq!(run.code(), Some(0), "{}", run.err());
        assert!(run.out().contains("60 seats would"), "{}", run.out());
    }
    for more in [
        &[][..],
        &["--seats", "auto"],
        &["--set", "room.seats=\"auto\""],
    ] {
        let idle = ["--set", "room.idle=2m"];
        let run = log(&[more, &idle].concat());
        assert_eq!((run.code(), run.out().as_str()), (Some(2), ""), "{more:?}");
        for words in ["--seats NUMBER", "60 would have been enough"] {
            assert!(run.err().contains(words), "{more:?}: {}", run.err());
        }
    }
    let run = log(&["--seats", "many"]);
    assert_eq!(run.code(), Some(1), "{}", run.err());
    assert!(
        run.err().contains("neither `\"auto\"` nor a number"),
        "{}",
        run.err()
    );
    let help = folder.simulate(&["--help"]).out();
    assert!(help.contains("--log <FILE> --seats <NUMBER>"), "{help}");
    assert!(help.contains("It needs --seats"), "{help}");
}

#[test]
fn a_log_of_another_format_is_refused_by_its_name() {
    let folder = Folder::new();
    let vhosts = access_log()
        .lines()
        .map(|line| format!("ent.example.fr:443 {line}\n"))
        .collect::<String>();
    folder.write("other_vhosts_access.log", &vhosts);
    let run = folder.simulate(&["--log", "other_vhosts_access.log", "--seats", "60"]);
    assert_eq!(run.code(), Some(1), "{}", run.out());
    assert_eq!(
        run.err().matches("vhost_combined").count(),
        1,
        "{}",
        run.err()
    );
    assert!(
        run.err().contains("(and 599 more like it)"),
        "{}",
        run.err()
    );
}

#[test]
fn a_log_comes_from_standard_input_and_a_proxy_in_it_is_noticed() {
    let folder = Folder::new();
    let proxied = access_log()
        .lines()
        .map(|line| {
            let (_, rest) = line.split_once(' ').expect("an address");
            format!("192.0.2.9 {rest}\n")
        })
        .collect::<String>();
    folder.write("access.log", &proxied);
    let log = fs::File::open(folder.path().join("access.log")).expect("it is there");
    let output = Command::new(env!("CARGO_BIN_EXE_preau"))
        .args(["simulate", "--log", "-", "--seats", "60"])
        .stdin(log)
        .output();
    let run = Run(output.expect("the binary can be run"));
    assert_eq!(run.code(), Some(0), "{}", run.err());
    assert!(run.out().contains("600 lines"), "{}", run.out());
    assert!(run.out().contains("standard input"), "{}", run.out());
    assert!(
        run.err().contains("one address, 192.0.2.9"),
        "{}",
        run.err()
    );
}
