//! The sign-on flows of a room: what passes, and as what. The file's own keys and the presets
//! are read by the same reader, so that whatever a preset says an operator could write.

use super::hosts::HostPattern;
use super::presets;
use super::requests::{RequestPattern, RequestSet, call, request};
use super::table::Table;
use super::values::{list, string};
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

    /// The same, where requests that name a host hold at `hosts` instead; at every host of the room
    /// if there are none.
    pub(super) fn at(self, hosts: &[HostPattern]) -> Flows {
        self.map(|requests| requests.at(hosts))
    }

    /// The same with paths in whatever case.
    pub(super) fn ignoring_case(self) -> Flows {
        self.map(RequestSet::ignoring_case)
    }

    fn map(self, change: impl Fn(&RequestSet) -> RequestSet) -> Flows {
        Flows {
            open: change(&self.open),
            back_channels: change(&self.back_channels),
            callbacks: change(&self.callbacks),
            non_renewing: change(&self.non_renewing),
            logout: change(&self.logout),
            ..self
        }
    }

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

/// Reads the keys of a room with these hosts: what its presets say, and what it says itself beside
/// them.
pub(super) fn read(table: &mut Table<'_>, hosts: &[HostPattern]) -> Flows {
    let chosen = list(|field| presets::chosen(field, hosts));
    let presets = table.read_or("presets", chosen, Vec::new());
    let own = lists(table);
    check_hosts(table, &own, hosts);
    let presets = presets.into_iter();
    presets.fold(Flows::default(), Flows::and).and(own)
}

/// A request at a host that the room does not have would never be seen.
fn check_hosts(table: &Table<'_>, own: &Flows, hosts: &[HostPattern]) {
    for (key, requests) in Flows::LISTS {
        let named = requests(own).iter().flat_map(RequestPattern::hosts);
        for host in named.filter(|host| !host.meets(hosts)) {
            table.sink().wrong(
                table.span(&[key]),
                format!("`room.{key}` names a host that is not the room's"),
                format!("`{host}` is not among the room's hosts"),
                "write one of the hosts in `room.host`, or add it there",
            );
        }
    }
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
