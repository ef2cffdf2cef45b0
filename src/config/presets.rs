//! Presets: what the sign-on systems and the families of portals use, as data. Each is a file of
//! its own in `presets/`, in the words of `[[room]]`, so that everything a preset says an operator
//! could write.

use super::flows::{self, Flows};
use super::hosts::{HOST_EXAMPLE, HostPattern};
use super::report::{Problems, Sink, Texts};
use super::requests::RequestPattern;
use super::table::{Field, Table};
use super::values::{choice, list, parsed};
use toml::de::DeTable;

/// The flows of one sign-on system or family of portals.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What an operator writes.
    pub name: &'static str,
    /// The file: comments that begin with what it is, then keys of `[[room]]`.
    pub text: &'static str,
}

impl Preset {
    /// Every preset: sign-on systems, then families of portals.
    pub const ALL: [Preset; 10] = [
        preset("cas", include_str!("presets/cas.toml")),
        preset("saml", include_str!("presets/saml.toml")),
        preset("oidc", include_str!("presets/oidc.toml")),
        preset("lemonldap", include_str!("presets/lemonldap.toml")),
        preset("entcore", include_str!("presets/entcore.toml")),
        preset("skolengo", include_str!("presets/skolengo.toml")),
        preset("pronote", include_str!("presets/pronote.toml")),
        preset("uportal", include_str!("presets/uportal.toml")),
        preset("moodle", include_str!("presets/moodle.toml")),
        preset("nextcloud", include_str!("presets/nextcloud.toml")),
    ];

    /// What it is for: the first line of the file.
    pub fn about(self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default();
        line.trim_start_matches(['#', ' '])
    }

    /// What it says.
    pub fn flows(self) -> Flows {
        self.read().expect("a test reads every preset")
    }

    fn read(self) -> Result<Flows, Problems> {
        let sink = Sink::default();
        let mut texts = Texts::default();
        texts.push(self.name, self.text);
        let (doc, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            sink.syntax(span, error.message().to_owned(), String::new());
        }
        let doc = doc.into_inner();
        let mut table = Table::top(&doc, &sink);
        let mut flows = flows::lists(&mut table);
        flows.presets.push(self.name);
        table.finish();
        match sink.problems(texts) {
            Some(problems) => Err(problems),
            None => Ok(flows),
        }
    }
}

/// Reads a preset of a room with `hosts`: its name, or a table that says at which of the hosts the
/// server is whose requests the preset knows by a host.
pub(super) fn chosen(field: Field<'_>, hosts: &[HostPattern]) -> Option<Flows> {
    let names = by_name();
    let name = choice(&names);
    let Some(mut table) = field.table() else {
        return at_its_hosts(name(field)?, field, hosts);
    };
    let preset = table.required("name", name, "\"lemonldap\"");
    let patterns = list(parsed(HostPattern::parse, HOST_EXAMPLE));
    let at = table.required("host", patterns, "\"auth.example.fr\"");
    table.finish();
    let (preset, at) = (preset?, at?);
    if let Some(host) = at.iter().find(|host| !host.meets(hosts)) {
        return field.wrong(
            format!("`{host}` is not among the room's hosts"),
            "write one of the hosts in `room.host`, or add it there",
        );
    }
    Some(preset.flows().at(&at))
}

/// A room of one host has everything there. In one of several, what is at the root of a server's own
/// host (`POST /`) must not hold at all the others.
fn at_its_hosts(preset: Preset, field: Field<'_>, hosts: &[HostPattern]) -> Option<Flows> {
    let flows = preset.flows();
    if matches!(hosts, [only] if only.is_one()) {
        return Some(flows.at(&[]));
    }
    let callbacks = &flows.callbacks;
    let mut named = callbacks.iter().map(RequestPattern::hosts);
    let lost = !callbacks.is_empty()
        && named.all(|at| !at.is_empty() && !at.iter().any(|host| host.meets(hosts)));
    if lost {
        let name = preset.name;
        return field.wrong(
            format!("which of the room's hosts is `{name}`?"),
            format!("write `{{ name = \"{name}\", host = \"…\" }}` with the host of its server"),
        );
    }
    Some(flows)
}

/// Every preset beside its name, for a reader of words.
fn by_name() -> [(&'static str, Preset); Preset::ALL.len()] {
    Preset::ALL.map(|preset| (preset.name, preset))
}

const fn preset(name: &'static str, text: &'static str) -> Preset {
    Preset { name, text }
}

#[cfg(test)]
mod tests;
