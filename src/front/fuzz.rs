//! What reads bytes here, for the fuzz targets of `tests/fuzz`, which know what must hold.
//!
//! Only in builds for fuzzing: nothing of this is public otherwise.

pub use super::canonical::{Asked, read};
pub use super::fields::strip_request;
pub use super::frame_guard::{FRAME_MAX, Frames, MARK, Verdict as FrameVerdict};
pub use super::origin::{Origin, Peer};
pub use super::proxy::look;
