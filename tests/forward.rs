//! What goes through: bytes, streams, upgrades, cookies, both ways and unharmed.

mod support;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use support::{Portal, Preau, one_room, raw, sha256, until};
use tokio_tungstenite::tungstenite::{self, Message};

const MIB: usize = 1 << 20;

async fn in_front_of(portal: &Portal) -> Preau {
    Preau::start(&one_room(&portal.url(), "seats = 50\nidle = \"10m\"")).await
}

#[tokio::test]
async fn bodies_go_through_both_ways() {
    let portal = Portal::start().await;
    let preau = in_front_of(&portal).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;

    let mut chance = fastrand::Rng::with_seed(7);
    let file = Bytes::from_iter(std::iter::repeat_with(|| chance.u8(..)).take(16 * MIB));
    let receipt = anna.upload("/televersement", file.clone()).await.json();
    assert_eq!(receipt["octets"], file.len());
    assert_eq!(receipt["sha256"], sha256(&file));

    for query in ["", "&longueur=1"] {
        let path = format!("/telechargement?octets={}{query}", 16 * MIB + 1);
        let download = anna.get(&path).await;
        assert_eq!(download.body.len(), 16 * MIB + 1);
        assert_eq!(download.body, portal.directly(&path).await.body);
        assert_eq!(
            download.header(header::CONTENT_LENGTH).is_some(),
            !query.is_empty()
        );
    }
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let portal = Portal::start().await;
    let preau = in_front_of(&portal).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let request = anna.request(Method::HEAD, "/assets/style.css");
    let answer = anna.exchange(request, Bytes::new()).await;
    let answer = answer.expect("HEAD is answered");
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.is_empty());
    let length = portal.style().len().to_string();
    assert_eq!(answer.header(header::CONTENT_LENGTH), Some(length.as_str()));
}

#[tokio::test]
async fn connections_to_the_portal_are_kept() {
    let portal = Portal::start().await;
    let preau = in_front_of(&portal).await;
    let requests = 60;
    let mut anna = preau.visitor("anna", "ent");
    for _ in 0..requests {
        let answer = anna.get("/").await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let seen = portal.seen();
    let ports: HashSet<u16> = seen.iter().map(|seen| seen.port).collect();
    assert_eq!(seen.len(), requests);
    assert!(
        ports.len() < 10,
        "{} connections for {requests} requests",
        ports.len()
    );
}

#[tokio::test]
async fn cookies_of_the_portal_go_through_and_ours_do_not() {
    let portal = Portal::start().await;
    let preau = in_front_of(&portal).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    anna.sign_on().await;
    let through = anna.get("/temoins").await.set_cookies();
    let ours = |cookie: &Vec<u8>| cookie.starts_with(b"preau-");
    let theirs: Vec<Vec<u8>> = through.into_iter().filter(|cookie| !ours(cookie)).collect();
    assert_eq!(theirs, portal.directly("/temoins").await.set_cookies());

    let pass = anna.our_cookie().expect("a pass").to_owned();
    let answer = anna.get("/temoins?usurpe").await;
    assert!(
        !answer
            .set_cookies()
            .iter()
            .any(|cookie| cookie.starts_with(b"preau-ent=usurpe"))
    );
    assert_eq!(
        anna.get("/espace").await.status,
        StatusCode::OK,
        "still inside: {pass}"
    );

    let sent = portal
        .seen()
        .last()
        .expect("it came through")
        .cookies
        .clone();
    assert!(
        sent.contains("PHPSESSID=") && sent.contains("latin="),
        "{sent}"
    );
    assert!(!sent.contains("preau"), "{sent}");
}

#[tokio::test]
async fn what_the_portal_learns_about_the_visitor_is_true() {
    let portal = Portal::start().await;
    let preau = in_front_of(&portal).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.extra = vec![
        ("x-forwarded-for", "203.0.113.9".to_owned()),
        ("forwarded", "for=203.0.113.9".to_owned()),
        ("x-real-ip", "203.0.113.9".to_owned()),
        ("te", "gzip".to_owned()),
        ("x-hop", "1".to_owned()),
        ("connection", "x-hop, cookie, host".to_owned()),
        ("x-end", "1".to_owned()),
    ];
    anna.walk_in("/espace").await;
    let seen = portal.seen();
    let headers = &seen.last().expect("it came through").headers;
    assert!(
        !headers.values().any(|value| value.contains("203.0.113.9")),
        "{headers:?}"
    );
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["host"], preau.address().to_string());
    assert!(
        !headers.contains_key("x-hop") && !headers.contains_key("te"),
        "{headers:?}"
    );
    assert_eq!(headers["x-end"], "1");
}

