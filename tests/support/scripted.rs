//! A portal that says, byte for byte, what a test wants: for what a real server would tidy.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a scripted portal waits for bytes before it gives up.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_MAX: usize = 64 * 1024;

/// A running scripted portal. It ends with the process: it holds nothing but its sockets.
pub struct Scripted {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// One request as it came, without those for `/sante`, which are answered by themselves.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Which connection it came over, from 0.
    pub connection: usize,
    /// Its head, with the empty line.
    pub head: Vec<u8>,
}

impl Scripted {
    /// Starts one: `script` answers each request as it likes and says whether it wants another
    /// on the same connection; otherwise the connection is closed.
    pub fn start(
        script: impl Fn(&Heard, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::at(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// The same at this address.
    pub fn at(
        address: SocketAddr,
        script: impl Fn(&Heard, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind(address).expect("the port is free");
        let address = listener.local_addr().expect("it is bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        let script = Arc::new(script);
        let count = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, log, count) = (script.clone(), log.clone(), count.clone());
                std::thread::spawn(move || serve(stream, &*script, &log, &count));
            }
        });
        Scripted { address, heard }
    }

    /// Always the same answer, on connections that are kept.
    pub fn saying(answer: impl Into<Vec<u8>>) -> Scripted {
        let answer = answer.into();
        Scripted::start(move |_, stream| stream.write_all(&answer).is_ok())
    }

    /// `http://127.0.0.1:port`, for the configuration of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order of arrival.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no script panics").clone()
    }

    /// The last request.
    pub fn last(&self) -> Heard {
        self.heard().pop().expect("a request has come")
    }
}

impl Heard {
    /// The head as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// The path.
    pub fn path(&self) -> String {
        let text = self.text();
        text.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Every value of a field, in order.
    pub fn fields(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }

    /// The one value of a field; empty if there is none.
    pub fn field(&self, name: &str) -> String {
        let mut all = self.fields(name);
        assert!(all.len() <= 1, "{name} once: {all:?}");
        all.pop().unwrap_or_default()
    }

    /// How many bytes of body follow, as the head tells.
    pub fn length(&self) -> usize {
        self.field("content-length").parse().unwrap_or(0)
    }
}

fn serve(
    mut stream: TcpStream,
    script: &impl Fn(&Heard, &mut TcpStream) -> bool,
    log: &Mutex<Vec<Heard>>,
    count: &AtomicUsize,
) {
    stream
        .set_read_timeout(Some(QUIET_MAX))
        .expect("a time-out can be set");
    let mut connection = None;
    while let Some(head) = read_head(&mut stream) {
        if head.starts_with(b"GET /sante ") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            return;
        }
        let connection = *connection.get_or_insert_with(|| count.fetch_add(1, Ordering::Relaxed));
        let heard = Heard { connection, head };
        log.lock().expect("no script panics").push(heard.clone());
        if !script(&heard, &mut stream) {
            return;
        }
    }
}

/// Byte by byte, so that nothing behind the head is taken.
fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
    Some(head)
}
