//! The front: what visitors meet.
//!
//! [`serve`] accepts connections on one thread; `connection` is what happens on one of them, after
//! its `handshake` over TLS, and `http2` if that is spoken (with `taking`, how an answer is taken); [`request::answer`] is the way of a
//! request, top to bottom. Around it: `redirect` (from http to https), `canonical` (one canonical
//! request, or a refusal) with `readings` (what a path may be), `origin` and `proxy` (where it comes from), `untold` (who speaks for others and is not known), `sift` (what it may not
//! say), `door` (a room and what belongs to it), `own` (`/.preau/`), `flow` (what a request is to
//! its room), `passing` (who wants nothing there), `checks` (who only looks), `agents` (programs that say who they are), `forms` (what a
//! form says), `entering` (who is let in), `away` (who is sent to
//! a sign-on), `forward` (to the portal and back), `erring` (a portal that answers with an error), `fields` (header fields on that way), `tunnel` and
//! `lasting` (what goes on after an answer), `reply` (our own answers), `shared` (who may read
//! them), `frames` (who may frame them), `manner` (a page, or JSON), `fetch` (what browsers say of a request), `page` (words),
//! `written` (the store), `access`, `json`, `digits` and `lines` (the log).
//!
//! The socket: `stream` (the bytes), `known` (what the kernel knows of it), `wire` (what stands between them and hyper), [`guard`] (where
//! requests begin and end), `frame_guard` (the same for HTTP/2), `held`, `mark` and `clock` (bytes, state and timer of a wire), `interim` (1xx), `crowd`
//! (how many there are), `farewell` (answers that end a connection), `misdialled` (the wrong port), `lingering` (a soft close),
//! `taker` (how a visitor sends and takes), `link` (the socket of HTTP/2).

mod access;
mod agents;
mod awaited;
mod away;
mod body;
mod canonical;
mod checks;
mod classes;
mod clock;
mod connection;
mod crowd;
mod digits;
mod door;
mod draw;
mod entering;
mod erring;
mod farewell;
mod fetch;
mod fields;
mod flow;
mod forms;
mod forward;
mod frame_guard;
mod frames;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod guard;
mod handshake;
mod held;
mod http2;
mod interim;
mod json;
mod known;
mod lanes;
mod lasting;
mod lines;
mod lingering;
mod link;
mod manner;
mod mark;
mod misdialled;
mod origin;
mod own;
pub mod page;
mod passing;
mod proxy;
mod readings;
mod redirect;
mod reply;
pub mod request;
mod serve;
mod shared;
mod sift;
mod stream;
mod taker;
mod taking;
mod tunnel;
mod untold;
mod watch;
mod wire;
mod written;

pub use access::AccessLog;
pub use door::{Door, House, Thread};
pub use draw::{commitment, hex, moment};
pub use lines::{Lines, Writing};
pub use serve::{Phase, serve};
pub use written::Written;