#[tokio::test]
async fn a_prefetch_takes_neither_ticket_nor_seat() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    for (name, purpose) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("x-moz", "prefetch"),
        ("x-purpose", "preview"),
    ] {
        let mut early = preau.visitor("early", "ent");
        early.extra = vec![(name, purpose.to_owned())];
        let answer = early.get("/espace").await;
        assert!(answer.our_cookies().is_empty(), "{answer:?}");
    }
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let mut late = preau.visitor("late", "ent");
    late.extra = vec![("sec-purpose", "prefetch".to_owned())];
    let answer = late.get("/espace").await;
    assert!(answer.our_cookies().is_empty(), "{answer:?}");
    let room = [("room", "ent")];
    assert_eq!(preau.metric("preau_room_seats_taken", &room).await, 1.0);
    assert_eq!(preau.metric("preau_room_waiting", &room).await, 0.0);
}

/// A request that brings no cookie: who sends it, and its fields.
type Stranger = (&'static str, &'static [(&'static str, &'static str)]);

#[tokio::test]
async fn previews_of_links_and_media_players_pass_by_while_there_is_room() {
    const STRANGERS: [Stranger; 4] = [
        ("WhatsApp/2.23.20.0 A", &[]),
        ("facebookexternalhit/1.1", &[("accept", "*/*")]),
        ("AppleCoreMedia/1.0.0.19G71", &[("range", "bytes=0-1")]),
        ("Mozilla/5.0", &[("sec-fetch-dest", "video")]),
    ];
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let knock = async |(name, fields): Stranger, path: &str| {
        let mut stranger = preau.visitor(name, "ent");
        let mut request = stranger.request(Method::GET, path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = stranger.exchange(request, Bytes::new()).await;
        let answer = answer.expect("an answer");
        assert!(answer.our_cookies().is_empty(), "{name}: {answer:?}");
        answer
    };
    for stranger in STRANGERS {
        let answer = knock(stranger, "/espace").await;
        assert!(
            portal
                .seen()
                .last()
                .is_some_and(|seen| seen.agent == stranger.0)
        );
        assert_ne!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    }
    // The seat is free still; once it is taken, they are turned away, and no line begins.
    preau.visitor("anna", "ent").walk_in("/espace").await;
    for stranger in STRANGERS {
        let answer = knock(stranger, "/espace").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(answer.header(header::RETRY_AFTER).is_some(), "{answer:?}");
    }
    let room = [("room", "ent")];
    assert_eq!(preau.metric("preau_room_seats_taken", &room).await, 1.0);
    assert_eq!(preau.metric("preau_room_waiting", &room).await, 0.0);
    assert_eq!(preau.metric("preau_room_passed_by_total", &room).await, 4.0);
    // A sender of links who opens one has a place like anybody else.
    let mut sender = preau.visitor("Mozilla/5.0 [FBAN/FBIOS] WhatsApp", "ent");
    sender.line_up("/espace").await;
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn a_form_of_somebody_whose_pass_has_just_lapsed_is_not_lost() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"1s\"\nfirst_idle = \"1s\"\nreserve = 1";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    until("her seat is free again", async || {
        let taken = preau
            .metric("preau_room_seats_taken", &[("room", "ent")])
            .await;
        (taken == 0.0).then_some(())
    })
    .await;
    preau.visitor("bilal", "ent").walk_in("/espace").await;
    let answer = anna.post("/connexion", "prenom=anna").await;
    assert_eq!(
        answer.status,
        StatusCode::SEE_OTHER,
        "the form has reached the portal"
    );
    let forms = portal
        .seen()
        .into_iter()
        .filter(|seen| seen.method == "POST");
    assert_eq!(forms.count(), 1, "once");
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn apps_get_json_and_pages_get_a_page() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    preau.visitor("anna", "ent").walk_in("/espace").await;
    let mut app = preau.visitor("app", "ent");
    let answer = app.get_json("/espace").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.header(header::CONTENT_TYPE),
        Some("application/problem+json")
    );
    assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    let problem = answer.json();
    assert_eq!(
        (&problem["position"], &problem["room"]),
        (&1.into(), &"ent".into())
    );
    assert!(problem["wait_seconds"].is_null() && problem["poll_after_seconds"].is_number());
    let page = preau.visitor("page", "ent").get("/espace").await;
    let kind = page.header(header::CONTENT_TYPE).unwrap_or_default();
    assert!(kind.starts_with("text/html"), "{page:?}");
    assert!(page.text().contains("lang=\"fr\""), "{page:?}");
    assert!(page.body.len() <= 15_000, "{} bytes", page.body.len());
}

