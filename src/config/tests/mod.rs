//! Whole files and what they mean.

mod acme;
mod lanes;
mod overrides;
mod plans;
mod portals;
mod recover;
mod signs;
mod tls;
mod words;
mod wrong;

use super::*;
use crate::room::Mode;
use http::Method;
use proptest::prelude::*;
use std::path::Path;

const PORTAL: &str = "[[portal]]\nservers = \"http://10.0.0.5\"\n";

fn read(text: &str, set: &[&str]) -> Result<Config, Problems> {
    let overrides: Vec<String> = set.iter().map(ToString::to_string).collect();
    parse(Source {
        name: "proxy.toml",
        text,
        overrides: &overrides,
    })
}

fn good(text: &str, set: &[&str]) -> Config {
    read(text, set).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_portal_alone_is_a_whole_configuration() {
    let config = good(PORTAL, &[]);
    assert_eq!(config.listeners.len(), 1);
    let default = SocketAddr::from(([127, 0, 0, 1], 8080));
    assert_eq!(config.listeners[0].address, default);
    assert_eq!(config.admin, SocketAddr::from(([127, 0, 0, 1], 9900)));
    assert_eq!(config.state, Path::new("preau-state"));
    assert!((1..=256).contains(&config.threads));
    assert_eq!((config.drain, config.waiting_status), (Span::secs(25), 503));
    let [portal] = &config.portals[..] else {
        panic!("one portal")
    };
    assert_eq!(portal.name, "portal");
    assert_eq!(portal.servers[0].to_string(), "10.0.0.5:80");
    assert_eq!(
        (portal.slots, portal.server_slots),
        (Limit::Auto { min: 4, max: 500 }, None)
    );
    let [room] = &config.rooms[..] else {
        panic!("one room")
    };
    assert_eq!((room.name.as_str(), room.portal), ("room", 0));
    let found = Rules {
        found: true,
        seats: 20,
        ..Rules::default()
    };
    assert_eq!((room.rules.clone(), room.seats.is_fixed()), (found, false));
    assert!(room.hosts[0].matches("any.fr") && room.paths[0].matches("/any"));
    assert!(
        Flows::LISTS
            .iter()
            .all(|(_, list)| list(&room.flows).is_empty())
    );
}

const EVERY_KEY: &str = r#"
listen = ["127.0.0.1:1", "[::1]:2"]
admin = "[::1]:3"
state = "s"
threads = 3
drain = "1m"
waiting_status = 429
cookie = { secure = true }
[log]
level = "warn,preau::front=trace"
format = "json"
access = "combined"
access_file = "a.log"
addresses = "hidden"
[tls]
min_version = "1.3"
http2 = false
hsts = "180d"
certificates = [{ cert = "a.pem", key = "a.key" }, { cert = "b.pem", key = "b.key" }]
[trust]
proxies = ["10.0.0.5", "10.1.0.0/16"]
field = "forwarded"
guard = ["X-Profile", "x-ent-*"]
pass = "X-HTTP-Method-Override"
underscores = "pass"
[limits]
handshake_timeout = "3s"
streams = 9
header_timeout = "2s"
first_byte_timeout = "3s"
idle_timeout = "4s"
body_timeout = "5s"
body_rate = 6
take_timeout = "7s"
take_rate = 8
header_bytes = "16KiB"
connections = 5
connections_per_address = 4
tickets_per_minute = 6
tickets_burst = 7
callbacks_per_minute = 8
callbacks_burst = 9
tunnel_idle = "8s"
tunnels = 9
[[listener]]
address = "0.0.0.0:5"
proxy_from = "2001:db8::/32"
tls = true
[[portal]]
name = "ent"
servers = ["http://[::1]:81/", "http://A.fr"]
slots = 9
server_slots = 8
slot_wait = "500ms"
slot_queue = 0
connect_timeout = "1s"
response_timeout = "1h"
keep_alive = "2s"
keep_age = "1m"
resolve_every = "10s"
error_pages = "portal"
health = { method = "HEAD", path = "/h?a=1", host = "A.fr:81", status = [204, "301-399"], interval = "1s", timeout = "2s", fall = 3, probe_min = "4s", probe_max = "5s" }
[[portal]]
name = "mail"
servers = ["https://b.fr", "https://b.fr:8443"]
tls_name = "c.fr"
http2 = true
health = { check = "tls" }
[[portal]]
name = "files"
servers = "http://d.fr"
send_proxy = "v2"
[[room]]
portal = "mail"
host = "MAIL.fr.example"
path = ["/in/**", "/x"]
seats = 1_000
per_minute = 200
mode = "hold"
idle = "1h30m"
first_idle = "10s"
sign_on = "5m"
visit_max = "2h"
claim = "30s"
keep = "25s"
line_max = 11
poll = { min = "10s", max = "20s", budget = 12 }
reserve = 0
callback_reserve = 13
cookie_domain = "Fr.example"
open = ["/", "/assets/**"]
back_channels = { path = "/check", method = ["GET", "POST"] }
callbacks = [{ query = "ticket=ST-*" }, { path = "/acs", method = "POST" }]
logout = "/out"
non_renewing = "/ping"
apps = ["X-APP=mobile"]
presets = "saml"
"#;

#[test]
fn every_key_of_the_top_is_read() {
    let config = good(EVERY_KEY, &[]);
    assert_eq!(config.listeners.len(), 3);
    assert_eq!(config.listeners[2].address.port(), 5);
    assert_eq!(
        config.listeners[2].proxy_from[0].to_string(),
        "2001:db8::/32"
    );
    assert_eq!(config.listeners[2].speaks, Speaks::Https);
    assert!(config.trust.covers("::ffff:10.1.2.3".parse().unwrap()));
    assert_eq!(config.trust.field, TrustedField::Forwarded);
    let fates = [
        "x-profile",
        "x-http-method-override",
        "app_version",
        "proxy",
    ];
    let fates = fates.map(|name| config.trust.fate(name, false));
    let [speaker, never] = [Guarded::Speaker, Guarded::Never].map(Fate::Guarded);
    assert_eq!(fates, [speaker, Fate::Changes, Fate::Passes, never]);
    assert_eq!(config.limits.handshake_timeout, Span::secs(3));
    assert_eq!(config.limits.streams, 9);
    assert_eq!(config.tls.min_version, TlsVersion::Tls13);
    assert!(config.tls.http1_only);
    assert_eq!(config.tls.hsts, Some(Span::mins(180 * 24 * 60)));
    assert_eq!(config.tls.certificates[1].key, Path::new("b.key"));
    assert_eq!(config.admin.to_string(), "[::1]:3");
    assert_eq!(config.state, Path::new("s"));
    assert_eq!((config.threads, config.waiting_status), (3, 429));
    assert_eq!(config.drain, Span::mins(1));
    assert!(config.cookie.secure);
    assert_eq!(config.log.level, "warn,preau::front=trace");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.access, AccessFormat::Combined);
    assert_eq!(config.log.access_file.as_deref(), Some(Path::new("a.log")));
    assert_eq!(config.log.addresses, Addresses::Hidden);
    let limits = &config.limits;
    assert_eq!(limits.header_timeout, Span::secs(2));
    assert_eq!((limits.header_bytes, limits.connections), (16 * 1024, 5));
    let spans = [
        limits.first_byte_timeout,
        limits.idle_timeout,
        limits.body_timeout,
        limits.take_timeout,
    ];
    assert_eq!(spans, [3, 4, 5, 7].map(Span::secs));
    assert_eq!((limits.body_rate, limits.take_rate), (6, 8));
    assert_eq!(limits.connections_per_address, 4);
    assert_eq!((limits.tickets_per_minute, limits.tickets_burst), (6, 7));
    let callbacks = (limits.callbacks_per_minute, limits.callbacks_burst);
    assert_eq!(callbacks, (8, 9));
    assert_eq!((limits.tunnel_idle, limits.tunnels), (Span::secs(8), 9));
}

