//! What passes a full room without a seat: only what is meant to, and only so often.

mod support;

use std::io::Write as _;
use support::{Preau, Scripted, one_room, raw};

/// A portal whose scripts never look at the method.
fn portal() -> Scripted {
    Scripted::start(|_, stream| {
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
    let agent = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n";
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{agent}{fields}");
    let answer = raw(preau.address(), head.as_bytes()).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.get(9..12).unwrap_or_default().to_owned()
}

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
