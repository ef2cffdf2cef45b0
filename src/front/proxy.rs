//! The PROXY protocol, versions 1 and 2, as a proxy in front of us speaks it: who the visitor is,
//! before the first byte of theirs.
//!
//! Where a listener wants it, every connection must begin with it, and may come only from the
//! sources that the file names: anybody else could call themselves what they like. The header is
//! read to its last byte and not one byte further.

use super::origin::Peer;
use crate::config::within;
use ipnet::IpNet;
use proxy_header::{ParseConfig, ProxyHeader};
use std::fmt;
use std::io;
use std::net::IpAddr;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Bytes of a header of version 2, whose further fields (certificates) can be long.
const HEADER_MAX: usize = 2048;
/// Bytes of a header of version 1, which is a line.
const LINE_MAX: usize = 107;
/// What version 1 begins with.
const GREETING: &[u8; 6] = b"PROXY ";
/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\x00\r\nQUIT\n";
/// Bytes of version 2 before what it announces the length of.
const HEAD: usize = 16;

/// Whom a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The visitor's address; none if the proxy speaks for itself.
    pub address: Option<IpAddr>,
    /// The visitor came over TLS.
    pub secure: bool,
}

/// Why a connection is not what it must be.
#[derive(Debug)]
pub enum Wrong {
    /// It comes from an address that is not among the sources.
    Source,
    /// It does not begin with a header, or with a broken one.
    Header,
    /// It broke off.
    Lost(io::Error),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Source => write!(
                f,
                "the address is not among the sources (listener.proxy_from)"
            ),
            Wrong::Header => write!(
                f,
                "the connection does not begin with a PROXY header: is `send-proxy` missing there?"
            ),
            Wrong::Lost(error) => write!(f, "the connection broke off: {error}"),
        }
    }
}

/// Reads the header and returns whom it names; `peer` itself, if the proxy speaks for nobody (a
/// health check).
///
/// # Errors
/// When the source may not, or there is no good header. Nothing that follows is to be believed.
pub async fn read(socket: &mut TcpStream, peer: Peer, sources: &[IpNet]) -> Result<Peer, Wrong> {
    if !within(sources, peer.address) {
        return Err(Wrong::Source);
    }
    let mut header = [0; HEADER_MAX];
    let mut read = 0;
    loop {
        // Looked at first, so that nothing that follows the header is taken out.
        let seen = socket.peek(&mut header[read..]).await?;
        if seen == 0 {
            return Err(Wrong::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        let seen = read + seen;
        let (belongs, named) = look(&header[..seen])?;
        socket.read_exact(&mut header[read..belongs]).await?;
        match named {
            Some(named) => return Ok(peer.named(named)),
            None => read = belongs,
        }
    }
}

/// How many of the bytes in `seen` belong to the header, and whom it names, once it is whole; all
/// of them, and nobody yet, before that.
///
/// # Errors
/// When this is not how a header begins.
pub fn look(seen: &[u8]) -> Result<(usize, Option<Named>), Wrong> {
    let whole = match length(seen)? {
        Some(length) if length <= seen.len() => &seen[..length],
        _ => return Ok((seen.len(), None)),
    };
    match ProxyHeader::parse(whole, ParseConfig::default()) {
        Ok((header, length)) if length == whole.len() => Ok((length, Some(Named::by(&header)))),
        _ => Err(Wrong::Header),
    }
}

/// How many bytes the header has, if `seen` tells.
fn length(seen: &[u8]) -> Result<Option<usize>, Wrong> {
    let begins = |with: &[u8]| seen.iter().zip(with).all(|(seen, with)| seen == with);
    let length = if begins(SIGNATURE) {
        let announced = seen.get(HEAD - 2..HEAD);
        announced.map(|bytes| HEAD + usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    } else if begins(GREETING) {
        let line = &seen[..seen.len().min(LINE_MAX)];
        let end = line.iter().position(|byte| *byte == b'\n');
        if end.is_none() && line.len() == LINE_MAX {
            return Err(Wrong::Header);
        }
        end.map(|end| end + 1)
    } else {
        return Err(Wrong::Header);
    };
    match length {
        Some(length) if length > HEADER_MAX => Err(Wrong::Header),
        length => Ok(length),
    }
}

impl Named {
    fn by(header: &ProxyHeader<'_>) -> Named {
        Named {
            address: header.proxied_address().map(|named| named.source.ip()),
            secure: header.ssl().is_some_and(|ssl| ssl.client_ssl()),
        }
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Wrong {
        Wrong::Lost(error)
    }
}

impl Peer {
    /// The peer that a proxy speaks for; the proxy itself, if it speaks for nobody.
    fn named(self, named: Named) -> Peer {
        let address = named.address.map(|address| address.to_canonical());
        Peer {
            address: address.unwrap_or(self.address),
            secure: self.secure || named.secure,
            proven: named.address.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    const V1: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n";

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    /// Reads what arrives in `parts`, each after the one before was looked at; returns who is
    /// named, and what is left behind the header.
    async fn told(parts: &[&[u8]]) -> Result<(IpAddr, bool, Vec<u8>), Wrong> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sent = TcpStream::connect(listener.local_addr().unwrap());
        let (mut sent, accepted) = (sent.await.unwrap(), listener.accept().await.unwrap());
        let (mut socket, from) = accepted;
        let peer = Peer {
            address: from.ip(),
            secure: false,
            proven: false,
        };
        let sources = ["127.0.0.0/8".parse().unwrap()];
        let send = async {
            sent.set_nodelay(true).unwrap();
            for part in parts {
                sent.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            sent.shutdown().await.unwrap();
        };
        let (peer, ()) = tokio::join!(read(&mut socket, peer, &sources), send);
        let peer = peer?;
        let mut left = Vec::new();
        socket.read_to_end(&mut left).await.unwrap();
        Ok((peer.address, peer.secure, left))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn both_versions_and_not_one_byte_further() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        let with_tls = [&v4[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        let cases: [(Vec<u8>, &str, bool); 8] = [
            (V1.to_vec(), "192.0.2.1", false),
            (
                b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(),
                "2001:db8::1",
                false,
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", false),
            (v2(1, 0x11, &v4), "192.0.2.1", false),
            (v2(1, 0x11, &with_tls), "192.0.2.1", true),
            (v2(1, 0x21, &v6), "2001:db8::", false),
            (v2(0, 0, &[]), "127.0.0.1", false),
            (v2(0, 0x11, &v4), "127.0.0.1", false),
        ];
        for (header, named, secure) in cases {
            let whole = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let (first, rest) = whole.split_at(whole.len().min(9));
            for parts in [
                vec![&whole[..]],
                vec![first, rest],
                whole.chunks(1).collect(),
            ] {
                let told = told(&parts).await.unwrap();
                assert_eq!(
                    told,
                    (address(named), secure, b"GET / HTTP/1.1\r\n".to_vec())
                );
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = v2(1, 0x11, &[0; HEADER_MAX]);
        let endless = [b"PROXY TCP4 ", &[b'1'; HEADER_MAX][..]].concat();
        let wrong: [&[u8]; 9] = [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
            b"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
            b"PROXY\nTCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            &v2(2, 0x11, &[0; 12]),
            &v2(1, 0x11, &[0; 4]),
            &long,
            &endless,
        ];
        for header in wrong {
            let told = told(&[header]).await;
            assert!(matches!(told, Err(Wrong::Header)), "{told:?}");
        }
        let cut = told(&[&V1[..20]]).await;
        assert!(matches!(cut, Err(Wrong::Lost(_))), "{cut:?}");
    }
}
