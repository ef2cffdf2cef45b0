//! The file of the access log, opened anew when it was moved away (logrotate); or a pipe, whose reader
//! may come and go.

use crate::host;
use rustix::fs::{Access, access};
use socket2::SockRef;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that lines are added to.
pub struct LogFile {
    path: PathBuf,
    /// `None` while nobody reads the pipe, or the disk cannot make the file.
    file: Option<File>,
    reopen: Reopen,
}

/// Asks for a log file to be opened anew before its next line.
#[derive(Clone, Default)]
pub struct Reopen(Arc<AtomicBool>);

impl LogFile {
    /// Opens it, or makes it. A pipe that nobody reads, and a disk that is full, are no reason not to
    /// start: lines are lost, and counted, until that has changed.
    ///
    /// # Errors
    /// When it can be neither for another reason.
    pub fn open(path: &Path, reopen: Reopen) -> io::Result<LogFile> {
        let file = match append(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotConnected || host::is_of_disk(&error) => {
                let path = path.display();
                tracing::error!(
                    "the access log {path} cannot be written, and its lines are lost: {error}"
                );
                None
            }
            Err(error) => return Err(error),
        };
        Ok(LogFile {
            file,
            path: path.to_owned(),
            reopen,
        })
    }

    /// The file that lines go to now.
    ///
    /// # Errors
    /// When there is none, and none can be opened.
    fn file(&mut self) -> io::Result<&mut File> {
        if self.reopen.0.swap(false, Ordering::Relaxed) {
            match append(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) => {
                    let path = self.path.display();
                    tracing::error!("the old access log is kept: {path} cannot be opened: {error}");
                }
            }
        }
        match self.file.take() {
            Some(file) => Ok(self.file.insert(file)),
            None => Ok(self.file.insert(append(&self.path)?)),
        }
    }
}

impl Reopen {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file()?.write(bytes);
        if (written.as_ref()).is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            // Whoever read it has gone; somebody else may come.
            self.file = None;
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

/// Looks whether lines could be added to the file at `path`, which is there.
///
/// # Errors
/// Why they could not.
pub fn look(path: &Path) -> io::Result<()> {
    match is_pipe(path) {
        // Whoever waits for a writer takes the end of the first for the end of all.
        true => Ok(access(path, Access::WRITE_OK)?),
        false => OpenOptions::new().append(true).open(path).map(drop),
    }
}

fn append(path: &Path) -> io::Result<File> {
    match is_pipe(path) {
        true => pipe(path),
        false => OpenOptions::new().create(true).append(true).open(path),
    }
}

/// Whether it is a pipe (which may be named anywhere).
pub fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo())
}

/// Opens a pipe, but does not wait for a reader (`fifo(7)`).
fn pipe(path: &Path) -> io::Result<File> {
    let mut open = OpenOptions::new();
    let opened = open.write(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => io::Error::new(ErrorKind::NotConnected, "nobody reads this pipe"),
        _ => error,
    })?;
    // From here on a slow reader is waited for, by a thread that does nothing else.
    SockRef::from(&file).set_nonblocking(false)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    use std::process::Command;

    #[test]
    fn lines_go_to_the_new_file_once_asked() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let reopen = Reopen::default();
        let mut log = LogFile::open(&path, reopen.clone()).unwrap();
        log.write_all(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        log.write_all(b"two\n").unwrap();
        reopen.ask();
        log.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        reopen.ask();
        log.write_all(b"four\n").unwrap();
    }

    #[test]
    fn a_pipe_is_written_while_somebody_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let mut log = LogFile::open(&path, Reopen::default()).unwrap();
        let lost = log.write_all(b"one\n").unwrap_err();
        assert_eq!(lost.to_string(), "nobody reads this pipe");
        look(&path).unwrap();
        for line in ["two\n", "three\n"] {
            let mut open = OpenOptions::new();
            // Opened for both, it is not waited for.
            let mut reader = open.read(true).write(true).open(&path).unwrap();
            log.write_all(line.as_bytes()).unwrap();
            let mut read = [0; 16];
            let length = reader.read(&mut read).unwrap();
            assert_eq!(&read[..length], line.as_bytes());
            drop(reader);
            // It is noticed by the next line, which is lost, as is whatever comes until somebody reads.
            let gone = log.write_all(b"lost\n").unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
            assert!(log.write_all(b"lost\n").is_err());
        }
    }

    #[test]
    fn a_look_is_no_writer_to_whoever_waits_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut open = OpenOptions::new();
        open.read(true).custom_flags(libc::O_NONBLOCK);
        let reader = open.open(&path).unwrap();
        let hung_up = || {
            let mut polled = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
            poll(&mut polled, PollTimeout::ZERO).unwrap();
            polled[0].revents().unwrap().contains(PollFlags::POLLHUP)
        };
        look(&path).unwrap();
        assert!(!hung_up());
        drop(LogFile::open(&path, Reopen::default()).unwrap());
        assert!(hung_up(), "as it would be seen");
    }
}
