use super::*;
use proptest::prelude::*;

const FIELDS_BYTES: usize = 32 * 1024;
const HOST: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";

fn first(bytes: &[u8]) -> Result<Verdict, RefusalKind> {
    Guard::new(FIELDS_BYTES).judge(bytes)
}

/// Feeds everything in pieces of `piece` bytes; gives each request that passed, whole.
fn requests(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, RefusalKind> {
    let mut guard = Guard::new(FIELDS_BYTES);
    let (mut held, mut current, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            match guard.judge(&held)? {
                Verdict::More => break,
                Verdict::Skip(bytes) => drop(held.drain(..bytes)),
                Verdict::Cut(ranges) => {
                    for range in ranges.into_iter().rev() {
                        held.drain(range);
                    }
                }
                Verdict::Pass(bytes) => {
                    assert!(bytes > 0);
                    current.extend(held.drain(..bytes));
                    if !guard.in_body() {
                        all.push(std::mem::take(&mut current));
                    }
                }
            }
        }
    }
    Ok(all)
}

#[test]
fn one_request_at_a_time() {
    let one = format!("{HOST}\r\n");
    let two = format!("{POST}Content-Length: 3\r\n\r\nabc");
    let three =
        format!("{POST}Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n");
    let four = format!("{POST}Content-Length: 0\r\n\r\n");
    let all = [one.as_str(), &two, &three, &four, &one];
    let text = all.concat().into_bytes();
    for piece in [1, 2, 3, 7, 50, 10_000] {
        let found = requests(&text, piece).unwrap();
        assert_eq!(found, all.map(|one| one.as_bytes().to_vec()), "{piece}");
    }
}

#[test]
fn an_upgrade_does_not_go_on_and_a_websocket_is_remembered() {
    for (fields, offers) in [
        ("Upgrade: websocket\r\n", true),
        ("x: 1\r\nUPGRADE:h2c ,\t WebSocket  \r\ny: 2\r\n", true),
        (
            "upgrade: h2c\r\nx: Upgrade: a\r\nupgrade: websocket\r\n",
            true,
        ),
        ("Upgrade: TLS/1.0, h2c\r\n", false),
        ("Upgrade:\r\nUpgrades: websocket\r\n", false),
        ("x: websocket\r\n", false),
    ] {
        let is_kept = |line: &&str| !line.to_lowercase().starts_with("upgrade:");
        let kept: String = fields.split_inclusive("\r\n").filter(is_kept).collect();
        let text = format!("{POST}{fields}Content-Length: 3\r\n\r\nabc{HOST}\r\n");
        let whole = [
            format!("{POST}{kept}Content-Length: 3\r\n\r\nabc"),
            format!("{HOST}\r\n"),
        ];
        for piece in [1, 10, 1_000] {
            let found = requests(text.as_bytes(), piece).unwrap();
            let found: Vec<_> = found.iter().map(|it| String::from_utf8_lossy(it)).collect();
            assert_eq!(found, whole, "{fields:?} by {piece}");
        }
        let mut guard = Guard::new(FIELDS_BYTES);
        let cut = matches!(guard.judge(text.as_bytes()), Ok(Verdict::Cut(_)));
        assert_eq!(cut, kept != fields, "{fields:?}");
        assert_eq!(guard.offers_websocket(), offers, "{fields:?}");
        assert!(!guard.offers_websocket(), "told once");
    }
}

#[test]
fn one_empty_line_is_forgiven_and_taken_away() {
    let text = format!("\r\n{HOST}\r\n\r\n{HOST}\r\n").into_bytes();
    for piece in [1, 1_000] {
        assert_eq!(requests(&text, piece).unwrap().len(), 2);
    }
    for bad in ["\n", "\r\n\r\n", "\r\n\n", "\rG"] {
        let text = format!("{bad}{HOST}\r\n").into_bytes();
        assert_eq!(
            requests(&text, 1).err(),
            Some(RefusalKind::BadRequest),
            "{bad:?}"
        );
    }
}

#[test]
fn heads_that_two_servers_could_read_differently() {
    let bad = RefusalKind::BadRequest;
    let cases = [
        ("Content-Length: 3\r\nContent-Length: 3\r\n", bad),
        ("Content-Length: 3\r\ncontent-length: 4\r\n", bad),
        ("Content-Length: 3, 3\r\n", bad),
        ("Content-Length: +3\r\n", bad),
        ("Content-Length: -3\r\n", bad),
        ("Content-Length: 0x3\r\n", bad),
        ("Content-Length: 3 3\r\n", bad),
        ("Content-Length:\r\n", bad),
        ("Content-Length: 99999999999999999999\r\n", bad),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", bad),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", bad),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            bad,
        ),
        ("Transfer-Encoding: chunked, chunked\r\n", bad),
        ("Transfer-Encoding: chunked, gzip\r\n", bad),
        ("Transfer-Encoding: identity\r\n", bad),
        ("Transfer-Encoding: xchunked\r\n", bad),
        ("Transfer-Encoding: chunked;q=1\r\n", bad),
        ("Transfer-Encoding: \"chunked\"\r\n", bad),
        ("Transfer-Encoding: \x0bchunked\r\n", bad),
        ("Transfer-Encoding:\r\n", bad),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            RefusalKind::NotImplemented,
        ),
        ("Content-Length : 3\r\n", bad),
        ("X: a\r\n folded\r\n", bad),
        (" X: a\r\n", bad),
        ("X: a\nY: b\r\n", bad),
        ("X: a\n", bad),
        ("X: a\rY: b\r\n", bad),
        ("X: a\0b\r\n", bad),
        ("X\r\n", bad),
        (": x\r\n", bad),
        ("X[]: a\r\n", bad),
        ("X\u{e9}: a\r\n", bad),
    ];
    for (fields, kind) in cases {
        let text = format!("{POST}{fields}\r\n");
        assert_eq!(first(text.as_bytes()), Err(kind), "{fields:?}");
        let behind = format!("{HOST}\r\n{text}");
        assert_eq!(
            requests(behind.as_bytes(), 1).err(),
            Some(kind),
            "{fields:?}"
        );
    }
}

