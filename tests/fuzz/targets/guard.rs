//! Where requests begin and end: the same in whatever pieces the bytes come, and as everybody
//! behind us would say.

#![no_main]

use libfuzzer_sys::fuzz_target;
use preau::front::guard::{Guard, Verdict};

/// The requests in `bytes`, fed `piece` by `piece`; nothing once one is refused.
fn requests(bytes: &[u8], piece: usize) -> Option<Vec<Vec<u8>>> {
    let mut guard = Guard::new(8 * 1024);
    let (mut held, mut current, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            match guard.judge(&held).ok()? {
                Verdict::More => break,
                Verdict::Skip(bytes) => drop(held.drain(..bytes)),
                Verdict::Cut(ranges) => {
                    for range in ranges.into_iter().rev() {
                        held.drain(range);
                    }
                }
                Verdict::Pass(bytes) => {
                    assert!(bytes > 0 && bytes <= held.len());
                    current.extend(held.drain(..bytes));
                    if !guard.in_body() {
                        all.push(std::mem::take(&mut current));
                    }
                }
            }
        }
    }
    Some(all)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, bytes)) = bytes.split_first() else {
        return;
    };
    let Some(whole) = requests(bytes, usize::MAX) else {
        return;
    };
    assert_eq!(
        requests(bytes, usize::from(piece).max(1)),
        Some(whole.clone())
    );
    for request in whole {
        let end = request.windows(4).position(|four| four == b"\r\n\r\n");
        let head = &request[..end.expect("a request has a head") + 2];
        let text = String::from_utf8_lossy(head).to_ascii_lowercase();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert_eq!(text.matches('\r').count(), text.matches("\r\n").count());
        let lines = |name: &str| text.matches(&format!("\r\n{name}:")).count();
        assert!(lines("content-length") + lines("transfer-encoding") <= 1);
        assert!(!text.contains("\r\n ") && !text.contains("\r\n\t") && !text.contains('\0'));
    }
});
