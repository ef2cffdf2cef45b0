//! The PROXY header: read byte by byte or at once, it names the same, and never more than is
//! there is taken.

#![no_main]

use libfuzzer_sys::fuzz_target;
use preau::front::fuzz::look;

fuzz_target!(|bytes: &[u8]| {
    let Ok((taken, named)) = look(bytes) else {
        return;
    };
    assert!(taken <= bytes.len());
    match named {
        // Until the header is whole, all that was seen belongs to it: the next look sees more.
        None => assert_eq!(taken, bytes.len()),
        Some(named) => {
            for upto in 1..taken {
                let part = look(&bytes[..upto]).expect("the beginning of a good header is good");
                assert_eq!(part, (upto, None));
            }
            assert_eq!(
                look(&bytes[..taken]).expect("it was good"),
                (taken, Some(named))
            );
        }
    }
});
