//! Tunnels: points 21 and 22.

use crate::support::{PATIENCE, Preau, Scripted, until};
use crate::{
    ask_text, assert_words, connect, in_front_of, read_head, read_until, say, tables, talk,
};
use preau::host;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

const TAKEN: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                     Upgrade: WebSocket\r\n\r\n";

/// A request for a tunnel.
fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A portal that takes up every tunnel and sends back what comes.
fn echo() -> Scripted {
    Scripted::start(|heard, stream| {
        if heard.fields("upgrade").is_empty() {
            return say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        say(stream, TAKEN.as_bytes());
        let mut back = stream.try_clone().expect("a socket can be cloned");
        let _ = std::io::copy(stream, &mut back);
        false
    })
}

/// Opens a tunnel and says `hello` through it.
fn open(to: SocketAddr) -> TcpStream {
    let mut tunnel = connect(to);
    tunnel
        .write_all(upgrade("/echo").as_bytes())
        .expect("it listens");
    let head = read_head(&mut tunnel).to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    tunnel.write_all(b"hello").expect("it is open");
    read_until(&mut tunnel, b"hello");
    tunnel
}

#[tokio::test]
async fn point_21_only_a_bodyless_get_for_a_websocket_may_become_a_tunnel() {
    let portal = echo();
    let preau = in_front_of(&portal.url()).await;
    let closing = "Connection: Upgrade, close\r\n";
    for request in [
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{closing}Upgrade: websocket\r\nContent-Length: 0\r\n\r\n"
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{closing}Upgrade: websocket\r\nContent-Length: 2\r\n\r\nab"
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{closing}Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{closing}Upgrade: TLS/1.0\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.0\r\nHost: a\r\n{closing}Upgrade: websocket\r\n\r\n"),
    ] {
        let answer = ask_text(&preau, request.clone()).await;
        assert!(answer.ends_with("\r\n\r\nok"), "{request}: {answer}");
        let heard = portal.last();
        assert!(heard.fields("upgrade").is_empty(), "{}", heard.text());
    }
    let address = preau.address();
    talk(move || open(address)).await;
    let heard = portal.last();
    assert_eq!(heard.field("upgrade"), "websocket");
    assert_eq!(heard.field("connection"), "upgrade");
}

#[tokio::test]
async fn point_21_a_portal_that_takes_up_something_else_is_refused() {
    let portal = Scripted::start(|heard, stream| {
        let upgrade = match heard.path().as_str() {
            "/other" => "Upgrade: h2c\r\n",
            "/both" => "Upgrade: websocket, h2c\r\n",
            "/none" => "",
            _ => "Upgrade: websocket\r\n",
        };
        let head = format!("HTTP/1.1 101 Yes\r\nConnection: upgrade\r\n{upgrade}\r\n");
        say(stream, head.as_bytes())
    });
    let preau = in_front_of(&portal.url()).await;
    for path in ["/other", "/both", "/none"] {
        let request = upgrade(path).replace("keep-alive, Upgrade", "Upgrade, close");
        assert_words(&ask_text(&preau, request).await, 502, path);
    }
    let unasked = ask_text(&preau, crate::get("/unasked")).await;
    assert_words(&unasked, 502, "nobody asked");
    assert_eq!(preau.metric("preau_tunnels", &[]).await, 0.0);
}

#[tokio::test]
async fn point_22_what_was_sent_together_with_the_head_is_kept() {
    let portal = Scripted::start(|_, stream| {
        say(stream, format!("{TAKEN}early-down").as_bytes());
        let early = read_until(stream, b"early-up");
        say(stream, &early);
        false
    });
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    let read = talk(move || {
        let mut tunnel = connect(address);
        let request = format!("{}early-up", upgrade("/"));
        tunnel.write_all(request.as_bytes()).expect("it listens");
        let mut read = String::new();
        tunnel.read_to_string(&mut read).expect("it ends");
        read
    })
    .await;
    assert!(read.ends_with("\r\n\r\nearly-downearly-up"), "{read}");
}

#[tokio::test]
async fn point_22_either_side_may_end_first_and_still_hear_the_other() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    let portal = Scripted::start(move |heard, stream| {
        say(stream, TAKEN.as_bytes());
        let first = heard.path() == "/portal-first";
        if first {
            say(stream, b"adieu");
            stream.shutdown(Shutdown::Write).expect("it is open");
        }
        let mut rest = String::new();
        let read = stream.read_to_string(&mut rest);
        if !first {
            say(stream, b"and after");
        }
        let told = told.lock().expect("no panic");
        told.send(read.map(|_| rest)).expect("the test waits");
        false
    });
    let preau = in_front_of(&portal.url()).await;
    let address = preau.address();
    for (path, at_visitor, at_portal) in [
        ("/visitor-first", "and after", "adieu"),
        ("/portal-first", "adieu", "and after"),
    ] {
        let heard = talk(move || {
            let mut tunnel = connect(address);
            tunnel
                .write_all(upgrade(path).as_bytes())
                .expect("it listens");
            read_head(&mut tunnel);
            let mut heard = String::new();
            if path == "/visitor-first" {
                tunnel.write_all(b"adieu").expect("it is open");
                tunnel.shutdown(Shutdown::Write).expect("it is open");
                tunnel.read_to_string(&mut heard).expect("it ends");
            } else {
                tunnel.read_to_string(&mut heard).expect("it ends");
                tunnel
                    .write_all(b"and after")
                    .expect("this direction is open");
            }
            heard
        })
        .await;
        assert_eq!(heard, at_visitor, "{path}");
        let heard = tell
            .recv_timeout(PATIENCE)
            .expect("the portal heard the end");
        assert_eq!(heard.expect("an end, not a break"), at_portal, "{path}");
    }
    gone(&preau).await;
}

