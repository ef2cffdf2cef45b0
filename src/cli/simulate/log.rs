//! An access log instead of a scene.

use super::{Failure, parse, progress};
use crate::config::scene::Scene;
use crate::sim::{Log, MOST_BYTES, Wrong, most_at_once};
use crate::time::Span;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

/// The scene goes on for so long after the log, so that a line can be seen to end.
const AFTERWARDS: Span = Span::mins(30);
/// The bar moves once in so many lines.
const PROGRESS_EVERY: u64 = 10_000;

/// The scene that is a log's visits before a room, and a note on what was read.
pub(super) fn scene(path: &Path, overrides: &[String]) -> Result<(Scene, String), Failure> {
    let name = match is_standard_input(path) {
        true => "standard input".into(),
        false => path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy(),
    };
    // Nobody in a log is seen to log out: the seat is kept until `idle` has passed.
    let text = format!(
        "name = {}\nlength = \"1h\"\n[room]\n[portal]\nmodel = \"visits\"\n[visit]\nlogout = 0\n\
         [[arrivals]]\nper_minute = 0\n",
        serde_json::Value::from(name.as_ref())
    );
    // So that everything else is read; where nobody says it, it is not lived through.
    let fixed = is_number_said(overrides);
    let overrides: Vec<String> = match fixed {
        true => overrides.to_vec(),
        false => {
            let others = overrides.iter().filter(|it| seats(it).is_none()).cloned();
            others.chain(["room.seats=1".to_owned()]).collect()
        }
    };
    let mut scene = parse("--log", &text, &overrides)?;
    let unreadable = |error| Failure::Unreadable(path.to_owned(), error);
    let log = read(path, scene.rules.idle).map_err(unreadable)?;
    let (broken, named) = log.broken();
    for it in named {
        let more = match it.count - 1 {
            0 => String::new(),
            more => format!(" (and {more} more like it)"),
        };
        eprintln!("warning: {}:{}: {}{more}", path.display(), it.line, it.why);
    }
    if let Some(address) = log.mostly() {
        eprintln!(
            "warning: most lines are of one address, {address}: is that a proxy in front of the portal? \
             Then whole crowds are taken for one visit. Log whom the proxy names (X-Forwarded-For; \
             mod_remoteip, set_real_ip_from), or take the proxy's own log"
        );
    }
    let lines = log.lines();
    let unusable = |wrong| Failure::Unusable(path.to_owned(), words(wrong, path));
    let (visits, clock, covers) = log.visits().map_err(unusable)?;
    let enough = most_at_once(&visits, scene.rules.idle);
    if !fixed {
        return Err(Failure::NoSeats(enough));
    }
    let note = format!(
        "{lines} lines, {broken} of them broken and skipped, are {} visits; {enough} seats would have \
         been enough for all of them at once.\n",
        visits.len(),
    );
    scene.recorded = visits;
    scene.clock = clock;
    scene.length = Span::secs((covers + AFTERWARDS + scene.rules.idle).ceil_secs());
    Ok((scene, note))
}

/// The seats that an override says, if it does.
fn seats(set: &str) -> Option<&str> {
    let (key, value) = set.split_once('=')?;
    (key.trim() == "room.seats").then(|| value.trim().trim_matches('"'))
}

/// Whether somebody has said how many seats there are, and not that they are to be found.
fn is_number_said(overrides: &[String]) -> bool {
    let last = overrides.iter().rev().find_map(|set| seats(set));
    last.is_some_and(|value| value != "auto")
}

/// `-` is what every other command takes it for.
fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path, idle: Span) -> io::Result<Log> {
    if is_standard_input(path) {
        return read_from(io::stdin().lock(), 0, idle);
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    read_from(BufReader::new(file), length, idle)
}

/// `length` in bytes is for the bar; 0 where nobody knows it.
fn read_from(mut lines: impl BufRead, length: u64, idle: Span) -> io::Result<Log> {
    let bar = progress(length, "reading");
    let mut log = Log::new(idle);
    let mut line = Vec::new();
    while next(&mut lines, &mut line, &bar)? {
        log.line(&line);
        if log.lines().is_multiple_of(PROGRESS_EVERY) {
            bar.tick();
        }
    }
    bar.finish_and_clear();
    Ok(log)
}

/// Reads the next line; of one that is far too long only so much that it is seen to be.
fn next(lines: &mut impl BufRead, line: &mut Vec<u8>, bar: &ProgressBar) -> io::Result<bool> {
    line.clear();
    let bound = MOST_BYTES as u64 + 2;
    let mut read = lines.take(bound).read_until(b'\n', line)?;
    if read as u64 == bound && line.last() != Some(&b'\n') {
        read += lines.skip_until(b'\n')?;
    }
    bar.inc(read as u64);
    Ok(read > 0)
}

fn words(wrong: Wrong, path: &Path) -> String {
    match wrong {
        Wrong::Nothing if path.extension().is_some_and(|it| it == "gz") => format!(
            "it is compressed, as rotated logs are; read it with: --log <(zcat {})",
            path.display()
        ),
        Wrong::Nothing => "no line of it is of the combined format: address, user, [time], \
                           \"request\", status, bytes, \"referrer\", \"user agent\""
            .to_owned(),
        Wrong::TooLong(hours) => format!(
            "it covers {hours} hours, and a scene lasts two days at most; cut out a day, such as \
             with: grep '16/Mar/2020' access.log"
        ),
        Wrong::TooMany => "it has more visits than fit into memory; cut out a part".to_owned(),
    }
}
