//! `proxy.toml`, parsed once into types that cannot be wrong.
//!
//! [`parse`] turns a file, plus overrides from the command line, into a [`Config`] or into
//! *every* error at once, each with file, line, column, a caret, and what would be right.
//! Nothing behind this module checks a value again.

mod acme;
mod capacity;
mod flows;
mod health;
mod hosts;
mod keys;
mod lanes;
mod limits;
mod listeners;
mod names;
mod overrides;
mod parse;
mod pattern;
pub mod pem;
mod plans;
mod portals;
mod presets;
mod recover;
mod report;
mod requests;
mod rooms;
mod routes;
pub mod scene;
mod signs;
mod statements;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod trust;
mod values;
mod written;

pub use flows::{FlowList, Flows};
pub use hosts::{HostPattern, ipv6_host};
pub use lanes::{Header, Hint, LaneConfig, Members, Newcomer, Title};
pub use listeners::{desk_address, place_of_address};
pub use names::{FieldName, FieldNames, GUARDED, Guarded, GuardedRow};
pub use parse::{MAX_FILE_BYTES, Source, desk, parse};
pub use pattern::{PathPattern, PathSet, Specificity};
pub use plans::Notice;
pub use presets::Preset;
pub use report::{Problem, Problems};
pub use requests::{RequestPattern, RequestSet, Seen};
pub use routes::Routes;
pub use text::decode;
pub use trust::{Fate, within};
pub use values::show;
pub use written::{Complaint, Written};

use crate::room::{Limit, Plan, Rules};
use crate::time::Span;
use http::Method;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where visitors connect; at least one.
    pub listeners: Vec<Listener>,
    /// Where the desk listens (metrics, health, status); loopback unless the file says otherwise.
    pub admin: SocketAddr,
    /// The folder for keys and the store; created with mode 0700 if missing.
    pub state: PathBuf,
    /// Worker threads; one per core unless the file says otherwise. At least 1, at most 256.
    pub threads: usize,
    /// How long a stop waits for what is running before it cuts.
    pub drain: Span,
    /// What the clock on the wall shows: for schedules, openings, and the waiting page.
    pub time_zone: TimeZone,
    /// Status of the waiting answer for a page: 503 by default, or 200, 202, 429.
    pub waiting_status: u16,
    /// Whose word about visitors we take.
    pub trust: Trust,
    /// Certificates, and what is spoken with them.
    pub tls: TlsConfig,
    /// Who gives us a certificate, if somebody does; never in builds without the feature `acme`.
    pub acme: Option<AcmeConfig>,
    /// Attributes of our cookies.
    pub cookie: CookieConfig,
    /// What is logged, where and how.
    pub log: LogConfig,
    /// Bounds on what one visitor's connection may use.
    pub limits: Limits,
    /// The portals; at least one; names are unique.
    pub portals: Vec<Portal>,
    /// The rooms; at least one; names are unique.
    pub rooms: Vec<RoomConfig>,
    /// Where all this stands, for what is found wrong only when it is used.
    pub written: Written,
}

/// A place where visitors connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Address and port.
    pub address: SocketAddr,
    /// What is spoken there.
    pub speaks: Speaks,
    /// Where a PROXY protocol header may come from; if there is any, each connection must begin
    /// with one.
    pub proxy_from: Vec<IpNet>,
}

/// Whose word about visitors we take.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Proxies in front of us. What others say of themselves is dropped.
    pub proxies: Vec<IpNet>,
    /// Where these proxies say it.
    pub field: TrustedField,
    /// Fields that only they may say, or nobody.
    pub names: FieldNames,
    /// Fields whose names have an underscore or a dot go on, too.
    pub underscores: bool,
}

/// The field in which a proxy in front of us names the visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustedField {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` beside it.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// What is spoken with visitors at one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
    /// Plain HTTP, only to send visitors to the same address over HTTPS, at this port.
    Redirect(u16),
}

/// Certificates, and what is spoken with them.
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// The first is shown to visitors who name no host, or one that none is for.
    pub certificates: Vec<Pair>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// HTTP/1.1 only, although visitors would speak HTTP/2.
    pub http1_only: bool,
    /// How long browsers are to come over HTTPS only (RFC 6797); not said if none.
    pub hsts: Option<Span>,
}

