use super::*;
use http::Version;
use proptest::prelude::*;

const GET: [u8; 2] = [0x82, 0x87];
const END_STREAM: u8 = 0x1;
const DATA: u8 = 0;
/// `:path`, named by the static table.
const STATIC: &[u8] = &[4];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A literal field, `name` as it stands in a block.
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [name, &[value.len() as u8], value].concat()
}

fn coded(bytes: &[u8]) -> Vec<u8> {
    [&[0x80 | bytes.len() as u8], bytes].concat()
}

/// What h2 reads, if `bytes` come in pieces of `piece` bytes.
fn read(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut frames = Frames::default();
    let (mut held, mut gone) = (Vec::new(), Vec::new());
    let bytes = [&[b'P'; PREFACE], bytes].concat();
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            match frames.judge(&mut held) {
                Verdict::More => break,
                Verdict::Pass(bytes) => {
                    assert!(bytes > 0);
                    gone.extend(held.drain(..bytes));
                }
                Verdict::Mark(place) => held.insert(place, MARK),
            }
        }
    }
    gone.extend(held);
    gone.split_off(PREFACE)
}

fn is_read_as(bytes: &[u8], expected: &[u8]) {
    for piece in [1, 2, 3, 8, 9, 10, 50, 100_000] {
        assert_eq!(read(bytes, piece), expected, "by {piece}");
    }
}

fn request(flags: u8, path: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, 1, &[&GET[..], path].concat())
}

#[test]
fn what_is_well_goes_through_as_it_is() {
    let path = field(STATIC, b"/a?b=c");
    let all = [
        frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9]),
        frame(SETTINGS, ACK, 0, &[]),
        request(0, &path),
        frame(DATA, 0, 1, &[7; 5_000]),
        frame(DATA, END_STREAM, 1, &[]),
        frame(8, 0, 0, &[0, 0, 1, 0]),
        // Empty trailers are none.
        frame(HEADERS, END_HEADERS, 3, &[&GET[..], &path].concat()),
        frame(HEADERS, END_HEADERS | END_STREAM, 3, &[]),
        frame(HEADERS, END_HEADERS, 5, &vec![0x82; FRAME_MAX as usize + 1]),
    ]
    .concat();
    is_read_as(&all, &all);
}

#[test]
fn trailers_begin_with_a_field_that_is_none() {
    let first = request(0, &field(STATIC, b"/"));
    let trailers = [
        (0, &b"\0\x01a\x01b"[..], vec![MARK, 0, 1, b'a', 1, b'b']),
        // Behind a change of the table, which must be first.
        (
            0,
            &[0x3f, 0xe1, 0x1f, 0x82],
            vec![0x3f, 0xe1, 0x1f, MARK, 0x82],
        ),
        (PADDED, &[2, 0x82, 0, 0], vec![2, MARK, 0x82, 0, 0]),
        (
            PRIORITY,
            &[0, 0, 0, 0, 9, 0x82],
            vec![0, 0, 0, 0, 9, MARK, 0x82],
        ),
    ];
    for (flags, block, marked) in trailers {
        let with = |block: &[u8]| {
            let flags = END_HEADERS | END_STREAM | flags;
            [
                first.clone(),
                frame(HEADERS, flags, 1, block),
                first.clone(),
            ]
            .concat()
        };
        let expected = [with(&marked)].concat();
        // The stream is known by now: what comes on it again is of trailers, too.
        let again = frame(HEADERS, END_HEADERS, 1, &[&[MARK], &first[HEAD..]].concat());
        let expected = [&expected[..expected.len() - first.len()], &again].concat();
        is_read_as(&with(block), &expected);
    }
}

#[test]
fn trailers_that_cannot_be_marked_end_the_connection() {
    let first = request(0, &field(STATIC, b"/"));
    let pieces = |stream| frame(HEADERS, END_STREAM, stream, &[0x82]);
    let full = vec![0x82; FRAME_MAX as usize];
    let full = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &full);
    for of in [&pieces as &dyn Fn(u32) -> Vec<u8>, &full] {
        is_read_as(
            &[first.clone(), of(1)].concat(),
            &[first.clone(), of(0)].concat(),
        );
    }
}