#[test]
fn request_lines_that_are_none() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /",
        "GET / HTTP/2.0",
        "GET / HTTP/1.2",
        "GET / http/1.1",
        "GET / HTTP/1.1\n",
        "G@T / HTTP/1.1",
        "PRI * HTTP/2.0",
        "NONSENSE",
    ] {
        let text = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(
            first(text.as_bytes()),
            Err(RefusalKind::BadRequest),
            "{line:?}"
        );
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(first(old), Err(RefusalKind::BadRequest));
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    assert_eq!(first(hello), Err(RefusalKind::PlainPort));
}

#[test]
fn what_is_allowed_passes() {
    for fields in [
        "X:a\r\n",
        "X: \t a \t \r\n",
        "X:\r\nY: \r\n",
        "X: caf\u{e9}\r\n",
        "x_y: a\r\n",
        "Content-Length: 0\r\n",
        "Content-Length:   0  \r\n",
    ] {
        let text = format!("{POST}{fields}\r\n");
        let length = text.len();
        assert_eq!(
            first(text.as_bytes()),
            Ok(Verdict::Pass(length)),
            "{fields:?}"
        );
    }
}

#[test]
fn what_is_too_long_is_told_by_what_is_too_long() {
    let long = "x".repeat(60_000);
    let fields = format!("{HOST}X: {long}");
    let done = format!("{HOST}X: {long}\r\n\r\n");
    let line = format!("GET /{long}");
    let many = format!("{HOST}{}\r\n", "X: a\r\n".repeat(FIELDS_MAX));
    for (text, kind) in [
        (fields, RefusalKind::HeadersTooLarge),
        (done, RefusalKind::HeadersTooLarge),
        (line, RefusalKind::UriTooLong),
        (many, RefusalKind::HeadersTooLarge),
    ] {
        assert_eq!(first(text.as_bytes()), Err(kind));
        assert_eq!(requests(text.as_bytes(), 1_000).err(), Some(kind));
    }
}

#[test]
fn chunks_that_two_servers_could_read_differently() {
    let long = format!("1;{}\r\n", "x".repeat(CHUNK_WORDS_MAX + 1));
    for body in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "0x1\r\n",
        ";a\r\n",
        " 1\r\n",
        "1\nx\r\n",
        "1\rx",
        "1\r\nx\n",
        "1\r\nxy\r\n",
        "1;a\nx",
        "1;a\rx",
        "1;a\0\r\n",
        "1 1\r\n",
        "1234567890abcdef\r\n",
        "0\r\na: b\n\r\n",
        "0\r\na: b\rc",
        "0\r\n\n",
        "0\n",
        long.as_str(),
    ] {
        let text = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{body}");
        for piece in [1, 100_000] {
            let found = requests(text.as_bytes(), piece);
            assert_eq!(found.err(), Some(RefusalKind::BadRequest), "{body:?}");
        }
    }
}

/// What an attacker would put together.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a HTTP/1.1\r\n",
        "Host: a\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X: y\r\n",
        "Upgrade: websocket\r\n",
        "\r\n",
        "\n",
        "\r",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0;x\r\n",
        "hello",
        " ",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// In whatever pieces bytes come, the same requests are found. (What is wrong may be seen
    /// earlier when more is seen at once.)
    #[test]
    fn pieces_do_not_matter(text in pieces(), piece in 1_usize..40) {
        let whole = requests(text.as_bytes(), 100_000);
        let parts = requests(text.as_bytes(), piece);
        match whole {
            Ok(whole) => prop_assert_eq!(parts.ok(), Some(whole)),
            Err(_) => {
                let ended = requests(format!("{text}\r\n\r\n").as_bytes(), piece);
                prop_assert!(parts.is_err() || ended.is_err());
            }
        }
    }

    /// No bytes make it panic, and what passes never reaches beyond what there is.
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut guard = Guard::new(FIELDS_BYTES);
        if let Ok(Verdict::Pass(passed)) = guard.judge(&bytes) {
            prop_assert!(passed <= bytes.len());
        }
    }

    /// A head that passes has no line end but CRLF, and one blank line: at its end.
    #[test]
    fn a_head_ends_where_everybody_ends_it(text in pieces()) {
        for request in requests(text.as_bytes(), 7).unwrap_or_default() {
            let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            let head = &request[..end];
            let bare = |at: usize| head[at] == b'\n' && (at == 0 || head[at - 1] != b'\r');
            prop_assert!(!(0..head.len()).any(bare));
        }
    }
}
