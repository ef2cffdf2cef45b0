//! What `preau check` says of certificates, and of cookies that would not come back.

use crate::config::{Complaint, Config, HostPattern, Listener, Speaks};
use crate::host;
use crate::time::Span;
use crate::tls::{self, Certificate};
use jiff::Timestamp;

/// A certificate that ends sooner than this is worth a warning.
const SOON: Span = Span::mins(14 * 24 * 60);

/// What is to be said.
#[derive(Debug, Default)]
pub struct Findings {
    /// A line for each certificate.
    pub lines: Vec<String>,
    /// What would keep `serve` from starting.
    pub errors: Vec<Complaint>,
    /// What would not.
    pub warnings: Vec<String>,
}

/// Reads every certificate, and looks at what belongs together. `shown` are the names of the
/// certificates of a preau that runs from this file, if one does.
pub fn look(config: &Config, shown: &[String]) -> Findings {
    let mut findings = Findings::default();
    let mut read = Vec::new();
    for (nth, pair) in config.tls.certificates.iter().enumerate() {
        match tls::check(pair) {
            Ok(certificate) => {
                let Certificate { name, doubts, .. } = &certificate;
                let hosts = match certificate.hosts() {
                    [] => "no host".to_owned(),
                    hosts => hosts.join(", "),
                };
                let day = day(&certificate);
                findings
                    .lines
                    .push(format!("certificate {name}: for {hosts} · until {day}"));
                let file = pair.cert.display();
                let doubts = doubts
                    .iter()
                    .map(|doubt| format!("certificate {file}: {doubt}"));
                findings.warnings.extend(doubts);
                findings.warnings.extend(of_end(&certificate));
                findings.warnings.extend(certificate.flaw().map(|flaw| {
                    format!(
                        "certificate {file} {flaw}: a preau that runs with a good one keeps that on \
                         reload, and does not take this"
                    )
                }));
                read.push(certificate);
            }
            Err(error) => findings.errors.push(Complaint {
                key: match error.is_of_key() {
                    true => "tls.certificates.key".to_owned(),
                    false => "tls.certificates.cert".to_owned(),
                },
                nth,
                message: error.to_string(),
                label: "this certificate cannot be used".to_owned(),
                help: String::new(),
            }),
        }
    }
    if findings.errors.is_empty() {
        findings.warnings.extend(of_hosts(config, &read));
        let by_acme = config.acme.iter().flat_map(|acme| &acme.hosts);
        let by_acme: Vec<&String> = by_acme.collect();
        let hosts = || config.rooms.iter().flat_map(|room| &room.hosts);
        let is_ours = |name: &str| hosts().any(|host| host.may_be(name));
        let of_files = (shown.iter()).filter(|name| !by_acme.contains(name) && is_ours(name));
        findings.warnings.extend(of_shown(of_files, &read));
    }
    if let Some(acme) = &config.acme {
        let (hosts, from) = (acme.hosts.join(", "), &acme.directory);
        findings
            .lines
            .push(format!("certificate by ACME: for {hosts} · from {from}"));
    }
    findings.warnings.extend(of_cookies(config));
    findings
}

/// Hosts of rooms for which there is no certificate: what their visitors are shown, browsers refuse.
fn of_hosts(config: &Config, certificates: &[Certificate]) -> Vec<String> {
    let Some(first) = certificates.first() else {
        return Vec::new();
    };
    let by_acme = config.acme.iter().flat_map(|acme| &acme.hosts);
    let by_acme: Vec<&String> = by_acme.collect();
    let covered = |host: &str| {
        let siblings = host.strip_prefix("*");
        let below = |name: &String| siblings.is_some_and(|rest| name.ends_with(rest));
        let mut named = certificates
            .iter()
            .flat_map(Certificate::hosts)
            .chain(by_acme.clone());
        certificates.iter().any(|it| it.covers(host))
            || named.any(|name| name == host || below(name))
    };
    let mut warnings = Vec::new();
    for room in &config.rooms {
        let hosts = room.hosts.iter().filter_map(HostPattern::named);
        for host in hosts.filter(|host| !covered(host)) {
            warnings.push(format!(
                "room {}: no certificate is for {host}: its visitors are shown that of {}, and their \
                 browsers warn of it",
                room.name, first.name
            ));
        }
    }
    warnings
}

