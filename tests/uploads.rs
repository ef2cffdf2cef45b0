//! Bodies that take their time: whose time that is, and who is to blame.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use support::{PATIENCE, Preau};

/// The tables of one portal that must answer within a second.
fn tables(portal: SocketAddr) -> String {
    format!(
        r#"
[[portal]]
name = "ent"
servers = ["http://{portal}"]
response_timeout = "1s"
health = {{ path = "/sante", fall = 1 }}

[[room]]
name = "ent"
portal = "ent"
seats = 9
"#
    )
}

#[tokio::test]
async fn a_slow_upload_that_goes_on_is_not_the_servers_fault() {
    let preau = Preau::start(&tables(portal())).await;
    let address = preau.address();
    let answer = blocking(move || {
        let mut visitor = upload(address, "/lent", 12);
        // Twice as long as the server may take.
        for _ in 0..4 {
            visitor.write_all(b"oui").expect("the proxy listens");
            std::thread::sleep(Duration::from_millis(500));
        }
        head(visitor)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(preau.metric("preau_portal_up", &[]).await, 1.0);
}

#[tokio::test]
async fn an_early_answer_comes_at_once() {
    let preau = Preau::start(&tables(portal())).await;
    let address = preau.address();
    let answer = blocking(move || {
        let mut visitor = upload(address, "/trop", 1000);
        visitor.write_all(b"non").expect("the proxy listens");
        head(visitor)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_server_that_has_the_whole_body_must_answer_in_time() {
    let preau = Preau::start(&tables(portal())).await;
    let address = preau.address();
    let answer = blocking(move || {
        let mut visitor = upload(address, "/muet", 3);
        visitor.write_all(b"oui").expect("the proxy listens");
        head(visitor)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
}

async fn blocking(talk: impl FnOnce() -> String + Send + 'static) -> String {
    let talk = tokio::task::spawn_blocking(talk);
    let said = tokio::time::timeout(PATIENCE, talk).await;
    said.expect("in time").expect("it does not panic")
}

/// A visitor whose form of `length` bytes is yet to come.
fn upload(proxy: SocketAddr, path: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).expect("the proxy listens");
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).expect("a limit");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {proxy}\r\nContent-Length: {length}\r\n\r\n"
    )
    .expect("the proxy listens");
    stream
}

/// The first line of the answer.
fn head(stream: TcpStream) -> String {
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line);
    read.expect("an answer comes");
    line
}

/// A portal that reads the whole body, or none of it, or never answers, as the path says.
fn portal() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    // Ends with the process: it holds nothing but this socket.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        }
    }
    let mut body = vec![0; length];
    let status = match path.as_str() {
        "/trop" => "413 Content Too Large",
        "/muet" => {
            // Until the other side has had enough.
            let _ = reader.read_to_end(&mut body);
            return;
        }
        _ => {
            let _ = reader.read_exact(&mut body);
            "200 OK"
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
    let _ = stream.write_all(answer.as_bytes());
    // Held open, as a server that keeps connections would.
    let _ = reader.read(&mut [0; 64]);
}
