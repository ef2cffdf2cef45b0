//! What a visitor's bytes say in HTTP/1.1: where each request begins and where it ends.
//!
//! Pure: bytes go in, a verdict comes out. The guard stands in front of hyper, which hides what
//! an intermediary must see: it drops a Content-Length beside a Transfer-Encoding, joins equal
//! lengths, takes bare line feeds, and reads on into the next request, so that whoever leaves
//! with bytes behind the request is not seen to leave. So each head is read here first, with
//! the same reader as hyper's, and then walked through once more, byte for byte, by the lengths
//! of what was found: nothing in it may be there that the two did not see.
//!
//! Accepted:
//! - one empty line before a request (RFC 9112 §2.2), which is taken away;
//! - lines that end in CRLF; one space between the parts of the request line; HTTP/1.0 and 1.1;
//! - at most [`FIELDS_MAX`] fields, each on one line, no white space before the colon; values
//!   of any bytes but control bytes, so that names in Latin-1 pass;
//! - a body by one Content-Length of digits, or by one Transfer-Encoding that is `chunked`, or
//!   none; chunk extensions and trailers within [`CHUNK_WORDS_MAX`].
//!
//! Everything else is refused with words and the connection ends, because two servers could
//! read it differently: 400; 501 for a coding that we do not carry; 431 and 414 for what is too
//! long. What the fields *mean* (Host, Expect, the path) is `canonical`'s, for HTTP/2 as well.
//!
//! One field does not go on: `Upgrade`. With it hyper takes a connection for one that is to become
//! something else, and at its end lets go of it without a last flush and without closing it,
//! whatever was answered. Whether it named a WebSocket is remembered beside the head.

use super::page::RefusalKind;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Fields of one head; hyper's own bound.
pub const FIELDS_MAX: usize = 100;
/// Bytes of a request line; what is longer is answered with 414.
pub const LINE_MAX: usize = 16 * 1024;
/// Bytes of all chunk extensions and trailers of one body.
pub const CHUNK_WORDS_MAX: usize = 8 * 1024;
/// Hexadecimal digits of the size of a chunk.
const CHUNK_DIGITS_MAX: u8 = 15;
/// Digits of a Content-Length.
const LENGTH_DIGITS_MAX: usize = 18;
const UPGRADE: &str = "upgrade";
/// How a TLS connection begins: a handshake record. No method begins so.
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

/// Reads one connection's bytes, in order.
#[derive(Debug)]
pub struct Guard {
    place: Place,
    head_max: usize,
    /// An empty line may still come before the head.
    blank: bool,
    /// An `Upgrade` field of the last head named a WebSocket.
    websocket: bool,
}

/// What is to be done with the bytes at hand.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They do not tell yet: keep them, and ask again with more behind them.
    More,
    /// These of them, in this order, do not go on: take them out, and ask again.
    Cut(Vec<Range<usize>>),
    /// So many of them mean nothing: take them away.
    Skip(usize),
    /// So many of them go on. They never reach beyond the end of the request.
    Pass(usize),
}

/// Where the next byte belongs.
#[derive(Debug)]
enum Place {
    /// To a head, of which so many bytes were searched for its end in vain.
    Head { searched: usize },
    /// To a body that has so many more bytes; never none.
    Length(u64),
    /// To a chunked body that may have so many more bytes of extensions and trailers.
    Chunked { at: Chunk, words_left: usize },
}

/// Where in a chunked body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size {
        digits: u8,
        size: u64,
    },
    Blank {
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the beginning of a trailer's line, or of the last one.
    Line,
    Trailer,
    TrailerLf,
    LastLf,
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
}

impl Guard {
    /// In front of a connection's first request. `fields_max`: bytes of the fields of a head.
    pub fn new(fields_max: usize) -> Guard {
        Guard {
            place: Place::Head { searched: 0 },
            head_max: LINE_MAX + fields_max,
            blank: true,
            websocket: false,
        }
    }

