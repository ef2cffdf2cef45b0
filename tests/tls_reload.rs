//! Certificates that change while visitors come, and the access log that is moved away.

mod support;

use http::StatusCode;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
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
    let issue = |hosts: &[&str], change: fn(&mut CertificateParams)| {
        read(&scene.authority.issue_with("useless", hosts, change))
    };
    let nameless = issue(&[], |_| {});
    let elsewhere = issue(&["mail.example.fr", "*.ent.example.fr"], |_| {});
    let not_yet = issue(&[HOST], |it| it.not_before = date_time_ymd(LATER, 1, 1));
    let of_mail = issue(&[HOST], |it| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    });
    let bad: [(&[u8], &[u8], &str); 10] = [
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
        (&nameless.0, &nameless.1, "is for no host"),
        (&elsewhere.0, &elsewhere.1, "for none of the hosts"),
        (&not_yet.0, &not_yet.1, "is not valid yet"),
        (&of_mail.0, &of_mail.1, "is not for servers"),
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

/// What is of no use any more gives way to whatever comes; a new name among old ones is no harm.
#[tokio::test]
async fn a_certificate_that_is_no_worse_is_taken() {
    let scene = Scene::new().await;
    let preau = scene.start().await;
    let taken = async |count: f64| {
        preau.ask_to_reload();
        until_reloads(&preau, "taken", count).await;
        assert_eq!(scene.shown().await, der(&scene.files.cert));
    };
    scene
        .authority
        .issue("ent", &["mail.example.fr", "*.example.fr"], LATER);
    taken(1.0).await;
    // Of a whole domain, one of its hosts is enough.
    scene.authority.issue("ent", &[HOST], LATER);
    taken(2.0).await;
    preau.stop().await;

    scene.authority.issue("ent", &[HOST], LONG_AGO);
    let preau = scene.start().await;
    scene.authority.issue("ent", &["mail.example.fr"], LATER);
    preau.ask_to_reload();
    until_reloads(&preau, "taken", 1.0).await;
    assert_eq!(reloads(&preau, "kept").await, 0.0);
}

/// What stands in for the right one until that is there: one that vouches for itself, whatever host the
/// machine's installation gave it, and one for hosts of no room.
#[tokio::test]
async fn what_stands_in_for_a_certificate_gives_way_to_it() {
    let scene = Scene::new().await;
    let by_itself = |hosts: &[&str]| {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(hosts).unwrap();
        fs::write(&scene.files.cert, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&scene.files.key, key.serialize_pem()).unwrap();
    };
    let taken = async |preau: &Preau| {
        scene.authority.issue("ent", &[HOST], LATER);
        preau.ask_to_reload();
        until_reloads(preau, "taken", 1.0).await;
        assert_eq!(scene.shown().await, der(&scene.files.cert));
        assert_eq!(reloads(preau, "kept").await, 0.0, "{}", preau.printed());
    };
    by_itself(&["vm-17.example.org"]);
    taken(&scene.start().await).await;

    let rooms = format!("seats = 5\nopen = \"/\"\nhost = \"{HOST}\"");
    let files = scene.authority.issue("ent", &["vide.example.org"], LATER);
    let tables = one_room(&scene.portal.url(), &rooms) + &https(scene.address, &[&files]);
    taken(&Preau::start(&tables).await).await;
}

#[tokio::test]
async fn check_says_which_certificate_a_reload_would_not_take() {
    let scene = Scene::new().await;
    let preau = scene.start().await;
    let check = || {
        let mut check = Command::new(env!("CARGO_BIN_EXE_preau"));
        let output = check
            .arg("check")
            .arg(preau.config())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(!check().contains("keeps"), "{}", check());
    scene.authority.issue("ent", &[HOST], LONG_AGO);
    let words = "has expired: a preau that runs with a good one keeps that";
    assert!(check().contains(words), "{}", check());
    scene.authority.issue("ent", &[], LATER);
    let words = "a preau that runs with a good one keeps that";
    assert!(check().contains(words), "{}", check());
    scene.authority.issue("ent", &["mail.example.fr"], LATER);
    let words = format!("the preau that runs shows a certificate for {HOST}, and none of the file");
    assert!(check().contains(&words), "{}", check());
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
