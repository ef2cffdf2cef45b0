//! Who only looks, and who never brings a cookie back: they do not fill the room.

mod support;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use support::{Answer, Portal, Preau, one_room, raw, send, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const UPTIME_ROBOT: &str = "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)";

/// One request without any cookie, by a program that calls itself `agent`.
async fn ask(to: SocketAddr, method: Method, path: &str, agent: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, to.to_string())
        .header(header::USER_AGENT, agent)
        .header(header::ACCEPT, "*/*")
        .body(Bytes::new());
    let answer = send(to, request.expect("a request")).await;
    answer.expect("an answer")
}

async fn taken(preau: &Preau) -> f64 {
    preau.metric("preau_room_seats_taken", &[]).await
}

#[tokio::test]
async fn the_check_address_answers_on_every_host_and_takes_nothing() {
    let portal = Portal::start().await;
    let room = "host = \"ent.example.fr\"\nseats = 1";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    for head in [
        "GET /.preau/health HTTP/1.1\r\nHost: ent.example.fr",
        "GET /.preau/health HTTP/1.1\r\nHost: nowhere.example",
        "OPTIONS /.preau/health HTTP/1.1\r\nHost: nowhere.example",
        "HEAD /.preau/health HTTP/1.1\r\nHost: 127.0.0.1",
        "GET /.preau/health HTTP/1.0",
    ] {
        let bytes = format!("{head}\r\nConnection: close\r\n\r\n");
        let answer = raw(preau.address(), bytes.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(" 200 OK\r\n"), "{head}: {answer}");
        assert!(
            !answer.to_ascii_lowercase().contains("set-cookie"),
            "{answer}"
        );
        assert_eq!(answer.contains("\"serving\""), !head.starts_with("HEAD"));
    }
    let form = raw(
        preau.address(),
        b"POST /.preau/health HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert!(form.await.starts_with(b"HTTP/1.1 405 "));
    assert_eq!(taken(&preau).await, 0.0);
    assert!(portal.seen().iter().all(|seen| seen.path == "/sante"));
}

/// Over a connection that is kept, as a balancer has it.
#[tokio::test]
async fn the_check_address_says_when_we_are_about_to_go() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    let mut kept = TcpStream::connect(preau.address()).await.unwrap();
    let slow = tokio::spawn(async move { anna.get("/lent?ms=1500").await });
    until("the portal works on it", async || {
        let seen = portal.seen();
        seen.iter().any(|seen| seen.path == "/lent").then_some(())
    })
    .await;
    assert!(check(&mut kept).await.starts_with("HTTP/1.1 200 "));
    preau.ask_to_stop();
    let answer = until("it is seen that we leave", async || {
        let answer = check(&mut kept).await;
        (!answer.starts_with("HTTP/1.1 200 ")).then_some(answer)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: ") && answer.contains("\"draining\""));
    assert_eq!(slow.await.unwrap().status, StatusCode::OK);
    preau.stopped().await;
}

