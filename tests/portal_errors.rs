//! What a visitor sees, and what the log says of it, when the portal answers with an error, and when it
//! does not answer.

mod support;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use support::{Preau, Scripted, Unstarted, free_port, get, one_room};

/// Moodle's own page, in short.
const MAINTENANCE: &str = "<!DOCTYPE html><html lang=\"fr\"><title>Maintenance</title>\
                           <p>La plateforme revient à 18 h.</p></html>";

/// An answer with these fields and this body.
fn says(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// A portal of which each part fails in its own way.
fn portal() -> Scripted {
    Scripted::start(|heard, stream| {
        let html = "Content-Type: text/html; charset=utf-8\r\n";
        let json = "Content-Type: application/json\r\n";
        let bare = "<html><body><h1>503 Service Unavailable</h1></body></html>";
        let after = |seconds: &str| format!("{html}Retry-After: {seconds}\r\n");
        let answer = match heard.path().as_str() {
            "/moodle/cours" => says("503 Moodle under maintenance", &after("3600"), MAINTENANCE),
            "/notes/x" => says("503 No", &after("45"), bare),
            "/varnish/x" => says("503 No", &after("5"), bare),
            "/aussitot/x" => says("503 No", &after("0"), bare),
            // It was to be over by then, and goes on.
            "/moodle/notes" => says(
                "503 No",
                &after("Mon, 05 Jan 2026 05:00:00 GMT"),
                MAINTENANCE,
            ),
            "/agenda/x" => says("503 No", html, bare),
            "/vide/x" => says("503 No", "Retry-After: 3600\r\n", ""),
            "/jamais/x" => says("503 No", "Retry-After: 99999999999\r\n", ""),
            "/mort/x" => says("502 Bad Gateway", html, "<h1>502 Bad Gateway</h1>"),
            "/tard/x" => says("504 Gateway Timeout", html, "<h1>504</h1>"),
            // Asked by HEAD.
            "/casse/x" => format!("HTTP/1.1 500 Oops\r\n{html}Content-Length: 4\r\n\r\n"),
            "/plein/x" => says("507 Insufficient Storage", "", ""),
            "/api/x" => says("503 No", &format!("{json}Retry-After: 40\r\n"), "{\"e\":1}"),
            "/ordures/x" => "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            "/export/x" => {
                // Until we have lost patience: then the connection is closed.
                let _ = stream.read(&mut [0]);
                return false;
            }
            _ => says("200 OK", html, "ok"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

fn tables(url: &str, log: &str) -> String {
    let room = one_room(url, "seats = 5\nopen = [\"/ouvert/**\"]");
    let room = room.replace("slots = 6", "slots = 6\nresponse_timeout = \"500ms\"");
    format!("{log}\n{room}")
}

async fn refused(preau: &Preau, reason: &str) -> f64 {
    preau
        .metric("preau_refusals_total", &[("reason", reason)])
        .await
}

#[tokio::test]
async fn a_planned_maintenance_of_one_part_is_told_in_the_portals_own_words() {
    let portal = portal();
    let preau = Preau::start(&tables(&portal.url(), "")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    let answer = anna.get("/moodle/cours").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.text(), MAINTENANCE);
    assert_eq!(answer.header(header::RETRY_AFTER), Some("3600"));
    assert_eq!(refused(&preau, "portal-down").await, 0.0);
    assert_eq!(preau.counted("preau_error_pages_total").await, 0.0);
    assert_eq!(anna.get("/").await.status, StatusCode::OK);
}

/// The words of ours are true, and the time is the portal's.
#[tokio::test]
async fn an_error_of_one_part_is_told_as_that() {
    let portal = portal();
    let preau = Preau::start(&tables(&portal.url(), "")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    for (path, status, reason, words, retry) in [
        (
            "/notes/x",
            503,
            "part-unavailable",
            "mais pas cette partie",
            45,
        ),
        (
            "/varnish/x",
            503,
            "part-unavailable",
            "mais pas cette partie",
            30,
        ),
        (
            "/aussitot/x",
            503,
            "part-unavailable",
            "mais pas cette partie",
            30,
        ),
        (
            "/moodle/notes",
            503,
            "part-unavailable",
            "mais pas cette partie",
            30,
        ),
        (
            "/agenda/x",
            503,
            "part-unavailable",
            "mais pas cette partie",
            30,
        ),
        (
            "/vide/x",
            503,
            "part-unavailable",
            "mais pas cette partie",
            3_600,
        ),
        (
            "/jamais/x",
            503,
            "part-unavailable",
            "mais pas cette partie",
            86_400,
        ),
        (
            "/mort/x",
            502,
            "part-broken",
            "cette partie est en panne",
            10,
        ),
        ("/tard/x", 504, "part-slow", "elle met trop de temps", 10),
        ("/plein/x", 507, "part-failed", "sans un mot de plus", 10),
    ] {
        let before = refused(&preau, reason).await;
        let answer = anna.get(path).await;
        let page = answer.text();
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(
            page.contains("Le site") && page.contains(words),
            "{path}: {page}"
        );
        assert!(!page.contains("arrêté ou en panne"), "{path}: {page}");
        let after = answer.header(header::RETRY_AFTER);
        assert_eq!(after, Some(retry.to_string().as_str()), "{path}");
        assert_eq!(refused(&preau, reason).await, before + 1.0, "{path}");
    }
    assert_eq!(refused(&preau, "portal-down").await, 0.0);
    assert_eq!(refused(&preau, "portal-broken").await, 0.0);
    // What has no body because nobody asked for one is not blank.
    let request = anna.request(Method::HEAD, "/casse/x");
    let head = anna.exchange(request, Bytes::new()).await;
    let head = head.expect("an answer");
    assert_eq!(head.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(head.header(header::CONTENT_LENGTH), Some("4"), "{head:?}");
    assert_eq!(refused(&preau, "part-failed").await, 1.0);
    // A script has the portal's own answer, if there is one.
    let own = anna.get_json("/api/x").await;
    assert_eq!(
        (own.status.as_u16(), own.text().as_str()),
        (503, "{\"e\":1}")
    );
    assert_eq!(own.header(header::RETRY_AFTER), Some("40"));
    let ours = anna.get_json("/plein/x").await;
    assert_eq!(
        (ours.status.as_u16(), &ours.json()["status"]),
        (507, &507.into())
    );
}

#[tokio::test]
async fn what_does_not_answer_is_told_from_what_answers_with_an_error() {
    let portal = portal();
    let preau = Preau::start(&tables(&portal.url(), "")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    for (path, status, reason) in [
        ("/ordures/x", 502, "portal-broken"),
        ("/export/x", 504, "portal-slow"),
    ] {
        assert_eq!(anna.get(path).await.status.as_u16(), status, "{path}");
        assert_eq!(refused(&preau, reason).await, 1.0, "{path}");
    }
    let nobody = Preau::start(&tables(&format!("http://{}", free_port()), "")).await;
    let answer = get(nobody.address(), "/ouvert/x").await.expect("an answer");
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused(&nobody, "portal-down").await, 1.0);
    assert_eq!(refused(&nobody, "part-unavailable").await, 0.0);
}

/// The lines of the access log, by path; the portal of `tables` is `portal`.
async fn lines(portal: &Scripted, visit: impl AsyncFnOnce(&Preau)) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("access.log");
    let log = format!("log = {{ access = \"json\", access_file = {file:?} }}");
    let preau = Unstarted::new(&tables(&portal.url(), &log)).start().await;
    visit(&preau).await;
    preau.stop().await;
    let text = std::fs::read_to_string(&file).expect("the log is written");
    let line = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    text.lines().map(line).collect()
}

#[tokio::test]
async fn the_access_log_says_what_the_visitor_got_and_why() {
    let portal = portal();
    let lines = lines(&portal, async |preau| {
        let mut anna = preau.visitor("anna", "ent");
        anna.walk_in("/").await;
        for path in [
            "/moodle/cours",
            "/notes/x",
            "/mort/x",
            "/ordures/x",
            "/export/x",
        ] {
            anna.get(path).await;
        }
        anna.get("/.preau/nichts").await;
    })
    .await;
    let of = |path: &str| {
        let line = lines.iter().find(|line| line["path"] == path);
        let line = line.unwrap_or_else(|| panic!("{path} in {lines:?}"));
        (line["outcome"].clone(), line.get("reason").cloned())
    };
    let forwarded = ("forwarded".into(), None);
    let refused = |reason: &str| ("refused".into(), Some(reason.into()));
    assert_eq!(of("/"), forwarded);
    assert_eq!(of("/moodle/cours"), forwarded, "as it came");
    assert_eq!(of("/notes/x"), refused("part-unavailable"));
    assert_eq!(of("/mort/x"), refused("part-broken"));
    assert_eq!(of("/ordures/x"), refused("portal-broken"));
    assert_eq!(of("/export/x"), refused("portal-slow"));
    assert_eq!(of("/.preau/nichts"), refused("misdirected"));
}

#[tokio::test]
async fn questions_whether_we_serve_are_counted_and_not_logged() {
    let portal = portal();
    let lines = lines(&portal, async |preau| {
        for _ in 0..3 {
            let answer = get(preau.address(), "/.preau/health").await;
            assert_eq!(answer.expect("an answer").status, StatusCode::OK);
        }
        get(preau.address(), "/").await.expect("an answer");
        assert_eq!(preau.counted("preau_health_questions_total").await, 3.0);
    })
    .await;
    let paths: Vec<&Value> = lines.iter().map(|line| &line["path"]).collect();
    assert_eq!(paths, ["/"]);
}
