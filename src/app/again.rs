//! What is in use for a moment: `preau check` tries our addresses and looks at the store, and a `serve`
//! that starts beside it must not give up for that.

use std::thread;
use std::time::Duration;

/// What is in use is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// What comes of `attempt`, which is made again while its error `is_in_use`. Blocks for up to
/// [`PATIENCE`].
///
/// # Errors
/// The last one.
pub fn while_in_use<T, E>(
    is_in_use: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut waited = Duration::ZERO;
    loop {
        match attempt() {
            Err(error) if is_in_use(&error) && waited < PATIENCE => {
                thread::sleep(PAUSE);
                waited += PAUSE;
            }
            done => return done,
        }
    }
}
