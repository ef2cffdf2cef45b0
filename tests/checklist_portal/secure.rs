//! TLS to portals, and what is said before anything else: the PROXY protocol.

use crate::support::tls::{Authority, self_signed};
use crate::support::{Nginx, Preau, until};
use crate::{ask_text, assert_words, get, tables};
use std::process::Command;

/// The keys of a portal that trusts `authority` and expects the certificate of `name`.
fn trusting(authority: &Authority, name: &str) -> String {
    format!(
        "ca = {:?}\ntls_name = \"{name}\"",
        authority.root_file().display().to_string()
    )
}

fn https(nginx: &Nginx) -> String {
    format!("https://{}", nginx.address())
}

#[tokio::test]
async fn tls_to_a_portal_whose_authority_is_given() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &["ent.example.fr"], 2090);
    // Each request has a connection of its own, so that there is a session to resume.
    let nginx = Nginx::start("ssl", Some(&pair), "keepalive_timeout 0;").await;
    let preau = Preau::start(&tables(
        &https(&nginx),
        &trusting(&authority, "ent.example.fr"),
    ))
    .await;
    for _ in 0..6 {
        let answer = ask_text(&preau, get("/")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("bonjour"),
            "{answer}"
        );
    }
    let seen = nginx.seen();
    assert_eq!(seen.len(), 6);
    for line in &seen {
        assert_eq!(line[3], "ent.fr", "the host is the visitor's: {line:?}");
        assert_eq!(line[5], "ent.example.fr", "the name by SNI: {line:?}");
    }
    assert!(
        seen.iter().any(|line| line[6] == "r"),
        "none was resumed: {seen:?}"
    );
}

#[tokio::test]
async fn the_very_certificate_that_is_given_is_trusted_and_no_other_of_its_kind() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let [own, renewed] = self_signed(folder.path());
    let given = format!("ca = {:?}", own.cert);
    let nginx = Nginx::start("ssl", Some(&own), "").await;
    let preau = Preau::start(&tables(&https(&nginx), &given)).await;
    let answer = ask_text(&preau, get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The same key and the same name.
    let nginx = Nginx::start("ssl", Some(&renewed), "").await;
    let text = tables(&https(&nginx), &given);
    refused(&text, "is marked as that of an authority").await;
}

#[tokio::test]
async fn a_portal_that_cannot_prove_who_it_is_is_down_with_a_reason() {
    let (ours, other) = (Authority::new(), Authority::new());
    let cases = [
        (
            &ours,
            "autre.example.fr",
            2090,
            "for another name, not for ent.example.fr",
        ),
        (
            &other,
            "ent.example.fr",
            2090,
            "an authority that is not known here",
        ),
        (
            &ours,
            "ent.example.fr",
            2021,
            "a certificate that has expired",
        ),
    ];
    for (authority, name, year, words) in cases {
        let pair = authority.issue(name, &[name], year);
        let nginx = Nginx::start("ssl", Some(&pair), "").await;
        let text = tables(&https(&nginx), &trusting(&ours, "ent.example.fr"));
        refused(&text, words).await;
        assert!(nginx.seen().is_empty(), "nothing was sent");
    }
}

#[tokio::test]
async fn a_portal_that_does_not_speak_tls_is_down_with_a_reason() {
    let plain = Nginx::start("", None, "").await;
    refused(
        &tables(&https(&plain), ""),
        "does not speak TLS on this port",
    )
    .await;
}

#[tokio::test]
async fn without_an_authority_the_machines_own_are_asked() {
    let authority = Authority::new();
    let pair = authority.issue("local", &["localhost"], 2090);
    let nginx = Nginx::start("ssl", Some(&pair), "").await;
    let url = format!("https://localhost:{}", nginx.address().port());
    refused(&tables(&url, ""), "an authority that is not known here").await;
    // The machine's own, as OpenSSL names it to every program.
    let proxy = crate::support::Unstarted::new(&tables(&url, ""));
    let preau = proxy
        .with_env("SSL_CERT_FILE", &authority.root_file())
        .start()
        .await;
    let answer = ask_text(&preau, get("/")).await;
    assert!(answer.contains("bonjour"), "{answer}");
}

/// Visitors are told that the portal is down; log, desk and `preau check` say why.
async fn refused(text: &str, words: &str) {
    let text = text.replace("fall = 1000", "fall = 1");
    let proxy = crate::support::Unstarted::new(&text);
    let file = proxy.config();
    let check = Command::new(env!("CARGO_BIN_EXE_preau"))
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .expect("preau runs");
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(check.status.success() && said.contains(words), "{said}");
    let preau = proxy.start().await;
    assert_words(&ask_text(&preau, get("/")).await, 503, words);
    until("the log says why", async || {
        preau.printed().contains(words).then_some(())
    })
    .await;
    let desk = crate::support::get(preau.admin(), "/api/v1/status").await;
    let wrong = desk.expect("the desk answers").json()["portals"][0]["servers"][0]["wrong"].clone();
    assert!(
        wrong.as_str().is_some_and(|wrong| wrong.contains(words)),
        "{wrong}"
    );
}

#[tokio::test]
async fn the_proxy_protocol_tells_a_server_who_the_visitor_is() {
    let nginx = Nginx::start("proxy_protocol", None, "").await;
    let url = format!("http://{}", nginx.address());
    // A proxy in front of us names the visitors.
    let text = format!(
        "[trust]\nproxies = \"127.0.0.1\"\n{}",
        tables(&url, "send_proxy = \"v2\"")
    );
    let preau = Preau::start(&text).await;
    for visitor in ["192.0.2.1", "2001:db8::1", "192.0.2.1"] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {visitor}\r\nConnection: close\r\n\r\n"
        );
        let answer = ask_text(&preau, request).await;
        assert!(answer.contains("bonjour"), "{answer}");
    }
    let seen = nginx.seen();
    let named: Vec<&str> = seen.iter().map(|line| line[4].as_str()).collect();
    assert_eq!(named, ["192.0.2.1", "2001:db8::1", "192.0.2.1"]);
    assert_ne!(seen[0][2], seen[2][2], "no connection is kept");
    until("a probe says that it is nobody's", async || {
        let probes = nginx.probes();
        (!probes.is_empty())
            .then(|| assert!(probes.iter().all(|line| line[4] == "-"), "{probes:?}"))
    })
    .await;
}

#[tokio::test]
async fn the_proxy_protocol_comes_before_tls() {
    let authority = Authority::new();
    let pair = authority.issue("ent", &["ent.example.fr"], 2090);
    let nginx = Nginx::start("ssl proxy_protocol", Some(&pair), "").await;
    let keys = format!(
        "send_proxy = \"v2\"\n{}",
        trusting(&authority, "ent.example.fr")
    );
    let preau = Preau::start(&tables(&https(&nginx), &keys)).await;
    let answer = ask_text(&preau, get("/")).await;
    assert!(answer.contains("bonjour"), "{answer}");
    assert_eq!(nginx.seen()[0][4], "127.0.0.1");
}
