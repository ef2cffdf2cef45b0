//! `--set key=value`: a value from the command line, put where the file would have it.
//!
//! The key is dotted: `log.level`, `room.idle` (every room), `room.ent.idle` (the room named
//! `ent`). The value is TOML, or else is taken as a string, so that `30s` needs no quotes.

use super::recover::moved;
use super::report::{Sink, Texts};
use super::signs;
use super::table::Item;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

type Key<'a> = Spanned<DeString<'a>>;

/// Tables of `proxy.toml` of which there may be several.
pub(super) const LISTS: [&str; 3] = ["listener", "portal", "room"];

/// Puts every override into `doc`, later ones over earlier ones; `lists` are the tables of which
/// there may be several.
pub(super) fn apply<'a>(
    doc: &mut DeTable<'a>,
    overrides: &'a [String],
    lists: &[&str],
    texts: &mut Texts,
    sink: &Sink,
) {
    for text in overrides {
        let start = texts.push(&format!("--set {text}"), text);
        let Some((path, value)) = read(text, start, sink) else {
            continue;
        };
        if path.len() > 1 && lists.contains(&path[0].get_ref().as_ref()) {
            set_in_list(doc, &path, value, sink);
        } else {
            set(doc, &path, value, sink);
        }
    }
}

/// Reads `key=value`, which begins at the offset `start`.
fn read<'a>(text: &'a str, start: usize, sink: &Sink) -> Option<(Vec<Key<'a>>, Item<'a>)> {
    let all = start..start + text.len();
    let wrong = |span, label: &str| {
        let help = "write `--set key=value`, such as `--set room.idle=30s`";
        sink.wrong(span, "invalid `--set`", label, help);
        None
    };
    let Some((key, raw)) = text.split_once('=') else {
        return wrong(all, "there is no `=`");
    };
    let mut path = Vec::new();
    let mut at = start;
    for part in key.split('.') {
        let span = at..at + part.len();
        at = span.end + 1;
        if part.trim().is_empty() {
            return wrong(span, "a key is missing here");
        }
        path.push(Spanned::new(span, part.trim().into()));
    }
    let trimmed = raw.trim_start();
    let at = start + text.len() - trimmed.len();
    let value = trimmed.trim_end();
    if value.is_empty() {
        return wrong(all, "a value is missing after the `=`");
    }
    signs::look_in_value(value, at, sink);
    let item = match DeValue::parse(value) {
        Ok(item) => moved(item, &|within| at + within),
        Err(_) => Spanned::new(at..at + value.len(), DeValue::String(value.into())),
    };
    Some((path, item))
}

/// Sets `path` in `table`; tables on the way are made where they are missing.
fn set<'a>(table: &mut DeTable<'a>, path: &[Key<'a>], value: Item<'a>, sink: &Sink) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        // Removed first, because the map would keep the old key and its place in the file.
        table.remove(key.get_ref().as_ref());
        table.insert(key.clone(), value);
        return;
    }
    let inner = table
        .entry(key.clone())
        .or_insert_with(|| Spanned::new(key.span(), DeValue::Table(DeTable::new())));
    match inner.get_mut() {
        DeValue::Table(inner) => set(inner, rest, value, sink),
        _ => sink.wrong(
            key.span(),
            format!("`{}` is not a table", key.get_ref().escape_debug()),
            "has no keys below it",
            "",
        ),
    }
}

/// Sets `room.key` in every room, or `room.NAME.key` in the one of that name.
fn set_in_list<'a>(doc: &mut DeTable<'a>, path: &[Key<'a>], value: Item<'a>, sink: &Sink) {
    let (list, rest) = (&path[0], &path[1..]);
    let item = doc.entry(list.clone()).or_insert_with(|| {
        // A file without a room has one of defaults all the same.
        let mut array = DeArray::new();
        array.push(Spanned::new(list.span(), DeValue::Table(DeTable::new())));
        Spanned::new(list.span(), DeValue::Array(array))
    });
    let DeValue::Array(array) = item.get_mut() else {
        // The reader of the list reports what stands there instead.
        return;
    };
    let mut tables: Vec<&mut DeTable<'a>> = array
        .iter_mut()
        .filter_map(|item| match item.get_mut() {
            DeValue::Table(table) => Some(table),
            _ => None,
        })
        .collect();
    let (target, inner) = (rest[0].get_ref().as_ref(), &rest[1..]);
    let is_key =
        |table: &DeTable<'_>| matches!(target, "poll" | "health") || table.contains_key(target);
    if inner.is_empty() {
        for table in tables {
            set(table, rest, value.clone(), sink);
        }
    } else if let Some(table) = tables.iter_mut().find(|t| name(t) == Some(target)) {
        set(table, inner, value, sink);
    } else if tables.iter().any(|table| is_key(table)) {
        for table in tables {
            set(table, rest, value.clone(), sink);
        }
    } else {
        let names: Vec<&str> = tables.iter().filter_map(|table| name(table)).collect();
        sink.doubtful(
            rest[0].span(),
            format!("no {} is named `{}`", list.get_ref(), target.escape_debug()),
            "not a name in the file",
            format!("the names are: {}", names.join(", ")),
        );
        sink.about_missing(&format!("{}.name", list.get_ref()));
    }
}

/// The name of a portal or room: its own, or that of the room's portal.
fn name<'t>(table: &'t DeTable<'_>) -> Option<&'t str> {
    let own = table.get("name").or_else(|| table.get("portal"))?;
    own.get_ref().as_str()
}
