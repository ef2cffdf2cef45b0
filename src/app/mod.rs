//! Builds the parts, binds, runs, and lets go.
//!
//! Workers: one thread per core, each with a listener of its own (`SO_REUSEPORT`) and its own
//! connections to the portals. The desk, the rooms' time, and the probes share one more thread,
//! the store another, so that overload cannot starve the people who fight it.

mod again;
mod bearing;
mod bind;
mod certificates;
mod descriptors;
mod follower;
mod hours;
mod keeper;
mod keeping;
mod log_file;
mod rehearsal;
mod storage;

use crate::admin::{self, Desk};
use crate::config::{AccessFormat, Config, LogConfig, Speaks};
use crate::cookie::KeyError;
use crate::front::{self, AccessLog, House, Lines, Phase, Thread, Writing};
use crate::host;
use crate::metrics::Metrics;
use crate::room::{self, Room};
use crate::store::{self, Store, StoreError};
use crate::tls::{Tls, TlsError};
use bind::Listeners;
use keeping::Keeping;
use log_file::{LogFile, Reopen};
use rehearsal::access_file;
pub use rehearsal::{Rehearsal, is_root, only_root, rehearse, user};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use storage::Storage;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// How long connections without a request stay open during a stop, so that whoever sends one in
/// this moment is still answered.
const LINGER: Duration = Duration::from_secs(2);
/// How often a stop looks whether everybody has gone.
const LOOK: Duration = Duration::from_millis(20);

/// Why it did not start. The message says what to do. Nothing is left half-started.
#[derive(Debug)]
pub enum StartError {
    /// The state folder cannot be made or used.
    State(PathBuf, io::Error),
    /// The keys.
    Keys(KeyError),
    /// The store.
    Store(StoreError),
    /// A certificate, or TLS itself.
    Tls(TlsError),
    /// An address of ours cannot be listened on.
    Listen(&'static str, SocketAddr, io::Error),
    /// The access log cannot be written.
    AccessLog(PathBuf, io::Error),
    /// The operating system gave us no thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::State(path, error) => write!(
                f,
                "the state folder {} cannot be used: {error}. {}, or name another one (`state` in the \
                 file, or --state)",
                path.display(),
                host::remedy(error)
            ),
            StartError::Keys(error) => error.fmt(f),
            StartError::Store(error) => error.fmt(f),
            StartError::Tls(error) => error.fmt(f),
            StartError::Listen(key, address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "the address {address} is in use by another program. Stop that one (`ss -ltnp` \
                     shows it), or choose another address (`{key}` in the file, or --{key})"
                )
            }
            StartError::Listen(key, address, error) => {
                let why = match error.kind() {
                    io::ErrorKind::PermissionDenied => "Ports below 1024 need CAP_NET_BIND_SERVICE",
                    _ => host::remedy(error),
                };
                write!(
                    f,
                    "cannot listen on {address}: {error}. {why}; or choose another address (`{key}` in \
                     the file, or --{key})"
                )
            }
            StartError::AccessLog(path, error) => write!(
                f,
                "the access log {} cannot be written: {error}. {}, or name another file \
                 (`log.access_file`)",
                path.display(),
                host::remedy(error)
            ),
            StartError::Thread(error) => write!(f, "no thread could be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running proxy.
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    house: Arc<House>,
    drain: Duration,
    phase: watch::Sender<Phase>,
    cut: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    desk: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    keeping: Keeping,
    reopen: Reopen,
    /// Lets the access log's writer finish.
    _log: Option<Writing>,
}

