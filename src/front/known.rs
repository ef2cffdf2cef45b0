//! What the kernel knows of a visitor's connection, and says only when it is asked.
//!
//! A socket tells by itself that bytes can be read or written. It does not tell whether a visitor
//! is still there while bytes of theirs lie unread: `TCP_INFO` does (tcp(7)), at the price of one
//! system call, so it is asked seldom.

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::GetStruct;
use std::os::fd::AsFd;

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The visitor has ended their side, or all of it is over.
    pub left: bool,
}

/// Asks the kernel; nothing if it does not know.
pub fn ask(socket: &impl AsFd) -> Option<Known> {
    let info = getsockopt(socket, TcpInfo).ok()?;
    Some(Known {
        left: LEFT.contains(&info[0].to_ne_bytes()[STATE_BYTE]),
    })
}

/// The beginning of Linux' `struct tcp_info`, as every kernel has it.
type Info = [u64; 1];
/// The byte that holds the connection's state.
const STATE_BYTE: usize = 0;
/// TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING (`net/tcp_states.h`).
const LEFT: [u8; 5] = [6, 7, 8, 9, 11];

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
    use std::io::Write as _;
    use std::net::{Shutdown, TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let visitor = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, visitor)
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
