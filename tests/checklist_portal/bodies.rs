//! Bodies: points 11 to 14, 16 and 17.

use crate::support::{PATIENCE, Preau, Scripted, until};
use crate::{ask, ask_text, connect, get, in_front_of, read_head, say, tables, talk};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

const MIB: u64 = 1 << 20;
/// Bytes of a body that is much larger than all buffers on its way.
const LARGE: u64 = 96 * MIB;
/// What the process may hold more while such a body stands still.
const HELD_MAX: u64 = 16 * MIB;

#[tokio::test]
async fn point_11_head_204_and_304_have_no_body_and_the_next_answer_begins_right_behind() {
    let portal = Scripted::start(|heard, stream| {
        let answer: &[u8] = match heard.path().as_str() {
            "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
            "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "/204" => b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 77\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfin",
        };
        say(stream, answer)
    });
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    let heads = talk(move || {
        let mut visitor = connect(address);
        let requests = [
            ("HEAD", "/head"),
            ("HEAD", "/chunked"),
            ("GET", "/204"),
            ("GET", "/304"),
        ];
        let heads = requests.map(|(method, path)| {
            write!(visitor, "{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n").expect("it listens");
            read_head(&mut visitor).to_lowercase()
        });
        visitor.write_all(&get("/end")).expect("it listens");
        let mut end = String::new();
        visitor.read_to_string(&mut end).expect("it ends");
        assert!(
            end.starts_with("HTTP/1.1 200 ") && end.ends_with("\r\n\r\nfin"),
            "{end}"
        );
        heads
    })
    .await;
    let [head, chunked, no_content, not_modified] = heads;
    assert!(head.contains("\r\ncontent-length: 1234\r\n"), "{head}");
    assert!(!chunked.contains("content-length"), "{chunked}");
    assert!(no_content.starts_with("http/1.1 204 ") && !no_content.contains("content-length"));
    assert!(!no_content.contains("transfer-encoding"), "{no_content}");
    assert!(not_modified.starts_with("http/1.1 304 "), "{not_modified}");
    assert!(
        not_modified.contains("\r\netag: \"a\"\r\n"),
        "{not_modified}"
    );
}

#[tokio::test]
async fn point_12_what_breaks_off_at_the_portal_breaks_off_at_the_visitor() {
    let portal = Scripted::start(|heard, stream| {
        let answer: &[u8] = match heard.path().as_str() {
            "/length" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
            "/chunks" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "/no-chunk" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
            }
            _ => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\
                   fffffffffffffffff\r\n"
            }
        };
        say(stream, answer);
        false
    });
    let preau = in_front_of(&portal.url()).await;
    let length = ask_text(&preau, get("/length")).await;
    assert!(
        length.to_lowercase().contains("content-length: 100\r\n"),
        "{length}"
    );
    assert!(length.ends_with("\r\n\r\nhello"), "{length}");
    for path in ["/chunks", "/no-chunk", "/endless"] {
        let answer = ask_text(&preau, get(path)).await;
        assert!(answer.contains("5\r\nhello\r\n"), "{path}: {answer}");
        assert!(
            !answer.ends_with("0\r\n\r\n"),
            "{path}: no last chunk: {answer}"
        );
    }
    assert_eq!(preau.metric("preau_portal_broken_total", &[]).await, 4.0);
}

/// Without chunks an answer ends with the connection: then that must not end well.
#[tokio::test]
async fn point_12_what_breaks_off_does_not_look_whole_to_an_old_visitor() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let portal = Scripted::start(|heard, stream| {
        let answer: &[u8] = match heard.path().as_str() {
            "/whole" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            }
            _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        };
        say(stream, answer);
        false
    });
    let preau = in_front_of(&portal.url()).await;
    for (path, whole) in [("/whole", true), ("/cut", false)] {
        let mut visitor = tokio::net::TcpStream::connect(preau.address())
            .await
            .unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n");
        visitor.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, visitor.read_to_end(&mut answer));
        let ended = read.await.expect("the connection ends");
        assert_eq!(ended.is_ok(), whole, "{path}: {ended:?}");
        assert!(!whole || answer.ends_with(b"hello"));
    }
}

