//! The checklist, where it is about the bytes of visitors: framing, routing, bodies, words.
//!
//! Raw sockets on both sides: a library would tidy what is to be seen.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Heard, PATIENCE, Preau, Scripted, one_room, raw, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ROOM: &str = "seats = 500\nidle = \"10m\"";
/// The end of the good request in front of a bad one.
const GOOD: &str = "GET /gut HTTP/1.1\r\nHost: x\r\n\r\n";
/// What must never be read as a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A portal that takes bodies and says what it got.
fn portal() -> Scripted {
    Scripted::start(|heard, stream| {
        let Some(body) = body(heard, stream) else {
            return false;
        };
        let text = format!("ok {}", String::from_utf8_lossy(&body));
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

/// The body of a request as it came, chunks and all.
fn body(heard: &Heard, stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut body = vec![0; heard.length()];
    if !heard.field("expect").is_empty() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if heard.field("transfer-encoding").is_empty() {
        stream.read_exact(&mut body).ok()?;
        return Some(body);
    }
    let mut byte = [0];
    while !body.ends_with(b"0\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        body.push(byte[0]);
    }
    Some(body)
}

async fn in_front_of(portal: &Scripted) -> Preau {
    Preau::start(&one_room(&portal.url(), ROOM)).await
}

/// Says these bytes on a connection of its own; everything that is answered until it is closed.
async fn say(preau: &Preau, bytes: impl AsRef<[u8]>) -> String {
    let answer = raw(preau.address(), bytes.as_ref()).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers
        .match_indices("HTTP/1.")
        .map(|(at, _)| &answers[at..]);
    lines
        .filter_map(|line| line.get(9..12)?.parse().ok())
        .collect()
}

/// One answer with this status and words of ours.
fn assert_refused(answer: &str, status: u16, what: &str) {
    assert_eq!(statuses(answer), [status], "{what}: {answer}");
    let words = answer.contains("<html lang=\"fr\">") || answer.contains("\"detail\":");
    assert!(words, "{what}: {answer}");
}

/// Refused with `status`, alone and behind a good request, and the portal sees nothing of it.
async fn refuses(preau: &Preau, portal: &Scripted, request: &str, status: u16) {
    let before = portal.heard().len();
    assert_refused(&say(preau, request).await, status, request);
    assert_eq!(portal.heard().len(), before, "{request}");
    let answers = say(preau, format!("{GOOD}{request}")).await;
    assert_eq!(statuses(&answers), [200, status], "{request}: {answers}");
    let heard: Vec<String> = portal.heard()[before..].iter().map(Heard::path).collect();
    assert_eq!(heard, ["/gut"], "{request}");
}

#[tokio::test]
async fn point_01_a_body_that_could_end_in_two_places_is_refused() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    let cases = [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            400,
        ),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: chunked, identity\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", 400),
        ("Transfer-Encoding: \"chunked\"\r\n", 400),
        ("Transfer-Encoding: chunked;a=b\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding : chunked\r\n", 400),
        ("Transfer-Encoding\t: chunked\r\n", 400),
        ("Transfer-Encoding:\x0bchunked\r\n", 400),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", 400),
        ("X: y\nTransfer-Encoding: chunked\r\n", 400),
        ("X: y\rTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", 400),
        ("Content-Length: 3\r\nContent-Length: 38\r\n", 400),
        ("Content-Length: 3, 3\r\n", 400),
        ("Content-Length: +3\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 0x26\r\n", 400),
        ("Content-Length: 3 8\r\n", 400),
        ("Content-Length: \r\n", 400),
        ("Content-Length: 18446744073709551617\r\n", 400),
    ];
    for (fields, status) in cases {
        let request = format!("POST /bad HTTP/1.1\r\nHost: x\r\n{fields}\r\n0\r\n\r\n{SMUGGLED}");
        refuses(&preau, &portal, &request, status).await;
    }
    let old = format!(
        "POST /bad HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
    );
    refuses(&preau, &portal, &old, 400).await;
}

#[tokio::test]
async fn point_01_heads_with_other_line_ends_and_blanks_are_refused() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    for head in [
        "GET /bad HTTP/1.1\nHost: x\n\n",
        "GET /bad HTTP/1.1\r\nHost: x\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: x\r\n\n",
        "GET /bad HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: x\r\nX: a\x7fb\r\n\r\n",
        "GET /bad HTTP/1.1\r\n Host: x\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: x\r\nBad Name: a\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
        "GET  /bad HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /bad  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /bad HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET /bad\x0bHTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /bad\r\nHost: x\r\n\r\n",
        "GET /bad HTTP/1.9\r\nHost: x\r\n\r\n",
        "GET /bad HTTP/3.0\r\nHost: x\r\n\r\n",
        "\r\n\r\nGET /bad HTTP/1.1\r\nHost: x\r\n\r\n",
        "\nGET /bad HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        refuses(&preau, &portal, head, 400).await;
    }
    let forgiven = "\r\nGET /gut HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&say(&preau, forgiven).await), [200]);
}

