//! The real proxy: the binary, a configuration file, a folder for its state.

use super::{Names, Process, Visitor, free_port, get, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A running proxy.
pub struct Preau {
    home: Unstarted,
    process: Process,
}

/// A proxy with its configuration and folders, not started.
pub struct Unstarted {
    folder: TempDir,
    listen: SocketAddr,
    admin: SocketAddr,
    program: PathBuf,
    env: Vec<(&'static str, PathBuf)>,
    names: Option<Names>,
}

/// How a proxy that would not start has ended.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it said.
    pub words: String,
}

impl Preau {
    /// Starts a proxy with `tables` (portals and rooms; keys of the top level may stand
    /// before them) and waits until it is ready.
    pub async fn start(tables: &str) -> Preau {
        Unstarted::new(tables).start().await
    }

    /// Where visitors connect.
    pub fn address(&self) -> SocketAddr {
        self.home.listen
    }

    /// Where the desk listens.
    pub fn admin(&self) -> SocketAddr {
        self.home.admin
    }

    /// The folder for keys and the store.
    pub fn state(&self) -> PathBuf {
        self.home.state()
    }

    /// The names that hold for it: it was started with some.
    pub fn names(&self) -> &Names {
        self.home.names.as_ref().expect("it has names of its own")
    }

    /// Bytes of memory that the process holds now.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.pid());
        let status = fs::read_to_string(path).expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("its memory is a number") * 1024
    }

    /// Its file.
    pub fn config(&self) -> PathBuf {
        self.home.config()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        self.process.printed()
    }

    /// A new visitor, called `name` in the portal's log, for `room`.
    pub fn visitor(&self, name: &str, room: &str) -> Visitor {
        Visitor::new(self.home.listen, name, room)
    }

    /// The desk's view of `room`.
    pub async fn room(&self, room: &str) -> Value {
        let answer = get(self.home.admin, "/api/v1/rooms").await;
        let rooms = answer.expect("the desk answers").json();
        let list = rooms.as_array().or_else(|| rooms["rooms"].as_array());
        let found = list
            .into_iter()
            .flatten()
            .find(|entry| entry["name"] == room);
        found
            .unwrap_or_else(|| panic!("no room {room} in {rooms}"))
            .clone()
    }

    /// The sum of the series of `name` that carry all `labels`. There must be one: a name that
    /// nobody knows must not read as zero.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.metrics().await;
        let sum = sum_of_series(&text, name, labels);
        sum.unwrap_or_else(|| panic!("no series {name} {labels:?} in:\n{text}"))
    }

    /// The same for counters whose series appear when there is something to count.
    pub async fn counted(&self, name: &str) -> f64 {
        sum_of_series(&self.metrics().await, name, &[]).unwrap_or(0.0)
    }

    /// Panics if one of the things that must never happen has happened.
    pub async fn assert_nothing_forbidden(&self) {
        for name in ["preau_queue_jumps_total", "preau_seat_overshoot_total"] {
            assert_eq!(
                self.metric(name, &[]).await,
                0.0,
                "{name} must stay at zero"
            );
        }
    }

    /// Asks it to stop, without waiting.
    pub fn ask_to_stop(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Asks it to read again what may change while it runs, without waiting.
    pub fn ask_to_reload(&self) {
        self.process.signal(Signal::SIGHUP);
    }

    /// The id of its process.
    pub fn pid(&self) -> nix::unistd::Pid {
        self.process.pid()
    }

    /// Waits for the end after [`Preau::ask_to_stop`]; it must be a clean one.
    pub async fn stopped(mut self) -> Unstarted {
        let status = self.process.end().await;
        assert_eq!(status.code(), Some(0), "{}", self.process.printed());
        self.home
    }

    /// Stops it and waits for a clean end.
    pub async fn stop(self) -> Unstarted {
        self.ask_to_stop();
        self.stopped().await
    }

    /// Kills it, as a power cut would.
    pub async fn kill9(mut self) -> Unstarted {
        self.process.signal(Signal::SIGKILL);
        self.process.end().await;
        self.home
    }

    /// What the desk says at /metrics.
    pub async fn metrics(&self) -> String {
        let answer = get(self.home.admin, "/metrics").await;
        answer.expect("the desk answers").text()
    }
}

