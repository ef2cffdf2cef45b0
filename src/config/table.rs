//! A table of the file, read key by key: what is read is noted, so that what is left over at
//! the end is unknown, and says so with the nearest key that exists.

use super::keys;
use super::report::Sink;
use super::values::show;
use crate::time::Span;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
pub(super) type Item<'a> = Spanned<DeValue<'a>>;

/// A table that is being read.
pub(super) struct Table<'a> {
    /// As the operator writes it: `[[room]]`; empty at the top.
    heading: String,
    /// What stands before a key in messages: `room.`; empty at the top.
    prefix: String,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
    /// Keys that are known, and of which nobody is told.
    unsaid: Vec<&'static str>,
    sink: &'a Sink,
}

/// A value that is being read.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// Its key with the table's name, for messages.
    pub(super) key: &'a str,
    /// The value.
    pub(super) item: &'a Item<'a>,
    /// Where problems go.
    pub(super) sink: &'a Sink,
}

impl<'a> Field<'a> {
    /// The value as a table, if it is one.
    pub(super) fn table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.item.get_ref() else {
            return None;
        };
        Some(Table {
            heading: format!("`{}`", self.key),
            prefix: format!("{}.", self.key),
            span: self.item.span(),
            entries,
            known: Vec::new(),
            unsaid: Vec::new(),
            sink: self.sink,
        })
    }

    /// Reports the value as wrong; always `None`, so that a reader can end with it.
    pub(super) fn wrong<T>(&self, label: impl Into<String>, help: impl Into<String>) -> Option<T> {
        let message = format!("invalid value for `{}`", self.key);
        self.sink.wrong(self.item.span(), message, label, help);
        None
    }

    /// Reports a value of the wrong type; always `None`.
    pub(super) fn wrong_type<T>(&self, wanted: &str, help: impl Into<String>) -> Option<T> {
        let found = kind(self.item.get_ref());
        self.wrong(format!("expected {wanted}, found {found}"), help)
    }
}

impl<'a> Table<'a> {
    /// The whole document.
    pub(super) fn top(entries: &'a DeTable<'a>, sink: &'a Sink) -> Table<'a> {
        Table {
            heading: String::new(),
            prefix: String::new(),
            span: 0..0,
            entries,
            known: Vec::new(),
            unsaid: Vec::new(),
            sink,
        }
    }

    /// The value of `key`; `None` if it is absent or was reported as wrong.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Field<'_>) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        let item = self.entries.get(key)?;
        let key = format!("{}{key}", self.prefix);
        self.sink.note_value(&key, item.span());
        read(Field {
            key: &key,
            item,
            sink: self.sink,
        })
    }

