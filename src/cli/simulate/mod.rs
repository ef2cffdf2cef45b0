//! `preau simulate`: what would happen, without anybody waiting.

mod log;
mod show;

use super::load;
use crate::config::scene::{self, Scene};
use crate::config::{self, Problems, Source};
use crate::sim::{self, Outcome};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The scene is wrong.
const INVALID: u8 = 1;
/// A file cannot be read or written. (clap's own status for a wrong command line is the same.)
const UNREADABLE: u8 = 2;
/// The progress bar moves this often, in seconds of the scene.
const PROGRESS_EVERY: u64 = 10;

/// See what would happen: a scene of visitors and a portal, with the real room, in virtual time.
#[derive(Args, Clone, Debug)]
#[command(
    override_usage = "preau simulate [OPTIONS] <SCENE.toml>\n       \
    preau simulate [OPTIONS] --log <FILE> --seats <NUMBER>",
    after_help = "The same scene and seed give the same figures. The folder scenes/ of the source \
    has scenes to begin with.\n\n\
    Exit status:\n  \
    0  it ran, and nobody jumped the line, got a seat beyond the limit or was kept waiting for nothing\n  \
    1  the scene, a --set value, or the log has errors\n  \
    2  a file cannot be read or written, or the command line is wrong\n  \
    3  it ran, and a rule that must always hold was broken: please report it"
)]
pub struct Simulate {
    /// The scene.
    #[arg(value_name = "SCENE.toml", required_unless_present = "log")]
    scene: Option<PathBuf>,
    /// Instead of a scene, the visits of an access log in the combined format; `-` is standard input.
    /// It needs --seats.
    #[arg(long, value_name = "FILE", conflicts_with = "scene")]
    log: Option<PathBuf>,
    /// Visits that may be inside at once: the same as --set room.seats. A scene may say auto; a log
    /// needs a number.
    #[arg(long, value_name = "NUMBER")]
    seats: Option<String>,
    /// What chance begins with.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Figures and series as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Draw pictures into this folder; made if missing.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Replace a value of the scene, such as room.seats=3000; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Why there is nothing to show.
#[derive(Debug)]
enum Failure {
    Wrong(Problems),
    Unreadable(PathBuf, io::Error),
    Unusable(PathBuf, String),
    Unwritable(PathBuf, String),
    /// Nobody says how many seats a log's visits have; so many would have been enough for all.
    NoSeats(u32),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Wrong(problems) => write!(f, "{}", problems.render(load::color())),
            Failure::Unreadable(path, error) => write!(
                f,
                "error: cannot read {}: {error}\nhelp: name a file that our user may read",
                path.display()
            ),
            Failure::Unusable(path, why) => {
                write!(f, "error: {} cannot be used: {why}", path.display())
            }
            Failure::NoSeats(enough) => write!(
                f,
                "error: say how many visits may be inside at once: --seats NUMBER\n\
                 help: {enough} would have been enough for everybody at once; with fewer, a line forms. \
                 (A log shows visits, and not how a portal bears them: `auto` finds nothing in it.)"
            ),
            Failure::Unwritable(path, error) => write!(
                f,
                "error: cannot write {}: {error}\nhelp: --svg names a folder that our user may \
                 write to",
                path.display()
            ),
        }
    }
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::Wrong(_) | Failure::Unusable(..) => INVALID,
            Failure::Unreadable(..) | Failure::Unwritable(..) | Failure::NoSeats(_) => UNREADABLE,
        }
    }
}

/// The rules hold.
const HELD: u8 = 0;
/// They do not.
const BROKEN: u8 = 3;

/// Runs the command.
pub fn run(args: &Simulate) -> ExitCode {
    match play(args) {
        Ok(outcome) => {
            let held = outcome.figures.held();
            ExitCode::from(if held { HELD } else { BROKEN })
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn play(args: &Simulate) -> Result<Outcome, Failure> {
    let (scene, note) = scene(args)?;
    let bar = progress(scene.length.ceil_secs(), &scene.name);
    let outcome = sim::watch(&scene, args.seed, |done| {
        if done.ceil_secs().is_multiple_of(PROGRESS_EVERY) {
            bar.set_position(done.ceil_secs());
        }
    });
    bar.finish_and_clear();
    if let Some(folder) = &args.svg {
        draw(folder, &outcome)?;
    }
    let shown = match args.json {
        true => format!("{:#}\n", outcome.json()),
        false => show::text(&scene, &outcome) + &note,
    };
    // Somebody who closes the pipe early has seen enough.
    let _ = io::stdout().write_all(shown.as_bytes());
    Ok(outcome)
}

/// The scene, and what is to be said of it.
fn scene(args: &Simulate) -> Result<(Scene, String), Failure> {
    let seats = args.seats.iter().map(|seats| format!("room.seats={seats}"));
    let overrides: Vec<String> = seats.chain(args.set.iter().cloned()).collect();
    if let Some(path) = &args.log {
        return log::scene(path, &overrides);
    }
    // clap asks for one of the two.
    let path = args.scene.as_deref().unwrap_or(Path::new("scene.toml"));
    Ok((read(path, &overrides)?, String::new()))
}

/// A bar on standard error if that is a terminal; elsewhere it would be noise.
fn progress(length: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent} % ({eta} left)");
    let bar = ProgressBar::new(length);
    match style {
        Ok(style) => bar.with_style(style).with_message(what.to_owned()),
        Err(_) => bar,
    }
}

fn read(path: &Path, overrides: &[String]) -> Result<Scene, Failure> {
    let bytes = load::read(path).map_err(|error| Failure::Unreadable(path.to_owned(), error))?;
    let name = path.display().to_string();
    let text = config::decode(&name, bytes).map_err(Failure::Wrong)?;
    parse(&name, &text, overrides)
}

fn parse(name: &str, text: &str, overrides: &[String]) -> Result<Scene, Failure> {
    let source = Source {
        name,
        text,
        overrides,
    };
    scene::read(source).map_err(Failure::Wrong)
}

fn draw(folder: &Path, outcome: &Outcome) -> Result<(), Failure> {
    let unwritable = |path: &Path, error: &dyn fmt::Display| {
        Failure::Unwritable(path.to_owned(), error.to_string())
    };
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let plots = sim::plots(outcome).map_err(|error| unwritable(folder, &error))?;
    for (name, svg) in plots {
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, svg).map_err(|error| unwritable(&path, &error))?;
    }
    Ok(())
}
