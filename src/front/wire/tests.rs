use super::super::page::Pages;
use super::*;
use crate::metrics::Metrics;
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
    let most = limits.take_timeout.into();
    assert_eq!(bound.unwrap(), Some(most), "every wire is bound");
    bound_stalls(&wire.stream, patience);
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
