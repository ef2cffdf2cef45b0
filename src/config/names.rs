//! Names of fields by which a portal is told who speaks, and for what: the table, and what an
//! operator adds to it or lets pass.
//!
//! A portal that believes such a field believes whoever writes it. So what says who somebody is or
//! where they come from passes only from a proxy in `[trust]`, and what changes the method or the
//! address that rooms decide by passes only where `trust.pass` says so. `deploy/fields.md` shows
//! the table; a test keeps the two alike.

use http::header::HeaderName;
use std::fmt::{self, Display, Formatter};

/// What a field of the table is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// Nothing: it is taken out, whoever sends it.
    Never,
    /// It says who speaks, from where, or how they came: only proxies in `[trust]` may.
    Speaker,
    /// It asks for another method, address or host than the one that rooms decide by. A proxy that
    /// does not know the field hands on what a visitor wrote, so that trust is not enough.
    Override,
}

/// Some names, and why they are in the table.
#[derive(Clone, Copy, Debug)]
pub struct GuardedRow {
    /// What the fields are good for.
    pub kind: Guarded,
    /// Names in lower case; one that ends in `*` means all that begin so.
    pub names: &'static [&'static str],
    /// Who reads them, in a few words.
    pub why: &'static str,
}

use Guarded::{Never, Override, Speaker};

/// Every name that is guarded unless an operator says otherwise.
#[rustfmt::skip]
pub const GUARDED: [GuardedRow; 19] = [
    row(Never, &["proxy"],
        "CGI and old PHP make `HTTP_PROXY` of it, and send their own requests there (httpoxy)"),
    row(Speaker, &["forwarded", "x-forwarded", "x-forwarded-*", "x-original-forwarded-for",
        "forwarded-for", "forwarded-for-ip", "x-forward-for", "x-forwarder-for", "z-forwarded-for"],
        "where a request comes from; `Forwarded`, `X-Forwarded-For`, `-Proto` and `-Host` are ours in any case"),
    row(Speaker, &["x-real-ip", "x-real-port", "client-ip", "x-client-ip", "x-client-port", "true-client-ip",
        "x-true-client-ip", "cluster-client-ip", "x-cluster-client-ip", "x-originating-ip",
        "x-original-remote-addr", "source-ip", "x-source-ip", "x-ip", "x-from-ip", "x-coming-from",
        "coming-from", "x-proxyuser-ip", "x-custom-ip-authorization"],
        "the visitor's address, by the names that applications and frameworks read"),
    row(Speaker, &["cf-*", "cloudfront-*", "fastly-*", "fly-client-ip", "x-azure-*", "x-appengine-*",
        "x-vercel-*", "x-nf-client-connection-ip", "do-connecting-ip", "incap-client-ip",
        "x-sucuri-clientip", "cdn-src-ip", "ali-cdn-real-ip"],
        "what delivery networks and clouds say of a visitor"),
    row(Speaker, &["wl-proxy-*", "proxy-client-ip", "proxy-remote-user", "x-proxy-*", "x-envoy-*", "x-arr-*"],
        "what WebLogic, Envoy and IIS are told by the proxy in front of them"),
    row(Speaker, &["remote-*", "x-remote-*"],
        "`REMOTE_USER` and its like: Authelia, DokuWiki, Kubernetes, many applications"),
    row(Speaker, &["auth-user", "auth-mail", "auth-groups", "auth-cn", "auth-uid"],
        "LemonLDAP::NG"),
    row(Speaker, &["x-auth-request-*", "x-auth-user", "x-auth-username", "x-auth-email", "x-auth-groups",
        "x-auth-roles", "x-authenticated-*", "x-authentik-*", "x-webauth-*", "x-vouch-*", "x-pomerium-*",
        "x-userinfo", "x-consumer-*", "x-credential-*", "x-anonymous-consumer"],
        "oauth2-proxy, authentik, Grafana, Vouch, Pomerium, Kong"),
    row(Speaker, &["oidc-*", "mellon-*", "shib-*", "cas-user", "cas-attr-*"],
        "mod_auth_openidc, mod_auth_mellon, Shibboleth, mod_auth_cas"),
    row(Speaker, &["iv-*", "oam-*", "sm-user", "sm-userdn", "sm-universalid", "sm-serversessionid"],
        "IBM WebSEAL, Oracle Access Manager, SiteMinder"),
    row(Speaker, &["x-amzn-oidc-*", "x-amzn-mtls-*", "x-goog-authenticated-user-*", "x-goog-iap-*",
        "x-ms-client-principal*", "x-ms-token-*", "tailscale-*"],
        "sign-on in front of an application: Amazon, Google, Microsoft, Tailscale"),
    row(Speaker, &["client-cert", "client-cert-chain", "x-client-cert*", "x-client-dn", "x-client-s-dn",
        "x-client-verify", "x-certificate*", "ssl-*", "x-ssl", "x-ssl-*", "x-tls-*"],
        "the visitor's certificate (RFC 9440, nginx, Apache, HAProxy, IIS)"),
    row(Speaker, &["front-end-https", "x-url-scheme", "x-scheme", "x-proto", "x-original-proto", "x-https"],
        "whether the visitor came over HTTPS"),
    row(Speaker, &["x-middleware-*", "x-accel-mapping", "x-sendfile-type"],
        "a call of the application to itself, or what the proxy can do: Next.js, Rack"),
    row(Speaker, &["x-script-name", "script-name", "x-ingress-path"],
        "below which path an application is: WSGI, Home Assistant"),
    row(Override, &["x-http-method-override", "x-http-method", "x-method-override", "x-original-method",
        "x-forwarded-method"],
        "another method: Rails, Laravel, Symfony, Express, OData"),
    row(Override, &["x-original-url", "x-original-uri", "x-rewrite-url", "x-rewrite-uri", "x-request-uri",
        "x-override-url", "x-forwarded-uri", "x-forwarded-path", "x-http-destinationurl", "x-http-path-override",
        "x-waws-unencoded-url"],
        "another address: IIS, Symfony, Zend, Drupal"),
    row(Override, &["x-envoy-original-path", "x-envoy-original-host", "x-envoy-decorator-operation"],
        "another address: Envoy"),
    row(Override, &["x-original-host", "x-host", "x-host-override", "x-http-host-override", "x-gateway-host",
        "x-backend-host"],
        "another host"),
];

