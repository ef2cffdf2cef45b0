//! When open files run short: whose fault that is, and what is done beforehand.
//!
//! A file of its own, for the first test takes from its own process what all its threads need.

mod support;

use http::Request;
use preau::config;
use preau::room::Limit;
use preau::upstream::{Claim, Client, Failure, Portal, RequestBody, Wants};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use support::{PATIENCE, Process, Unstarted, get, one_room, sum_of_series, until};
use tokio::io::AsyncReadExt as _;

/// One test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_server_is_not_blamed_for_our_own_want() {
    let _alone = ALONE.lock();
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}", server.local_addr().expect("it is bound"));
    let text = one_room(&url, "seats = 1");
    let source = config::Source {
        name: "test",
        text: &text,
        overrides: &["portal.health.fall=1".to_owned()],
    };
    let config = config::parse(source).expect("the tables are right");
    let portal = Portal::new(config.portals[0].clone(), Limit::Fixed(1), None);
    let client = Client::new(portal.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there are descriptors yet");
    let wants = Wants {
        host: "",
        path: "/",
        once: false,
        claim: Claim::Inside,
        visitor: Ipv4Addr::LOCALHOST.into(),
        pass: None,
        upgrade: false,
    };
    let send = || {
        let request = Request::new(RequestBody::none());
        runtime.block_on(async { client.send(request, wants).await.err() })
    };

    let limit = getrlimit(Resource::Nofile);
    // No number below 1 is free: nothing more can be opened.
    let none = Rlimit {
        current: Some(1),
        ..limit
    };
    setrlimit(Resource::Nofile, none).expect("less is always allowed");
    let failure = send();
    setrlimit(Resource::Nofile, limit).expect("what was allowed is allowed");
    assert_eq!(failure, Some(Failure::Busy));
    assert!(portal.is_up());

    drop(server);
    assert_eq!(send(), Some(Failure::Down));
    // A server that refuses is to blame; a probe has the last word.
    runtime.block_on(async {
        let mut up = portal.watch();
        let probes = tokio::spawn(portal.clone().probe_forever(0));
        let down = tokio::time::timeout(PATIENCE, up.wait_for(|up| !up)).await;
        down.expect("it is known soon").expect("the portal lives");
        probes.abort();
    });
}

#[tokio::test]
#[allow(
    clippy::await_holding_lock,
    reason = "each test has a runtime of its own"
)]
async fn the_limit_is_raised_and_no_more_visitors_let_in_than_fit() {
    let _alone = ALONE.lock();
    let unstarted = Unstarted::new(&one_room("http://127.0.0.1:9", "seats = 1"));
    let output = tempfile::NamedTempFile::new().expect("there is a temporary folder");
    let process = with_few(&unstarted, output.path());
    let limits = until("the desk shows the limits", async || {
        let metrics = get(unstarted.admin(), "/metrics").await.ok()?.text();
        metrics.contains("process_max_fds").then_some(metrics)
    })
    .await;
    assert!(limits.contains("process_max_fds 700"), "{limits}");
    let said = process.printed();
    assert!(
        said.contains("only 350 connections from visitors instead of 16000"),
        "{said}"
    );
}

/// More visitors than there are files: those who fit are served, the others hear why or find
/// nobody who listens, and the desk answers as ever.
#[tokio::test]
#[allow(
    clippy::await_holding_lock,
    reason = "each test has a runtime of its own"
)]
async fn point_28_the_desk_answers_while_visitors_take_every_descriptor() {
    let _alone = ALONE.lock();
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, all).expect("what is allowed is allowed");
    let unstarted = Unstarted::new(&one_room("http://127.0.0.1:9", "seats = 1"));
    let output = tempfile::NamedTempFile::new().expect("there is a temporary folder");
    let _process = with_few(&unstarted, output.path());
    let desk = async |path| Some(get(unstarted.admin(), path).await.ok()?.text());
    until("the desk answers", async || desk("/healthz").await).await;
    let connect = async || tokio::net::TcpStream::connect(unstarted.address()).await;
    until("visitors can come", async || connect().await.ok()).await;

    let mut held = Vec::new();
    let mut told = 0;
    for _ in 0..1_500 {
        if let Ok(stream) = connect().await {
            held.push(stream);
        }
        if held.len() % 100 == 0 {
            assert!(desk("/healthz").await.is_some(), "at {}", held.len());
            let metrics = desk("/metrics").await.expect("the desk answers");
            let open = sum_of_series(&metrics, "process_open_fds", &[]);
            assert!(open.expect("it is shown") < 700.0, "{open:?}");
        }
    }
    for stream in &mut held {
        let mut start = [0; 12];
        let read = stream.read_exact(&mut start);
        let heard = tokio::time::timeout(Duration::from_millis(1), read).await;
        told += usize::from(matches!(heard, Ok(Ok(_))) && &start == b"HTTP/1.1 503");
    }
    assert!(told > 50, "{told} of {} heard why", held.len());
    drop(held);
    until("somebody is served again", async || {
        let answer = get(unstarted.address(), "/.preau/status").await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// A proxy that may have 700 files open.
fn with_few(unstarted: &Unstarted, output: &Path) -> Process {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -Sn 200; ulimit -Hn 700; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_preau"))
        .args(["serve", "--config"])
        .arg(unstarted.config());
    Process::start("preau", &mut command, output)
}