    /// Whether the next byte belongs to a body; otherwise it belongs to a head.
    pub fn in_body(&self) -> bool {
        !matches!(self.place, Place::Head { .. })
    }

    /// Whether the head that passed last offered to become a WebSocket; told once.
    pub fn offers_websocket(&mut self) -> bool {
        std::mem::take(&mut self.websocket)
    }

    /// Judges `bytes`: those that did not go on yet, and what has come behind them.
    ///
    /// # Errors
    /// Why the request is refused. Nothing on this connection can be trusted after that.
    pub fn judge(&mut self, bytes: &[u8]) -> Result<Verdict, RefusalKind> {
        if bytes.is_empty() {
            return Ok(Verdict::More);
        }
        match &mut self.place {
            Place::Head { searched } => {
                if matches!(bytes[0], b'\r' | b'\n') {
                    return self.empty_line(bytes);
                }
                if *searched > 0 && !ends(bytes, *searched) {
                    *searched = bytes.len();
                    return self.unfinished(bytes);
                }
                self.head(bytes)
            }
            Place::Length(left) => {
                let passed = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= passed as u64;
                if *left == 0 {
                    self.ended();
                }
                Ok(Verdict::Pass(passed))
            }
            Place::Chunked { at, words_left } => {
                let (passed, ended) = chunks(at, words_left, bytes)?;
                if ended {
                    self.ended();
                }
                Ok(Verdict::Pass(passed))
            }
        }
    }

    fn empty_line(&mut self, bytes: &[u8]) -> Result<Verdict, RefusalKind> {
        match bytes {
            [b'\r', b'\n', ..] if self.blank => {
                self.blank = false;
                Ok(Verdict::Skip(2))
            }
            [b'\r'] if self.blank => Ok(Verdict::More),
            _ => Err(RefusalKind::BadRequest),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<Verdict, RefusalKind> {
        match head(bytes)? {
            Some(head) if head.length > self.head_max => Err(too_long(bytes)),
            Some(head) => {
                if !head.upgrades.is_empty() {
                    self.place = Place::Head { searched: 0 };
                    let mut lines = head.upgrades.iter().cloned().map(|line| &bytes[line]);
                    self.websocket = lines.any(names_websocket);
                    return Ok(Verdict::Cut(head.upgrades));
                }
                match head.framing {
                    Framing::None | Framing::Length(0) => self.ended(),
                    Framing::Length(left) => self.place = Place::Length(left),
                    Framing::Chunked => {
                        self.place = Place::Chunked {
                            at: Chunk::Size { digits: 0, size: 0 },
                            words_left: CHUNK_WORDS_MAX,
                        };
                    }
                }
                Ok(Verdict::Pass(head.length))
            }
            None => {
                self.place = Place::Head {
                    searched: bytes.len(),
                };
                self.unfinished(bytes)
            }
        }
    }

    fn unfinished(&self, bytes: &[u8]) -> Result<Verdict, RefusalKind> {
        match bytes.len() < self.head_max {
            true => Ok(Verdict::More),
            false => Err(too_long(bytes)),
        }
    }

    fn ended(&mut self) {
        self.place = Place::Head { searched: 0 };
        self.blank = true;
    }
}

/// Whether a head may end behind the first `searched` bytes.
fn ends(bytes: &[u8], searched: usize) -> bool {
    let mut rest = bytes[searched.saturating_sub(3)..].windows(2);
    // A bare line feed ends one as well: to be refused at once, not waited with.
    rest.any(|pair| matches!(pair, b"\n\r" | b"\n\n"))
}

/// A head that is too long, by what is too long in it.
fn too_long(bytes: &[u8]) -> RefusalKind {
    match bytes.iter().take(LINE_MAX).any(|byte| *byte == b'\n') {
        true => RefusalKind::HeadersTooLarge,
        false => RefusalKind::UriTooLong,
    }
}

/// A head, as far as it matters here.
struct Head {
    /// Bytes.
    length: usize,
    /// Of what follows.
    framing: Framing,
    /// Where the lines of `Upgrade` fields are.
    upgrades: Vec<Range<usize>>,
}

/// Reads a head; nothing if it is not complete.
fn head(bytes: &[u8]) -> Result<Option<Head>, RefusalKind> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(RefusalKind::HeadersTooLarge),
        Err(_) if bytes[0] == TLS_HANDSHAKE => return Err(RefusalKind::PlainPort),
        Err(_) => return Err(RefusalKind::BadRequest),
    };
    if !is_as_read(&bytes[..length], &request) {
        return Err(RefusalKind::BadRequest);
    }
    let is_upgrade = |field: &&httparse::Header<'_>| {
        field.name.len() == UPGRADE.len() && field.name.eq_ignore_ascii_case(UPGRADE)
    };
    let upgrades = request.headers.iter().filter(is_upgrade);
    Ok(Some(Head {
        length,
        framing: framing(request.headers, request.version == Some(1))?,
        upgrades: upgrades.filter_map(|it| line_of(bytes, it)).collect(),
    }))
}

