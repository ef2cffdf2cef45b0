//! What `README.md` and `deploy/` say about the program fits the program and the shipped
//! `proxy.toml`.

use preau::config::{Config, GUARDED, Guarded, Problems, Source, parse};
use preau::time::Span;
use std::fs;
use std::path::Path;

/// Descriptors for everything that is not a visitor's connection or its request.
const OTHER_DESCRIPTORS: usize = 1_000;
/// The program and its file, where both the unit and the image have them.
const COMMAND: [&str; 3] = ["serve", "--config", "/etc/preau/proxy.toml"];
/// The tables of the file, as `--set` writes them.
const TABLES: [&str; 11] = [
    "",
    "listener.",
    "tls.",
    "acme.",
    "trust.",
    "cookie.",
    "log.",
    "limits.",
    "portal.",
    "portal.health.",
    "room.",
];

/// The table of a lane, of which there may be several in a room.
const LANE: &str = "room.lane.";

#[test]
fn every_shipped_file_is_valid() {
    for entry in fs::read_dir(root().join("deploy/examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let config = config(&path.display().to_string(), &text);
        assert_eq!(config.state, shipped().state, "{}", path.display());
    }
}

#[test]
fn the_unit_fits_the_shipped_file() {
    let config = shipped();
    let state = format!("/var/lib/{}", unit("StateDirectory"));
    assert_eq!(config.state, Path::new(&state));
    let stop = unit("TimeoutStopSec");
    let seconds = stop.strip_suffix('s').unwrap().parse().unwrap();
    assert!(
        Span::secs(seconds) > config.drain,
        "systemd would kill after {stop}, before `drain` has passed"
    );
    let descriptors: usize = unit("LimitNOFILE").parse().unwrap();
    assert!(descriptors >= 2 * config.limits.connections + OTHER_DESCRIPTORS);
    let command: Vec<String> = unit("ExecStart").split(' ').map(str::to_owned).collect();
    assert_eq!(command[0], "/usr/bin/preau");
    assert_eq!(command[1..], COMMAND);
    assert_eq!(unit("ExecReload"), "/bin/kill -HUP $MAINPID");
}

#[test]
fn the_unit_waits_until_visitors_can_come() {
    assert_eq!(unit("Type"), "notify");
    // 1 and 2 are the exit codes of a file that is wrong or missing.
    assert_eq!(unit("RestartPreventExitStatus"), "1 2");
}

#[test]
fn the_image_fits_the_shipped_file() {
    let config = shipped();
    assert_eq!(config.state, Path::new(&image("VOLUME")[0]));
    let port = config.listeners[0].address.port().to_string();
    assert_eq!(image("EXPOSE"), [port]);
    assert!(
        config.listeners[0].address.ip().is_unspecified(),
        "nobody could reach the container"
    );
    // `preau status` asks this address unless told otherwise.
    assert_eq!(config.admin.to_string(), "127.0.0.1:9900");
    assert_eq!(json(&image("ENTRYPOINT")), ["preau"]);
    assert_eq!(json(&image("CMD")), COMMAND);
    let copied = image("COPY --from=build /build/target/release/preau");
    assert_eq!(copied, [unit("ExecStart").split(' ').next().unwrap()]);
    assert_eq!(image("COPY proxy.toml"), [COMMAND[2]]);
    assert_eq!(image("USER"), ["preau"]);
}

#[test]
fn the_image_is_built_with_the_compiler_that_we_ask_for() {
    let manifest = read("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"');
    let from = image("FROM");
    assert_eq!(from[0], format!("rust:{version}-bookworm"));
}

#[test]
fn the_readme_knows_every_key() {
    let written = readme_keys();
    for table in TABLES.into_iter().chain(["room.poll.", LANE]) {
        let unknown = match table {
            LANE => lane("nonsense = 1"),
            table => format!("{table}nonsense=1"),
        };
        let problems = with(&[unknown]).unwrap_err();
        let mut helps = problems.iter().map(|problem| problem.help.as_str());
        let keys = helps.find_map(|help| Some(help.split_once("the keys here are: ")?.1));
        let keys = keys.unwrap();
        for key in keys.split(", ") {
            let key = format!("{table}{key}");
            let inner = format!("{key}.");
            let known = written
                .iter()
                .any(|(name, _)| *name == key || name.starts_with(&inner));
            assert!(known, "README.md does not explain `{key}`");
        }
    }
}

#[test]
fn the_defaults_of_the_readme_are_those_of_the_program() {
    let plain = format!("{:?}", with(&[]).unwrap());
    let plain_lane = format!("{:?}", with(&[lane("")]).unwrap());
    let mut compared = 0;
    for (key, default) in readme_keys() {
        // A name that is written names the room, too.
        let Some(value) = default.filter(|_| key != "portal.name") else {
            continue;
        };
        let (set, plain) = match key.strip_prefix(LANE) {
            Some(key) => (lane(&format!("{key} = {value}")), &plain_lane),
            None => (format!("{key}={value}"), &plain),
        };
        let written = format!("{:?}", with(std::slice::from_ref(&set)).unwrap());
        assert_eq!(written, *plain, "{set}");
        compared += 1;
    }
    assert!(compared > 35, "{compared}");
}

#[test]
fn the_checklist_names_every_test_of_every_point() {
    let mut tests: Vec<String> = Vec::new();
    for folder in ["tests", "src"] {
        functions(&root().join(folder), &mut tests);
    }
    tests.retain(|name| name.starts_with("point_"));
    tests.sort();
    let page = read("deploy/http-checklist.md");
    let names = page.split('`').filter(|code| code.starts_with("point_"));
    let mut named: Vec<String> = names.map(str::to_owned).collect();
    named.sort();
    assert_eq!(named, tests);
    for point in 1..=34 {
        let prefix = format!("point_{point:02}_");
        let row = format!("\n| {point}. ");
        let (_, rest) = page.split_once(&row).expect(&row);
        let line = rest.lines().next().unwrap();
        assert!(line.contains(&prefix), "no test of its own: {line}");
    }
}

#[test]
fn the_page_of_fields_is_the_table_of_the_program() {
    let rows: Vec<String> = (GUARDED.iter())
        .map(|row| {
            let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
            format!("| {} | {} |", names.join(", "), row.why)
        })
        .collect();
    let page = read("deploy/fields.md");
    let shown = page.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(shown.collect::<Vec<_>>(), rows);
    let kinds = [Guarded::Never, Guarded::Speaker, Guarded::Override];
    let sections = page.split("\n## ").skip(1);
    for (kind, section) in kinds.iter().zip(sections) {
        let of_kind = GUARDED.iter().filter(|row| row.kind == *kind).count();
        let shown = section.lines().filter(|line| line.starts_with("| `"));
        assert_eq!(shown.count(), of_kind, "{kind:?}");
    }
}

#[test]
fn each_test_against_the_failures_of_others_is_there() {
    let mut tests: Vec<String> = Vec::new();
    for folder in ["tests", "src"] {
        functions(&root().join(folder), &mut tests);
    }
    let page = read("deploy/failures.md");
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut named = 0;
    for row in rows {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        named += names.len();
        for name in names {
            assert!(
                tests.iter().any(|test| test == name),
                "no such test: {name}"
            );
        }
    }
    assert!(named > 15, "{named}");
}

/// The names of all functions below `folder` whose names have more than a word.
fn functions(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1);
            let names = names.filter_map(|rest| rest.split_once('(')).map(|it| it.0);
            let name = |it: &str| it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            into.extend(
                names
                    .filter(|it| it.contains('_') && name(it))
                    .map(str::to_owned),
            );
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn shipped() -> Config {
    config("proxy.toml", &read("proxy.toml"))
}

fn config(name: &str, text: &str) -> Config {
    let source = Source {
        name,
        text,
        overrides: &[],
    };
    parse(source).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The value of a setting that the unit has once.
fn unit(setting: &str) -> String {
    let text = read("deploy/preau.service");
    let values: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(setting)?.strip_prefix('='))
        .collect();
    assert_eq!(values.len(), 1, "{setting}");
    values[0].to_owned()
}

/// The words of the first line of the Containerfile that begins with `instruction`.
fn image(instruction: &str) -> Vec<String> {
    let text = read("deploy/Containerfile");
    let words = text
        .lines()
        .find_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no {instruction}"));
    words.split(' ').map(str::to_owned).collect()
}

/// The strings of an instruction in its exec form.
fn json(words: &[String]) -> Vec<String> {
    serde_json::from_str(&words.join(" ")).unwrap()
}

/// A lane of the room with `key`, as `--set` writes it.
fn lane(key: &str) -> String {
    format!("room.lane=[{{ name = \"a\", path = \"/a\", {key} }}]")
}

/// A configuration of one portal with these values set.
fn with(set: &[String]) -> Result<Config, Problems> {
    let mut overrides = vec!["portal.servers=http://10.0.0.5".to_owned()];
    overrides.extend_from_slice(set);
    parse(Source {
        name: "defaults",
        text: "",
        overrides: &overrides,
    })
}

/// The keys that the tables of `README.md` explain, with the default where it is a value.
fn readme_keys() -> Vec<(String, Option<String>)> {
    let text = read("README.md");
    let (_, rest) = text.split_once("\n## The file\n").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let mut keys = Vec::new();
    let mut table = String::new();
    for line in section.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let Some(name) = cells.next().and_then(code) else {
            continue;
        };
        let default = cells.next().unwrap_or_default();
        match name.trim_matches(['[', ']']) {
            inner if inner.len() < name.len() => table = format!("{inner}."),
            name => keys.push((format!("{table}{name}"), code(default))),
        }
    }
    keys
}

/// The text in backticks that a cell begins with.
fn code(cell: &str) -> Option<String> {
    let (code, _) = cell.strip_prefix('`')?.split_once('`')?;
    Some(code.to_owned())
}
