//! `preau check`: is the file right, and do the servers answer?

use super::{certificates, hours, schedules, status};
use crate::app;
use crate::config::{self, Config, Flows, MAX_FILE_BYTES, Portal, Problems, RoomConfig, Source};
use crate::host;
use crate::room::Limit;
use crate::time::Millis;
use crate::upstream::try_server;
use clap::Args;
use std::fmt::{self, Display, Formatter, Write as _};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Servers tried at once.
const TRIED_AT_ONCE: usize = 32;

/// More slots than this are never found: few portals work on more at once.
const SLOTS_PLAUSIBLE: u32 = 500;

/// The file is valid.
const VALID: u8 = 0;
/// The file has errors.
const INVALID: u8 = 1;
/// The file cannot be read. (clap's own status for a wrong command line is the same.)
const UNREADABLE: u8 = 2;
/// The file is valid, but `serve` could not start: its own status for that.
const NOT_STARTED: u8 = 3;

/// Check a configuration file, and what the servers in it say to a probe.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:\n  \
    0  the file is valid (servers that do not answer are warnings)\n  \
    1  the file, or a --set value, has errors, or a certificate cannot be used\n  \
    2  the file cannot be read, or the command line is wrong\n  \
    3  the file is valid, but `preau serve` could not start here, as this user")]
pub struct Check {
    /// The file to check.
    #[arg(long, value_name = "PATH", default_value = "proxy.toml")]
    pub config: PathBuf,
    /// Replace a value of the file, such as room.idle=30s; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Look at the file alone, as for another machine: not at certificates, state, addresses, servers.
    #[arg(long)]
    pub file_only: bool,
}

