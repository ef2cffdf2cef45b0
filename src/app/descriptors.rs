//! Open files: every connection is one, and the system gives us only so many.

use crate::config::{Config, Portal};
use crate::upstream::CONNECTIONS_PER_SLOT;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;

/// Descriptors for all that is neither a visitor's connection nor a portal's: store, logs,
/// listeners, desk, probes, the threads' own, and visitors who are only told that we are full
/// (`front` has at most 256 of those at once).
const RESERVE: u64 = 512;

/// Fewer connections from visitors than the file wants, for want of open files.
pub struct Few {
    connections: u64,
    wanted: usize,
    /// Open files that the system allows.
    limit: u64,
}

impl fmt::Display for Few {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "only {} connections from visitors instead of {} (limits.connections): the system allows \
             {} open files. Raise LimitNOFILE (systemd) or `ulimit -n`",
            self.connections, self.wanted, self.limit
        )
    }
}

/// Raises the number of open files as far as it may be, and lets in no more visitors'
/// connections than fit under it: running out in the middle of the work would hurt those inside.
pub fn fit(config: &mut Config) {
    if let Some(few) = few_of(config, raised()) {
        tracing::warn!("{few}");
        config.limits.connections = usize::try_from(few.connections).unwrap_or(usize::MAX);
    }
}

/// How few there would be, with as many open files as this process may have.
pub fn few(config: &Config) -> Option<Few> {
    few_of(config, getrlimit(Resource::Nofile).maximum)
}

/// `limit` is the number of files that may be open; nothing if unlimited.
fn few_of(config: &Config, limit: Option<u64>) -> Option<Few> {
    let limit = limit?;
    // Beside those in use, some are lent.
    let connections = |portal: &Portal| u64::from(portal.slots.most()) * CONNECTIONS_PER_SLOT;
    let slots = config.portals.iter().map(connections);
    // A tunnel or a stream of events has a connection to the portal beside those.
    let lasting = u64::from(config.limits.tunnels);
    let connections = room_for_visitors(limit, slots.sum::<u64>() + lasting);
    let wanted = config.limits.connections;
    (wanted as u64 > connections).then_some(Few {
        connections,
        wanted,
        limit,
    })
}

/// The number of files that may be open, raised to the most allowed; nothing if unlimited.
fn raised() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the number of open files cannot be raised");
            limit.current
        }
    }
}

/// Visitors' connections that fit beside the reserve and the portals' connections; where these
/// are more than half of all, visitors get the other half.
fn room_for_visitors(limit: u64, slots: u64) -> u64 {
    let others = RESERVE.saturating_add(slots);
    limit.saturating_sub(others).max(limit / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_get_what_the_others_leave_and_half_at_least() {
        assert_eq!(room_for_visitors(65_536, 1_024), 64_000);
        assert_eq!(room_for_visitors(1_024, 32), 512);
        assert_eq!(room_for_visitors(65_536, 100_000), 32_768);
        assert_eq!(room_for_visitors(0, 1), 1);
    }
}
