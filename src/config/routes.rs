//! From the host and path of a request to its room: the most specific wins.

use super::RoomConfig;
use super::hosts::{HostPattern, plain_host};
use super::pattern::PathPattern;
use std::cmp::Reverse;
use std::collections::HashMap;

/// The rooms by host and path, ordered once so that a request is answered without allocation
/// (but for globs, and hosts in upper case).
///
/// The narrowest host comes first, then the narrowest path, then the order of the file. A host
/// whose rooms do not cover the path leaves it to the next wider host.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    exact: HashMap<Box<str>, Paths>,
    /// Narrowest first.
    wider: Vec<(HostPattern, Paths)>,
}

/// What the rooms of one host cover; values are indices of rooms.
#[derive(Clone, Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, usize>,
    /// Narrowest first.
    wider: Vec<(PathPattern, usize)>,
}

impl Routes {
    /// The routes to `rooms`.
    pub fn new(rooms: &[RoomConfig]) -> Routes {
        let mut routes = Routes::default();
        for (index, room) in rooms.iter().enumerate() {
            for host in &room.hosts {
                let paths = routes.paths_of(host);
                for path in &room.paths {
                    paths.add(path, index);
                }
            }
        }
        routes
            .wider
            .sort_by_key(|(host, _)| Reverse(host.specificity()));
        let wider = routes.wider.iter_mut().map(|(_, paths)| paths);
        for paths in routes.exact.values_mut().chain(wider) {
            paths
                .wider
                .sort_by_key(|(path, _)| Reverse(path.specificity()));
        }
        routes
    }

    /// The room that guards `path` (without a query string) on `host` (with or without a
    /// port): an index into [`Config::rooms`](super::Config::rooms). `None` if none does.
    pub fn room_for(&self, host: &str, path: &str) -> Option<usize> {
        let host = plain_host(host);
        let exact = self.exact.get(&*host).and_then(|paths| paths.find(path));
        exact.or_else(|| {
            self.wider
                .iter()
                .filter(|(pattern, _)| pattern.matches(&host))
                .find_map(|(_, paths)| paths.find(path))
        })
    }

    fn paths_of(&mut self, host: &HostPattern) -> &mut Paths {
        if let Some(name) = host.exact() {
            return self.exact.entry(name.into()).or_default();
        }
        let known = |(pattern, _): &(HostPattern, Paths)| pattern.as_str() == host.as_str();
        let at = self.wider.iter().position(known).unwrap_or_else(|| {
            self.wider.push((host.clone(), Paths::default()));
            self.wider.len() - 1
        });
        &mut self.wider[at].1
    }
}

impl Paths {
    fn add(&mut self, path: &PathPattern, room: usize) {
        match path.exact() {
            Some(exact) => {
                self.exact.entry(exact.into()).or_insert(room);
            }
            None => self.wider.push((path.clone(), room)),
        }
    }

    fn find(&self, path: &str) -> Option<usize> {
        self.exact.get(path).copied().or_else(|| {
            self.wider
                .iter()
                .find(|(pattern, _)| pattern.matches(path))
                .map(|(_, room)| *room)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source, parse};

    fn config() -> Config {
        let text = r#"
            portal = [{ servers = "http://127.0.0.1:9000" }]
            room = [
                { name = "rest" },
                { name = "ent", host = ["ent.x.fr", "www.x.fr"], path = "/cours/**" },
                { name = "exam", host = "ent.x.fr", path = ["/cours/exam", "/cours/*/exam"] },
                { name = "sub", host = "*.x.fr", path = "/**" },
                { name = "deep", host = "*.deep.x.fr", path = "/**" },
                { name = "exam2", host = "ent.x.fr", path = "/cours/{a,b}/**" },
            ]
        "#;
        parse(Source {
            name: "test.toml",
            text,
            overrides: &[],
        })
        .unwrap()
    }

    #[test]
    fn the_most_specific_room_wins() {
        let config = config();
        let routes = Routes::new(&config.rooms);
        for (host, path, room) in [
            ("elsewhere.fr", "/", "rest"),
            ("ent.x.fr", "/cours", "ent"),
            ("ent.x.fr", "/cours/y", "ent"),
            ("ENT.X.FR:8080", "/cours/y", "ent"),
            ("www.x.fr", "/cours/exam", "ent"),
            ("ent.x.fr", "/cours/exam", "exam"),
            ("ent.x.fr", "/cours/y/exam", "exam"),
            ("ent.x.fr", "/cours/a/y", "exam2"),
            ("ent.x.fr", "/", "sub"),
            ("a.x.fr", "/cours", "sub"),
            ("a.deep.x.fr", "/cours", "deep"),
            ("x.fr", "/cours", "rest"),
            ("", "/", "rest"),
        ] {
            let found = routes.room_for(host, path).unwrap();
            assert_eq!(config.rooms[found].name, room, "{host}{path}");
        }
    }

    #[test]
    fn what_no_room_covers_has_none() {
        let config = config();
        let routes = Routes::new(&config.rooms[1..2]);
        assert_eq!(routes.room_for("ent.x.fr", "/cours/a"), Some(0));
        assert_eq!(routes.room_for("ent.x.fr", "/"), None);
        assert_eq!(routes.room_for("x.fr", "/cours"), None);
    }
}
