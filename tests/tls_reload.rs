//! Certificates that change while visitors come, and the access log that is moved away.

mod support;

use http::StatusCode;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::tls::{Authority, Client, Files, ask, der, https, shown};
use support::{Portal, Preau, Unstarted, free_port, one_room, until};

const HOST: &str = "ent.example.fr";
const LATER: i32 = 2100;
const LONG_AGO: i32 = 2001;

struct Scene {
    portal: Portal,
    authority: Authority,
    address: SocketAddr,
    files: Files,
}

impl Scene {
    async fn new() -> Scene {
        let authority = Authority::new();
        Scene {
            portal: Portal::start().await,
            address: free_port(),
            files: authority.issue("ent", &[HOST], LATER),
            authority,
        }
    }

    fn unstarted(&self) -> Unstarted {
        let room = one_room(&self.portal.url(), "seats = 5\nopen = \"/\"");
        Unstarted::new(&(room + &https(self.address, &[&self.files])))
    }

    async fn start(&self) -> Preau {
        self.unstarted().start().await
    }

    fn client(&self) -> Client {
        // Without sessions: each connection is shown a certificate.
        Client::new(&self.authority, &["http/1.1"])
            .with(|config| config.resumption = rustls::client::Resumption::disabled())
    }

    async fn shown(&self) -> Vec<u8> {
        let stream = self.client().connect(self.address, HOST).await;
        shown(&stream.expect("a connection"))
    }
}

async fn reloads(preau: &Preau, result: &str) -> f64 {
    let labels = [("result", result)];
    preau
        .metric("preau_certificate_reloads_total", &labels)
        .await
}

