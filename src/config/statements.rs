//! Where the statements of a text begin and end, as far as one can see where it is not TOML.

use super::signs;
use std::ops::Range;

/// A header, or a key with its value, and the lines up to the next one.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kind: Kind,
    /// Whole lines.
    pub(super) span: Range<usize>,
    /// The table in which it stands, as in `room.lane`; empty at the top.
    section: String,
    /// Its key, with its table.
    pub(super) key: String,
    /// The first bracket that has no end.
    pub(super) open: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[table]` or `[[room]]`.
    Header,
    /// `key = value`.
    Pair,
    /// Neither.
    Other,
}

/// Lines over which a list goes, at most, if its end is to be found.
const LIST_LINES_MAX: usize = 1024;

/// The statements of a text; together they are all of it.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let bare = signs::bare(text);
    let lines: Vec<&str> = bare.split_inclusive('\n').collect();
    let mut list: Vec<Statement> = Vec::new();
    let mut section = String::new();
    let (mut nth, mut start) = (0, 0);
    while nth < lines.len() {
        let line = lines[nth];
        let kind = kind(line.trim(), false).unwrap_or(Kind::Other);
        let name = name(line);
        if kind == Kind::Header {
            section = name.to_owned();
        }
        let key = match kind {
            Kind::Header => section.clone(),
            _ if name.is_empty() => format!("{section}.?"),
            _ => format!("{section}.{name}"),
        };
        let (more, open) = match kind {
            Kind::Header => (1 + blank(&lines[nth + 1..]), None),
            _ => lines_of_value(&lines[nth..]),
        };
        let bytes: usize = lines[nth..nth + more].iter().map(|it| it.len()).sum();
        list.push(Statement {
            kind,
            span: start..start + bytes,
            section: section.clone(),
            key,
            open: open.map(|open| start + open),
        });
        nth += more;
        start += bytes;
    }
    list
}

/// How many of `lines` belong to the statement that begins with them, and the first bracket in it that
/// has no end, by its offset.
fn lines_of_value(lines: &[&str]) -> (usize, Option<usize>) {
    let mut brackets = Vec::new();
    let mut at = 0;
    let first_open = count(lines[0], at, &mut brackets).first().copied();
    for (nth, line) in lines.iter().enumerate().skip(1).take(LIST_LINES_MAX) {
        if brackets.is_empty() {
            return (nth + blank(&lines[nth..]), None);
        }
        if is_header(line.trim()) {
            break;
        }
        at += lines[nth - 1].len();
        count(line, at, &mut brackets);
    }
    if brackets.is_empty() {
        return (lines.len().min(LIST_LINES_MAX + 1), None);
    }
    let goes_on = |line: &&&str| kind(line.trim(), true).is_none();
    (
        1 + lines[1..].iter().take_while(goes_on).count(),
        first_open,
    )
}

/// How many of `lines` have nothing in them, up to the first that has something.
fn blank(lines: &[&str]) -> usize {
    lines
        .iter()
        .take_while(|line| line.trim().is_empty())
        .count()
}

impl Statement {
    /// The name of the table to which what stands at `at` belongs.
    pub(super) fn table_at(&self, text: &str, at: usize) -> &str {
        let before = &text[self.span.start..text.floor_char_boundary(at).max(self.span.start)];
        let of = if before.contains('{') {
            &self.key
        } else {
            &self.section
        };
        of.rsplit('.').next().unwrap_or_default()
    }

    /// The header that a broken one is meant to be; one that nobody knows if that cannot be seen, so
    /// that what stands below it belongs to no other table. It is the statement `nth` of `text`.
    pub(super) fn meant_header(&self, text: &str, nth: usize) -> String {
        let written = text[self.span.clone()].trim_start();
        let brackets = |sign: char| written.matches(sign).count();
        match (self.section.as_str(), brackets('['), brackets(']')) {
            ("", ..) => format!("[unread-{nth}]"),
            (name, 1, 0 | 1) => format!("[{name}]"),
            (name, ..) => format!("[[{name}]]"),
        }
    }
}

/// What begins with a line; nothing if it goes on with what began before, `within` brackets or not.
fn kind(line: &str, within: bool) -> Option<Kind> {
    if line.is_empty() {
        return None;
    }
    if line.starts_with('[') && (!within || is_header(line)) {
        return Some(Kind::Header);
    }
    let is_pair = line[key_end(line)..].trim_start().starts_with('=') && key_end(line) > 0;
    if within && (!is_pair || is_part(line)) {
        return None;
    }
    Some(if is_pair { Kind::Pair } else { Kind::Other })
}

/// Whether a line that begins with `[` is more likely a header than a list within a list.
fn is_header(line: &str) -> bool {
    let named = line.trim_start_matches('[').trim_start();
    named.starts_with(is_of_key) && !line.contains(['"', ',', '=', '{'])
}

/// Whether a key with its value is more likely one of a table over several lines than a new statement.
fn is_part(line: &str) -> bool {
    let closes = line.matches([']', '}']).count() > line.matches(['[', '{']).count();
    closes || line.ends_with(',')
}

/// The name in a header, or the key with which a line begins, as far as there is one.
fn name(line: &str) -> &str {
    let line = line.trim_start_matches(|c| !is_of_key(c));
    &line[..key_end(line)]
}

/// Bytes of the key with which a line begins.
fn key_end(line: &str) -> usize {
    line.find(|c| !is_of_key(c)).unwrap_or(line.len())
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

/// Counts the brackets of a line that begins at `start`: those that are open behind it.
fn count<'o>(line: &str, start: usize, open: &'o mut Vec<usize>) -> &'o [usize] {
    for (at, sign) in line.char_indices() {
        match sign {
            '[' | '{' => open.push(start + at),
            ']' | '}' => drop(open.pop()),
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<(String, Kind, bool)> {
        let found = statements(text);
        let whole: usize = found.iter().map(|it| it.span.len()).sum();
        assert_eq!(whole, text.len(), "all of it belongs to one");
        let each = found.into_iter();
        each.map(|it| (it.key, it.kind, it.open.is_some()))
            .collect()
    }

    #[test]
    fn statements_are_told_apart_where_lists_have_no_end() {
        let text = "a = 1 # [\n[[room]]\nopen = [\n  \"/a, [b\",\n  { query = 'x' }, \n]\nhost = [\"a\"\n\
                    seats = 5\n[room.poll\nmin \"5s\"\n";
        let expected = [
            (".a", Kind::Pair, false),
            ("room", Kind::Header, false),
            ("room.open", Kind::Pair, false),
            ("room.host", Kind::Pair, true),
            ("room.seats", Kind::Pair, false),
            ("room.poll", Kind::Header, false),
            ("room.poll.min", Kind::Other, false),
        ];
        let expected = expected.map(|(key, kind, open)| (key.to_owned(), kind, open));
        assert_eq!(keys(text), expected);
    }

    #[test]
    fn what_goes_on_over_lines_is_one_statement() {
        for text in [
            "lane = [\n  { name = \"a\",\n    weight = 3,\n    seats = 5 },\n]\n",
            "notice = '''\na = 1\n[b]\n'''\n",
            "open = [\n  \"/a\",\n  # [x]\n  [1, 2],\n]\n",
            "lane = [{\n  name = \"a\",\n  seats = 5\n}]\n\n# the end\n",
        ] {
            assert_eq!(keys(text).len(), 1, "{text}");
        }
    }
}
