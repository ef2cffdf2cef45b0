//! The ground of the tests: a real portal (Apache and PHP), the real proxy, visitors over
//! sockets, and a real browser.
//!
//! Everything listens on loopback, on free ports, in folders of its own; everything that a
//! test starts is ended by its own handle when the test lets go of it. Nothing here sleeps
//! where an event can be awaited, and every wait has a bound.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses its own part of this"
)]

mod apache;
mod chromium;
pub mod frames;
mod haproxy;
mod http;
mod names;
mod nginx;
pub mod pebble;
mod port;
mod preau;
mod process;
mod scripted;
mod surfer;
pub mod tls;
mod turns;
mod visitor;

pub use apache::{Portal, Seen, Site};
pub use chromium::{Browser, JavaScript};
pub use haproxy::HaProxy;
pub use http::{Answer, Broken, get, over, raw, send};
pub use names::Names;
pub use nginx::Nginx;
pub use port::{accepts, free_port};
pub use preau::{Preau, Refusal, Unstarted, one_room, sum_of_series};
pub use process::Process;
pub use scripted::{Heard, Scripted};
pub use surfer::{From, Surfer};
pub use turns::Turns;
pub use visitor::{Arrival, State, Status, Visitor};

use std::time::Duration;

/// How long a test waits for something that must happen before it calls it broken: long enough for a
/// machine that does something else, too.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often a condition is looked at while it is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `look` finds what it looks for; `what` names it if it never comes.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let watch = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(PATIENCE, watch).await {
        Ok(found) => found,
        Err(_) => panic!("waited {PATIENCE:?} in vain until {what}"),
    }
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}
