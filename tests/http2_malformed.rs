//! Malformed requests over HTTP/2 (RFC 9113 §8.1.1), frame by frame: their streams are reset or they
//! are answered with 400, and the portal sees nothing of them, or no end of their body.

mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, RST_STREAM,
    SETTINGS, field, fields, frame,
};
use support::tls::{Authority, Client, https};
use support::{PATIENCE, Preau, Scripted, free_port, one_room, until};

const HOST: &str = "ent.example.fr";
/// RFC 9113 §7.
const PROTOCOL_ERROR: u32 = 1;
const CANCEL: u32 = 8;
const NO_ERROR: u32 = 0;

struct Scene {
    portal: Scripted,
    /// What the portal saw of each body, and whether it saw its end.
    bodies: Receiver<(Vec<u8>, bool)>,
    client: Client,
    address: SocketAddr,
    _preau: Preau,
    _authority: Authority,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Status(u16),
    Reset(u32),
    Goodbye(u32),
}

impl Scene {
    async fn start() -> Scene {
        let (tell, bodies) = channel();
        let tell = Mutex::new(tell);
        let portal = Scripted::start(move |heard, stream| {
            use std::io::Write;
            let seen = match (heard.field("transfer-encoding").is_empty(), heard.length()) {
                (true, 0) => (Vec::new(), true),
                (true, length) => read(stream, |body| body.len() == length),
                (false, _) => read(stream, |body| body.ends_with(b"\r\n\r\n")),
            };
            let whole = seen.1;
            tell.lock()
                .expect("nobody panics")
                .send(seen)
                .expect("it is awaited");
            whole
                && stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .is_ok()
        });
        let authority = Authority::new();
        let address = free_port();
        let files = authority.issue("ent", &[HOST, "www.example.fr"], 2100);
        let room = "seats = 500\nopen = \"/**\"";
        let tables = one_room(&portal.url(), room) + &https(address, &[&files]);
        Scene {
            _preau: Preau::start(&tables).await,
            client: Client::new(&authority, &["h2"]),
            portal,
            bodies,
            address,
            _authority: authority,
        }
    }

    async fn frames(&self, settings: &[(u16, u32)]) -> Frames {
        Frames::connect(&self.client, self.address, HOST, settings).await
    }

    /// What becomes of these frames, which are all of stream 1; the connection goes on after it,
    /// unless it has ended.
    async fn end(&self, parts: &[Vec<u8>]) -> End {
        let mut frames = self.frames(&[]).await;
        frames.send(&parts.concat()).await.expect("it is taken");
        let end = end(&mut frames, 1).await;
        if !matches!(end, End::Goodbye(_)) {
            let good = head(fields(HOST, "/good", false), END_STREAM, 3);
            frames.send(&good).await.expect("it is taken");
            assert_eq!(self::end(&mut frames, 3).await, End::Status(200), "{end:?}");
            assert_eq!(self.portal.last().path(), "/good");
        }
        end
    }

    /// Begins an upload, of which something has come to the portal.
    async fn begun(&self) -> Frames {
        let mut frames = self.frames(&[]).await;
        let before = self.portal.heard().len();
        let begun = [head(with(true, &[]), 0, 1), frame(DATA, 0, 1, b"abc")].concat();
        frames.send(&begun).await.expect("it is taken");
        until("the portal sees it", async || {
            (self.portal.heard().len() > before).then_some(())
        })
        .await;
        frames
    }

    /// What becomes of an upload that goes on so, and whether the portal has seen an end of it.
    async fn upload(&self, rest: &[u8]) -> (End, bool) {
        let mut frames = self.begun().await;
        frames.send(rest).await.expect("it is taken");
        (end(&mut frames, 1).await, self.body().1)
    }

    /// A malformed request is not forwarded.
    async fn refuses(&self, what: &str, parts: &[Vec<u8>]) {
        let before = self.bad().len();
        let end = self.end(parts).await;
        let refused = matches!(
            end,
            End::Status(400) | End::Reset(PROTOCOL_ERROR) | End::Goodbye(PROTOCOL_ERROR)
        );
        assert!(refused, "{what}: {end:?}");
        assert_eq!(self.bad()[before..], [] as [String; 0], "{what}");
    }

