//! What we keep of an authority: our account with it, and the certificate that it gave.
//!
//! Each directory has a folder of its own, so that a certificate of a trial is not taken for a real
//! one. Files are for us alone, and are there whole or not at all.

use super::order::AcmeError;
use crate::config::{AcmeConfig, Pair};
use crate::host;
use crate::time::Span;
use crate::tls::{self, Certificate};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of the account's file, at most.
const ACCOUNT_MAX: u64 = 64 * 1024;
/// How long a certificate of our own lasts: whoever watches the last days of certificates shall see
/// that something is missing.
const STAND_IN: Span = Span::mins(7 * 24 * 60);

/// The folder of one authority.
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// Makes the folder if there is none.
    pub fn new(config: &AcmeConfig, state: &Path) -> io::Result<Kept> {
        let kept = Kept::at(config, state);
        kept.make()?;
        Ok(kept)
    }

    /// Where the folder is, or will be.
    pub fn at(config: &AcmeConfig, state: &Path) -> Kept {
        let name = config.directory.trim_start_matches("https://");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name = name.replace(|c| !plain(c), "-");
        Kept {
            folder: state.join("acme").join(name),
        }
    }

    fn make(&self) -> io::Result<()> {
        let mut made = DirBuilder::new();
        made.recursive(true).mode(0o700).create(&self.folder)
    }

    /// The certificate with its key: one file, so that they change together.
    pub fn pair(&self) -> Pair {
        pair(self.folder.join("certificate.pem"))
    }

    /// What was stored of the account, if there is one.
    pub fn account(&self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let file = match File::open(self.account_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        file.take(ACCOUNT_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Stores the account.
    pub fn store_account(&self, bytes: &[u8]) -> io::Result<()> {
        let path = self.account_file();
        fs::rename(write(&path, bytes)?, path)
    }

    /// Forgets the account, which the authority does not know any more.
    pub fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(self.account_file())
    }

    /// Stores a certificate with its key, if it can be used and `fits`.
    pub fn store_certificate(
        &self,
        pem: &str,
        fits: impl Fn(&Certificate) -> bool,
    ) -> Result<(), AcmeError> {
        let path = self.pair().cert;
        let unfinished = write(&path, pem.as_bytes()).map_err(AcmeError::Store)?;
        let certificate = tls::check(&pair(unfinished.clone())).map_err(AcmeError::Unfit)?;
        match fits(&certificate) {
            true => fs::rename(unfinished, path).map_err(AcmeError::Store),
            false => Err(AcmeError::Other),
        }
    }

    /// Stores a certificate of our own.
    pub fn store_stand_in(&self, pem: &str) -> io::Result<()> {
        self.make()?;
        let path = self.pair().cert;
        fs::rename(write(&path, pem.as_bytes())?, path)
    }

    /// Our account with the authority, and its key.
    pub fn account_file(&self) -> PathBuf {
        self.folder.join("account.json")
    }
}

/// A certificate of our own for `hosts`, with its key. Its life began so long ago that it is time to
/// renew it.
pub fn stand_in(hosts: &[String]) -> io::Result<String> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::new(hosts).map_err(io::Error::other)?;
    let name = "a stand-in of preau";
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2000, 1, 1);
    let end = i64::try_from((host::wall() + STAND_IN).0).map_err(io::Error::other)?;
    let end = Timestamp::from_millisecond(end).map_err(io::Error::other)?;
    let end = TimeZone::UTC.to_datetime(end).date();
    let [month, day] = [end.month(), end.day()].map(i8::unsigned_abs);
    params.not_after = date_time_ymd(end.year().into(), month, day);
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    Ok(key.serialize_pem() + &certificate.pem())
}

fn pair(file: PathBuf) -> Pair {
    Pair {
        cert: file.clone(),
        key: file,
    }
}

/// Writes what shall be at `path` beside it, and returns where.
fn write(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(unfinished)
}
