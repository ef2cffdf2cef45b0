//! What passes a full room without a seat: only what is meant to, and only so often.

mod support;

use preau::host;
use preau::time::Span;
use std::io::Write as _;
use std::time::Duration;
use support::{Preau, Scripted, one_room, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A portal whose scripts never look at the method. It takes up tunnels, and has a stream of events.
fn portal() -> Scripted {
    Scripted::start(|heard, stream| {
        if !heard.fields("upgrade").is_empty() {
            let taken = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                          Upgrade: websocket\r\n\r\n";
            return stream.write_all(taken).is_ok();
        }
        if heard.path().starts_with("/flux") {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            let mut open = stream.write_all(head).is_ok();
            while open {
                open = stream.write_all(b"data: 1\n\n").is_ok();
                std::thread::sleep(Duration::from_millis(50));
            }
            return false;
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnotes";
        stream.write_all(answer).is_ok()
    })
}

/// A room of one seat, with somebody in it.
async fn full(portal: &Scripted, more: &str, limits: &str) -> Preau {
    let room = format!("seats = 1\nidle = \"10m\"\nfirst_idle = \"10m\"\n{more}");
    let tables = format!("{limits}{}", one_room(&portal.url(), &room));
    let preau = Preau::start(&tables).await;
    preau.visitor("anna", "ent").walk_in("/espace").await;
    preau
}

/// The status of the answer to `line` with these fields, each with its end.
async fn say(preau: &Preau, line: &str, fields: &str) -> String {
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{AGENT}{fields}");
    let answer = raw(preau.address(), head.as_bytes()).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.get(9..12).unwrap_or_default().to_owned()
}

/// What says nothing of itself is a monitor's.
const AGENT: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n";
const PREFLIGHT: &str = "Origin: https://app.example.fr\r\nAccess-Control-Request-Method: GET\r\n";

#[tokio::test]
async fn a_preflight_passes_and_nothing_that_only_looks_like_one() {
    let portal = portal();
    let preau = full(&portal, "", "").await;
    let page = "OPTIONS /course/view.php?id=2";
    assert_eq!(say(&preau, page, &format!("{PREFLIGHT}\r\n")).await, "200");
    let length = format!("{PREFLIGHT}Content-Length: 0\r\n\r\n");
    assert_eq!(say(&preau, page, &length).await, "200");
    let count = portal.heard().len();
    for more in [
        "Cookie: MoodleSession=0123456789\r\n\r\n",
        "Authorization: Basic YTpi\r\n\r\n",
        "Content-Length: 3\r\n\r\na=1",
        "Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n",
    ] {
        let status = say(&preau, page, &format!("{PREFLIGHT}{more}")).await;
        assert_eq!(status, "503", "{more}");
    }
    assert_eq!(portal.heard().len(), count, "the portal sees none of these");
}

#[tokio::test]
async fn preflights_pass_a_full_room_only_so_often() {
    let portal = portal();
    let preau = full(&portal, "", "").await;
    let question =
        format!("OPTIONS /x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n{PREFLIGHT}\r\n");
    let last = question.replace("keep-alive", "close");
    let many = format!("{}{last}", question.repeat(1_999));
    let answers = raw(preau.address(), many.as_bytes()).await;
    let answers = String::from_utf8_lossy(&answers);
    let passed = answers.matches("HTTP/1.1 200 OK").count();
    let refused = answers.matches("HTTP/1.1 503 ").count();
    assert_eq!(passed + refused, 2_000);
    assert!((1_200..1_800).contains(&passed), "{passed}");
    // Nobody waits for those.
    assert_eq!(preau.metric("preau_room_waiting", &[]).await, 0.0);
    preau.assert_nothing_forbidden().await;
}

/// Where only the query says that it is a logout, everybody could say so of every page.
#[tokio::test]
async fn a_logout_without_a_path_passes_a_full_room_only_so_often() {
    let portal = portal();
    let limits = "[limits]\ncallbacks_per_minute = 1\ncallbacks_burst = 2\n";
    let tables = format!(
        "{limits}[[portal]]\nservers = \"{}\"\n[[room]]\nname = \"ent\"\nseats = 1\nidle = \"10m\"\n\
         first_idle = \"10m\"\nlogout = [\"/sortie\", {{ query = [\"logout=1\"] }}]\n",
        portal.url()
    );
    let preau = Preau::start(&tables).await;
    preau.visitor("anna", "ent").walk_in("/espace").await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(say(&preau, "GET /espace/notes?logout=1", "\r\n").await);
    }
    assert_eq!(answers, ["200", "200", "503", "503"]);
    for _ in 0..3 {
        assert_eq!(say(&preau, "GET /sortie", "\r\n").await, "200");
    }
    preau.assert_nothing_forbidden().await;
}

/// Between two looks at the limiter one more call may have become free: whoever was refused at the first
/// is not let in at the second.
#[tokio::test]
async fn whether_a_call_is_one_too_many_is_asked_once() {
    let portal = portal();
    let limits = "[limits]\ncallbacks_per_minute = 30000\ncallbacks_burst = 1\n\
                  tickets_per_minute = 1\ntickets_burst = 1\n";
    let preau = full(&portal, "callbacks = \"/acs\"", limits).await;
    let call = "POST /acs HTTP/1.1\r\nHost: x\r\nUser-Agent: Java/21\r\nContent-Length: 0\r\n";
    let many = format!("{call}\r\n").repeat(4_999);
    let many = format!("{many}{call}Connection: close\r\n\r\n");
    for _ in 0..3 {
        let answers = raw(preau.address(), many.as_bytes()).await;
        let answers = String::from_utf8_lossy(&answers);
        let passed = answers.matches("HTTP/1.1 200 ").count();
        assert!((1..5_000).contains(&passed), "{passed}");
    }
    for name in [
        "preau_room_callbacks_total",
        "preau_room_callbacks_only_total",
    ] {
        assert_eq!(preau.metric(name, &[]).await, 0.0, "{name}");
    }
    preau.assert_nothing_forbidden().await;
}

const TUNNEL: &str = "GET /cable?ticket=ST-1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What stays is for those who have a seat to stay in.
#[tokio::test]
async fn no_tunnel_and_no_endless_stream_comes_of_what_passes_once() {
    let portal = portal();
    let tables = format!(
        "[[portal]]\nservers = \"{}\"\nresponse_timeout = \"1s\"\n[[room]]\nname = \"ent\"\n\
         seats = 1\nidle = \"10m\"\npresets = \"cas\"\ncallback_reserve = 0\n\
         back_channels = \"/appel\"\n\
         logout = [\"/sortie/**\", {{ query = [\"logout=1\"] }}]\n",
        portal.url()
    );
    let preau = Preau::start(&tables).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let offer = async |path: &str, cookie: &str| {
        let head = TUNNEL.replace("/cable?ticket=ST-1", path);
        let head = format!("{head}{AGENT}{cookie}\r\n");
        let answer = raw(preau.address(), head.as_bytes());
        let answer = tokio::time::timeout(Duration::from_secs(3), answer).await;
        let answer = String::from_utf8_lossy(&answer.unwrap_or_default()).into_owned();
        answer.get(9..12).unwrap_or("a tunnel").to_owned()
    };
    assert_eq!(
        say(&preau, "GET /espace?ticket=ST-1", "\r\n").await,
        "200",
        "a callback passes"
    );
    let closing = "Connection: close\r\n";
    assert_eq!(offer("/cable?ticket=ST-1", closing).await, "503");
    let waiting = async || preau.metric("preau_room_waiting", &[]).await;
    assert_eq!(waiting().await, 1.0);
    // Nor is it a monitor's, who would not have to wait.
    let bare = format!("{TUNNEL}{closing}\r\n");
    let answer = raw(preau.address(), bare.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 503 "));
    assert_eq!(waiting().await, 2.0);
    assert_eq!(offer("/appel", closing).await, "200");
    assert_eq!(offer("/sortie/cable", closing).await, "200");
    assert_eq!(offer("/cable?logout=1", closing).await, "200");
    // After logout, pages are seen, and no more.
    let cookie = |pass: Option<&str>| format!("Cookie: preau-ent={}\r\n", pass.expect("a pass"));
    let inside = format!("{TUNNEL}{}\r\n", cookie(anna.our_cookie()));
    let head = raw_head(&preau, &inside).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(anna.get("/sortie/x").await.status, 200);
    let leaving = format!("{}{closing}", cookie(anna.our_cookie()));
    let page = format!("{leaving}\r\n");
    assert_eq!(say(&preau, "GET /apres", &page).await, "200", "the page");
    let offered = offer("/cable", &leaving).await;
    assert_eq!(offered, "200", "the offer is not handed on");
    // Whoever has no seat has no stream for ever: this ends by itself.
    let began = host::now();
    let stream = say(&preau, "GET /flux?ticket=ST-2", "\r\n");
    let status = tokio::time::timeout(Duration::from_secs(60), stream).await;
    assert_eq!(status.expect("it ends"), "200");
    assert!(host::now().since(began) >= Span::secs(1), "it was one");
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn programs_and_pictures_are_newcomers_beyond_a_rate() {
    let portal = portal();
    let preau = full(&portal, "", "").await;
    let waiting = async || preau.metric("preau_room_waiting", &[]).await;
    let many = |fields: &str, count: usize| {
        let head = format!("GET /cours HTTP/1.1\r\nHost: x\r\n{fields}");
        let last = format!("{head}Connection: close\r\n\r\n");
        format!("{}{last}", format!("{head}\r\n").repeat(count - 1))
    };
    let bot = "User-Agent: x bot\r\nAccept: */*\r\n";
    raw(preau.address(), many(bot, 200).as_bytes()).await;
    assert_eq!(waiting().await, 0.0);
    raw(preau.address(), many(bot, 300).as_bytes()).await;
    let bots = waiting().await;
    assert!(bots > 0.0, "they wait like anybody");
    let picture = "User-Agent: x\r\nAccept: image/png\r\n";
    raw(preau.address(), many(picture, 1_000).as_bytes()).await;
    assert_eq!(waiting().await, bots);
    raw(preau.address(), many(picture, 1_000).as_bytes()).await;
    assert!(waiting().await > bots);
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn a_program_with_cookies_takes_a_seat() {
    let portal = portal();
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let bot = "User-Agent: x bot\r\nCookie: PHPSESSID=1\r\n\r\n";
    let line = "GET /cours HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let answer = raw(preau.address(), format!("{line}{bot}").as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    assert_eq!(preau.metric("preau_room_seats_taken", &[]).await, 1.0);
}

/// The head of what comes of a tunnel, which is left open until then.
async fn raw_head(preau: &Preau, request: &str) -> String {
    let mut stream = TcpStream::connect(preau.address())
        .await
        .expect("it listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it listens");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let more = stream.read_buf(&mut head).await.expect("an answer");
        assert!(more > 0, "{}", String::from_utf8_lossy(&head));
    }
    String::from_utf8(head).expect("a head")
}