/// Fields that are wanted from everybody, so that no operator guards them by mistake.
const WANTED: [&str; 10] = [
    "host",
    "cookie",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "expect",
    "upgrade",
    "user-agent",
    "via",
];

/// Fields that we say ourselves, whatever anybody says.
const OURS: [&str; 4] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

const fn row(kind: Guarded, names: &'static [&'static str], why: &'static str) -> GuardedRow {
    GuardedRow { kind, names, why }
}

/// A name of fields, or what names begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    text: Box<str>,
    /// Names go on behind the text.
    begins: bool,
}

/// Which fields are guarded, made to be asked for each field of each request.
#[derive(Clone, Debug)]
pub struct FieldNames {
    /// By the first byte of a name; of [`LETTERS`].
    by_letter: Vec<Names>,
    pass: Vec<FieldName>,
}

/// First bytes of names that there are.
const LETTERS: usize = 128;

/// Names that begin alike.
#[derive(Clone, Debug, Default)]
struct Names {
    /// A bit for each second byte of them: nearly all names that browsers send are known by it to be
    /// none of these.
    seconds: u128,
    /// In order.
    exact: Vec<(Box<str>, Guarded)>,
    beginnings: Vec<(Box<str>, Guarded)>,
}

/// The bit of a name in [`Names::seconds`]; all of them if it has no second byte.
fn second(name: &str) -> u128 {
    (name.as_bytes().get(1)).map_or(u128::MAX, |byte| 1 << (byte % 128))
}

impl Default for FieldNames {
    fn default() -> FieldNames {
        FieldNames::new(&[])
    }
}

impl FieldNames {
    /// The table, and `more` that only proxies in `[trust]` may say.
    pub(super) fn new(more: &[FieldName]) -> FieldNames {
        let mut names = FieldNames {
            by_letter: vec![Names::default(); LETTERS],
            pass: Vec::new(),
        };
        let of_row = |row: &'static GuardedRow| {
            let name = |text| FieldName::parse(text).expect("a test reads every name");
            row.names.iter().map(move |text| (name(text), row.kind))
        };
        let more = more.iter().map(|name| (name.clone(), Speaker));
        for (name, kind) in GUARDED.iter().flat_map(of_row).chain(more) {
            names.add(name, kind);
        }
        names
    }

    fn add(&mut self, FieldName { text, begins }: FieldName, kind: Guarded) {
        let letter = usize::from(text.as_bytes()[0]) % LETTERS;
        let names = &mut self.by_letter[letter];
        names.seconds |= second(&text);
        if begins {
            names.beginnings.push((text, kind));
        } else if let Err(at) = names.exact.binary_search_by(|(known, _)| known.cmp(&text)) {
            names.exact.insert(at, (text, kind));
        }
    }

    /// Lets `pass` through, whoever sends it.
    pub(super) fn letting(mut self, pass: Vec<FieldName>) -> FieldNames {
        self.pass = pass;
        self
    }

    /// Guards one more name, unless it is one that everybody sends.
    pub(super) fn guard(&mut self, name: &HeaderName) {
        if let Ok(name) = FieldName::to_guard(name.as_str()) {
            self.add(name, Speaker);
        }
    }

    /// What a field with this name, in lower case, is good for, if it is guarded.
    pub fn listed(&self, name: &str) -> Option<Guarded> {
        let first = usize::from(*name.as_bytes().first()?);
        let names = self.by_letter.get(first)?;
        if names.seconds & second(name) == 0 {
            return None;
        }
        if let Ok(at) = names
            .exact
            .binary_search_by(|(known, _)| (**known).cmp(name))
        {
            return Some(names.exact[at].1);
        }
        let begins = |(known, _): &&(Box<str>, Guarded)| name.starts_with(&**known);
        names.beginnings.iter().find(begins).map(|(_, kind)| *kind)
    }

    /// Whether an operator lets a field with this name through, whoever sends it.
    pub fn lets_pass(&self, name: &str) -> bool {
        self.pass.iter().any(|pass| pass.means(name))
    }

    /// Whether any name that `pattern` means is guarded.
    fn has_of(&self, pattern: &FieldName) -> bool {
        let all = self.by_letter.iter();
        let known = all.flat_map(|names| names.exact.iter().chain(&names.beginnings));
        self.listed(&pattern.text).is_some()
            || (pattern.begins
                && known
                    .into_iter()
                    .any(|(known, _)| known.starts_with(&*pattern.text)))
    }
}

