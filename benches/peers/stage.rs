//! What all measurements share: the origin, its files, and the certificate.

use crate::Outcome;
use crate::client;
use crate::contestants::{FULL, Ports, Site, Who};
use crate::process::{Running, free_port};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The core of the contestant.
const PROXY_CORE: usize = 0;
/// The core of the origin and of the load.
pub const LOAD_CORE: usize = 1;

/// See the module.
pub struct Stage {
    folder: TempDir,
    preau: PathBuf,
    certificate: CertificateDer<'static>,
    origin: Running,
}

/// Somebody who is measured.
pub enum Contestant<'a> {
    Origin(&'a Running),
    Other(Running),
}

impl std::ops::Deref for Contestant<'_> {
    type Target = Running;

    fn deref(&self) -> &Running {
        match self {
            Contestant::Origin(running) => running,
            Contestant::Other(running) => running,
        }
    }
}

impl Stage {
    /// Writes files and certificate and starts the origin. `preau` is the program under test.
    ///
    /// # Errors
    /// When nginx or `preau` cannot be started.
    pub fn set(preau: &Path) -> Outcome<Stage> {
        let folder = TempDir::new()?;
        let files = folder.path().join("files");
        fs::create_dir(&files)?;
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()])?;
        let pem = format!("{}{}", cert.pem(), signing_key.serialize_pem());
        fs::write(folder.path().join("tls.pem"), pem)?;
        let home = TempDir::new()?;
        let plain = free_port()?;
        let site = Site {
            preau,
            files: &files,
            pem: &folder.path().join("tls.pem"),
            origin: plain,
        };
        // The origin has no TLS: the second port is never asked.
        let ports = Ports { plain, tls: plain };
        let command = Who::Origin.command(&site, ports, home.path())?;
        let stage = Stage {
            origin: Running::start(&command, LOAD_CORE, home, ports)?,
            preau: preau.to_owned(),
            certificate: cert.der().clone(),
            folder,
        };
        stage.file("1k", 1_024)?;
        stage.file("100k", 100 * 1_024)?;
        stage.answers_of_ours()?;
        Ok(stage)
    }

    /// The certificate of every contestant, for `localhost`.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// A place for a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `who` in front of the origin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn enter(&self, who: Who) -> Outcome<Contestant<'_>> {
        if who == Who::Origin {
            return Ok(Contestant::Origin(&self.origin));
        }
        let home = TempDir::new()?;
        let ports = Ports {
            plain: free_port()?,
            tls: free_port()?,
        };
        let site = Site {
            preau: &self.preau,
            files: &self.path("files"),
            pem: &self.path("tls.pem"),
            origin: self.origin.ports.plain,
        };
        let command = who.command(&site, ports, home.path())?;
        Running::start(&command, PROXY_CORE, home, ports).map(Contestant::Other)
    }

    /// For nginx, files of the size of what we answer to those who wait.
    fn answers_of_ours(&self) -> Outcome<()> {
        let preau = self.enter(Who::Preau)?;
        let ticket = ticket(preau.ports.plain)?;
        let mut stream = client::connect(preau.ports.plain)?;
        let fields = format!("Host: {FULL}\r\nAccept: text/html\r\nCookie: {ticket}\r\n");
        let page = client::ask(&mut stream, "/", &fields)?;
        let poll = client::ask(&mut stream, "/.preau/status", &fields)?;
        self.file("page", page.body_bytes)?;
        self.file("poll", poll.body_bytes)
    }

    fn file(&self, name: &str, bytes: usize) -> Outcome<()> {
        Ok(fs::write(self.path("files").join(name), "x".repeat(bytes))?)
    }
}

/// The pass of somebody who has just come in.
///
/// # Errors
/// When there is none.
pub fn pass(port: u16) -> Outcome<String> {
    cookie(port, "localhost", 200)
}

/// The ticket of somebody who has to wait.
///
/// # Errors
/// When there is none.
pub fn ticket(port: u16) -> Outcome<String> {
    cookie(port, FULL, 503)
}

fn cookie(port: u16, host: &str, status: u16) -> Outcome<String> {
    let fields = format!("Host: {host}\r\nAccept: text/html\r\n");
    let answer = client::ask(&mut client::connect(port)?, "/1k", &fields)?;
    if answer.status != status {
        return Err(format!("{status} was expected of {host}, not {}", answer.status).into());
    }
    answer
        .cookie
        .ok_or_else(|| format!("{host} gives no cookie").into())
}
