//! From http to https.

mod support;

use http::{Method, StatusCode, header};
use support::tls::{Authority, https};
use support::{Answer, Portal, Preau, Unstarted, free_port, one_room, raw, send};

const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

async fn start(portal: &Portal, redirect: &str) -> (Preau, std::net::SocketAddr) {
    let authority = Authority::new();
    let files = authority.issue("ent", &["ent.example.fr"], 2100);
    let (secure, plain) = (free_port(), free_port());
    let room = one_room(&portal.url(), "seats = 5\nhost = \"*.example.fr\"");
    let listeners = https(secure, &[&files]) + "hsts = \"180d\"\n";
    let unstarted = Unstarted::new("");
    // Without a listener that serves plain HTTP.
    let text = format!(
        "admin = \"{}\"\nstate = {:?}\nthreads = 2\n{room}{listeners}\n\
         [[listener]]\naddress = \"{plain}\"\nredirect = \"{redirect}\"\n",
        unstarted.admin(),
        unstarted.state(),
    );
    unstarted.configure(&text);
    (unstarted.start().await, plain)
}

async fn ask(to: std::net::SocketAddr, method: Method, host: &str, path: &str) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, PAGE)
        .body(bytes::Bytes::new())
        .expect("the request is well-formed");
    send(to, request).await.expect("an answer")
}

#[tokio::test]
async fn a_visitor_is_sent_to_the_same_address_over_tls() {
    let portal = Portal::start().await;
    for (redirect, port) in [("https", ""), ("https:8443", ":8443")] {
        let (preau, plain) = start(&portal, redirect).await;
        for (method, status) in [
            (Method::GET, StatusCode::MOVED_PERMANENTLY),
            (Method::HEAD, StatusCode::MOVED_PERMANENTLY),
            // A form stays a form.
            (Method::POST, StatusCode::PERMANENT_REDIRECT),
            (Method::DELETE, StatusCode::PERMANENT_REDIRECT),
        ] {
            let answer = ask(
                plain,
                method.clone(),
                "ENT.example.fr:80",
                "/a%20b?c=d/../e",
            )
            .await;
            assert_eq!(answer.status, status, "{method}");
            let hsts = answer.header(header::STRICT_TRANSPORT_SECURITY);
            assert_eq!(hsts, None, "not over plain HTTP (RFC 6797 §7.2)");
            let to = format!("https://ent.example.fr{port}/a%20b?c=d/../e");
            assert_eq!(answer.header(header::LOCATION), Some(&*to));
            assert!(answer.our_cookies().is_empty());
        }
        preau.stop().await;
    }
    assert!(portal.seen().is_empty(), "the portal sees nothing");
}

#[tokio::test]
async fn nothing_else_is_repeated_to_anybody() {
    let portal = Portal::start().await;
    let (_preau, plain) = start(&portal, "https").await;
    let elsewhere = ask(plain, Method::GET, "evil.test", "/").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    assert_eq!(elsewhere.header(header::LOCATION), None);
    elsewhere.assert_words("a host that is not ours");
    for request in [
        "GET / HTTP/1.1\r\nhost: ent.example.fr/evil.test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: evil.test@ent.example.fr\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: ent.example.fr\r\nhost: evil.test\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let answer = String::from_utf8_lossy(&raw(plain, request.as_bytes()).await).into_owned();
        assert!(
            answer.starts_with("HTTP/1.") && answer.contains(" 40"),
            "{request}: {answer}"
        );
        assert!(!answer.to_lowercase().contains("location:"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_asked_about_the_server_is_not_sent_elsewhere() {
    let portal = Portal::start().await;
    let (_preau, plain) = start(&portal, "https").await;
    let question = b"OPTIONS * HTTP/1.1\r\nHost: ent.example.fr\r\nConnection: close\r\n\r\n";
    let answer = raw(plain, question).await;
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{answer:?}");
}
