//! The portal: a real Apache with PHP, on a free port, with a configuration of its own.

use super::{Answer, Process, accepts, free_port, get, until};
use nix::sys::signal::Signal;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

/// Requests that the portal can work on at once; an idle kept connection takes one as well.
const WORKERS: u32 = 16;

/// The pages of the portal, as they stand in `tests/portal`.
const PAGES: [(&str, &str); 5] = [
    ("index.php", include_str!("../portal/index.php")),
    ("journal.php", include_str!("../portal/journal.php")),
    ("sso.php", include_str!("../portal/sso.php")),
    ("panne.php", include_str!("../portal/panne.php")),
    ("assets/style.css", STYLE),
];

const STYLE: &str = include_str!("../portal/assets/style.css");

/// What a portal has to serve, and with how much.
pub struct Site {
    /// Names and texts; `index.php` answers whatever is no file, `/sante` included.
    pub pages: &'static [(&'static str, &'static str)],
    /// Requests that it can work on at once.
    pub workers: u32,
    /// Whether connections are kept: an idle one takes a worker as well.
    pub keep_alive: bool,
}

/// The school portal of the tests.
const SCHOOL: Site = Site {
    pages: &PAGES,
    workers: WORKERS,
    keep_alive: true,
};

/// A running portal.
pub struct Portal {
    root: TempDir,
    address: SocketAddr,
    apache: Option<Process>,
}

/// One request as the portal saw it, in the order of arrival.
#[derive(Debug, Clone, Deserialize)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    /// The `Cookie` header; empty if there was none.
    pub cookies: String,
    /// The `User-Agent` header.
    pub agent: String,
    /// The other end of the connection: as many ports as connections.
    pub port: u16,
    /// Every header, with names in lower case.
    pub headers: HashMap<String, String>,
}

impl Portal {
    /// Starts a portal and waits until it answers.
    pub async fn start() -> Portal {
        Portal::serving(&SCHOOL).await
    }

    /// The same with other pages.
    pub async fn serving(site: &Site) -> Portal {
        let address = free_port();
        let root = lay_out(site, address);
        let mut portal = Portal {
            root,
            address,
            apache: None,
        };
        portal.start_again().await;
        portal
    }

    /// Starts it on the same port as before, after [`Portal::stop`].
    pub async fn start_again(&mut self) {
        assert!(self.apache.is_none(), "the portal runs already");
        let mut command = Command::new(APACHE);
        command
            .arg("-f")
            .arg(self.path("apache.conf"))
            .arg("-DFOREGROUND");
        let mut apache = Process::start("apache2", &mut command, &self.path("error.log"));
        let address = self.address;
        until("the portal answers", async || {
            if let Some(status) = apache.ended() {
                panic!("apache2 ended at once: {status}:\n{}", apache.printed());
            }
            get(address, "/sante").await.ok()
        })
        .await;
        self.apache = Some(apache);
    }

    /// Stops it: connections are refused from here on.
    pub async fn stop(&mut self) {
        let mut apache = self.apache.take().expect("the portal runs");
        apache.signal(Signal::SIGTERM);
        apache.end().await;
        assert!(!accepts(self.address), "a stopped portal refuses");
    }

    /// Answers everything with 503 and an empty body, or no longer.
    pub fn break_with_503(&self, broken: bool) {
        let flag = self.path("broken");
        if broken {
            fs::write(flag, "").expect("the portal's folder can be written");
        } else {
            fs::remove_file(flag).expect("it was broken before");
        }
    }

