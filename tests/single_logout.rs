//! Single logout by sign-on servers: their calls come to ordinary addresses, without cookies, and are
//! known by their forms. They take nothing, and a full room does not lose them.

mod support;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use std::time::Duration;
use support::{Answer, Portal, Preau, one_room, send, sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LOGOUT: &str = "logoutRequest=%3Csamlp%3ALogoutRequest+ID%3D%22LR-1%22%3E%c3%a9%3C%2F&x=%20";

/// Posts `form` as a server does: without cookies, and without a word on where it comes from.
async fn call(preau: &Preau, form: &str, more: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/televersement")
        .header(header::HOST, "ent.example.fr")
        .header(header::USER_AGENT, "Apache-HttpClient/5.3 (Java/21)")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from(form.to_owned()));
    let answer = send(preau.address(), request.expect("a request")).await;
    answer.expect("an answer")
}

async fn taken(preau: &Preau) -> (f64, f64) {
    let seats = preau.metric("preau_room_seats_taken", &[]).await;
    (seats, preau.metric("preau_room_waiting", &[]).await)
}

#[tokio::test]
async fn a_single_logout_of_cas_takes_nothing_and_passes_a_full_room() {
    let portal = Portal::start().await;
    let room = "seats = 3\nidle = \"10m\"\npresets = [\"cas\", \"oidc\"]";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let long = format!("{LOGOUT}{}", "x".repeat(60_000));
    let token = "logout_token=eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
    for _ in 0..3 {
        for form in [LOGOUT, &long, token] {
            let answer = call(&preau, form, &[]).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert!(answer.our_cookies().is_empty(), "{answer:?}");
            let came = answer.json();
            assert_eq!(came["octets"], form.len());
            assert_eq!(came["sha256"], sha256(form.as_bytes()), "byte for byte");
        }
    }
    assert_eq!(taken(&preau).await, (0.0, 0.0));
    for name in ["anna", "bilal", "chloe"] {
        preau.visitor(name, "ent").walk_in("/").await;
    }
    let mut dora = preau.visitor("dora", "ent");
    dora.line_up("/").await;
    for form in [LOGOUT, &long, token] {
        assert_eq!(call(&preau, form, &[]).await.status, StatusCode::OK);
    }
    assert_eq!(taken(&preau).await, (3.0, 1.0));
    let calls = [("outcome", "back_channel")];
    assert_eq!(preau.metric("preau_requests_total", &calls).await, 12.0);
    preau.assert_nothing_forbidden().await;
}

/// Nobody goes past the line with it who is not such a server.
#[tokio::test]
async fn what_only_looks_like_one_waits() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"10m\"\npresets = \"cas\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    preau.visitor("anna", "ent").walk_in("/").await;
    let big = format!("{LOGOUT}{}", "x".repeat(64 * 1024));
    let page = [("origin", "https://ent.example.fr")];
    let browser = [("sec-fetch-site", "same-origin")];
    for (form, more) in [
        ("prenom=Zoe&logoutRequest=x", &[][..]),
        ("logoutrequest=x", &[]),
        ("", &[]),
        (LOGOUT, &page),
        (LOGOUT, &browser),
        (LOGOUT, &[("referer", "https://ent.example.fr/")]),
        (&big, &[]),
    ] {
        let answer = call(&preau, form, more).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{form:.20}");
    }
    let posts = portal.seen();
    assert!(posts.iter().all(|seen| seen.method != "POST"));
}

#[tokio::test]
async fn too_many_from_one_address_are_newcomers() {
    let portal = Portal::start().await;
    let limits = "[limits]\ncallbacks_per_minute = 1\ncallbacks_burst = 2\n";
    let room = "seats = 1\nidle = \"10m\"\npresets = \"cas\"";
    let preau = Preau::start(&format!("{limits}{}", one_room(&portal.url(), room))).await;
    preau.visitor("anna", "ent").walk_in("/").await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(call(&preau, LOGOUT, &[]).await.status.as_u16());
    }
    assert_eq!(answers, [200, 200, 503]);
}

/// Somebody on a poor link sends a form without a word on where it comes from: as slowly as any body
/// may come, and no more slowly.
#[tokio::test]
async fn a_form_that_is_read_may_come_as_slowly_as_any_other() {
    let portal = Portal::start().await;
    let limits = "[limits]\nbody_timeout = \"1s\"\nbody_rate = 100\n";
    let room = "seats = 3\nidle = \"10m\"\npresets = \"cas\"";
    let preau = Preau::start(&format!("{limits}{}", one_room(&portal.url(), room))).await;
    let to = preau.address();
    let post = async |pieces: usize, every: Duration| {
        let mut stream = TcpStream::connect(to).await.expect("it listens");
        let head = format!(
            "POST /televersement HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            200 * pieces
        );
        stream.write_all(head.as_bytes()).await.expect("it listens");
        for _ in 0..pieces {
            tokio::time::sleep(every).await;
            if stream.write_all(&[b'x'; 200]).await.is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        // What came before a reset is what there is.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let slow = post(6, Duration::from_millis(400)).await;
    assert!(slow.starts_with("HTTP/1.1 200 "), "{slow}");
    assert!(slow.contains("\"octets\":1200"), "{slow}");
    let stalled = post(2, Duration::from_secs(5)).await;
    assert!(!stalled.contains(" 200 "), "{stalled}");
}