/// Runs the command: problems and warnings on standard error, a summary on standard output.
pub fn run(args: &Check) -> ExitCode {
    let config = match load(&args.config, &args.set) {
        Ok(config) => config,
        Err(failure) => {
            eprint!("{}", failure.render(color()));
            return ExitCode::from(failure.status());
        }
    };
    let mut summary = summary(&args.config, &config, host::wall());
    let mut warnings = endless_slots(&config);
    warnings.extend(hours::doubts(&config, host::wall()));
    let mut status = VALID;
    let mut errors = Vec::new();
    if !args.file_only {
        let certificates = certificates::look(&config);
        let tried = app::rehearse(&config, || status::runs_at(config.admin));
        status = match (&*certificates.errors, &*tried.obstacles) {
            ([], []) => VALID,
            ([], _) => NOT_STARTED,
            _ => INVALID,
        };
        let lines = certificates.lines.into_iter().chain(tried.notes);
        for line in lines.chain([tried_by()]) {
            let _ = writeln!(summary, "{line}");
        }
        warnings.extend(certificates.warnings);
        warnings.extend(only_root(&config));
        errors.extend(certificates.errors.into_iter().chain(tried.obstacles));
    }
    // Somebody who closes the pipe early has seen enough.
    if status != INVALID {
        let _ = io::stdout().write_all(summary.as_bytes());
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(problems) = config.written.problems(errors) {
        eprintln!("{}", problems.render(color()));
    } else if !args.file_only {
        for tried in tried(&config) {
            match tried {
                Ok(said) => drop(writeln!(io::stdout(), "{said}")),
                Err(warning) => eprintln!("warning: {warning}"),
            }
        }
    }
    ExitCode::from(status)
}

/// As whom keys, state, addresses and access log were tried.
fn tried_by() -> String {
    let user = app::user();
    match app::is_root() {
        true => format!(
            "tried as user {user}, who may do anything: `serve` must be able to do the same as its own user"
        ),
        false => format!("tried as user {user}: `serve` can do the same if it runs as that one"),
    }
}

/// What root could use, and nobody else.
fn only_root(config: &Config) -> Option<String> {
    let paths = match app::is_root() {
        true => app::only_root(config),
        false => Vec::new(),
    };
    let paths = paths.iter().map(|path| path.display().to_string());
    let paths: Vec<String> = paths.collect();
    (!paths.is_empty()).then(|| {
        format!(
            "only root can use {}: that was tried as root, and `serve` as another user would end with 3",
            paths.join(", ")
        )
    })
}

/// Reads and parses the file at `path`; `overrides` replace its values.
///
/// # Errors
/// The file cannot be read, or is wrong.
pub fn load(path: &Path, overrides: &[String]) -> Result<Config, LoadError> {
    let text = text(path)?;
    config::parse(Source {
        name: &path.display().to_string(),
        text: &text,
        overrides,
    })
    .map_err(LoadError::Wrong)
}

/// The text of the file at `path`.
///
/// # Errors
/// The file cannot be read, or is no text.
pub fn text(path: &Path) -> Result<String, LoadError> {
    let name = path.display().to_string();
    match read(path) {
        Ok(bytes) => config::decode(&name, bytes).map_err(LoadError::Wrong),
        Err(error) => Err(LoadError::Unreadable { name, error }),
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// The file, or an override, is wrong.
    Wrong(Problems),
}

impl LoadError {
    /// The text for the operator, with a line break at the end; `color` is for a terminal.
    pub fn render(&self, color: bool) -> String {
        match self {
            LoadError::Wrong(problems) => format!("{}\n", problems.render(color)),
            LoadError::Unreadable { name, error } => format!(
                "error: cannot read {name}: {error}\n\
                 help: name a text file with `--config PATH` that our user may read; `preau serve \
                 --portal URL` needs no file\n"
            ),
        }
    }

    /// The same for the log: what is wrong, with its place, one after the other.
    pub fn in_lines(&self) -> String {
        match self {
            LoadError::Wrong(problems) => {
                let each = problems
                    .iter()
                    .map(|it| format!("{}:{}:{}: {}", it.source, it.line, it.column, it.message));
                each.collect::<Vec<_>>().join("; ")
            }
            LoadError::Unreadable { name, error } => format!("{name} cannot be read: {error}"),
        }
    }

    /// The exit status of a command that ends with it.
    pub fn status(&self) -> u8 {
        match self {
            LoadError::Wrong(_) => INVALID,
            LoadError::Unreadable { .. } => UNREADABLE,
        }
    }
}

impl Display for LoadError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for LoadError {}

/// Whether standard error is a terminal that wants colours.
pub fn color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// The bytes of a file of configuration.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed is enough for `parse` to say that it is too long.
    let bound = MAX_FILE_BYTES as u64 + 1;
    File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is in the file; what holds by the calendar, holds at `clock` on the wall.
fn summary(path: &Path, config: &Config, clock: Millis) -> String {
    let mut out = format!("{} is valid.\n", path.display());
    for portal in &config.portals {
        let servers: Vec<String> = portal.servers.iter().map(ToString::to_string).collect();
        let Portal { name, slots, .. } = portal;
        let slots = limit(*slots);
        let _ = writeln!(out, "portal {name}: {} · {slots} slots", servers.join(", "));
    }
    for room in &config.rooms {
        let portal = &config.portals[room.portal].name;
        let RoomConfig { name, rules, .. } = room;
        let _ = writeln!(
            out,
            "room {name}: guards {} on {} in front of portal {portal} · {} · {} seats · \
             idle {}{}",
            join(&room.paths),
            join(&room.hosts),
            rules.mode.name(),
            limit(room.seats),
            config::show(rules.idle),
            flows_of(&room.flows) + &lanes_of(room),
        );
        for line in schedules::of_file(room, &config.time_zone, clock) {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// A limit, or that it is found and within what.
fn limit(limit: Limit) -> String {
    match limit {
        Limit::Fixed(number) => number.to_string(),
        Limit::Auto { min, max } => format!("auto ({min} to {max})"),
    }
}

/// What is special in a room, as far as there is something.
fn flows_of(flows: &Flows) -> String {
    let mut out = String::new();
    if !flows.presets.is_empty() {
        let _ = write!(out, " · presets {}", flows.presets.join(", "));
    }
    for (key, requests) in Flows::LISTS {
        if !requests(flows).is_empty() {
            let _ = write!(out, " · {key} {}", requests(flows).len());
        }
    }
    out
}

/// The lanes of a room that has some, with their weights and the hours in which they are let in.
fn lanes_of(room: &RoomConfig) -> String {
    if room.lanes.is_empty() {
        return String::new();
    }
    let lanes = room.lanes.iter().zip(&room.rules.lanes);
    let named = lanes.map(|(lane, rules)| {
        let name = match lane.name.as_str() {
            "" => "all others",
            name => name,
        };
        let hours = match lane.enters.is_empty() {
            true => String::new(),
            false => format!(" (enters {})", join(&lane.enters)),
        };
        format!("{name} {}{hours}", rules.weight)
    });
    format!(" · lanes {}", named.collect::<Vec<String>>().join(", "))
}

fn join(patterns: &[impl Display]) -> String {
    let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Seats are found from how long requests wait for a slot: with more slots than any portal works on
/// at once, none ever waits, and seats would grow without an end. (The other way round, seats that
/// are given and slots that are found, is no trap.)
fn endless_slots(config: &Config) -> Vec<String> {
    let found = |room: &&RoomConfig| matches!(room.seats, Limit::Auto { .. });
    let rooms = config.rooms.iter().filter(found);
    let warning = |room: &RoomConfig| {
        let portal = &config.portals[room.portal];
        match portal.slots {
            Limit::Fixed(slots) if slots > SLOTS_PLAUSIBLE => Some(format!(
                "room {}: its seats are found from how long requests wait for a slot of portal {}, \
                 and with {slots} slots hardly any will; write `slots = \"auto\"`, or a number of \
                 `seats`",
                room.name, portal.name
            )),
            _ => None,
        }
    };
    rooms.filter_map(warning).collect()
}

/// What each server says to a probe; a warning if it is not well, which is no error, because machines
/// boot in any order.
fn tried(config: &Config) -> Vec<Result<String, String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let tried = runtime.block_on(try_servers(config));
            // A name that does not resolve in time is not waited for.
            runtime.shutdown_background();
            tried
        }
        Err(error) => vec![Err(format!("the servers could not be tried: {error}"))],
    }
}

/// Probes every server, a few at a time, as `serve` would.
async fn try_servers(config: &Config) -> Vec<Result<String, String>> {
    let servers: Vec<(Portal, usize)> = config
        .portals
        .iter()
        .flat_map(|portal| (0..portal.servers.len()).map(|server| (portal.clone(), server)))
        .collect();
    let mut all = Vec::new();
    for chunk in servers.chunks(TRIED_AT_ONCE) {
        let tried: Vec<_> = chunk
            .iter()
            .cloned()
            .map(|(portal, server)| tokio::spawn(async move { try_server(&portal, server).await }))
            .collect();
        for ((portal, server), tried) in chunk.iter().zip(tried) {
            let (name, server) = (&portal.name, &portal.servers[*server]);
            all.push(match tried.await.expect("a probe does not panic") {
                Ok(said) => Ok(format!("portal {name}: {server} {said}")),
                Err(why) => Err(format!(
                    "portal {name}: {server} {why}; \
                     `serve` will start all the same and treat it as down until it comes"
                )),
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;
    use std::net::{SocketAddr, TcpListener};

    fn config(text: &str) -> Config {
        config::parse(Source {
            name: "test.toml",
            text,
            overrides: &[],
        })
        .unwrap()
    }

    /// A server that gives every request this status.
    fn answering(status: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(io::Result::ok) {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        address
    }

    #[test]
    fn a_server_that_answers_is_no_warning_and_one_that_does_not_is() {
        let (there, full) = (answering("200 OK"), answering("503 Full"));
        let gone = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let servers = format!("[\"http://{there}\", \"http://{gone}\", \"http://{full}\"]");
        let config = config(&format!(
            "portal = [{{ servers = {servers} }}]\nroom = [{{ host = \"ent.fr\" }}]"
        ));
        let tried = tried(&config);
        let [Ok(said_there), Err(said_gone), Err(said_full)] = &tried[..] else {
            panic!("{tried:?}");
        };
        let said = format!("portal portal: {there} answers 200 OK to `GET /` for ent.fr");
        assert_eq!(*said_there, said);
        assert!(said_gone.contains(&format!("{gone} does not answer (")));
        let said = "answers 503 Service Unavailable to `GET /` for ent.fr, and that is not good";
        assert!(said_full.contains(said), "{said_full}");
    }

    #[test]
    fn the_summary_says_what_guards_what() {
        let config = config(
            "portal = [{ name = \"ent\", servers = \"http://10.0.0.5\" }]\n\
             room = [{ host = \"x.fr\", path = \"/cours/**\", seats = 7, open = \"/a\" }]",
        );
        let summary = summary(Path::new("p.toml"), &config, Millis(0));
        assert!(
            summary.contains("portal ent: 10.0.0.5:80 · auto (4 to 500) slots"),
            "{summary}"
        );
        assert!(
            summary.contains(
                "room ent: guards /cours/** on x.fr in front of portal ent · queue · 7 seats · \
                 idle 10m · open 1"
            ),
            "{summary}"
        );
        let text = "portal = [{ servers = \"http://a\" }]\n\
             room = [{ lane = [{ name = \"a\", path = \"/a\", weight = 3, enters = \"mon 08:00-11:00\" }] }]";
        let summary = self::summary(Path::new("p.toml"), &self::config(text), Millis(0));
        assert!(
            summary.contains(" · lanes all others 1, a 3 (enters mon 08:00-11:00)"),
            "{summary}"
        );
    }

    #[test]
    fn slots_without_an_end_are_a_trap_for_seats_that_are_found() {
        let warned = |slots: &str, seats: &str| {
            let portal = "{ servers = \"http://10.0.0.5\", slots = SLOTS }";
            let text = format!("portal = [{portal}]\nroom = [{{ seats = {seats} }}]");
            endless_slots(&config(&text.replace("SLOTS", slots))).len()
        };
        assert_eq!(warned("2_000", "\"auto\""), 1);
        assert_eq!(warned("2_000", "300"), 0);
        assert_eq!(warned("40", "\"auto\""), 0);
        assert_eq!(warned("\"auto\"", "300"), 0);
    }

    #[test]
    fn the_command_line_has_defaults_and_help_with_every_status() {
        let mut command = Check::augment_args(clap::Command::new("check"));
        let help = command.render_help().to_string();
        assert!(
            help.contains("Exit status:") && help.contains("  2  "),
            "{help}"
        );

        let matches = command.get_matches_from(["check", "--set", "a=1", "--set", "b=2"]);
        let check = Check::from_arg_matches(&matches).unwrap();
        assert_eq!(check.config, Path::new("proxy.toml"));
        assert_eq!(check.set, ["a=1", "b=2"]);
    }

    #[test]
    fn each_failure_has_its_status() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.toml");
        let missing = load(&path, &[]).unwrap_err();
        assert_eq!(missing.status(), UNREADABLE);
        assert!(missing.to_string().contains("cannot read"), "{missing}");

        std::fs::write(&path, b"# caf\xe9\n").unwrap();
        let latin = load(&path, &[]).unwrap_err();
        assert_eq!(latin.status(), INVALID);
        assert!(latin.to_string().contains("proxy.toml:1:6\n"), "{latin}");

        std::fs::write(&path, "lisen = 1").unwrap();
        assert_eq!(load(&path, &[]).unwrap_err().status(), INVALID);

        std::fs::write(&path, "[[portal]]\nservers = \"http://10.0.0.5\"").unwrap();
        assert!(load(&path, &[]).is_ok());
        let set = ["room.seats=0".to_owned()];
        assert_eq!(load(&path, &set).unwrap_err().status(), INVALID);

        std::fs::write(&path, vec![b'#'; MAX_FILE_BYTES + 2]).unwrap();
        assert_eq!(load(&path, &[]).unwrap_err().status(), INVALID);
    }
}
