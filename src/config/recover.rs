//! What can be read of a text that is not all TOML.
//!
//! The parser goes on behind most faults, but not behind all: behind a line without `=` it takes no more
//! values, and a list or a header without its end takes what follows for its own. So each broken
//! statement is told and taken out, and the rest is read again: what is wrong elsewhere is said at once,
//! and no echo of the fault with it.

use super::report::Sink;
use super::statements::{Kind, Statement, statements};
use super::table::Item;
use super::{keys, syntax};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// How often one text is read, at most: each time, what hid behind the faults before is found.
const READINGS_MAX: usize = 100;
/// What the parser says of a list or a table that is not closed, and of what that swallows …
const OF_BRACKETS: [&str; 3] = ["array", "inline table", "key-value pairs"];
/// … and what it says of a header that is not.
const OF_HEADERS: [&str; 2] = ["unclosed table", "unclosed array table"];

/// A text all of which can be parsed.
pub(super) struct Readable<'t> {
    text: Cow<'t, str>,
    /// Headers that stand in the place of broken ones: where each begins, and its bytes.
    put: Vec<(usize, usize)>,
}

/// What the parser complains of, and where in the text as it was written.
struct Complaint {
    span: Range<usize>,
    message: String,
}

/// What is made of a statement before the text is read again.
#[derive(Clone)]
enum Fate {
    Stays,
    TakenOut,
    /// The header that is meant stands there instead.
    Header(String),
}

/// Reports what in `text` is not TOML; the rest can be read.
pub(super) fn readable<'t>(text: &'t str, sink: &Sink) -> Readable<'t> {
    let mut readable = Readable {
        text: Cow::Borrowed(text),
        put: Vec::new(),
    };
    let mut complaints = readable.complaints();
    if complaints.is_empty() {
        return readable;
    }
    let mut repair = Repair::of(text, sink);
    for _ in 0..READINGS_MAX {
        if !repair.tell(&complaints) {
            return readable;
        }
        readable = repair.readable();
        complaints = readable.complaints();
    }
    // Whatever else is missing may stand behind a fault that nobody has told.
    sink.note_broken("");
    readable
}

impl Readable<'_> {
    /// The text as TOML, each value at its place in the text as it was written.
    pub(super) fn parse(&self) -> DeTable<'_> {
        let (doc, _) = DeTable::parse_recoverable(&self.text);
        match self.put.is_empty() {
            true => doc.into_inner(),
            false => moved_table(doc.into_inner(), &|at| self.written(at)),
        }
    }

    fn complaints(&self) -> Vec<Complaint> {
        let (_, errors) = DeTable::parse_recoverable(&self.text);
        let end = self.text.len();
        let told = errors.iter().map(|error| {
            let span = error.span().unwrap_or(end..end);
            Complaint {
                span: self.written(span.start)..self.written(span.end),
                message: error.message().to_owned(),
            }
        });
        let mut complaints: Vec<Complaint> = told.collect();
        complaints.sort_by_key(|it| it.span.start);
        complaints
    }

    /// Where the byte `at` stands in the text as it was written.
    fn written(&self, at: usize) -> usize {
        let mut before = 0;
        for (from, length) in &self.put {
            if at < from + length {
                return at.min(*from) - before;
            }
            before += length;
        }
        at - before
    }
}

/// A text that is being made readable.
struct Repair<'t, 's> {
    text: &'t str,
    sink: &'s Sink,
    statements: Vec<Statement>,
    /// Of each statement that was told, what is made of it.
    fates: Vec<Option<Fate>>,
    /// Those that have a bracket without an end, and were not told.
    open: BTreeSet<usize>,
}

impl<'t, 's> Repair<'t, 's> {
    fn of(text: &'t str, sink: &'s Sink) -> Repair<'t, 's> {
        let statements = statements(text);
        let open = statements.iter().enumerate();
        let open = open.filter(|(_, it)| it.open.is_some());
        Repair {
            text,
            sink,
            open: open.map(|(nth, _)| nth).collect(),
            fates: vec![None; statements.len()],
            statements,
        }
    }