/// Starts everything; returns when visitors can come.
///
/// # Errors
/// When something that is needed from the start cannot be had; then nothing runs.
pub fn start(mut config: Config) -> Result<Running, StartError> {
    descriptors::fit(&mut config);
    if let Some(doubt) = storage::doubt(&config.state) {
        tracing::warn!("{doubt}");
    }
    let Storage {
        keys,
        store,
        unwritten,
    } = storage::open(&config)?;
    if let Some(error) = &unwritten {
        tracing::error!(
            "{error}. All the same, started: places, passes and keys are in memory, and written as \
             soon as they can be; a restart before that would lose every new one"
        );
    }
    let rooms = rooms(&config, &store).map_err(StartError::Store)?;
    let tls = tls(&config)?;
    let listeners = bind::workers(&config)?;
    let desk_listener = bind::desk(config.admin)?;
    let reopen = Reopen::default();
    let (access, log_guard) = access_log(&config.log, &reopen)?;

    let metrics = Arc::new(Metrics::new());
    let portals = bearing::portals(&config, &store).map_err(StartError::Store)?;
    let drain = config.drain.into();
    let keys = Arc::new(keys);
    let house = House::new(config, rooms, portals, &keys, metrics, access, tls);
    let house = Arc::new(house);
    certificates::warn_of_ends(&house);
    let addresses = addresses(&listeners);
    let admin = desk_listener.local_addr().map_err(StartError::Thread)?;

    // An opening's seed is in the first commit, and its hold begins after it.
    keeper::begin(&house);
    house.tell_hours();
    let unwritten = unwritten.is_some().then_some(keys);
    let keeping = Keeping::start(store, unwritten, house.clone()).map_err(StartError::Store)?;
    keeper::begin(&house);
    let (phase, _) = watch::channel(Phase::Open);
    let (cut, _) = watch::channel(false);
    let mut running = Running {
        addresses,
        admin,
        drain,
        workers: Vec::new(),
        desk: None,
        keeping,
        reopen,
        _log: log_guard,
        phase,
        cut,
        house,
    };
    match running.spawn(listeners, desk_listener) {
        Ok(()) => Ok(running),
        Err(error) => {
            running.stop();
            Err(StartError::Thread(error))
        }
    }
}

impl Running {
    /// Where visitors connect.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the desk listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// How the rooms stand.
    pub fn rooms(&self) -> Vec<room::Status> {
        let now = host::now();
        (self.house.doors.iter())
            .map(|door| door.room().status(now))
            .collect()
    }

    /// Reads changed certificates, and opens the access log anew; says what of that there was to do.
    /// Nothing else of the file is read again, and nobody is cut off.
    pub fn reload(&self) -> Vec<&'static str> {
        self.reopen.ask();
        certificates::look(&self.house, true);
        let certificates = self.house.tls.is_some();
        let log = access_file(&self.house.config).is_some();
        let done = [
            certificates.then_some("certificates are read again"),
            log.then_some("the access log is opened anew"),
        ];
        done.into_iter().flatten().collect()
    }

    /// Stops gently: no new connections, what runs is finished, everything is stored; what is
    /// not finished by the deadline (`drain`) is cut. Blocks until done.
    pub fn stop(mut self) {
        self.house.begin_drain();
        self.phase.send_replace(Phase::Leaving);
        let mut waited = Duration::ZERO;
        while self.workers_run() && waited < self.drain {
            if waited >= LINGER.min(self.drain / 2) {
                self.phase.send_replace(Phase::Closing);
            }
            thread::sleep(LOOK);
            waited += LOOK;
        }
        if self.workers_run() {
            tracing::warn!("the deadline has passed: what still runs is cut");
        }
        self.cut.send_replace(true);
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        self.keeping.stop();
        if let Some((stop, desk)) = self.desk.take() {
            stop.send_replace(true);
            let _ = desk.join();
        }
    }

    fn workers_run(&self) -> bool {
        self.workers.iter().any(|worker| !worker.is_finished())
    }

    fn spawn(&mut self, listeners: Vec<Listeners>, desk: TcpListener) -> io::Result<()> {
        for (index, listeners) in listeners.into_iter().enumerate() {
            let runtime = runtime()?;
            let thread = Thread::new(self.house.clone());
            let (phase, cut) = (self.phase.subscribe(), self.cut.subscribe());
            let worker = move || run(runtime, work(thread, listeners, phase, cut));
            let name = format!("worker-{index}");
            self.workers
                .push(thread::Builder::new().name(name).spawn(worker)?);
        }
        let runtime = runtime()?;
        let (stop, stopped) = watch::channel(false);
        let desk_view = Desk {
            house: self.house.clone(),
            began: host::now(),
        };
        let house = self.house.clone();
        let desk = move || run(runtime, background(house, desk, desk_view, stopped));
        let handle = thread::Builder::new().name("desk".into()).spawn(desk)?;
        self.desk = Some((stop, handle));
        Ok(())
    }
}

