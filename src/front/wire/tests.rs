use super::super::page::Pages;
use super::*;
use crate::metrics::Metrics;
use std::future::poll_fn;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

async fn wire(patience: Duration) -> (Wire, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let visitor = TcpStream::connect(listener.local_addr().unwrap());
    let (visitor, accepted) = tokio::join!(visitor, listener.accept());
    let farewells = Farewells::new(&Pages::new(), &Metrics::new());
    let limits = Limits::default();
    let wire = Wire::new(
        Stream::Plain(accepted.unwrap().0),
        Arc::new(farewells),
        &limits,
    );
    let bound = wire.stream.socket().tcp_user_timeout();
    let most = Taker::longest(&limits).into();
    assert_eq!(bound.unwrap(), Some(most), "every wire is bound");
    wire.stream.bound_stalls(patience);
    (wire, visitor.unwrap())
}

#[tokio::test]
async fn an_answer_that_has_ended_is_ours_until_it_is_flushed() {
    let (mut wire, _visitor) = wire(Duration::from_secs(60)).await;
    let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let flush = |wire: &mut Wire| {
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(wire).poll_flush(&mut context).is_ready());
    };
    assert!(wire.words_for(bare).is_some(), "hyper's own");
    let busy = wire.mark().begin(http::Version::HTTP_11);
    flush(&mut wire);
    assert!(wire.words_for(bare).is_none(), "while it is under way");
    drop(busy);
    assert!(wire.words_for(bare).is_none(), "before it went out");
    flush(&mut wire);
    assert!(wire.words_for(bare).is_some(), "after it went out");
    wire.mark().begin(http::Version::HTTP_11).for_good();
    flush(&mut wire);
    assert!(wire.words_for(bare).is_none(), "in a tunnel");
    assert_eq!(Arc::strong_count(&wire.state), 1, "nothing is left behind");
}

#[tokio::test]
async fn a_visitor_who_takes_nothing_is_let_go() {
    let (mut wire, visitor) = wire(Duration::from_secs(1)).await;
    let chunk = vec![0; 64 * 1024];
    let send = async {
        loop {
            let write = |context: &mut Context<'_>| Pin::new(&mut wire).poll_write(context, &chunk);
            if let Err(error) = std::future::poll_fn(write).await {
                return error.kind();
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), send).await;
    assert_eq!(ended.expect("not for ever"), io::ErrorKind::TimedOut);
    drop(visitor);
}

#[tokio::test]
async fn who_is_idle_rests_without_hyper_and_goes_on() {
    let (mut wire, visitor) = wire(Duration::from_secs(60)).await;
    let begun = |wire: &mut Wire| {
        let mut context = Context::from_waker(std::task::Waker::noop());
        wire.poll_begun(&mut context)
    };
    assert!(begun(&mut wire).is_pending(), "nothing has come");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    visitor.writable().await.unwrap();
    visitor.try_write(request).unwrap();
    assert!(poll_fn(|context| wire.poll_begun(context)).await);
    assert_eq!(read(&mut wire).await, request);

    let busy = wire.mark().begin(http::Version::HTTP_11);
    drop(busy);
    poll_fn(|context| Pin::new(&mut wire).poll_flush(context))
        .await
        .unwrap();
    assert!(!wire.rests(), "not at once");
    assert_eq!(read(&mut wire).await, b"", "the end, to hyper");
    poll_fn(|context| Pin::new(&mut wire).poll_shutdown(context))
        .await
        .unwrap();
    assert!(wire.rests());
    assert!(begun(&mut wire).is_pending(), "the visitor is still there");

    visitor.try_write(request).unwrap();
    assert!(poll_fn(|context| wire.poll_begun(context)).await);
    assert_eq!(read(&mut wire).await, request);
    assert!(!wire.rests());
    drop(visitor);
}

/// What hyper reads next.
async fn read(wire: &mut Wire) -> Vec<u8> {
    let mut space = [0; 256];
    let mut buffer = hyper::rt::ReadBuf::new(&mut space);
    poll_fn(|context| Pin::new(&mut *wire).poll_read(context, buffer.unfilled()))
        .await
        .unwrap();
    buffer.filled().to_vec()
}
