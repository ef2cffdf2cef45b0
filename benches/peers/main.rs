//! Préau beside HAProxy and nginx, in one run: `benches/peers/run`.
//!
//! Each contestant alone on core 0, origin and load on core 1, three rounds in turn, medians.
//! The figure to trust is the CPU time of the contestant for one request, as the kernel has
//! counted it; requests a second say as much about the load as about the contestant.
//!
//! Without `--bench` (so `cargo test` starts it) or with `--quick`: one short round, to see that
//! all of it still runs.

mod cases;
mod client;
mod contestants;
mod kernel;
mod load;
mod process;
mod report;
mod stage;

use cases::{CASES, Case, Effort, How, Sample};
use clap::Parser;
use contestants::Who;
use report::Report;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stage::{LOAD_CORE, Stage};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What goes well, or words for what does not.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The programs that are needed, and Debian's packages that have them.
const PROGRAMS: [(&str, &str); 6] = [
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("taskset", "util-linux"),
    ("kill", "procps"),
];

/// Préau beside HAProxy and nginx.
#[derive(Parser)]
struct Arguments {
    /// One short round.
    #[arg(long)]
    quick: bool,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// The program to measure, in place of the one that cargo has built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_preau"))]
    preau: PathBuf,
    /// How often everybody is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for one measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/peers.json")]
    json: PathBuf,
    /// Has perf record what ours does under load, into this file; nobody else is measured.
    #[arg(long)]
    profile: Option<PathBuf>,
    /// Cargo says so when figures are wanted.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    arguments.quick |= !arguments.bench;
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches/peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    prepare()?;
    let stage = Stage::set(&arguments.preau)?;
    let (rounds, mut effort) = match arguments.quick {
        true => (
            1,
            Effort {
                seconds: 1,
                idle: 100,
                half: 100.0,
            },
        ),
        false => (
            arguments.rounds,
            Effort {
                seconds: arguments.seconds,
                idle: 2_000,
                half: 0.0,
            },
        ),
    };
    let cases: Vec<&Case> = (CASES.iter())
        .filter(|case| case.name.contains(&arguments.only))
        .collect();
    if !arguments.quick && cases.iter().any(|case| case.how == How::HalfLoad) {
        let whole = CASES[0].measure(&stage, Who::Haproxy, effort)?;
        effort.half = whole.loaded.map_or(0.0, |loaded| loaded.per_second / 2.0);
    }
    if let Some(record) = &arguments.profile {
        let case = cases.first().ok_or("no case has that name")?;
        return case.record(&stage, effort, record);
    }
    let mut report = Report::default();
    for case in cases {
        report.add(case, &measure(case, &stage, effort, rounds)?);
    }
    println!("{}", report.table());
    report.write(&arguments.json)?;
    eprintln!("also in {}", arguments.json.display());
    Ok(())
}

/// Everybody in turn, round after round.
fn measure(
    case: &Case,
    stage: &Stage,
    effort: Effort,
    rounds: usize,
) -> Outcome<Vec<(Who, Vec<Sample>)>> {
    let mut measured: Vec<(Who, Vec<Sample>)> =
        case.who.iter().map(|who| (*who, Vec::new())).collect();
    for _ in 0..rounds {
        for (who, samples) in &mut measured {
            let sample = case.measure(stage, *who, effort);
            let sample =
                sample.map_err(|error| format!("{}, {}: {error}", case.name, who.name()))?;
            eprintln!("{}, {}: {:.1}", case.name, who.name(), sample.figure);
            samples.push(sample);
        }
    }
    Ok(measured)
}

/// Sees that everything is there, takes as many descriptors as there may be, and moves to the
/// core of the load, where everything that is started from here then runs.
fn prepare() -> Outcome<()> {
    let missing: Vec<&str> = (PROGRAMS.iter())
        .filter(|(program, _)| Command::new(program).arg("--version").output().is_err())
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(" ");
        return Err(
            format!("missing; sudo apt-get install --no-install-recommends {missing}").into(),
        );
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    let core = LOAD_CORE.to_string();
    let own = std::process::id().to_string();
    let moved = Command::new("taskset")
        .args(["--cpu-list", "--pid", &core, &own])
        .output()?;
    match moved.status.success() {
        true => Ok(()),
        false => Err("this machine has no second core to load from".into()),
    }
}