#[test]
fn every_key_of_a_portal_is_read() {
    let config = good(EVERY_KEY, &[]);
    let portal = &config.portals[0];
    let servers: Vec<String> = portal.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["[::1]:81", "a.fr:80"]);
    assert_eq!(
        (portal.slots, portal.server_slots),
        (Limit::Fixed(9), Some(8))
    );
    assert_eq!((portal.slot_wait, portal.slot_queue), (Span(500), 0));
    assert_eq!(portal.connect_timeout, Span::secs(1));
    assert_eq!(portal.response_timeout, Span::mins(60));
    assert_eq!(portal.keep_alive, Span::secs(2));
    assert_eq!(portal.keep_age, Span::mins(1));
    assert_eq!(portal.resolve_every, Span::secs(10));
    assert_eq!(portal.error_pages, ErrorPages::Portal);
    let health = &portal.health;
    assert_eq!((health.path.as_str(), health.fall), ("/h?a=1", 3));
    assert_eq!((health.check, &health.method), (Check::Http, &Method::HEAD));
    assert_eq!(health.host.as_deref(), Some("a.fr:81"));
    assert_eq!(health.status, [204..=204, 301..=399]);
    assert!(health.is_good(399) && !health.is_good(200));
    assert_eq!(health.interval, Span::secs(1));
    assert_eq!(health.timeout, Span::secs(2));
    assert_eq!(health.probe_min, Span::secs(4));
    assert_eq!(health.probe_max, Span::secs(5));
    assert!(!portal.http2 && !portal.send_proxy && portal.tls.name.is_none());

    let secure = &config.portals[1];
    let servers: Vec<String> = secure.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["b.fr:443", "b.fr:8443"]);
    assert!(secure.servers.iter().all(|server| server.tls) && secure.http2);
    assert_eq!(secure.health.check, Check::Tls);
    let name = secure.tls.name.as_ref().map(|name| name.to_str());
    assert_eq!(name.as_deref(), Some("c.fr"));
    assert!(config.portals[2].send_proxy);
}

