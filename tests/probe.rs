//! Probes: servers are asked as visitors ask them, and what is good is what the file says.

mod support;

use http::StatusCode;
use std::io::Write as _;
use std::process::Command;
use support::tls::Authority;
use support::{Nginx, Preau, Scripted, get, until};

/// A server that closes on whoever comes for another host, as many do.
const BY_HOST: &str = "if ($host != ent.example.fr) { return 444; }";

/// One portal, its health, and the host of its room.
fn tables(url: &str, health: &str, host: &str) -> String {
    format!(
        "[[portal]]\nname = \"ent\"\nservers = [\"{url}\"]\n\
         health = {{ interval = \"200ms\", probe_min = \"200ms\", fall = 2, {health} }}\n\
         [[room]]\nname = \"ent\"\nhost = {host}\nseats = 5\n"
    )
}

async fn is_up(preau: &Preau, up: bool) {
    until("it is known how the portal is", async || {
        let answered = preau.metric("preau_portal_up", &[]).await;
        (answered == f64::from(u8::from(up))).then_some(())
    })
    .await;
}

/// What the desk says is wrong with the server.
async fn wrong(preau: &Preau) -> String {
    is_up(preau, false).await;
    let status = get(preau.admin(), "/api/v1/status").await;
    let portal = status.expect("the desk answers").json()["portals"][0].clone();
    portal["servers"][0].to_string()
}

/// What `preau check` says of these tables: standard output and standard error.
fn check(tables: &str) -> (String, String) {
    // No more connections than any machine allows open files for: that would be a warning.
    let tables = format!("{tables}[limits]\nconnections = 100\n");
    let folder = tempfile::TempDir::new().expect("there is a temporary folder");
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, tables).expect("the folder is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_preau"));
    let output = command.arg("check").arg("--config").arg(&file).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    (text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_server_that_knows_its_visitors_by_host_is_asked_for_it() {
    let nginx = Nginx::start("", None, BY_HOST).await;
    let url = format!("http://{}", nginx.address());
    let path = "path = \"/sante\"";
    let room = "[\"*.example.fr\", \"ent.example.fr\"]";
    let preau = Preau::start(&tables(&url, path, room)).await;
    let probes = until("it has been asked a few times", async || {
        let probes = nginx.probes();
        (probes.len() >= 5).then_some(probes)
    })
    .await;
    assert!(
        probes.iter().all(|it| it[3] == "ent.example.fr"),
        "{probes:?}"
    );
    is_up(&preau, true).await;
    drop(preau);
    let (said, warned) = check(&tables(&url, path, room));
    let answers = "answers 200 OK to `GET /sante` for ent.example.fr";
    assert!(
        said.contains(answers) && warned.is_empty(),
        "{said}{warned}"
    );

    // A room for all hosts: nobody can know which one.
    let preau = Preau::start(&tables(&url, path, "\"*\"")).await;
    let words = wrong(&preau).await;
    assert!(
        words.contains("breaks the connection before it answers"),
        "{words}"
    );
    assert!(words.contains("`health.host` says for which"), "{words}");
    drop(preau);
    let (_, warned) = check(&tables(&url, path, "\"*\""));
    let asked = format!("to `GET /sante` for {}", nginx.address());
    assert!(
        warned.contains(&asked) && warned.contains("`health.host`"),
        "{warned}"
    );
    let named = format!("{path}, host = \"ent.example.fr\"");
    let preau = Preau::start(&tables(&url, &named, "\"*\"")).await;
    is_up(&preau, true).await;
}

#[tokio::test]
async fn a_probe_has_the_fields_of_a_visitor_and_a_name_of_its_own() {
    for (secure, scheme) in [(false, "http"), (true, "https")] {
        let portal = Scripted::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let room = "\"ent.example.fr\"";
        let tables = tables(&portal.url(), "path = \"/?sonde=1\"", room);
        let _preau = Preau::start(&format!("[cookie]\nsecure = {secure}\n{tables}")).await;
        let probe = until("it is asked", async || portal.heard().pop()).await;
        assert_eq!(probe.path(), "/?sonde=1");
        assert_eq!(probe.field("host"), "ent.example.fr");
        let agent = format!("preau/{} (health)", env!("CARGO_PKG_VERSION"));
        assert_eq!(probe.field("user-agent"), agent);
        assert_eq!(probe.field("x-forwarded-proto"), scheme);
        assert_eq!(probe.field("x-forwarded-host"), "ent.example.fr");
        let forwarded = format!("for=127.0.0.1;host=ent.example.fr;proto={scheme}");
        assert_eq!(probe.field("forwarded"), forwarded);
    }
}

#[tokio::test]
async fn what_is_asked_and_what_is_good_is_what_the_file_says() {
    let parts = "location = /sante {\n\
                   if ($request_method = GET) { return 501; }\n\
                   return 404;\n\
                 }";
    let nginx = Nginx::start("", None, parts).await;
    let url = format!("http://{}", nginx.address());
    for (health, good) in [
        ("path = \"/sante\"", false),
        ("path = \"/sante\", status = \"200-599\"", true),
        ("path = \"/sante\", method = \"HEAD\"", true),
        (
            "path = \"/sante\", method = \"HEAD\", status = \"200-399\"",
            false,
        ),
        (
            "path = \"/sante\", method = \"POST\", status = [200, \"404-405\"]",
            true,
        ),
    ] {
        let (said, warned) = check(&tables(&url, health, "\"*\""));
        assert_eq!(
            said.contains("answers 404 Not Found to"),
            good && !health.contains("599")
        );
        assert_eq!(
            warned.contains("and that is not good (`health.status`)"),
            !good,
            "{warned}"
        );
        let preau = Preau::start(&tables(&url, health, "\"*\"")).await;
        match good {
            false => drop(wrong(&preau).await),
            true => {
                let before = nginx.probes().len();
                until("it has been asked", async || {
                    (nginx.probes().len() > before + 3).then_some(())
                })
                .await;
                is_up(&preau, true).await;
            }
        }
    }
}

/// Such as one that speaks gRPC alone.
#[tokio::test]
async fn a_server_that_answers_no_question_is_up_by_its_connections() {
    let silent = Scripted::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n");
        false
    });
    let preau = Preau::start(&tables(&silent.url(), "check = \"http\"", "\"*\"")).await;
    wrong(&preau).await;
    drop(preau);
    let connections = tables(&silent.url(), "check = \"tcp\"", "\"*\"");
    let (said, warned) = check(&connections);
    assert!(
        said.contains("takes connections") && warned.is_empty(),
        "{said}{warned}"
    );
    let asked = silent.heard().len();
    let preau = Preau::start(&connections).await;
    let answer = preau.visitor("anna", "ent").get("/").await;
    assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED);
    is_up(&preau, true).await;
    assert_eq!(silent.heard().len(), asked + 1, "nothing else was asked");
}