#[tokio::test]
async fn point_01_chunks_that_break_their_framing_are_refused() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    for body in [
        "z\r\nabc",
        "3\nabc\n0\n\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc",
        "-3\r\nabc\r\n0\r\n\r\n",
        "0\r\nX: y\nZ: a\r\n\r\n",
    ] {
        let request = format!(
            "POST /bad HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}"
        );
        assert_refused(&say(&preau, request).await, 400, body);
    }
    let paths: Vec<String> = portal.heard().iter().map(Heard::path).collect();
    assert!(paths.iter().all(|path| path == "/bad"), "{paths:?}");
}

#[tokio::test]
async fn point_01_each_body_ends_where_it_says_and_the_next_request_begins() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    let length = SMUGGLED.len();
    let one = format!("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}");
    let two = format!(
        "POST /b HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n\
         {length:x};ext=\"1\"\r\n{SMUGGLED}\r\n0\r\nX-End: 1\r\n\r\n"
    );
    let last = "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = say(&preau, format!("{one}{two}{last}")).await;
    assert_eq!(statuses(&answers), [200, 200, 200], "{answers}");
    assert_eq!(answers.matches(SMUGGLED).count(), 2, "as bodies: {answers}");
    let paths: Vec<String> = portal.heard().iter().map(Heard::path).collect();
    assert_eq!(paths, ["/a", "/b", "/c"]);
}

#[tokio::test]
async fn point_02_exactly_one_valid_host() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    for host in [
        "",
        "Host: \r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: a, b\r\n",
        "Host: a:b\r\n",
        "Host: http://a\r\n",
    ] {
        refuses(
            &preau,
            &portal,
            &format!("GET /bad HTTP/1.1\r\n{host}\r\n"),
            400,
        )
        .await;
    }
    let absolute =
        "GET http://ENT.example.fr/gut HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&say(&preau, absolute).await), [200]);
    assert_eq!(portal.last().field("host"), "ENT.example.fr");
    assert_eq!(portal.last().path(), "/gut");
    let nobody = "GET http:///bad HTTP/1.1\r\nHost: a\r\n\r\n";
    refuses(&preau, &portal, nobody, 400).await;
    let named = "GET http://u:p@a/bad HTTP/1.1\r\nHost: a\r\n\r\n";
    refuses(&preau, &portal, named, 400).await;
}

#[tokio::test]
async fn point_03_methods_and_targets_that_are_not_for_the_portal() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    for (request, status) in [
        ("CONNECT x:80 HTTP/1.1\r\nHost: x:80", 405),
        ("TRACE /bad HTTP/1.1\r\nHost: x", 405),
        ("GET * HTTP/1.1\r\nHost: x", 400),
        ("POST * HTTP/1.1\r\nHost: x", 400),
        ("GET bad HTTP/1.1\r\nHost: x", 400),
        ("GET x:80 HTTP/1.1\r\nHost: x", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\nHost: y", 400),
    ] {
        let answer = say(&preau, format!("{request}\r\n\r\n")).await;
        assert_eq!(statuses(&answer), [status], "{request}: {answer}");
        let (_, words) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(words.contains(char::is_alphabetic), "{request}: {answer}");
    }
    let about = "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = say(&preau, about).await;
    assert_eq!(statuses(&answer), [204], "{answer}");
    assert!(answer.contains("\r\nallow: GET, HEAD, POST, "), "{answer}");
    assert!(portal.heard().is_empty(), "{:?}", portal.last().text());
    let page = "OPTIONS /gut HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&say(&preau, page).await), [200]);
    assert_eq!(
        portal.heard().len(),
        1,
        "a question about a page is the portal's"
    );
}

#[tokio::test]
async fn point_05_names_with_an_underscore_are_dropped_and_the_request_goes_on() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    let names = [
        "X_Forwarded_For",
        "x-forwarded_for",
        "_",
        "Content_Length",
        "app_version",
        "X.Real.IP",
    ];
    for name in names {
        let request =
            format!("GET /gut HTTP/1.1\r\nHost: x\r\n{name}: 6\r\nConnection: close\r\n\r\n");
        let answer = say(&preau, request).await;
        assert_eq!(statuses(&answer), [200], "{name}: {answer}");
        assert_eq!(portal.last().field(name), "", "{name}");
    }
    let dropped = preau.metric("preau_fields_dropped_total", &[("why", "underscore")]);
    assert_eq!(dropped.await, names.len() as f64);
}

