//! Which connections are kept, and for how long.

use super::*;
use crate::upstream::addresses::Addresses;
use crate::upstream::addresses::tests::leading_to;
use crate::upstream::beginning::Beginning;
use crate::upstream::socket::Socket;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

const PLAIN: Wanted = Wanted {
    visitor: None,
    http1: false,
    again: true,
};
const FORM: Wanted = Wanted {
    again: false,
    ..PLAIN
};

const KEEP: Keep = Keep {
    idle: Span::secs(4),
    age: Span::mins(5),
};

/// A pool of connections to a listener that takes whoever comes, and says nothing.
async fn pool() -> (TcpListener, Arc<Pool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = ServerAddress {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        tls: false,
    };
    (listener, pool_at(Addresses::new(address)))
}

fn pool_at(addresses: Addresses) -> Arc<Pool> {
    let connector = Connector {
        addresses: Arc::new(addresses),
        tls: None,
        send_proxy: false,
    };
    Pool::new(connector, KEEP, Span::secs(1))
}

fn age(pool: &Pool, by: Span) {
    for (since, _, _) in &mut pool.idle().one {
        *since = host::now() - by;
    }
}

#[tokio::test]
async fn a_connection_is_not_kept_beyond_its_age_however_busy() {
    let (_listener, pool) = pool().await;
    let lives: Vec<Span> = (0..50).map(|_| pool.life()).collect();
    assert!(
        lives
            .iter()
            .all(|life| *life > KEEP.age.scale(0.7) && *life <= KEEP.age)
    );
    assert!(
        lives.iter().any(|life| *life != lives[0]),
        "all end at once"
    );
    pool.connect(PLAIN).await.unwrap().put_back();
    // It was used just now, and is too old.
    pool.idle().one[0].1.ends = host::now();
    assert!(!pool.take(PLAIN).await.unwrap().reused);
    let mut sender = pool.connect(PLAIN).await.unwrap();
    let Carrier::One(_, life) = &mut sender.carrier else {
        panic!("HTTP/1.1 was spoken");
    };
    life.ends = host::now();
    sender.put_back();
    assert!(pool.idle().one.is_empty());
}

#[tokio::test]
async fn a_connection_to_where_the_server_is_no_more_is_not_used_again() {
    let old = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let new = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = |listener: &TcpListener| listener.local_addr().unwrap();
    let pool = pool_at(leading_to(vec![at(&old)]));
    let busy = pool.connect(PLAIN).await.unwrap();
    pool.connect(PLAIN).await.unwrap().put_back();
    pool.connector.addresses.lead_to(vec![at(&old), at(&new)]);
    pool.prune();
    assert_eq!(pool.idle().one.len(), 1, "it is still one of them");
    pool.connector.addresses.gone_to(vec![at(&new)]);
    pool.prune();
    assert!(pool.idle().one.is_empty());
    busy.put_back();
    assert!(pool.idle().one.is_empty());
    pool.connect(PLAIN).await.unwrap().put_back();
    assert!(pool.take(PLAIN).await.unwrap().reused);
    assert_eq!(
        at(&new).port(),
        new.accept().await.unwrap().0.local_addr().unwrap().port()
    );
}

#[tokio::test]
async fn what_must_not_be_sent_twice_wants_a_fresh_connection() {
    let (_listener, pool) = pool().await;
    pool.connect(PLAIN).await.unwrap().put_back();
    let young = pool.take(FORM).await.unwrap();
    assert!(young.reused);
    young.put_back();
    age(&pool, FRESH);
    assert!(!pool.take(FORM).await.unwrap().reused);
    assert!(pool.take(PLAIN).await.unwrap().reused);
}

#[tokio::test]
async fn a_kept_connection_that_is_never_ready_holds_nobody_up() {
    let (listener, pool) = pool().await;
    let address = listener.local_addr().unwrap();
    let socket = Socket::new(TcpStream::connect(address).await.unwrap());
    let (ours, _theirs) = tokio::io::duplex(64);
    // Nobody drives it.
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(ours));
    let (sender, _connection) = handshake.await.unwrap();
    let beginning = Beginning::new();
    let stuck = Http1 {
        sender,
        socket,
        beginning,
    };
    let life = Life {
        ends: host::now() + KEEP.age,
        address,
        changes: 0,
    };
    pool.idle().one.push_back((host::now(), life, stuck));
    let taken = tokio::time::timeout(Span::secs(5).into(), pool.take(PLAIN)).await;
    assert!(!taken.expect("in time").unwrap().reused);
}

#[tokio::test]
async fn point_19_a_kept_connection_on_which_bytes_wait_is_not_used() {
    let (listener, pool) = pool().await;
    let sender = pool.connect(PLAIN).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let Carrier::One(connection, _) = &sender.carrier else {
        panic!("HTTP/1.1 was spoken");
    };
    let socket = connection.socket.clone();
    assert!(socket.is_quiet());
    server.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
    sender.put_back();
    // The kernel has them at once; whether hyper has been told does not matter.
    assert!(!socket.is_quiet() || pool.idle().one[0].2.sender.is_closed());
    assert!(!pool.take(PLAIN).await.unwrap().reused);
}

#[tokio::test]
async fn what_carries_one_visitors_address_is_never_kept() {
    let (_listener, pool) = pool().await;
    let mut pool = Arc::into_inner(pool).unwrap();
    pool.connector.send_proxy = true;
    let pool = Arc::new(pool);
    pool.connect(PLAIN).await.unwrap().put_back();
    assert!(pool.idle().one.is_empty());
}