    /// Tells the portal where the proxy is, for calls between its own parts.
    pub fn knows_proxy(&self, proxy: SocketAddr) {
        write_for_all(&self.path("proxy"), &proxy.to_string());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file that its pages have written into their folder of sessions; empty if there is none.
    pub fn written(&self, name: &str) -> String {
        fs::read_to_string(self.path("sessions").join(name)).unwrap_or_default()
    }

    /// `http://127.0.0.1:port`, for the configuration of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the portal answers to somebody who goes round the proxy.
    pub async fn directly(&self, path: &str) -> Answer {
        get(self.address, path)
            .await
            .unwrap_or_else(|broken| panic!("the portal itself, {path}: {broken:?}"))
    }

    /// Every request to PHP so far, in the order of arrival, without those for `/sante`.
    /// (Assets are served by Apache itself and do not appear here.)
    pub fn seen(&self) -> Vec<Seen> {
        let text = fs::read_to_string(self.path("requests.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| {
            serde_json::from_str::<Seen>(line)
                .unwrap_or_else(|error| panic!("the portal's own log: {error}: {line}"))
        });
        lines.filter(|seen| seen.path != "/sante").collect()
    }

    /// The style sheet, as it lies in the portal's folder.
    pub fn style(&self) -> &'static [u8] {
        STYLE.as_bytes()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// Writes the pages and the configuration into a new folder.
fn lay_out(site: &Site, address: SocketAddr) -> TempDir {
    assert!(
        Path::new(APACHE).exists(),
        "{APACHE} is missing: install the Debian package apache2 (tests/run does)"
    );
    let root = tempfile::Builder::new()
        .prefix("preau-portal-")
        .tempdir()
        .expect("the temporary folder can be written");
    let at = |name: &str| root.path().join(name);
    for folder in ["", "pages", "pages/assets", "sessions"] {
        fs::create_dir_all(at(folder)).expect("a folder can be made in a folder of ours");
    }
    for (name, text) in site.pages {
        write_for_all(&at("pages").join(name), text);
    }
    write_for_all(&at("mime.types"), "text/css css\n");
    write_for_all(&at("requests.jsonl"), "");
    let root_path = root.path().to_str().expect("temporary folders are UTF-8");
    write_for_all(&at("apache.conf"), &configuration(site, root_path, address));
    // Apache drops to its own user when root starts it, and PHP writes as that user.
    for (name, mode) in [("", 0o755), ("sessions", 0o777), ("requests.jsonl", 0o666)] {
        fs::set_permissions(at(name), Permissions::from_mode(mode)).expect("it is ours");
    }
    root
}

fn write_for_all(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written in a folder of ours");
    fs::set_permissions(path, Permissions::from_mode(0o644)).expect("it is ours");
}

fn configuration(site: &Site, root: &str, address: SocketAddr) -> String {
    let workers = site.workers;
    let keep_alive = if site.keep_alive { "On" } else { "Off" };
    let php = php_module();
    let user = if nix::unistd::geteuid().is_root() {
        "User www-data\nGroup www-data\n"
    } else {
        ""
    };
    format!(
        r#"ServerRoot "{root}"
ServerName localhost
Listen {address}
PidFile "{root}/apache.pid"
ErrorLog "{root}/error.log"
LogLevel warn
{user}LoadModule mpm_prefork_module {MODULES}/mod_mpm_prefork.so
LoadModule authz_core_module {MODULES}/mod_authz_core.so
LoadModule dir_module {MODULES}/mod_dir.so
LoadModule env_module {MODULES}/mod_env.so
LoadModule mime_module {MODULES}/mod_mime.so
LoadModule rewrite_module {MODULES}/mod_rewrite.so
LoadModule php_module {php}
StartServers 4
MinSpareServers 2
MaxSpareServers {workers}
MaxRequestWorkers {workers}
KeepAlive {keep_alive}
KeepAliveTimeout 5
MaxKeepAliveRequests 0
TypesConfig "{root}/mime.types"
DocumentRoot "{root}/pages"
<Directory "{root}/pages">
    Require all granted
    <FilesMatch "\.php$">
        SetHandler application/x-httpd-php
    </FilesMatch>
</Directory>
SetEnv PORTAL_LOG "{root}/requests.jsonl"
php_admin_value session.save_path "{root}/sessions"
php_admin_value post_max_size 1G
php_admin_value date.timezone UTC
RewriteEngine On
RewriteCond "{root}/broken" -f
RewriteRule ^ "{root}/pages/panne.php" [END]
RewriteCond "{root}/pages%{{REQUEST_URI}}" !-f
RewriteRule ^ "{root}/pages/index.php" [END]
"#
    )
}

/// The PHP module that is installed, of whatever version.
fn php_module() -> String {
    let found = fs::read_dir(MODULES)
        .into_iter()
        .flatten()
        .find_map(|entry| {
            let path = entry.ok()?.path().to_str()?.to_owned();
            let name = path.rsplit('/').next()?;
            (name.starts_with("libphp") && name.ends_with(".so")).then_some(path)
        });
    found
        .expect("no PHP for Apache: install the Debian package libapache2-mod-php (tests/run does)")
}
