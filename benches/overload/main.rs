//! A portal that is overrun, with nobody, HAProxy and preau in front of it: `benches/overload/run`.
//!
//! A real Apache with PHP (`portal/index.php` says how it collapses) and a crowd over real sockets,
//! all on the same cores. First it is measured how many visits the portal completes at best, and
//! with how many requests at once. Then everybody in turn, from cold, with a portal of their own,
//! under several times that load: first some time that is not counted, then some that is.
//!
//! A visit is a form, a sign-on, eleven pages with 2 to 4 s between them, and for three of four a
//! way out. People wait 10 s for an answer and break off after three failures; three of ten reload
//! after 4 s without an answer, and whenever they poll. With a place in line, everybody waits.
//!
//! Without `--bench` (so `cargo test` starts it) or with `--quick`: one short pass, to see that all
//! of it still runs. It makes no figures.

#[path = "../../tests/support/mod.rs"]
mod support;

mod browser;
mod contestants;
mod crowd;
mod figures;
mod report;
mod visit;

use clap::Parser;
use contestants::Who;
use crowd::Crowd;
use figures::{Figures, Span};
use report::{Report, Row};
use std::path::PathBuf;
use visit::{LOG_OUT, PAGES};

/// Requests at once that are tried to find how many are best.
const TRIED: [u32; 6] = [2, 4, 5, 6, 8, 24];
/// Requests of a visit: form, sign-on, pages, and a way out for some.
const REQUESTS: f64 = 2.0 + PAGES as f64 + LOG_OUT;

/// A portal that is overrun, with nobody, HAProxy and preau in front of it.
#[derive(Parser)]
struct Arguments {
    /// One short pass, and no figures.
    #[arg(long)]
    quick: bool,
    /// Times the portal's capacity.
    #[arg(long, value_delimiter = ',', default_value = "2,10")]
    loads: Vec<f64>,
    /// Only contestants whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Seconds that are not counted, of each turn.
    #[arg(long, default_value_t = 120.0)]
    warm: f64,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Seconds for each number of requests at once.
    #[arg(long, default_value_t = 8.0)]
    sweep: f64,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/overload.json")]
    json: PathBuf,
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
    if arguments.quick {
        (arguments.warm, arguments.seconds, arguments.sweep) = (2.0, 6.0, 0.5);
        arguments.loads = vec![2.0];
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&arguments));
}

async fn run(arguments: &Arguments) {
    let tried = sweep(arguments.sweep).await;
    let (best_in_flight, capacity) = (tried.iter().copied())
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .expect("some were tried");
    assert!(capacity > 0.0, "the portal answers nobody");
    eprintln!("{capacity:.0} visits a minute, with {best_in_flight} requests at once: {tried:?}");
    let mut report = Report {
        capacity_per_minute: capacity,
        best_in_flight,
        tried,
        rows: Vec::new(),
    };
    for load in &arguments.loads {
        for who in [Who::Nobody, Who::Haproxy(best_in_flight), Who::Preau] {
            if who.name().contains(&arguments.only) {
                let row = turn(arguments, who, *load, capacity).await;
                eprintln!("{} × {}: {:?}", row.load, row.contestant, row.figures);
                report.rows.push(row);
            }
        }
    }
    if arguments.quick {
        check(&report);
        println!("all of it runs; a short pass makes no figures");
        return;
    }
    println!("{}", report.table());
    let json = serde_json::to_vec_pretty(&report).expect("numbers and words");
    std::fs::write(&arguments.json, json).expect("the JSON can be written");
    eprintln!("also in {}", arguments.json.display());
}

/// For each number of requests at once, the visits a minute that the portal completes.
async fn sweep(secs: f64) -> Vec<(u32, f64)> {
    let mut found = Vec::new();
    for count in TRIED {
        let stand = Who::Nobody.stand().await;
        let crowd = Crowd::new(stand.address(), (0.0, 0.0));
        let records = crowd.keep(count as usize, secs).await;
        let forms = records.iter().filter(|it| it.entered.is_some()).count();
        let pages: usize = records.iter().map(|it| it.pages.len()).sum();
        found.push((count, (forms + pages) as f64 / REQUESTS * 60.0 / secs));
    }
    found
}

/// One contestant under one load. `capacity`: visits a minute.
async fn turn(arguments: &Arguments, who: Who, load: f64, capacity: f64) -> Row {
    let stand = who.stand().await;
    let thinks = if arguments.quick {
        (0.1, 0.2)
    } else {
        (2.0, 4.0)
    };
    let span = Span {
        from: arguments.warm,
        to: arguments.warm + arguments.seconds,
    };
    let crowd = Crowd::new(stand.address(), thinks);
    let records = crowd.come(load * capacity / 60.0, span.to).await;
    let status = stand.status().await;
    if let Some(printed) = stand.printed().filter(|_| arguments.log) {
        eprintln!("{printed}");
    }
    Row {
        load,
        contestant: who.name(),
        figures: Figures::of(&records, span, capacity, stand.in_flight_most()),
        status,
    }
}

/// That something was measured.
fn check(report: &Report) {
    for row in &report.rows {
        let name = &row.contestant;
        assert!(row.figures.page_p90.is_some(), "{name}: nobody was inside");
        assert!(row.figures.in_flight_most > 0, "{name}: none in the portal");
    }
    let preau = report.rows.iter().find_map(|row| row.status.as_ref());
    assert!(preau.is_some(), "preau says nothing of itself");
}
