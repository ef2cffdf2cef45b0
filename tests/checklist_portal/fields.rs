//! Header fields on their way: points 4 to 7 and 9.

use crate::support::{Preau, Scripted, Unstarted, until};
use crate::{ask, ask_text, assert_words, get, in_front_of, say, tables};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn point_04_what_belongs_to_the_connection_stays_there_and_nothing_else_does() {
    let portal = Scripted::start(|heard, stream| {
        let mut body = vec![0; heard.length()];
        let read = std::io::Read::read_exact(stream, &mut body);
        read.is_ok()
            && say(
                stream,
                b"HTTP/1.1 200 OK\r\nConnection: X-Hop, set-cookie, Content-Length, content-type\r\n\
                  X-Hop: 1\r\nSet-Cookie: a=1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\n\
                  Upgrade: h2c\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
            )
    });
    let preau = in_front_of(&portal.url()).await;
    let answer = ask_text(
        &preau,
        "POST /a HTTP/1.1\r\nHost: ent.fr\r\nX-Secret: 1\r\nCookie: a=1\r\nAuthorization: b\r\n\
         Content-Type: text/plain\r\nContent-Length: 3\r\nVia: 1.0 old\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: close\r\nProxy-Authorization: c\r\nTE: gzip\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Kept: 2\r\n\
         Connection: close, X-Secret, Host, Cookie, Authorization, Content-Type\r\n\
         Connection: Content-Length, X-Forwarded-For, Forwarded, X-Forwarded-Proto, Via\r\n\r\nabc",
    )
    .await;
    let heard = portal.last();
    for (name, kept) in [
        ("host", "ent.fr"),
        ("cookie", "a=1"),
        ("authorization", "b"),
        ("content-type", "text/plain"),
        ("content-length", "3"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-kept", "2"),
    ] {
        assert_eq!(heard.field(name), kept, "{name}");
    }
    assert_eq!(heard.fields("via").len(), 2, "{}", heard.text());
    for gone in [
        "x-secret",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
        "http2-settings",
        "connection",
    ] {
        assert!(heard.fields(gone).is_empty(), "{gone}: {}", heard.text());
    }
    let answer = answer.to_lowercase();
    for kept in [
        "set-cookie: a=1",
        "content-type: text/plain",
        "content-length: 2",
    ] {
        assert!(answer.contains(&format!("\r\n{kept}\r\n")), "{answer}");
    }
    for gone in ["x-hop", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert!(!answer.contains(&format!("\r\n{gone}:")), "{answer}");
    }
}

#[tokio::test]
async fn point_05_forwarded_fields_say_what_we_know_and_nothing_else() {
    let portal = Scripted::saying(OK);
    let preau = in_front_of(&portal.url()).await;
    ask(
        &preau,
        "GET / HTTP/1.1\r\nHost: ent.fr:8080\r\nForwarded: for=6.6.6.6;host=evil\r\n\
         X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\n\
         X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n",
    )
    .await;
    let heard = portal.last();
    let forwarded = "for=127.0.0.1;host=\"ent.fr:8080\";proto=http";
    assert_eq!(heard.field("forwarded"), forwarded);
    assert_eq!(heard.field("x-forwarded-for"), "127.0.0.1");
    assert_eq!(heard.field("x-forwarded-host"), "ent.fr:8080");
    assert_eq!(heard.field("x-forwarded-proto"), "http");
    assert!(heard.fields("x-real-ip").is_empty());
}

#[tokio::test]
async fn point_06_a_chain_is_no_loop_and_what_comes_back_is() {
    let portal = Scripted::saying(OK);
    let inner = in_front_of(&portal.url()).await;
    let outer = in_front_of(&format!("http://{}", inner.address())).await;
    let with_via = "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 old\r\nConnection: close\r\n\r\n";
    assert!(
        ask_text(&outer, with_via)
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let vias = portal.last().fields("via");
    assert_eq!(vias.len(), 3, "{vias:?}");
    assert_eq!(vias[0], "1.0 old");
    assert!(vias[1] != vias[2] && vias[1..].iter().all(|via| via.starts_with("1.1 preau-")));

    let before = portal.heard().len();
    for via in [vias[1].clone(), format!("1.0 x, {} (y), 1.1 z", vias[1])] {
        let again = format!("GET / HTTP/1.1\r\nHost: a\r\nVia: {via}\r\nConnection: close\r\n\r\n");
        assert_words(&ask_text(&outer, again).await, 508, &via);
    }
    assert_eq!(portal.heard().len(), before, "nothing went round");
}

#[tokio::test]
async fn point_06_a_portal_that_is_ourselves_is_a_loop_with_words() {
    // A name of this machine that is not seen through when the file is read.
    let proxy = Unstarted::new("");
    let port = proxy.address().port();
    let (listen, admin, state) = (proxy.address(), proxy.admin(), proxy.state());
    proxy.configure(&format!(
        "listen = \"{listen}\"\nadmin = \"{admin}\"\nstate = {state:?}\n{}",
        tables(&format!("http://127.1:{port}"), "")
    ));
    let preau: Preau = proxy.start().await;
    assert_words(&ask_text(&preau, get("/")).await, 508, "ourselves");
    until("the log says it", async || {
        preau
            .printed()
            .contains("sends requests back to us")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn point_07_we_speak_our_own_version_to_an_old_portal_and_for_an_old_visitor() {
    let portal = Scripted::saying(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    );
    let preau = in_front_of(&portal.url()).await;
    for _ in 0..2 {
        let answer = ask_text(&preau, get("/")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(!answer.to_lowercase().contains("keep-alive"), "{answer}");
    }
    let old = ask_text(&preau, "GET /old HTTP/1.0\r\nHost: ent.fr\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200 OK\r\n"), "{old}");
    assert!(old.ends_with("\r\n\r\nok"), "{old}");
    // Also when the connection is kept.
    let address = preau.address();
    let kept = crate::talk(move || {
        let mut visitor = crate::connect(address);
        [(); 2].map(|()| {
            let request = b"GET /kept HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
            assert!(say(&mut visitor, request));
            crate::read_until(&mut visitor, b"\r\n\r\nok")
        })
    });
    for answer in kept.await {
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{answer:?}");
    }
    let heard = portal.heard();
    assert_eq!(heard.len(), 5);
    for heard in &heard {
        assert!(heard.text().contains(" HTTP/1.1\r\n"), "{}", heard.text());
    }
    assert_ne!(heard[0].connection, heard[1].connection, "not kept");
}

#[tokio::test]
async fn point_07_an_old_visitor_gets_no_chunks() {
    let portal = Scripted::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let preau = in_front_of(&portal.url()).await;
    let old = ask_text(&preau, "GET /old HTTP/1.0\r\nHost: ent.fr\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200 OK\r\n"), "{old}");
    assert!(old.ends_with("\r\n\r\nok"), "{old}");
    assert!(!old.to_lowercase().contains("transfer-encoding"), "{old}");
}

#[tokio::test]
async fn point_09_cookies_are_never_folded_and_bytes_are_kept() {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT\r\n\
        X-Name: \xe9t\xe9\r\nSet-Cookie: b=2, c\r\nSet-Cookie: d=\xe9\r\nContent-Length: 3\r\n\r\n"
            .to_vec();
    answer.extend_from_slice(b"\xff\x00\xe9");
    let portal = Scripted::saying(answer);
    let preau = in_front_of(&portal.url()).await;
    let mut request = b"GET / HTTP/1.1\r\nHost: ent.fr\r\nX-School: coll\xe8ge\r\n".to_vec();
    request.extend_from_slice(b"X-Two: 1\r\nX-Two: 2\r\nConnection: close\r\n\r\n");
    let answer = ask(&preau, request).await;
    let has = |bytes: &[u8]| answer.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(
        b"set-cookie: a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT\r\n"
    ));
    assert!(has(b"set-cookie: b=2, c\r\n") && has(b"set-cookie: d=\xe9\r\n"));
    assert!(has(b"x-name: \xe9t\xe9\r\n"));
    assert!(answer.ends_with(b"\r\n\r\n\xff\x00\xe9"));
    let heard = portal.last();
    let name = b"x-school: coll\xe8ge\r\n";
    assert!(heard.head.windows(name.len()).any(|window| window == name));
    assert_eq!(heard.fields("x-two"), ["1", "2"]);
}

/// A browser that is told of another way keeps to it for days, past the line.
#[tokio::test]
async fn an_answer_leads_nobody_around_the_line() {
    let portal = Scripted::saying(
        "HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"; ma=2592000\r\nalt-svc: h2=\"portal.internal:8443\"\r\n\
         Alternate-Protocol: 443:quic\r\nLocation: /x\r\nService-Worker-Allowed: /\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let preau = in_front_of(&portal.url()).await;
    let answer = ask_text(
        &preau,
        "GET /a HTTP/1.1\r\nHost: ent.fr\r\nConnection: close\r\n\r\n",
    )
    .await;
    let answer = answer.to_lowercase();
    for gone in ["alt-svc", "alternate-protocol", "portal.internal"] {
        assert!(!answer.contains(gone), "{gone}: {answer}");
    }
    for kept in ["location: /x", "service-worker-allowed: /"] {
        assert!(answer.contains(kept), "{kept}: {answer}");
    }
}
