//! The sign-on flows of a room: what passes, and as what. The file's own keys and the presets
//! are read by the same reader, so that whatever a preset says an operator could write.

use super::presets::{self, Preset};
use super::requests::{RequestSet, call, request};
use super::table::Table;
use super::values::{choice, list, string};
use std::collections::BTreeSet;

/// Which requests of a room are special. What no list names is an ordinary page.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    /// Presets that are in it, by name.
    pub presets: Vec<&'static str>,
    /// Public: never waits and takes no seat.
    pub open: RequestSet,
    /// Calls of other servers, without cookies: the same, counted apart.
    pub back_channels: RequestSet,
    /// One-time answers of a sign-on: never held, repeated or turned away.
    pub callbacks: RequestSet,
    /// A page's own keep-alive: does not renew the seat.
    pub non_renewing: RequestSet,
    /// Gives the seat back.
    pub logout: RequestSet,
    /// Parts of the user agents of apps, which are answered with JSON and never with a page.
    pub apps: Vec<String>,
}

/// A list of requests, and how it is read from the flows.
pub type FlowList = (&'static str, fn(&Flows) -> &RequestSet);

impl Flows {
    /// Every list of requests with its key in the file.
    pub const LISTS: [FlowList; 5] = [
        ("open", |flows| &flows.open),
        ("back_channels", |flows| &flows.back_channels),
        ("callbacks", |flows| &flows.callbacks),
        ("non_renewing", |flows| &flows.non_renewing),
        ("logout", |flows| &flows.logout),
    ];

    /// What either of the two says.
    fn and(self, other: Flows) -> Flows {
        let apps: BTreeSet<String> = self.apps.into_iter().chain(other.apps).collect();
        Flows {
            presets: [self.presets, other.presets].concat(),
            open: self.open.and(other.open),
            back_channels: self.back_channels.and(other.back_channels),
            callbacks: self.callbacks.and(other.callbacks),
            non_renewing: self.non_renewing.and(other.non_renewing),
            logout: self.logout.and(other.logout),
            apps: apps.into_iter().collect(),
        }
    }
}

impl Flows {
    /// The same with paths in whatever case.
    pub(super) fn ignoring_case(self) -> Flows {
        Flows {
            open: self.open.ignoring_case(),
            back_channels: self.back_channels.ignoring_case(),
            callbacks: self.callbacks.ignoring_case(),
            non_renewing: self.non_renewing.ignoring_case(),
            logout: self.logout.ignoring_case(),
            ..self
        }
    }
}

/// Reads the keys of a room: what its presets say, and what it says itself beside them.
pub(super) fn read(table: &mut Table<'_>) -> Flows {
    let presets = table.read_or("presets", list(choice(&presets::by_name())), Vec::new());
    let own = lists(table);
    let presets = presets.into_iter().map(Preset::flows);
    presets.fold(Flows::default(), Flows::and).and(own)
}

/// Reads the keys that a room and a preset have in common.
pub(super) fn lists(table: &mut Table<'_>) -> Flows {
    let calls = RequestSet::new(table.read_or("back_channels", list(call), Vec::new()));
    let mut requests = |key| RequestSet::new(table.read_or(key, list(request), Vec::new()));
    Flows {
        presets: Vec::new(),
        open: requests("open"),
        back_channels: calls,
        callbacks: requests("callbacks"),
        non_renewing: requests("non_renewing"),
        logout: requests("logout"),
        apps: table.read_or("apps", list(string), Vec::new()),
    }
}
