//! Proxies that nobody has told us of.
//!
//! Whom a proxy speaks for is believed only if `[trust]` names it. Where it does not, all of its visitors
//! are one to us: one address that soon has had too many tickets, and no address of theirs in any log. That
//! is easily forgotten and hard to find. A near address which speaks now for this one and now for that one
//! is most likely a proxy of the operator's own; so it is said, with the line that is missing. It may also
//! be a visitor's machine that plays: to trust that one would be wrong, and it keeps no proxy from being
//! told of.

use super::door::is_near;
use super::origin::{FORWARDED_FOR, Origin};
use crate::config::{Trust, TrustedField};
use crate::host::Seldom;
use crate::time::Span;
use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Mutex;

/// Addresses that are looked at.
const PROXIES_MAX: usize = 8;
/// How often one speaks for another than the time before until it is told of.
const MANY: u32 = 20;
/// The log tells of one no more often than this.
const SAY_AGAIN: Span = Span::mins(1);

/// Those who speak for others and are not believed.
pub(super) struct Untold {
    seen: Mutex<Vec<Speaker>>,
    said: Seldom,
}

impl Default for Untold {
    fn default() -> Untold {
        Untold {
            seen: Mutex::default(),
            said: Seldom::new(SAY_AGAIN),
        }
    }
}

struct Speaker {
    address: IpAddr,
    /// Whom it has spoken for last.
    last: u64,
    /// How often that was another than before; no more is counted than [`MANY`].
    changes: u32,
    told: bool,
}

impl Untold {
    /// A request has come from `origin`.
    pub(super) fn look(
        &self,
        origin: &Origin,
        headers: &HeaderMap,
        trust: &Trust,
        hash: &RandomState,
    ) {
        // A proxy that is believed, and speaks in the field that is read, has hops.
        if !origin.hops.is_empty() || !is_near(origin.address) {
            return;
        }
        let unread = |field: &TrustedField| !origin.vouched || *field != trust.field;
        let Some(field) = spoken(headers, trust.field).filter(unread) else {
            return;
        };
        let value = headers.get_all(name(field)).iter().next_back();
        let whom = hash.hash_one(value.map(|value| value.as_bytes()));
        if self.is_told_of(origin.address, whom, || self.said.now()) {
            let address = origin.address;
            tracing::warn!(%address, "{}", words(address, field, origin.vouched, trust));
        }
    }

    /// Whether it is to be told of now, if one `may` be told of.
    fn is_told_of(&self, address: IpAddr, whom: u64, may: impl Fn() -> bool) -> bool {
        // Where others look just now, this one is not missed.
        let Ok(mut seen) = self.seen.try_lock() else {
            return false;
        };
        let known = seen.iter_mut().find(|it| it.address == address);
        let Some(speaker) = known else {
            let new = Speaker {
                address,
                last: whom,
                changes: 0,
                told: false,
            };
            // Who seems to be a proxy the least makes room.
            let full = seen.len() == PROXIES_MAX;
            match seen.iter_mut().min_by_key(|it| it.changes) {
                Some(least) if full => *least = new,
                _ => seen.push(new),
            }
            return false;
        };
        let changed = speaker.last != whom;
        speaker.last = whom;
        speaker.changes = MANY.min(speaker.changes + u32::from(changed));
        let now = changed && !speaker.told && speaker.changes == MANY && may();
        speaker.told |= now;
        now
    }
}

/// The field in which a request says whom it is sent for; the one that is read, if it says so in both.
fn spoken(headers: &HeaderMap, read: TrustedField) -> Option<TrustedField> {
    let fields = [read, TrustedField::XForwardedFor, TrustedField::Forwarded];
    let mut fields = fields.into_iter();
    fields.find(|field| headers.contains_key(name(*field)))
}

fn name(field: TrustedField) -> HeaderName {
    match field {
        TrustedField::XForwardedFor => FORWARDED_FOR,
        TrustedField::Forwarded => FORWARDED,
    }
}

