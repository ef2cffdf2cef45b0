//! What an operator means by a key or a word that is not known: a slip, a key of another table, a word
//! of their own language.

use super::parse;
use super::report::Sink;
use std::sync::OnceLock;
use toml::de::DeTable;

/// How alike an unknown word must be to a known one to be taken for a slip (0 to 1).
const SLIP: f64 = 0.75;
/// The same, although another table has a key of just that name.
const CLEAR_SLIP: f64 = 0.92;
/// The place of keys that stand in no table.
pub(super) const TOP: &str = "the top level";
/// Tables that are named to whom a key belongs.
const NAMED_MAX: usize = 3;

/// A file with every table, so that its reader tells which keys each of them has.
const EVERY_TABLE: &str = "\
    [cookie]\n[log]\n[limits]\n[tls]\n[[tls.certificates]]\n[acme]\n[trust]\n[[listener]]\n\
    [[portal]]\n[portal.health]\n[[room]]\n[room.poll]\n[room.opening]\n[[room.schedule]]\n\
    [[room.lane]]\n";

/// French and other words for ours: the first is what an operator may write, in lower case.
const WORDS: [(&str, &str); 74] = [
    ("portail", "portal"),
    ("portails", "portal"),
    ("portals", "portal"),
    ("upstream", "portal"),
    ("backend", "portal"),
    ("salle", "room"),
    ("salles", "room"),
    ("rooms", "room"),
    ("ecoute", "listen"),
    ("écoute", "listen"),
    ("adresse", "address"),
    ("etat", "state"),
    ("état", "state"),
    ("serveur", "servers"),
    ("serveurs", "servers"),
    ("server", "servers"),
    ("url", "servers"),
    ("sante", "health"),
    ("santé", "health"),
    ("nom", "name"),
    ("hote", "host"),
    ("hôte", "host"),
    ("hotes", "host"),
    ("hosts", "host"),
    ("domaine", "host"),
    ("domain", "host"),
    ("chemin", "path"),
    ("chemins", "path"),
    ("paths", "path"),
    ("places", "seats"),
    ("sieges", "seats"),
    ("sièges", "seats"),
    ("seat", "seats"),
    ("users", "seats"),
    ("max_users", "seats"),
    ("capacity", "seats"),
    ("creneaux", "slots"),
    ("créneaux", "slots"),
    ("inactivite", "idle"),
    ("inactivité", "idle"),
    ("session", "idle"),
    ("timeout", "idle"),
    ("par_minute", "per_minute"),
    ("debit", "per_minute"),
    ("débit", "per_minute"),
    ("poids", "weight"),
    ("horaires", "schedule"),
    ("horaire", "schedule"),
    ("ouverture", "opening"),
    ("voie", "lane"),
    ("file", "queue"),
    ("attente", "queue"),
    ("titre", "title"),
    ("reseau", "network"),
    ("réseau", "network"),
    ("quand", "when"),
    ("entre", "enters"),
    ("entree", "enters"),
    ("message", "notice"),
    ("annonce", "notice"),
    ("certificat", "certificates"),
    ("certificats", "certificates"),
    ("certificate", "certificates"),
    ("journal", "log"),
    ("limites", "limits"),
    ("deconnexion", "logout"),
    ("déconnexion", "logout"),
    ("ouvert", "open"),
    ("ouverte", "open"),
    ("observer", "observe"),
    ("retenir", "hold"),
    ("suspendu", "hold"),
    ("ferme", "closed"),
    ("fermé", "closed"),
];

/// Keys that want a whole number, or "auto".
pub(super) const AUTO: [&str; 2] = ["seats", "slots"];
/// The table in which they want a number.
pub(super) const NEVER_AUTO: &str = "lane";
/// Keys that want a whole number.
pub(super) const NUMBERS: [&str; 26] = [
    "block",
    "body_rate",
    "budget",
    "callback_reserve",
    "callbacks_burst",
    "callbacks_per_minute",
    "connections",
    "connections_per_address",
    "fall",
    "line_max",
    "per_minute",
    "reserve",
    "seats_max",
    "seats_min",
    "server_slots",
    "slot_queue",
    "slots_max",
    "slots_min",
    "streams",
    "take_rate",
    "threads",
    "tickets_burst",
    "tickets_per_minute",
    "tunnels",
    "waiting_status",
    "weight",
];

/// The keys of one table, by its heading as an operator writes it.
pub(super) type Tables = Vec<(String, Vec<&'static str>)>;

/// What is meant by an unknown key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meant {
    /// What an operator reads, with a space at the end; empty if nobody knows.
    pub(super) words: String,
    /// The key of the same table.
    pub(super) key: Option<&'static str>,
}

