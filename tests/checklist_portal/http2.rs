//! HTTP/2 to portals: by ALPN, within what the server allows, and sent again only where the server
//! says that it has not worked on it (point 24).

use crate::support::tls::{Authority, Files};
use crate::support::{Nginx, PATIENCE, Preau, until};
use crate::{ask_text, assert_words, get, tables};
use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const NAME: &str = "ent.example.fr";

fn keys(authority: &Authority) -> String {
    let ca = authority.root_file().display().to_string();
    format!("http2 = true\nca = {ca:?}\ntls_name = \"{NAME}\"\nslots = 100")
}

/// Without the number of threads that the harness sets.
async fn one_thread(address: SocketAddr, authority: &Authority) -> Preau {
    let proxy = crate::support::Unstarted::new("");
    let (listen, admin, state) = (proxy.address(), proxy.admin(), proxy.state());
    let tables = tables(&format!("https://{address}"), &keys(authority));
    proxy.configure(&format!(
        "listen = \"{listen}\"\nadmin = \"{admin}\"\nstate = {state:?}\nthreads = 1\n{tables}"
    ));
    proxy.start().await
}

#[tokio::test]
async fn requests_share_a_connection_to_nginx() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    let nginx = Nginx::start("ssl http2", Some(&pair), "").await;
    let preau = one_thread(nginx.address(), &authority).await;
    let asked = (0..20).map(|_| ask_text(&preau, get("/")));
    for answer in futures(asked).await {
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("bonjour"),
            "{answer}"
        );
    }
    let seen = nginx.seen();
    assert_eq!(seen.len(), 20);
    assert!(
        seen.iter()
            .all(|line| line[1] == "HTTP/2.0" && line[3] == "ent.fr"),
        "{seen:?}"
    );
    let connections: HashSet<&str> = seen.iter().map(|line| line[2].as_str()).collect();
    assert_eq!(connections.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn a_server_without_http_2_is_spoken_to_as_before() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    let nginx = Nginx::start("ssl", Some(&pair), "").await;
    let preau = one_thread(nginx.address(), &authority).await;
    for _ in 0..3 {
        assert!(ask_text(&preau, get("/")).await.contains("bonjour"));
    }
    let seen = nginx.seen();
    assert!(seen.iter().all(|line| line[1] == "HTTP/1.1"), "{seen:?}");
    let connections: HashSet<&str> = seen.iter().map(|line| line[2].as_str()).collect();
    assert_eq!(connections.len(), 1, "kept: {seen:?}");
}

#[tokio::test]
async fn a_busy_connection_ends_when_it_is_old() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    let nginx = Nginx::start("ssl http2", Some(&pair), "").await;
    let keys = format!("{}\nkeep_age = \"300ms\"", keys(&authority));
    let preau = Preau::start(&tables(&format!("https://{}", nginx.address()), &keys)).await;
    // Two threads have a connection each, which is never idle for long.
    until("connections are made anew", async || {
        assert!(ask_text(&preau, get("/")).await.contains("bonjour"));
        let seen = nginx.seen();
        let connections: HashSet<&str> = seen.iter().map(|line| line[2].as_str()).collect();
        assert!(
            seen.len() < 900,
            "nginx itself ends a connection after 1000"
        );
        (connections.len() >= 5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_websocket_goes_by_http_1() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    let nginx = Nginx::start("ssl http2", Some(&pair), "").await;
    let preau = one_thread(nginx.address(), &authority).await;
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\n\
                   Upgrade: websocket\r\n\r\n";
    assert!(ask_text(&preau, upgrade).await.contains("bonjour"));
    assert!(ask_text(&preau, get("/")).await.contains("bonjour"));
    let seen = nginx.seen();
    assert_eq!(
        (seen[0][1].as_str(), seen[0][7].as_str()),
        ("HTTP/1.1", "websocket")
    );
    assert_eq!(seen[1][1], "HTTP/2.0");
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// A server that speaks HTTP/2 and does to each request what a test wants.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answer = SendResponse<Bytes>;

impl Server {
    /// `script` gets the number of the request, over all connections, and the request; it returns
    /// whether the connection is to be closed gently (GOAWAY).
    async fn start(
        pair: &Files,
        streams: u32,
        script: impl Fn(usize, Request<h2::RecvStream>, Answer) -> bool + Send + Sync + 'static,
    ) -> Server {
        let certificate = CertificateDer::from_pem_file(&pair.cert).expect("it was written");
        let key = PrivateKeyDer::from_pem_file(&pair.key).expect("it was written");
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (asked.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, log, script) = (acceptor.clone(), log.clone(), script.clone());
                tokio::spawn(async move {
                    serve(socket, acceptor, streams, &log, &*script).await;
                });
            }
        });
        Server { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn serve(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    streams: u32,
    log: &Mutex<Vec<String>>,
    script: &(dyn Fn(usize, Request<h2::RecvStream>, Answer) -> bool + Send + Sync),
) {
    let Ok(stream) = acceptor.accept(socket).await else {
        return;
    };
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(streams);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    while let Some(Ok((request, answer))) = connection.accept().await {
        if request.uri().path() == "/sante" {
            say(answer, "good");
            continue;
        }
        let number = {
            let mut log = log.lock().expect("no panic");
            log.push(format!("{} {}", request.method(), request.uri()));
            log.len() - 1
        };
        if script(number, request, answer) {
            connection.graceful_shutdown();
        }
    }
}

fn say(mut answer: Answer, body: &'static str) {
    let sent = answer.send_response(Response::new(()), false);
    let mut stream = sent.expect("the connection is open");
    let sent = stream.send_data(Bytes::from_static(body.as_bytes()), true);
    sent.expect("the connection is open");
}

#[tokio::test]
async fn point_24_what_a_server_refused_unseen_is_sent_again() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    let server = Server::start(&pair, 100, |number, request, mut answer| {
        match request.uri().path() {
            "/worked-on" => answer.send_reset(Reason::INTERNAL_ERROR),
            _ if number == 0 || request.uri().path() == "/never" => {
                answer.send_reset(Reason::REFUSED_STREAM);
            }
            _ => say(answer, "good"),
        }
        false
    })
    .await;
    let preau = one_thread(server.address, &authority).await;
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: ent.fr\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
    };
    let answer = ask_text(&preau, post("/refused", "")).await;
    assert!(
        answer.ends_with("\r\n\r\ngood") || answer.contains("\r\ngood\r\n"),
        "{answer}"
    );
    let asked = server.asked();
    let target = "POST https://ent.fr/refused".to_owned();
    assert_eq!(asked, [target.clone(), target], "the host is the authority");

    assert_words(
        &ask_text(&preau, post("/never", "")).await,
        502,
        "refused twice",
    );
    assert_eq!(server.asked().len(), 4, "only once more");
    assert_words(
        &ask_text(&preau, post("/never", "body")).await,
        502,
        "with a body",
    );
    assert_eq!(server.asked().len(), 5, "a body has gone");
    assert_words(
        &ask_text(&preau, post("/worked-on", "")).await,
        502,
        "a form",
    );
    assert_words(&ask_text(&preau, get("/worked-on")).await, 502, "a page");
    assert_eq!(server.asked().len(), 7, "never again");
}

#[tokio::test]
async fn point_24_a_server_that_says_goodbye_loses_nobody() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    let server = Server::start(&pair, 100, |number, _, answer| {
        say(answer, "good");
        number % 3 == 2
    })
    .await;
    let preau = one_thread(server.address, &authority).await;
    for n in 0..20 {
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let answer = ask_text(&preau, post).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{n}: {answer}");
    }
    assert_eq!(server.asked().len(), 20, "each once");
}

