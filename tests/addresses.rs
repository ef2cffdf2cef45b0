//! A server by its name: addresses that are dead, that change, that are gone; and the age of
//! connections.

mod support;

use socket2::{Domain, Socket, Type};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;
use support::{Names, Preau, Scripted, Unstarted, raw, until};

const NAME: &str = "portail.test";
const ONE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The tables of one portal, and an open room before it; `portal` holds further keys of the portal.
fn tables(server: &str, portal: &str) -> String {
    format!(
        r#"
[[portal]]
name = "ent"
servers = ["http://{server}"]
health = {{ path = "/sante", interval = "1s", timeout = "2s", fall = 2 }}
{portal}

[[room]]
name = "ent"
portal = "ent"
mode = "open"
"#
    )
}

/// An address that is reached and never answers: whoever connects waits for ever.
fn hole(address: SocketAddr) -> Vec<Socket> {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let listening = socket();
    listening
        .bind(&address.into())
        .expect("the port is free there");
    listening.listen(0).expect("it listens");
    let mut held = vec![listening];
    for _ in 0..4 {
        let waiting = socket();
        waiting.set_nonblocking(true).expect("it can be asked to");
        // Either it takes the last place in the queue, or it finds none.
        let _ = waiting.connect(&address.into());
        held.push(waiting);
    }
    held
}

/// An answer on a connection that is kept, or not.
fn answer(words: &str, kept: bool) -> Vec<u8> {
    let close = if kept { "" } else { "Connection: close\r\n" };
    let length = words.len();
    format!("HTTP/1.1 200 OK\r\n{close}Content-Length: {length}\r\n\r\n{words}").into_bytes()
}

fn kept(ip: Ipv4Addr, port: u16, words: &str) -> Scripted {
    let answer = answer(words, true);
    Scripted::at(SocketAddr::from((ip, port)), move |_, stream| {
        stream.write_all(&answer).is_ok()
    })
}

async fn ask(preau: &Preau) -> String {
    let request = b"GET / HTTP/1.1\r\nHost: ent.fr\r\nConnection: close\r\n\r\n";
    let answer = raw(preau.address(), request).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn says(preau: &Preau, words: &str) {
    let answer = ask(preau).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(words),
        "{answer}"
    );
}

