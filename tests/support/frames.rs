//! HTTP/2, frame by frame (RFC 9113 §4): what no library would send.

use super::PATIENCE;
use super::tls::Client;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Errors that end a connection for a good reason (RFC 9113 §7).
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// How long a writer that the other side does not read waits before it counts as held back.
const HELD_BACK: Duration = Duration::from_secs(2);

/// A connection on which the test writes frames as it likes.
pub struct Frames {
    read: ReadHalf<TlsStream<TcpStream>>,
    write: WriteHalf<TlsStream<TcpStream>>,
}

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// How a flood ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The other side closed, or broke off.
    Closed,
    /// The other side reads no more: it is held back.
    HeldBack,
    /// All was taken.
    Taken,
}

impl Frames {
    /// Connects, and sends the preface with `settings` (id and value).
    pub async fn connect(
        client: &Client,
        to: SocketAddr,
        host: &str,
        settings: &[(u16, u32)],
    ) -> Frames {
        let stream = client.connect(to, host).await.expect("a connection");
        let (read, write) = split(stream);
        let mut frames = Frames { read, write };
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        begin.extend(frame(SETTINGS, 0, 0, &payload));
        frames.send(&begin).await.expect("a preface is taken");
        frames
    }

    /// Writes bytes, if the other side takes them in time.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        let write = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        match tokio::time::timeout(HELD_BACK, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Closed),
            Err(_) => Err(End::HeldBack),
        }
    }

    /// Writes `parts` one after the other, without reading, until the other side has had enough.
    /// Returns how many were taken.
    pub async fn flood(&mut self, parts: impl Iterator<Item = Vec<u8>>) -> (usize, End) {
        let mut taken = 0;
        for part in parts {
            if let Err(end) = self.send(&part).await {
                return (taken, end);
            }
            taken += 1;
        }
        (taken, End::Taken)
    }

    /// The next frame; `None` once the other side has closed.
    pub async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.read.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.read.read_exact(&mut payload).await?;
            Ok::<_, std::io::Error>(Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
                payload,
            })
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("a frame, or the end").ok()
    }

    /// Reads until a frame is what is looked for; `None` if the connection ends before.
    pub async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// Reads to the end; the code of the last GOAWAY, if there was one.
    pub async fn goodbye(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                let bytes = frame.payload[4..8].try_into().expect("four bytes");
                code = Some(u32::from_be_bytes(bytes));
            }
        }
        code
    }
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of a GET (or, with `post`, of a POST) for `path`, in HPACK without a table.
pub fn fields(host: &str, path: &str, post: bool) -> Vec<u8> {
    // Indexed: :method and :scheme (RFC 7541, appendix A).
    let mut block = vec![if post { 0x83 } else { 0x82 }, 0x87];
    for (index, value) in [(4, path), (1, host)] {
        block.push(index);
        block.extend(length(value.len()));
        block.extend(value.as_bytes());
    }
    block
}

/// A field that is in no table.
pub fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let mut block = vec![0];
    block.extend(length(name.len()));
    block.extend(name.as_bytes());
    block.extend(length(value.len()));
    block.extend(value);
    block
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn length(length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![u8::try_from(length).expect("it is small")];
    }
    let mut bytes = vec![127];
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("it is small"));
    bytes
}
