//! Streams of events: they go on for as long as a visitor stays, and hold no slot meanwhile.

use crate::support::{Preau, Scripted, until};
use crate::{ask_text, assert_words, connect, get, read_until, say, tables, talk};
use std::io::{Read, Write};

/// A portal that sends one event, and nothing more until the other side goes.
fn events() -> Scripted {
    Scripted::start(|heard, stream| {
        if heard.path() != "/events" {
            return say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        say(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
              Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n",
        );
        let _ = stream.read(&mut [0]);
        false
    })
}

/// A page's own request for them; one that says nothing of itself is a check, which does not stay.
fn events_of(path: &str) -> Vec<u8> {
    let said = "Host: ent.fr\r\nAccept: text/event-stream\r\nConnection: close";
    format!("GET {path} HTTP/1.1\r\n{said}\r\n\r\n").into_bytes()
}

async fn counts(preau: &Preau, streams: f64, in_flight: f64) {
    until("the counts are as expected", async || {
        let now = (
            preau.metric("preau_event_streams", &[]).await,
            preau.metric("preau_portal_in_flight", &[]).await,
        );
        (now == (streams, in_flight)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_events_comes_at_once_and_holds_no_slot() {
    let portal = events();
    let keys = "slots = 1\nslot_wait = \"200ms\"\nresponse_timeout = \"1s\"";
    let preau = Preau::start(&tables(&portal.url(), keys)).await;
    let address = preau.address();
    let visitor = talk(move || {
        let mut visitor = connect(address);
        visitor
            .write_all(&events_of("/events"))
            .expect("it listens");
        read_until(&mut visitor, b"data: a\n\n\r\n");
        visitor
    })
    .await;
    counts(&preau, 1.0, 0.0).await;
    let page = ask_text(&preau, get("/")).await;
    assert!(page.ends_with("\r\n\r\nok"), "{page}");
    drop(visitor);
    counts(&preau, 0.0, 0.0).await;
}

#[tokio::test]
async fn beyond_the_limit_a_stream_keeps_its_slot_and_a_silent_one_is_closed() {
    let portal = events();
    let keys = "slots = 1\nslot_wait = \"200ms\"";
    let limits = "[limits]\ntunnels = 0\n";
    let preau = Preau::start(&format!("{limits}{}", tables(&portal.url(), keys))).await;
    let address = preau.address();
    let visitor = talk(move || {
        let mut visitor = connect(address);
        visitor
            .write_all(&events_of("/events"))
            .expect("it listens");
        read_until(&mut visitor, b"data: a\n\n\r\n");
        visitor
    })
    .await;
    counts(&preau, 0.0, 1.0).await;
    assert_words(&ask_text(&preau, get("/")).await, 503, "no slot");
    drop(visitor);
    counts(&preau, 0.0, 0.0).await;

    let limits = "[limits]\ntunnel_idle = \"1s\"\n";
    let preau = Preau::start(&format!("{limits}{}", tables(&portal.url(), keys))).await;
    let stream = ask_text(&preau, events_of("/events")).await;
    assert!(
        stream.ends_with("data: a\n\n\r\n"),
        "cut, not ended: {stream}"
    );
}
