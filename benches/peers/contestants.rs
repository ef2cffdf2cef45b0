//! Who is measured, and how each is configured.
//!
//! The others write no access log and do nothing that was not asked for; ours has what an
//! operator runs it with: passes, metrics, and the access log in a file.

use crate::Outcome;
use std::fs;
use std::path::Path;

/// Connections that a contestant takes at once.
const CONNECTIONS: usize = 8_192;
/// Requests that nginx answers on one connection: more than any measurement sends.
const REQUESTS: u64 = 1_000_000_000;

/// The host on which everybody waits; on all others there is a seat for everybody.
pub const FULL: &str = "full.test";

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The origin itself, with nobody in front.
    Origin,
    Preau,
    Haproxy,
    /// HAProxy in `mode tcp`, which reads no HTTP: about the least that a proxy can cost.
    HaproxyTcp,
    Nginx,
}

/// Where everybody is, and what they need.
pub struct Site<'a> {
    /// The program under test.
    pub preau: &'a Path,
    /// The files of the origin, and of nginx as a server of files.
    pub files: &'a Path,
    /// The certificate with its key.
    pub pem: &'a Path,
    /// The port of the origin.
    pub origin: u16,
}

/// Ports of one contestant.
#[derive(Clone, Copy)]
pub struct Ports {
    pub plain: u16,
    pub tls: u16,
}

impl Who {
    pub fn name(self) -> &'static str {
        match self {
            Who::Origin => "the origin alone",
            Who::Preau => "preau",
            Who::Haproxy => "HAProxy",
            Who::HaproxyTcp => "HAProxy, mode tcp",
            Who::Nginx => "nginx",
        }
    }

    /// Writes the configuration into `home`; returns the command that serves it.
    pub fn command(self, site: &Site<'_>, ports: Ports, home: &Path) -> Outcome<Vec<String>> {
        let file = home.join("configuration");
        let (text, command): (String, &[&str]) = match self {
            Who::Origin => (origin(site, home), &["nginx", "-c"]),
            Who::Nginx => (nginx(site, ports, home), &["nginx", "-c"]),
            Who::Haproxy => (haproxy(site, ports, "http"), &["haproxy", "-db", "-f"]),
            Who::HaproxyTcp => (haproxy(site, ports, "tcp"), &["haproxy", "-db", "-f"]),
            Who::Preau => {
                let preau = site
                    .preau
                    .to_str()
                    .ok_or("the program's path is not text")?;
                (
                    preau_toml(site, ports, home)?,
                    &[preau, "serve", "--config"],
                )
            }
        };
        fs::write(&file, text)?;
        let file = file.to_str().ok_or("the folder's path is not text")?;
        Ok(command
            .iter()
            .chain([&file])
            .map(|word| (*word).to_owned())
            .collect())
    }
}

/// Debian's defaults, but for what would end a connection or write a log.
fn nginx_around(servers: &str, home: &Path) -> String {
    let home = home.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {home}/{kind};"))
        .join(" ");
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "{user} daemon off; worker_processes 1; pid {home}/pid; error_log {home}/errors;
        events {{ worker_connections {CONNECTIONS}; }}
        http {{
            {temporary}
            access_log off; sendfile on; tcp_nopush on;
            keepalive_requests {REQUESTS};
            {servers}
        }}"
    )
}

fn origin(site: &Site<'_>, home: &Path) -> String {
    let (port, files) = (site.origin, site.files.display());
    let server = format!(
        "open_file_cache max=16;
        server {{ listen 127.0.0.1:{port} backlog=4096; root {files}; }}"
    );
    nginx_around(&server, home)
}

fn nginx(site: &Site<'_>, ports: Ports, home: &Path) -> String {
    let (origin, files, pem) = (site.origin, site.files.display(), site.pem.display());
    let Ports { plain, tls } = ports;
    let server = format!(
        "upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests {REQUESTS}; }}
        server {{
            listen 127.0.0.1:{plain} backlog=4096;
            listen 127.0.0.1:{tls} ssl http2 backlog=4096;
            ssl_certificate {pem}; ssl_certificate_key {pem};
            ssl_protocols TLSv1.3; ssl_session_cache shared:tls:10m;
            http2_max_requests {REQUESTS};
            location / {{
                proxy_pass http://origin; proxy_http_version 1.1;
                proxy_set_header Connection \"\"; proxy_set_header Host $host;
                proxy_set_header X-Forwarded-For $remote_addr;
            }}
            location /static/ {{ alias {files}/; }}
        }}"
    );
    nginx_around(&server, home)
}

fn haproxy(site: &Site<'_>, ports: Ports, mode: &str) -> String {
    let (origin, pem) = (site.origin, site.pem.display());
    let Ports { plain, tls } = ports;
    let http = match mode {
        "http" => "http-reuse always\n option forwardfor",
        _ => "",
    };
    format!(
        "global
            nbthread 1
            maxconn {CONNECTIONS}
            ssl-default-bind-options ssl-min-ver TLSv1.3
        defaults
            mode {mode}
            timeout connect 5s
            timeout client 60s
            timeout server 60s
            {http}
        frontend visitors
            bind 127.0.0.1:{plain} backlog 4096
            bind 127.0.0.1:{tls} backlog 4096 ssl crt {pem} alpn h2,http/1.1
            default_backend portal
        backend portal
            server origin 127.0.0.1:{origin}\n"
    )
}

/// One room that has a seat for whoever measures, and one in which everybody waits.
fn preau_toml(site: &Site<'_>, ports: Ports, home: &Path) -> Outcome<String> {
    let (origin, home) = (site.origin, home.display());
    let (Ports { plain, tls }, pem) = (ports, site.pem.display());
    let admin = crate::process::free_port()?;
    Ok(format!(
        "listen = \"127.0.0.1:{plain}\"
        admin = \"127.0.0.1:{admin}\"
        state = \"{home}/state\"
        threads = 1
        drain = \"200ms\"
        [[listener]]
        address = \"127.0.0.1:{tls}\"
        tls = true
        [tls]
        certificates = [{{ cert = \"{pem}\", key = \"{pem}\" }}]
        min_version = \"1.3\"
        [log]
        access_file = \"{home}/access.log\"
        [[portal]]
        servers = [\"http://127.0.0.1:{origin}\"]
        slots = 1000
        [[room]]
        name = \"inside\"
        seats = 1000
        [[room]]
        name = \"full\"
        host = \"{FULL}\"
        mode = \"hold\"\n"
    ))
}
