//! The host: the only clock and the only entropy in the program, and what its errors ask for.
//!
//! Everything above takes `now` and chance from here and hands them down as values; the lint
//! in `clippy.toml` keeps other modules from asking the operating system behind our back.

use crate::time::{Millis, Span};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use std::io::{self, ErrorKind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock as it was when the process first asked, and the monotonic one at that moment.
struct Anchor {
    wall: Millis,
    monotonic: Instant,
}

static ANCHOR: OnceLock<Anchor> = OnceLock::new();

/// Wall-clock time, anchored monotonically: it never goes backwards within one process, even
/// when the administrator sets the clock.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads a clock"
)]
pub fn now() -> Millis {
    let anchor = ANCHOR.get_or_init(|| Anchor {
        wall: wall(),
        monotonic: Instant::now(),
    });
    anchor.wall + Span::from(anchor.monotonic.elapsed())
}

/// What the clock on the wall shows now. Unlike [`now`] it follows the administrator who sets the
/// clock, and a machine that was suspended: for what the calendar says, for certificates, and for
/// nothing else.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads a clock"
)]
pub fn wall() -> Millis {
    Millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| Span::from(since).0),
    )
}

/// Fills `bytes` from the operating system's generator.
///
/// # Panics
/// If the operating system has no randomness to give; nothing safe can be done without it.
pub fn fill_random(bytes: &mut [u8]) {
    SystemRandom::new()
        .fill(bytes)
        .expect("the operating system always has randomness");
}

/// A seed for the generators that need chance but no secrecy.
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Keeps the log from saying the same thing for each of many requests.
pub struct Seldom {
    gap: Span,
    said: AtomicU64,
}

impl Seldom {
    /// No more often than once in `gap`.
    pub const fn new(gap: Span) -> Seldom {
        Seldom {
            gap,
            said: AtomicU64::new(0),
        }
    }

    /// Whether to say it now.
    pub fn now(&self) -> bool {
        let now = now();
        let said = Millis(self.said.load(Ordering::Relaxed));
        let due = now.since(said) >= self.gap;
        if due {
            self.said.store(now.0, Ordering::Relaxed);
        }
        due
    }
}
/// An error of the disk itself (`EIO`).
const BROKEN: i32 = 5;

/// What an operator can do about a file or an address that the operating system refuses: a sentence
/// without its full stop.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Make room on its disk",
        ErrorKind::ReadOnlyFilesystem => {
            "Its disk can only be read: `dmesg` says whether that is after an error, and the service's \
             unit whether it is meant"
        }
        ErrorKind::PermissionDenied => {
            "The user running preau must be allowed to read and write it"
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => "Its folder must be there",
        ErrorKind::AddrNotAvailable => "This machine has no such address",
        _ if error.raw_os_error() == Some(BROKEN) => "Its disk is failing: `dmesg` says more",
        _ => "The user running preau must be able to use it",
    }
}

/// Whether an error is of the disk, and of nothing that somebody has set up.
pub fn is_of_disk(error: &io::Error) -> bool {
    let full = [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::ReadOnlyFilesystem,
    ];
    full.contains(&error.kind()) || error.raw_os_error() == Some(BROKEN)
}
