//! What is meant by a line that is not TOML, as far as one can see.

use super::{keys, values};
use std::ops::Range;

/// What an operator may write for true and for false.
const TRUE: [&str; 6] = ["true", "yes", "on", "oui", "vrai", "y"];
const FALSE: [&str; 6] = ["false", "no", "off", "non", "faux", "n"];
/// Other people's units of time, and ours: the longest first.
const UNITS: [(&str, &str); 12] = [
    ("secondes", "s"),
    ("seconde", "s"),
    ("minutes", "m"),
    ("minute", "m"),
    ("heures", "h"),
    ("heure", "h"),
    ("jours", "d"),
    ("jour", "d"),
    ("days", "d"),
    ("day", "d"),
    ("mn", "m"),
    ("j", "d"),
];

const LINE: &str = "a line is `key = value`, `[table]` or `[[room]]`; a comment begins with #";
const LIST: &str = "a list is `[\"a\", \"b\"]`: commas between, `]` at the end";
const TABLE: &str = "a table is `{ a = 1, b = 2 }`: commas between, `}` at the end";
const QUOTES: &str = "texts and lengths of time stand in double quotes, such as \"10m\"";

/// Where the fault is, the label and the help for what the parser complains of at `span` of `text`,
/// which belongs to the table of the name `table`.
pub(super) fn words(
    text: &str,
    span: Range<usize>,
    complaint: &str,
    table: &str,
) -> (Range<usize>, String, String) {
    const IS_VALUE: [&str; 6] = [
        "must be quoted",
        "invalid boolean",
        "invalid date",
        "invalid float",
        "invalid integer",
        "invalid time",
    ];
    if IS_VALUE.iter().any(|words| complaint.contains(words)) {
        let span = whole(text, span.clone());
        let line = Line::around(text, &span, table);
        if !line.at.is_empty() {
            let (label, help) = value(&line);
            return (span, label, help);
        }
    }
    let (label, help) = not_a_value(&Line::around(text, &span, table), complaint);
    (span, label, help)
}

/// All of the value at whose end or middle the parser gave up, as in `0.0.0.0:80` or `[::]:80`.
fn whole(text: &str, span: Range<usize>) -> Range<usize> {
    let ends = |c: char| c.is_whitespace() || "=[]{},#".contains(c);
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.min(text.len())).max(start);
    let before = text[..start].trim_end_matches(|c| !ends(c));
    let behind = text[end..].strip_prefix("]:");
    match (before.strip_suffix('['), behind) {
        (Some(before), Some(port)) => {
            let port = port.find(ends).unwrap_or(port.len());
            before.len()..end + "]:".len() + port
        }
        _ => before.len()..end,
    }
}

/// The label and the help for what is wrong elsewhere than in a value.
fn not_a_value(line: &Line<'_>, complaint: &str) -> (String, String) {
    let said = |help: &str| (complaint.to_owned(), help.to_owned());
    if let Some(help) = line.joint(complaint) {
        return (format!("`{}` stands here", line.at_first()), help);
    }
    if let Some(help) = line.twice(complaint).or_else(|| line.unjoined(complaint)) {
        return said(&help);
    }
    // The first that is found in the complaint counts.
    const HELP: [(&str, &str); 7] = [
        ("duplicate", "write each key once, and each `[table]` once"),
        ("array table", LINE),
        ("array", LIST),
        ("inline table", TABLE),
        (
            "escape",
            "in double quotes `\\` begins an escape: write `\\\\` for one, or the text in single quotes",
        ),
        ("string", QUOTES),
        ("leading zero", "write a number without zeros before it"),
    ];
    let known = HELP.iter().find(|(word, _)| complaint.contains(word));
    said(known.map_or(LINE, |(_, help)| help))
}

/// The label and the help for a bracket without an end, with which `text` begins.
pub(super) fn unclosed(text: &str) -> (&'static str, &'static str) {
    match text.starts_with('[') {
        true => ("this list has no end", LIST),
        false => ("this table has no end", TABLE),
    }
}

/// Whether `text` is somebody's word for true or false.
pub(super) fn truth(text: &str) -> Option<bool> {
    let text = text.to_lowercase();
    if TRUE.contains(&text.as_str()) {
        return Some(true);
    }
    FALSE.contains(&text.as_str()).then_some(false)
}

