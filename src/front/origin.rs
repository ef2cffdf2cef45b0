//! Where a request comes from.
//!
//! Only proxies that the operator names are believed (`[trust]`). The addresses that they pass on
//! are read from the right: the last is what the proxy next to us saw itself, the one before what
//! the next proxy saw, and so on while these are proxies of ours too. The first address that is
//! not is the visitor; whatever stands left of it, the visitor may have written.

use crate::config::{Config, Trust, TrustedField};
use http::header::{FORWARDED, HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

/// Proxies on the way that are looked at.
const HOPS_MAX: usize = 16;

pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who is at the other end of a connection, and how they came.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The other end's address.
    pub address: IpAddr,
    /// They came over TLS.
    pub secure: bool,
    /// The address is surely theirs: they speak TLS with us, or a proxy of ours names them.
    pub proven: bool,
}

/// Where one request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The visitor's address, as far as we can know it.
    pub address: IpAddr,
    /// Proxies of ours that the request came through, from the visitor to us.
    pub hops: Vec<IpAddr>,
    /// The visitor came over HTTPS.
    pub secure: bool,
    /// A proxy of ours brings the request, and so its fields.
    pub vouched: bool,
    /// The address is surely the visitor's, and not that of a proxy we do not know of.
    pub proven: bool,
}

/// What a proxy says: whom it got the request from, and whether over HTTPS.
struct Said {
    address: Option<IpAddr>,
    secure: Option<bool>,
}

impl Origin {
    /// The origin of a request with `headers` that came over a connection with `peer`.
    pub fn of(peer: Peer, headers: &HeaderMap, config: &Config) -> Origin {
        let mut origin = Origin {
            address: peer.address.to_canonical(),
            hops: Vec::new(),
            secure: peer.secure || config.cookie.secure,
            vouched: config.trust.covers(peer.address),
            proven: peer.proven,
        };
        if origin.vouched {
            match config.trust.field {
                TrustedField::XForwardedFor => {
                    origin.walk(
                        &config.trust,
                        from_the_right(headers, &FORWARDED_FOR, plain),
                    );
                    origin.secure = proto(headers).unwrap_or(origin.secure);
                }
                TrustedField::Forwarded => {
                    origin.walk(&config.trust, from_the_right(headers, &FORWARDED, element));
                }
            }
        }
        origin
    }

    /// From us towards the visitor, as long as proxies of ours speak.
    fn walk(&mut self, trust: &Trust, said: impl Iterator<Item = Said>) {
        for said in said.take(HOPS_MAX) {
            self.secure = said.secure.unwrap_or(self.secure);
            // A proxy that does not tell has the last word that we can believe.
            let Some(address) = said.address else { break };
            self.hops
                .push(std::mem::replace(&mut self.address, address));
            if !trust.covers(address) {
                break;
            }
        }
        self.hops.reverse();
        self.proven |= !self.hops.is_empty();
    }
}

/// The values of a list field, last first. A comma within quotes parts it too: what our proxies
/// write has none, and so an open quote of the visitor's cannot swallow what they add.
fn from_the_right<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    read: fn(&str) -> Said,
) -> impl Iterator<Item = Said> + 'h + use<'h> {
    let values: Vec<&'h [u8]> = headers
        .get_all(name)
        .iter()
        .map(|it| it.as_bytes())
        .collect();
    values
        .into_iter()
        .rev()
        .flat_map(|value| value.rsplit(|byte| *byte == b','))
        .map(move |value| match std::str::from_utf8(value) {
            Ok(text) => read(text.trim()),
            Err(_) => Said {
                address: None,
                secure: None,
            },
        })
}

/// An element of `X-Forwarded-For`: an address, perhaps with a port.
fn plain(text: &str) -> Said {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()));
    Said {
        address: address.map(|it| it.to_canonical()),
        secure: None,
    }
}

/// An element of `Forwarded`.
fn element(text: &str) -> Said {
    let Some(Ok(said)) = rfc7239::parse(text).next() else {
        return Said {
            address: None,
            secure: None,
        };
    };
    let address = said.forwarded_for.as_ref().and_then(|it| it.ip());
    Said {
        address: address.map(IpAddr::to_canonical),
        secure: said.protocol.and_then(|it| is_https(it.trim_matches('"'))),
    }
}

/// What the proxy next to us says of the scheme: its word is the last.
fn proto(headers: &HeaderMap) -> Option<bool> {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back()?;
    is_https(last.to_str().ok()?.rsplit(',').next()?.trim())
}

