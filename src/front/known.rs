//! What the kernel knows of a visitor's connection, and says only when it is asked.
//!
//! A socket tells by itself that bytes can be read or written. It does not tell whether a visitor
//! is still there while bytes of theirs lie unread, nor how much of an answer has reached them:
//! `TCP_INFO` does (tcp(7)), at the price of one system call, so it is asked seldom.

use crate::time::Span;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::GetStruct;
use std::os::fd::AsFd;

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The visitor has ended their side, or all of it is over.
    pub left: bool,
    /// For how long the visitor's machine has said nothing, if it should have: it says when something
    /// has come, and when it is asked whether it has room, whatever its programs do.
    pub unheard: Span,
    /// Bytes of ours that have reached the visitor, since the connection is there.
    pub acknowledged: u64,
    /// Bytes that have come from the visitor.
    pub received: u64,
}

/// Asks the kernel; nothing if it does not know.
pub fn ask(socket: &impl AsFd) -> Option<Known> {
    let info = getsockopt(socket, TcpInfo).ok()?;
    let small = info[0].to_ne_bytes();
    let asks = first_half(info[ON_ITS_WAY]) > 0 || small[PROBES_BYTE] >= PROBES_LOST;
    Some(Known {
        left: LEFT.contains(&small[STATE_BYTE]),
        unheard: match asks {
            true => Span(first_half(info[LAST_HEARD]).into()),
            false => Span::ZERO,
        },
        acknowledged: info[ACKNOWLEDGED],
        received: info[RECEIVED],
    })
}

/// The beginning of Linux' `struct tcp_info`, as every kernel since 4.2 has it.
type Info = [u64; RECEIVED + 1];
/// The byte that holds the connection's state.
const STATE_BYTE: usize = 0;
/// The byte that holds how often it was asked whether there is room, without an answer …
const PROBES_BYTE: usize = 3;
/// … of which the last one may still be on its way.
const PROBES_LOST: u8 = 2;
/// `tcpi_unacked` comes first in this, packets.
const ON_ITS_WAY: usize = 3;
/// `tcpi_last_ack_recv` comes first in this, milliseconds.
const LAST_HEARD: usize = 7;
/// `tcpi_bytes_acked`.
const ACKNOWLEDGED: usize = 15;
/// `tcpi_bytes_received`.
const RECEIVED: usize = 16;
/// TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING (`net/tcp_states.h`).
const LEFT: [u8; 5] = [6, 7, 8, 9, 11];

/// The first of two numbers of four bytes.
fn first_half(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

#[derive(Clone, Copy)]
struct TcpInfo;

nix::getsockopt_impl!(
    TcpInfo,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    Info,
    GetStruct<Info>
);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let visitor = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, visitor)
    }

    #[test]
    fn what_has_reached_whom_is_known() {
        let (mut ours, mut visitor) = pair();
        let before = ask(&ours).unwrap();
        assert!(!before.left);
        ours.write_all(&[7; 1000]).unwrap();
        visitor.write_all(&[7; 30]).unwrap();
        visitor.read_exact(&mut [0; 1000]).unwrap();
        ours.read_exact(&mut [0; 30]).unwrap();
        let after = ask(&ours).unwrap();
        assert_eq!(after.acknowledged - before.acknowledged, 1000);
        assert_eq!(after.received - before.received, 30);
        assert!(!after.left);
    }

    #[test]
    fn who_has_left_is_known_while_their_bytes_lie_unread() {
        let (ours, mut visitor) = pair();
        visitor.write_all(&[7; 1000]).unwrap();
        assert!(!ask(&ours).unwrap().left);
        visitor.shutdown(Shutdown::Write).unwrap();
        assert!(ask(&ours).unwrap().left);

        let (mut ours, visitor) = pair();
        ours.write_all(&[7; 1000]).unwrap();
        drop(visitor);
        assert!(ask(&ours).unwrap().left, "a reset, for what was not read");
    }
}
