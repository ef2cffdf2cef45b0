//! Where a request comes from: points 5 and 34 of the checklist, and what the portal is told.

mod support;

use preau::config::{GUARDED, Guarded, GuardedRow};
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;
use support::{HaProxy, PATIENCE, Portal, Preau, Seen, free_port, one_room, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Where the visitor of these tests sits; the proxies in front of us sit at 127.0.0.1.
const VISITOR: &str = "127.0.0.9";

/// Connects from the visitor's address, sends `bytes`, and reads until the other side closes.
async fn from_visitor(to: SocketAddr, bytes: &[u8]) -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::new(VISITOR.parse().unwrap(), 0);
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(socket.into()).unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(PATIENCE, read).await;
    ended.expect("the connection is closed").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

fn page(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: ent.example.fr\r\nConnection: close\r\n{fields}\r\n")
        .into_bytes()
}

/// What the portal saw last, when it has seen `count` requests.
async fn seen(portal: &Portal, count: usize) -> Seen {
    let last = async || {
        let mut seen = portal.seen();
        (seen.len() == count).then(|| seen.pop())?
    };
    until("the portal has seen the request", last).await
}

fn said<'s>(seen: &'s Seen, field: &str) -> Option<&'s str> {
    seen.headers.get(field).map(String::as_str)
}

/// A proxy with a second listener that wants the PROXY protocol from `sources`.
async fn with_proxy_protocol(portal: &Portal, sources: &str, more: &str) -> (Preau, SocketAddr) {
    let address = free_port();
    let tables = format!(
        "{more}\n[[listener]]\naddress = \"{address}\"\nproxy_from = {sources}\n{}",
        one_room(&portal.url(), "seats = 50")
    );
    (Preau::start(&tables).await, address)
}

