//! When open files run short: whose fault that is, and what is done beforehand.
//!
//! A file of its own, for the first test takes from its own process what all its threads need.

mod support;

use http::Request;
use preau::config;
use preau::upstream::{Client, Failure, Portal, RequestBody, Wants};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::Mutex;
use support::{Process, Unstarted, get, one_room, until};

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
    let portal = Portal::new(config.portals[0].clone());
    let client = Client::new(portal.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there are descriptors yet");
    let wants = Wants {
        visitor: Ipv4Addr::LOCALHOST.into(),
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
    assert!(!portal.is_up(), "a server that refuses is to blame");
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
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -Sn 200; ulimit -Hn 700; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_preau"))
        .args(["serve", "--config"])
        .arg(unstarted.config());
    let process = Process::start("preau", &mut command, output.path());
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
