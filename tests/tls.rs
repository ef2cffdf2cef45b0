//! TLS to visitors: which certificate, which version, which protocol, and sessions that go on.

mod support;

use http::StatusCode;
use rustls::{HandshakeKind, ProtocolVersion, version};
use std::net::SocketAddr;
use support::tls::{Authority, Client, Files, der, https, shown};
use support::{Portal, Preau, free_port, one_room, raw};

/// Far enough.
const LATER: i32 = 2100;

async fn start(portal: &Portal, tables: &str) -> Preau {
    let room = "seats = 50\nopen = [\"/\", \"/lent\"]";
    Preau::start(&format!("{}{tables}", one_room(&portal.url(), room))).await
}

fn one(authority: &Authority) -> (SocketAddr, Files) {
    (
        free_port(),
        authority.issue("ent", &["ent.example.fr"], LATER),
    )
}

#[tokio::test]
async fn the_host_that_is_named_chooses_the_certificate() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let address = free_port();
    let first = authority.issue("first", &["ent.example.fr", "10.0.0.1"], LATER);
    let wild = authority.issue("wild", &["*.lycees.fr"], LATER);
    let exact = authority.issue("exact", &["tilleuls.lycees.fr"], LATER);
    let _preau = start(&portal, &https(address, &[&first, &wild, &exact])).await;
    let client = Client::new(&authority, &[]);
    for (host, files) in [
        ("ent.example.fr", &first),
        ("ENT.example.fr", &first),
        ("roses.lycees.fr", &wild),
        ("tilleuls.lycees.fr", &exact),
        // An address is not named: whoever asks for one sees the first.
        ("10.0.0.1", &first),
    ] {
        let stream = client.connect(address, host).await.expect(host);
        assert_eq!(shown(&stream), der(&files.cert), "{host}");
    }
    for unknown in ["a.b.lycees.fr", "lycees.fr", "elsewhere.fr"] {
        let refused = client.connect(address, unknown).await.unwrap_err();
        let words = refused.to_string();
        assert!(words.contains("not valid for name"), "{unknown}: {words}");
    }
}

#[tokio::test]
async fn only_tls_1_2_and_1_3_are_spoken() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let _preau = start(&portal, &https(address, &[&files])).await;
    for version in [&version::TLS12, &version::TLS13] {
        let client = Client::with_versions(&authority, &[], &[version]);
        let stream = client.connect(address, "ent.example.fr").await.unwrap();
        let spoken = stream.get_ref().1.protocol_version();
        assert_eq!(spoken, Some(version.version));
    }
    // What TLS 1.0 and 1.1 begin with, and SSL 3: no library of ours still speaks them.
    for minor in [0, 1, 2] {
        let answer = raw(address, &client_hello(minor)).await;
        // A fatal alert and nothing else, "protocol version" or "handshake failure" (RFC 8446 §6).
        assert_eq!(
            (answer.len(), answer[0], answer[5]),
            (7, 21, 2),
            "{answer:?}"
        );
        assert!([40, 70].contains(&answer[6]), "{answer:?}");
    }
}

