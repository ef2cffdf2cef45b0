//! `preau check`: is the file right, and do the servers answer?

use super::doubts::doubts;
use super::load::{INVALID, color, load};
use super::summary::summary;
use super::{certificates, status};
use crate::app;
use crate::config::{Config, Portal};
use crate::host;
use crate::upstream::try_server;
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Servers tried at once.
const TRIED_AT_ONCE: usize = 32;

/// The file is valid.
const VALID: u8 = 0;
/// The file is valid, but `serve` could not start: its own status for that.
const NOT_STARTED: u8 = 3;

/// Check a configuration file, and what the servers in it say to a probe.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:\n  \
    0  the file is valid (servers that do not answer are warnings)\n  \
    1  the file, or a --set value, has errors, or a certificate cannot be used\n  \
    2  the file cannot be read, or the command line is wrong\n  \
    3  the file is as it should be, but `preau serve` could not start here, as this user")]
pub struct Check {
    /// The file to check: the same as --config.
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub file: Option<PathBuf>,
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
    let path = args.file.as_deref().unwrap_or(&args.config);
    let config = match load(path, &args.set) {
        Ok(config) => config,
        Err(failure) => {
            eprint!("{}", failure.render(color()));
            return ExitCode::from(failure.status());
        }
    };
    let mut summary = summary(&config, host::wall());
    let mut warnings = doubts(&config, host::wall());
    let mut status = VALID;
    let mut errors = Vec::new();
    if !args.file_only {
        let certificates = certificates::look(&config, &status::certificates_at(config.admin));
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
        warnings.extend(tried.warnings);
        warnings.extend(only_root(&config));
        errors.extend(certificates.errors.into_iter().chain(tried.obstacles));
    }
    // Somebody who closes the pipe early has seen enough.
    if status != INVALID {
        let _ = write!(io::stdout(), "{}\n{summary}", verdict(path, status));
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(problems) = config.written.problems(errors) {
        match status {
            INVALID => eprintln!("{}", problems.render(color())),
            _ => eprintln!("{}{}", problems.shown(color()), obstacles(problems.len())),
        }
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

/// What came of it, in one line.
fn verdict(path: &Path, status: u8) -> String {
    match status {
        VALID => format!("{} is valid.", path.display()),
        _ => format!(
            "{} is written as it should be, but `preau serve` could not start with it here.",
            path.display()
        ),
    }
}

fn obstacles(number: usize) -> String {
    match number {
        1 => "`preau serve` could not start here, for this one reason".to_owned(),
        number => format!("`preau serve` could not start here, for these {number} reasons"),
    }
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
    use crate::cli::load::valid;
    use clap::FromArgMatches;
    use std::io::Read as _;
    use std::net::{SocketAddr, TcpListener};

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
        let config = valid(&format!(
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
}
