//! Listeners that speak TLS, and what follows from them.

use super::super::{Config, Speaks};
use super::{PORTAL, good, read};

const CERTIFICATES: &str = "[tls]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n";
const HTTPS: &str = "[[listener]]\naddress = \"0.0.0.0:443\"\ntls = true\n";
const HTTP: &str = "[[listener]]\naddress = \"0.0.0.0:80\"\n";

fn with(lines: &str) -> Config {
    good(&format!("{PORTAL}{CERTIFICATES}{lines}"), &[])
}

#[test]
fn a_redirect_goes_to_the_usual_port_or_to_the_one_written() {
    for (written, port) in [("https", 443), ("https:8443", 8443)] {
        let config = with(&format!("{HTTPS}{HTTP}redirect = \"{written}\"\n"));
        assert_eq!(config.listeners[0].speaks, Speaks::Https);
        assert_eq!(config.listeners[1].speaks, Speaks::Redirect(port));
    }
}

#[test]
fn cookies_are_secure_where_nobody_is_served_without_tls() {
    let redirect = format!("{HTTP}redirect = \"https\"\n");
    for (lines, secure) in [
        (HTTPS.to_owned(), true),
        (format!("{HTTPS}{redirect}"), true),
        (format!("{HTTPS}{HTTP}"), false),
        (format!("{HTTPS}[cookie]\nsecure = false\n"), false),
        (format!("{HTTPS}{HTTP}[cookie]\nsecure = true\n"), true),
    ] {
        assert_eq!(with(&lines).cookie.secure, secure, "{lines}");
    }
    assert!(!good(PORTAL, &[]).cookie.secure);
}

#[test]
fn what_does_not_fit_is_said_at_its_place() {
    let both = format!("{CERTIFICATES}{HTTPS}redirect = \"https\"\n");
    let elsewhere = format!("{CERTIFICATES}{HTTPS}{HTTP}redirect = \"ftp\"\n");
    let port = format!("{CERTIFICATES}{HTTPS}{HTTP}redirect = \"https:0\"\n");
    let no_key = "[tls]\ncertificates = [{ cert = \"a.pem\" }]\n".to_owned() + HTTPS;
    let old = format!("{CERTIFICATES}min_version = \"1.1\"\n{HTTPS}");
    let long = format!("{CERTIFICATES}hsts = \"9999d\"\n{HTTPS}");
    for (lines, at, words) in [
        (both.as_str(), "8:12", "cannot have `redirect`"),
        (&elsewhere, "10:12", "https only"),
        (&port, "10:12", "from 1 to 65535"),
        (HTTPS, "3:1", "there is no certificate"),
        (CERTIFICATES, "4:16", "no listener speaks TLS"),
        (&no_key, "4:17", "missing key `key`"),
        (&old, "5:15", "\"1.2\", \"1.3\""),
        (&long, "5:8", "to 730d"),
    ] {
        let problems = read(&format!("{PORTAL}{lines}"), &[]).expect_err(lines);
        let shown = problems.to_string();
        assert_eq!(problems.len(), 1, "{shown}");
        assert!(
            shown.contains(&format!("--> proxy.toml:{at}\n")),
            "{at}: {shown}"
        );
        assert!(shown.contains(words), "{words}: {shown}");
    }
}
