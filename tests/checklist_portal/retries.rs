//! What is sent again and what never is, and whose keep-alive is shorter: points 24 and 25.

use crate::support::{Portal, Scripted, until};
use crate::{ask_text, assert_words, connect, get, in_front_of, read_until, say, talk};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

/// A portal that answers the first request of each connection, and closes it at the second.
fn forgetful() -> Scripted {
    let last = Mutex::new(None);
    Scripted::start(move |heard, stream| {
        let before = last.lock().expect("no panic").replace(heard.connection);
        before != Some(heard.connection) && say(stream, GOOD)
    })
}

#[tokio::test]
async fn point_24_only_what_is_safe_and_bodyless_is_sent_again_and_only_once() {
    let cases = [
        ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n", true),
        (
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            false,
        ),
        (
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
            false,
        ),
        (
            "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
            false,
        ),
        ("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", false),
        (
            "PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            false,
        ),
        (
            "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
            false,
        ),
    ];
    for (request, again) in cases {
        let portal = forgetful();
        let preau = in_front_of(&portal.url()).await;
        let address = preau.address();
        let head = talk(move || {
            let mut visitor = connect(address);
            write!(visitor, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n").expect("it listens");
            read_until(&mut visitor, b"good");
            visitor.write_all(request.as_bytes()).expect("it listens");
            crate::read_head(&mut visitor)
        })
        .await;
        let status = if again {
            "HTTP/1.1 200 "
        } else {
            "HTTP/1.1 502 "
        };
        assert!(head.starts_with(status), "{request}: {head}");
        let times = portal
            .heard()
            .iter()
            .filter(|heard| heard.path() == "/x")
            .count();
        assert_eq!(times, if again { 2 } else { 1 }, "{request}");
        let retries = preau.metric("preau_portal_retries_total", &[]).await;
        assert_eq!(retries, if again { 1.0 } else { 0.0 }, "{request}");
    }
}

#[tokio::test]
async fn point_24_a_form_does_not_meet_a_kept_connection_that_the_portal_has_closed() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    // It closes each connection after one answer, without having said so.
    let portal = Scripted::start(move |heard, stream| {
        let mut body = vec![0; heard.length()];
        let _ = stream.read_exact(&mut body);
        say(stream, GOOD);
        let _ = stream.shutdown(Shutdown::Both);
        told.lock()
            .expect("no panic")
            .send(())
            .expect("the test waits");
        false
    });
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    talk(move || {
        let mut visitor = connect(address);
        for n in 0..50 {
            let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
            visitor.write_all(request.as_bytes()).expect("it listens");
            let answer = read_until(&mut visitor, b"good");
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{n}: {answer:?}");
            tell.recv().expect("the portal goes on");
        }
    })
    .await;
    assert_eq!(portal.heard().len(), 50, "each once");
}

#[tokio::test]
async fn point_24_nothing_is_sent_again_on_a_connection_that_was_new() {
    let portal = Scripted::start(|_, _| false);
    let preau = in_front_of(&portal.url()).await;
    assert_words(&ask_text(&preau, get("/")).await, 502, "closed at once");
    assert_eq!(portal.heard().len(), 1);
}

#[tokio::test]
async fn point_24_an_answer_that_has_begun_is_the_answer() {
    let portal = Scripted::start(|heard, stream| match heard.path().as_str() {
        "/first" => say(stream, GOOD),
        _ => {
            say(stream, b"HTTP/1.1 2");
            false
        }
    });
    let preau = in_front_of(&portal.url()).await;
    assert!(ask_text(&preau, get("/first")).await.ends_with("good"));
    let address = preau.address();
    let head = talk(move || {
        let mut visitor = connect(address);
        write!(visitor, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n").expect("it listens");
        read_until(&mut visitor, b"good");
        write!(
            visitor,
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        )
        .expect("it listens");
        crate::read_head(&mut visitor)
    })
    .await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

/// Who ended a connection first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByProxy,
    ByPortal,
}

/// Stands between, hands everything on, and notes who ends each connection that carried something.
fn relay(portal: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<Ended>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let ends = Arc::new(Mutex::new(Vec::new()));
    let log = ends.clone();
    std::thread::spawn(move || {
        for proxy in listener.incoming().map_while(Result::ok) {
            let Ok(portal) = TcpStream::connect(portal) else {
                continue;
            };
            let first = Arc::new(Mutex::new(Some(log.clone())));
            let twin = (proxy.try_clone(), portal.try_clone());
            let (Ok(proxy_twin), Ok(portal_twin)) = twin else {
                continue;
            };
            hand_on(proxy, portal_twin, Ended::ByProxy, first.clone());
            hand_on(portal, proxy_twin, Ended::ByPortal, first);
        }
    });
    (address, ends)
}

type First = Arc<Mutex<Option<Arc<Mutex<Vec<Ended>>>>>>;

fn hand_on(mut from: TcpStream, mut to: TcpStream, ended: Ended, first: First) {
    std::thread::spawn(move || {
        let carried = std::io::copy(&mut from, &mut to).unwrap_or(0);
        if let Some(log) = first.lock().expect("no panic").take()
            && carried > 0
        {
            log.lock().expect("no panic").push(ended);
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

#[tokio::test]
async fn point_25_our_connections_end_before_apaches_keep_alive() {
    // Apache keeps idle connections for 5 s; ours are kept for 4 s unless the file says otherwise.
    let portal = Portal::start().await;
    let address = portal.url().trim_start_matches("http://").parse();
    let (relay, ends) = relay(address.expect("an address"));
    // Health is not asked here: probes end their connections in their own way.
    let probes = "health = { path = \"/sante\", interval = \"1h\" }";
    let text = crate::tables(&format!("http://{relay}"), "");
    let lines = text.lines().map(|line| match line.starts_with("health") {
        true => probes,
        false => line,
    });
    let preau = crate::Preau::start(&lines.collect::<Vec<_>>().join("\n")).await;
    until("the first probe has gone", async || {
        (ends.lock().expect("no panic").len() == 1).then_some(())
    })
    .await;
    let address = preau.address();
    talk(move || {
        let mut visitor = connect(address);
        for _ in 0..3 {
            write!(visitor, "GET /assets/style.css HTTP/1.1\r\nHost: a\r\n\r\n")
                .expect("it listens");
            let head = crate::read_head(&mut visitor).to_lowercase();
            let length = head.split("content-length: ").nth(1).expect("a length");
            let length = length
                .lines()
                .next()
                .expect("a line")
                .parse()
                .expect("a number");
            visitor.read_exact(&mut vec![0; length]).expect("the body");
        }
    })
    .await;
    let ends = until("the kept connection has ended", async || {
        let ends = ends.lock().expect("no panic").clone();
        (ends.len() > 1).then_some(ends)
    })
    .await;
    assert_eq!(ends[1..], [Ended::ByProxy]);
}
