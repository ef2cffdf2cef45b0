//! An authority to order certificates from: Debian's pebble, with a name server that leads every
//! host to this machine.

use super::tls::{Authority, Client, Files};
use super::{Process, accepts, free_port, until};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PEBBLE: &str = "/usr/bin/pebble";
const NAMES: &str = "/usr/bin/pebble-challtestsrv";
/// The host of the directory.
const HOST: &str = "localhost";

/// Where an authority is, whether it runs or not.
pub struct Place {
    /// Vouches for the directory itself.
    authority: Authority,
    pair: Files,
    directory: SocketAddr,
    management: SocketAddr,
    names: SocketAddr,
    folder: TempDir,
}

/// A running authority. It has new keys and knows nobody each time.
pub struct Pebble<'p> {
    place: &'p Place,
    process: Process,
    _names: Process,
}

impl Place {
    /// One that nobody knew before.
    pub fn new() -> Place {
        let authority = Authority::new();
        Place {
            pair: authority.issue("pebble", &[HOST], 2100),
            authority,
            directory: free_port(),
            management: free_port(),
            names: free_port(),
            folder: TempDir::new().expect("the temporary folder can be written"),
        }
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        format!("https://{HOST}:{}/dir", self.directory.port())
    }

    /// The file of the authority that vouches for the directory.
    pub fn ca(&self) -> PathBuf {
        self.authority.root_file()
    }

    /// Starts it. It looks for proofs at the port of `http`, and its certificates last for `life`
    /// seconds.
    pub async fn start(&self, http: SocketAddr, life: u64) -> Pebble<'_> {
        for program in [PEBBLE, NAMES] {
            assert!(
                Path::new(program).exists(),
                "{program} is missing: install the Debian package pebble (tests/run does)"
            );
        }
        let config = json!({ "pebble": {
            "listenAddress": self.directory,
            "managementListenAddress": self.management,
            "certificate": self.pair.cert,
            "privateKey": self.pair.key,
            "httpPort": http.port(),
            "tlsPort": free_port().port(),
            "certificateValidityPeriod": life,
        }});
        let file = self.folder.path().join("pebble.json");
        fs::write(&file, config.to_string()).expect("the folder is ours");
        let names = self.names.to_string();
        let mut command = Command::new(NAMES);
        command.args(["-dns01", &names, "-defaultIPv4", "127.0.0.1"]);
        command.args(["-defaultIPv6", "", "-http01", "", "-https01", ""]);
        command.args(["-tlsalpn01", "", "-management", &free_port().to_string()]);
        let output = self.folder.path().join("names.log");
        let names_process = Process::start("pebble-challtestsrv", &mut command, &output);
        let mut command = Command::new(PEBBLE);
        command
            .arg("-config")
            .arg(&file)
            .args(["-dnsserver", &names]);
        command.envs([
            ("PEBBLE_VA_NOSLEEP", "1"),
            ("PEBBLE_WFE_NONCEREJECT", "0"),
            ("PEBBLE_AUTHZREUSE", "0"),
        ]);
        let output = self.folder.path().join("pebble.log");
        fs::remove_file(&output).ok();
        let process = Process::start("pebble", &mut command, &output);
        until("the authority listens", async || {
            let all = [self.directory, self.management, self.names];
            all.into_iter().all(accepts).then_some(())
        })
        .await;
        Pebble {
            place: self,
            process,
            _names: names_process,
        }
    }
}

impl Pebble<'_> {
    /// How many certificates were ordered.
    pub fn orders(&self) -> usize {
        self.process.printed().matches("POST /order-plz").count()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        self.process.printed()
    }

    /// The root of its certificates.
    pub async fn root(&self) -> CertificateDer<'static> {
        let client = Client::new(&self.place.authority, &["http/1.1"]);
        let answer = client.get(self.place.management, HOST, "/roots/0").await;
        let root = CertificateDer::from_pem_slice(answer.text().as_bytes());
        root.expect("a certificate in PEM")
    }
}