#[tokio::test]
async fn point_05_an_operator_passes_underscores_but_no_second_name_of_what_matters() {
    let portal = portal();
    let trust = "[trust]\nunderscores = \"pass\"\n";
    let preau = Preau::start(&format!("{trust}{}", one_room(&portal.url(), ROOM))).await;
    let aliases = [
        "X_Forwarded_For",
        "x-remote_user",
        "Content_Length",
        "X.Real.IP",
    ];
    let aliases = aliases.map(|name| format!("{name}: 6\r\n")).concat();
    let request = format!(
        "GET /gut HTTP/1.1\r\nHost: x\r\napp_version: 7\r\n{aliases}Connection: close\r\n\r\n"
    );
    assert_eq!(statuses(&say(&preau, request).await), [200]);
    let heard = portal.last();
    assert_eq!(heard.field("app_version"), "7");
    for gone in [
        "x_forwarded_for",
        "x-remote_user",
        "content_length",
        "x.real.ip",
    ] {
        assert_eq!(heard.field(gone), "", "{gone}");
    }
}

#[tokio::test]
async fn point_07_a_client_of_http_1_0_gets_what_it_understands() {
    let portal = Scripted::start(|heard, stream| {
        let answer = match heard.path().as_str() {
            "/chunks" => "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            _ => "Content-Length: 5\r\n\r\nhello",
        };
        let answer = format!("HTTP/1.1 200 OK\r\n{answer}");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let preau = in_front_of(&portal).await;
    for path in ["/length", "/chunks"] {
        let answer = say(&preau, format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n")).await;
        let lower = answer.to_lowercase();
        assert!(lower.starts_with("http/1.1 200 "), "{answer}");
        assert!(!lower.contains("transfer-encoding"), "{answer}");
        assert!(
            answer.ends_with("\r\n\r\nhello"),
            "whole, and closed: {answer}"
        );
        assert!(portal.last().text().contains(" HTTP/1.1\r\n"));
    }
    let kept = "GET /length HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
    let answers = say(
        &preau,
        format!("{kept}{kept}GET /length HTTP/1.0\r\nHost: x\r\n\r\n"),
    )
    .await;
    assert_eq!(statuses(&answers), [200, 200, 200], "if asked: {answers}");
    let bare = say(&preau, "GET /length HTTP/1.0\r\n\r\n").await;
    assert_eq!(statuses(&bare), [200], "HTTP/1.0 knows no Host: {bare}");
}

#[tokio::test]
async fn point_09_bytes_that_are_not_utf_8_go_through() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    let request = b"GET /gut HTTP/1.1\r\nHost: x\r\nX-Name: Ren\xe9e\r\n\
                    Cookie: a=\xff\xfe\r\nConnection: close\r\n\r\n";
    let answer = say(&preau, request).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let head = portal.last().head;
    let has = |bytes: &[u8]| head.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(b"Ren\xe9e\r\n") && has(b"a=\xff\xfe"), "{head:?}");
    // In an address they are no address (RFC 3986): said so, not changed into another one.
    let answer = say(&preau, b"GET /gut?q=\xe9 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_refused(&answer, 400, "an address");
}

/// A room that is full, so that whoever comes next must wait.
async fn full(portal: &Scripted) -> Preau {
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    preau.visitor("anna", "ent").get("/gut").await;
    preau
}

#[tokio::test]
async fn point_15_expectations() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    let post =
        |more: &str| format!("POST /gut HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n{more}\r\n");
    for wrong in ["Expect: foo\r\n", "Expect: 100-continue, foo\r\n"] {
        let answer = say(&preau, post(wrong)).await;
        assert_eq!(statuses(&answer), [417], "{wrong}: {answer}");
    }
    assert!(portal.heard().is_empty());

    let mut stream = tokio::net::TcpStream::connect(preau.address())
        .await
        .expect("the proxy listens");
    let request = post("Expect: 100-Continue\r\nConnection: close\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it is taken");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.expect("it comes");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"oui").await.expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it comes");
    assert_eq!(statuses(&answer), [200], "{answer}");
    assert_eq!(portal.last().field("expect"), "100-continue");

    let preau = full(&portal).await;
    let answer = say(&preau, post("Expect: 100-continue\r\n")).await;
    assert_eq!(statuses(&answer), [503], "to wait, without a 100: {answer}");
}

