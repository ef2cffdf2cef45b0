//! nginx as a portal, where Apache is not the one to ask: TLS with certificates of a test's own,
//! HTTP/2, the PROXY protocol.

use super::tls::Files;
use super::{Process, accepts, free_port, until};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const NGINX: &str = "/usr/sbin/nginx";

/// Connections that it has at once, to both sides.
const CONNECTIONS: u32 = 16_384;

/// A running nginx with one server. It writes what a request was, one line each, and answers
/// with `bonjour`.
pub struct Nginx {
    address: SocketAddr,
    folder: TempDir,
    _process: Process,
}

impl Nginx {
    /// Starts one that listens with `listen` (such as `ssl http2`) beside its address; `pair` is
    /// its certificate, and `directives` is what its server says beside.
    pub async fn start(listen: &str, pair: Option<&Files>, directives: &str) -> Nginx {
        let address = free_port();
        let certificate = pair.map_or(String::new(), |pair| {
            format!(
                "ssl_certificate {}; ssl_certificate_key {};",
                pair.cert.display(),
                pair.key.display()
            )
        });
        let server = format!(
            "log_format seen '$request_uri $server_protocol $connection $http_host \
                $proxy_protocol_addr $ssl_server_name $ssl_session_reused $http_upgrade';\n\
             server {{\n\
               listen {address} {listen};\n\
               access_log seen.log seen;\n\
               {certificate}\n\
               {directives}\n\
               location / {{ return 200 bonjour; }}\n\
             }}\n"
        );
        Nginx::with(address, &server).await
    }

    /// Starts one with `servers` (and whatever else belongs into `http`), which listen at `address`.
    pub async fn with(address: SocketAddr, servers: &str) -> Nginx {
        assert!(
            Path::new(NGINX).exists(),
            "{NGINX} is missing: install the Debian package nginx (tests/run does)"
        );
        let folder = TempDir::new().expect("the temporary folder can be written");
        let root = folder.path().to_str().expect("temporary folders are UTF-8");
        let text = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections {CONNECTIONS}; }}\n\
             http {{\n\
               access_log off;\n\
               client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;\n\
               fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi;\n\
               scgi_temp_path {root}/scgi;\n\
               {servers}\n\
             }}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).expect("a file can be written in a folder of ours");
        let mut command = Command::new(NGINX);
        command.arg("-p").arg(root).arg("-c").arg(&file);
        let process = Process::start("nginx", &mut command, &folder.path().join("output.log"));
        until("nginx listens", async || accepts(address).then_some(())).await;
        Nginx {
            address,
            folder,
            _process: process,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it wrote of requests, without those of probes (`/sante`): path, protocol, number of
    /// the connection, host, address by the PROXY protocol, name by SNI, `r` if the TLS session
    /// was resumed, and what it was asked to become; `-` where there is nothing.
    pub fn seen(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.folder.path().join("seen.log")).unwrap_or_default();
        text.lines()
            .map(|line| line.split(' ').map(str::to_owned).collect())
            .filter(|line: &Vec<String>| line[0] != "/sante")
            .collect()
    }

    /// The same of probes.
    pub fn probes(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.folder.path().join("seen.log")).unwrap_or_default();
        text.lines()
            .map(|line| line.split(' ').map(str::to_owned).collect())
            .filter(|line: &Vec<String>| line[0] == "/sante")
            .collect()
    }
}