#[tokio::test]
async fn a_dead_address_of_a_name_takes_nobody_down() {
    let answer = answer("vivant", false);
    let living = Scripted::at(SocketAddr::from((OTHER, 0)), move |_, stream| {
        let _ = stream.write_all(&answer);
        false
    });
    let port = living.address().port();
    let dead = hole(SocketAddr::from((ONE, port)));
    // The dead one comes first; and nobody listens on IPv6.
    let names = Names::new(&format!("{ONE} {NAME}\n{OTHER} {NAME}\n::1 {NAME}\n"));
    // Had each request to wait for the dead one, it would come too late.
    let tables = tables(
        &format!("{NAME}:{port}"),
        "connect_timeout = \"2s\"\nresolve_every = \"200ms\"",
    );
    let preau = Unstarted::new(&tables).with_names(names).start().await;
    for _ in 0..12 {
        says(&preau, "vivant").await;
    }
    assert_eq!(living.heard().len(), 12);
    assert_eq!(preau.metric("preau_portal_up", &[]).await, 1.0);
    let failed = preau.counted("preau_portal_unreachable_total").await;
    assert_eq!(failed, 0.0, "the dead address is nobody's failure");

    drop(dead);
    let _revived = kept(ONE, port, "revenu");
    until("what has come back is used again", async || {
        ask(&preau).await.ends_with("revenu").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_followed_and_one_that_is_gone_is_remembered() {
    let old = kept(ONE, 0, "ancien");
    let port = old.address().port();
    let new = kept(OTHER, port, "nouveau");
    let names = Names::new(&format!("{ONE} {NAME}\n"));
    let tables = tables(&format!("{NAME}:{port}"), "resolve_every = \"100ms\"");
    let preau = Unstarted::new(&tables).with_names(names).start().await;
    says(&preau, "ancien").await;

    preau.names().lead(&format!("{OTHER} {NAME}\n"));
    // The kept connections never rest, and the old server goes on.
    until("the new server is asked", async || {
        ask(&preau).await.ends_with("nouveau").then_some(())
    })
    .await;
    // Each thread has connections of its own: one of them may have met the change a moment later.
    until("nobody asks the old one", async || {
        let before = old.heard().len();
        for _ in 0..20 {
            ask(&preau).await;
        }
        (old.heard().len() == before).then_some(())
    })
    .await;
    assert!(new.heard().len() >= 20);

    preau.names().lead("");
    until("the name does not resolve any more", async || {
        preau
            .printed()
            .contains("what was last known is used")
            .then_some(())
    })
    .await;
    for _ in 0..5 {
        says(&preau, "nouveau").await;
    }
    preau.names().lead(&format!("{ONE} {NAME}\n"));
    until("the old server is asked again", async || {
        ask(&preau).await.ends_with("ancien").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_name_that_comes_late_is_found() {
    let portal = kept(ONE, 0, "bonjour");
    let port = portal.address().port();
    // Whoever is down is asked seldom; but a name that resolves is news.
    let tables = tables(&format!("{NAME}:{port}"), "resolve_every = \"100ms\"").replace(
        "fall = 2",
        "fall = 2, probe_min = \"10m\", probe_max = \"10m\"",
    );
    let preau = Unstarted::new(&tables)
        .with_names(Names::new(""))
        .start()
        .await;
    let answer = ask(&preau).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(preau.printed().contains("has a name that does not resolve"));
    preau.names().lead(&format!("{ONE} {NAME}\n"));
    until("the portal is there", async || {
        ask(&preau).await.ends_with("bonjour").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_busy_connection_ends_when_it_is_old() {
    let portal = kept(ONE, 0, "bonjour");
    let tables = tables(&portal.address().to_string(), "keep_age = \"300ms\"");
    let preau = Preau::start(&tables).await;
    // Two threads have a connection each, which is never idle for long.
    until("connections are made anew", async || {
        says(&preau, "bonjour").await;
        (portal.last().connection >= 5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_resolver_that_says_nothing_holds_up_neither_a_check_nor_a_stop() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("left out: only root can be a name server");
        return;
    }
    let at = Ipv4Addr::new(127, 77, 0, 53);
    let silent = tokio::net::UdpSocket::bind((at, 53)).await;
    let silent = silent.expect("nobody resolves names there");
    let names = Names::new("");
    names.ask(at, 30);
    let mut check = names.command(env!("CARGO_BIN_EXE_preau"));
    let unstarted = Unstarted::new(&tables(NAME, "")).with_names(names);
    check.args(["check", "--config"]).arg(unstarted.config());
    let soon = Duration::from_secs(15);
    let checked = tokio::task::spawn_blocking(move || check.output().expect("it runs"));
    let checked = tokio::time::timeout(soon, checked).await;
    let checked = checked.expect("it does not wait").expect("nothing panics");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains("does not answer in time"), "{said}");

    // What the check has asked for is of no interest.
    let mut question = [0; 512];
    while silent.try_recv(&mut question).is_ok() {}
    let preau = unstarted.start().await;
    let asked = silent.recv(&mut question).await;
    asked.expect("it is being looked up");
    let stopped = tokio::time::timeout(soon, preau.stop()).await;
    stopped.expect("it does not wait");
}

#[test]
fn an_address_to_which_there_is_no_way_is_down_and_no_want_of_ports() {
    let mut check = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        check.arg("--map-root-user");
    }
    // There is nothing in a new network: neither a port is taken, nor is there IPv6.
    check.args(["--net", env!("CARGO_BIN_EXE_preau"), "check", "--config"]);
    let unstarted = Unstarted::new(&tables("[::1]:9000", ""));
    let said = check.arg(unstarted.config()).output().expect("it runs");
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("[::1]:9000 does not answer ("), "{said}");
}
