//! Frames of HTTP/2 on their way to h2: the same in whatever pieces the bytes come, and as they came,
//! but for what makes h2 refuse what it does not see.

#![no_main]

use libfuzzer_sys::fuzz_target;
use preau::front::fuzz::{FRAME_MAX, FrameVerdict, Frames, MARK};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame before its payload; where its stream is named.
const HEAD: usize = 9;
const STREAM: std::ops::Range<usize> = 5..HEAD;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 0x1;
/// Padding and priority, which stand before the block.
const BEFORE_BLOCK: u8 = 0x28;
/// `:path` as a literal named by the static table, in each of its ways.
const PATHS: [u8; 6] = [0x04, 0x05, 0x14, 0x15, 0x44, 0x45];

/// What h2 reads of `bytes`, fed `piece` by `piece`, and what is kept back.
fn read(bytes: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>) {
    let mut frames = Frames::default();
    let (mut held, mut gone) = (Vec::new(), Vec::new());
    let mut marked = false;
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            match frames.judge(&mut held) {
                FrameVerdict::More => break,
                FrameVerdict::Pass(bytes) => {
                    assert!(bytes > 0 && bytes <= held.len());
                    gone.extend(held.drain(..bytes));
                    marked = false;
                }
                FrameVerdict::Mark(place) => {
                    assert!(!marked, "once for each frame");
                    assert!(place >= HEAD && place <= held.len());
                    held.insert(place, MARK);
                    marked = true;
                }
            }
        }
    }
    (gone, held)
}

/// The length, kind, flags and stream of the frame that begins there.
fn head(bytes: &[u8]) -> Option<(usize, u8, u8, u32)> {
    let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEAD>()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    Some((
        length,
        kind,
        flags,
        u32::from_be_bytes(stream) & 0x7fff_ffff,
    ))
}

/// Looks at what has become of each frame; what is kept back is the beginning of one that counts.
fn compare(mut came: &[u8], mut gone: &[u8], held: &[u8]) {
    let mut opened = 0;
    while let Some((length, kind, flags, stream)) = head(came) {
        let whole = HEAD + length;
        let counts = length <= FRAME_MAX as usize && matches!(kind, HEADERS | SETTINGS);
        if counts && came.len() < whole {
            break;
        }
        let frame = &came[..whole.min(came.len())];
        came = &came[frame.len()..];
        let longer = usize::from(gone.get(..3) != frame.get(..3));
        let (now, rest) = gone.split_at(frame.len() + longer);
        gone = rest;
        match kind {
            SETTINGS if counts => table_never_grows(frame, now, flags),
            HEADERS if counts => {
                headers(frame, now, stream <= opened);
                opened = opened.max(stream);
            }
            _ => assert_eq!(frame, now),
        }
    }
    assert!(gone.is_empty());
    assert_eq!(came, held);
}

/// Sizes of the table are as they came, or smaller, and none is larger than one before it.
fn table_never_grows(frame: &[u8], now: &[u8], flags: u8) {
    if flags & ACK != 0 {
        return assert_eq!(frame, now);
    }
    assert_eq!(frame[..HEAD], now[..HEAD]);
    let settings = |frame: &[u8]| -> Vec<(u16, u32)> {
        let settings = frame[HEAD..].chunks_exact(6);
        let read = |it: &[u8]| {
            let value = it[2..].try_into().expect("four bytes");
            (
                u16::from_be_bytes([it[0], it[1]]),
                u32::from_be_bytes(value),
            )
        };
        settings.map(read).collect()
    };
    let mut smallest = u32::MAX;
    for (came, now) in settings(frame).into_iter().zip(settings(now)) {
        smallest = if came.0 == 1 {
            smallest.min(came.1)
        } else {
            smallest
        };
        let expected = if came.0 == 1 { smallest } else { came.1 };
        assert_eq!(now, (came.0, expected));
    }
}

/// A block is as it came, or has one mark, or its stream is none. What must have one of these?
/// Trailers with fields, and paths with a fragment.
fn headers(frame: &[u8], now: &[u8], trailers: bool) {
    let ended = now[STREAM] == [0; 4] && frame[STREAM] != [0; 4];
    let marked = now.len() > frame.len();
    if marked {
        assert_eq!(frame[3..HEAD], now[3..HEAD]);
        let without = |at: usize| now[at] == MARK && now[HEAD..at] == frame[HEAD..at];
        let place = (HEAD..now.len()).find(|at| without(*at) && now[at + 1..] == frame[*at..]);
        assert!(place.is_some(), "{frame:x?} {now:x?}");
    } else if ended {
        assert!(frame[..5] == now[..5] && frame[HEAD..] == now[HEAD..]);
    } else {
        assert_eq!(frame, now);
    }
    if frame[4] & BEFORE_BLOCK != 0 || frame[STREAM] == [0; 4] {
        return;
    }
    let block = &frame[HEAD..];
    if marked && !matches!(block, [0x20..=0x3f, ..]) {
        assert_eq!(now[HEAD + 1..], *block, "the mark is the first field");
    }
    let must = match block {
        [] | [0x20..=0x3f, ..] => false,
        _ if trailers => true,
        [path, length @ ..0x7f, value @ ..] if PATHS.contains(path) => {
            let value = value.get(..usize::from(*length));
            value.is_some_and(|value| value.contains(&b'#'))
        }
        _ => false,
    };
    assert!(marked || ended || !must, "{frame:x?}");
}

/// Frames of a few bytes each, so that not only chance makes one: kind, flags, stream, length, payload.
fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let [kind, flags, stream, length, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        frames.extend([0, 0, payload.len() as u8, *kind, *flags, 0, 0, 0, *stream]);
        frames.extend(payload);
        bytes = rest;
    }
    frames
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, bytes)) = bytes.split_first() else {
        return;
    };
    let frames = match how % 2 {
        0 => framed(bytes),
        _ => bytes.to_vec(),
    };
    let bytes = [PREFACE, &frames].concat();
    let (gone, held) = read(&bytes, usize::MAX);
    let piece = usize::from(how / 2).max(1);
    assert_eq!(read(&bytes, piece), (gone.clone(), held.clone()));
    let gone = gone.strip_prefix(PREFACE).expect("h2 reads it");
    compare(&frames, gone, &held);
});
