//! The signing keys: current and previous, in a file that only we can read.

use super::TAG;
use crate::host;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of a secret: the output size of SHA-256 (RFC 2104 §3).
const SECRET: usize = 32;
/// Keys accepted at once: the current and the previous one, and one being published.
const KEYS_MAX: usize = 3;
/// Bytes of a key file at most.
const FILE_MAX: u64 = 4_096;

/// The keys of one installation; the first signs, all verify.
pub struct Keys {
    keys: Vec<(u8, hmac::Key)>,
}

/// The key file as it stands on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: u8,
    secret: String,
}

/// Why there are no keys. The message says what to do.
#[derive(Debug)]
pub enum KeyError {
    /// Others may read or write the file.
    TooOpen(PathBuf, u32),
    /// The file is not a key file.
    Malformed(PathBuf, String),
    /// The operating system refused.
    Io(PathBuf, io::Error),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::TooOpen(path, mode) => write!(
                f,
                "the key file {0} can be read or changed by others (mode {mode:04o}): whoever reads it \
                 can let themselves in. Run `chmod 600 {0}`; if others may have seen it, remove it \
                 instead, and new keys are made at the next start (everybody in line then starts anew)",
                path.display()
            ),
            KeyError::Malformed(path, why) => write!(
                f,
                "the key file {} is damaged ({why}). Restore it from a backup, or remove it: new keys \
                 are made at the next start, and everybody in line starts anew",
                path.display()
            ),
            KeyError::Io(path, error) => write!(
                f,
                "the key file {} cannot be read or made: {error}. It must be in a folder that the \
                 user running preau may write to (`state` in the configuration)",
                path.display()
            ),
        }
    }
}

impl std::error::Error for KeyError {}

impl Keys {
    /// Fresh keys that live in memory only.
    pub fn random() -> Keys {
        let mut secret = [0; SECRET];
        host::fill_random(&mut secret);
        Keys {
            keys: vec![(1, hmac::Key::new(hmac::HMAC_SHA256, &secret))],
        }
    }

    /// Reads the key file, or makes one with mode 0600 if there is none.
    ///
    /// # Errors
    /// When the file is open to others, damaged, or out of reach.
    pub fn load_or_create(path: &Path) -> Result<Keys, KeyError> {
        let io = |error| KeyError::Io(path.to_owned(), error);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(io)?;
                fs::metadata(path).map_err(io)?
            }
            Err(error) => return Err(io(error)),
        };
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::TooOpen(path.to_owned(), mode));
        }
        let malformed = |why: String| KeyError::Malformed(path.to_owned(), why);
        if metadata.len() > FILE_MAX {
            return Err(malformed(format!("over {FILE_MAX} bytes")));
        }
        let text = String::from_utf8(fs::read(path).map_err(io)?)
            .map_err(|_| malformed("not a text in UTF-8".to_owned()))?;
        parse(text.trim_start_matches('\u{feff}')).map_err(malformed)
    }

    /// The id of the key that signs.
    pub fn signing_id(&self) -> u8 {
        self.keys[0].0
    }

    /// The tag of `bytes` under the key that signs.
    pub fn tag(&self, bytes: &[u8]) -> [u8; TAG] {
        let full = hmac::sign(&self.keys[0].1, bytes);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full.as_ref()[..TAG]);
        tag
    }

    /// Whether `tag` is that of `bytes` under the key `id`; compared in constant time.
    pub fn verify(&self, id: u8, bytes: &[u8], tag: &[u8]) -> bool {
        let Some((_, key)) = self.keys.iter().find(|(known, _)| *known == id) else {
            return false;
        };
        let full = hmac::sign(key, bytes);
        verify_slices_are_equal(&full.as_ref()[..TAG], tag).is_ok()
    }
}

/// Writes a new key file: complete under another name first, so that a crash leaves none or a
/// whole one.
fn create(path: &Path) -> io::Result<()> {
    let mut secret = [0; SECRET];
    host::fill_random(&mut secret);
    let file = File {
        key: vec![Entry {
            id: 1,
            secret: STANDARD.encode(secret),
        }],
    };
    let text = toml::to_string(&file).map_err(io::Error::other)?;
    let unfinished = path.with_extension("new");
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    writeln!(
        out,
        "# Preau signs tickets and passes with the first key. Keep it secret."
    )?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&unfinished, path)
}

fn parse(text: &str) -> Result<Keys, String> {
    // The parser's own message would quote the line, and with it the secret.
    let file: File = toml::from_str(text).map_err(|_| "not a list of keys".to_owned())?;
    if file.key.is_empty() || file.key.len() > KEYS_MAX {
        return Err(format!("{} keys, not 1 to {KEYS_MAX}", file.key.len()));
    }
    let mut keys: Vec<(u8, hmac::Key)> = Vec::new();
    for entry in file.key {
        let secret = STANDARD
            .decode(entry.secret)
            .ok()
            .filter(|secret| secret.len() == SECRET)
            .ok_or_else(|| format!("key {} is not {SECRET} bytes of base64", entry.id))?;
        if keys.iter().any(|(id, _)| *id == entry.id) {
            return Err(format!("key {} stands there twice", entry.id));
        }
        keys.push((entry.id, hmac::Key::new(hmac::HMAC_SHA256, &secret)));
    }
    Ok(Keys { keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn made_once_with_mode_0600_and_read_again() {
        let folder = folder();
        let path = folder.path().join("keys.toml");
        let made = Keys::load_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Keys::load_or_create(&path).unwrap();
        assert!(read.verify(1, b"words", &made.tag(b"words")));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_what_to_do() {
        let folder = folder();
        let path = folder.path().join("keys.toml");
        Keys::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Keys::load_or_create(&path).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let folder = folder();
        let path = folder.path().join("keys.toml");
        Keys::load_or_create(&path).unwrap();
        fs::write(&path, "[[key]]\nid = 1\nsecret = \"c2hvcnQ=\"\n").unwrap();
        let error = Keys::load_or_create(&path).err().unwrap().to_string();
        assert!(
            error.contains("damaged") && !error.contains("c2hvcnQ"),
            "{error}"
        );
    }

    #[test]
    fn the_previous_key_still_verifies() {
        let text = |ids: &[(u8, u8)]| {
            ids.iter().fold(String::new(), |text, (id, byte)| {
                let secret = STANDARD.encode([*byte; SECRET]);
                format!("{text}[[key]]\nid = {id}\nsecret = \"{secret}\"\n")
            })
        };
        let before = parse(&text(&[(1, 5)])).unwrap();
        let after = parse(&text(&[(2, 6), (1, 5)])).unwrap();
        assert!(after.verify(1, b"words", &before.tag(b"words")));
        assert_eq!(after.signing_id(), 2);
        assert!(parse(&text(&[(1, 5), (1, 6)])).is_err());
    }
}
