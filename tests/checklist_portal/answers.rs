//! Answers that are none, bytes that nobody asked for, and portals that fail: points 18, 19, 31.

use crate::support::{Preau, Scripted, free_port, until};
use crate::{ask_text, assert_words, connect, get, in_front_of, say, tables, talk};
use std::io::{Read, Write};
use std::sync::{Mutex, mpsc};

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

/// Heads that are no answer, and what is wrong with them.
fn bad() -> Vec<(&'static str, Vec<u8>)> {
    let chunks = "\r\n2\r\nok\r\n0\r\n\r\n";
    let mut bad: Vec<(&'static str, Vec<u8>)> = [
        (
            "lengths-differ",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        ),
        (
            "list-differs",
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        ),
        (
            "no-number",
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        ),
        ("signed", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
        (
            "beyond-64-bits",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
        ),
        (
            "empty-length",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
        ),
        (
            "folded",
            "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            "space-first",
            "HTTP/1.1 200 OK\r\n X-A: b\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            "space-before-colon",
            "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
        ),
        ("no-colon", "HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\nok"),
        (
            "nul",
            "HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            "bare-cr",
            "HTTP/1.1 200 OK\r\nX-A: b\rc\r\nContent-Length: 2\r\n\r\nok",
        ),
        ("garbage", "bonjour tout le monde\r\n\r\n"),
        ("http-0.9", "ok\n"),
        ("http-2", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("no-status", "HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok"),
        (
            "status-99",
            "HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            "status-700",
            "HTTP/1.1 700 No\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            "101",
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
        ("nothing", ""),
        ("half-a-head", "HTTP/1.1 200 OK\r\nContent-Le"),
    ]
    .map(|(name, bytes)| (name, bytes.as_bytes().to_vec()))
    .into();
    for (name, fields) in [
        (
            "length-and-coding",
            "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "coding-and-length",
            "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n",
        ),
        ("gzip-chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        (
            "twice-chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "chunked-identity",
            "Transfer-Encoding: chunked, identity\r\n",
        ),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("vertical-tab", "Transfer-Encoding: \x0bchunked\r\n"),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}{chunks}");
        bad.push((name, head.into_bytes()));
    }
    let old = format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n{chunks}");
    bad.push(("old-chunked", old.into_bytes()));
    let many = "X-A: b\r\n".repeat(200);
    bad.push((
        "many-fields",
        format!("HTTP/1.1 200 OK\r\n{many}\r\n").into_bytes(),
    ));
    let long = "x".repeat(200_000);
    bad.push((
        "long-head",
        format!("HTTP/1.1 200 OK\r\nX-A: {long}\r\n\r\n").into_bytes(),
    ));
    bad
}

#[tokio::test]
async fn point_18_a_bad_answer_is_502_with_words_and_ends_its_connection() {
    let answers = bad();
    let portal = Scripted::start(move |heard, stream| {
        let path = heard.path();
        match answers.iter().find(|(name, _)| path == format!("/{name}")) {
            // The connection stays open, as if nothing were wrong; where the answer is not whole,
            // it ends.
            Some((name, bytes)) => {
                say(stream, bytes) && !matches!(*name, "nothing" | "half-a-head" | "http-0.9")
            }
            None => say(stream, GOOD),
        }
    });
    let preau = in_front_of(&portal.url()).await;
    for (name, _) in bad() {
        let answer = ask_text(&preau, get(&format!("/{name}"))).await;
        assert_words(&answer, 502, name);
        let connection = portal.last().connection;
        // Two good ones: more than half being bad would take the server out.
        for _ in 0..2 {
            let answer = ask_text(&preau, get("/good")).await;
            assert!(answer.ends_with("\r\n\r\ngood"), "after {name}: {answer}");
            assert_ne!(portal.last().connection, connection, "after {name}");
        }
    }
    let broken = preau.metric("preau_portal_broken_total", &[]).await;
    assert_eq!(broken, bad().len() as f64);
    assert!(preau.printed().contains("sends what is not HTTP"));
}

#[tokio::test]
async fn point_18_a_length_said_twice_is_one_length() {
    let portal =
        Scripted::saying("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok");
    let preau = in_front_of(&portal.url()).await;
    let answer = ask_text(&preau, get("/")).await.to_lowercase();
    assert_eq!(
        answer.matches("content-length: 2\r\n").count(),
        1,
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn point_18_lines_that_end_with_lf_alone_are_taken_and_written_anew() {
    let portal = Scripted::saying("HTTP/1.1 200 OK\nX-A: b\nContent-Length: 2\n\nok");
    let preau = in_front_of(&portal.url()).await;
    let answer = ask_text(&preau, get("/")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\nx-a: b\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

/// An answer that a portal was made to send beforehand.
const FORGED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";

#[tokio::test]
async fn point_19_surplus_bytes_answer_nobody() {
    let portal = Scripted::start(|heard, stream| {
        let head = match heard.path().as_str() {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
            "/chunks" => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"
            }
            "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n",
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/204-length" => "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\n\r\n",
            _ => return say(stream, GOOD),
        };
        say(stream, format!("{head}{FORGED}").as_bytes())
    });
    let preau = in_front_of(&portal.url()).await;
    for path in ["/length", "/chunks", "/head", "/204", "/204-length", "/304"] {
        let method = if path == "/head" { "HEAD" } else { "GET" };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = ask_text(&preau, request).await;
        assert!(!answer.contains("forged"), "{path}: {answer}");
        let connection = portal.last().connection;
        let next = ask_text(&preau, get("/next")).await;
        assert!(next.ends_with("\r\n\r\ngood"), "after {path}: {next}");
        assert_ne!(portal.last().connection, connection, "after {path}");
    }
}

#[tokio::test]
async fn point_19_surplus_bytes_that_come_later_answer_nobody() {
    let (go, wait) = mpsc::channel::<()>();
    let (said, ready) = mpsc::channel::<()>();
    let (wait, said) = (Mutex::new(wait), Mutex::new(said));
    let portal = Scripted::start(move |heard, stream| {
        let whole = say(stream, GOOD);
        if heard.path() == "/first" {
            wait.lock()
                .expect("no panic")
                .recv()
                .expect("the test says when");
            say(stream, FORGED.as_bytes());
            said.lock()
                .expect("no panic")
                .send(())
                .expect("the test waits");
        }
        whole
    });
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    let next = talk(move || {
        let mut visitor = connect(address);
        write!(visitor, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n").expect("it listens");
        crate::read_until(&mut visitor, b"\r\n\r\ngood");
        go.send(()).expect("the portal waits");
        ready.recv().expect("the portal goes on");
        visitor.write_all(&get("/next")).expect("it listens");
        let mut next = String::new();
        visitor.read_to_string(&mut next).expect("an answer");
        next
    })
    .await;
    assert!(next.ends_with("\r\n\r\ngood"), "{next}");
    let heard = portal.heard();
    assert_eq!(heard.len(), 2, "each was asked once");
    assert_ne!(heard[0].connection, heard[1].connection);
}

/// Empty lines before a status line are forgiven, and end the connection: behind the answer
/// before, where they belong to none, or behind an interim answer.
#[tokio::test]
async fn point_19_a_connection_on_which_an_answer_begins_with_an_empty_line_is_not_used_again() {
    let early = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let portal = Scripted::start(move |heard, stream| {
        let good = String::from_utf8_lossy(GOOD);
        let answer = match heard.path().as_str() {
            "/crlf" => format!("\r\n{good}"),
            "/lf" => format!("\n\n{good}"),
            "/early" => format!("{early}\r\n{good}"),
            "/early-good" => format!("{early}{early}{good}"),
            _ => good.into_owned(),
        };
        say(stream, answer.as_bytes())
    });
    let preau = in_front_of(&portal.url()).await;
    for (path, used_again) in [
        ("/", true),
        ("/crlf", false),
        ("/lf", false),
        ("/early", false),
        ("/early-good", true),
    ] {
        // One visitor's connection, so that one thread forwards both.
        let both = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        );
        let answers = ask_text(&preau, both).await;
        assert_eq!(
            answers.matches("\r\n\r\ngood").count(),
            2,
            "{path}: {answers}"
        );
        let heard = portal.heard();
        let [.., first, next] = heard.as_slice() else {
            panic!("two were asked");
        };
        let same = first.connection == next.connection;
        assert_eq!(same, used_again, "after {path}");
    }
}

#[tokio::test]
async fn point_31_every_failure_of_the_portal_has_words() {
    let portal = Scripted::start(|heard, stream| {
        match heard.path().as_str() {
            "/good" => return say(stream, GOOD),
            "/silent" => drop(stream.read(&mut [0])),
            _ => {}
        }
        false
    });
    let preau = Preau::start(&tables(&portal.url(), "response_timeout = \"1s\"")).await;
    // It has answered once: from now on one failure does not take it out.
    assert!(ask_text(&preau, get("/good")).await.ends_with("good"));
    assert_words(&ask_text(&preau, get("/closed")).await, 502, "closed");
    assert_words(&ask_text(&preau, get("/silent")).await, 504, "silent");
    let page = "GET /closed HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    let page = ask_text(&preau, page).await;
    assert_words(&page, 502, "a page");
    assert!(page.contains("<html"), "{page}");

    let nobody = in_front_of(&format!("http://{}", free_port())).await;
    assert_words(&ask_text(&nobody, get("/")).await, 503, "nobody there");
    until("it is known why", async || {
        let why = "the server is down: it does not answer (Connection refused";
        nobody.printed().contains(why).then_some(())
    })
    .await;
}
