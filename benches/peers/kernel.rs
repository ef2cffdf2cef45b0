//! What the kernel has counted for a program and its children.

use crate::Outcome;
use std::fs;
use std::path::Path;

/// Bytes of a page of memory, as `/proc/<pid>/statm` counts them on the machines we run on.
const PAGE: u64 = 4_096;

/// A program and everything that it has started.
#[derive(Clone, Copy)]
pub struct Tree(pub u32);

impl Tree {
    /// Nanoseconds that its threads have run, in user space and in the kernel.
    ///
    /// # Errors
    /// When the program has ended, or the kernel keeps no such account.
    pub fn cpu_nanos(self) -> Outcome<u64> {
        let mut nanos = 0;
        for pid in self.pids()? {
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                let account = fs::read_to_string(task?.path().join("schedstat"))?;
                let ran = account.split_whitespace().next();
                nanos += ran.ok_or("an empty schedstat")?.parse::<u64>()?;
            }
        }
        Ok(nanos)
    }

    /// Bytes of memory that it holds now. What its processes share is counted once for each.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn resident(self) -> Outcome<u64> {
        let mut bytes = 0;
        for pid in self.pids()? {
            let pages = fs::read_to_string(format!("/proc/{pid}/statm"))?;
            let resident = pages.split_whitespace().nth(1);
            bytes += resident.ok_or("an empty statm")?.parse::<u64>()? * PAGE;
        }
        Ok(bytes)
    }

    fn pids(self) -> Outcome<Vec<u32>> {
        let mut pids = vec![self.0];
        let mut at = 0;
        while let Some(parent) = pids.get(at) {
            let children = format!("/proc/{parent}/task/{parent}/children");
            if !Path::new(&children).exists() {
                return Err(format!("process {parent} has ended").into());
            }
            for child in fs::read_to_string(children)?.split_whitespace() {
                pids.push(child.parse()?);
            }
            at += 1;
        }
        Ok(pids)
    }
}
