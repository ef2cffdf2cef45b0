//! `[acme]`: a certificate that an authority gives and renews by itself.

use super::hosts;
use super::portals::authorities;
use super::table::Table;
use super::values::{boolean, list, parsed};
use super::{AcmeConfig, Listener, Speaks};
use http::Uri;

/// Let's Encrypt; whoever writes nothing means it.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Bytes of the directory's address: a folder of ours is named after it.
const DIRECTORY_MAX: usize = 200;
/// Hosts of one certificate; Let's Encrypt takes no more.
const HOSTS_MAX: usize = 100;
/// Bytes of an e-mail address (RFC 5321 §4.5.3.1.3).
const CONTACT_MAX: usize = 254;

const DIRECTORY_HELP: &str = "write the address that the authority names for ACME, such as \
                              \"https://acme.example.fr/directory\"";
const HOST_HELP: &str = "write the whole name of a host, such as \"ent.example.fr\"";
const CONTACT_HELP: &str = "write an e-mail address, such as \"dsi@example.fr\"";
const CA_HELP: &str = "write the path of a file that begins with -----BEGIN CERTIFICATE-----";

/// Reads `[acme]`, which must fit the listeners.
pub(super) fn read(top: &mut Table<'_>, listeners: &[Listener]) -> Option<AcmeConfig> {
    if !cfg!(feature = "acme") {
        top.leave_unsaid("acme");
    }
    let mut table = top.table("acme")?;
    if !cfg!(feature = "acme") {
        table.sink().wrong(
            table.span(&[]),
            "this build has no ACME",
            "it cannot get certificates from an authority",
            "build it with `cargo build --release --features acme`, or remove [acme] and name \
             `certificates` in [tls]",
        );
    }
    fits(&table, listeners);
    let directory = parsed(directory, DIRECTORY_HELP);
    let directory = table.read_or("directory", directory, DIRECTORY.to_owned());
    let contact = table.read("contact", parsed(contact, CONTACT_HELP));
    let hosts = hosts(&mut table);
    terms(&mut table);
    let ca = table.read("ca", parsed(authorities, CA_HELP));
    table.finish();
    Some(AcmeConfig {
        directory,
        contact,
        hosts: hosts?,
        ca,
    })
}

/// The certificate needs a listener that shows it, and the authority one where it can ask.
fn fits(table: &Table<'_>, listeners: &[Listener]) {
    let secure = |it: &Listener| it.speaks == Speaks::Https;
    let missing = |message: &str, label: &str, help: &str| {
        // The listener may be what could not be read.
        table.sink().doubtful(table.span(&[]), message, label, help);
        table.sink().about_missing("listener");
    };
    if !listeners.iter().any(secure) {
        missing(
            "there is [acme], and no listener speaks TLS",
            "nobody would see the certificate",
            "write `tls = true` in a [[listener]], such as the one with port 443",
        );
    }
    if listeners.iter().all(secure) {
        missing(
            "there is [acme], and no listener without TLS",
            "the authority asks for a proof on port 80",
            "write a [[listener]] with `address = \"0.0.0.0:80\"` and `redirect = \"https\"`",
        );
    }
}

fn hosts(table: &mut Table<'_>) -> Option<Vec<String>> {
    let read = list(parsed(hosts::name, HOST_HELP));
    let hosts = table.required("hosts", read, "[\"ent.example.fr\"]")?;
    let wrong = |label: String, help: &str| {
        let message = "invalid value for `acme.hosts`";
        table
            .sink()
            .wrong(table.span(&["hosts"]), message, label, help);
    };
    if hosts.len() > HOSTS_MAX {
        wrong(
            format!("more than {HOSTS_MAX} hosts"),
            "authorities give no certificate for so many",
        );
    }
    for (i, host) in hosts.iter().enumerate() {
        if hosts[..i].contains(host) {
            wrong(format!("{host} is listed twice"), "write each host once");
        }
    }
    Some(hosts)
}

/// Nobody agrees by not having read.
fn terms(table: &mut Table<'_>) {
    if table.required("terms_agreed", boolean, "true") == Some(false) {
        table.sink().wrong(
            table.span(&["terms_agreed"]),
            "invalid value for `acme.terms_agreed`",
            "an authority gives nothing to whoever does not agree to its terms",
            "read them and write `terms_agreed = true`, or remove [acme]",
        );
    }
}

fn directory(text: &str) -> Result<String, String> {
    if !text.starts_with("https://") {
        return Err("an authority is spoken to by `https://` only".into());
    }
    if text.len() > DIRECTORY_MAX {
        return Err(format!("longer than {DIRECTORY_MAX} bytes"));
    }
    let uri: Option<Uri> = text.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    match authority.is_some_and(|it| !it.host().is_empty() && !it.as_str().contains('@')) {
        true => Ok(text.to_owned()),
        false => Err("not an address".into()),
    }
}

fn contact(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_graphic() && !",?&%\"<>".contains(c);
    match text.split_once('@') {
        Some((name, host))
            if !name.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && text.len() <= CONTACT_MAX
                && text.chars().all(plain) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("not an e-mail address".into()),
    }
}
