//! What a visitor's bytes say in HTTP/2 that nobody behind us could see (RFC 9113).
//!
//! Pure, as [`super::guard`] is for HTTP/1.1: bytes go in, a verdict comes out. h2 refuses nearly
//! everything that is malformed. Measured frame by frame, it does not see, or hides:
//! - pseudo-header fields in trailers (§8.1): it leaves them out, and the upload counts as whole;
//! - a fragment in `:path` (§8.3.1): it is cut off before anybody can look at it;
//! - a table of fields that is made small and large again within one SETTINGS frame (RFC 7541
//!   §4.2): of several sizes h2 knows the last, and does not say that the table is empty now.
//!
//! To refuse is h2's task: it must read every block, because the table that it is packed with
//! belongs to the connection. So it is made to see: a pseudo-header field behind another field is
//! malformed, and h2 resets its stream. What must have none is given a first field ([`MARK`], one
//! byte), which has no place in trailers and is taken out of them later. Of several table sizes
//! only the smallest is let through: less than may be used can always be used. Where a byte more
//! would not fit, or where a block comes in so small pieces that it cannot be judged, the stream
//! is called 0, which ends the connection (§5.1.1).

use crate::upstream::has_blanks;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Request};

/// Bytes of a frame at most, as we tell visitors.
pub const FRAME_MAX: u32 = 16 * 1024;
/// An empty `proxy-authenticate`, as an index into the static table (RFC 7541, appendix A).
pub const MARK: u8 = 0x80 | 48;

/// Bytes by which the first frame of several may be shorter than the longest.
const LACK_MAX: usize = 256;
/// What comes before the first frame (§3.4); h2 reads it.
const PREFACE: usize = 24;
/// Bytes of a frame before its payload.
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// Bytes of a setting, and the one for the table of fields.
const SETTING: usize = 6;
const HEADER_TABLE_SIZE: [u8; 2] = [0, 1];

/// Pseudo-header fields of a request, which are the first of its fields.
const PSEUDO: usize = 4;
/// Indices of `:path` in the static table, and the first one beyond that table.
const PATH: [usize; 2] = [4, 5];
const DYNAMIC: usize = 62;
/// `:path` as a name that is in no table, as it is and in Huffman's code.
const PATH_SPELLED: [&[u8]; 2] = [b":path", &[0xb9, 0x58, 0xd3, 0x3f]];
/// Bytes of a number (RFC 7541 §5.1), as many as h2 takes.
const NUMBER_MAX: usize = 5;

/// Huffman's code (RFC 7541, appendix B): its lengths in bits, and the last code of each. Codes
/// are in the order of their lengths, so that the length can be told from the bits.
const CODES: [(u32, u32); 21] = [
    (5, 0x9),
    (6, 0x2d),
    (7, 0x7b),
    (8, 0xfd),
    (10, 0x3fc),
    (11, 0x7fc),
    (12, 0xffb),
    (13, 0x1ffd),
    (14, 0x3ffd),
    (15, 0x7ffe),
    (19, 0x7_fff2),
    (20, 0xf_ffed),
    (21, 0x1f_ffe8),
    (22, 0x3f_ffeb),
    (23, 0x7f_fff4),
    (24, 0xff_fff5),
    (25, 0x1ff_ffef),
    (26, 0x3ff_ffee),
    (27, 0x7ff_fff0),
    (28, 0xfff_fffe),
    (30, 0x3fff_ffff),
];
/// `#` in it, and the ones in a row that it has and hardly anything else of a path.
const HASH: (u32, u32) = (12, 0xffa);
const HASH_ONES: u32 = 9;

/// Reads one connection's bytes, in order.
#[derive(Debug)]
pub struct Frames {
    /// So many bytes belong to what was judged already.
    left: usize,
    /// The last stream that was opened: a block on it, or on one before, is of trailers.
    opened: u32,
}

/// What is to be done with the bytes at hand.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They do not tell yet: keep them, and ask again with more behind them.
    More,
    /// So many of them go on.
    Pass(usize),
    /// A [`MARK`] is to be put in at this place; then ask again.
    Mark(usize),
}

/// What becomes of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It goes on.
    Pass,
    /// A field goes in at this place of its block, which makes it malformed if it is not yet.
    Mark(usize),
    /// It cannot be judged.
    End,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames {
            left: PREFACE,
            opened: 0,
        }
    }
}