/// What a preau shows now that the files are not for: it is kept on reload, if an authority vouches for it.
fn of_shown<'a>(
    shown: impl Iterator<Item = &'a String>,
    certificates: &[Certificate],
) -> Vec<String> {
    let served = |name: &str| certificates.iter().any(|it| it.serves(name));
    // Without a dot it is a common name, and not a host.
    let lost = shown.filter(|name| name.contains('.') && !served(name));
    let warning = |name: &String| {
        format!(
            "the preau that runs shows a certificate for {name}, and none of the file is for it: it \
             keeps that one on reload (unless it is signed by itself), and takes what the file names with \
             a restart"
        )
    };
    lost.map(warning).collect()
}

fn of_end(certificate: &Certificate) -> Option<String> {
    let (name, day) = (&certificate.name, day(certificate));
    if certificate.has_expired() {
        return Some(format!(
            "certificate {name} has expired ({day}): browsers refuse it"
        ));
    }
    let soon = certificate.not_after < host::wall() + SOON;
    soon.then(|| format!("certificate {name} expires soon ({day})"))
}

/// Browsers keep and send a `Secure` cookie over HTTPS only.
fn of_cookies(config: &Config) -> Option<String> {
    let plain = |it: &&Listener| it.speaks == Speaks::Http && it.proxy_from.is_empty();
    let plain = config.listeners.iter().find(plain);
    let tls = (config.listeners.iter()).any(|it| it.speaks == Speaks::Https);
    match (plain, config.cookie.secure) {
        (Some(Listener { address, .. }), true) if config.trust.proxies.is_empty() => Some(format!(
            "cookie.secure is true, and {address} speaks no TLS: visitors who come there \
                 without a TLS proxy cannot keep a place. Name the proxy in trust.proxies, or give \
                 the listener `redirect = \"https\"`"
        )),
        (None, false) if tls => Some(
            "cookie.secure is false, though all visitors come over TLS: remove that line".into(),
        ),
        _ => None,
    }
}

/// The last day of a certificate.
fn day(certificate: &Certificate) -> String {
    let millis = i64::try_from(certificate.not_after.0).unwrap_or(i64::MAX);
    let end = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    end.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse};

    fn config(listeners: &str) -> Config {
        let text = format!(
            "portal = [{{ servers = \"http://10.0.0.5\" }}]\n\
             tls.certificates = [{{ cert = \"/nowhere/a.pem\", key = \"/nowhere/a.key\" }}]\n\
             {listeners}"
        );
        parse(Source {
            name: "test.toml",
            text: &text,
            overrides: &[],
        })
        .unwrap()
    }

    #[test]
    fn what_cannot_work_is_said() {
        const HTTPS: &str = "{ address = \"0.0.0.0:443\", tls = true }";
        let trusted = format!("{HTTPS}, {{ address = \"0.0.0.0:80\" }}");
        for (listeners, more, words) in [
            (HTTPS, "", None),
            (&trusted, "", None),
            (HTTPS, "cookie.secure = false", Some("remove that line")),
            (
                &trusted,
                "cookie.secure = true",
                Some("0.0.0.0:80 speaks no TLS"),
            ),
            (
                &trusted,
                "cookie.secure = true\ntrust.proxies = \"10.0.0.9\"",
                None,
            ),
        ] {
            let config = config(&format!("listener = [{listeners}]\n{more}"));
            let said = of_cookies(&config);
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(words.unwrap_or("")));
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_an_error() {
        let config = config("listener = [{ address = \"0.0.0.0:443\", tls = true }]");
        let findings = look(&config, &[]);
        assert_eq!((findings.lines.len(), findings.errors.len()), (0, 1));
        let problems = config.written.problems(findings.errors).unwrap();
        let shown = problems.to_string();
        assert!(shown.contains("/nowhere/a.pem cannot be read"), "{shown}");
        assert!(shown.contains("--> test.toml:2:30\n"), "{shown}");
    }
}