/// Where the line of `field` is in the head that it was read from.
fn line_of(head: &[u8], field: &httparse::Header<'_>) -> Option<Range<usize>> {
    let from = (field.name.as_ptr() as usize).checked_sub(head.as_ptr() as usize)?;
    let line = head.get(from..)?.windows(2);
    let length = line.enumerate().find(|(_, end)| *end == b"\r\n")?.0 + 2;
    Some(from..from + length)
}

/// Whether a line names a WebSocket among other protocols.
fn names_websocket(line: &[u8]) -> bool {
    let value = line.splitn(2, |byte| *byte == b':').nth(1);
    let mut protocols = value.unwrap_or_default().split(|byte| *byte == b',');
    protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Whether the head is what was read in it and nothing else: the reader forgives bare line feeds
/// and spaces, which others may take for something.
fn is_as_read(head: &[u8], read: &httparse::Request<'_, '_>) -> bool {
    let parts = [read.method, read.path].map(|part| part.unwrap_or_default().len());
    let version = "HTTP/1.1".len();
    let mut walk = Walk(head);
    let line = walk.skip(parts[0]) && walk.takes(b" ") && walk.skip(parts[1]) && walk.takes(b" ");
    let line = line && walk.skip(version) && walk.takes(b"\r\n");
    line && read.headers.iter().all(|field| {
        walk.skip(field.name.len()) && walk.takes(b":") && {
            walk.blanks();
            let value = walk.skip(field.value.len());
            walk.blanks();
            value && walk.takes(b"\r\n")
        }
    }) && walk.takes(b"\r\n")
        && walk.0.is_empty()
}

/// What is left of a head that is walked through.
struct Walk<'a>(&'a [u8]);

impl Walk<'_> {
    fn skip(&mut self, bytes: usize) -> bool {
        let rest = self.0.get(bytes..);
        self.0 = rest.unwrap_or_default();
        rest.is_some()
    }

    fn takes(&mut self, bytes: &[u8]) -> bool {
        let rest = self.0.strip_prefix(bytes);
        self.0 = rest.unwrap_or_default();
        rest.is_some()
    }

    fn blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }
}

/// RFC 9112 §6.1 and §6.3: one way to tell where a body ends, or none.
fn framing(fields: &[httparse::Header<'_>], http_11: bool) -> Result<Framing, RefusalKind> {
    let mut length = None;
    let mut coding = None;
    for field in fields {
        let said = match field.name.len() {
            14 if field.name.eq_ignore_ascii_case("content-length") => &mut length,
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => &mut coding,
            _ => continue,
        };
        if said.replace(field.value).is_some() {
            return Err(RefusalKind::BadRequest);
        }
    }
    match (length, coding) {
        (None, None) => Ok(Framing::None),
        (Some(digits), None) => decimal(digits).map(Framing::Length),
        (None, Some(coding)) if http_11 => match coding.eq_ignore_ascii_case(b"chunked") {
            true => Ok(Framing::Chunked),
            false => Err(uncarried(coding)),
        },
        _ => Err(RefusalKind::BadRequest),
    }
}

fn decimal(digits: &[u8]) -> Result<u64, RefusalKind> {
    let known = (1..=LENGTH_DIGITS_MAX).contains(&digits.len());
    if !known || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RefusalKind::BadRequest);
    }
    let step = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
    Ok(digits.iter().fold(0, step))
}