/// What `name` means in the table `place`, whose keys are `known`; `tables` are all of the file. Where
/// a table is written (`is_table`), the heading of one is said.
pub(super) fn meant(
    name: &str,
    place: &str,
    known: &[&'static str],
    tables: &Tables,
    is_table: bool,
) -> Meant {
    let word = translated(name);
    let here = word.and_then(|word| known.iter().find(|key| **key == word).copied());
    let slip = nearest(name, known);
    let clear = slip.filter(|known| strsim::jaro_winkler(name, known) >= CLEAR_SLIP);
    let elsewhere = [name].into_iter().chain(word).find_map(|key| {
        let tables = belongs(key, place, tables)?;
        Some(match key == name {
            true => format!("`{key}` belongs in {tables}; "),
            false => format!("did you mean `{key}`, in {tables}? "),
        })
    });
    let key = match here.or(clear) {
        None if elsewhere.is_none() => slip,
        key => key,
    };
    let here = key.map(|key| {
        let above = match place {
            TOP => String::new(),
            place => format!("{}.", place.trim_matches(['[', ']', '`'])),
        };
        let headings = [format!("[[{above}{key}]]"), format!("[{above}{key}]")];
        let mut headings = headings.iter().map(String::as_str);
        let heading = headings.find(|it| tables.iter().any(|(known, _)| known == it));
        let meant = heading.filter(|_| is_table || place == TOP);
        format!("did you mean `{}`? ", meant.unwrap_or(key))
    });
    Meant {
        words: here.or(elsewhere).unwrap_or_default(),
        key,
    }
}

/// The other tables that have the key `name`.
fn belongs(name: &str, place: &str, tables: &Tables) -> Option<String> {
    let others = tables.iter().filter(|(heading, _)| heading != place);
    let mut having: Vec<&str> = others
        .filter(|(_, keys)| keys.contains(&name))
        .map(|(heading, _)| heading.as_str())
        .collect();
    // A room before its lanes.
    having.sort_by_key(|heading| heading.matches('.').count());
    having.truncate(NAMED_MAX);
    (!having.is_empty()).then(|| having.join(" or "))
}

/// Whether there may be several tables of the name `key`, as in `room.lane`.
pub(super) fn is_list(key: &str) -> bool {
    let list = format!("[[{key}]]");
    of_config().iter().any(|(heading, _)| *heading == list)
}

/// Whether one of two keys, as in `room.idle`, may be the other, or a table in which it stands.
pub(super) fn touches(one: &str, other: &str) -> bool {
    let parts = |key: &str| -> Vec<String> {
        let parts = key.split('.').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let both = parts(one).into_iter().zip(parts(other));
    { both }.all(|(one, other)| one == other || word(&one, &[other.as_str()]).is_some())
}

/// The word among `words` that `text` means, if it is clear.
pub(super) fn word<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    let text = text.to_lowercase();
    let word = translated(&text).unwrap_or(&text);
    let exact = words.iter().find(|known| **known == word);
    exact.copied().or_else(|| nearest(&text, words))
}

fn translated(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let found = WORDS.iter().find(|(theirs, _)| *theirs == name);
    found.map(|(_, ours)| *ours)
}

/// The name most like `name`, if one is like it enough to be meant.
pub(super) fn nearest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    names
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .filter(|(likeness, _)| *likeness >= SLIP)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// The tables of a configuration with their keys.
pub(super) fn of_config() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let sink = Sink::default();
        let (doc, _) = DeTable::parse_recoverable(EVERY_TABLE);
        parse::read(doc.get_ref(), &sink);
        sink.take_tables()
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::Texts;
    use super::*;

    #[test]
    fn every_table_of_the_file_is_known_with_its_keys() {
        let tables = of_config();
        for (heading, key) in [
            ("the top level", "listen"),
            ("[cookie]", "secure"),
            ("[log]", "access_file"),
            ("[limits]", "streams"),
            ("[tls]", "min_version"),
            ("[[tls.certificates]]", "cert"),
            ("[acme]", "contact"),
            ("[trust]", "proxies"),
            ("[[listener]]", "proxy_from"),
            ("[[portal]]", "servers"),
            ("[portal.health]", "fall"),
            ("[[room]]", "idle"),
            ("[room.poll]", "budget"),
            ("[room.opening]", "early"),
            ("[[room.schedule]]", "notice"),
            ("[[room.lane]]", "enters"),
        ] {
            let found = tables.iter().find(|(known, _)| known == heading);
            let keys = &found.unwrap_or_else(|| panic!("{heading}: {tables:?}")).1;
            assert!(keys.contains(&key), "{heading}: {keys:?}");
        }
        let words = WORDS.iter().map(|(_, ours)| *ours);
        let modes = ["open", "observe", "queue", "hold", "closed"];
        for word in words.filter(|word| !modes.contains(word)) {
            assert!(
                tables.iter().any(|(_, keys)| keys.contains(&word)),
                "{word}"
            );
        }
    }

    #[test]
    fn every_key_that_wants_a_number_is_known_as_one() {
        let mut wanted: Vec<&str> = Vec::new();
        for (heading, keys) in of_config() {
            let heading = heading.strip_prefix("the").map_or(heading.as_str(), |_| "");
            for key in keys {
                let text = format!("{heading}\n{key} = \"x\"\n");
                let sink = Sink::default();
                let (doc, _) = DeTable::parse_recoverable(&text);
                parse::read(doc.get_ref(), &sink);
                let mut texts = Texts::default();
                texts.push("proxy.toml", &text);
                let shown = sink.problems(texts).map(|it| it.to_string());
                let shown = shown.unwrap_or_default();
                let number = ["expected a whole number", "neither `\"auto\"` nor a number"];
                if number.iter().any(|words| shown.contains(words)) {
                    wanted.push(key);
                }
            }
        }
        let mut known: Vec<&str> = NUMBERS.into_iter().chain(AUTO).collect();
        known.sort_unstable();
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(wanted, known);
    }
}