#[tokio::test]
async fn a_server_behind_tls_is_up_if_it_is_the_right_one() {
    let authority = Authority::new();
    let pair = authority.issue("portail", &["ent.example.fr"], 2099);
    let nginx = Nginx::start("ssl", Some(&pair), "").await;
    let url = format!("https://{}", nginx.address());
    let ca = authority.root_file();
    let tables = |name: &str| {
        let tls = format!("ca = {ca:?}\ntls_name = \"{name}\"\nhealth =");
        let tables = tables(&url, "check = \"tls\"", "\"*\"");
        tables.replace("health =", &tls)
    };
    let (said, warned) = check(&tables("ent.example.fr"));
    assert!(
        said.contains("takes connections and speaks TLS"),
        "{said}{warned}"
    );
    let (_, warned) = check(&tables("autre.example.fr"));
    assert!(
        warned.contains("has a certificate for another name"),
        "{warned}"
    );
    let preau = Preau::start(&tables("autre.example.fr")).await;
    let words = wrong(&preau).await;
    assert!(
        words.contains("has a certificate for another name"),
        "{words}"
    );
}

/// It is there, whatever it says: it is judged by `fall` probes as later.
#[tokio::test]
async fn a_first_answer_that_is_not_good_is_one_failure_of_many() {
    let portal = Scripted::saying("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    for (fall, up) in [(1_000, true), (3, false)] {
        let before = portal.heard().len();
        let preau = Preau::start(&format!(
            "[[portal]]\nname = \"ent\"\nservers = [\"{}\"]\n\
             health = {{ path = \"/\", interval = \"200ms\", probe_min = \"200ms\", fall = {fall} }}\n\
             [[room]]\nname = \"ent\"\nseats = 5\n",
            portal.url()
        ))
        .await;
        until("it has been asked a few times", async || {
            (portal.heard().len() >= before + 5).then_some(())
        })
        .await;
        is_up(&preau, up).await;
    }
}