#[tokio::test]
async fn no_more_streams_than_the_server_allows() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    // They wait for each other: with four, two connections of two streams are needed.
    let waiting = Arc::new(Mutex::new(Vec::new()));
    let server = Server::start(&pair, 2, move |_, request, answer| {
        let mut waiting = waiting.lock().expect("no panic");
        match request.uri().path() {
            "/first" => say(answer, "good"),
            _ => waiting.push(answer),
        }
        if waiting.len() == 4 {
            waiting.drain(..).for_each(|answer| say(answer, "good"));
        }
        false
    })
    .await;
    let preau = one_thread(server.address, &authority).await;
    // Now the server's settings are known.
    assert!(ask_text(&preau, get("/first")).await.contains("good"));
    let asked = (0..4).map(|_| ask_text(&preau, get("/")));
    let answers = tokio::time::timeout(PATIENCE, futures(asked)).await;
    for answer in answers.expect("nobody waits behind another") {
        assert!(answer.contains("good"), "{answer}");
    }
}

#[tokio::test]
async fn point_17_trailers_and_point_12_truncation_come_through_from_http_2() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &[NAME], 2090);
    let server = Server::start(&pair, 100, |_, request, mut answer| {
        assert_eq!(request.method(), Method::GET);
        let response = Response::builder().header("trailer", "x-sum");
        let sent = answer.send_response(response.body(()).expect("valid"), false);
        let mut stream = sent.expect("the connection is open");
        let data = stream.send_data(Bytes::from_static(b"good"), false);
        data.expect("the connection is open");
        match request.uri().path() {
            "/cut" => stream.send_reset(Reason::INTERNAL_ERROR),
            // No end, whatever the reason: only END_STREAM is one.
            "/cut-without-an-error" => stream.send_reset(Reason::NO_ERROR),
            _ => {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", "7".parse().expect("a value"));
                trailers.insert("set-cookie", "a=1".parse().expect("a value"));
                stream
                    .send_trailers(trailers)
                    .expect("the connection is open");
            }
        }
        false
    })
    .await;
    let preau = one_thread(server.address, &authority).await;
    let asked = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n";
    let answer = ask_text(&preau, asked).await;
    assert!(
        answer.ends_with("4\r\ngood\r\n0\r\nx-sum: 7\r\n\r\n"),
        "{answer}"
    );
    let plain = ask_text(&preau, get("/")).await;
    assert!(plain.ends_with("4\r\ngood\r\n0\r\n\r\n"), "{plain}");
    for path in ["/cut", "/cut-without-an-error"] {
        let cut = ask_text(&preau, get(path)).await;
        assert!(!cut.ends_with("0\r\n\r\n"), "no last chunk: {cut}");
    }
}