impl Frames {
    /// Judges `bytes`: those that did not go on yet, and what has come behind them. What h2 is to
    /// read in another way is changed where it stands.
    pub fn judge(&mut self, bytes: &mut [u8]) -> Verdict {
        let mut at = 0;
        loop {
            let here = self.left.min(bytes.len() - at);
            self.left -= here;
            at += here;
            let rest = &mut bytes[at..];
            let Some(head) = Head::read(rest) else {
                break;
            };
            let whole = HEAD + head.length;
            self.left = whole;
            // What is longer is refused by h2 before it is read.
            let fits = head.length <= FRAME_MAX as usize;
            if !fits || !matches!(head.kind, HEADERS | SETTINGS) {
                continue;
            }
            if rest.len() < whole {
                self.left = 0;
                break;
            }
            let frame = &mut rest[..whole];
            if head.kind == SETTINGS {
                smallest_table(head, &mut frame[HEAD..]);
                continue;
            }
            match self.look(head, frame) {
                Look::Pass => {}
                Look::Mark(place) if head.length < FRAME_MAX as usize => {
                    if at > 0 {
                        self.left = 0;
                        break;
                    }
                    let longer = (head.length as u32 + 1).to_be_bytes();
                    frame[..3].copy_from_slice(&longer[1..]);
                    self.left = whole + 1;
                    self.opened = self.opened.max(head.stream);
                    return Verdict::Mark(place);
                }
                Look::Mark(_) | Look::End => frame[5..HEAD].fill(0),
            }
            self.opened = self.opened.max(head.stream);
        }
        match at {
            0 => Verdict::More,
            _ => Verdict::Pass(at),
        }
    }

    /// Looks at a frame of HEADERS.
    fn look(&self, head: Head, frame: &[u8]) -> Look {
        let Some((begin, block)) = block(head, frame) else {
            // h2 refuses it.
            return Look::Pass;
        };
        let whole = head.flags & END_HEADERS != 0;
        let mut fields = Fields(block);
        fields.skip_sizes();
        let place = begin + block.len() - fields.0.len();
        if head.stream <= self.opened {
            return match whole {
                true if fields.0.is_empty() => Look::Pass,
                true => Look::Mark(place),
                false => Look::End,
            };
        }
        let (has_fragment, complete) = fields.path();
        // What does not fit into a frame is too long for us: it is told so.
        let full = head.length + LACK_MAX > FRAME_MAX as usize;
        match complete || whole || full {
            true if has_fragment => Look::Mark(place),
            true => Look::Pass,
            false => Look::End,
        }
    }
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Head> {
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let [a, b, c, kind, flags, stream @ ..] = *head;
        Some(Head {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        })
    }
}

/// The block of fields in a frame of HEADERS, and where in the frame it begins; nothing if there
/// is no room for one.
fn block(head: Head, frame: &[u8]) -> Option<(usize, &[u8])> {
    let (mut begin, mut end) = (HEAD, frame.len());
    if head.flags & PADDED != 0 {
        end = end.checked_sub(usize::from(*frame.get(begin)?))?;
        begin += 1;
    }
    if head.flags & PRIORITY != 0 {
        begin += 5;
    }
    Some((begin, frame.get(begin..end)?))
}

/// Lets none of the sizes of the table be larger than one before it.
fn smallest_table(head: Head, settings: &mut [u8]) {
    if head.flags & ACK != 0 {
        return;
    }
    let mut smallest = [u8::MAX; 4];
    for setting in settings.chunks_exact_mut(SETTING) {
        let (id, value) = setting.split_at_mut(HEADER_TABLE_SIZE.len());
        if *id == HEADER_TABLE_SIZE {
            value.copy_from_slice(&smallest.min([value[0], value[1], value[2], value[3]]));
            smallest.copy_from_slice(value);
        }
    }
}

/// What is left of a block of fields (RFC 7541 §6).
struct Fields<'a>(&'a [u8]);

/// One of the first fields of a block, and whether there is a `#` in its value.
enum Pseudo {
    Path(bool),
    /// Its name stands in the connection's table.
    Unknown(bool),
    Other,
}

/// A string of a block, and whether it is in Huffman's code.
#[derive(Clone, Copy)]
struct Text<'a> {
    bytes: &'a [u8],
    coded: bool,
}

