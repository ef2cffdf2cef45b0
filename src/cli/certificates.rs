//! What `preau check` says of certificates, and of cookies that would not come back.

use crate::config::{Config, Listener, Speaks};
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
    pub errors: Vec<String>,
    /// What would not.
    pub warnings: Vec<String>,
}

/// Reads every certificate, and looks at what belongs together.
pub fn look(config: &Config) -> Findings {
    let mut findings = Findings::default();
    for pair in &config.tls.certificates {
        match tls::check(pair) {
            Ok(certificate) => {
                let Certificate { name, .. } = &certificate;
                let hosts = certificate.hosts().join(", ");
                let day = day(&certificate);
                findings
                    .lines
                    .push(format!("certificate {name}: for {hosts} · until {day}"));
                let warning = of_end(&certificate);
                findings.warnings.extend(warning);
            }
            Err(error) => findings.errors.push(error.to_string()),
        }
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
        let findings = look(&config);
        assert_eq!((findings.lines.len(), findings.errors.len()), (0, 1));
        assert!(findings.errors[0].contains("/nowhere/a.pem cannot be read"));
    }
}
