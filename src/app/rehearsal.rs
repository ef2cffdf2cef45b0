//! What would keep `serve` from starting here, tried without leaving anything behind.

use super::{StartError, bind, descriptors, log_file, storage};
use crate::config::{AccessFormat, Complaint, Config};
use crate::cookie::Keys;
use crate::host;
use crate::store::Store;
use rustix::process::geteuid;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is tried in a folder is called so, and then by chance.
const TRIAL: &str = ".preau-check-";
/// Bytes written to see whether there is room for some.
const SOME_ROOM: usize = 64 * 1024;
/// The modes of everybody but the owner: to read, to write, to pass through a folder.
const READ: u32 = 0o044;
const WRITE: u32 = 0o022;
const PASS: u32 = 0o011;

/// What came of it.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// What would end `serve`.
    pub obstacles: Vec<Complaint>,
    /// What would not, and what somebody wants to know.
    pub notes: Vec<String>,
    /// What `serve` would warn of.
    pub warnings: Vec<String>,
}

/// Tries what `serve` would do with state, listeners and access log. `running` says whether a preau
/// runs from this file already: what it holds is no obstacle.
pub fn rehearse(config: &Config, running: impl Fn() -> bool) -> Rehearsal {
    let mut rehearsal = Rehearsal::default();
    rehearsal.state(&config.state, &running);
    rehearsal.warnings.extend(storage::doubt(&config.state));
    let of_shell = descriptors::few(config).map(|few| {
        format!(
            "{few}. This is the limit of the shell that runs this: a service has that of its unit"
        )
    });
    rehearsal.warnings.extend(of_shell);
    for (key, error) in bind::trials(config) {
        match &error {
            StartError::Listen(_, at, why) if why.kind() == ErrorKind::AddrInUse && running() => {
                let note = format!("{at} is in use by the preau that runs now");
                rehearsal.notes.push(note);
            }
            _ => rehearsal.obstacle(&key, &error),
        }
    }
    if let Some(path) = access_file(config) {
        rehearsal.access_file(path);
    }
    rehearsal
}

/// The file of the access log, if there is anything to write.
pub fn access_file(config: &Config) -> Option<&PathBuf> {
    let file = config.log.access_file.as_ref();
    file.filter(|_| config.log.access != AccessFormat::Off)
}

impl Rehearsal {
    fn obstacle(&mut self, key: &str, error: &StartError) {
        self.obstacles.push(Complaint {
            key: key.to_owned(),
            nth: 0,
            message: error.to_string(),
            label: "`serve` would not start with this".to_owned(),
            help: String::new(),
        });
    }

    fn state(&mut self, folder: &Path, running: &impl Fn() -> bool) {
        let tried = match fs::metadata(folder) {
            Ok(_) => try_file(folder),
            Err(error) if error.kind() == ErrorKind::NotFound => try_folder(existing(folder)),
            Err(error) => Err(error),
        };
        match tried {
            Err(error) if host::is_of_disk(&error) => self.notes.push(format!(
                "the state folder {} has no room ({error}): `serve` would start with everything in \
                 memory, and say so until it can be written",
                folder.display()
            )),
            Err(error) => self.obstacle("state", &StartError::State(folder.to_owned(), error)),
            Ok(()) => {}
        }
        let (keys, store) = storage::files(folder);
        if keys.exists()
            && let Err(error) = Keys::load(&keys)
        {
            self.obstacle("state", &StartError::Keys(error));
        }
        if store.exists()
            && let Err(error) = Store::look(&store)
        {
            match error.is_in_use() && running() {
                true => {}
                false => self.obstacle("state", &StartError::Store(error)),
            }
        }
    }

    fn access_file(&mut self, path: &Path) {
        let tried = match fs::metadata(path) {
            Ok(_) => log_file::look(path),
            Err(error) if error.kind() == ErrorKind::NotFound => match path.parent() {
                Some(folder) if folder != Path::new("") => try_file(folder),
                _ => try_file(Path::new(".")),
            },
            Err(error) => Err(error),
        };
        match tried {
            Ok(()) if log_file::is_pipe(path) => self.notes.push(format!(
                "the access log {} is a pipe: lines are lost while nobody reads it",
                path.display()
            )),
            Err(error) if !host::is_of_disk(&error) => {
                let error = StartError::AccessLog(path.to_owned(), error);
                self.obstacle("log.access_file", &error);
            }
            _ => {}
        }
    }
}

/// Who tries: the user's name, or its number.
pub fn user() -> String {
    let id = geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut users = users.lines().map(|line| line.split(':'));
    let name = users.find_map(|mut user| {
        let name = user.next()?;
        (user.nth(1) == Some(&id)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("number {id}"))
}

/// Whether everything may be read and written here: by root.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// What of the files in use only root can reach: whoever runs as another user can not.
pub fn only_root(config: &Config) -> Vec<PathBuf> {
    let (keys, store) = storage::files(&config.state);
    let pairs = config.tls.certificates.iter();
    let read = pairs.flat_map(|pair| [&pair.cert, &pair.key]);
    let read = read.filter(|path| is_only_roots(path, READ)).cloned();
    let log = access_file(config).cloned();
    let written = [Some(config.state.clone()), Some(keys), Some(store), log];
    let written = written.into_iter().flatten();
    read.chain(written.filter(|path| is_only_roots(path, WRITE)))
        .collect()
}

/// Whether `path` is there, is root's, and lets nobody else do what `mode` says.
fn is_only_roots(path: &Path, mode: u32) -> bool {
    let Ok(path) = fs::canonicalize(path) else {
        return false;
    };
    let of_root = |path: &Path| fs::metadata(path).ok().filter(|it| it.uid() == 0);
    // What belongs to somebody was made for them: systemd leads its users past closed folders.
    let Some(own) = of_root(&path) else {
        return false;
    };
    let closed = |folder: &Path| of_root(folder).is_some_and(|it| it.mode() & PASS == 0);
    own.mode() & mode == 0 || path.ancestors().skip(1).any(closed)
}

/// The first folder above `path` that is there.
fn existing(path: &Path) -> &Path {
    let above = path.ancestors().skip(1);
    let there = |folder: &&Path| folder.as_os_str().is_empty() || folder.exists();
    { above }.find(there).unwrap_or(Path::new("/"))
}

/// A name in `folder` that nobody else can have prepared: it may be a folder of the service's user, and
/// we may be root.
fn trial(folder: &Path) -> PathBuf {
    folder.join(format!("{TRIAL}{:016x}", host::seed()))
}

/// Makes a file with some bytes in `folder`, and takes it away. What is there already stays as it is,
/// and a link is not followed.
fn try_file(folder: &Path) -> io::Result<()> {
    let path = trial(folder);
    let mut file = File::create_new(&path)?;
    let written = file.write_all(&[0; SOME_ROOM]);
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Makes a folder in `folder`, and takes it away.
fn try_folder(folder: &Path) -> io::Result<()> {
    let path = trial(folder);
    fs::create_dir(&path)?;
    fs::remove_dir(&path)
}