impl Unstarted {
    /// Writes the configuration; see [`Preau::start`].
    pub fn new(tables: &str) -> Unstarted {
        let unstarted = Unstarted {
            folder: tempfile::Builder::new()
                .prefix("preau-")
                .tempdir()
                .expect("the temporary folder can be written"),
            listen: free_port(),
            admin: free_port(),
            program: env!("CARGO_BIN_EXE_preau").into(),
            env: Vec::new(),
            names: None,
        };
        let (listen, admin) = (unstarted.listen, unstarted.admin);
        let state = unstarted.state();
        unstarted.configure(&format!(
            "listen = \"{listen}\"\nadmin = \"{admin}\"\nstate = {state:?}\nthreads = 2\n{tables}"
        ));
        unstarted
    }

    /// Another program than the one that cargo has built.
    pub fn with_program(mut self, program: &Path) -> Unstarted {
        self.program = program.to_owned();
        self
    }

    /// It will find the file `path` in the variable `name` of its environment.
    pub fn with_env(mut self, name: &'static str, path: &Path) -> Unstarted {
        self.env.push((name, path.to_owned()));
        self
    }

    /// These names hold for it, and no others.
    pub fn with_names(mut self, names: Names) -> Unstarted {
        self.names = Some(names);
        self
    }

    /// Replaces the whole configuration file.
    pub fn configure(&self, text: &str) {
        fs::write(self.config(), text).expect("the folder of the test can be written");
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("proxy.toml")
    }

    /// The folder for keys and the store; the proxy makes it.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where visitors will connect.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Where the desk will listen.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Starts it (again), with the same file, ports and state, and waits until it is ready.
    pub async fn start(self) -> Preau {
        let mut process = self.spawn();
        let admin = self.admin;
        until("the proxy is ready", async || {
            if let Some(status) = process.ended() {
                panic!("preau ended at once: {status}:\n{}", process.printed());
            }
            let answer = get(admin, "/readyz").await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await;
        Preau {
            home: self,
            process,
        }
    }

    /// Starts it and waits for it to give up by itself.
    pub async fn refuse(&self) -> Refusal {
        fs::remove_file(self.output()).ok();
        let mut process = self.spawn();
        let status = process.end().await;
        Refusal {
            code: status.code(),
            words: process.printed(),
        }
    }

    fn spawn(&self) -> Process {
        let mut command = match &self.names {
            Some(names) => names.command(&self.program),
            None => Command::new(&self.program),
        };
        command
            .arg("serve")
            .arg("--config")
            .arg(self.config())
            .env_remove("STATE_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("RUST_LOG")
            .envs(self.env.iter().map(|(name, path)| (name, path)));
        Process::start("preau", &mut command, &self.output())
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output.log")
    }
}

/// The tables of one portal, `url`, behind one room; both are called `ent`, and `room` holds
/// further keys of the room. Polls are as frequent as may be, so that tests are short.
pub fn one_room(url: &str, room: &str) -> String {
    format!(
        r#"
[[portal]]
name = "ent"
servers = ["{url}"]
slots = 6
health = {{ path = "/sante", interval = "1s", timeout = "2s", fall = 2, probe_min = "1s", probe_max = "2s" }}

[[room]]
name = "ent"
portal = "ent"
logout = ["/deconnexion"]
poll = {{ min = "1s", max = "1s" }}
{room}
"#
    )
}

/// The sum of the series of `name` that carry all `labels`, in the text format of Prometheus:
/// `name{a="b",c="d"} value`; `None` if there is no such series.
pub fn sum_of_series(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let series = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (inside, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        let carries = |(key, value): &(&str, &str)| {
            let wanted = format!("{key}=\"{value}\"");
            inside.split(',').any(|label| label == wanted)
        };
        labels.iter().all(carries).then(|| {
            let number: f64 = value.trim().parse().expect("a metric is a number");
            number
        })
    });
    series.reduce(|sum, value| sum + value)
}
