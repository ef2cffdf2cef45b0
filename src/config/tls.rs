//! `[tls]`: certificates, and what is spoken with them.

use super::table::Table;
use super::values::{boolean, choice, span, string};
use super::{Listener, Pair, Speaks, TlsConfig, TlsVersion};
use crate::time::Span;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// How long browsers may be told to come over HTTPS only; zero takes it back (RFC 6797 §6.1.1).
const HSTS: RangeInclusive<Span> = Span::ZERO..=Span::mins(730 * 24 * 60);

const EXAMPLE: &str = "certificates = [{ cert = \"/etc/preau/fullchain.pem\", key = \
                       \"/etc/preau/privkey.pem\" }]";

/// Reads `[tls]`, which must fit the listeners.
pub(super) fn read(top: &mut Table<'_>, listeners: &[Listener]) -> TlsConfig {
    let wanted = listeners.iter().any(|it| it.speaks == Speaks::Https);
    let mut tls = TlsConfig::default();
    let mut given = false;
    let mut at = top.span(&["tls", "listener"]);
    if let Some(mut table) = top.table("tls") {
        at = table.span(&["certificates"]);
        let tables = table.tables("certificates");
        given = !tables.is_empty();
        tls.certificates = tables.into_iter().filter_map(pair).collect();
        let versions = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
        tls.min_version = table.read_or("min_version", choice(&versions), tls.min_version);
        tls.http1_only = !table.read_or("http2", boolean, true);
        tls.hsts = table.read("hsts", span(HSTS));
        table.finish();
    }
    if wanted && !given && !top.has("acme") {
        top.sink().doubtful(
            at,
            "a listener has `tls = true`, and there is no certificate",
            "needs `certificates` in [tls]",
            format!("write in [tls]: `{EXAMPLE}`"),
        );
        top.sink().about_missing("tls.certificates");
    } else if given && !wanted {
        // The listener may be what could not be read.
        top.sink().doubtful(
            at,
            "there are certificates, and no listener speaks TLS",
            "nobody will see them",
            "write `tls = true` in a [[listener]], such as the one with port 443",
        );
        top.sink().about_missing("listener");
    }
    tls
}

fn pair(mut table: Table<'_>) -> Option<Pair> {
    let cert = table.required("cert", string, "\"/etc/preau/fullchain.pem\"");
    let key = table.required("key", string, "\"/etc/preau/privkey.pem\"");
    table.finish();
    Some(Pair {
        cert: PathBuf::from(cert?),
        key: PathBuf::from(key?),
    })
}