    /// What came to the portal beside what is good.
    fn bad(&self) -> Vec<String> {
        let heard = self.portal.heard();
        let texts = heard.iter().map(support::Heard::text);
        texts.filter(|text| !text.contains(" /good ")).collect()
    }

    /// What the portal saw of the next body of more than nothing.
    fn body(&self) -> (Vec<u8>, bool) {
        loop {
            let seen = self
                .bodies
                .recv_timeout(PATIENCE)
                .expect("a request has come");
            if seen != (Vec::new(), true) {
                return seen;
            }
        }
    }
}

fn read(stream: &mut TcpStream, ended: impl Fn(&[u8]) -> bool) -> (Vec<u8>, bool) {
    let (mut body, mut byte) = (Vec::new(), [0]);
    while !ended(&body) {
        match stream.read(&mut byte) {
            Ok(1) => body.push(byte[0]),
            _ => return (body, false),
        }
    }
    (body, true)
}

async fn end(frames: &mut Frames, stream: u32) -> End {
    let code = |payload: &[u8], at: usize| {
        u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"))
    };
    let is_end = |frame: &Frame| {
        frame.kind == GOAWAY
            || (frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM))
    };
    let Some(frame) = frames.until(is_end).await else {
        panic!("closed without words");
    };
    match frame.kind {
        GOAWAY => End::Goodbye(code(&frame.payload, 4)),
        RST_STREAM => End::Reset(code(&frame.payload, 0)),
        _ => End::Status(status(&frame.payload)),
    }
}

/// The status in a block of fields that begins with it, as h2 writes it: an index of its own, or a
/// value in Huffman's code or without.
fn status(block: &[u8]) -> u16 {
    // Behind changes of the size of the table.
    let block = &block[block
        .iter()
        .position(|byte| byte & 0xe0 != 0x20)
        .expect("a field")..];
    match block {
        [index @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        other => panic!("a status without an index: {other:x?}"),
    }
}

fn head(block: Vec<u8>, flags: u8, stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

/// The fields of a request, with more behind them.
fn with(post: bool, more: &[(&str, &str)]) -> Vec<u8> {
    let more = more
        .iter()
        .map(|(name, value)| field(name, value.as_bytes()));
    let more: Vec<u8> = more.flatten().collect();
    [fields(HOST, "/bad", post), more].concat()
}

/// A request of these fields and no other.
fn of(all: &[(&str, &str)]) -> Vec<u8> {
    let all = all
        .iter()
        .map(|(name, value)| field(name, value.as_bytes()));
    all.flatten().collect()
}

#[tokio::test]
async fn fields_that_no_request_may_have_are_refused() {
    let scene = Scene::start().await;
    for more in [
        &[("content-length", "3"), ("content-length", "3")][..],
        &[("content-length", "003"), ("content-length", "3")],
        &[("content-length", "3"), ("content-length", "4")],
        &[("content-length", "3, 3")],
        &[("content-length", "+3")],
        &[("content-length", "")],
        &[("content-length", "99999999999999999999")],
        &[("x-a", " b")],
        &[("x-a", "b\t")],
        &[("cookie", " a=b")],
        &[("x-a", "b\r\nx-b: c")],
        &[("x-a", "b\0")],
        &[("X-A", "b")],
        &[("x a", "b")],
        &[("x:a", "b")],
        &[("connection", "close")],
        &[("keep-alive", "5")],
        &[("proxy-connection", "close")],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "websocket")],
        &[("te", "gzip")],
        &[("te", "trailers, gzip")],
        &[("host", "www.example.fr")],
        &[("host", HOST), ("host", HOST)],
        &[(":path", "/more")],
        &[(":else", "/more")],
    ] {
        let body = frame(DATA, END_STREAM, 1, b"abc");
        scene
            .refuses(&format!("{more:?}"), &[head(with(true, more), 0, 1), body])
            .await;
    }
    // `te: trailers` and the same host are well.
    let well = with(false, &[("te", "trailers"), ("host", HOST)]);
    assert_eq!(
        scene.end(&[head(well, END_STREAM, 1)]).await,
        End::Status(200)
    );
}