/// The whole number that is meant by groups of digits, as in `1 000`, `1.000` or `1,000`.
pub(super) fn joined(text: &str) -> Option<String> {
    let groups: Vec<&str> = text
        .split([' ', '.', ',', '\'', '\u{a0}', '\u{202f}'])
        .collect();
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_digit());
    let thousands = groups[1..].iter().all(|group| group.len() == 3);
    let first = (1..=3).contains(&groups[0].len());
    (groups.len() > 1 && thousands && first && groups.iter().all(digits)).then(|| groups.concat())
}

/// The length of time that is meant, as an operator writes it.
pub(super) fn length(text: &str) -> Option<String> {
    let plain = text.to_lowercase().replace([' ', '\u{a0}'], "");
    let ours = (UNITS.iter()).find_map(|(theirs, ours)| {
        let number = plain.strip_suffix(theirs)?;
        Some(format!("{number}{ours}"))
    });
    let meant = ours.unwrap_or(plain);
    (meant != text && values::length(&meant).is_some()).then_some(meant)
}

/// A line with what is wrong in it.
struct Line<'t> {
    /// The key whose value that is, if it is the whole of one.
    key: Option<&'t str>,
    /// What the parser complains of, and what follows it without a comment.
    at: &'t str,
    rest: &'t str,
    /// What stands before that.
    before: &'t str,
    /// The table to which it belongs.
    table: &'t str,
}

impl<'t> Line<'t> {
    fn around(text: &'t str, span: &Range<usize>, table: &'t str) -> Line<'t> {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.min(text.len())).max(start);
        let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let to = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let before = &text[from..start];
        let rest = text[start..to].split('#').next().unwrap_or_default();
        let key = before.trim_end().strip_suffix('=');
        let key = key
            .and_then(|key| key.rsplit(['{', ',']).next())
            .map(str::trim);
        Line {
            key: key.filter(|key| !key.is_empty()),
            at: text[start..end.min(to).max(start)].trim_end(),
            rest: rest.trim_end(),
            before,
            table,
        }
    }

    /// What would be right, if the header of a list of tables stands here for the second time, with the
    /// brackets of a single one.
    fn twice(&self, complaint: &str) -> Option<String> {
        let header = format!("{}{}", self.before, self.rest);
        let name = header.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
        (complaint.contains("duplicate") && keys::is_list(name))
            .then(|| format!("write `[[{name}]]`, with two brackets, above each one"))
    }

    /// What would be right, if nothing at all stands between a key and its value.
    fn unjoined(&self, complaint: &str) -> Option<String> {
        let (key, value) = (self.before.trim(), self.rest.trim());
        let words = value.split_whitespace().count();
        let quoted = value.starts_with(['"', '\'', '[', '{']);
        let plain =
            value.bytes().all(|byte| byte.is_ascii_digit()) || ["true", "false"].contains(&value);
        let value = match quoted || plain {
            true => value.to_owned(),
            false => format!("\"{value}\""),
        };
        // Several words are more likely a comment without its sign.
        (complaint.contains("key with no value") && (words == 1 || quoted))
            .then(|| format!("a key and its value are joined by one `=`: `{key} = {value}`"))
    }

    fn at_first(&self) -> &str {
        match self.rest.starts_with(":=") {
            true => ":=",
            false => &self.rest[..self.rest.chars().next().map_or(0, char::len_utf8)],
        }
    }

    /// What would be right with `value`: with its key, or in a list alone.
    fn with(&self, value: &str) -> String {
        match self.key {
            Some(key) => format!("{key} = {value}"),
            None => value.to_owned(),
        }
    }

    /// What would be right, if something else than one `=` stands between a key and its value.
    fn joint(&self, complaint: &str) -> Option<String> {
        let (before, rest) = (self.before.trim(), self.rest.trim_start());
        let key = before.trim_end_matches('=').trim();
        let bare = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let wrong = complaint.contains("unquoted key")
            || complaint.contains("key with no value")
            || complaint.contains("extra `=`");
        if !wrong || key.is_empty() || !key.chars().all(bare) {
            return None;
        }
        let joint = [":=", "=>", "->", ":", "="].into_iter();
        let value = (joint.clone().find_map(|joint| rest.strip_prefix(joint))).map(str::trim)?;
        let help = "a key and its value are joined by one `=`";
        Some(match value {
            "" => help.to_owned(),
            value => format!("{help}: `{key} = {value}`"),
        })
    }
}