#[tokio::test]
async fn point_12_an_answer_that_stands_still_is_cut_and_holds_no_slot() {
    let portal = Scripted::start(|_, stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        );
        // Until the other side has had enough.
        let _ = stream.read(&mut [0]);
        false
    });
    let preau = Preau::start(&tables(&portal.url(), "response_timeout = \"1s\"")).await;
    let answer = ask_text(&preau, get("/")).await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let until_free =
        async || (preau.metric("preau_portal_in_flight", &[]).await == 0.0).then_some(());
    until("the slot is free", until_free).await;
    assert_eq!(preau.metric("preau_portal_timeouts_total", &[]).await, 1.0);
}

/// Waits until `count` stands still: whatever moves it has met a wall.
async fn stands_still(count: &AtomicU64) -> u64 {
    let mut last = (u64::MAX, 0);
    until("nothing moves any more", async || {
        let now = count.load(Ordering::Relaxed);
        last = if now == last.0 {
            (now, last.1 + 1)
        } else {
            (now, 0)
        };
        (last.1 > 20 && now > 0).then_some(now)
    })
    .await
}

#[tokio::test]
async fn point_13_a_large_upload_to_a_slow_portal_is_not_held_in_memory() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let portal = Scripted::start(move |heard, stream| {
        wait.lock()
            .expect("nobody panics")
            .recv()
            .expect("the test says when");
        let length = heard.length() as u64;
        let read = std::io::copy(&mut stream.take(length), &mut std::io::sink());
        assert_eq!(read.expect("all of it"), length);
        say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let preau = in_front_of(&portal.url()).await;
    let (address, before) = (preau.address(), preau.memory());
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let visitor = tokio::task::spawn_blocking(move || {
        let mut visitor = connect(address);
        write!(
            visitor,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"
        )
        .expect("it listens");
        let chunk = vec![b'x'; MIB as usize];
        for _ in 0..LARGE / MIB {
            visitor.write_all(&chunk).expect("it goes on");
            counted.fetch_add(MIB, Ordering::Relaxed);
        }
        read_head(&mut visitor)
    });
    let moved = stands_still(&sent).await;
    let held = preau.memory().saturating_sub(before);
    assert!(moved < LARGE / 2, "{moved} bytes went somewhere");
    assert!(
        held < HELD_MAX,
        "{held} bytes more while the portal reads nothing"
    );
    go.send(()).expect("the portal waits");
    let head = tokio::time::timeout(PATIENCE, visitor).await;
    let head = head.expect("in time").expect("no panic");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let held = preau.memory().saturating_sub(before);
    assert!(held < HELD_MAX, "{held} bytes more afterwards");
}

#[tokio::test]
async fn point_13_a_large_answer_to_a_slow_visitor_is_not_held_in_memory() {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let portal = Scripted::start(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
        let chunk = vec![b'x'; MIB as usize];
        say(stream, head.as_bytes())
            && (0..LARGE / MIB).all(|_| {
                counted.fetch_add(MIB, Ordering::Relaxed);
                say(stream, &chunk)
            })
    });
    // A visitor's slowness is not the portal's.
    let preau = Preau::start(&tables(&portal.url(), "response_timeout = \"300ms\"")).await;
    let (address, before) = (preau.address(), preau.memory());
    let visitor = talk(move || {
        let mut visitor = connect(address);
        visitor.write_all(&get("/")).expect("it listens");
        visitor
    });
    let mut visitor = visitor.await;
    let moved = stands_still(&sent).await;
    let held = preau.memory().saturating_sub(before);
    assert!(moved < LARGE / 2, "{moved} bytes went somewhere");
    assert!(
        held < HELD_MAX,
        "{held} bytes more while the visitor reads nothing"
    );
    let read = talk(move || {
        let head = read_head(&mut visitor);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        std::io::copy(&mut visitor, &mut std::io::sink()).expect("all of it")
    });
    assert_eq!(read.await, LARGE);
}