/// The files of one certificate, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, and those between it and its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// An authority that gives us a certificate and renews it (ACME, RFC 8555). The operator has agreed
/// to its terms.
#[derive(Clone, Debug)]
pub struct AcmeConfig {
    /// Where it says what it offers: an address with `https://`.
    pub directory: String,
    /// The e-mail address that it may write to.
    pub contact: Option<String>,
    /// The hosts of the certificate, in lower case, without wildcards; 1 to 100.
    pub hosts: Vec<String>,
    /// Who vouches for the directory; those that the machine trusts if none.
    pub ca: Option<Authorities>,
}

/// Versions of TLS that we speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 and 1.3.
    #[default]
    Tls12,
    /// 1.3 alone.
    Tls13,
}

/// Attributes of our cookies.
#[derive(Clone, Debug, Default)]
pub struct CookieConfig {
    /// Visitors reach us over HTTPS: `Secure` and `__Host-`.
    pub secure: bool,
}

/// What is logged, where and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A `tracing` filter such as `info` or `info,preau::upstream=debug`.
    pub level: String,
    /// How our own messages look.
    pub format: LogFormat,
    /// How the access log looks, or that there is none.
    pub access: AccessFormat,
    /// Where the access log goes; standard output if none.
    pub access_file: Option<PathBuf>,
    /// How visitors' addresses are written.
    pub addresses: Addresses,
}

/// How our own messages look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How the access log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessFormat {
    /// No access log.
    Off,
    /// One JSON object a line.
    #[default]
    Json,
    /// The combined format of Apache and nginx, without the query string.
    Combined,
}

/// How visitors' addresses are written in logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4 to /24, IPv6 to /48.
    #[default]
    Truncated,
    /// Whole, where the operator has a reason and a right to it.
    Full,
    /// Not at all.
    Hidden,
}

/// Bounds on what one visitor's connection may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for what comes before the first request: the header of the PROXY protocol, and then
    /// again the TLS handshake.
    pub handshake_timeout: Span,
    /// Requests at once over one HTTP/2 connection.
    pub streams: u32,
    /// From a new connection to its first byte; then it is closed.
    pub first_byte_timeout: Span,
    /// From the first byte of a request to the end of its head; then it is refused.
    pub header_timeout: Span,
    /// Between two requests of a connection; then it is closed.
    pub idle_timeout: Span,
    /// How long a visitor's body may let us wait: at a stretch, and in all if it comes more
    /// slowly than `body_rate`.
    pub body_timeout: Span,
    /// Bytes a second at which a visitor's body may come for ever.
    pub body_rate: u32,
    /// How long a visitor may let an answer wait: without taking a byte, and in all if it is
    /// taken more slowly than `take_rate`.
    pub take_timeout: Span,
    /// Bytes a second at which a visitor may take an answer for ever.
    pub take_rate: u32,
    /// Bytes of the fields of a request's head.
    pub header_bytes: usize,
    /// Connections from visitors at once, over all threads.
    pub connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64; a whole school is one address.
    pub connections_per_address: usize,
    /// New tickets a minute from one IPv4 address or IPv6 /64; a whole school is one address.
    pub tickets_per_minute: u32,
    /// New tickets at once from one IPv4 address or IPv6 /64.
    pub tickets_burst: u32,
    /// Callbacks of sign-ons a minute without a pass from one IPv4 address or IPv6 /64.
    pub callbacks_per_minute: u32,
    /// Callbacks of sign-ons at once without a pass from one IPv4 address or IPv6 /64.
    pub callbacks_burst: u32,
    /// A tunnel (WebSocket) or a stream of events without a byte for this long is closed.
    pub tunnel_idle: Span,
    /// Tunnels and streams of events at once, over all threads.
    pub tunnels: u32,
}