    /// The value of `key`, or `default` if it is absent (or wrong: then the file fails anyway).
    pub(super) fn read_or<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Field<'_>) -> Option<T>,
        default: T,
    ) -> T {
        self.read(key, read).unwrap_or(default)
    }

    /// The value of `key`, which must be there; `example` is what to write.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Field<'_>) -> Option<T>,
        example: &str,
    ) -> Option<T> {
        if !self.has(key) {
            self.sink.doubtful(
                self.span.clone(),
                format!("missing key `{key}` in {}", self.place()),
                format!("needs `{key}`"),
                format!("write `{key} = {example}`"),
            );
            self.sink.about_missing(&format!("{}{key}", self.prefix));
        }
        self.read(key, read)
    }

    /// The table `key`; `None` if it is absent or was reported as something else.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Table<'a>> {
        self.known.push(key);
        let item = self.entries.get(key)?;
        let DeValue::Table(entries) = item.get_ref() else {
            let prefixed = format!("{}{key}", self.prefix);
            return self.field(&prefixed, item).wrong_type(
                "a table",
                format!("write `{key} = {{ … }}`, or a `[{prefixed}]` section"),
            );
        };
        let heading = format!("[{}{key}]", self.prefix);
        Some(self.child(key, heading, item.span(), entries))
    }

    /// The tables `[[key]]`, in order; empty if there is none.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Table<'a>> {
        self.known.push(key);
        let Some(item) = self.entries.get(key) else {
            return Vec::new();
        };
        let heading = format!("[[{}{key}]]", self.prefix);
        let help = format!("write `{heading}`, with two brackets, above each one");
        if let DeValue::Table(entries) = item.get_ref() {
            // Read all the same: what else is wrong with it is said at once.
            self.field(key, item)
                .wrong_type::<()>("a list of tables", help);
            return vec![self.child(key, heading, item.span(), entries)];
        }
        let DeValue::Array(array) = item.get_ref() else {
            self.field(key, item)
                .wrong_type::<()>("a list of tables", help);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array.iter() {
            if let DeValue::Table(entries) = item.get_ref() {
                tables.push(self.child(key, heading.clone(), item.span(), entries));
            } else {
                self.field(key, item)
                    .wrong_type::<()>("a table", help.clone());
            }
        }
        tables
    }

    /// From now on nobody is told of `key`: here it can only be wrong.
    pub(super) fn leave_unsaid(&mut self, key: &'static str) {
        self.unsaid.push(key);
    }

    /// Whether the file says anything about `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the first of `keys` that is present stands; the header if none is.
    pub(super) fn span(&self, keys: &[&str]) -> Range<usize> {
        keys.iter()
            .find_map(|key| self.entries.get(*key))
            .map_or(self.span.clone(), Spanned::span)
    }

    /// Where problems go.
    pub(super) fn sink(&self) -> &'a Sink {
        self.sink
    }

    /// Reports the longest of some times, if it is shorter than the shortest. Each has its key.
    pub(super) fn in_order(&self, shortest: (&str, Span), longest: (&str, Span)) {
        let ((short, least), (long, most)) = (shortest, longest);
        if most < least {
            let prefix = &self.prefix;
            self.sink.wrong(
                self.span(&[long, short]),
                format!("`{prefix}{long}` is shorter than `{prefix}{short}`"),
                "the longest time is shorter than the shortest",
                format!("write `{long} = \"{}\"` or more", show(least)),
            );
        }
    }

    /// Reports every key that was not read.
    pub(super) fn finish(self) {
        self.sink.note_table(self.place(), &self.known);
        let mut known = self.known.clone();
        known.retain(|key| !self.unsaid.contains(key));
        known.sort_unstable();
        let left = self.entries.iter();
        for (key, item) in left.filter(|(key, _)| !self.known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let tables = self.sink.tables();
            let hint = keys::meant(name, self.place(), &known, tables, is_table(item));
            let message = format!("unknown key `{}` in {}", name.escape_debug(), self.place());
            let help = format!("{}the keys here are: {}", hint.words, known.join(", "));
            let label = "not known here";
            self.sink.wrong(key.span(), message, label, help);
            // A portal may be missing although there are others.
            let missing = |key: &&str| self.heading.is_empty() || !self.has(key);
            if let Some(key) = hint.key.filter(missing) {
                self.sink.about_meant(&format!("{}{key}", self.prefix));
            }
        }
    }

    fn field<'f>(&'f self, key: &'f str, item: &'f Item<'f>) -> Field<'f> {
        Field {
            key,
            item,
            sink: self.sink,
        }
    }

    fn child(
        &self,
        key: &str,
        heading: String,
        span: Range<usize>,
        entries: &'a DeTable<'a>,
    ) -> Table<'a> {
        Table {
            heading,
            prefix: format!("{}{key}.", self.prefix),
            span,
            entries,
            known: Vec::new(),
            unsaid: Vec::new(),
            sink: self.sink,
        }
    }

    fn place(&self) -> &str {
        if self.heading.is_empty() {
            keys::TOP
        } else {
            &self.heading
        }
    }
}

/// Whether a value is a table, or tables one after the other.
fn is_table(item: &Item<'_>) -> bool {
    match item.get_ref() {
        DeValue::Table(_) => true,
        DeValue::Array(array) => {
            !array.is_empty()
                && array
                    .iter()
                    .all(|it| matches!(it.get_ref(), DeValue::Table(_)))
        }
        _ => false,
    }
}

/// What a value is, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
