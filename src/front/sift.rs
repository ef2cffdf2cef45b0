//! The fields of a request, looked through once before anything is decided by them.
//!
//! What a visitor may not say (`[trust]`) and names that some servers would read as another field
//! are taken out and counted; the rest goes on. Most heads have nothing of the kind: to them it is
//! one pass over the names, without allocation.

use super::page::RefusalKind;
use crate::config::{Fate, Guarded, Limits, Trust};
use crate::metrics::Metrics;
use http::HeaderMap;
use http::header::HeaderName;
use prometheus::IntCounter;

/// Bytes of a field beside its name and value: colon, space, line end.
const FIELD_EXTRA: usize = 4;

/// How many fields were taken out, by reason.
pub(super) struct Dropped {
    alias: IntCounter,
    never: IntCounter,
    speaker: IntCounter,
    changes: IntCounter,
}

impl Dropped {
    /// The counters of `metrics`.
    pub fn new(metrics: &Metrics) -> Dropped {
        Dropped {
            alias: metrics.field_dropped("underscore"),
            never: metrics.field_dropped("proxy"),
            speaker: metrics.field_dropped("speaker"),
            changes: metrics.field_dropped("override"),
        }
    }

    fn of(&self, fate: Fate) -> Option<&IntCounter> {
        match fate {
            Fate::Passes | Fate::Changes => None,
            Fate::Alias => Some(&self.alias),
            Fate::Guarded(Guarded::Never) => Some(&self.never),
            Fate::Guarded(Guarded::Speaker) => Some(&self.speaker),
            Fate::Guarded(Guarded::Override) => Some(&self.changes),
        }
    }
}

/// Takes out of `headers` what whoever brings them may not say; whether what is left asks for
/// another method or address than the request line.
///
/// # Errors
/// If they are more than may be.
pub(super) fn sift(
    headers: &mut HeaderMap,
    (trust, vouched): (&Trust, bool),
    limits: &Limits,
    dropped: &Dropped,
) -> Result<bool, RefusalKind> {
    let mut bytes = 0;
    let mut changes = false;
    let mut out: Vec<HeaderName> = Vec::new();
    for (name, value) in &*headers {
        bytes += name.as_str().len() + value.len() + FIELD_EXTRA;
        let fate = trust.fate(name.as_str(), vouched);
        changes |= fate == Fate::Changes;
        if let Some(counter) = dropped.of(fate) {
            counter.inc();
            out.push(name.clone());
        }
    }
    for name in &out {
        headers.remove(name);
    }
    match bytes > limits.header_bytes {
        true => Err(RefusalKind::HeadersTooLarge),
        false => Ok(changes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_may_say_is_taken_out_and_counted() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "ent"),
            ("proxy", "http://evil/"),
            ("app_version", "7"),
            ("app_version", "8"),
            ("client-ip", "6.6.6.6"),
            ("x-http-method", "DELETE"),
            ("accept", "*/*"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let metrics = Metrics::new();
        let dropped = Dropped::new(&metrics);
        let trust = Trust::default();
        let sifted = |headers: &mut HeaderMap, vouched, limits: &Limits| {
            sift(headers, (&trust, vouched), limits, &dropped)
        };
        let mut vouched = headers.clone();
        assert_eq!(sifted(&mut headers, false, &Limits::default()), Ok(false));
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host", "accept"]);
        let counts = [
            &dropped.alias,
            &dropped.never,
            &dropped.speaker,
            &dropped.changes,
        ];
        assert_eq!(counts.map(|counter| counter.get()), [2, 1, 1, 1]);

        let small = Limits {
            header_bytes: 20,
            ..Limits::default()
        };
        let refused = sifted(&mut vouched, true, &small);
        assert_eq!(refused, Err(RefusalKind::HeadersTooLarge));
        assert!(vouched.contains_key("client-ip") && !vouched.contains_key("proxy"));
    }
}
