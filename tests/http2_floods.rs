//! HTTP/2 as attackers speak it (checklist point 29): bounded, while others are served.
//!
//! Each flood runs over one connection, frame by frame. It must end: the connection is closed, or
//! nothing more is read from it. Meanwhile and after, another visitor is answered, the memory of
//! the proxy stays where it was, and so does the number of requests at the portal.

mod support;

use http::StatusCode;
use std::fs;
use std::net::SocketAddr;
use support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, End, Frames, HEADERS, PING,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, field, fields, frame,
};
use support::tls::{Authority, Client, https};
use support::{Portal, Preau, free_port, one_room, until};

const HOST: &str = "ent.example.fr";
/// More than any bound, and little enough for a test.
const MANY: u32 = 20_000;
/// How much memory the proxy may take on during a flood: what its allocator keeps is most of it.
const GROWTH_MAX_KIB: u64 = 24 * 1024;
/// Processor time for a flood of [`MANY`] frames, unoptimised, at most: a sign of something
/// quadratic, not a measurement.
const TICKS_MAX: u64 = 15 * 100;

struct Scene {
    portal: Portal,
    preau: Preau,
    client: Client,
    plain: Client,
    address: SocketAddr,
    _authority: Authority,
    memory: u64,
    ticks: u64,
}

impl Scene {
    async fn start(more: &str) -> Scene {
        let portal = Portal::start().await;
        let authority = Authority::new();
        let address = free_port();
        let files = authority.issue("ent", &[HOST], 2100);
        let room = "seats = 5\nopen = [\"/\", \"/lent\", \"/telechargement\"]";
        let tables = one_room(&portal.url(), room) + &https(address, &[&files]) + more;
        let mut scene = Scene {
            preau: Preau::start(&tables).await,
            client: Client::new(&authority, &["h2"]),
            plain: Client::new(&authority, &["http/1.1"]),
            portal,
            address,
            _authority: authority,
            memory: 0,
            ticks: 0,
        };
        // What is made once is there before we measure.
        for _ in 0..3 {
            scene.others_are_served().await;
            drop(scene.frames(&[]).await);
        }
        scene.memory = scene.memory();
        scene.ticks = scene.ticks();
        scene
    }

    async fn frames(&self, settings: &[(u16, u32)]) -> Frames {
        Frames::connect(&self.client, self.address, HOST, settings).await
    }

    async fn others_are_served(&self) {
        let answer = self.plain.get(self.address, HOST, "/").await;
        assert_eq!(answer.status, StatusCode::OK);
    }

    /// Floods with `parts` while others are served; what is used stays bounded.
    async fn flood(&self, parts: impl Iterator<Item = Vec<u8>>) -> (Frames, usize, End) {
        let mut frames = self.frames(&[]).await;
        let (flood, ()) = tokio::join!(frames.flood(parts), self.others_are_served());
        let (taken, end) = flood;
        self.others_are_served().await;
        self.is_bounded();
        (frames, taken, end)
    }

    fn is_bounded(&self) {
        let memory = self.memory();
        let grown = memory.saturating_sub(self.memory);
        assert!(grown < GROWTH_MAX_KIB, "{} → {memory} KiB", self.memory);
        let ticks = self.ticks() - self.ticks;
        assert!(ticks < TICKS_MAX, "{ticks} ticks");
    }

    /// Resident memory, in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.preau.pid()));
        let status = status.expect("the proxy runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|it| it.parse().ok()).expect("a number")
    }

    /// Processor time so far, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.preau.pid()));
        let stat = stat.expect("the proxy runs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = [fields[11], fields[12]].map(|it| it.parse::<u64>().expect("a number"));
        ticks.iter().sum()
    }
}

/// A visitor's streams have odd numbers.
fn streams() -> impl Iterator<Item = u32> {
    (0..MANY).map(|index| 2 * index + 1)
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        stream,
        &fields(HOST, path, false),
    )
}