#[tokio::test]
async fn point_20_a_body_that_was_not_read_is_never_read_as_a_request() {
    let portal = portal();
    let preau = full(&portal).await;
    let before = portal.heard().len();
    // The waiting answer, a refusal, and an answer of our own corner: none reads the body.
    for (line, status) in [
        ("POST /gut", 503),
        ("POST /a%00b", 400),
        ("TRACE /", 405),
        ("POST /.preau/nothing", 405),
        ("GET /gut", 503),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\n");
        let whole = format!("{head}Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len());
        let unfinished = format!("{head}Content-Length: 100000\r\n\r\n{SMUGGLED}");
        let chunked = format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}",
            SMUGGLED.len() + 1000
        );
        for request in [whole.clone(), unfinished, chunked] {
            let answer = say(&preau, format!("{request}{SMUGGLED}")).await;
            let found = statuses(&answer);
            assert_eq!(found.first(), Some(&status), "{request}: {answer}");
            assert!(!answer.contains("smuggled"), "{request}: {answer}");
            let (head, _) = answer.split_once("\r\n\r\n").unwrap();
            let closes = head.to_lowercase().contains("connection: close");
            assert!(closes || request == whole, "{request}: {answer}");
            // Behind a body that came whole, the next request may be one: it has to wait, too.
            let most = if request == whole { 2 } else { 1 };
            assert!(found.len() <= most, "{request}: {answer}");
        }
    }
    assert_eq!(portal.heard().len(), before, "{}", portal.last().text());
}

#[tokio::test]
async fn point_14_after_an_early_answer_the_upload_ends() {
    let portal = portal();
    let preau = full(&portal).await;
    let stream = tokio::net::TcpStream::connect(preau.address())
        .await
        .expect("the proxy listens");
    let (mut from, mut to) = stream.into_split();
    let upload = tokio::spawn(async move {
        let head = "POST /gut HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n";
        to.write_all(head.as_bytes()).await.expect("it is taken");
        let chunk = vec![b'a'; 64 * 1024];
        let mut sent = 0_u64;
        while to.write_all(&chunk).await.is_ok() {
            sent += chunk.len() as u64;
        }
        sent
    });
    let mut answer = [0; 12];
    from.read_exact(&mut answer).await.expect("an early answer");
    assert_eq!(&answer, b"HTTP/1.1 503");
    let sent = tokio::time::timeout(PATIENCE, upload).await;
    let sent = sent.expect("the upload is ended").expect("by us");
    assert!(sent < 64 << 20, "{sent} bytes were taken in vain");
}

#[tokio::test]
async fn point_30_what_is_too_long_is_named() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    let long = "a".repeat(100_000);
    for (request, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..17_000]),
            414,
        ),
        (format!("GET /{long}"), 414),
        (
            format!("GET /x HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            format!(
                "GET /x HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
                &long[..40_000]
            ),
            431,
        ),
        (
            format!(
                "GET /x HTTP/1.1\r\nHost: x\r\n{}\r\n",
                "X: a\r\n".repeat(101)
            ),
            431,
        ),
        (format!("GET /x HTTP/1.1\r\nHost: x\r\nX: {long}"), 431),
    ] {
        let answer = say(&preau, &request).await;
        assert_eq!(statuses(&answer), [status], "{}", &request[..40]);
        assert!(answer.contains("</html>") || answer.contains("\"detail\""));
    }
    assert!(portal.heard().is_empty());
    let fits = format!(
        "GET /{} HTTP/1.1\r\nHost: x\r\nX: {}\r\nConnection: close\r\n\r\n",
        &long[..16_000],
        &long[..31_000]
    );
    assert_eq!(statuses(&say(&preau, fits).await), [200]);
}

#[tokio::test]
async fn point_31_what_is_not_http_hears_so_and_is_counted() {
    let portal = portal();
    let preau = in_front_of(&portal).await;
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let answer = say(&preau, hello).await;
    assert_refused(&answer, 400, "TLS");
    assert!(
        answer.contains("parle HTTP, et votre logiciel HTTPS"),
        "{answer}"
    );
    assert_refused(
        &say(&preau, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await,
        400,
        "h2",
    );
    assert_refused(&say(&preau, "\0\0\0\0").await, 400, "zeros");
    assert_refused(&say(&preau, "NONSENSE\r\n\r\n").await, 400, "nonsense");
    let counted = preau
        .metric("preau_refusals_total", &[("reason", "plain-port")])
        .await;
    assert_eq!(counted, 1.0);
    let said = preau.printed();
    let said = said.lines().filter(|line| line.contains("TLS came"));
    assert_eq!(
        said.count(),
        1,
        "its operator may have set something up wrongly"
    );
    until("the farewells are over", async || {
        (preau.metric("preau_connections", &[]).await == 0.0).then_some(())
    })
    .await;
}
