//! `preau demo`: a school portal that breaks when overrun, the real proxy in front of it, and a
//! crowd that wants in; all on this machine, for somebody to stand in line and see.
//!
//! The proxy is started as `serve` starts it, from a configuration of the same language. Portal
//! and crowd each have a thread of their own, so that they take nothing from the proxy's.

mod client;
pub mod crowd;
mod live;
mod machine;
mod pages;
pub mod portal;
mod sessions;
mod watch;

use crate::app::{self, Running};
use crate::config::{self, Config, Source};
use crate::host;
use crowd::{Manners, Plan, ROOM, Tally};
use live::{Look, Seen};
use portal::SamplePortal;
use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio_util::sync::CancellationToken;
use watch::{Ending, Show};

/// Where the demo listens unless it is told otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Seats at most.
pub const SEATS_MAX: i64 = 1_000;
/// Simulated visitors around at most.
pub const VISITORS_MAX: i64 = 2_000;
/// Minutes that a demo may be told to run for: a day.
pub const MINUTES_MAX: i64 = 24 * 60;

/// The crowd is this many quarters of the seats. With visits of 25 s, and a minute more for the
/// seats of those who forget to log out, a newcomer then waits about a minute, whatever the seats.
pub const CROWD_QUARTERS: u32 = 7;
/// The crowd is complete after about this many seconds.
const RUSH_SECONDS: f64 = 4.0;

const NOTES: &str = "A small sample portal, the real proxy in front of it, and a crowd of \
simulated visitors, all on this machine. Open the printed address in a browser: you take a place \
in line, see it fall, and go in when it is your turn.";

/// See a waiting room at work: a sample portal, the proxy, and a crowd, all on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Demo {
    /// Where to listen [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Visits that may be inside at once
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=SEATS_MAX))]
    pub seats: u32,
    /// Simulated visitors around at once, in line and inside [default: 1.75 times the seats]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=VISITORS_MAX))]
    pub visitors: Option<u32>,
    /// Stop after this many minutes [default: run until Ctrl-C]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=MINUTES_MAX))]
    pub minutes: Option<u32>,
    /// One line every 2 seconds, as when the output is not a terminal
    #[arg(long)]
    pub plain: bool,
}