#[tokio::test]
async fn point_29_rapid_reset() {
    let scene = Scene::start("").await;
    let before = scene.portal.seen().len();
    let resets = streams().map(|stream| {
        let mut part = get(stream, "/lent?ms=60000");
        part.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        part
    });
    let (mut frames, taken, end) = scene.flood(resets).await;
    assert_eq!(end, End::Closed, "after {taken}");
    let code = frames.goodbye().await;
    assert!([None, Some(ENHANCE_YOUR_CALM)].contains(&code), "{code:?}");
    let slots = 6;
    let seen = scene.portal.seen().len() - before;
    assert!(seen < 1_000 + slots, "{seen} requests at the portal");
    until("all slots are free", async || {
        let busy = scene.preau.metric("preau_portal_in_flight", &[]).await;
        (busy == 0.0).then_some(())
    })
    .await;
}

/// The visitor breaks a rule on each stream, so that we reset it and not they.
#[tokio::test]
async fn point_29_made_you_reset() {
    let scene = Scene::start("").await;
    let breaches = streams().map(|stream| {
        let mut part = get(stream, "/lent?ms=60000");
        // A window that grows beyond all bounds (RFC 9113 §6.9.1).
        part.extend(frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]));
        part
    });
    let (mut frames, taken, end) = scene.flood(breaches).await;
    assert_eq!(end, End::Closed, "after {taken}");
    let code = frames.goodbye().await;
    assert!([None, Some(ENHANCE_YOUR_CALM)].contains(&code), "{code:?}");
}

#[tokio::test]
async fn point_29_continuation_without_an_end() {
    let scene = Scene::start("").await;
    let first = frame(HEADERS, END_STREAM, 1, &fields(HOST, "/", false));
    let more = field("x", &[b'x'; 1_000]);
    let more = (0..MANY).map(|_| frame(CONTINUATION, 0, 1, &more));
    let (mut frames, taken, end) = scene.flood(std::iter::once(first).chain(more)).await;
    assert_eq!(end, End::Closed, "after {taken}");
    let code = frames.goodbye().await;
    assert!([None, Some(ENHANCE_YOUR_CALM)].contains(&code), "{code:?}");
}

#[tokio::test]
async fn point_29_empty_continuation() {
    let scene = Scene::start("").await;
    let first = frame(HEADERS, END_STREAM, 1, &fields(HOST, "/", false));
    let more = (0..MANY).map(|_| frame(CONTINUATION, 0, 1, &[]));
    let (_, taken, end) = scene.flood(std::iter::once(first).chain(more)).await;
    assert_eq!(end, End::Closed, "after {taken}");
}

#[tokio::test]
async fn point_29_empty_data() {
    let scene = Scene::start("").await;
    let first = frame(
        HEADERS,
        END_HEADERS,
        1,
        &fields(HOST, "/lent?ms=60000", true),
    );
    let empty = (0..10 * MANY).map(|_| frame(DATA, 0, 1, &[]));
    let (_, taken, end) = scene.flood(std::iter::once(first).chain(empty)).await;
    assert_ne!(end, End::Taken, "{taken} were read");
}

/// Written without reading the answers: these are not kept for us.
#[tokio::test]
async fn point_29_pings() {
    let scene = Scene::start("").await;
    let pings = (0..MANY).map(|number| {
        let number = u64::from(number).to_be_bytes();
        frame(PING, 0, 0, &number).repeat(32)
    });
    let (_frames, taken, end) = scene.flood(pings).await;
    assert_eq!(end, End::HeldBack, "after {taken} times 32");
}

/// Answers to SETTINGS are short: what the system holds for us is room for many. They cost what
/// it costs to send them, and nobody else.
#[tokio::test]
async fn point_29_settings() {
    let scene = Scene::start("").await;
    // INITIAL_WINDOW_SIZE, up and down, with streams that it applies to.
    let opened = (0..10).map(|index| get(2 * index + 1, "/.preau/style.css"));
    let settings = (0..MANY).map(|number| {
        let value: u32 = 1_000 + number % 2;
        let payload = [&[0, 4][..], &value.to_be_bytes()].concat();
        frame(SETTINGS, 0, 0, &payload).repeat(8)
    });
    scene.flood(opened.chain(settings)).await;
}

