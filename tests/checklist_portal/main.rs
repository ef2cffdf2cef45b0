//! The checklist of an intermediary, on the portal's side: byte for byte, over raw sockets, before
//! portals that say what no decent server says. Each test is named after its point.

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod bodies;
mod fields;
mod http2;
mod interim;
mod retries;
mod secure;
mod streams;
mod tunnels;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use support::{PATIENCE, Preau};

/// The tables of one portal and an open room before it; `portal` holds further keys of the portal.
fn tables(url: &str, portal: &str) -> String {
    format!(
        r#"
[[portal]]
name = "ent"
servers = ["{url}"]
health = {{ path = "/sante", interval = "1s", timeout = "2s", fall = 1000 }}
{portal}

[[room]]
name = "ent"
portal = "ent"
mode = "open"
"#
    )
}

async fn in_front_of(url: &str) -> Preau {
    Preau::start(&tables(url, "")).await
}

/// Talks in a thread of its own, for as long as a test is patient.
async fn talk<T: Send + 'static>(talk: impl FnOnce() -> T + Send + 'static) -> T {
    let talk = tokio::task::spawn_blocking(talk);
    let said = tokio::time::timeout(PATIENCE, talk).await;
    said.expect("in time").expect("it does not panic")
}

/// A connection that does not wait for ever.
fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("somebody listens");
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).expect("a limit");
    stream.set_write_timeout(limit).expect("a limit");
    stream
}

/// A GET that is the last on its connection.
fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: ent.fr\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Sends bytes and reads until the other side closes.
async fn ask(preau: &Preau, bytes: impl Into<Vec<u8>>) -> Vec<u8> {
    support::raw(preau.address(), &bytes.into()).await
}

/// The same as text.
async fn ask_text(preau: &Preau, bytes: impl Into<Vec<u8>>) -> String {
    String::from_utf8_lossy(&ask(preau, bytes).await).into_owned()
}

/// Panics unless `answer` is a `status` with words and a time to come back.
fn assert_words(answer: &str, status: u16, what: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let expected = format!("HTTP/1.1 {status} ");
    assert!(head.starts_with(&expected), "{what}: {answer}");
    assert!(head.contains("\r\nretry-after: "), "{what}: {head}");
    assert!(body.len() > 40, "{what}: words: {answer}");
}

/// Reads until `end` has come; what has come until then.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end) {
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&read)),
        }
    }
    read
}

/// Reads one head.
fn read_head(stream: &mut TcpStream) -> String {
    String::from_utf8_lossy(&read_until(stream, b"\r\n\r\n")).into_owned()
}

/// Writes, and looks away if the other side has gone.
fn say(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}
