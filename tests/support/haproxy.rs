//! HAProxy in front of the proxy, as operations teams have it: Debian's own, on a free port, with
//! a configuration of its own.

use super::{Process, accepts, free_port, until};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const HAPROXY: &str = "/usr/sbin/haproxy";

/// A running HAProxy.
pub struct HaProxy {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl HaProxy {
    /// Starts one with a single frontend. `frontend` is what it says beside its address (such as
    /// `mode http`), `server` what follows the server's name and address (such as `send-proxy`).
    pub async fn start(frontend: &str, to: SocketAddr, server: &str) -> HaProxy {
        assert!(
            Path::new(HAPROXY).exists(),
            "{HAPROXY} is missing: install the Debian package haproxy (tests/run does)"
        );
        let address = free_port();
        let folder = TempDir::new().expect("the temporary folder can be written");
        let file = folder.path().join("haproxy.cfg");
        let text = format!(
            "defaults\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
             listen front\n  bind {address}\n  {frontend}\n  server preau {to} {server}\n"
        );
        fs::write(&file, text).expect("a file can be written in a folder of ours");
        let mut command = Command::new(HAPROXY);
        command.arg("-db").arg("-f").arg(&file);
        let process = Process::start("haproxy", &mut command, &folder.path().join("output.log"));
        until("HAProxy listens", async || accepts(address).then_some(())).await;
        HaProxy {
            address,
            _process: process,
            _folder: folder,
        }
    }

    /// Where visitors connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