/// One long value in the table, named again and again (RFC 7541 §7.3).
#[tokio::test]
async fn point_29_fields_that_grow_when_they_are_read() {
    let scene = Scene::start("").await;
    let mut begin = fields(HOST, "/", false);
    begin.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    begin.extend([b'x'; 4_000]);
    let mut bomb = begin.clone();
    // Index 62: what was put into the table last.
    bomb.extend([0xbe; 12_000]);
    let mut frames = scene.frames(&[]).await;
    let part = frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb);
    frames.send(&part).await.expect("it is taken");
    // The connection ends: the visitor's table is no longer ours.
    assert_eq!(frames.goodbye().await, Some(ENHANCE_YOUR_CALM));
    scene.is_bounded();
    scene.others_are_served().await;
}

#[tokio::test]
async fn point_29_more_streams_than_may_be_are_refused() {
    const STREAMS: u32 = 10;
    let scene = Scene::start(&format!("[limits]\nstreams = {STREAMS}\n")).await;
    let mut frames = scene.frames(&[]).await;
    for stream in (0..=STREAMS).map(|index| 2 * index + 1) {
        let part = get(stream, "/lent?ms=60000");
        frames.send(&part).await.expect("it is taken");
    }
    let refused = frames.until(|frame| frame.kind == RST_STREAM).await;
    let refused = refused.expect("one is refused");
    // REFUSED_STREAM: it may safely be sent again.
    let wanted = (2 * STREAMS + 1, vec![0, 0, 0, 7]);
    assert_eq!((refused.stream, refused.payload), wanted);
    // All slots are taken; but what is ours is there for everybody.
    let status = scene.plain.get(scene.address, HOST, "/.preau/status").await;
    assert_eq!(status.status, StatusCode::OK);
}

/// The window of the answer stays shut; every PING is answered, if there are any.
#[tokio::test]
async fn point_29_an_answer_that_nobody_takes_is_bounded() {
    let scene = Scene::start("").await;
    // INITIAL_WINDOW_SIZE = 0.
    let mut frames = scene.frames(&[(4, 0)]).await;
    for stream in (0..100).map(|index| 2 * index + 1) {
        let part = get(stream, "/telechargement?octets=100000000");
        frames.send(&part).await.expect("it is taken");
    }
    let head = frames.until(|frame| frame.kind == HEADERS).await;
    assert!(head.is_some(), "the head needs no window");
    // Five of six slots are for newcomers, and some of those who take nothing have lent theirs.
    let (busy, lent) = until("the portal works for them", async || {
        let busy = scene.preau.metric("preau_portal_in_flight", &[]).await;
        let lent = scene.preau.metric("preau_portal_lent", &[]).await;
        (busy + lent >= 4.0).then_some((busy, lent))
    })
    .await;
    assert!(busy <= 6.0 && lent <= 24.0, "{busy} and {lent}");
    scene.is_bounded();
    drop(frames);
    until("all slots are free", async || {
        let busy = scene.preau.metric("preau_portal_in_flight", &[]).await;
        (busy == 0.0).then_some(())
    })
    .await;
    scene.others_are_served().await;
}

/// The connection lives, and nothing of the answer is taken: its slot is not held for ever.
#[tokio::test]
async fn point_26_an_answer_that_nobody_takes_is_taken_back() {
    let scene = Scene::start("[limits]\ntake_timeout = \"5s\"\n").await;
    let mut frames = scene.frames(&[(4, 0)]).await;
    let part = get(1, "/telechargement?octets=100000000");
    frames.send(&part).await.expect("it is taken");
    let taken_back = frames.until(|frame| frame.kind == RST_STREAM).await;
    assert_eq!(taken_back.expect("it is taken back").stream, 1);
    until("the slot is free", async || {
        let busy = scene.preau.metric("preau_portal_in_flight", &[]).await;
        (busy == 0.0).then_some(())
    })
    .await;
    // Only that answer: the connection goes on.
    frames
        .send(&get(3, "/.preau/style.css"))
        .await
        .expect("it is taken");
    let next = frames.until(|frame| frame.stream == 3).await;
    assert_eq!(next.expect("an answer").kind, HEADERS);
}

#[tokio::test]
async fn point_26_an_idle_connection_hears_goodbye() {
    let scene = Scene::start("[limits]\nidle_timeout = \"2s\"\n").await;
    let mut idle = scene.frames(&[]).await;
    assert_eq!(idle.goodbye().await, Some(0), "without an error");
}
