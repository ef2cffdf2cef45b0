//! What has changed in the file since the start: a reload says so, as it applies none of it.

use super::certificates;
use super::load::{self, lines};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Keys that are named in one message, at most.
const NAMED_MAX: usize = 40;
/// Errors that are told one by one, at most: a log is not the place to mend a file.
const ERRORS_MAX: usize = 20;

/// The file as it was when this process started.
pub struct Started {
    path: PathBuf,
    keys: BTreeMap<String, Value>,
    overrides: Vec<String>,
}

impl Started {
    /// Keeps in mind what the file at `path` says now; `overrides` replace its values.
    pub fn with(path: &Path, overrides: Vec<String>) -> Started {
        let text = load::text(path).unwrap_or_default();
        Started {
            path: path.to_owned(),
            keys: keys(&text),
            overrides,
        }
    }

    /// Says in the log what a restart would change, or that it would fail.
    pub fn compare(&self) {
        let path = self.path.display();
        let errors = self.errors();
        if !errors.is_empty() {
            tracing::error!(
                errors = errors.len(),
                "{path} has errors: what runs goes on as it is, and a restart would fail"
            );
            for error in errors.iter().take(ERRORS_MAX) {
                tracing::error!("{error}");
            }
            if errors.len() > ERRORS_MAX {
                let more = errors.len() - ERRORS_MAX;
                tracing::error!("and {more} more: `preau check --config {path}` shows them all");
            }
            return;
        }
        let text = load::text(&self.path).unwrap_or_default();
        let changed = changes(&self.keys, &keys(&text));
        match changed.as_slice() {
            [] => tracing::info!("{path} says what it said at the start"),
            changed => tracing::warn!(
                "{path} has changed and is valid, but this holds only after a restart (`systemctl \
                 restart preau`; whoever waits keeps their place): {}",
                named(changed)
            ),
        }
    }
}

impl Started {
    /// What `preau check` would say is wrong with the file, or with a certificate that it names.
    fn errors(&self) -> Vec<String> {
        match load::load(&self.path, &self.overrides) {
            Err(failure) => failure.lines(),
            Ok(config) => {
                let findings = certificates::look(&config, &[]);
                let problems = config.written.problems(findings.errors);
                problems.as_ref().map(lines).unwrap_or_default()
            }
        }
    }
}

/// Every key with its value, by its whole name: `room.ent.idle` for the room of that name.
fn keys(text: &str) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    if let Ok(table) = text.parse::<Table>() {
        flatten("", &table, &mut keys);
    }
    keys
}

fn flatten(prefix: &str, table: &Table, keys: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => flatten(&format!("{name}."), inner, keys),
            Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_table) => {
                let tables = list.iter().filter_map(Value::as_table).enumerate();
                for (index, inner) in tables {
                    let called = inner.get("name").and_then(Value::as_str).map(str::to_owned);
                    // An only one needs no name; of several, the place is one.
                    let called = called.or((list.len() > 1).then(|| (index + 1).to_string()));
                    let called = called.map_or(String::new(), |it| format!("{it}."));
                    flatten(&format!("{name}.{called}"), inner, keys);
                }
            }
            value => {
                keys.insert(name, value.clone());
            }
        }
    }
}

/// The names of keys that are new, gone, or have another value.
fn changes(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<String> {
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    let other = now
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value));
    let mut names: Vec<String> = gone.chain(other.map(|(key, _)| key)).cloned().collect();
    names.sort_unstable();
    names
}

fn named(names: &[String]) -> String {
    let shown = names.len().min(NAMED_MAX);
    let more = names.len() - shown;
    let mut text = names[..shown].join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: &str, now: &str) -> Vec<String> {
        changes(&keys(before), &keys(now))
    }

    #[test]
    fn keys_are_named_as_the_file_names_them() {
        let before = "listen = \"a\"\n[[portal]]\nservers = \"x\"\n[[room]]\nidle = \"1m\"\n";
        assert_eq!(changed(before, before), Vec::<String>::new());
        let now = "# a comment\nlisten = 'a'\n[[portal]]\nservers = \"y\"\nslots = 5\n[[room]]\n";
        assert_eq!(
            changed(before, now),
            ["portal.servers", "portal.slots", "room.idle"]
        );
    }

    #[test]
    fn of_several_rooms_the_name_is_said() {
        let rooms = |idle: &str| {
            format!(
                "[[room]]\nname = \"a\"\nidle = \"{idle}\"\n[[room]]\nname = \"b\"\nidle = \"1m\"\n\
                 [[room.lane]]\npath = \"/x\"\n[[room.lane]]\nweight = {}\n",
                idle.len()
            )
        };
        assert_eq!(
            changed(&rooms("1m"), &rooms("10m")),
            ["room.a.idle", "room.b.lane.2.weight"]
        );
    }

    #[test]
    fn no_message_is_endless() {
        let many: Vec<String> = (0..NAMED_MAX + 3).map(|it| format!("k{it}")).collect();
        assert!(named(&many).ends_with(" and 3 more"));
    }
}