#[tokio::test]
async fn a_request_without_its_four_or_with_others_is_refused() {
    let scene = Scene::start().await;
    let (method, scheme) = ((":method", "GET"), (":scheme", "https"));
    let (host, path) = ((":authority", HOST), (":path", "/bad"));
    for all in [
        &[scheme, host, path][..],
        &[method, host, path],
        &[method, scheme, host],
        &[method, scheme, ("host", HOST)],
        &[method, scheme, path],
        &[method, scheme, host, (":path", "")],
        &[method, scheme, host, (":path", "bad")],
        &[method, scheme, host, (":path", "*")],
        &[
            method,
            scheme,
            host,
            (":path", "https://ent.example.fr/bad"),
        ],
        &[method, scheme, host, (":path", "/bad#there")],
        &[method, scheme, host, (":path", "/bad?a=b#there")],
        &[method, scheme, host, (":path", "/bad b")],
        &[method, scheme, host, ("x-a", "b"), path],
        &[method, method, scheme, host, path],
        &[method, scheme, host, path, (":status", "200")],
        &[method, scheme, host, path, (":protocol", "websocket")],
        &[method, (":scheme", "ftp"), host, path],
        &[method, (":scheme", "1"), host, path],
        &[method, scheme, (":authority", "me@ent.example.fr"), path],
        &[method, scheme, (":authority", "ent.example.fr/"), path],
        &[method, scheme, (":authority", ""), path],
    ] {
        let parts = [head(of(all), END_STREAM, 1)];
        scene.refuses(&format!("{all:?}"), &parts).await;
    }
    let all = [(":method", "OPTIONS"), scheme, host, (":path", "*")];
    let parts = [head(of(&all), END_STREAM, 1)];
    assert_eq!(scene.end(&parts).await, End::Status(204));
}

