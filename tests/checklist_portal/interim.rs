//! What a portal says before its answer: points 15 and 16.

use crate::support::Scripted;
use crate::{ask_text, connect, get, in_front_of, read_head, read_until, say, talk};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\
    Set-Cookie: preau-ent=1\r\nContent-Length: 9\r\n\r\n";
const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The head of an upload of three bytes, which asks first.
fn head(path: &str) -> String {
    // Whoever is refused is told that the connection ends.
    let more = match path {
        "/refused" => "",
        _ => "Connection: close\r\n",
    };
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n{more}\r\n"
    )
}

/// Asks first, and sends the body when told to; everything that was answered.
fn upload(to: SocketAddr, path: &str) -> String {
    let mut visitor = connect(to);
    let sent = visitor.write_all(head(path).as_bytes());
    sent.expect("it listens");
    let mut answer = read_head(&mut visitor);
    if answer == CONTINUE {
        visitor.write_all(b"oui").expect("it listens");
    }
    visitor.read_to_string(&mut answer).expect("it ends");
    answer
}

/// A portal that refuses, wants the body, says nothing, or knows of no 100, as the path says.
fn portal() -> Scripted {
    Scripted::start(
        |heard, stream: &mut TcpStream| match heard.path().as_str() {
            "/refused" => {
                let refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nnon";
                // What has come of the body until the other side has had enough.
                say(stream, refused);
                let mut body = Vec::new();
                let _ = stream.read_to_end(&mut body);
                assert_eq!(body, b"", "nobody wanted it");
                false
            }
            "/wanted" => {
                let quiet = stream.set_nonblocking(true);
                quiet.expect("a socket can be asked");
                assert!(stream.peek(&mut [0]).is_err(), "it is not sent unasked");
                stream
                    .set_nonblocking(false)
                    .expect("a socket can be asked");
                say(stream, CONTINUE.as_bytes());
                read_until(stream, b"oui");
                say(stream, LAST)
            }
            "/old" => {
                read_until(stream, b"oui");
                say(stream, b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
                false
            }
            _ => {
                read_until(stream, b"oui");
                say(stream, LAST)
            }
        },
    )
}

#[tokio::test]
async fn point_15_the_portal_is_asked_before_a_body_comes() {
    let portal = portal();
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    let refused = talk(move || upload(address, "/refused")).await;
    assert!(
        refused.starts_with("HTTP/1.1 401 ") && refused.ends_with("non"),
        "before anything is sent: {refused}"
    );
    let (head, _) = refused.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert_eq!(portal.last().field("expect"), "100-continue");
    let wanted = talk(move || upload(address, "/wanted")).await;
    assert!(wanted.starts_with(CONTINUE), "{wanted}");
    assert!(
        wanted[CONTINUE.len()..].starts_with("HTTP/1.1 200 "),
        "{wanted}"
    );
    assert_eq!(wanted.matches("HTTP/1.1 100").count(), 1, "{wanted}");
}

#[tokio::test]
async fn point_15_a_portal_that_says_nothing_is_not_waited_for_for_long() {
    let portal = portal();
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    let answer = talk(move || upload(address, "/silent")).await;
    assert!(
        answer.starts_with(CONTINUE) && answer.ends_with("ok"),
        "{answer}"
    );
    // Whoever does not wait is not kept waiting any longer for that.
    let hasty = ask_text(&preau, head("/silent") + "oui").await;
    assert!(hasty.ends_with("ok"), "{hasty}");
}

#[tokio::test]
async fn point_15_a_portal_of_http_1_0_is_not_asked() {
    let portal = portal();
    // One thread learns what the portal is.
    let preau = crate::support::Unstarted::new("");
    let (listen, admin, state) = (preau.address(), preau.admin(), preau.state());
    let tables = crate::tables(&portal.url(), "");
    preau.configure(&format!(
        "listen = \"{listen}\"\nadmin = \"{admin}\"\nstate = {state:?}\nthreads = 1\n{tables}"
    ));
    let preau = preau.start().await;
    let address = preau.address();
    for asked in ["100-continue", ""] {
        let answer = talk(move || upload(address, "/old")).await;
        assert!(
            answer.starts_with(CONTINUE) && answer.ends_with("ok"),
            "{answer}"
        );
        assert_eq!(portal.last().field("expect"), asked);
    }
}

#[tokio::test]
async fn point_16_interim_answers_are_passed_on() {
    let portal = Scripted::start(|heard, stream| {
        let interim: [&[u8]; 3] = [
            HINTS,
            b"HTTP/1.1 102 Processing\r\n\r\n",
            CONTINUE.as_bytes(),
        ];
        match heard.path().as_str() {
            // All in one piece, or each in a packet of its own.
            "/together" => say(stream, &[&interim.concat(), LAST].concat()),
            "/many" => say(stream, &[&HINTS.repeat(50), LAST].concat()),
            _ => interim
                .iter()
                .chain([&LAST])
                .all(|piece| say(stream, piece)),
        }
    });
    let preau = in_front_of(&portal.url()).await;
    for path in ["/together", "/apart", "/together"] {
        let answer = ask_text(&preau, get(path)).await;
        let expected = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n\
                        HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
                        HTTP/1.1 200 OK\r\n";
        assert!(answer.starts_with(expected), "{answer}");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    }
    let many = ask_text(&preau, get("/many")).await;
    assert_eq!(many.matches("HTTP/1.1 103").count(), 8, "bounded: {many}");
    assert!(many.ends_with("\r\n\r\nok"), "{many}");
    // HTTP/1.0 knows none.
    let old = ask_text(&preau, "GET /together HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200 "), "{old}");
    assert!(!old.contains("preload"), "{old}");
}

/// They come when they are said, each before its own answer.
#[tokio::test]
async fn point_16_interim_answers_do_not_wait_for_the_answer() {
    let portal = Scripted::start(|_, stream: &mut TcpStream| {
        say(stream, HINTS);
        // The visitor says so when it has come.
        read_until(stream, b"oui");
        say(stream, LAST)
    });
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    talk(move || {
        let mut visitor = connect(address);
        for _ in 0..3 {
            let asked = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
            visitor.write_all(asked.as_bytes()).expect("it listens");
            let hints = read_head(&mut visitor);
            assert!(hints.starts_with("HTTP/1.1 103 "), "{hints}");
            visitor.write_all(b"oui").expect("it listens");
            let answer = read_until(&mut visitor, b"\r\n\r\nok");
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
        }
    })
    .await;
}