#[tokio::test]
async fn the_oldest_version_can_be_raised() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let tables = https(address, &[&files]) + "min_version = \"1.3\"\n";
    let _preau = start(&portal, &tables).await;
    let old = Client::with_versions(&authority, &[], &[&version::TLS12]);
    assert!(old.connect(address, "ent.example.fr").await.is_err());
    let new = Client::new(&authority, &[]);
    let stream = new.connect(address, "ent.example.fr").await.unwrap();
    let spoken = stream.get_ref().1.protocol_version();
    assert_eq!(spoken, Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn the_protocol_is_agreed_on() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let preau = start(&portal, &https(address, &[&files])).await;
    let agreed = async |alpn: &[&str]| {
        let client = Client::new(&authority, alpn);
        let stream = client.connect(address, "ent.example.fr").await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        Ok::<_, std::io::Error>(agreed.map(<[u8]>::to_vec))
    };
    let both = agreed(&["http/1.1", "h2"]).await.unwrap();
    assert_eq!(both.as_deref(), Some(&b"h2"[..]));
    let old = agreed(&["http/1.1"]).await.unwrap();
    assert_eq!(old.as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(agreed(&[]).await.unwrap(), None);
    assert!(agreed(&["spdy/3"]).await.is_err(), "nothing in common");
    preau.stop().await;

    let tables = https(address, &[&files]) + "http2 = false\n";
    let _preau = start(&portal, &tables).await;
    let switched_off = agreed(&["h2", "http/1.1"]).await.unwrap();
    assert_eq!(switched_off.as_deref(), Some(&b"http/1.1"[..]));
}

/// The system spreads connections over the threads: of twenty, some are on the other one.
#[tokio::test]
async fn whoever_comes_back_resumes_on_any_thread_and_after_a_reload() {
    const TIMES: usize = 20;
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let preau = start(&portal, &https(address, &[&files])).await;
    for version in [&version::TLS12, &version::TLS13] {
        let client = Client::with_versions(&authority, &[], &[version]);
        let came = async || client.get_by(address, "ent.example.fr", "/").await.1;
        assert_eq!(came().await, Some(HandshakeKind::Full));
        for _ in 0..TIMES {
            assert_eq!(came().await, Some(HandshakeKind::Resumed));
        }
        authority.issue("ent", &["ent.example.fr"], LATER);
        reload(&preau).await;
        assert_eq!(came().await, Some(HandshakeKind::Resumed));
    }
    let resumed = [("result", "resumed")];
    let counted = preau.metric("preau_tls_handshakes_total", &resumed).await;
    assert_eq!(counted, 2.0 * (TIMES + 1) as f64);
}

#[tokio::test]
async fn point_33_early_data_is_not_taken() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let _preau = start(&portal, &https(address, &[&files])).await;
    let client = Client::new(&authority, &[]).with(|config| config.enable_early_data = true);
    client.get(address, "ent.example.fr", "/").await;
    assert!(!client.would_send_early("ent.example.fr"));
    let again = client.get_by(address, "ent.example.fr", "/").await;
    assert_eq!(again.1, Some(HandshakeKind::Resumed), "it was a session");
}

