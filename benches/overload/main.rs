//! A portal that is overrun, with nobody, HAProxy, nginx and preau in front of it, from the first second:
//! `benches/overload/run`.
//!
//! A real Apache with PHP (`portal/index.php` says how it collapses) and a crowd over real sockets,
//! all on the same cores. First it is measured how many visits the portal completes at best, and
//! with how many requests at once. Then everybody in turn, under several times that load: two turns and
//! all loads at once, each with a portal of its own, and so many portals when the capacity was measured, too
//! (a portal waits more than it works, and all of them leave most of a core idle).
//! What counts begins with the first visitor of the rush (`turns.rs`: what was before), and
//! is compared with what was possible (`possible.rs`).
//!
//! A visit is a form, a sign-on, eleven pages with 2 to 4 s between them, and for few a way out.
//! People wait 10 s for an answer and break off after three failures; three of ten reload after 4 s without
//! an answer, and whenever they poll. With a place in line, everybody waits, and goes in within 10 s after
//! the call. A page that says that it will reload itself is given its time (`visit.rs`).
//!
//! Without `--bench` (so `cargo test` starts it) or with `--quick`: one short pass, everybody at once, to see
//! that all of it still runs. It makes no figures.

#[path = "../../tests/support/mod.rs"]
mod support;

mod browser;
mod contestants;
mod crowd;
mod figures;
mod picture;
mod possible;
mod report;
mod turns;
mod visit;

use clap::Parser;
use contestants::{Bears, Stand};
use crowd::Crowd;
use report::{Report, Row};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;
use tokio::task::{LocalSet, spawn_local};
use turns::{Rules, Start, TURNS, Turn};
use visit::Manners;

/// Requests at once that are tried to find how many are best.
const TRIED: [u32; 6] = [2, 4, 5, 6, 8, 24];

/// Open files: ten times the capacity for ten minutes are 15,000 people, each with a connection.
const OPEN_FILES: u64 = 65_536;

/// A portal that is overrun, with nobody, HAProxy, nginx and preau in front of it.
#[derive(Parser)]
struct Arguments {
    /// One short pass, and no figures.
    #[arg(long)]
    quick: bool,
    /// Times the portal's capacity.
    #[arg(long, value_delimiter = ',', default_value = "2,10")]
    loads: Vec<f64>,
    /// Only contestants whose name contains one of these.
    #[arg(long, value_delimiter = ',', default_value = "")]
    only: Vec<String>,
    /// Only turns that begin like this; all without it.
    #[arg(long, value_delimiter = ',')]
    start: Vec<Start>,
    /// Minutes that are counted, in place of 3 (10 where nobody logs out).
    #[arg(long)]
    minutes: Option<f64>,
    /// The share of those who log out, in place of 0.15 (and 0).
    #[arg(long)]
    logout: Option<f64>,
    /// Turns at once, each under all loads.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Seconds for each number of requests at once.
    #[arg(long, default_value_t = 8.0)]
    sweep: f64,
    /// The program to measure, in place of the one that cargo has built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_preau"))]
    preau: PathBuf,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/overload.json")]
    json: PathBuf,
    /// Where the picture goes.
    #[arg(long, default_value = "target/overload.svg")]
    svg: PathBuf,
    /// Prints the table and draws the picture of what such JSONs have (parts of a run), and measures nothing.
    #[arg(long, value_delimiter = ',')]
    show: Vec<PathBuf>,
    /// Prints what preau logs.
    #[arg(long)]
    log: bool,
    /// Cargo says so when figures are wanted.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let mut arguments = Arguments::parse();
    arguments.quick |= !arguments.bench;
    if let Some(report) = Report::read(&arguments.show) {
        return show(&arguments, &report);
    }
    open_files();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(run(&arguments)));
}

/// As many for us and for all that we start as everybody in line needs, or as many as there may be.
fn open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let takes = |files: Option<u64>| {
        let all = Rlimit {
            current: files,
            maximum: files,
        };
        setrlimit(Resource::Nofile, all).is_ok()
    };
    // More than there may be are for root alone.
    if !takes(Some(OPEN_FILES)) {
        let most = maximum.unwrap_or_default();
        eprintln!("only {most} open files, {OPEN_FILES} are wanted: raise `ulimit -Hn`");
        takes(maximum);
    }
}

async fn run(arguments: &Arguments) {
    let report = match arguments.quick {
        true => quick(arguments).await,
        false => whole(arguments).await,
    };
    if arguments.quick {
        check(&report);
        println!("all of it runs; a short pass makes no figures");
        return;
    }
    eprintln!("also in {}", arguments.json.display());
    show(arguments, &report);
}

/// The table and the picture.
fn show(arguments: &Arguments, report: &Report) {
    let (jumps, overshoot) = report.forbidden();
    println!("{}", report.table());
    println!("\njumps of the line: {jumps}; seats beyond the limit: {overshoot}");
    std::fs::write(&arguments.svg, picture::draw(report)).expect("the picture can be written");
    eprintln!("a picture of it in {}", arguments.svg.display());
}

