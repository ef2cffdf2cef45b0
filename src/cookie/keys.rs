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
    /// The key file with all of them, if the first is not in it yet.
    unwritten: Option<String>,
}

/// The key file as it stands on disk.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Vec<Entry>,
}

impl File {
    /// The same with a new key that signs; the oldest gives way to it.
    fn with_new(mut self) -> io::Result<File> {
        let mut secret = [0; SECRET];
        host::fill_random(&mut secret);
        let used = |id: &u8| self.key.iter().any(|entry| entry.id == *id);
        let id = (1..=u8::MAX).find(|id| !used(id));
        let id = id.ok_or_else(|| io::Error::other("no number is left for a key"))?;
        self.key.truncate(KEYS_MAX - 1);
        let secret = STANDARD.encode(secret);
        self.key.insert(0, Entry { id, secret });
        Ok(self)
    }

    fn text(&self) -> io::Result<String> {
        toml::to_string(self).map_err(io::Error::other)
    }
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
                "the key file {} cannot be read or made: {error}. {} (`state` in the configuration)",
                path.display(),
                host::remedy(error)
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
            unwritten: None,
        }
    }

    /// Reads the key file, or makes one with mode 0600 if there is none.
    ///
    /// # Errors
    /// When the file is open to others, damaged, or out of reach.
    pub fn load_or_create(path: &Path) -> Result<Keys, KeyError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = File::default().with_new();
                let text = text.and_then(|file| file.text());
                let made = text.and_then(|text| write(path, &text));
                made.map_err(|error| KeyError::Io(path.to_owned(), error))?;
            }
            _ => {}
        }
        Keys::load(path)
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// As [`Keys::load_or_create`], also when there is none.
    pub fn load(path: &Path) -> Result<Keys, KeyError> {
        let malformed = |why: String| KeyError::Malformed(path.to_owned(), why);
        keys(&read(path)?).map_err(malformed)
    }

    /// Keys for a start at which `path` cannot be written: a new one signs, and those that are in the
    /// file verify. What the new one signs is worth nothing after a crash, until it is
    /// [saved](Keys::save): nobody comes back with a number that is given out again.
    ///
    /// # Errors
    /// When there is a file, and it cannot be used.
    pub fn unwritten(path: &Path) -> Result<Keys, KeyError> {
        let file = match path.exists() {
            true => read(path)?,
            false => File::default(),
        };
        let malformed = |why: String| KeyError::Malformed(path.to_owned(), why);
        keys(&file).or_else(|why| match file.key.is_empty() {
            true => Ok(Keys::random()),
            false => Err(malformed(why)),
        })?;
        let io = |error| KeyError::Io(path.to_owned(), error);
        let file = file.with_new().map_err(io)?;
        let text = file.text().map_err(io)?;
        Ok(Keys {
            unwritten: Some(text),
            ..keys(&file).map_err(malformed)?
        })
    }

    /// Writes the file of keys that were [unwritten](Keys::unwritten).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        match &self.unwritten {
            Some(text) => write(path, text),
            None => Ok(()),
        }
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

/// Reads the file as it stands on disk.
fn read(path: &Path) -> Result<File, KeyError> {
    let io = |error| KeyError::Io(path.to_owned(), error);
    let metadata = fs::metadata(path).map_err(io)?;
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

/// Writes a new key file: complete under another name first, so that a crash leaves none or a
/// whole one.
fn write(path: &Path, text: &str) -> io::Result<()> {
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

fn parse(text: &str) -> Result<File, String> {
    // The parser's own message would quote the line, and with it the secret.
    toml::from_str(text).map_err(|_| "not a list of keys".to_owned())
}

fn keys(file: &File) -> Result<Keys, String> {
    if file.key.is_empty() || file.key.len() > KEYS_MAX {
        return Err(format!("{} keys, not 1 to {KEYS_MAX}", file.key.len()));
    }
    let mut keys: Vec<(u8, hmac::Key)> = Vec::new();
    for entry in &file.key {
        let secret = STANDARD
            .decode(&entry.secret)
            .ok()
            .filter(|secret| secret.len() == SECRET)
            .ok_or_else(|| format!("key {} is not {SECRET} bytes of base64", entry.id))?;
        if keys.iter().any(|(id, _)| *id == entry.id) {
            return Err(format!("key {} stands there twice", entry.id));
        }
        keys.push((entry.id, hmac::Key::new(hmac::HMAC_SHA256, &secret)));
    }
    Ok(Keys {
        keys,
        unwritten: None,
    })
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
        let read = |text: &str| keys(&parse(text).unwrap());
        let before = read(&text(&[(1, 5)])).unwrap();
        let after = read(&text(&[(2, 6), (1, 5)])).unwrap();
        assert!(after.verify(1, b"words", &before.tag(b"words")));
        assert_eq!(after.signing_id(), 2);
        assert!(read(&text(&[(1, 5), (1, 6)])).is_err());
    }

    #[test]
    fn keys_that_cannot_be_written_sign_for_now_and_are_written_later() {
        let folder = folder();
        let path = folder.path().join("keys.toml");
        let none = Keys::unwritten(&path).unwrap();
        assert!(!path.exists());
        none.save(&path).unwrap();
        let first = Keys::load(&path).unwrap();
        assert!(first.verify(1, b"words", &none.tag(b"words")));

        let second = Keys::unwritten(&path).unwrap();
        assert_eq!(second.signing_id(), 2);
        assert!(second.verify(1, b"words", &first.tag(b"words")));
        // Not saved: what it has signed is worth nothing.
        let again = Keys::unwritten(&path).unwrap();
        assert!(!again.verify(2, b"words", &second.tag(b"words")));
        again.save(&path).unwrap();
        let read = Keys::load(&path).unwrap();
        assert!(read.verify(2, b"words", &again.tag(b"words")));
        assert!(read.verify(1, b"words", &first.tag(b"words")));
    }
}
