//! A certificate from an authority: Debian's pebble gives it, for hosts that lead to us.
#![cfg(feature = "acme")]

mod support;

use http::{StatusCode, header};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::pebble::{Pebble, Place};
use support::tls::{Client, ask, shown};
use support::{Portal, Preau, Unstarted, free_port, get, one_room, until};

const HOST: &str = "ent.example.fr";
const OTHER: &str = "cas.example.fr";
/// Lives of certificates, in seconds.
const LONG: u64 = 90 * 24 * 60 * 60;
const SHORT: u64 = 15;

struct Scene {
    portal: Portal,
    place: Place,
    /// Without TLS.
    plain: SocketAddr,
    secure: SocketAddr,
}

impl Scene {
    async fn new() -> Scene {
        Scene {
            portal: Portal::start().await,
            place: Place::new(),
            plain: free_port(),
            secure: free_port(),
        }
    }

    /// `plain` is what the listener without TLS says beside its address.
    fn unstarted(&self, plain: &str) -> Unstarted {
        let room = one_room(&self.portal.url(), "seats = 5\nhost = \"*.example.fr\"");
        let unstarted = Unstarted::new("");
        unstarted.configure(&format!(
            "admin = \"{}\"\nstate = {:?}\nthreads = 2\n{room}\n\
             [[listener]]\naddress = \"{}\"\ntls = true\n\
             [[listener]]\naddress = \"{}\"\n{plain}\n\
             [acme]\ndirectory = \"{}\"\nca = {:?}\nhosts = [\"{HOST}\", \"{OTHER}\"]\n\
             contact = \"dsi@example.fr\"\nterms_agreed = true\n",
            unstarted.admin(),
            unstarted.state(),
            self.secure,
            self.plain,
            self.place.directory(),
            self.place.ca(),
        ));
        unstarted
    }

    /// What a visitor is shown who trusts this authority; `None` if they do not trust it.
    async fn trusted(&self, pebble: &Pebble<'_>, host: &str) -> Option<Vec<u8>> {
        let client = Client::trusting(&pebble.root().await, &["http/1.1"]);
        let stream = client.connect(self.secure, host).await.ok()?;
        Some(shown(&stream))
    }

    /// The same as soon as it is trusted.
    async fn until_trusted(&self, pebble: &Pebble<'_>, preau: &Preau) -> Vec<u8> {
        let trusted = until("there is a certificate", async || {
            self.trusted(pebble, HOST).await
        });
        tokio::select! {
            trusted = trusted => trusted,
            () = tokio::time::sleep(support::PATIENCE - std::time::Duration::from_secs(1)) => {
                panic!("no certificate:\n{}\n{}", preau.printed(), pebble.printed())
            }
        }
    }
}

/// What is kept of the one authority.
fn kept(preau: &Preau) -> PathBuf {
    kept_in(&preau.state())
}

fn kept_in(state: &Path) -> PathBuf {
    let mut folders = fs::read_dir(state.join("acme")).expect("a folder");
    folders.next().expect("one").expect("readable").path()
}

async fn reloads(preau: &Preau, result: &str) -> f64 {
    let labels = [("result", result)];
    preau
        .metric("preau_certificate_reloads_total", &labels)
        .await
}

