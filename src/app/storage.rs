//! Keys and store at the start: from the state folder, or in memory where its disk cannot be written.
//!
//! A disk that is full, or that the system has made read-only after an error, is no reason to leave a
//! school outside: a server that runs goes on with such a disk, and one that starts does, too. What the
//! disk still says is read. Whatever is new is signed with a key that is not written down yet: if the
//! server ends before it is, nobody holds a number that will be given out again.

use super::{StartError, again};
use crate::config::Config;
use crate::cookie::{KeyError, Keys};
use crate::host;
use crate::store::{Store, StoreError};
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What a server starts with.
pub struct Storage {
    /// The signing keys.
    pub keys: Keys,
    /// What was stored.
    pub store: Store,
    /// Why all of it is in memory, if it is: the first key is not in the file then.
    pub unwritten: Option<StartError>,
}

/// Keys and store in the state folder.
pub fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("keys.toml"), folder.join("store.redb"))
}

/// Makes the state folder, or finds it.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.and_then(|()| fs::metadata(path).map(drop))
}

/// What of the state folder's rights an operator should know: whoever may write there can put keys of
/// their own in the place of ours. Nothing if it is not there yet, as we make it for us alone.
pub fn doubt(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    let others = match () {
        () if mode & 0o022 != 0 => "can put files of their own there",
        () if mode & 0o007 != 0 => "can look into it",
        () => return None,
    };
    Some(format!(
        "other users {others}: the state folder {} has the mode {mode:04o}, and should have 0700 (`chmod \
         700`; systemd: StateDirectoryMode=0700)",
        path.display()
    ))
}

/// Opens keys and store, or begins in memory.
///
/// # Errors
/// When they cannot be used for another reason than the disk.
pub fn open(config: &Config) -> Result<Storage, StartError> {
    let (keys_path, store_path) = files(&config.state);
    let opened = (|| {
        make_folder(&config.state)
            .map_err(|error| StartError::State(config.state.clone(), error))?;
        let keys = Keys::load_or_create(&keys_path).map_err(StartError::Keys)?;
        let store = again::while_in_use(StoreError::is_in_use, || Store::open(&store_path))
            .map_err(StartError::Store)?;
        store.try_write().map_err(StartError::Store)?;
        Ok((keys, store))
    })();
    let error = match opened {
        Ok((keys, store)) => {
            return Ok(Storage {
                keys,
                store,
                unwritten: None,
            });
        }
        Err(error) => error,
    };
    // A folder that was never written, on a disk that cannot be, was set up so.
    let read_only = cause(&error).is_some_and(|it| it.kind() == ErrorKind::ReadOnlyFilesystem);
    if !cause(&error).is_some_and(host::is_of_disk) || read_only && !keys_path.exists() {
        return Err(error);
    }
    Ok(Storage {
        keys: Keys::unwritten(&keys_path).map_err(StartError::Keys)?,
        store: Store::in_memory(&store_path).map_err(StartError::Store)?,
        unwritten: Some(error),
    })
}

/// What the system has said.
fn cause(error: &StartError) -> Option<&io::Error> {
    match error {
        StartError::State(_, error) | StartError::Keys(KeyError::Io(_, error)) => Some(error),
        StartError::Store(error) => error.io(),
        _ => None,
    }
}
