//! Lines on their way to a file or a pipe: gathered in memory, and written many at a time by a
//! thread of their own.
//!
//! No visitor waits for a disk, and none pays for waking that thread: one line in a great many
//! does. What cannot be written fast enough is dropped, and counted.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use std::{io, mem};

/// A line waits this long for others to be written with it …
const GATHER: Duration = Duration::from_millis(100);
/// … or until there are so many bytes.
const GATHER_MAX: usize = 64 * 1024;
/// Bytes that may wait to be written; lines beyond are dropped.
const WAITING_MAX: usize = 8 * 1024 * 1024;
/// At the end, the last lines have this long to be written.
const END_MAX: Duration = Duration::from_secs(2);

/// Where lines are put.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

/// Keeps the writing going; when it is dropped, what waits is written.
pub struct Writing {
    lines: Lines,
    ended: Receiver<()>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// The first line waits, or as many as are written at a time, or there will be no more.
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    over: bool,
}

impl Lines {
    /// Lines that a new thread writes to `out`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<(Lines, Writing)> {
        let lines = Lines(Arc::default());
        let (end, ended) = mpsc::channel();
        let shared = lines.0.clone();
        let write = move || {
            shared.run(out);
            // Nobody may be waiting for it any longer.
            let _ = end.send(());
        };
        thread::Builder::new().name("log".into()).spawn(write)?;
        let writing = Writing {
            lines: lines.clone(),
            ended,
        };
        Ok((lines, writing))
    }

    /// Has a line written. It must end with a line break.
    pub fn put(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        let before = waiting.bytes.len();
        if before >= WAITING_MAX {
            drop(waiting);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes.extend_from_slice(line);
        let first = before == 0;
        let many = before < GATHER_MAX && waiting.bytes.len() >= GATHER_MAX;
        drop(waiting);
        if first || many {
            self.0.changed.notify_one();
        }
    }

    /// How many lines were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.lines.0.lock().over = true;
        self.lines.0.changed.notify_one();
        // A disk that has stopped must not stop us.
        let _ = self.ended.recv_timeout(END_MAX);
    }
}

impl Shared {
    /// Writes what comes until there will be no more.
    fn run(&self, mut out: impl Write) {
        let mut bytes = Vec::new();
        let mut failing = false;
        loop {
            let over = self.gather(&mut bytes);
            match out.write_all(&bytes).and_then(|()| out.flush()) {
                Ok(()) if mem::take(&mut failing) => {
                    tracing::info!("the access log can be written again");
                }
                Ok(()) => {}
                Err(error) => {
                    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
                    self.dropped.fetch_add(lines as u64, Ordering::Relaxed);
                    if !mem::replace(&mut failing, true) {
                        tracing::error!(%error, "the access log cannot be written: its lines are lost");
                    }
                }
            }
            if over {
                return;
            }
            bytes.clear();
        }
    }

    /// Waits for lines and for others to join them, and swaps them with `bytes`, which is empty.
    /// Returns whether these are the last.
    fn gather(&self, bytes: &mut Vec<u8>) -> bool {
        let waiting = self.lock();
        let idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.over;
        let waiting = self.changed.wait_while(waiting, idle);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let few = |waiting: &mut Waiting| waiting.bytes.len() < GATHER_MAX && !waiting.over;
        let gathered = self.changed.wait_timeout_while(waiting, GATHER, few);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut waiting.bytes, bytes);
        waiting.over
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A line that was broken off by a panic is a bad line, no more.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that takes one write at a time, when it is allowed to.
    struct Slow {
        allowed: Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.allowed.recv();
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Slow, mpsc::Sender<()>, Receiver<Vec<u8>>) {
        let (allow, allowed) = mpsc::channel();
        let (written, seen) = mpsc::channel();
        (Slow { allowed, written }, allow, seen)
    }

    fn put(lines: &Lines, line: &str) {
        lines.put(line.as_bytes());
    }

    #[test]
    fn lines_come_in_order_and_all_of_them_at_the_end() {
        let (out, allow, seen) = slow();
        drop(allow);
        let (lines, writing) = Lines::to(out).unwrap();
        (0..10_000).for_each(|number| put(&lines, &format!("{number}\n")));
        drop(writing);
        let text: Vec<u8> = seen.iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.lines()
                .eq((0..10_000).map(|number| number.to_string()))
        );
        assert_eq!(lines.dropped(), 0);
    }

    #[test]
    fn a_disk_that_stands_still_costs_lines_and_not_memory() {
        let (out, allow, seen) = slow();
        let (lines, writing) = Lines::to(out).unwrap();
        let line = format!("{}\n", "x".repeat(1_023));
        let most = 2 * WAITING_MAX / line.len() + 100;
        (0..most).for_each(|_| put(&lines, &line));
        drop(allow);
        drop(writing);
        let written = seen.iter().flatten().filter(|byte| *byte == b'\n').count();
        assert!(lines.dropped() >= 100, "{} dropped", lines.dropped());
        assert_eq!(written as u64 + lines.dropped(), most as u64);
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (lines, writing) = Lines::to(Full).unwrap();
        put(&lines, "one\n");
        put(&lines, "two\n");
        drop(writing);
        assert_eq!(lines.dropped(), 2);
    }
}
