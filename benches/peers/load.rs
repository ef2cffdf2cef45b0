//! The load: wrk and h2load as Debian has them, and a visitor of our own who comes anew each
//! time.

use crate::Outcome;
use crate::client::TlsVisitor;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Connections at once.
const CONNECTIONS: u32 = 64;
/// The same over HTTP/2, where each carries [`STREAMS`] requests at once.
const CONNECTIONS_H2: u32 = 16;
const STREAMS: u32 = 4;

/// What is asked for, and how.
pub struct Asked<'a> {
    /// With scheme and port.
    pub url: String,
    /// Header fields, such as `Cookie: a=b`.
    pub fields: &'a [String],
    /// Whole seconds, because wrk knows no others.
    pub seconds: u64,
}

/// What came of it.
pub struct Loaded {
    pub requests: u64,
    pub per_second: f64,
    /// Time from a request to its whole answer, in microseconds.
    pub p50: f64,
    pub p99: f64,
    /// Answers that were no success.
    pub failed: u64,
}

/// As many requests as come through on kept connections.
///
/// # Errors
/// When wrk fails, or connections broke.
pub fn wrk(asked: &Asked<'_>) -> Outcome<Loaded> {
    let mut command = Command::new("wrk");
    command.args(["--threads=1", "--latency"]);
    command.arg(format!("--connections={CONNECTIONS}"));
    command.arg(format!("--duration={}s", asked.seconds));
    for field in asked.fields {
        command.args(["--header", field]);
    }
    let said = run(command.arg(&asked.url))?;
    if let Some(errors) = said.lines().find(|line| line.contains("Socket errors")) {
        return Err(format!("wrk: {}", errors.trim()).into());
    }
    let after = |label: &str| {
        let line = said
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with(label));
        line.and_then(|line| line[label.len()..].split_whitespace().next())
            .ok_or_else(|| format!("wrk does not say {label}:\n{said}"))
    };
    let requests = said.lines().find(|line| line.contains(" requests in "));
    let requests = requests.and_then(|line| line.split_whitespace().next());
    Ok(Loaded {
        requests: requests.ok_or("wrk counted nothing")?.parse()?,
        per_second: after("Requests/sec:")?.parse()?,
        p50: micros(after("50%")?)?,
        p99: micros(after("99%")?)?,
        failed: after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse)?,
    })
}

/// A time as wrk writes it, such as `1.23ms`.
fn micros(text: &str) -> Outcome<f64> {
    let unit = text.trim_start_matches(|at: char| at.is_ascii_digit() || at == '.');
    let scale = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return Err(format!("{text} is no time").into()),
    };
    Ok(text[..text.len() - unit.len()].parse::<f64>()? * scale)
}

/// As many requests as come through over HTTP/2.
///
/// # Errors
/// When h2load fails.
pub fn h2(asked: &Asked<'_>, log: &Path) -> Outcome<Loaded> {
    let streams = format!("--max-concurrent-streams={STREAMS}");
    h2load(asked, log, CONNECTIONS_H2, &[&streams])
}

/// HTTP/1.1 at a steady pace of `per_second` requests in all.
///
/// # Errors
/// When h2load fails.
pub fn paced(asked: &Asked<'_>, log: &Path, per_second: f64) -> Outcome<Loaded> {
    let each = per_second / f64::from(CONNECTIONS);
    let rate = format!("--rps={each:.3}");
    h2load(asked, log, CONNECTIONS, &["--h1", &rate])
}

fn h2load(asked: &Asked<'_>, log: &Path, connections: u32, how: &[&str]) -> Outcome<Loaded> {
    let mut command = Command::new("h2load");
    command.arg(format!("--clients={connections}")).args(how);
    command.arg(format!("--duration={}", asked.seconds));
    command.arg("--log-file").arg(log);
    for field in asked.fields {
        command.args(["--header", field]);
    }
    if log.exists() {
        std::fs::remove_file(log)?;
    }
    run(command.arg(&asked.url))?;
    let mut times = Vec::new();
    let mut failed = 0;
    for line in std::fs::read_to_string(log)?.lines() {
        let mut columns = line.split('\t').skip(1);
        let (status, time) = columns.next().zip(columns.next()).ok_or("a short line")?;
        failed += u64::from(!status.starts_with('2'));
        times.push(time.parse()?);
    }
    Ok(summed_up(times, asked.seconds as f64, failed))
}

/// Connections with a handshake and one request each, one after the other.
///
/// # Errors
/// When one does not succeed.
#[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
pub fn handshakes(
    visitor: &TlsVisitor,
    port: u16,
    path: &str,
    fields: &str,
    seconds: u64,
) -> Outcome<Loaded> {
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < Duration::from_secs(seconds) {
        let asked = Instant::now();
        visitor.visit(port, path, fields, false)?;
        times.push(asked.elapsed().as_secs_f64() * 1e6);
    }
    Ok(summed_up(times, began.elapsed().as_secs_f64(), 0))
}

fn summed_up(mut times: Vec<f64>, seconds: f64, failed: u64) -> Loaded {
    times.sort_by(f64::total_cmp);
    let share = |share: f64| {
        let at = (times.len() as f64 * share) as usize;
        times.get(at).copied().unwrap_or(f64::NAN)
    };
    Loaded {
        requests: times.len() as u64,
        per_second: times.len() as f64 / seconds,
        p50: share(0.5),
        p99: share(0.99),
        failed,
    }
}

fn run(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} failed: {said}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
