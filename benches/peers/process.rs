//! Programs that we start, one core each, and end.

use crate::Outcome;
use crate::client;
use crate::contestants::Ports;
use crate::kernel::Tree;
use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How often we look whether a program listens, or has ended …
const LOOK: Duration = Duration::from_millis(5);
/// … and how many times at most: 10 seconds.
const LOOKS_MAX: usize = 2_000;

/// A program that listens; it ends when this is dropped.
pub struct Running {
    child: Child,
    home: TempDir,
    /// Where it listens.
    pub ports: Ports,
}

impl Running {
    /// Starts `command` on `core`; returns when it listens.
    ///
    /// # Errors
    /// With what it said, when it does not come to that.
    pub fn start(command: &[String], core: usize, home: TempDir, ports: Ports) -> Outcome<Running> {
        let output = File::create(home.path().join("output"))?;
        let child = Command::new("taskset")
            .args(["--cpu-list", &core.to_string()])
            .args(command)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut running = Running { child, home, ports };
        let listens = |running: &mut Running| client::listens(running.ports.plain);
        if running.look_until(listens) && !running.has_ended() {
            return Ok(running);
        }
        let said = std::fs::read_to_string(running.home.path().join("output"))?;
        Err(format!("{} does not start:\n{said}", command.join(" ")).into())
    }

    /// What the kernel counts for it.
    pub fn tree(&self) -> Tree {
        Tree(self.child.id())
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Looks until it is so, or the program has ended, or for too long.
    fn look_until(&mut self, so: impl Fn(&mut Running) -> bool) -> bool {
        (0..LOOKS_MAX).any(|_| {
            let done = so(self) || self.has_ended();
            if !done {
                thread::sleep(LOOK);
            }
            done
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first: nginx's workers would outlive a master that is killed.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if !self.look_until(Running::has_ended) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