#[tokio::test]
async fn a_certificate_is_got_and_shown_and_kept_over_a_restart() {
    let scene = Scene::new().await;
    let pebble = scene.place.start(scene.plain, LONG).await;
    let preau = scene.unstarted("redirect = \"https\"").start().await;
    let got = scene.until_trusted(&pebble, &preau).await;
    assert_eq!(scene.trusted(&pebble, OTHER).await, Some(got.clone()));
    assert_eq!(scene.trusted(&pebble, "moodle.example.fr").await, None);
    assert_eq!(reloads(&preau, "taken").await, 1.0);
    assert!(
        preau.printed().contains("browsers do not trust"),
        "at first"
    );
    assert_eq!(pebble.orders(), 1);

    // Nothing else is taken from the portal, or kept from being sent to https.
    let elsewhere = "/.well-known/acme-challenge/token";
    let answer = support::send(
        scene.plain,
        http::Request::get(elsewhere)
            .header(header::HOST, HOST)
            .header(header::ACCEPT, "text/html")
            .body(bytes::Bytes::new())
            .expect("well-formed"),
    );
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    assert!(scene.portal.seen().is_empty(), "the portal saw no proof");

    let mut secrets = Vec::new();
    for file in fs::read_dir(kept(&preau)).expect("a folder") {
        let path = file.expect("readable").path();
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        secrets.push(fs::read_to_string(path).expect("text"));
    }
    assert_eq!(secrets.len(), 2, "the account and the certificate");
    let printed = preau.printed();
    for secret in secrets {
        let long = |word: &&str| word.len() >= 40 && !word.contains("://");
        for word in secret.split(['\n', '"']).filter(long) {
            assert!(!printed.contains(word), "{word} is in the log");
        }
    }

    let preau = preau.stop().await.start().await;
    assert_eq!(scene.trusted(&pebble, HOST).await, Some(got));
    assert!(preau.printed().contains("the stored certificate is used"));
    assert_eq!(pebble.orders(), 1, "none is ordered again");
    assert_eq!(reloads(&preau, "taken").await, 0.0);
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_and_nobody_is_dropped() {
    let scene = Scene::new().await;
    let pebble = scene.place.start(scene.plain, SHORT).await;
    let preau = scene.unstarted("").start().await;
    let first = scene.until_trusted(&pebble, &preau).await;
    let client = Client::trusting(&pebble.root().await, &["http/1.1"]);
    let open = client.connect(scene.secure, HOST).await;
    let second = until("there is another", async || {
        let now = scene.trusted(&pebble, HOST).await;
        let now = now.unwrap_or_else(|| panic!("none is valid:\n{}", preau.printed()));
        (now != first).then_some(now)
    })
    .await;
    assert_eq!(scene.trusted(&pebble, OTHER).await, Some(second));
    assert_eq!(pebble.orders(), 2);
    assert_eq!(reloads(&preau, "taken").await, 2.0);
    assert_eq!(reloads(&preau, "kept").await, 0.0);
    let answer = ask(open.expect("a connection"), HOST, "/").await;
    assert_eq!(answer.status, StatusCode::OK, "whoever was there goes on");
    let seen = scene.portal.seen();
    assert!(!seen.iter().any(|it| it.path.contains("acme")), "{seen:?}");
}

#[tokio::test]
async fn an_authority_that_is_away_keeps_the_old_certificate() {
    let scene = Scene::new().await;
    let pebble = scene.place.start(scene.plain, SHORT).await;
    let preau = scene.unstarted("").start().await;
    let first = scene.until_trusted(&pebble, &preau).await;
    let root = pebble.root().await;
    let shown_now = async || {
        let client = Client::trusting(&root, &["http/1.1"]);
        let stream = client.connect(scene.secure, HOST).await;
        stream.ok().map(|stream| shown(&stream))
    };
    drop(pebble);
    until("it is told and counted", async || {
        let words = "cannot be reached";
        let told = preau.printed().contains(words) && reloads(&preau, "kept").await >= 1.0;
        told.then_some(())
    })
    .await;
    assert_eq!(shown_now().await, Some(first));

    // It comes back without knowing us; an operator who cannot wait says so.
    let pebble = scene.place.start(scene.plain, LONG).await;
    until("the next certificate is there", async || {
        preau.ask_to_reload();
        scene.trusted(&pebble, HOST).await
    })
    .await;
    assert!(preau.printed().contains("accountDoesNotExist"));
}

/// The first installation had a name with a typo; what stood in for it is in nobody's way.
#[tokio::test]
async fn after_a_typo_among_the_hosts_the_right_certificate_is_taken() {
    let scene = Scene::new().await;
    let unstarted = scene.unstarted("");
    let right = fs::read_to_string(unstarted.config()).expect("it is there");
    let hosts = format!("[\"{HOST}\", \"{OTHER}\"]");
    unstarted.configure(&right.replace(&hosts, "[\"etn.example.fr\"]"));
    let unstarted = unstarted.start().await.stop().await;
    assert!(kept_in(&unstarted.state()).join("certificate.pem").exists());
    unstarted.configure(&right);
    let pebble = scene.place.start(scene.plain, LONG).await;
    let preau = unstarted.start().await;
    let got = scene.until_trusted(&pebble, &preau).await;
    assert_eq!(scene.trusted(&pebble, OTHER).await, Some(got));
    assert_eq!(reloads(&preau, "taken").await, 1.0);
}

#[tokio::test]
async fn a_host_that_does_not_lead_here_is_explained() {
    let scene = Scene::new().await;
    let elsewhere = free_port();
    let pebble = scene.place.start(elsewhere, LONG).await;
    let unstarted = scene.unstarted("");
    let mut check = Command::new(env!("CARGO_BIN_EXE_preau"));
    check.arg("check").arg("--config").arg(unstarted.config());
    let checked = check.output().expect("it runs").stdout;
    let line = format!("certificate by ACME: for {HOST}, {OTHER} · from https://localhost:");
    let checked = String::from_utf8_lossy(&checked);
    assert!(checked.contains(&line), "{checked}");

    let preau = unstarted.start().await;
    until("it is told", async || {
        let printed = preau.printed();
        let line = printed.lines().find(|it| it.contains("could not see"))?;
        // It looks at the hosts in an order of its own.
        let named = [HOST, OTHER].map(|host| line.contains(&format!("that {host} is ours")));
        let whole = named.contains(&true) && line.contains("connection refused");
        whole.then_some(())
    })
    .await;
    assert!(preau.printed().contains("tried again in 1m"));
    assert_eq!(reloads(&preau, "kept").await, 1.0);
    assert_eq!(scene.trusted(&pebble, HOST).await, None, "a stand-in");
    let answer = get(preau.admin(), "/readyz").await.expect("an answer");
    assert!(answer.status.is_success(), "it runs all the same");
}