/// One answer over a connection that is kept.
async fn check(kept: &mut TcpStream) -> String {
    let question = b"GET /.preau/health HTTP/1.1\r\nHost: a\r\n\r\n";
    kept.write_all(question).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let more = kept.read_buf(&mut answer).await.unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

/// As HAProxy, UptimeRobot and the others ask.
#[tokio::test]
async fn checks_take_neither_seat_nor_ticket() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let to = preau.address();
    let haproxy = || async { raw(to, b"OPTIONS / HTTP/1.0\r\n\r\n").await };
    let bare = || async {
        raw(
            to,
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await
    };
    for _ in 0..5 {
        let answers = [
            ask(to, Method::HEAD, "/", UPTIME_ROBOT).await,
            ask(to, Method::HEAD, "/", "curl/8.5.0").await,
            ask(to, Method::GET, "/", "kube-probe/1.29").await,
        ];
        for answer in answers {
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert!(answer.our_cookies().is_empty(), "{answer:?}");
        }
        let checked = String::from_utf8(haproxy().await).unwrap();
        assert!(checked.contains(" 200 OK\r\n"), "{checked}");
        assert!(bare().await.starts_with(b"HTTP/1.1 200 "));
        assert_eq!(taken(&preau).await, 0.0);
    }
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    let mut bilal = preau.visitor("bilal", "ent");
    bilal.line_up("/").await;
    let before = portal.seen().len();
    for _ in 0..5 {
        for answer in [
            ask(to, Method::HEAD, "/", UPTIME_ROBOT).await,
            ask(
                to,
                Method::GET,
                "/",
                "check_http/v2.3 (monitoring-plugins 2.3)",
            )
            .await,
        ] {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
            assert!(answer.header(header::RETRY_AFTER).is_some(), "{answer:?}");
            assert!(answer.our_cookies().is_empty(), "{answer:?}");
        }
        let checked = String::from_utf8(haproxy().await).unwrap();
        assert!(
            checked.contains(" 503 Service Unavailable\r\n"),
            "{checked}"
        );
        assert!(bare().await.starts_with(b"HTTP/1.1 503 "));
    }
    let asked = portal.seen();
    let asked = asked[before..].iter().filter(|seen| seen.path != "/sante");
    assert_eq!(asked.count(), 0, "past the line nobody goes");
    assert_eq!(preau.metric("preau_room_waiting", &[]).await, 1.0);
    // Whoever keeps cookies is a visitor, whatever they call themselves.
    let mut zabbix = preau.visitor("Zabbix", "ent");
    zabbix.put_cookie("PHPSESSID", "x");
    assert_eq!(zabbix.line_up("/").await.place(), 2);
    preau.assert_nothing_forbidden().await;
}

/// Every half second, without a cookie, by a program that nobody knows.
#[tokio::test]
async fn a_client_that_keeps_no_cookies_has_one_place_and_its_turn() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"10m\"\nfirst_idle = \"10m\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    let script = || ask(preau.address(), Method::GET, "/espace", "rclone/v1.66.0");
    until("it has one place", async || {
        tokio::time::sleep(std::time::Duration::from_millis(475)).await;
        let answer = script().await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let folded = preau.metric("preau_room_faceless_total", &[]).await;
        let waiting = preau.metric("preau_room_waiting", &[]).await;
        (folded > 0.0 && waiting == 1.0).then_some(())
    })
    .await;
    let mut bilal = preau.visitor("bilal", "ent");
    assert_eq!(bilal.line_up("/").await.place(), 2);
    anna.log_out().await;
    let answer = until("its turn has come", async || {
        let answer = script().await;
        (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
    assert_eq!(script().await.status, StatusCode::FOUND);
    assert_eq!(taken(&preau).await, 1.0);
    assert_eq!(bilal.poll().await.place(), 1);
    preau.assert_nothing_forbidden().await;
}

/// One address, one program, one minute; everybody has their own place.
#[tokio::test]
async fn a_school_behind_one_address_has_as_many_places_as_pupils() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let mut anna = preau.visitor("classe", "ent");
    anna.walk_in("/").await;
    let mut school = Vec::new();
    let mut places = BTreeSet::new();
    for pupil in 1..=300 {
        let mut pupil_here = preau.visitor("classe", "ent");
        assert!(
            places.insert(pupil_here.line_up("/").await.place()),
            "{pupil}"
        );
        school.push(pupil_here);
    }
    assert_eq!(places.len(), 300);
    assert_eq!(preau.metric("preau_room_faceless_total", &[]).await, 0.0);
}

/// The app of another origin can read when to come back; what is the visitor's own, only a page of
/// the room's hosts.
#[tokio::test]
async fn a_script_of_another_origin_can_read_the_waiting_answer() {
    let portal = Portal::start().await;
    let room = "host = [\"127.0.0.1\", \"ent.example.fr\"]\nseats = 1\nidle = \"10m\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    preau.visitor("anna", "ent").walk_in("/").await;
    let mut app = preau.visitor("app", "ent");
    let allowed = |answer: &Answer| {
        let origin = answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        origin.map(str::to_owned)
    };
    let answer = app.get_json("/espace").await;
    assert_eq!((answer.status.as_u16(), allowed(&answer)), (503, None));
    for (origin, own) in [
        ("https://ent.example.fr", "true"),
        ("https://app.example.fr", ""),
        ("capacitor://localhost", ""),
        ("null", ""),
    ] {
        app.extra = vec![("origin", origin.to_owned())];
        for path in ["/espace", "/.preau/status"] {
            let answer = app.get_json(path).await;
            let may = allowed(&answer);
            assert_eq!(may.as_deref(), Some(origin), "{path}: {answer:?}");
            let field = |name| answer.header(name).unwrap_or_default().to_owned();
            let with_cookies = field(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
            assert_eq!(with_cookies, own, "{origin} {path}");
            assert_eq!(field(header::ACCESS_CONTROL_EXPOSE_HEADERS), "Retry-After");
            assert_eq!(field(header::VARY), "Origin");
        }
    }
    // Pages are nobody else's to read, and what the portal answers is its own to allow.
    let page = app.get("/espace").await;
    assert_eq!((page.status.as_u16(), allowed(&page)), (503, None));
    let class = app.get_json("/.preau/class").await;
    assert_eq!(allowed(&class).filter(|_| class.status.is_success()), None);
}