#[tokio::test]
async fn point_14_an_early_answer_comes_at_once_and_the_upload_is_cut() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    let portal = Scripted::start(move |_, stream| {
        say(
            stream,
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nnon",
        );
        // It reads on, as a server that lingers would, to see how much still comes.
        let read = std::io::copy(stream, &mut std::io::sink());
        told.lock()
            .expect("nobody panics")
            .send(read.is_ok())
            .expect("the test waits");
        false
    });
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    let (head, sent) = talk(move || {
        let mut visitor = connect(address);
        write!(
            visitor,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"
        )
        .expect("it listens");
        let head = read_head(&mut visitor);
        // The visitor goes on, and the portal sees the end long before the visitor would stop.
        let chunk = vec![b'x'; 64 * 1024];
        let mut sent = 0;
        while sent < LARGE && tell.try_recv().is_err() && visitor.write_all(&chunk).is_ok() {
            sent += chunk.len() as u64;
        }
        (head, sent)
    })
    .await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert!(sent < LARGE / 2, "the upload went on: {sent} bytes");
    let free = async || (preau.metric("preau_portal_in_flight", &[]).await == 0.0).then_some(());
    until("the slot is free", free).await;
}

#[tokio::test]
async fn point_17_trailers_go_to_whoever_asked_and_only_what_may_stand_there() {
    let portal = Scripted::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Sum, Content-Length, Set-Cookie\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\
         Content-Length: 3\r\nSet-Cookie: a=1\r\nX-Unannounced: 1\r\n\r\n",
    );
    let preau = in_front_of(&portal.url()).await;
    let asked = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers, gzip\r\nConnection: close, TE\r\n\r\n";
    let answer = ask_text(&preau, asked).await.to_lowercase();
    assert_eq!(portal.last().field("te"), "trailers");
    assert_eq!(portal.last().field("connection"), "te");
    assert!(answer.contains("\r\ntrailer: x-sum\r\n"), "{answer}");
    assert!(
        answer.ends_with("2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"),
        "{answer}"
    );

    let answer = ask_text(&preau, get("/")).await.to_lowercase();
    assert!(portal.last().fields("te").is_empty());
    assert!(
        !answer.contains("trailer") && !answer.contains("x-sum"),
        "{answer}"
    );
    assert!(answer.ends_with("2\r\nok\r\n0\r\n\r\n"), "{answer}");

    // Trailers that nobody wants are no reason to close the portal's connection.
    let address = preau.address();
    talk(move || {
        let mut visitor = connect(address);
        for _ in 0..2 {
            write!(visitor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it listens");
            crate::read_until(&mut visitor, b"ok\r\n0\r\n\r\n");
        }
    })
    .await;
    let [.., before, last] = &portal.heard()[..] else {
        panic!("four requests have come");
    };
    assert_eq!(before.connection, last.connection, "it was kept");
}

#[tokio::test]
async fn point_17_trailers_of_a_request_go_on_if_they_are_announced_and_may() {
    let portal = Scripted::start(|_, stream: &mut TcpStream| {
        let body = crate::read_until(stream, b"\r\n\r\n");
        assert_eq!(
            String::from_utf8_lossy(&body).to_lowercase(),
            "2\r\noh\r\n0\r\nx-sum: 1\r\n\r\n"
        );
        say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let preau = in_front_of(&portal.url()).await;
    let posted = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
                  Trailer: X-Sum, Host, X-Forwarded-For, X-Remote-User, x_sum\r\n\
                  Connection: close\r\n\r\n2\r\noh\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\
                  X-Forwarded-For: 1.2.3.4\r\nX-Remote-User: zoe\r\nx_sum: 2\r\n\
                  X-Unannounced: 3\r\n\r\n";
    assert!(ask(&preau, posted).await.ends_with(b"ok"));
    assert_eq!(portal.last().field("trailer"), "x-sum");
}

#[tokio::test]
async fn point_17_trailers_of_a_request_that_announces_none_end_with_us() {
    let portal = Scripted::start(|_, stream: &mut TcpStream| {
        let body = crate::read_until(stream, b"\r\n\r\n");
        // Nobody waits for more of it on a connection that is kept.
        assert_eq!(body, b"2\r\noh\r\n0\r\n\r\n");
        say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let preau = in_front_of(&portal.url()).await;
    for _ in 0..2 {
        let posted = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
                      Connection: close\r\n\r\n2\r\noh\r\n0\r\nX-Sum: 1\r\n\r\n";
        assert!(ask(&preau, posted).await.ends_with(b"ok"));
        assert!(portal.last().fields("trailer").is_empty());
    }
}
