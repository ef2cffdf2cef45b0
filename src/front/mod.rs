//! The front: what visitors meet.
//!
//! [`serve`] accepts connections on one thread; [`request::answer`] is the way of a request,
//! top to bottom. Around it: `canonical` (one reading of a request, or a refusal), `door` (a
//! room and what belongs to it), `own` (`/.preau/`), `forward` (to the portal and back), `reply`
//! (our own answers), `page` (their words), `wire` (the socket), `written` (the
//! store), `access` (the log).

mod access;
mod body;
mod canonical;
mod door;
mod forward;
mod own;
pub mod page;
mod reply;
pub mod request;
mod serve;
mod tunnel;
mod wire;
mod written;

pub use access::AccessLog;
pub use door::{Door, House, Thread};
pub use serve::{Phase, serve};
pub use written::Written;
