//! HTTP/2 to visitors: the same room, another wire.

mod support;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::time::Duration;
use support::tls::{Authority, Client, https};
use support::{Answer, Portal, Preau, free_port, one_room, until};
use tokio::task::JoinHandle;

const HOST: &str = "ent.example.fr";

/// A portal, the proxy in front of it, and visitors who speak HTTP/2.
struct Scene {
    portal: Portal,
    preau: Preau,
    client: Client,
    address: SocketAddr,
    _authority: Authority,
}

/// One connection of a visitor.
struct Visit {
    send: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Scene {
    async fn start(room: &str, more: &str) -> Scene {
        let portal = Portal::start().await;
        let authority = Authority::new();
        let address = free_port();
        let files = authority.issue("ent", &[HOST, "www.example.fr"], 2100);
        let tables = one_room(&portal.url(), room) + &https(address, &[&files]) + more;
        Scene {
            preau: Preau::start(&tables).await,
            client: Client::new(&authority, &["h2", "http/1.1"]),
            portal,
            address,
            _authority: authority,
        }
    }

    async fn visit(&self) -> Visit {
        let stream = self.client.connect(self.address, HOST).await;
        let stream = TokioIo::new(stream.expect("a connection"));
        let (send, connection) = handshake(TokioExecutor::new(), stream)
            .await
            .expect("HTTP/2");
        Visit {
            send,
            connection: tokio::spawn(connection),
        }
    }
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("https://{HOST}{path}")).header(header::ACCEPT, "text/html")
}

impl Visit {
    async fn ask(&mut self, request: http::request::Builder, body: &str) -> Answer {
        self.try_ask(request, body).await.expect("a whole answer")
    }

    async fn try_ask(
        &mut self,
        request: http::request::Builder,
        body: &str,
    ) -> hyper::Result<Answer> {
        let body = Full::new(Bytes::from(body.to_owned()));
        let request = request.body(body).expect("the request is well-formed");
        self.send.ready().await?;
        let (head, body) = self.send.send_request(request).await?.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

/// Name and value of the first cookie of ours that an answer sets.
fn cookie(answer: &Answer) -> String {
    let all = answer.set_cookies();
    let ours = all
        .iter()
        .map(|it| String::from_utf8_lossy(it).into_owned());
    let ours: Vec<String> = ours.filter(|it| it.contains("preau-ent=")).collect();
    let (pair, _) = ours[0].split_once(';').expect("it has attributes");
    pair.to_owned()
}

#[tokio::test]
async fn point_05_fields_that_nobody_may_say_are_dropped_over_http_2_too() {
    let scene = Scene::start("seats = 5", "").await;
    let mut visit = scene.visit().await;
    let names = [
        "proxy",
        "client-ip",
        "x-remote-user",
        "x-original-url",
        "x_forwarded_for",
        "app_version",
    ];
    let request = (names.iter()).fold(get("/espace"), |request, name| {
        request.header(*name, "evil")
    });
    let answer = visit.ask(request.header("x-kept", "7"), "").await;
    assert_eq!(answer.status, StatusCode::FOUND);
    let seen = scene.portal.seen();
    let headers = &seen.last().expect("it was forwarded").headers;
    assert!(
        !headers.values().any(|value| value.contains("evil")),
        "{headers:?}"
    );
    assert_eq!(headers.get("x-kept").map(String::as_str), Some("7"));
}

#[tokio::test]
async fn requests_go_to_the_portal_and_back() {
    let scene = Scene::start("seats = 5", "hsts = \"180d\"\n").await;
    let mut visit = scene.visit().await;
    let answer = visit.ask(get("/telechargement?octets=300000"), "").await;
    assert_eq!(
        (answer.status, answer.body.len()),
        (StatusCode::OK, 300_000)
    );
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=15552000")
    );
    for name in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
        assert!(answer.headers.get(name).is_none(), "{name}");
    }
    // With a length and without one, for a method that rarely has a body too.
    let pass = cookie(&answer);
    for method in [Method::POST, Method::PUT] {
        let upload = get("/televersement")
            .method(method)
            .header(header::COOKIE, &pass);
        let answer = visit.ask(upload, &"o".repeat(100_000)).await;
        assert_eq!(answer.json()["octets"], 100_000);
    }
    let seen = scene.portal.seen();
    let headers = &seen[0].headers;
    assert_eq!(headers["host"], HOST);
    assert!(headers["via"].starts_with("2.0 "), "{headers:?}");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], HOST);
    // The plain listener of the same proxy says no such thing.
    let plain = scene.preau.visitor("anna", "ent").get("/").await;
    assert_eq!(plain.header("strict-transport-security"), None);
}