#[test]
fn a_path_with_a_fragment_is_behind_another_field() {
    let huffman = coded(&[0x60, 0x7f, 0xf5, 0x1f]);
    let dynamic: &[u8] = &[0x7f, 0x03];
    let bad = [
        field(STATIC, b"/a#b"),
        field(&[0x45], b"/#"),
        [STATIC, &huffman].concat(),
        [&[0x44], &huffman[..]].concat(),
        field(b"\x00\x05:path", b"/#"),
        field(b"\x10\x84\xb9\x58\xd3\x3f", b"/#"),
        // A name of which we know only that nothing else is the path.
        field(dynamic, b"/#"),
        [field(&[1], b"ent.fr"), field(STATIC, b"/#")].concat(),
    ];
    for path in bad {
        let read = read(&request(END_STREAM, &path), 7);
        let marked = [&[MARK], &GET[..], &path].concat();
        let expected = frame(HEADERS, END_HEADERS | END_STREAM, 1, &marked);
        assert_eq!(read, expected, "{path:x?}");
    }
    let good = [
        field(STATIC, b"/a?b"),
        // `/a>b`, which has nine ones in a row as well.
        [STATIC, &coded(&[0x60, 0x7f, 0xf7, 0x1f])].concat(),
        vec![0x84],
        vec![],
        [vec![0x84], field(dynamic, b"#")].concat(),
        [field(&[1], b"ent.fr"), vec![0xbe], field(dynamic, b"#")].concat(),
        [field(STATIC, b"/"), field(b"\x00\x01x", b"#")].concat(),
    ];
    for path in good {
        let request = request(END_STREAM, &path);
        assert_eq!(read(&request, 7), request, "{path:x?}");
    }
}

#[test]
fn a_request_whose_path_is_not_in_its_first_frame_is_not_one() {
    let begun = [&GET[..], &[4, 9, b'/']].concat();
    let whole = frame(HEADERS, END_HEADERS, 1, &begun);
    is_read_as(&whole, &whole);
    is_read_as(&frame(HEADERS, 0, 1, &begun), &frame(HEADERS, 0, 0, &begun));
    let whole = [&GET[..], &field(STATIC, b"/"), &field(&[1], b"a")].concat();
    let begun = frame(HEADERS, 0, 1, &whole);
    is_read_as(&begun, &begun);
    // Nor is one whose path is too long; but that has words.
    let long = [&GET[..], &[4, 0x7f, 0xff, 0x7f], &[b'/'; 16_370]].concat();
    let long = frame(HEADERS, 0, 1, &long);
    is_read_as(&long, &long);
}

#[test]
fn of_several_tables_the_smallest_counts() {
    let size = |sizes: &[u32]| {
        let settings: Vec<u8> = (sizes.iter())
            .flat_map(|size| [&[0, 1][..], &size.to_be_bytes()].concat())
            .collect();
        frame(
            SETTINGS,
            0,
            0,
            &[&[0, 4, 0, 0, 0xff, 0xff], &settings[..]].concat(),
        )
    };
    is_read_as(&size(&[0, 4096]), &size(&[0, 0]));
    is_read_as(&size(&[100, 10, 70_000, 9]), &size(&[100, 10, 10, 9]));
    // Each frame by itself: h2 knows what to do with two.
    let two = [size(&[0]), size(&[4096])].concat();
    is_read_as(&two, &two);
}

#[test]
fn what_h2_would_take_is_malformed() {
    let malformed = |request: http::request::Builder| {
        is_malformed(&request.version(Version::HTTP_2).body(()).unwrap())
    };
    let get = || Request::get("https://a/");
    assert!(!malformed(
        get().header("a", "b c").header("content-length", "3")
    ));
    assert!(malformed(get().header("a", " b")));
    assert!(malformed(get().header("a", "b\t")));
    assert!(malformed(get().header("content-length", "")));
    let twice = get()
        .header("content-length", "3")
        .header("content-length", "3");
    assert!(malformed(twice));
    assert!(!malformed(Request::get("/")));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..40) {
        read(&bytes, piece);
        let block = frame(HEADERS, bytes.len() as u8, 1, &bytes);
        read(&[block.clone(), block].concat(), piece);
    }
}