async fn work(
    thread: Thread,
    listeners: Listeners,
    phase: watch::Receiver<Phase>,
    mut cut: watch::Receiver<bool>,
) {
    let listeners = listeners
        .into_iter()
        .filter_map(|(config, listener)| {
            let listener = tokio::net::TcpListener::from_std(listener)
                .inspect_err(|error| tracing::error!(%error, "a listener is lost"));
            Some((config, listener.ok()?))
        })
        .collect();
    tokio::select! {
        () = front::serve(thread, listeners, phase) => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}

/// The desk, the rooms' time and the probes.
async fn background(
    house: Arc<House>,
    listener: TcpListener,
    desk: Desk,
    mut stopped: watch::Receiver<bool>,
) {
    let kept = keeper::keep(&house);
    let until = stopped.clone();
    let served = admin::serve(listener, desk, until);
    tokio::select! {
        () = async { let _ = tokio::join!(kept, served); } => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Runs `work` to its end, and waits for nothing else: the look-up of a name may take as long as the
/// resolver's patience lasts, and nobody wants it any more.
fn run(runtime: Runtime, work: impl Future<Output = ()>) {
    runtime.block_on(work);
    runtime.shutdown_background();
}

/// The rooms as they were stored, or new ones; their numbers are reserved before anybody comes.
fn rooms(config: &Config, store: &Store) -> Result<Vec<Room>, StoreError> {
    let now = host::now();
    let mut rooms = Vec::new();
    for room in &config.rooms {
        let rules = room.rules.clone();
        rooms.push(match store.load(&room.name)? {
            Some(saved) => Room::restore(&room.name, rules, saved, now),
            None => Room::new(&room.name, rules, store::first_number(), now),
        });
    }
    Ok(rooms)
}

/// What is needed to speak TLS, if a listener does.
fn tls(config: &Config) -> Result<Option<Tls>, StartError> {
    if !(config.listeners.iter()).any(|it| it.speaks == Speaks::Https) {
        return Ok(None);
    }
    #[cfg(not(feature = "acme"))]
    let (wanted, stand_in) = (config.tls.clone(), None);
    #[cfg(feature = "acme")]
    let (wanted, stand_in) = crate::acme::prepare(config)
        .map_err(|error| StartError::State(config.state.clone(), error))?;
    let hosts = config.rooms.iter().flat_map(|room| &room.hosts);
    Tls::new(&wanted, stand_in, hosts.cloned().collect())
        .map(Some)
        .map_err(StartError::Tls)
}

fn access_log(
    config: &LogConfig,
    reopen: &Reopen,
) -> Result<(AccessLog, Option<Writing>), StartError> {
    if config.access == AccessFormat::Off {
        return Ok((AccessLog::off(), None));
    }
    let written = match &config.access_file {
        None => Lines::to(io::stdout()),
        Some(path) => {
            let file = LogFile::open(path, reopen.clone());
            Lines::to(file.map_err(|error| StartError::AccessLog(path.clone(), error))?)
        }
    };
    let (lines, writing) = written.map_err(StartError::Thread)?;
    Ok((AccessLog::new(config, lines), Some(writing)))
}

fn addresses(listeners: &[Listeners]) -> Vec<SocketAddr> {
    let first = listeners.first().into_iter().flatten();
    first
        .filter_map(|(_, listener)| listener.local_addr().ok())
        .collect()
}