/// An existing application that we protect.
#[derive(Clone, Debug)]
pub struct Portal {
    /// Its name in rooms, metrics and logs.
    pub name: String,
    /// Its servers; at least one.
    pub servers: Vec<ServerAddress>,
    /// Requests in flight to the portal at once; at least 1.
    pub slots: Limit,
    /// Requests in flight to one server at once; at least 1. Nothing: as many as to the portal.
    pub server_slots: Option<u32>,
    /// How long a request of a visitor who is inside may wait for a slot.
    pub slot_wait: Span,
    /// Requests that may wait for a slot at once.
    pub slot_queue: u32,
    /// Time to connect to a server.
    pub connect_timeout: Span,
    /// Time from the end of sending a request's head to the head of the response.
    pub response_timeout: Span,
    /// How long an idle connection to a server is kept; below the server's own keep-alive.
    pub keep_alive: Span,
    /// How long any connection to a server is kept, however busy it is; some end a little sooner.
    pub keep_age: Span,
    /// How often servers' names are looked up.
    pub resolve_every: Span,
    /// How servers are tested.
    pub health: Health,
    /// Whose page a visitor sees when the portal answers 502, 503 or 504.
    pub error_pages: ErrorPages,
    /// Whom its servers behind TLS are trusted by.
    pub tls: PortalTls,
    /// Servers behind TLS are asked whether they speak HTTP/2.
    pub http2: bool,
    /// Each connection begins with the visitor's address (PROXY protocol, version 2).
    pub send_proxy: bool,
}

/// How the servers of a portal that are behind TLS are known to be the right ones.
#[derive(Clone, Debug, Default)]
pub struct PortalTls {
    /// The authorities that vouch for them; those that the machine trusts if none.
    pub ca: Option<Authorities>,
    /// The name in their certificates; each server's own host if none.
    pub name: Option<ServerName<'static>>,
}

/// Certificates of authorities; at least one.
#[derive(Clone, Debug)]
pub struct Authorities {
    /// As roots, for those whom they vouch for.
    pub roots: Arc<RootCertStore>,
    /// The certificates themselves: a server that shows one of them is trusted for that.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// One server of a portal: `http://host:port` or `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// Name or address, without brackets for IPv6.
    pub host: String,
    /// Port; 80 unless given, 443 behind TLS.
    pub port: u16,
    /// It is behind TLS.
    pub tls: bool,
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How servers are tested.
#[derive(Clone, Debug)]
pub struct Health {
    /// What is enough.
    pub check: Check,
    /// How it is asked.
    pub method: Method,
    /// What is asked.
    pub path: String,
    /// For which host, perhaps with a port: that of the first room with one host, unless given.
    /// None: for the server's own.
    pub host: Option<String>,
    /// It is asked as visitors are who come over HTTPS.
    pub secure: bool,
    /// Which answers are good; at least one range.
    pub status: Vec<RangeInclusive<u16>>,
    /// Time between two probes of a server that is up.
    pub interval: Span,
    /// Time a probe may take.
    pub timeout: Span,
    /// Probes and connections that fail in a row until a server is out.
    pub fall: u32,
    /// First wait before a server that is down is probed again; doubled each time, with jitter.
    pub probe_min: Span,
    /// Longest wait before a server that is down is probed again.
    pub probe_max: Span,
}

/// What is enough for a server to be well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A good answer.
    Http,
    /// A connection.
    Tcp,
    /// A connection, and TLS.
    Tls,
}

/// Whose page a visitor sees when the portal answers 502, 503 or 504.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorPages {
    /// Ours, for pages; the portal's own answer for everything else.
    #[default]
    Ours,
    /// The portal's, unless it is empty.
    Portal,
}

/// A waiting room in front of a portal, or of a part of it.
#[derive(Clone, Debug)]
pub struct RoomConfig {
    /// Its name in cookies, metrics and logs.
    pub name: String,
    /// Index into [`Config::portals`].
    pub portal: usize,
    /// Hosts it covers; at least one.
    pub hosts: Vec<HostPattern>,
    /// Paths it covers; at least one.
    pub paths: Vec<PathPattern>,
    /// The domain of its cookies, if sibling hosts share them; every host lies in it.
    pub cookie_domain: Option<String>,
    /// Which requests pass as something else than an ordinary page.
    pub flows: Flows,
    /// Seats, times and mode.
    pub rules: Rules,
    /// The lanes, as in the rules; none if the room has but one line.
    pub lanes: Vec<LaneConfig>,
    /// Whether the number of seats is found; [`Rules::seats`] is where it begins.
    pub seats: Limit,
    /// Its part of its portal's seats, beside other rooms whose seats are found; at least 1.
    pub weight: u32,
    /// Modes by schedule, and when it opens.
    pub plan: Plan,
    /// What visitors are told while a rule of the schedule holds, for each of them.
    pub notices: Vec<Option<Notice>>,
}