async fn until_reloads(preau: &Preau, result: &str, count: f64) {
    until(&format!("{count} were {result}"), async || {
        (reloads(preau, result).await == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn point_33_a_new_certificate_is_taken_without_a_drop() {
    const RELOADS: usize = 5;
    let scene = Scene::new().await;
    let preau = scene.start().await;
    let over = Arc::new(AtomicBool::new(false));
    let mut visitors = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, address, over) = (scene.client(), scene.address, over.clone());
        visitors.spawn(async move {
            let mut answers = 0;
            while !over.load(Ordering::Relaxed) {
                let answer = client.get(address, HOST, "/").await;
                assert_eq!(answer.status, StatusCode::OK);
                answers += 1;
            }
            answers
        });
    }
    let open = scene
        .client()
        .connect(scene.address, HOST)
        .await
        .expect("a connection");
    for reload in 1..=RELOADS {
        let files = scene.authority.issue("ent", &[HOST], LATER);
        preau.ask_to_reload();
        until_reloads(&preau, "taken", reload as f64).await;
        assert_eq!(scene.shown().await, der(&files.cert));
    }
    over.store(true, Ordering::Relaxed);
    while let Some(answers) = visitors.join_next().await {
        assert!(answers.expect("nobody is dropped") > 0);
    }
    let answer = ask(open, HOST, "/").await;
    assert_eq!(answer.status, StatusCode::OK, "whoever was there goes on");
    let end = preau.metric("preau_certificate_expiry_seconds", &[("name", HOST)]);
    assert_eq!(end.await, 4_102_444_800.0, "the first of January 2100");
}

#[tokio::test]
async fn point_33_a_bad_pair_keeps_the_old_one() {
    let scene = Scene::new().await;
    let preau = scene.start().await;
    let (cert, key) = (&scene.files.cert, &scene.files.key);
    let good = (fs::read(cert).unwrap(), fs::read(key).unwrap());
    let old = der(cert);
    let others = scene.authority.issue("other", &[HOST], LATER);
    let expired = scene.authority.issue("expired", &[HOST], LONG_AGO);
    let write = |cert_text: &[u8], key_text: &[u8]| {
        fs::write(cert, cert_text).unwrap();
        fs::write(key, key_text).unwrap();
    };
    let read = |files: &Files| {
        (
            fs::read(&files.cert).unwrap(),
            fs::read(&files.key).unwrap(),
        )
    };
    let (expired_cert, expired_key) = read(&expired);
    let bad: [(&[u8], &[u8], &str); 6] = [
        (b"", &good.1, "holds no certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            &good.1,
            "not a certificate",
        ),
        (&good.0, b"nothing", "holds no private key"),
        (&good.0, &read(&others).1, "is not that of the certificate"),
        (&good.1, &good.1, "holds no certificate"),
        (&expired_cert, &expired_key, "has expired"),
    ];
    for (cert_text, key_text, words) in bad {
        let before = reloads(&preau, "kept").await;
        write(cert_text, key_text);
        preau.ask_to_reload();
        until("it is told and counted", async || {
            let told = preau.printed().contains(words);
            (told && reloads(&preau, "kept").await > before).then_some(())
        })
        .await;
        assert_eq!(scene.shown().await, old, "{words}");
    }
    fs::remove_file(key).unwrap();
    preau.ask_to_reload();
    until("it is told", async || {
        preau.printed().contains("cannot be read").then_some(())
    })
    .await;
    assert_eq!(scene.shown().await, old, "without a key");
    // Nothing has changed in the end: nothing to take, and nothing to complain of.
    write(&good.0, &good.1);
    preau.ask_to_reload();
    let new = scene.authority.issue("ent", &[HOST], LATER);
    preau.ask_to_reload();
    until_reloads(&preau, "taken", 1.0).await;
    assert_eq!(scene.shown().await, der(&new.cert));
}

#[tokio::test]
async fn point_33_changed_files_are_noticed_without_being_asked() {
    let scene = Scene::new().await;
    let preau = scene.start().await;
    fs::write(&scene.files.key, "half written").unwrap();
    until_reloads(&preau, "kept", 1.0).await;
    let new = scene.authority.issue("ent", &[HOST], LATER);
    until_reloads(&preau, "taken", 1.0).await;
    assert_eq!(scene.shown().await, der(&new.cert));
    assert_eq!(reloads(&preau, "kept").await, 1.0, "it is told once");
}

#[tokio::test]
async fn a_bad_pair_at_the_start_is_explained() {
    let scene = Scene::new().await;
    fs::write(&scene.files.key, "nothing").unwrap();
    let unstarted = scene.unstarted();
    let refusal = unstarted.refuse().await;
    assert_eq!(refusal.code, Some(3), "{refusal:?}");
    let words = format!("{} holds no private key", scene.files.key.display());
    assert!(refusal.words.contains(&words), "{refusal:?}");

    let check = || {
        let mut check = Command::new(env!("CARGO_BIN_EXE_preau"));
        check.arg("check").arg("--config").arg(unstarted.config());
        check.output().expect("it runs")
    };
    let checked = check();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(
        String::from_utf8_lossy(&checked.stderr).contains(&words),
        "{checked:?}"
    );
    scene.authority.issue("ent", &[HOST], LATER);
    let checked = check();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let line = "certificate ent.example.fr: for ent.example.fr · until 2100-01-01";
    assert!(
        String::from_utf8_lossy(&checked.stdout).contains(line),
        "{checked:?}"
    );
}

#[tokio::test]
async fn the_access_log_is_opened_anew() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (log, moved) = (
        folder.path().join("access.log"),
        folder.path().join("old.log"),
    );
    let unstarted = scene.unstarted();
    let text = fs::read_to_string(unstarted.config()).unwrap();
    unstarted.configure(&format!("{text}[log]\naccess_file = {log:?}\n"));
    let preau = unstarted.start().await;
    let lines = |path: &std::path::Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.matches("\"path\":\"/\"").count()
    };
    preau.visitor("anna", "ent").get("/").await;
    until("the first line is there", async || {
        (lines(&log) == 1).then_some(())
    })
    .await;
    fs::rename(&log, &moved).unwrap();
    preau.ask_to_reload();
    until("lines go to a new file", async || {
        preau.visitor("bilal", "ent").get("/").await;
        log.exists().then_some(())
    })
    .await;
    until("the line is there", async || {
        (lines(&log) >= 1).then_some(())
    })
    .await;
    assert!(lines(&moved) >= 1);
}