#[test]
fn authorities_are_read_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!(
            "[[portal]]\nservers = \"https://a.fr\"\nca = {:?}",
            path.display().to_string()
        )
    };
    let ca = rcgen::generate_simple_self_signed(["a.fr".to_owned()]).unwrap();
    let config = good(&file("good.pem", &ca.cert.pem()), &[]);
    assert_eq!(config.portals[0].tls.ca.as_ref().unwrap().roots.len(), 1);
    for (text, words) in [
        ("", "holds no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "broken",
        ),
    ] {
        let text = file("bad.pem", text);
        let source = Source {
            name: "p.toml",
            text: &text,
            overrides: &[],
        };
        let problems = parse(source).unwrap_err();
        assert!(problems.to_string().contains(words), "{problems}");
    }
}

#[test]
fn every_key_of_a_room_is_read() {
    let config = good(EVERY_KEY, &[]);
    let room = &config.rooms[0];
    assert_eq!((room.name.as_str(), room.portal), ("mail", 1));
    assert!(room.hosts[0].matches("mail.fr.example"));
    assert_eq!((room.paths.len(), room.flows.open.len()), (2, 2));
    assert_eq!(room.cookie_domain.as_deref(), Some("fr.example"));
    let (flows, saml) = (&room.flows, Preset::ALL[1].flows());
    assert_eq!(
        (&flows.presets[..], &flows.apps[..]),
        (&["saml"][..], &["X-APP=mobile".to_owned()][..])
    );
    assert_eq!(flows.back_channels.len(), saml.back_channels.len() + 1);
    assert_eq!(flows.callbacks.len(), saml.callbacks.len() + 2);
    assert_eq!(flows.logout.iter().last().unwrap().to_string(), "/out");
    assert_eq!(
        flows.non_renewing.iter().next().unwrap().to_string(),
        "/ping"
    );
    let rules = Rules {
        mode: Mode::Hold,
        seats: 1000,
        found: false,
        per_minute: Some(200),
        idle: Span::mins(90),
        first_idle: Span::secs(10),
        sign_on: Span::mins(5),
        visit_max: Span::mins(120),
        claim: Span::secs(30),
        keep: Span::secs(25),
        line_max: 11,
        poll_min: Span::secs(10),
        poll_max: Span::secs(20),
        poll_budget: 12,
        reserve: 0,
        callback_reserve: 13,
        lanes: Rules::default().lanes,
    };
    assert_eq!(room.rules, rules);
}

#[test]
fn the_files_we_ship_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = std::fs::read_dir(root.join("deploy/examples")).unwrap();
    let mut files: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    assert!(files.len() >= 3);
    files.push(root.join("proxy.toml"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if let Err(problems) = read(&text, &[]) {
            panic!("{}: {problems}", file.display());
        }
    }
}

/// The shipped file with every default that it shows in a comment written out.
fn with_shown_defaults(text: &str) -> (usize, String) {
    let no_default = [
        "threads",
        "access_file",
        "presets",
        "ca",
        "tls_name",
        "open",
        "back_channels",
        "callbacks",
        "non_renewing",
        "logout",
        "apps",
        "cookie_domain",
        "proxies",
    ];
    let is_default = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            && !no_default.contains(&key)
    };
    let mut shown = 0;
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(default) if is_default(default) => {
            shown += 1;
            default
        }
        _ => line,
    });
    let written = lines.collect::<Vec<_>>().join("\n");
    (shown, written)
}

#[test]
fn the_defaults_shown_in_the_shipped_file_are_those_that_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("proxy.toml")).unwrap();
    let (shown, written) = with_shown_defaults(&text);
    assert!(shown > 30, "{shown} defaults are shown");
    let (plain, written) = (good(&text, &[]), good(&written, &[]));
    assert_eq!(format!("{plain:?}"), format!("{written:?}"));
}

/// Pieces of which broken files are made.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = "[[portal]] [portal] [[room]] [room.poll] [log [[ ]] = servers name seats poll \
                  idle listen room portal . , { } [ ] \" ' \"\"\" \"http://a\" \"10m\" \"é\" 5 \
                  -1 0x 1e9 auto true # é";
    let blanks = ["\n", "\r\n", "\t", "\0", "\u{feff}", " "];
    let all: Vec<&str> = pieces.split_whitespace().chain(blanks).collect();
    let piece = prop::sample::select(all);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), set in any::<String>()) {
        if let Err(problems) = read(&text, &[&set]) {
            prop_assert!(!problems.render(true).is_empty());
        }
    }

    #[test]
    fn no_broken_file_makes_it_panic(text in pieces(), key in "[a-z.]{0,12}", value in pieces()) {
        let set = [format!("{key}={value}"), format!("room.{value}")];
        if let Err(problems) = read(&text, &[&set[0], &set[1]]) {
            prop_assert!(!problems.render(false).is_empty());
        }
    }
}