#[tokio::test]
async fn a_websocket_goes_through() {
    let echo = echo_portal();
    let preau = Preau::start(&one_room(&format!("http://{echo}"), "seats = 5")).await;
    let address = preau.address();
    let talk = tokio::task::spawn_blocking(move || talk_to(address));
    let said = tokio::time::timeout(support::PATIENCE, talk).await;
    let said = said.expect("in time").expect("the tunnel holds");
    assert_eq!(said.len(), 200_000);
    preau.stop().await;
}

/// Says something long through the proxy, hears it back, and takes leave.
fn talk_to(proxy: SocketAddr) -> String {
    let stream = TcpStream::connect(proxy).expect("the proxy listens");
    bound(&stream);
    let (mut socket, answer) =
        tungstenite::client(format!("ws://{proxy}/audio"), stream).expect("an upgrade");
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    for text in ["bonjour".to_owned(), "é".repeat(100_000)] {
        socket
            .send(Message::text(text.clone()))
            .expect("the tunnel takes it");
        let heard = socket.read().expect("the tunnel gives it back");
        assert_eq!(heard, Message::text(text.clone()));
        if text.len() > 100 {
            socket.close(None).expect("the tunnel takes leave");
            while socket.read().is_ok() {}
            return text;
        }
    }
    unreachable!("the second text is long")
}

