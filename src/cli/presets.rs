//! `preau presets`: what the presets of sign-on flows say.

use crate::config::{Flows, Preset};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

const INTRODUCTION: &str = "\
# Presets

`presets = [\"cas\", \"entcore\"]` in a `[[room]]` says which requests are no ordinary pages. Several may
be combined, and what the room says itself (`open`, `callbacks`, …) is added to them. `preau presets
NAME` prints a preset in the words of the file, with its reasons; `preau presets --markdown` makes this
page.

| key | what becomes of the request |
|---|---|
| `open` | public: never waits, takes no seat |
| `back_channels` | the call of another server, without cookies: the same, counted apart |
| `callbacks` | a one-time answer of a sign-on: passes always, with a seat of `callback_reserve` if it has none |
| `non_renewing` | a page's own keep-alive: does not renew the seat |
| `logout` | gives the seat back, and never waits |
| `apps` | parts of user agents: they get JSON, never a page |

A line is a path, after its methods and before its parameters, if only those are meant: `POST
/auth/saml/acs`, `?ticket=ST-*` (any path), `POST form logoutRequest` (a small form that no browser
sends, whose first parameter this is). `GET` means `HEAD` as well. What ends in `on auth.*` is at the
root of a server's own host: in a room of one host it holds there, in a room of several at such a host
alone, or at the one that the room names: `presets = [{ name = \"lemonldap\", host = \"sso.example.fr\" }]`.
";

/// Show what the presets of sign-on flows say; without a name, which there are.
#[derive(Args, Clone, Debug)]
pub struct Presets {
    /// Presets to print, as they could stand in a `[[room]]`.
    #[arg(value_parser = names(), conflicts_with = "markdown")]
    names: Vec<String>,
    /// Print all of them as a page for people (deploy/presets.md).
    #[arg(long)]
    markdown: bool,
}

/// Runs the command.
pub fn run(args: &Presets) -> ExitCode {
    let text = if args.markdown {
        markdown()
    } else if args.names.is_empty() {
        overview()
    } else {
        texts(&args.names)
    };
    // Somebody who closes the pipe early has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::ALL.map(|preset| preset.name))
}

fn overview() -> String {
    Preset::ALL.iter().fold(String::new(), |mut out, preset| {
        let _ = writeln!(out, "{:<10} {}", preset.name, preset.about());
        out
    })
}

fn texts(names: &[String]) -> String {
    let wanted = |preset: &&Preset| names.iter().any(|name| name == preset.name);
    let texts: Vec<&str> = (Preset::ALL.iter().filter(wanted))
        .map(|preset| preset.text)
        .collect();
    texts.join("\n")
}

fn markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    for preset in Preset::ALL {
        let _ = write!(out, "\n## {}\n\n{}\n\n", preset.name, preset.about());
        let flows = preset.flows();
        out += "| key | requests |\n|---|---|\n";
        for (key, requests) in Flows::LISTS {
            row(
                &mut out,
                key,
                requests(&flows).iter().map(ToString::to_string),
            );
        }
        row(&mut out, "apps", flows.apps.iter().cloned());
    }
    out
}

fn row(out: &mut String, key: &str, values: impl Iterator<Item = String>) {
    let cells: Vec<String> = values.map(|value| format!("`{value}`")).collect();
    if !cells.is_empty() {
        let _ = writeln!(out, "| `{key}` | {} |", cells.join("<br>"));
    }
}