/// What every client sends: `:path` by its index, and in Huffman's code.
#[tokio::test]
async fn a_fragment_is_seen_however_it_is_packed() {
    let scene = Scene::start().await;
    let begin = [&[0x82, 0x87, 1, 14][..], HOST.as_bytes()].concat();
    let paths: [&[u8]; 3] = [
        b"\x04\x04/a#b",
        b"\x44\x84\x60\x7f\xf5\x1f",
        // Its name stands in the connection's table, where the good request has put it.
        b"\x0f\x2f\x04/a#b",
    ];
    for path in paths {
        let mut frames = scene.frames(&[]).await;
        let good = [&begin[..], b"\x40\x05:path\x05/good"].concat();
        frames
            .send(&head(good, END_STREAM, 1))
            .await
            .expect("it is taken");
        assert_eq!(end(&mut frames, 1).await, End::Status(200));
        let bad = head([&begin[..], path].concat(), END_STREAM, 3);
        frames.send(&bad).await.expect("it is taken");
        let end = end(&mut frames, 3).await;
        assert_eq!(end, End::Reset(PROTOCOL_ERROR), "{path:x?}");
    }
    assert!(scene.bad().is_empty(), "{:?}", scene.bad());
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_says_has_no_end() {
    let scene = Scene::start().await;
    let length = |length: &str| with(true, &[("content-length", length)]);
    scene
        .refuses("none", &[head(length("3"), END_STREAM, 1)])
        .await;
    let trailers = head(field("x-sum", b"1"), END_STREAM, 1);
    for (what, rest) in [
        ("less", vec![frame(DATA, END_STREAM, 1, b"ab")]),
        ("more", vec![frame(DATA, END_STREAM, 1, b"abcd")]),
        (
            "less, and trailers",
            vec![frame(DATA, 0, 1, b"ab"), trailers],
        ),
    ] {
        let parts = [vec![head(length("3"), 0, 1)], rest].concat();
        assert_eq!(
            scene.end(&parts).await,
            End::Reset(PROTOCOL_ERROR),
            "{what}"
        );
        // If it was seen at all.
        while let Ok((body, whole)) = scene.bodies.try_recv() {
            assert!(!whole || body.is_empty(), "{what}: {body:?}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_taken_back_has_no_end() {
    let scene = Scene::start().await;
    for code in [NO_ERROR, CANCEL] {
        let mut frames = scene.begun().await;
        let reset = frame(RST_STREAM, 0, 1, &code.to_be_bytes());
        frames.send(&reset).await.expect("it is taken");
        let (body, whole) = scene.body();
        assert!(!whole, "{code}: {:?}", String::from_utf8_lossy(&body));
    }
}

/// Those that were announced; what was put before them to have them looked at does not.
#[tokio::test]
async fn trailers_go_on() {
    let scene = Scene::start().await;
    let begun = head(with(true, &[("trailer", "x-sum")]), 0, 1);
    let body = frame(DATA, 0, 1, b"abc");
    let trailers = [field("x-sum", b"1"), field("x-else", b"1")].concat();
    let parts = [begun, body, head(trailers, END_STREAM, 1)];
    assert_eq!(scene.end(&parts).await, End::Status(200));
    let (body, whole) = scene.body();
    let body = String::from_utf8_lossy(&body);
    assert_eq!((&*body, whole), ("3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n", true));
}

#[tokio::test]
async fn pseudo_header_fields_have_no_place_in_trailers() {
    let scene = Scene::start().await;
    let whole = head(field("x-sum", b"1"), END_STREAM, 1);
    assert_eq!(scene.upload(&whole).await, (End::Status(200), true));
    for (what, trailers) in [
        ("first", of(&[(":path", "/"), ("x-sum", "1")])),
        ("last", of(&[("x-sum", "1"), (":path", "/")])),
        ("by an index", vec![0x82]),
        ("a status", of(&[(":status", "200")])),
        ("connection", of(&[("connection", "close")])),
        ("upper case", of(&[("X-Sum", "1")])),
        ("blanks", of(&[("x-sum", " 1")])),
    ] {
        let (end, whole) = scene.upload(&head(trailers, END_STREAM, 1)).await;
        assert!(!whole && end != End::Status(200), "{what}: {end:?}");
    }
    // In pieces they cannot be looked at.
    let pieces = [
        frame(HEADERS, END_STREAM, 1, &field("x-sum", b"1")),
        frame(CONTINUATION, END_HEADERS, 1, &[0x82]),
    ];
    let end = scene.upload(&pieces.concat()).await;
    assert_eq!(end, (End::Goodbye(PROTOCOL_ERROR), false));
}

/// RFC 7541 §4.2: the next block begins with the smallest size.
#[tokio::test]
async fn a_table_that_was_emptied_is_known_to_be() {
    const TABLE: u16 = 1;
    let scene = Scene::start().await;
    let get = |stream| head(fields(HOST, "/good", false), END_STREAM, stream);
    let mut frames = scene.frames(&[(TABLE, 0), (TABLE, 4096)]).await;
    frames.send(&get(1)).await.expect("it is taken");
    let answer = frames
        .until(|it| it.kind == HEADERS)
        .await
        .expect("an answer");
    assert_eq!(answer.payload[0], 0x20, "{answer:?}");
    // In the middle of a connection, when the table is not empty any more.
    let mut frames = scene.frames(&[]).await;
    frames.send(&get(1)).await.expect("it is taken");
    let answer = frames
        .until(|it| it.kind == HEADERS)
        .await
        .expect("an answer");
    assert_ne!(answer.payload[0], 0x20, "{answer:?}");
    let sizes = [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 16, 0];
    let asked = [frame(SETTINGS, 0, 0, &sizes), get(3)].concat();
    frames.send(&asked).await.expect("it is taken");
    let answer = frames
        .until(|it| it.kind == HEADERS && it.stream == 3)
        .await;
    assert_eq!(answer.expect("an answer").payload[0], 0x20);
}