/// A value that is neither a number nor in quotes.
fn value(line: &Line<'_>) -> (String, String) {
    let value = line.at;
    let help = |right: &str| format!("write `{}`", line.with(right));
    if let Some(number) = joined(value) {
        let label = "a whole number has no spaces, dots or commas".to_owned();
        return (label, help(&number));
    }
    if let Some(first) = first_of(value) {
        let label = format!("`{value}` is more than one value");
        let right = match first.bytes().all(|byte| byte.is_ascii_digit()) {
            true => help(first),
            false => self::value(&Line { at: first, ..*line }).1,
        };
        return (
            label,
            format!("{right}; a comment begins with #, and each key has a line"),
        );
    }
    if let Some(wanted) = number(line) {
        return wanted;
    }
    if let Some(truth) = truth(value) {
        let label = format!("`{value}` is not how {truth} is written");
        return (label, help(&truth.to_string()));
    }
    let label = format!("`{value}` is neither a number nor in quotes");
    let quoted = format!("\"{}\"", value.replace(['"', '\\'], ""));
    let unit = value.starts_with(|c: char| c.is_ascii_digit());
    let time = unit.then(|| length(value)).flatten();
    let quoted = time.map_or(quoted, |time| format!("\"{time}\""));
    let each = match line.key {
        Some(_) => "",
        None => ", and each other text of the list in quotes of its own",
    };
    (label, format!("{}{each}: {QUOTES}", help(&quoted)))
}

/// What stands before a second value, or before the comment of another language. The `//` of
/// `http://` is none.
fn first_of(value: &str) -> Option<&str> {
    let mut slashes = value.match_indices("//").map(|(at, _)| &value[..at]);
    let before = slashes.find(|before| {
        before.ends_with(char::is_whitespace) || before.bytes().all(|byte| byte.is_ascii_digit())
    });
    let first = before.or(value.split_once(';').map(|(first, _)| first))?;
    Some(first.trim_end()).filter(|first| !first.is_empty())
}

/// What is said of a value whose key wants a number: in quotes it would be as wrong.
fn number(line: &Line<'_>) -> Option<(String, String)> {
    let key = line.key?;
    let name = key.rsplit('.').next().unwrap_or(key).trim();
    let known = keys::AUTO.contains(&name);
    let auto = known && line.table != keys::NEVER_AUTO;
    if !known && !keys::NUMBERS.contains(&name) {
        return None;
    }
    let or_auto = format!("`{}`", line.with("\"auto\""));
    if auto && line.at.eq_ignore_ascii_case("auto") {
        let label = format!("`{}` is neither a number nor in quotes", line.at);
        return Some((label, format!("write {or_auto}")));
    }
    let label = format!("`{}` is not a whole number", line.at);
    let help = "write a whole number in digits, without a word or a unit behind it";
    Some((
        label,
        match auto {
            true => format!("{help}, or {or_auto}"),
            false => help.to_owned(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_seen() {
        assert_eq!(truth("Oui"), Some(true));
        assert_eq!(truth("FALSE"), Some(false));
        assert_eq!(truth("peut-être"), None);
        for (text, number) in [
            ("1 000", Some("1000")),
            ("1.000.000", Some("1000000")),
            ("12,000", Some("12000")),
            ("1.5", None),
            ("1000", None),
            ("1000.000", None),
            ("a.000", None),
        ] {
            assert_eq!(joined(text).as_deref(), number, "{text}");
        }
        for (text, meant) in [
            ("10 mn", Some("10m")),
            ("2 jours", Some("2d")),
            ("1 Heure", Some("1h")),
            ("bientôt", None),
            ("10", None),
        ] {
            assert_eq!(length(text).as_deref(), meant, "{text}");
        }
    }
}
