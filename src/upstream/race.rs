//! Which of several addresses of a server serves: the first that answers (RFC 8305 §5).
//!
//! Each has a head start over the next. What did not answer within it, while another did, is asked
//! last from then on; and so is what was asked in vain by somebody who has run out of time.

use super::addresses::Addresses;
use super::connect::NoConnection;
use crate::host;
use crate::time::{Millis, Span};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long one address is asked before the next is, too (RFC 8305 §5 and §8).
const HEAD_START: Duration = Duration::from_millis(250);

/// A race for one connection.
pub struct Race<'a> {
    addresses: &'a Addresses,
    /// Those that have not been asked, the next one last.
    rest: Vec<SocketAddr>,
    attempts: JoinSet<(SocketAddr, io::Result<TcpStream>)>,
    /// Those that were asked and have not been heard to the end, in order, and since when.
    begun: Vec<(SocketAddr, Millis)>,
    failure: Option<NoConnection>,
}

impl<'a> Race<'a> {
    /// Among these.
    ///
    /// # Errors
    /// When there is no address.
    pub async fn among(addresses: &'a Addresses) -> Result<Race<'a>, NoConnection> {
        let order = addresses.in_order().await;
        let mut rest = order.map_err(NoConnection::Unreachable)?;
        rest.reverse();
        Ok(Race {
            addresses,
            rest,
            attempts: JoinSet::new(),
            begun: Vec::new(),
            failure: None,
        })
    }

    /// The next that answers: whether it is what it should be is told by [`Race::won`] or
    /// [`Race::failed`].
    ///
    /// # Errors
    /// Why none is left.
    pub async fn next(&mut self) -> Result<(SocketAddr, TcpStream), NoConnection> {
        loop {
            self.begin();
            let ended = self.attempts.join_next();
            let ended = match self.rest.is_empty() {
                true => ended.await,
                false => match tokio::time::timeout(HEAD_START, ended).await {
                    Ok(ended) => ended,
                    Err(_) => continue,
                },
            };
            match ended {
                Some(Ok((address, Ok(stream)))) => return Ok((address, stream)),
                Some(Ok((address, Err(error)))) => {
                    self.failed(address, NoConnection::to(address, error))
                }
                // The runtime ends.
                Some(Err(_)) => {}
                None => {
                    let none = || NoConnection::Unreachable("has no address".to_owned());
                    return Err(self.failure.take().unwrap_or_else(none));
                }
            }
        }
    }

    /// This one serves.
    pub fn won(mut self, winner: SocketAddr) {
        let begun = std::mem::take(&mut self.begun);
        let before = begun.iter().take_while(|(address, _)| *address != winner);
        before.for_each(|(address, _)| self.addresses.note(*address, false));
        self.addresses.note(winner, true);
    }

    /// This one does not.
    pub fn failed(&mut self, address: SocketAddr, why: NoConnection) {
        self.begun.retain(|(begun, _)| *begun != address);
        self.addresses.note(address, false);
        match why {
            // What the others say counts for more.
            NoConnection::Exhausted if self.failure.is_some() => {}
            why => self.failure = Some(why),
        }
    }

    /// Asks one more, if there is one.
    fn begin(&mut self) {
        if let Some(address) = self.rest.pop() {
            self.begun.push((address, host::now()));
            self.attempts
                .spawn(async move { (address, TcpStream::connect(address).await) });
        }
    }
}

impl Drop for Race<'_> {
    /// Nobody waits any more.
    fn drop(&mut self) {
        let now = host::now();
        let heard = |since: &Millis| now.since(*since) < Span::from(HEAD_START);
        let in_vain = self.begun.iter().filter(|(_, since)| !heard(since));
        in_vain.for_each(|(address, _)| self.addresses.note(*address, false));
    }
}

#[cfg(test)]
mod tests {
    use super::super::addresses::tests::leading_to;
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::{Ipv4Addr, Ipv6Addr};
    use tokio::net::TcpListener;

    /// Connections that fill the queue of a socket on which nobody accepts any.
    const QUEUE: usize = 4;

    /// An address that is reached and never answers: whoever connects waits for ever.
    struct Hole {
        address: SocketAddr,
        _held: Vec<Socket>,
    }

    fn hole(ip: Ipv4Addr, port: u16) -> Hole {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listening = socket();
        listening
            .bind(&SocketAddr::from((ip, port)).into())
            .unwrap();
        listening.listen(0).unwrap();
        let address = listening.local_addr().unwrap().as_socket().unwrap();
        let mut held = vec![listening];
        for _ in 0..QUEUE {
            let waiting = socket();
            waiting.set_nonblocking(true).unwrap();
            let _ = waiting.connect(&address.into());
            held.push(waiting);
        }
        Hole {
            address,
            _held: held,
        }
    }

    async fn living() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn run(addresses: &Addresses) -> Result<SocketAddr, NoConnection> {
        let mut race = Race::among(addresses).await?;
        let (address, _stream) = race.next().await?;
        race.won(address);
        Ok(address)
    }

    #[tokio::test]
    async fn a_dead_address_is_passed_by_and_asked_last_from_then_on() {
        let (_listener, alive) = living().await;
        let dead = hole(Ipv4Addr::new(127, 0, 0, 2), 0);
        let name = leading_to(vec![dead.address, alive]);
        assert_eq!(run(&name).await, Ok(alive));
        for _ in 0..3 {
            assert_eq!(name.in_order().await.unwrap()[0], alive);
        }
    }

    #[tokio::test]
    async fn a_family_that_refuses_costs_nothing() {
        let (_listener, alive) = living().await;
        // Nobody listens there, or there is no IPv6.
        let refusing = SocketAddr::from((Ipv6Addr::LOCALHOST, alive.port()));
        let name = leading_to(vec![refusing, alive]);
        assert_eq!(run(&name).await, Ok(alive));
        assert_eq!(name.in_order().await.unwrap(), [alive, refusing]);
    }

    #[tokio::test]
    async fn more_dead_addresses_than_there_is_time_for_are_not_asked_first_again() {
        let (_listener, alive) = living().await;
        let dead = [2, 3, 4].map(|n| hole(Ipv4Addr::new(127, 0, 0, n), 0));
        let mut all: Vec<SocketAddr> = dead.iter().map(|dead| dead.address).collect();
        all.push(alive);
        let name = leading_to(all);
        let short = tokio::time::timeout(HEAD_START * 2, run(&name)).await;
        assert!(short.is_err(), "the time is over before the last is asked");
        assert_eq!(run(&name).await, Ok(alive));
    }

    #[tokio::test]
    async fn what_answers_and_is_not_what_it_should_be_is_followed_by_the_next() {
        let (_one, impostor) = living().await;
        let (_other, server) = living().await;
        let name = leading_to(vec![impostor, server]);
        let mut race = Race::among(&name).await.unwrap();
        let (first, _stream) = race.next().await.unwrap();
        assert_eq!(first, impostor);
        let why = NoConnection::Unreachable("has a certificate for another name".to_owned());
        race.failed(impostor, why.clone());
        let (second, _stream) = race.next().await.unwrap();
        assert_eq!(second, server);
        race.failed(server, why.clone());
        assert_eq!(race.next().await.err(), Some(why));
    }
}