fn is_https(scheme: &str) -> Option<bool> {
    let is = |name| scheme.eq_ignore_ascii_case(name);
    (is("https") || is("http")).then(|| is("https"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(field: &str) -> Config {
        let text = format!(
            "[trust]\nproxies = [\"10.0.0.0/8\", \"2001:db8:a::/48\"]\nfield = \"{field}\"\n\
             [[portal]]\nservers = \"http://127.0.0.1:9\"\n"
        );
        crate::config::parse(crate::config::Source {
            name: "test",
            text: &text,
            overrides: &[],
        })
        .unwrap()
    }

    fn origin(
        peer: &str,
        field: &str,
        fields: &[(&'static str, &str)],
    ) -> (String, Vec<String>, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let peer = Peer {
            address: peer.parse().unwrap(),
            secure: false,
            proven: false,
        };
        let origin = Origin::of(peer, &headers, &config(field));
        let hops = origin.hops.iter().map(IpAddr::to_string).collect();
        (origin.address.to_string(), hops, origin.secure)
    }

    #[test]
    fn only_named_proxies_are_believed() {
        let fields = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
        ];
        let told = |peer| origin(peer, "x-forwarded-for", &fields);
        assert_eq!(told("198.51.100.7"), ("198.51.100.7".into(), vec![], false));
        assert_eq!(
            told("10.0.0.5"),
            ("192.0.2.1".into(), vec!["10.0.0.5".into()], true)
        );
        assert_eq!(
            told("::ffff:10.0.0.5"),
            ("192.0.2.1".into(), vec!["10.0.0.5".into()], true)
        );
    }

    #[test]
    fn the_walk_goes_from_the_right_and_ends_at_the_first_stranger() {
        // What is told, the visitor, the proxies on the way.
        let cases: [(&[&str], &str, &[&str]); 9] = [
            (&[], "10.0.0.5", &[]),
            (&["1.1.1.1, 192.0.2.1"], "192.0.2.1", &["10.0.0.5"]),
            (
                &["1.1.1.1, 192.0.2.1, 10.9.9.9"],
                "192.0.2.1",
                &["10.9.9.9", "10.0.0.5"],
            ),
            (
                &["1.1.1.1", "192.0.2.1", "10.9.9.9"],
                "192.0.2.1",
                &["10.9.9.9", "10.0.0.5"],
            ),
            (&["192.0.2.1:4711"], "192.0.2.1", &["10.0.0.5"]),
            (&["[2001:db8::1]:4711"], "2001:db8::1", &["10.0.0.5"]),
            (&["[2001:db8::1]"], "2001:db8::1", &["10.0.0.5"]),
            (&["192.0.2.1, unknown"], "10.0.0.5", &[]),
            (
                &["10.2.2.2,10.3.3.3"],
                "10.2.2.2",
                &["10.3.3.3", "10.0.0.5"],
            ),
        ];
        for (told, visitor, hops) in cases {
            let fields: Vec<_> = told.iter().map(|it| ("x-forwarded-for", *it)).collect();
            let (address, way, _) = origin("10.0.0.5", "x-forwarded-for", &fields);
            assert_eq!(
                (address.as_str(), way.as_slice()),
                (
                    visitor,
                    &hops.iter().map(|it| it.to_string()).collect::<Vec<_>>()[..]
                ),
                "{told:?}"
            );
        }
    }

    #[test]
    fn the_standard_field_is_walked_the_same_way() {
        let told = |value| {
            origin(
                "10.0.0.5",
                "forwarded",
                &[("forwarded", value), ("x-forwarded-for", "6.6.6.6")],
            )
        };
        let way = |hops: &[&str]| hops.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(
            told("for=192.0.2.1;proto=https"),
            ("192.0.2.1".into(), way(&["10.0.0.5"]), true)
        );
        assert_eq!(
            told("for=9.9.9.9, For=\"[2001:db8::7]:80\";proto=https, for=\"[2001:db8:a::1]\""),
            (
                "2001:db8::7".into(),
                way(&["2001:db8:a::1", "10.0.0.5"]),
                true
            )
        );
        // Neither a name nor an open quote of the visitor's hides what our proxy adds.
        assert_eq!(
            told("for=\"9.9.9.9, for=192.0.2.1"),
            ("192.0.2.1".into(), way(&["10.0.0.5"]), false)
        );
        assert_eq!(
            told("for=192.0.2.1, for=_hidden"),
            ("10.0.0.5".into(), vec![], false)
        );
    }

    #[test]
    fn the_last_word_on_the_scheme_counts() {
        let told = |value| {
            origin(
                "10.0.0.5",
                "x-forwarded-for",
                &[("x-forwarded-proto", value)],
            )
            .2
        };
        assert!(told("https") && told("http, HTTPS"));
        assert!(!told("https, http") && !told("gopher") && !told(""));
    }

    proptest! {
        #[test]
        fn nothing_that_a_visitor_writes_moves_the_address(
            left in "[0-9a-f.:,; =\\[\\]\"for]{0,60}",
        ) {
            let mut value = left.trim().to_owned();
            value.push_str(if value.is_empty() { "192.0.2.1" } else { ", 192.0.2.1" });
            let (address, ..) = origin("10.0.0.5", "x-forwarded-for", &[("x-forwarded-for", &value)]);
            prop_assert_eq!(address, "192.0.2.1");
            let value = format!("{left}, for=192.0.2.1");
            let (address, ..) = origin("10.0.0.5", "forwarded", &[("forwarded", value.trim())]);
            prop_assert_eq!(address, "192.0.2.1");
        }
    }
}