#[tokio::test]
async fn the_portal_sees_the_host_that_was_matched() {
    let portal = said_by(|request| {
        let host = request.lines().find(|line| line.starts_with("host:"));
        let host = host.unwrap_or("no host");
        let length = host.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{host}")
    });
    let preau = Preau::start(&one_room(&format!("http://{portal}"), "seats = 5")).await;
    for (target, field, expected) in [
        ("http://ent/espace", "ent.example.fr", "host: ent"),
        ("http://a:81/espace", "b", "host: a:81"),
        ("/espace", "ENT.example.fr:81", "host: ENT.example.fr:81"),
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {field}\r\nConnection: close\r\n\r\n");
        let answer = raw(preau.address(), request.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let heard = answer.rsplit("\r\n\r\n").next();
        assert_eq!(heard, Some(expected), "{target}: {answer}");
    }
}

#[tokio::test]
async fn a_bare_refusal_of_the_portal_stays_its_own() {
    let portal =
        said_by(|_| "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nX-A: b\r\n\r\n".to_owned());
    // On an open path no cookie of ours makes the head longer than a bare one.
    let room = "seats = 5\nopen = [\"/assets/**\"]";
    let preau = Preau::start(&one_room(&format!("http://{portal}"), room)).await;
    for method in ["GET", "HEAD"] {
        let request =
            format!("{method} /assets/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(preau.address(), request.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with("http/1.1 400 "), "{method}: {answer}");
        assert!(answer.contains("\r\nx-a: b\r\n"), "{method}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{method}: {answer}");
    }
}

#[tokio::test]
async fn an_error_of_the_portal_is_never_a_blank_page() {
    let portal = said_by(|request| {
        let body = match request.starts_with("GET /espace/vide") {
            true => "0\r\n\r\n",
            false => "5\r\npanne\r\n0\r\n\r\n",
        };
        format!("HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    });
    let preau = Preau::start(&one_room(&format!("http://{portal}"), "seats = 5")).await;
    let mut anna = preau.visitor("anna", "ent");
    let blank = anna.get("/espace/vide").await;
    assert_eq!(blank.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(blank.text().contains("lang=\"fr\""), "{blank:?}");
    let worded = anna.get("/espace/panne").await;
    assert_eq!(worded.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(worded.text(), "panne");
}

#[tokio::test]
async fn a_tunnel_counts_as_a_connection() {
    let echo = echo_portal();
    let room = one_room(&format!("http://{echo}"), "seats = 5");
    let preau = Preau::start(&format!("limits = {{ connections = 1 }}\n{room}")).await;
    let address = preau.address();
    let open = tokio::task::spawn_blocking(move || {
        let stream = TcpStream::connect(address).expect("the proxy listens");
        bound(&stream);
        let opened = tungstenite::client(format!("ws://{address}/audio"), stream);
        opened.expect("an upgrade").0
    });
    let socket = open.await.expect("it is open");
    assert_eq!(preau.metric("preau_tunnels", &[]).await, 1.0);
    let second = async || {
        let request = b"GET /espace HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = raw(address, request).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    // The connection is let go by hyper in the moment after the upgrade.
    until("the tunnel is the one connection", async || {
        let connections = preau.metric("preau_connections", &[]).await;
        (connections == 1.0).then_some(())
    })
    .await;
    let answer = second().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(socket);
    until("the tunnel is gone", async || {
        let connections = preau.metric("preau_connections", &[]).await;
        (connections == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_upload_hears_why() {
    let portal = said_by(|_| "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned());
    let preau = Preau::start(&one_room(&format!("http://{portal}"), "seats = 5")).await;
    let size = 10 * MIB;
    let mut upload =
        format!("POST /espace/%00 HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n")
            .into_bytes();
    upload.resize(upload.len() + size, b'a');
    let answer = raw(preau.address(), &upload).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
}

/// A portal that answers every request with what `say` makes of its head, and is well.
fn said_by(say: fn(&str) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    // Ends with the process: it holds nothing but this socket.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                bound(&stream);
                let mut head = Vec::new();
                let mut byte = [0];
                while stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let request = String::from_utf8_lossy(&head).into_owned();
                    let answer = match request.starts_with("GET /sante") {
                        true => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
                        false => say(&request),
                    };
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                    head.clear();
                }
            });
        }
    });
    address
}

/// A portal that repeats what it hears on a WebSocket, and is well.
fn echo_portal() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    // Ends with the process: it holds nothing but this socket.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || echo(stream));
        }
    });
    address
}

fn echo(mut stream: TcpStream) {
    bound(&stream);
    let mut start = [0; 11];
    let known = stream.peek(&mut start).unwrap_or_default();
    if start[..known].starts_with(b"GET /sante") {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        return;
    }
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return;
    };
    while let Ok(heard) = socket.read() {
        if heard.is_text() && socket.send(heard).is_err() {
            return;
        }
    }
}

fn bound(stream: &TcpStream) {
    let limit = Some(Duration::from_secs(10));
    stream
        .set_read_timeout(limit)
        .expect("ten seconds are a limit");
    stream
        .set_write_timeout(limit)
        .expect("ten seconds are a limit");
}