    /// Reports what was not told before, as far as it is no echo; whether there was anything.
    fn tell(&mut self, complaints: &[Complaint]) -> bool {
        let (mut news, mut mended) = (false, false);
        for (nth, complaint) in complaints.iter().enumerate() {
            let says = |words: &[&str]| words.iter().any(|it| complaint.message.contains(it));
            let of_header = says(&OF_HEADERS);
            // Behind a header without its end, only that others have none is no echo.
            if mended && !of_header {
                continue;
            }
            let begun = |it: &Statement| it.span.start <= complaint.span.start;
            let at = self.statements.partition_point(begun).saturating_sub(1);
            let of_brackets = says(&OF_BRACKETS) && !of_header;
            // What has no end takes all that follows for its own.
            let reach = if of_brackets { at + 1 } else { at };
            if let Some(open) = self.open.range(..reach).next_back() {
                self.tell_open(*open);
                return true;
            }
            if self.fates[at].is_some() {
                continue;
            }
            let end = self.statements[at].span.end;
            let last = at + 1 == self.statements.len();
            let same = |it: &&Complaint| it.span.start < end || last;
            for complaint in complaints[nth..].iter().take_while(same) {
                let table = self.statements[at].table_at(self.text, complaint.span.start);
                let span = complaint.span.clone();
                let (span, label, help) = syntax::words(self.text, span, &complaint.message, table);
                self.sink.syntax(span, label, help);
            }
            let twice = complaint.message.contains("duplicate");
            if twice && self.is_meant_as_list(at) {
                self.mend_lists(at);
                return true;
            }
            let fate = match self.statements[at].kind {
                Kind::Header if twice => Fate::Stays,
                Kind::Header => Fate::Header(self.statements[at].meant_header(self.text, at)),
                _ => Fate::TakenOut,
            };
            mended |= matches!(fate, Fate::Header(_));
            self.settle(at, fate);
            news = true;
            if of_brackets {
                return true;
            }
        }
        news
    }

    /// Whether the header of a list of tables stands there, with the brackets of a single one.
    fn is_meant_as_list(&self, at: usize) -> bool {
        let Statement { kind, key, .. } = &self.statements[at];
        *kind == Kind::Header && keys::is_list(key)
    }

    /// Takes each header of the same name as that of the statement `at`, which was told, for the one of
    /// a list: the first of them is as wrong as the others.
    fn mend_lists(&mut self, at: usize) {
        let key = self.statements[at].key.clone();
        let list = format!("[[{key}]]");
        for nth in 0..self.statements.len() {
            let Statement {
                kind,
                key: its,
                span,
                ..
            } = &self.statements[nth];
            let written = self.text[span.clone()].trim_start();
            if *kind != Kind::Header || *its != key || written.starts_with("[[") {
                continue;
            }
            if nth != at {
                let start = span.end - written.len();
                let end = start + written.trim_end().lines().next().map_or(0, str::len);
                let help = format!("write `{list}`, with two brackets, above each one");
                let label = "expected a list of tables, found a table";
                self.sink.wrong(
                    start..end,
                    format!("invalid value for `{key}`"),
                    label,
                    help,
                );
            }
            self.settle(nth, Fate::Header(list.clone()));
        }
    }

    /// Reports a bracket without an end where it stands: the parser finds that out lines later.
    fn tell_open(&mut self, at: usize) {
        let open = self.statements[at].open.unwrap_or_default();
        let (label, help) = syntax::unclosed(&self.text[open..]);
        self.sink
            .syntax(open..open + 1, label.to_owned(), help.to_owned());
        self.settle(at, Fate::TakenOut);
    }

    fn settle(&mut self, at: usize, fate: Fate) {
        // Of a header that is there twice, what stands below it is read.
        if !matches!(fate, Fate::Header(_)) {
            self.sink.note_broken(&self.statements[at].key);
        }
        self.open.remove(&at);
        self.fates[at] = Some(fate);
    }

    /// The text without what was told.
    fn readable(&self) -> Readable<'static> {
        let mut text = String::with_capacity(self.text.len());
        let mut put = Vec::new();
        for (statement, fate) in self.statements.iter().zip(&self.fates) {
            let written = &self.text[statement.span.clone()];
            match fate {
                None | Some(Fate::Stays) => text.push_str(written),
                Some(Fate::TakenOut) => blank(written, &mut text),
                Some(Fate::Header(header)) => {
                    put.push((text.len(), header.len()));
                    text.push_str(header);
                    blank(written, &mut text);
                }
            }
        }
        Readable {
            text: Cow::Owned(text),
            put,
        }
    }
}

/// As many bytes as `written` has, and its lines, but nothing in them.
fn blank(written: &str, text: &mut String) {
    for byte in written.bytes() {
        text.push(if byte == b'\n' { '\n' } else { ' ' });
    }
}

/// The value with the ends of every span moved by `to`.
pub(super) fn moved<'a>(item: Item<'a>, to: &dyn Fn(usize) -> usize) -> Item<'a> {
    let span = item.span();
    let value = match item.into_inner() {
        DeValue::Array(items) => {
            let mut array = DeArray::new();
            for item in items {
                array.push(moved(item, to));
            }
            DeValue::Array(array)
        }
        DeValue::Table(entries) => DeValue::Table(moved_table(entries, to)),
        other => other,
    };
    Spanned::new(to(span.start)..to(span.end), value)
}

fn moved_table<'a>(entries: DeTable<'a>, to: &dyn Fn(usize) -> usize) -> DeTable<'a> {
    let entries = entries.into_iter().map(|(key, item)| {
        let span = key.span();
        let key = Spanned::new(to(span.start)..to(span.end), key.into_inner());
        (key, moved(item, to))
    });
    entries.collect()
}