impl<'a> Fields<'a> {
    /// Skips changes of the size of the table, which stand before everything else.
    fn skip_sizes(&mut self) {
        while let [0x20..=0x3f, ..] = self.0 {
            let before = self.0;
            if self.number(5).is_none() {
                self.0 = before;
                return;
            }
        }
    }

    /// Whether `:path` has a fragment, and whether enough of the block is there to tell.
    ///
    /// Of a name that stands in the connection's table we know nothing. It is `:path` if no other
    /// field is: a request has one.
    fn path(mut self) -> (bool, bool) {
        let (mut known, mut unknown) = (None, false);
        let mut seen = 0;
        while seen < PSEUDO
            && let Some(field) = self.pseudo()
        {
            match field {
                Pseudo::Path(fragment) => known = Some(known.unwrap_or(false) | fragment),
                Pseudo::Unknown(fragment) => unknown |= fragment,
                Pseudo::Other => {}
            }
            seen += 1;
        }
        (known.unwrap_or(unknown), seen == PSEUDO)
    }

    /// The next field as a pseudo-header field; nothing if not all of it is there.
    fn pseudo(&mut self) -> Option<Pseudo> {
        let first = *self.0.first()?;
        if first >= 0x80 {
            return Some(match PATH.contains(&self.number(7)?) {
                true => Pseudo::Path(false),
                false => Pseudo::Other,
            });
        }
        let name = self.number(if first >= 0x40 { 6 } else { 4 })?;
        let spelled = match name {
            0 => Some(self.text()?),
            _ => None,
        };
        let value = self.text()?;
        Some(match spelled {
            Some(text) if text.bytes == PATH_SPELLED[usize::from(text.coded)] => {
                Pseudo::Path(value.has_hash())
            }
            None if PATH.contains(&name) => Pseudo::Path(value.has_hash()),
            None if name >= DYNAMIC => Pseudo::Unknown(value.has_hash()),
            _ => Pseudo::Other,
        })
    }

    fn number(&mut self, prefix: u32) -> Option<usize> {
        let most = (1 << prefix) - 1;
        let (first, mut rest) = self.0.split_first()?;
        let mut number = usize::from(*first) & most;
        if number == most {
            let mut shift = 0;
            loop {
                let (byte, behind) = rest.split_first()?;
                number += usize::from(byte & 0x7f) << shift;
                shift += 7;
                rest = behind;
                if byte & 0x80 == 0 {
                    break;
                }
                if shift == 7 * (NUMBER_MAX - 1) {
                    return None;
                }
            }
        }
        self.0 = rest;
        Some(number)
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let coded = self.0.first()? & 0x80 != 0;
        let length = self.number(7)?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Text { bytes, coded })
    }
}

impl Text<'_> {
    fn has_hash(self) -> bool {
        match self.coded {
            true => self.may_have_hash() && self.symbols().any(|symbol| symbol == HASH),
            false => self.bytes.contains(&b'#'),
        }
    }

    /// Whether there are enough ones in a row, which is seldom.
    fn may_have_hash(self) -> bool {
        let mut pairs = self.bytes.array_windows();
        pairs.any(|[one, next]| one.trailing_ones() + next.leading_ones() >= HASH_ONES)
    }

    /// The codes of its symbols, each with its length.
    fn symbols(self) -> impl Iterator<Item = (u32, u32)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            // Behind the end there are ones, which are no symbol.
            let bits = (at..at + 32).fold(0, |bits, bit| {
                let byte = self.bytes.get(bit / 8).copied().unwrap_or(u8::MAX);
                bits << 1 | u32::from(byte >> (7 - bit % 8) & 1)
            });
            let known = CODES
                .iter()
                .find(|(length, last)| bits >> (32 - length) <= *last);
            let (length, _) = known.filter(|_| at < self.bytes.len() * 8)?;
            at += *length as usize;
            Some((*length, bits >> (32 - length)))
        })
    }
}

/// Whether a request is malformed in a way that h2 does not see (§8.1.1, §8.2.1, §8.3.1): white
/// space around a value, a length that is said twice (also if it is the same: others may take
/// another one of the two) or is empty, no path.
pub fn is_malformed<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    has_blanks(headers)
        || has_wrong_length(headers)
        || (request.uri().path().is_empty() && *request.method() != Method::CONNECT)
}

fn has_wrong_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let empty = lengths.next().is_some_and(HeaderValue::is_empty);
    empty || lengths.next().is_some()
}

#[cfg(test)]
mod tests;