#[tokio::test]
async fn point_05_spoofed_origin_fields_are_dropped() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 50")).await;
    let spoofed = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
        X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\
        X-Forwarded-Server: evil\r\nX-Forwarded-User: evil\r\nX-Forwarded-Prefix: /evil\r\n\
        X-Original-URL: /evil\r\nX-Rewrite-URL: /evil\r\nX-Client-IP: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6;host=evil\r\n";
    let answer = from_visitor(preau.address(), &page(spoofed)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = seen(&portal, 1).await;
    assert_eq!(said(&seen, "x-forwarded-for"), Some(VISITOR));
    assert_eq!(said(&seen, "x-forwarded-proto"), Some("http"));
    assert_eq!(said(&seen, "x-forwarded-host"), Some("ent.example.fr"));
    for gone in ["x-real-ip", "x-forwarded-port", "x-forwarded-server"] {
        assert_eq!(said(&seen, gone), None, "{gone}");
    }
    let left: Vec<_> = seen
        .headers
        .iter()
        .filter(|(_, value)| {
            ["6.6.6.6", "7.7.7.7", "evil"]
                .iter()
                .any(|spoof| value.contains(spoof))
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The fields of the table, a name for each that is a beginning, in heads that are short enough.
fn guarded() -> Vec<(String, Guarded)> {
    let of_row = |row: &'static GuardedRow| {
        let names = row.names.iter();
        names.map(|name| (name.replace('*', "-zz"), row.kind))
    };
    GUARDED.iter().flat_map(of_row).collect()
}

/// Which of the guarded fields reach the portal, from the visitor or from a proxy of ours.
async fn reach(preau: &Preau, portal: &Portal, from_proxy: bool) -> Vec<String> {
    let mut reached = Vec::new();
    for names in guarded().chunks(40) {
        let fields = names
            .iter()
            .map(|(name, _)| format!("{name}: evil-6.6.6.6\r\n"));
        let request = page(&fields.collect::<String>());
        let count = portal.seen().len() + 1;
        let answer = match from_proxy {
            true => {
                String::from_utf8_lossy(&support::raw(preau.address(), &request).await).into_owned()
            }
            false => from_visitor(preau.address(), &request).await,
        };
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = seen(portal, count).await;
        let evil = seen
            .headers
            .iter()
            .filter(|(_, value)| value.contains("evil"));
        reached.extend(evil.map(|(name, _)| name.clone()));
    }
    reached.sort();
    reached
}

#[tokio::test]
async fn point_05_who_speaks_is_said_by_proxies_of_ours_and_what_changes_a_request_by_nobody() {
    let portal = Portal::start().await;
    let trust = "[trust]\nproxies = \"127.0.0.1\"\n";
    let preau = Preau::start(&format!("{trust}{}", one_room(&portal.url(), "seats = 50"))).await;
    assert_eq!(
        reach(&preau, &portal, false).await,
        [""; 0],
        "from a stranger"
    );

    let ours = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    let speaks = |(_, kind): &(String, Guarded)| *kind == Guarded::Speaker;
    let mut speaking: Vec<String> = guarded()
        .into_iter()
        .filter(speaks)
        .map(|it| it.0)
        .collect();
    speaking.retain(|name| !ours.contains(&&**name));
    speaking.sort();
    assert_eq!(
        reach(&preau, &portal, true).await,
        speaking,
        "from a proxy of ours"
    );
    for (why, kind) in [("proxy", Guarded::Never), ("override", Guarded::Override)] {
        let of_kind = guarded().iter().filter(|(_, it)| *it == kind).count();
        let dropped = preau
            .metric("preau_fields_dropped_total", &[("why", why)])
            .await;
        assert_eq!(dropped, 2.0 * of_kind as f64, "{why}");
    }
}

#[tokio::test]
async fn point_05_an_operator_guards_more_fields_and_lets_some_pass() {
    let portal = Portal::start().await;
    let trust = "[trust]\nguard = [\"X-Profile\", \"x-ent-*\"]\n\
        pass = [\"X-HTTP-Method-Override\", \"cf-*\"]\n";
    let preau = Preau::start(&format!("{trust}{}", one_room(&portal.url(), "seats = 50"))).await;
    let fields = "X-Profile: a\r\nX-Ent-Rne: b\r\nX-Other: c\r\nCF-IPCountry: FR\r\n\
        X-HTTP-Method-Override: PATCH\r\nX-Method-Override: PATCH\r\n";
    from_visitor(preau.address(), &page(fields)).await;
    let seen = seen(&portal, 1).await;
    for (field, value) in [
        ("x-profile", None),
        ("x-ent-rne", None),
        ("x-other", Some("c")),
        ("cf-ipcountry", Some("FR")),
        ("x-http-method-override", Some("PATCH")),
        ("x-method-override", None),
    ] {
        assert_eq!(said(&seen, field), value, "{field}");
    }
}

/// An address that is open for one method is not open to whoever asks for another one in a field.
#[tokio::test]
async fn point_05_what_goes_around_the_room_is_not_what_a_field_makes_of_it() {
    let portal = Portal::start().await;
    let trust = "[trust]\npass = \"X-HTTP-Method-Override\"\n";
    let room = "seats = 1\nidle = \"10m\"\nfirst_idle = \"10m\"\n\
        open = [{ path = \"/public/**\", method = \"GET\" }]";
    let preau = Preau::start(&format!("{trust}{}", one_room(&portal.url(), room))).await;
    preau.visitor("anna", "ent").get("/espace").await;
    let ask = async |fields: &str| {
        let request = format!(
            "GET /public/x HTTP/1.1\r\nHost: ent.example.fr\r\nConnection: close\r\n{fields}\r\n"
        );
        from_visitor(preau.address(), request.as_bytes()).await
    };
    assert!(!ask("").await.starts_with("HTTP/1.1 503"), "open");
    let changed = ask("X-HTTP-Method-Override: DELETE\r\n").await;
    assert!(changed.starts_with("HTTP/1.1 503"), "waits: {changed}");
}

#[tokio::test]
async fn point_05_a_proxy_that_is_named_is_believed_and_nobody_else() {
    let portal = Portal::start().await;
    let trust = "[trust]\nproxies = [\"127.0.0.1\"]\n";
    let tables = format!("{trust}{}", one_room(&portal.url(), "seats = 50"));
    let preau = Preau::start(&tables).await;
    let frontend =
        "mode http\n  option forwardfor\n  http-request set-header X-Forwarded-Proto https";
    let haproxy = HaProxy::start(frontend, preau.address(), "").await;
    let spoofed = page("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\n");

    let answer = from_visitor(haproxy.address(), &spoofed).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let through = seen(&portal, 1).await;
    let way = format!("{VISITOR}, 127.0.0.1");
    assert_eq!(said(&through, "x-forwarded-for"), Some(way.as_str()));
    assert_eq!(said(&through, "x-forwarded-proto"), Some("https"));

    from_visitor(preau.address(), &spoofed).await;
    let past = seen(&portal, 2).await;
    assert_eq!(said(&past, "x-forwarded-for"), Some(VISITOR));
    assert_eq!(said(&past, "x-forwarded-proto"), Some("http"));
}

#[tokio::test]
async fn point_34_haproxy_names_the_visitor_in_both_versions() {
    let portal = Portal::start().await;
    let (preau, address) = with_proxy_protocol(&portal, "[\"127.0.0.1\"]", "").await;
    for (count, server) in [(1, "send-proxy"), (2, "send-proxy-v2 check inter 100ms")] {
        let haproxy = HaProxy::start("mode tcp", address, server).await;
        let answer = from_visitor(haproxy.address(), &page("X-Forwarded-For: 6.6.6.6\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{server}: {answer}");
        let seen = seen(&portal, count).await;
        assert_eq!(said(&seen, "x-forwarded-for"), Some(VISITOR), "{server}");
    }
    assert_eq!(preau.counted("preau_connections_unnamed_total").await, 0.0);
}

#[tokio::test]
async fn point_34_a_listener_that_wants_the_header_takes_nothing_else() {
    let portal = Portal::start().await;
    let (preau, address) = with_proxy_protocol(&portal, "[\"127.0.0.0/30\"]", "").await;
    // Not from a source, though it says who it is.
    let named = [b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n", &page("")[..]].concat();
    let answer = from_visitor(address, &named).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("</html>"),
        "{answer}"
    );
    // From a source, but without a header, with a broken one, with one that is too long.
    let long = [b"PROXY TCP4 ", &[b'1'; 4000][..]].concat();
    for bytes in [&page("")[..], b"PROXY TCP9 1 2 3 4\r\n", &long] {
        let answer = support::raw(address, bytes).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(portal.seen().len(), 0, "the portal sees nothing of it");
    assert_eq!(preau.counted("preau_connections_unnamed_total").await, 4.0);
    // This machine has its whole name, whatever is done with visitors'.
    let said = preau.printed();
    let line = said
        .lines()
        .find(|line| line.contains("no connection from"));
    let line = line.expect("it is said");
    assert!(
        line.contains(VISITOR) && line.contains("proxy_from"),
        "{line}"
    );
}

/// At a school, a private address is a pupil's.
#[tokio::test]
async fn the_log_has_no_whole_address_of_a_visitor_at_the_wrong_port() {
    let portal = Portal::start().await;
    for (addresses, written) in [
        ("truncated", "10.3.7.0"),
        ("hidden", "-"),
        ("full", "10.3.7.41"),
    ] {
        let log = format!("[log]\naddresses = \"{addresses}\"");
        let (preau, address) = with_proxy_protocol(&portal, "[\"127.0.0.0/8\"]", &log).await;
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        let named = [b"PROXY TCP4 10.3.7.41 10.0.0.1 1 2\r\n", &hello[..]].concat();
        let answer = from_visitor(address, &named).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let said = preau.printed();
        let line = said.lines().find(|line| line.contains("TLS came"));
        let line = line.expect("it is said");
        assert!(line.contains(&format!("from={written}")), "{line}");
        assert_eq!(said.contains("10.3.7.41"), addresses == "full", "{said}");
    }
}

#[tokio::test]
async fn a_proxy_that_the_file_does_not_name_is_told_of_once() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 50")).await;
    let asked = async |count: u32, field: &dyn Fn(u32) -> String| {
        for number in 0..count {
            let answer = from_visitor(preau.address(), &page(&field(number))).await;
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        }
    };
    let lines = || {
        let printed = preau.printed();
        let lines = printed
            .lines()
            .filter(|line| line.contains("is not believed"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // One who speaks for one, and a few who speak for several.
    asked(40, &|_| "X-Forwarded-For: 192.0.2.1\r\n".to_owned()).await;
    asked(10, &|n| format!("X-Forwarded-For: 192.0.2.{n}\r\n")).await;
    assert_eq!(lines(), Vec::<String>::new());
    asked(40, &|n| format!("X-Forwarded-For: 192.0.2.{n}\r\n")).await;
    let said = lines();
    assert_eq!(said.len(), 1, "{said:?}");
    let missing = format!("in [trust]: proxies = [\"{VISITOR}\"]");
    assert!(said[0].contains(&missing), "{said:?}");
}

#[tokio::test]
async fn point_34_a_header_that_does_not_come_is_not_waited_for() {
    let portal = Portal::start().await;
    let limits = "[limits]\nhandshake_timeout = \"1s\"";
    let (preau, address) = with_proxy_protocol(&portal, "[\"127.0.0.0/8\"]", limits).await;
    for begun in [
        &b""[..],
        b"PROXY TCP4 192.0.2.1",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00",
    ] {
        let answer = from_visitor(address, begun).await;
        assert!(!answer.contains("200"), "{answer}");
    }
    assert_eq!(preau.counted("preau_connections_unnamed_total").await, 3.0);
}

/// What `deploy/README.md` says of HAProxy is what is run here, but for the addresses.
#[tokio::test]
async fn haproxy_as_deploy_has_it_finds_us_up_and_takes_no_seat() {
    let readme = include_str!("../deploy/README.md");
    let (_, block) = readme.split_once("\nbackend preau\n").expect("the backend");
    let (block, _) = block.split_once("```").expect("its end");
    let is_server = |line: &&str| line.trim_start().starts_with("server ");
    let server = block.lines().find(is_server).expect("a server");
    let (_, options) = server.split_once("127.0.0.1:8080 ").expect("our address");
    let rest: Vec<&str> = block.lines().filter(|line| !is_server(line)).collect();
    let backend = format!("mode http\n{}", rest.join("\n"));

    let portal = Portal::start().await;
    let (preau, address) = with_proxy_protocol(&portal, "[\"127.0.0.1\"]", "").await;
    // Checked often, so that the test sees many checks, and without TLS, which the frontend speaks there.
    let options = options.replace("send-proxy-v2-ssl", "send-proxy-v2") + " inter 20ms";
    let haproxy = HaProxy::start(&backend, address, &options).await;
    let answer = from_visitor(haproxy.address(), &page("")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let checked = async || {
        let checks = preau.counted("preau_health_questions_total").await;
        (checks >= 10.0).then_some(())
    };
    until("HAProxy has checked us ten times", checked).await;
    let answer = from_visitor(haproxy.address(), &page("")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "it is taken for up: {answer}"
    );
    assert!(preau.metric("preau_room_seats_taken", &[]).await <= 2.0);
    assert_eq!(portal.seen().len(), 2, "no check reaches the portal");
}