/// Waits until no tunnel is left.
async fn gone(preau: &Preau) {
    until("no tunnel is left", async || {
        (preau.metric("preau_tunnels", &[]).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn point_22_tunnels_are_counted_and_bounded_and_hold_no_slot() {
    let portal = echo();
    let text = format!(
        "[limits]\ntunnels = 1\n{}",
        tables(&portal.url(), "slots = 1\nslot_wait = \"200ms\"")
    );
    let preau = Preau::start(&text).await;
    let address = preau.address();
    let tunnel = talk(move || open(address)).await;
    assert_eq!(preau.metric("preau_tunnels", &[]).await, 1.0);
    assert_eq!(preau.metric("preau_portal_in_flight", &[]).await, 0.0);
    let page = ask_text(&preau, crate::get("/")).await;
    assert!(page.ends_with("\r\n\r\nok"), "{page}");
    let second = upgrade("/second").replace("keep-alive, Upgrade", "Upgrade, close");
    assert_words(&ask_text(&preau, second).await, 503, "a second tunnel");
    drop(tunnel);
    gone(&preau).await;
    talk(move || open(address)).await;
}

#[tokio::test]
async fn point_22_a_silent_tunnel_is_closed() {
    let portal = echo();
    let text = format!(
        "[limits]\ntunnel_idle = \"1s\"\n{}",
        tables(&portal.url(), "")
    );
    let preau = Preau::start(&text).await;
    let address = preau.address();
    let rest = talk(move || {
        let mut tunnel = open(address);
        let mut rest = Vec::new();
        tunnel.read_to_end(&mut rest).expect("it is closed");
        rest
    });
    assert!(rest.await.is_empty());
    gone(&preau).await;
}

#[tokio::test]
async fn point_27_a_stop_waits_for_tunnels_until_its_deadline() {
    const DRAIN: Duration = Duration::from_secs(3);
    let portal = echo();
    let preau = Preau::start(&format!("drain = \"3s\"\n{}", tables(&portal.url(), ""))).await;
    let address = preau.address();
    let mut tunnel = talk(move || open(address)).await;
    preau.ask_to_stop();
    let began = host::now();
    let lived = talk(move || {
        // It carries on until it is cut.
        let mut echo = [0; 4];
        while say(&mut tunnel, b"ping") && tunnel.read_exact(&mut echo).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
        Duration::from(host::now().since(began))
    })
    .await;
    assert!(
        lived + Duration::from_millis(300) > DRAIN,
        "cut after {lived:?}"
    );
    preau.stopped().await;
}
