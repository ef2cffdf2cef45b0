//! `preau serve`: front the portals of a file, or of the command line.

use super::load::{self, LoadError};
use super::reload::Started;
use crate::app::{self, Running};
use crate::config::{self, Config, LogConfig, LogFormat, Source};
use clap::Args;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The file that is read when the command line names neither a file nor a portal.
pub(super) const DEFAULT_FILE: &str = "proxy.toml";
/// It could not start.
const NOT_STARTED: u8 = 3;
/// Signals within this time are one.
const ONE_WISH: Duration = Duration::from_secs(1);

/// Arguments of `preau serve`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Without a file, --portal alone is enough; without either, proxy.toml is read.\n\n\
    SIGTERM and SIGINT stop gently: what runs is finished, up to the deadline `drain`.\n\
    SIGHUP reads changed certificates, opens the access log anew, and says which keys of the file \
    have changed since the start: these need a restart.\n\n\
    Exit status:\n  \
    0  stopped as asked\n  \
    1  the file, or a value of the command line, has errors: all of them are shown\n  \
    2  the file cannot be read, or the command line is wrong\n  \
    3  it could not start: an address in use, keys, store, or state folder out of reach"
)]
pub struct Serve {
    /// The file to serve from: the same as --config.
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The file to serve from.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// A server of the portal, such as http://127.0.0.1:9000; may be repeated.
    #[arg(long, value_name = "URL")]
    portal: Vec<String>,
    /// Visits that may be inside at once: a number, or auto to find it [default: auto].
    #[arg(long, value_name = "NUMBER")]
    seats: Option<String>,
    /// Where visitors connect; may be repeated [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// Where the desk listens: metrics, health, status [default: 127.0.0.1:9900].
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<String>,
    /// The folder for keys and store; made if missing [default: preau-state].
    #[arg(long, value_name = "DIR")]
    state: Option<String>,
    /// Replace any value of the file, such as room.idle=30s; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the command until a signal stops it.
pub fn run(args: &Serve) -> ExitCode {
    let config = match load(args) {
        Ok(config) => config,
        Err(failure) => {
            eprint!("{}", failure.render(load::color()));
            return ExitCode::from(failure.status());
        }
    };
    let started = path(args).map(|path| Started::with(path, overrides(args)));
    log_to_stderr(&config.log);
    // Before anything runs, so that no signal is missed.
    let waiting = match Signals::new() {
        Ok(waiting) => waiting,
        Err(error) => return not_started(&error),
    };
    let running = match app::start(config) {
        Ok(running) => running,
        Err(error) => return not_started(&error),
    };
    announce(&running);
    while waiting.wait() == Wish::Reload {
        match (&*running.reload(), &started) {
            ([], None) => {
                tracing::info!("there is nothing to read again: no file, no certificates")
            }
            ([], Some(_)) => {}
            (done, _) => tracing::info!("{}", done.join(", and ")),
        }
        if let Some(started) = &started {
            started.compare();
        }
    }
    tracing::info!("stopping: what runs is finished first; a second signal stops at once");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    waiting.exit_on_next();
    running.stop();
    tracing::info!("stopped");
    ExitCode::SUCCESS
}

fn not_started(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("preau could not start: {error}.");
    ExitCode::from(NOT_STARTED)
}

/// The file that it is served from, if it is one.
fn path(args: &Serve) -> Option<&Path> {
    let named = args.file.as_deref().or(args.config.as_deref());
    named.or(args.portal.is_empty().then_some(Path::new(DEFAULT_FILE)))
}

fn load(args: &Serve) -> Result<Config, LoadError> {
    let overrides = overrides(args);
    match path(args) {
        Some(path) => load::load(path, &overrides),
        None => config::parse(Source {
            name: "command line",
            text: "",
            overrides: &overrides,
        })
        .map_err(LoadError::Wrong),
    }
}

/// The arguments as replacements of the file's values; `--set` last, so that it wins.
fn overrides(args: &Serve) -> Vec<String> {
    let list = |values: &[String]| serde_json::to_string(values).unwrap_or_default();
    let mut overrides = Vec::new();
    if !args.portal.is_empty() {
        overrides.push(format!("portal.servers={}", list(&args.portal)));
    }
    if !args.listen.is_empty() {
        overrides.push(format!("listen={}", list(&args.listen)));
    }
    let single = [
        ("room.seats", &args.seats),
        ("admin", &args.admin),
        ("state", &args.state),
    ];
    for (key, value) in single {
        overrides.extend(value.as_ref().map(|value| format!("{key}={value}")));
    }
    overrides.extend(args.set.iter().cloned());
    overrides
}

fn log_to_stderr(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(load::color())
        .with_target(false);
    match config.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn announce(running: &Running) {
    for address in running.addresses() {
        tracing::info!(%address, "listening for visitors");
    }
    for room in running.rooms() {
        tracing::info!(
            room = room.name,
            mode = room.mode.name(),
            seats = room.seats,
            taken = room.taken,
            waiting = room.waiting,
            "room served"
        );
    }
    tracing::info!(admin = %running.admin(), "ready: the desk has /metrics, /readyz and /api/v1/status");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// SIGTERM and SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals, one after the other.
struct Signals {
    wishes: Receiver<Wish>,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (send, wishes) = std::sync::mpsc::channel();
        let (mut terminate, mut interrupt, mut hangup) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
            )
        };
        let listen = async move {
            loop {
                let wish = tokio::select! {
                    _ = terminate.recv() => Wish::Stop,
                    _ = interrupt.recv() => Wish::Stop,
                    _ = hangup.recv() => Wish::Reload,
                };
                if send.send(wish).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || runtime.block_on(listen))?;
        Ok(Signals { wishes })
    }

    fn wait(&self) -> Wish {
        self.wishes.recv().unwrap_or(Wish::Stop)
    }

    /// From now on a signal to stop ends the process at once.
    fn exit_on_next(self) {
        let exit = move || {
            // Supervisors may signal the process and its group: that is one wish, not two.
            std::thread::sleep(ONE_WISH);
            while self.wishes.try_recv().is_ok() {}
            while let Ok(wish) = self.wishes.recv() {
                if wish == Wish::Stop {
                    tracing::warn!("stopped at once, as asked by a second signal");
                    std::process::exit(1);
                }
            }
        };
        std::thread::spawn(exit);
    }
}