#[tokio::test]
async fn point_26_a_handshake_has_its_time() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let tables = https(address, &[&files]) + "[limits]\nhandshake_timeout = \"1s\"\n";
    let preau = start(&portal, &tables).await;
    // Nothing, and half a greeting: both are closed, and counted.
    assert!(raw(address, b"").await.is_empty());
    assert!(raw(address, &client_hello(3)[..20]).await.is_empty());
    support::until("both are counted", async || {
        let late = [("result", "late")];
        let counted = preau.metric("preau_tls_handshakes_total", &late).await;
        (counted == 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn point_32_a_host_that_the_certificate_is_not_for_is_misdirected() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let address = free_port();
    let wild = authority.issue("wild", &["*.lycees.fr", "lycees.fr"], LATER);
    let other = authority.issue("other", &["ent.example.fr"], LATER);
    let preau = start(&portal, &https(address, &[&wild, &other])).await;
    let client = Client::new(&authority, &[]);
    let ask = async |named: &str, host: &str| {
        let stream = client.connect(address, named).await.expect(named);
        support::tls::ask(stream, host, "/").await
    };
    for (named, host) in [
        ("roses.lycees.fr", "roses.lycees.fr:8443"),
        ("roses.lycees.fr", "Tilleuls.lycees.fr."),
        ("lycees.fr", "roses.lycees.fr"),
        ("ent.example.fr", "ent.example.fr"),
    ] {
        let answer = ask(named, host).await;
        assert_eq!(answer.status, StatusCode::OK, "{named} {host}");
    }
    let before = portal.seen().len();
    for (named, host) in [
        ("roses.lycees.fr", "ent.example.fr"),
        ("ent.example.fr", "lycees.fr"),
        ("roses.lycees.fr", "a.b.lycees.fr"),
        ("ent.example.fr", "elsewhere.fr"),
    ] {
        let answer = ask(named, host).await;
        assert_eq!(
            answer.status,
            StatusCode::MISDIRECTED_REQUEST,
            "{named} {host}"
        );
        answer.assert_words(host);
    }
    assert_eq!(portal.seen().len(), before, "the portal sees nothing");
    let refused = [("reason", "other-connection")];
    assert_eq!(preau.metric("preau_refusals_total", &refused).await, 4.0);
}

#[tokio::test]
async fn whoever_does_not_fit_is_told_so_over_tls() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let tables = https(address, &[&files]) + "[limits]\nconnections = 1\n";
    let _preau = start(&portal, &tables).await;
    let both = Client::new(&authority, &["h2", "http/1.1"]);
    let _first = both.connect(address, "ent.example.fr").await.unwrap();
    let client = Client::new(&authority, &["http/1.1"]);
    let answer = client.get(address, "ent.example.fr", "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    answer.assert_words("one too many");
}

#[tokio::test]
async fn whoever_speaks_without_tls_is_told_so() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let _preau = start(&portal, &https(address, &[&files])).await;
    let request = b"GET / HTTP/1.1\r\nhost: ent.example.fr\r\n\r\n";
    let answer = String::from_utf8_lossy(&raw(address, request).await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("</html>"), "with words: {answer}");
}

/// Without TLS, at a port that speaks it: in words, with the address that was meant where that is ours.
#[tokio::test]
async fn whoever_forgets_the_s_is_told_the_right_address() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let (address, files) = one(&authority);
    let room = "seats = 50\nhost = \"ent.example.fr\"";
    let tables = one_room(&portal.url(), room) + &https(address, &[&files]);
    let preau = Preau::start(&tables).await;
    let told = async |head: &str| {
        let request = format!("{head}Connection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&raw(address, request.as_bytes()).await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head}: {answer}");
        assert!(!answer.to_lowercase().contains("\r\nlocation"), "{answer}");
        answer.replace("&#x2f;", "/")
    };
    let meant = "href=\"https://ent.example.fr:8443/cours/12?a=b\"";
    let page = told("GET /cours/12?a=b HTTP/1.1\r\nHost: ent.example.fr:8443\r\n").await;
    assert!(
        page.contains("parle HTTPS, et votre logiciel HTTP"),
        "{page}"
    );
    assert!(page.contains(meant), "{page}");
    let english = "GET / HTTP/1.1\r\nHost: ENT.example.fr\r\nAccept-Language: en\r\n";
    let page = told(english).await;
    assert!(
        page.contains("This port speaks HTTPS, and your software HTTP"),
        "{page}"
    );
    assert!(page.contains("href=\"https://ent.example.fr/\""), "{page}");
    // Of what is not ours, or was not to be read, nothing is repeated.
    for head in [
        "GET /x HTTP/1.1\r\nHost: evil.example\r\n",
        "GET /x HTTP/1.1\r\n",
        "GET /x HTTP/1.1\r\nHost: ent.example.fr\r\nHost: evil.example\r\n",
        "POST /x HTTP/1.1\r\nHost: ent.example.fr\r\nContent-Length: 2\r\n",
    ] {
        let page = told(head).await;
        assert!(!page.contains("href=\"https:"), "{head}: {page}");
        assert!(page.contains("parle HTTPS"), "{head}: {page}");
    }
    let counted = preau.metric("preau_refusals_total", &[("reason", "tls-port")]);
    assert_eq!(counted.await, 6.0);
    let said = preau.printed();
    let said: Vec<&str> = (said
        .lines()
        .filter(|line| line.contains("without TLS came")))
    .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    let listener = address.to_string();
    assert!(
        said[0].contains(&listener) && said[0].contains("127.0.0.1"),
        "{said:?}"
    );
}

/// Asks for a reload and waits until a certificate was looked at.
async fn reload(preau: &Preau) {
    let taken = [("result", "taken")];
    let count = async || {
        preau
            .metric("preau_certificate_reloads_total", &taken)
            .await
    };
    let before = count().await;
    preau.ask_to_reload();
    support::until("the certificate was taken", async || {
        (count().await > before).then_some(())
    })
    .await;
}

/// The greeting of a visitor who speaks nothing later than version 3.`minor` (RFC 5246 §7.4.1.2).
fn client_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session; two suites of that time; no compression.
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).expect("it is short");
    let mut record = vec![22, 3, minor.min(1), 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}
