//! The house stays tidy: who may use whom, what stays pure, how long things may be.
//!
//! The ladder is read out of the documentation of `src/lib.rs`, so that there is one drawing
//! of it and this test keeps that drawing true.

mod house {
    pub mod ladder;
    pub mod reader;
}

use house::ladder::Ladder;
use house::reader::{Source, functions};
use std::path::Path;

/// Lines of one source file, with its tests.
const FILE_LINES_MAX: usize = 500;

/// Lines of one function, without tests.
const FUNCTION_LINES_MAX: usize = 70;

/// What has no place in a state machine: I/O, clocks, tasks, logs.
const IMPURE: [&str; 10] = [
    "tokio",
    "tracing",
    "std::net",
    "std::fs",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// The modules that are pure.
const PURE: [&str; 3] = ["calendar", "room", "time"];

/// What stands for work that was not done, or for a check that was not made.
const UNFINISHED: [&str; 4] = ["todo", "unimplemented", "dbg", "unwrap"];

#[test]
fn each_line_of_the_ladder_uses_only_the_lines_below_it() {
    let ladder = ladder();
    assert_tidy(|source| climbs(&ladder, source));
}

#[test]
fn the_ladder_names_every_module() {
    let ladder = ladder();
    assert_tidy(|source| match source.module.as_str() {
        "lib" => Vec::new(),
        module if ladder.names(module) => Vec::new(),
        module => vec![format!("{module} is not on the ladder of src/lib.rs")],
    });
}

#[test]
fn what_is_pure_stays_pure() {
    assert_tidy(|source| {
        if PURE.contains(&source.module.as_str()) {
            impurities(source)
        } else {
            Vec::new()
        }
    });
}

#[test]
fn files_and_functions_are_short() {
    assert_tidy(too_long);
}

#[test]
fn nothing_is_left_undone() {
    assert_tidy(undone);
}

/// Runs `check` over every source file and panics with all that it complains of.
fn assert_tidy(check: impl Fn(&Source) -> Vec<String>) {
    let sources = Source::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() >= 5, "the sources are not where they were");
    let complaints: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let found = check(source);
            found
                .into_iter()
                .map(|words| format!("{}: {words}", source.name))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn ladder() -> Ladder {
    Ladder::parse(include_str!("../src/lib.rs"))
}

/// The modules of the house that `source` uses but may not.
fn climbs(ladder: &Ladder, source: &Source) -> Vec<String> {
    if source.module == "lib" {
        return Vec::new();
    }
    let paths = source.paths();
    let others = paths.iter().filter_map(|path| {
        let mut parts = path.split("::");
        let root = parts.next()?;
        let other = parts.next()?;
        (root == "crate" || root == "preau").then_some(other)
    });
    let mut found: Vec<String> = others
        .filter(|other| *other != source.module && !ladder.allows(&source.module, other))
        .map(|other| format!("{} may not use {other}", source.module))
        .collect();
    found.dedup();
    found
}

fn impurities(source: &Source) -> Vec<String> {
    let paths = source.paths();
    let impure = paths.iter().filter(|path| {
        IMPURE.iter().any(|banned| {
            path.strip_prefix(banned)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    });
    impure.map(|path| format!("uses {path}")).collect()
}

fn too_long(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!("{lines} lines, at most {FILE_LINES_MAX}"));
    }
    for (name, lines) in functions(source) {
        if lines > FUNCTION_LINES_MAX {
            found.push(format!(
                "fn {name}: {lines} lines, at most {FUNCTION_LINES_MAX}"
            ));
        }
    }
    found
}

fn undone(source: &Source) -> Vec<String> {
    let calls = source.calls();
    let undone = calls
        .iter()
        .filter(|name| UNFINISHED.contains(&name.as_str()));
    undone.map(|name| format!("calls {name}")).collect()
}

/// The checks themselves: each must see what it is there to see.
mod the_checks_see {
    use super::*;

    const DRAWING: &str = "\
//! ```text
//! main            arguments
//! front           the request, its page
//! store · cookie  what survives
//! room            PURE: line, seats
//! ```
pub mod front;";

    fn source(module: &str, depth: usize, text: &str) -> Source {
        Source::parse(module, module, depth, text)
    }

    fn climbing(module: &str, text: &str) -> Vec<String> {
        climbs(&Ladder::parse(DRAWING), &source(module, 1, text))
    }

    #[test]
    fn the_drawing() {
        let ladder = Ladder::parse(DRAWING);
        assert!(ladder.allows("front", "store") && ladder.allows("store", "room"));
        assert!(!ladder.allows("room", "store") && !ladder.allows("store", "cookie"));
        assert!(ladder.names("cookie") && !ladder.names("PURE:"));
        assert!(!ladder.allows("front", "nowhere"));
    }

    #[test]
    fn climbing_by_use_by_path_by_super_and_in_macros() {
        for bad in [
            "use crate::front::answer;",
            "use crate::{room, front::{self, answer}};",
            "use super::front;",
            "fn f() -> u8 { crate::front::answer() }",
            "type A = Vec<crate::cookie::Ticket>;",
            "fn f() { format!(\"{}\", crate::front::answer()); }",
            "mod deep { use super::super::front; }",
        ] {
            assert_eq!(climbing("store", bad).len(), 1, "{bad}");
        }
        let good = "use crate::room::Room; use crate::store::X; use super::room; use std::fs;";
        assert!(climbing("store", good).is_empty());
    }

    #[test]
    fn tests_are_exempt() {
        let text = "#[cfg(test)] mod tests { use crate::front; fn f() { todo!() } }\n\
                    #[test] fn g() { None::<u8>.unwrap(); }";
        assert!(climbing("store", text).is_empty());
        assert!(undone(&source("store", 1, text)).is_empty());
        let half = "#[cfg(not(test))] use crate::front;";
        assert_eq!(climbing("store", half).len(), 1, "not(test) is no test");
    }

    #[test]
    fn tests_in_files_of_their_own() {
        let text = "#[cfg(test)] mod tests; mod line; #[cfg(test)] mod more { }";
        for (name, test) in [
            ("room/mod.rs", "room/tests"),
            ("room/line.rs", "room/line/tests"),
            ("lib.rs", "tests"),
        ] {
            let files = Source::parse(name, "room", 1, text).test_files();
            assert_eq!(files, [Path::new(test)], "{name}");
        }
    }

    #[test]
    fn impurity() {
        for bad in [
            "use std::time::{Duration, Instant};",
            "fn f() { let _ = std::net::TcpStream::connect(\"x\"); }",
            "use tokio::sync::Mutex;",
            "fn f() { tracing::info!(\"x\"); }",
        ] {
            assert_eq!(impurities(&source("room", 1, bad)).len(), 1, "{bad}");
        }
        let good = "use std::time::Duration; use crate::time::Millis;";
        assert!(impurities(&source("room", 1, good)).is_empty());
    }

    #[test]
    fn length() {
        let long = format!("fn f() {{\n{}}}", "    g();\n".repeat(FUNCTION_LINES_MAX));
        assert_eq!(too_long(&source("room", 1, &long)).len(), 1);
        let method = format!("struct S; impl S {{ {long} }}");
        assert_eq!(too_long(&source("room", 1, &method)).len(), 1);
        let test = format!("#[cfg(test)] mod tests {{ {long} }}");
        assert!(too_long(&source("room", 1, &test)).is_empty());
        let file = "// x\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(too_long(&source("room", 1, &file)).len(), 1);
    }

    #[test]
    fn what_is_undone() {
        for bad in [
            "fn f() { todo!() }",
            "fn f() { vec![unimplemented!()]; }",
            "fn f() { None::<u8>.unwrap(); }",
            "fn f() { println!(\"{}\", None::<u8>.unwrap()); }",
        ] {
            assert_eq!(undone(&source("room", 1, bad)).len(), 1, "{bad}");
        }
        let good = "fn f(x: Option<u8>) -> u8 { x.unwrap_or_default() } // todo!()";
        assert!(undone(&source("room", 1, good)).is_empty());
    }
}