#[tokio::test]
async fn a_visitor_waits_and_comes_in() {
    let scene = Scene::start("seats = 1", "").await;
    let mut inside = scene.visit().await;
    let pass = cookie(&inside.ask(get("/espace"), "").await);
    let mut waiting = scene.visit().await;
    let page = waiting.ask(get("/espace"), "").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.assert_words("the waiting page");
    let ticket = cookie(&page);
    let out = get("/deconnexion").header(header::COOKIE, &pass);
    assert_eq!(inside.ask(out, "").await.status, StatusCode::OK);
    until("it is their turn", async || {
        let poll = get("/.preau/status").header(header::COOKIE, &ticket);
        let state = waiting.ask(poll, "").await.json();
        (state["state"] == "called").then_some(())
    })
    .await;
    let come = get("/espace").header(header::COOKIE, &ticket);
    assert_eq!(waiting.ask(come, "").await.status, StatusCode::FOUND);
    scene.preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn point_10_cookie_crumbs_are_one_field_to_us_and_to_the_portal() {
    let scene = Scene::start("seats = 1", "").await;
    let mut visit = scene.visit().await;
    let pass = cookie(&visit.ask(get("/espace"), "").await);
    let crumbs = get("/espace")
        .header(header::COOKIE, "a=1")
        .header(header::COOKIE, &pass)
        .header(header::COOKIE, "b=2; c=3");
    let answer = visit.ask(crumbs, "").await;
    assert_eq!(answer.status, StatusCode::FOUND, "still inside");
    let seen = scene.portal.seen();
    assert_eq!(seen[1].cookies, "a=1; b=2; c=3");
}

#[tokio::test]
async fn point_02_authority_and_host_are_the_same_or_refused() {
    let scene = Scene::start("seats = 5\nopen = \"/\"", "").await;
    let mut visit = scene.visit().await;
    let same = get("/").header(header::HOST, "Ent.Example.fr");
    assert_eq!(visit.ask(same, "").await.status, StatusCode::OK);
    let before = scene.portal.seen().len();
    for other in ["www.example.fr", "ent.example.fr:8443", "", "a/b"] {
        let answer = visit.ask(get("/").header(header::HOST, other), "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{other:?}");
        answer.assert_words(other);
    }
    assert_eq!(scene.portal.seen().len(), before);
    // The connection goes on.
    assert_eq!(visit.ask(get("/"), "").await.status, StatusCode::OK);
}

/// Browsers use one connection for all hosts of a certificate (RFC 9113 §9.1.1).
#[tokio::test]
async fn point_32_a_connection_is_for_the_hosts_of_its_certificate() {
    let scene = Scene::start("seats = 5\nopen = \"/\"", "").await;
    let mut visit = scene.visit().await;
    for (host, status) in [
        ("www.example.fr", StatusCode::OK),
        ("mail.example.fr", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = Request::get(format!("https://{host}/"));
        assert_eq!(visit.ask(request, "").await.status, status, "{host}");
    }
}

#[tokio::test]
async fn point_30_what_is_too_large_is_refused_with_words() {
    let scene = Scene::start("seats = 5", "").await;
    let mut visit = scene.visit().await;
    let large = get("/").header("x-large", "x".repeat(40_000));
    let answer = visit.ask(large, "").await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    answer.assert_words("431");
    let long = get(&format!("/{}", "x".repeat(20_000)));
    let answer = visit.ask(long, "").await;
    assert_eq!(answer.status, StatusCode::URI_TOO_LONG);
    answer.assert_words("414");
}

/// A slow link is not a visitor who has left: what counts is whether anything is taken, not how long
/// all of it takes.
#[tokio::test]
async fn point_26_a_long_download_goes_on_while_it_is_taken() {
    // A window at a time, in pieces.
    const WINDOW: u32 = 64 * 1024 - 1;
    const BYTES: u32 = 1024 * 1024;
    const PIECE: u32 = 16 * 1024;
    const PATIENCE: Duration = Duration::from_secs(2);
    let room = "seats = 5\nopen = \"/telechargement\"";
    let scene = Scene::start(room, "[limits]\ntake_timeout = \"2s\"\n").await;
    let stream = scene.client.connect(scene.address, HOST).await;
    let stream = TokioIo::new(stream.expect("a connection"));
    let mut http2 = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    http2
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let (mut send, connection) = http2.handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);

    let request = get(&format!("/telechargement?octets={BYTES}"));
    let request = request.body(Full::new(Bytes::new())).expect("well-formed");
    let mut body = send
        .send_request(request)
        .await
        .expect("a head")
        .into_body();
    // The link: all of it takes three times as long as anybody may take nothing.
    let mut link = tokio::time::interval(3 * PATIENCE * PIECE / BYTES);
    let (mut taken, mut carried) = (0, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.expect("nobody cuts it off");
        taken += frame.data_ref().map_or(0, Bytes::len);
        while carried < taken {
            link.tick().await;
            carried += PIECE as usize;
        }
    }
    assert_eq!(taken, BYTES as usize);
}

/// A browser that leaves a page takes its request back; the connection stays.
#[tokio::test]
async fn point_23_a_request_that_is_taken_back_frees_its_slot() {
    let scene = Scene::start("seats = 5\nopen = \"/lent\"", "").await;
    let visit = scene.visit().await;
    let mut send = visit.send.clone();
    let request = get("/lent?ms=60000")
        .body(Full::default())
        .expect("it is well-formed");
    let running = tokio::spawn(async move { send.send_request(request).await.map(drop) });
    let busy = async || scene.preau.metric("preau_portal_in_flight", &[]).await;
    until("the portal works on it", async || {
        (busy().await == 1.0).then_some(())
    })
    .await;
    running.abort();
    until("the slot is free", async || {
        (busy().await == 0.0).then_some(())
    })
    .await;
    assert!(!visit.connection.is_finished(), "it goes on");
}

#[tokio::test]
async fn point_27_a_stop_says_goodbye_and_finishes_what_runs() {
    let scene = Scene::start("seats = 5\nopen = [\"/\", \"/lent\"]", "").await;
    let mut idle = scene.visit().await;
    assert_eq!(idle.ask(get("/"), "").await.status, StatusCode::OK);
    let mut busy = scene.visit().await;
    let slow = tokio::spawn(async move {
        let answer = busy.ask(get("/lent?ms=4000"), "").await;
        (answer, busy.connection)
    });
    until("the portal works on it", async || {
        let seen = scene.portal.seen();
        seen.iter().any(|seen| seen.path == "/lent").then_some(())
    })
    .await;
    scene.preau.ask_to_stop();
    // GOAWAY without an error ends both connections, not a reset.
    idle.connection.await.expect("it ends").expect("gently");
    let (answer, connection) = slow.await.expect("it is finished");
    assert_eq!(
        (answer.status, answer.text()),
        (StatusCode::OK, "enfin\n".into())
    );
    connection.await.expect("it ends").expect("gently");
    scene.preau.stopped().await;
}

/// Somebody who agreed on HTTP/2 and says nothing does not hold up a stop.
#[tokio::test]
async fn point_27_a_visitor_who_never_began_does_not_hold_up_a_stop() {
    let scene = Scene::start("seats = 5", "").await;
    let _silent = scene
        .client
        .connect(scene.address, HOST)
        .await
        .expect("a connection");
    scene.preau.ask_to_stop();
    let words = tokio::time::timeout(std::time::Duration::from_secs(15), scene.preau.stopped());
    words.await.expect("long before the deadline");
}