/// Runs the demo until Ctrl-C, SIGTERM or `--minutes`; then exit code 0, or 1 if it could not
/// start.
pub fn run(args: &Demo) -> ExitCode {
    match play(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("preau demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Why the demo could not start.
#[derive(Debug)]
enum Failure {
    Folder(PathBuf, io::Error),
    Thread(io::Error),
    Settings(String),
    Start(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Folder(path, error) => write!(
                f,
                "cannot create the folder {}: {error}. Set TMPDIR to a folder that can be written.",
                path.display()
            ),
            Failure::Thread(error) => write!(f, "cannot start the sample portal: {error}"),
            Failure::Settings(problems) => write!(f, "the settings do not hold:\n{problems}"),
            Failure::Start(error) => write!(f, "cannot start the proxy: {error}"),
        }
    }
}

fn play(args: &Demo) -> Result<(), Failure> {
    let runtime = runtime()?;
    // Before the folder, so that no Ctrl-C leaves it behind.
    let ending = runtime
        .block_on(async { Ending::new() })
        .map_err(Failure::Thread)?;
    let state = TempFolder::create()?;
    let portal = SamplePortal::new();
    let (portal_address, portal_stage) = open_portal(&portal)?;
    let config = settings(args, listen_address(args), portal_address, state.path())?;
    let running = app::start(config).map_err(|error| Failure::Start(error.to_string()))?;
    let entrance = reachable(running.addresses()[0]);

    let tally = Arc::new(Tally::default());
    let crowd_stage = gather_crowd(args, entrance, tally.clone())?;
    // Nobody may read this; that shows at the first look.
    let _ = writeln!(io::stdout(), "The crowd gathers …");
    let show = Show {
        plain: args.plain,
        line: visitors(args).saturating_sub(args.seats),
        minutes: args.minutes,
        look: || look(&running, &portal, &tally),
        introduce: || introduce(args, entrance, running.admin()),
    };
    runtime.block_on(watch::watch(show, ending));

    // The crowd goes first, so that the proxy has nobody left to wait for.
    drop(crowd_stage);
    running.stop();
    drop(portal_stage);
    let seen = Seen::from(&*tally);
    // Whoever read our output may be gone; that is no reason to end badly.
    let _ = writeln!(
        io::stdout(),
        "\nThe demo has ended: {} visits finished, longest wait {} s, {} blank pages.",
        seen.finished,
        seen.longest_wait.ceil_secs(),
        seen.blank
    );
    Ok(())
}

/// The address to listen on; a free port if the usual one is taken and nobody asked for it.
fn listen_address(args: &Demo) -> SocketAddr {
    match args.listen {
        Some(address) => address,
        None => usual_or_free(LISTEN),
    }
}

fn usual_or_free(usual: SocketAddr) -> SocketAddr {
    // Bound without SO_REUSEPORT, so that a second demo does not share the first one's port.
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(error) => {
            let taken = format!("{usual} cannot be had ({error}); a free port is taken instead.");
            let _ = writeln!(io::stdout(), "{taken}");
            SocketAddr::new(usual.ip(), 0)
        }
    }
}

/// Where somebody on this machine reaches a server that listens on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The demo's `proxy.toml`. The portal's slots stay below the point where it begins to suffer.
fn settings(
    args: &Demo,
    listen: SocketAddr,
    portal: SocketAddr,
    state: &Path,
) -> Result<Config, Failure> {
    let text = format!(
        r#"
listen = "{listen}"
admin = "127.0.0.1:0"
state = {state}
threads = 2
drain = "3s"

[log]
level = "error"
access = "off"

[[portal]]
name = "tilleuls"
servers = ["http://{portal}"]
slots = 16

[[room]]
name = "{ROOM}"
portal = "tilleuls"
seats = {seats}
idle = "60s"
claim = "60s"
poll = {{ min = "2s" }}
open = ["/", "/assets/**"]
logout = ["/deconnexion"]
"#,
        state = toml::Value::from(state.to_string_lossy().into_owned()),
        seats = args.seats,
    );
    config::parse(Source {
        name: "demo",
        text: &text,
        overrides: &[],
    })
    .map_err(|problems| Failure::Settings(problems.to_string()))
}

fn open_portal(portal: &SamplePortal) -> Result<(SocketAddr, Stage), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::Thread)?;
    listener.set_nonblocking(true).map_err(Failure::Thread)?;
    let address = listener.local_addr().map_err(Failure::Thread)?;
    let portal = portal.clone();
    let stage = Stage::open("demo-portal", async move {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => portal.serve(listener).await,
            Err(error) => eprintln!("preau demo: the sample portal cannot listen: {error}"),
        }
    })?;
    Ok((address, stage))
}

fn gather_crowd(args: &Demo, entrance: SocketAddr, tally: Arc<Tally>) -> Result<Stage, Failure> {
    let visitors = visitors(args);
    let plan = Plan {
        address: entrance,
        visitors: visitors as usize,
        arrivals_per_second: f64::from(visitors) / RUSH_SECONDS,
        manners: Manners::default(),
    };
    Stage::open("demo-crowd", crowd::run(plan, host::seed(), tally))
}

fn visitors(args: &Demo) -> u32 {
    let usual = (args.seats * CROWD_QUARTERS).div_ceil(4);
    args.visitors.unwrap_or(usual)
}

fn introduce(args: &Demo, entrance: SocketAddr, admin: SocketAddr) -> io::Result<()> {
    writeln!(
        io::stdout(),
        "\n  Open  http://{entrance}/espace\n\n  \
         A school portal with {} seats, the proxy in front of it, and a crowd that wants in.\n  \
         You take a place in line, see it fall, and go in when it is your turn.\n  \
         The home page http://{entrance}/ never waits. Metrics: http://{admin}/metrics\n  \
         Ctrl-C to stop.\n",
        args.seats
    )
}