/// RFC 9112 §6.1: a body must end in one `chunked`; before that stands what we do not carry.
fn uncarried(coding: &[u8]) -> RefusalKind {
    let is_chunked = |token: &[u8]| token.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let mut tokens = coding.rsplit(|byte| *byte == b',');
    let last = tokens.next().is_some_and(is_chunked);
    match last && !tokens.any(is_chunked) {
        true => RefusalKind::NotImplemented,
        false => RefusalKind::BadRequest,
    }
}

/// Follows a chunked body (RFC 9112 §7.1): how many of `bytes` belong to it, and whether it ends
/// with them.
fn chunks(
    at: &mut Chunk,
    words_left: &mut usize,
    bytes: &[u8],
) -> Result<(usize, bool), RefusalKind> {
    let mut next = 0;
    while let Some(&byte) = bytes.get(next) {
        if let Chunk::Data { left } = at {
            let here = (bytes.len() - next).min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= here as u64;
            next += here;
            if *left == 0 {
                *at = Chunk::DataCr;
            }
            continue;
        }
        next += 1;
        let Some(then) = step(*at, byte) else {
            return Err(RefusalKind::BadRequest);
        };
        if *at == Chunk::LastLf {
            return Ok((next, true));
        }
        if matches!(
            then,
            Chunk::Blank { .. } | Chunk::Extension { .. } | Chunk::Trailer
        ) {
            *words_left = words_left.checked_sub(1).ok_or(RefusalKind::BadRequest)?;
        }
        *at = then;
    }
    Ok((next, false))
}

/// One byte outside a chunk's data; nothing if it has no place there.
fn step(at: Chunk, byte: u8) -> Option<Chunk> {
    // Control bytes would be line ends to somebody.
    let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    Some(match (at, byte) {
        (Chunk::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
            let digit = (byte as char).to_digit(16)?;
            Chunk::Size {
                digits: (digits < CHUNK_DIGITS_MAX).then_some(digits + 1)?,
                size: size * 16 + u64::from(digit),
            }
        }
        (Chunk::Size { digits: 0, .. }, _) => return None,
        (Chunk::Size { size, .. } | Chunk::Blank { size }, b' ' | b'\t') => Chunk::Blank { size },
        (Chunk::Size { size, .. } | Chunk::Blank { size }, b';') => Chunk::Extension { size },
        (Chunk::Size { size, .. } | Chunk::Blank { size } | Chunk::Extension { size }, b'\r') => {
            Chunk::SizeEnd { size }
        }
        (Chunk::Extension { size }, _) if text => Chunk::Extension { size },
        (Chunk::SizeEnd { size: 0 }, b'\n') => Chunk::Line,
        (Chunk::SizeEnd { size }, b'\n') => Chunk::Data { left: size },
        (Chunk::DataCr, b'\r') => Chunk::DataLf,
        (Chunk::DataLf, b'\n') => Chunk::Size { digits: 0, size: 0 },
        (Chunk::Line, b'\r') => Chunk::LastLf,
        (Chunk::Trailer, b'\r') => Chunk::TrailerLf,
        (Chunk::Line | Chunk::Trailer, _) if text => Chunk::Trailer,
        (Chunk::TrailerLf, b'\n') => Chunk::Line,
        (Chunk::LastLf, b'\n') => Chunk::LastLf,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