impl FieldName {
    /// Reads a name, in any case, or what names begin with: `x-foo-*`.
    pub(super) fn parse(text: &str) -> Result<FieldName, String> {
        let text = text.to_ascii_lowercase();
        let (text, begins) = match text.strip_suffix('*') {
            Some(text) => (text, true),
            None => (&*text, false),
        };
        if text.contains('*') {
            return Err("`*` may only stand at the end".into());
        }
        if text.contains(['_', '.']) {
            return Err(
                "names are written with `-`; those with `_` are `trust.underscores`".into(),
            );
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric())
            || HeaderName::from_bytes(text.as_bytes()).is_err()
        {
            return Err("not the name of a field".into());
        }
        Ok(FieldName {
            text: text.into(),
            begins,
        })
    }

    /// Reads a name that is to be guarded.
    pub(super) fn to_guard(text: &str) -> Result<FieldName, String> {
        let name = FieldName::parse(text)?;
        match WANTED.iter().find(|wanted| name.means(wanted)) {
            Some(wanted) => Err(format!("`{wanted}` is wanted from everybody")),
            None => Ok(name),
        }
    }

    /// Reads a name out of `names` that is to pass.
    pub(super) fn to_pass(text: &str, names: &FieldNames) -> Result<FieldName, String> {
        let name = FieldName::parse(text)?;
        if !name.begins && names.listed(&name.text) == Some(Never) {
            return Err(
                "passes from nobody: it changes where a portal sends its own requests".into(),
            );
        }
        if OURS.contains(&&*name.text) {
            return Err("we say it ourselves, by what proxies in `trust.proxies` say".into());
        }
        match names.has_of(&name) {
            true => Ok(name),
            false => Err("passes already: it is not among the guarded names".into()),
        }
    }

    fn means(&self, name: &str) -> bool {
        match self.begins {
            true => name.starts_with(&*self.text),
            false => *self.text == *name,
        }
    }
}

impl Display for FieldName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.begins { "*" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_one_and_stands_there_once() {
        let mut names: Vec<&str> = GUARDED.iter().flat_map(|row| row.names).copied().collect();
        for name in &names {
            assert_eq!(FieldName::parse(name).unwrap().to_string(), *name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }

    #[test]
    fn names_are_found_whole_or_by_their_beginning() {
        let more = ["X-Profile", "x-ent-*"].map(|text| FieldName::to_guard(text).unwrap());
        let names = FieldNames::new(&more);
        for (name, kind) in [
            ("proxy", Some(Never)),
            ("proxy-authorization", None),
            ("client-ip", Some(Speaker)),
            ("x-forwarded", Some(Speaker)),
            ("x-forwarded-user", Some(Speaker)),
            ("x-forwarded-method", Some(Override)),
            ("x-envoy-original-path", Some(Override)),
            ("x-envoy-internal", Some(Speaker)),
            ("x-client-certificate", Some(Speaker)),
            ("x-client-data", None),
            ("x-profile", Some(Speaker)),
            ("x-profiles", None),
            ("x-ent-rne", Some(Speaker)),
            ("x-requested-with", None),
            ("accept", None),
            ("authorization", None),
        ] {
            assert_eq!(names.listed(name), kind, "{name}");
        }
    }

    #[test]
    fn what_passes_must_be_guarded_and_neither_ours_nor_httpoxy() {
        let names = FieldNames::new(&[FieldName::to_guard("x-ent-rne").unwrap()]);
        for good in [
            "X-HTTP-Method-Override",
            "x-ent-*",
            "cf-connecting-ip",
            "x-remote-user",
        ] {
            assert!(FieldName::to_pass(good, &names).is_ok(), "{good}");
        }
        for wrong in [
            "proxy",
            "X-Forwarded-For",
            "x-profile",
            "*",
            "",
            "x-*-y",
            "x_remote_user",
            "é",
        ] {
            assert!(FieldName::to_pass(wrong, &names).is_err(), "{wrong}");
        }
        for wrong in ["host", "h*", "Content-Length", "x_profile"] {
            assert!(FieldName::to_guard(wrong).is_err(), "{wrong}");
        }
        let mut names = names;
        for name in ["x-lane", "user-agent"] {
            names.guard(&HeaderName::from_static(name));
        }
        assert_eq!(names.listed("x-lane"), Some(Speaker));
        assert_eq!(names.listed("user-agent"), None);
        let names = names.letting(vec![FieldName::parse("x-remote-*").unwrap()]);
        assert!(names.lets_pass("x-remote-user") && !names.lets_pass("remote-user"));
    }
}