fn look(running: &Running, portal: &SamplePortal, tally: &Tally) -> Look {
    let rooms = running.rooms();
    let room = rooms.iter().find(|room| room.name == ROOM);
    let room = room.expect("the settings name this room");
    Look {
        seats: room.seats,
        taken: room.there(),
        called: room.called,
        waiting: room.waiting,
        promise: room.promise,
        entered: room.entered_total,
        portal_up: room.portal_up,
        portal: portal.gauges(),
        crowd: Seen::from(tally),
    }
}

/// Something that runs on a thread of its own until this is dropped.
struct Stage {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    fn open(name: &str, play: impl Future<Output = ()> + Send + 'static) -> Result<Stage, Failure> {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let runtime = runtime()?;
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = play => {}
                        () = stopped.cancelled() => {}
                    }
                });
            })
            .map_err(Failure::Thread)?;
        Ok(Stage {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed by then; there is nothing to add.
            let _ended = thread.join();
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Thread)
}

/// A fresh folder that only we can read, removed in the end.
struct TempFolder(PathBuf);

impl TempFolder {
    fn create() -> Result<TempFolder, Failure> {
        let name = format!("preau-demo-{:016x}", host::seed());
        let path = std::env::temp_dir().join(name);
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(TempFolder(path)),
            Err(error) => Err(Failure::Folder(path, error)),
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!(
                "preau demo: the folder {} stays behind: {error}",
                self.0.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        demo: Demo,
    }

    fn parsed(args: &[&str]) -> Result<Demo, clap::Error> {
        let args = ["demo"].iter().chain(args);
        Cli::try_parse_from(args).map(|cli| cli.demo)
    }

    #[test]
    fn arguments_have_defaults_and_bounds() {
        let demo = parsed(&[]).unwrap();
        assert_eq!((demo.seats, demo.visitors, demo.minutes), (30, None, None));
        assert!(demo.listen.is_none() && !demo.plain);
        let given = ["--listen", "127.0.0.1:0", "--seats", "5", "--visitors", "9"];
        let demo = parsed(&given).unwrap();
        assert_eq!((demo.seats, demo.visitors), (5, Some(9)));
        assert_eq!(demo.listen, Some("127.0.0.1:0".parse().unwrap()));
        for wrong in [
            ["--seats", "0"],
            ["--seats", "1001"],
            ["--visitors", "0"],
            ["--minutes", "1441"],
            ["--listen", "8080"],
        ] {
            assert!(parsed(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_taken_port_is_not_shared() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let usual = taken.local_addr().unwrap();
        assert_eq!(usual_or_free(usual).port(), 0);
        drop(taken);
        assert_eq!(usual_or_free(usual), usual);
    }

    #[test]
    fn settings_are_a_valid_file() {
        let demo = parsed(&["--seats", "7"]).unwrap();
        let portal = "127.0.0.1:9".parse().unwrap();
        let state = Path::new("/tmp/with \"quotes\" and \\");
        let config = settings(&demo, LISTEN, portal, state).unwrap();
        assert_eq!(config.state, state);
        assert_eq!(config.listeners[0].address, LISTEN);
        assert_eq!(config.rooms[0].rules.seats, 7);
        assert_eq!(config.portals[0].servers[0].port, 9);
    }

    #[test]
    fn everything_can_be_reached_on_this_machine() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("127.0.0.2:80"), "127.0.0.2:80");
    }

    #[test]
    fn the_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempFolder::create().unwrap();
        let path = folder.path().to_owned();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(path.join("inside"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_stage_ends_when_it_is_dropped() {
        let held = Arc::new(());
        let inside = held.clone();
        let stage = Stage::open("test", async move {
            std::future::pending::<()>().await;
            drop(inside);
        });
        assert_eq!(Arc::strong_count(&held), 2);
        drop(stage.unwrap());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
