//! A configuration file: whatever is in it, there is a configuration or an error that can be
//! shown.

#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use preau::config::{Flows, Seen, Source, parse};

fuzz_target!(|text: &str| {
    // The last line is taken for a value given on the command line.
    let (text, last) = text.rsplit_once('\n').unwrap_or((text, ""));
    let overrides = match last.is_empty() {
        true => Vec::new(),
        false => vec![last.to_owned()],
    };
    let source = Source {
        name: "proxy.toml",
        text,
        overrides: &overrides,
    };
    match parse(source) {
        Ok(config) => {
            assert!(!config.portals.is_empty() && !config.rooms.is_empty());
            assert!(!config.listeners.is_empty());
            for room in &config.rooms {
                assert!(room.portal < config.portals.len());
                // The text stands in for a request, too.
                let (path, query) = text.split_once('?').unwrap_or((text, ""));
                let seen = Seen {
                    method: &Method::POST,
                    host: path,
                    path,
                    query,
                    form: None,
                };
                for (_, list) in Flows::LISTS {
                    list(&room.flows).contains(seen);
                }
            }
        }
        Err(problems) => assert!(!problems.render(false).is_empty()),
    }
});