/// What is wrong, and what would be right.
fn words(address: IpAddr, field: TrustedField, vouched: bool, trust: &Trust) -> String {
    let name = match field {
        TrustedField::XForwardedFor => "x-forwarded-for",
        TrustedField::Forwarded => "forwarded",
    };
    let field_line = match field == trust.field {
        true => String::new(),
        false => format!(" and field = \"{name}\""),
    };
    let listed = trust.proxies.iter().map(written);
    let listed: Vec<String> = match vouched {
        true => listed.collect(),
        false => listed.chain([address.to_string()]).collect(),
    };
    let list = listed.join("\", \"");
    let condition = match vouched {
        true => format!("{address} is a proxy of yours"),
        false => format!("If {address} is a proxy of yours, and no visitor's machine"),
    };
    format!(
        "{condition}: write in the file, in [trust]: proxies = [\"{list}\"]{field_line}. It says in {name} \
         whom it speaks for, and is not believed: to us, all of its visitors are one"
    )
}

/// As it may stand in the file.
fn written(network: &IpNet) -> String {
    match network.prefix_len() == network.max_prefix_len() {
        true => network.addr().to_string(),
        false => network.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn whoever_speaks_for_many_is_told_of_once_and_few_are() {
        let untold = Untold::default();
        let proxy = address("10.0.0.5");
        let told = |from, whom| u32::from(untold.is_told_of(from, whom, || true));
        // A device that always says the same speaks for itself.
        let device = address("10.0.0.6");
        assert_eq!((0..1_000).map(|_| told(device, 1)).sum::<u32>(), 0);
        let early: u32 = (0..u64::from(MANY)).map(|whom| told(proxy, whom)).sum();
        assert_eq!(early, 0);
        assert_eq!((0..1_000).map(|whom| told(proxy, whom)).sum::<u32>(), 1);
    }

    #[test]
    fn no_number_of_machines_that_play_keeps_a_proxy_from_being_told_of() {
        let untold = Untold::default();
        let told = |from, whom| untold.is_told_of(from, whom, || true);
        let all = |from| (0..100).filter(|whom| told(from, *whom)).count();
        let machines = |at: u8| IpAddr::from([10, 1, 0, at]);
        for at in 0..100 {
            assert_eq!(all(machines(at)), 1, "{at}");
        }
        // Those who have said little make room first, and those who are told of are remembered.
        for at in 100..200 {
            assert!(!told(machines(at), 1));
        }
        assert_eq!(all(machines(7)), 0);
        assert_eq!(all(address("10.0.0.5")), 1);
        assert_eq!(untold.seen.lock().unwrap().len(), PROXIES_MAX);
    }

    #[test]
    fn who_may_not_be_told_of_now_is_told_of_later() {
        let untold = Untold::default();
        let proxy = address("10.0.0.5");
        assert!(!(0..100).any(|whom| untold.is_told_of(proxy, whom, || false)));
        assert!(untold.is_told_of(proxy, 100, || true));
        assert!(!untold.is_told_of(proxy, 101, || true));
    }

    #[test]
    fn the_line_that_is_missing_is_said() {
        let mut trust = Trust::default();
        let said =
            |field, vouched, trust: &Trust| words(address("10.0.0.5"), field, vouched, trust);
        let line = said(TrustedField::XForwardedFor, false, &trust);
        let condition =
            "If 10.0.0.5 is a proxy of yours, and no visitor's machine: write in the file, ";
        let line = line
            .strip_prefix(condition)
            .expect("the condition is first");
        assert!(
            line.starts_with("in [trust]: proxies = [\"10.0.0.5\"]. "),
            "{line}"
        );
        trust.proxies = vec![
            "10.0.0.4/32".parse().unwrap(),
            "10.9.0.0/16".parse().unwrap(),
        ];
        let line = said(TrustedField::Forwarded, false, &trust);
        let all =
            "proxies = [\"10.0.0.4\", \"10.9.0.0/16\", \"10.0.0.5\"] and field = \"forwarded\"";
        assert!(line.contains(&format!("{all}. ")), "{line}");
        trust.proxies.truncate(1);
        let line = said(TrustedField::Forwarded, true, &trust);
        let changed = "proxies = [\"10.0.0.4\"] and field = \"forwarded\". ";
        assert!(
            line.starts_with("10.0.0.5 is a proxy of yours: ") && line.contains(changed),
            "{line}"
        );
    }
}