/// Turn after turn, a few of them and all loads at once.
async fn whole(arguments: &Arguments) -> Report {
    let at_once = arguments.at_once * arguments.loads.len();
    let (mut report, rules) = begin(arguments, &TRIED, (2.0, 4.0), at_once).await;
    for turns in turns(arguments, rules.bears).chunks(arguments.at_once) {
        for row in side_by_side(turns, &arguments.loads, &rules).await {
            eprintln!("{}", row.words());
            report.rows.push(row);
        }
        // What was measured stays, also if somebody has no patience for the rest.
        report.write(&arguments.json);
    }
    report
}

/// Everybody at once, for some seconds.
async fn quick(arguments: &Arguments) -> Report {
    let (mut report, mut rules) = begin(arguments, &TRIED[3..4], (0.1, 0.2), 1).await;
    rules.around = 0.02;
    rules.minutes = Some(0.1);
    let turns = turns(arguments, rules.bears);
    report.rows = side_by_side(&turns, &[2.0], &rules).await;
    report
}

/// What the portal bears.
async fn begin(
    arguments: &Arguments,
    tried: &[u32],
    thinks: (f64, f64),
    at_once: usize,
) -> (Report, Rules) {
    let secs = if arguments.quick {
        1.0
    } else {
        arguments.sweep
    };
    let tried = sweep(tried, secs, at_once).await;
    let (slots, visits) = (tried.iter().copied())
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .expect("some were tried");
    assert!(visits > 0.0, "the portal answers nobody");
    let bears = Bears {
        visits,
        slots,
        seats: seats(visits, slots, thinks),
    };
    eprintln!("{visits:.0} visits a minute, with {slots} requests at once: {tried:?}");
    let mut configurations = Vec::new();
    for turn in turns(arguments, bears) {
        let shown = (turn.who.name(bears), turn.who.configuration(bears));
        if turn.start == Start::Cold && !shown.1.is_empty() {
            eprintln!("-- {}\n{}", shown.0, shown.1);
            configurations.push(shown);
        }
    }
    let rules = Rules {
        preau: arguments.preau.clone(),
        log: arguments.log,
        bears,
        around: 1.0,
        thinks,
        minutes: arguments.minutes,
        log_out: arguments.logout,
    };
    let report = Report {
        bears,
        tried,
        configurations,
        rows: Vec::new(),
    };
    (report, rules)
}

/// Seats for so many visits a minute, with so many requests at once (Little's law): of people who read, whose
/// requests run, and who have been called and are on their way.
fn seats(visits: f64, slots: u32, thinks: (f64, f64)) -> u32 {
    let manners = Manners {
        thinks,
        log_out: 1.0,
    };
    let reads = manners.pause() * (manners.costs().len() - 1) as f64;
    let comes = (visit::AFTER_CALL.0 + visit::AFTER_CALL.1) / 2.0;
    (visits / 60.0 * (reads + comes)).ceil() as u32 + slots
}

/// For each number of requests at once, the visits a minute that a portal completes, at best of so many portals
/// that are at it: what else this machine does makes it less, never more.
async fn sweep(tried: &[u32], secs: f64, at_once: usize) -> Vec<(u32, f64)> {
    let mut found = Vec::new();
    for count in tried {
        let portals = (0..at_once).map(|_| spawn_local(best(*count, secs)));
        let mut most = 0.0_f64;
        for portal in portals.collect::<Vec<_>>() {
            most = most.max(portal.await.expect("it does not panic"));
        }
        found.push((*count, most));
    }
    found
}

/// Visits a minute, with so many requests at once.
async fn best(count: u32, secs: f64) -> f64 {
    let stand = Stand::alone().await;
    let manners = Manners {
        thinks: (0.0, 0.0),
        log_out: turns::LOG_OUT,
    };
    let mut crowd = Crowd::new(stand.address(), manners);
    crowd.keep(count as usize, secs).await;
    let records = crowd.end();
    let answers = records.iter().flat_map(|it| &it.answers);
    let work: f64 = answers.map(|it| it.1).sum();
    work / manners.cost() * 60.0 / secs
}

/// The turns that are wanted.
fn turns(arguments: &Arguments, bears: Bears) -> Vec<Turn> {
    let wanted = |turn: &&Turn| {
        let start = arguments.start.is_empty() || arguments.start.contains(&turn.start);
        let name = turn.who.name(bears);
        start && arguments.only.iter().any(|part| name.contains(part))
    };
    TURNS.iter().filter(wanted).copied().collect()
}

/// Turns under loads, all at once.
async fn side_by_side(turns: &[Turn], loads: &[f64], rules: &Rules) -> Vec<Row> {
    let mut all = Vec::new();
    for turn in turns {
        for load in loads {
            all.push(spawn_local(turn.take(rules.clone(), *load)));
        }
    }
    let mut rows = Vec::new();
    for turn in all {
        rows.push(turn.await.expect("it does not panic"));
    }
    rows
}

/// That something was measured.
fn check(report: &Report) {
    assert!(picture::draw(report).ends_with("</svg>\n"), "a picture");
    assert_eq!(
        report.forbidden(),
        (0, 0),
        "jumps, and seats beyond the limit"
    );
    for row in &report.rows {
        let name = row.words();
        assert!(row.figures.let_in > 0, "{name}: nobody was inside");
        assert!(row.figures.in_flight_most > 0, "{name}: none in the portal");
        let ours = row.contestant.starts_with("preau");
        assert_eq!(row.status.is_some(), ours, "{name}: preau says of itself");
    }
}
