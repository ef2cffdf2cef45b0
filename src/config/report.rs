//! What is wrong with a file, and how it is shown: place, line, caret, and what would be right.

use super::keys::{self, Tables};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::cell::{OnceCell, RefCell};
use std::fmt::{self, Display, Formatter};
use std::ops::Range;

/// Problems shown in full; a file with more is shown the first ones and told the number.
const MAX_SHOWN: usize = 100;
/// In a label, stands for the line of what a value is at odds with.
pub(super) const LINE: &str = "{line}";

/// Everything that is wrong, in the order of the file, then of the overrides; never empty.
#[derive(Clone, Debug)]
pub struct Problems {
    texts: Texts,
    list: Vec<Problem>,
}

/// One thing that is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file, or the `--set` option.
    pub source: String,
    /// Line in that source, from 1; 0 if it is about what the source does not say.
    pub line: usize,
    /// Column in that line in characters, from 1; 0 beside line 0.
    pub column: usize,
    /// Bytes of that source that are meant.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What the caret says.
    pub label: String,
    /// What would be right; may be empty.
    pub help: String,
    /// Index of the source in [`Texts`].
    text: usize,
}

impl Problems {
    /// The problems, in the order in which they are shown.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// How many there are; at least 1.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The text for the operator: each problem with its line and a caret, then the count.
    /// `color` is for a terminal.
    pub fn render(&self, color: bool) -> String {
        self.shown(color) + &self.count()
    }

    /// The same without the count.
    pub fn shown(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut out = String::new();
        for problem in self.list.iter().take(MAX_SHOWN) {
            out += &self.render_one(&renderer, problem);
            out += "\n\n";
        }
        if self.list.len() > MAX_SHOWN {
            out += &format!("… and {} more\n\n", self.list.len() - MAX_SHOWN);
        }
        out
    }

    fn render_one(&self, renderer: &Renderer, problem: &Problem) -> String {
        let title = Level::ERROR.primary_title(problem.message.as_str());
        let help = Level::HELP.message(problem.help.as_str());
        if problem.line == 0 {
            return renderer.render(&[title.element(help)]);
        }
        let text = self.texts.list[problem.text].text.as_str();
        let line = line_around(text, problem.span.start);
        let end = problem.span.end.min(line.end).max(problem.span.start);
        let caret = problem.span.start - line.start..end - line.start;
        let snippet = Snippet::source(&text[line])
            .line_start(problem.line)
            .path(problem.source.as_str())
            .annotation(
                AnnotationKind::Primary
                    .span(caret)
                    .label(problem.label.as_str()),
            );
        let mut group = title.element(snippet);
        if !problem.help.is_empty() {
            group = group.element(help);
        }
        renderer.render(&[group])
    }

    /// "3 errors in proxy.toml".
    fn count(&self) -> String {
        let errors = match self.list.len() {
            1 => "1 error".to_owned(),
            n => format!("{n} errors"),
        };
        let mut sources: Vec<&str> = self.list.iter().map(|p| p.source.as_str()).collect();
        sources.dedup();
        format!("{errors} in {}", sources.join(", "))
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// The file and the overrides laid end to end, so that one offset says where a value stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    list: Vec<Text>,
}

#[derive(Clone, Debug)]
struct Text {
    name: String,
    text: String,
    /// Where each of its lines begins.
    lines: Vec<usize>,
    /// Offset of its first byte; one byte more than the end of the text before, so that the
    /// end of one and the start of the next differ.
    start: usize,
}

impl Texts {
    /// Adds a text and returns the offset of its first byte.
    pub(super) fn push(&mut self, name: &str, text: &str) -> usize {
        let start = self.list.last().map_or(0, |t| t.start + t.text.len() + 1);
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        self.list.push(Text {
            name: name.to_owned(),
            lines: std::iter::once(0).chain(breaks).collect(),
            text: text.to_owned(),
            start,
        });
        start
    }

    fn locate(&self, fault: Fault) -> Problem {
        let at = self.list.partition_point(|t| t.start <= fault.span.start);
        let at = match fault.kind {
            Kind::Nowhere => 0,
            _ => at.saturating_sub(1),
        };
        let Text {
            name, text, start, ..
        } = &self.list[at];
        if fault.kind == Kind::Nowhere {
            return Problem {
                source: name.clone(),
                line: 0,
                column: 0,
                span: 0..0,
                message: fault.message,
                label: fault.label,
                help: fault.help,
                text: at,
            };
        }
        let from = text.floor_char_boundary(fault.span.start - start);
        let to = text.ceil_char_boundary(fault.span.end - start).max(from);
        let line = self.list[at].line(from);
        let begins = self.list[at].lines[line - 1];
        let other = fault.other.map(|offset| self.line(offset).to_string());
        Problem {
            source: name.clone(),
            line,
            column: text[begins..from].chars().count() + 1,
            span: from..to,
            message: fault.message,
            label: fault.label.replace(LINE, &other.unwrap_or_default()),
            help: fault.help,
            text: at,
        }
    }

    /// The line at an offset, from 1, in its own text.
    fn line(&self, offset: usize) -> usize {
        let at = self.list.partition_point(|t| t.start <= offset);
        let text = &self.list[at.saturating_sub(1)];
        text.line(offset - text.start)
    }
}

impl Text {
    /// The line, from 1, that holds the byte `at`.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begins| *begins <= at)
    }
}

/// The line that holds the byte `at`, without its line break.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let rest = text[at..].split('\n').next().unwrap_or_default();
    start..at + rest.strip_suffix('\r').unwrap_or(rest).len()
}

/// Where the readers put what they find.
#[derive(Debug, Default)]
pub(super) struct Sink {
    faults: RefCell<Vec<Fault>>,
    /// Characters in strings that cannot be seen, with their names.
    unseen: RefCell<Vec<(Range<usize>, &'static str)>>,
    /// Where values stand that were read, by their keys.
    values: RefCell<Vec<(String, Range<usize>)>>,
    /// The tables that were read to their ends.
    read: RefCell<Tables>,
    /// All tables of files of this kind.
    tables: OnceCell<&'static Tables>,
    /// The keys of what could not be read.
    broken: RefCell<Vec<String>>,
}

/// A problem before its place in the texts is known.
#[derive(Debug)]
struct Fault {
    kind: Kind,
    span: Range<usize>,
    message: String,
    /// The line of `other` is put in place of [`LINE`].
    label: String,
    help: String,
    /// Offset of what it is at odds with.
    other: Option<usize>,
    /// The key that it is about.
    key: About,
}

/// What a problem is to others about the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum About {
    #[default]
    Nothing,
    /// This key is missing.
    Missing(String),
    /// This key is meant by what stands there.
    Meant(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A character that has no place in TOML: whatever else is wrong with its line comes of it.
    Sign,
    /// The text is not TOML.
    Syntax,
    /// A value is wrong.
    Value,
    /// Something is missing, or at odds with something else: if that could not be read, it may only
    /// seem so.
    Doubtful,
    /// What the file does not say is wrong.
    Nowhere,
}

impl Sink {
    /// The text is not TOML at `span`.
    pub(super) fn syntax(&self, span: Range<usize>, label: String, help: String) {
        self.add(Kind::Syntax, span, "this is not TOML".into(), label, help);
    }

    /// The character at `span` has no place in TOML.
    pub(super) fn sign(&self, span: Range<usize>, label: String, help: String) {
        self.add(Kind::Sign, span, "this is not TOML".into(), label, help);
    }

    /// What `key` is could not be read; if it is empty, nobody knows how much could not.
    pub(super) fn note_broken(&self, key: &str) {
        self.broken.borrow_mut().push(key.to_owned());
    }

    /// Whether what `key` is may stand where the text could not be read.
    pub(super) fn is_broken(&self, key: &str) -> bool {
        (self.broken.borrow().iter()).any(|it| keys::touches(it, key))
    }

    /// In a string stands, at `span`, a character called `name` that cannot be seen.
    pub(super) fn note_unseen(&self, span: Range<usize>, name: &'static str) {
        self.unseen.borrow_mut().push((span, name));
    }

    /// The first character within `span` that cannot be seen, and its name.
    pub(super) fn unseen(&self, span: &Range<usize>) -> Option<(Range<usize>, &'static str)> {
        let unseen = self.unseen.borrow();
        let within = |at: &Range<usize>| span.start <= at.start && at.end <= span.end;
        unseen.iter().find(|(at, _)| within(at)).cloned()
    }

    /// The value of `key` stands at `span`.
    pub(super) fn note_value(&self, key: &str, span: Range<usize>) {
        self.values.borrow_mut().push((key.to_owned(), span));
    }

    /// Where values stand, by their keys, in the order in which they were read.
    pub(super) fn take_values(&self) -> Vec<(String, Range<usize>)> {
        self.values.take()
    }

    /// The table `heading` was read; it has the keys `known`.
    pub(super) fn note_table(&self, heading: &str, known: &[&'static str]) {
        let table = (heading.to_owned(), known.to_vec());
        self.read.borrow_mut().push(table);
    }

    /// The tables that were read, with their keys.
    pub(super) fn take_tables(&self) -> Tables {
        self.read.take()
    }

    /// From now on an unknown key is looked for in `tables`.
    pub(super) fn knows(&self, tables: &'static Tables) {
        let _ = self.tables.set(tables);
    }

    /// The tables in which an unknown key may belong.
    pub(super) fn tables(&self) -> &'static Tables {
        static NONE: Tables = Vec::new();
        self.tables.get().copied().unwrap_or(&NONE)
    }

    /// A value that the file does not say is wrong.
    pub(super) fn nowhere(&self, message: String, help: String) {
        self.add(Kind::Nowhere, 0..0, message, String::new(), help);
    }

    /// The newest problem is that `key` is missing: left out if something stands there that means it.
    pub(super) fn about_missing(&self, key: &str) {
        self.about(About::Missing(key.to_owned()));
    }

    /// The newest problem is that something else stands where `key` is meant.
    pub(super) fn about_meant(&self, key: &str) {
        self.about(About::Meant(key.to_owned()));
    }

    fn about(&self, about: About) {
        if let Some(fault) = self.faults.borrow_mut().last_mut() {
            fault.key = about;
        }
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.faults.borrow().len()
    }

    /// Puts `help` before what would help the newest problem.
    pub(super) fn help_first(&self, help: &str) {
        if let Some(fault) = self.faults.borrow_mut().last_mut() {
            fault.help = format!("{help}; {}", fault.help);
        }
    }

    /// What stands at `span` is wrong.
    pub(super) fn wrong(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Kind::Value, span, message.into(), label.into(), help.into());
    }

    /// What stands at `span` is at odds with what begins at the offset `other`: its line is put in
    /// place of [`LINE`] in the label.
    pub(super) fn at_odds(
        &self,
        span: Range<usize>,
        other: usize,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.wrong(span, message, label, help);
        if let Some(fault) = self.faults.borrow_mut().last_mut() {
            fault.other = Some(other);
        }
    }

    /// Something that `span` needs is missing, or it is at odds with something else.
    pub(super) fn doubtful(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(
            Kind::Doubtful,
            span,
            message.into(),
            label.into(),
            help.into(),
        );
    }

    fn add(&self, kind: Kind, span: Range<usize>, message: String, label: String, help: String) {
        self.faults.borrow_mut().push(Fault {
            kind,
            span,
            message,
            label,
            help,
            other: None,
            key: About::Nothing,
        });
    }

    /// The problems with their places; none if all is well.
    ///
    /// What else seems wrong on the line of a syntax error is most often its echo, and so is it when
    /// something is missing that could not be read: it is left out until the file can be read. So is
    /// a missing key beside something that means it.
    pub(super) fn problems(self, texts: Texts) -> Option<Problems> {
        let faults = self.faults.into_inner();
        let unreadable = |kind| matches!(kind, Kind::Sign | Kind::Syntax);
        let broken = self.broken.into_inner();
        let meant: Vec<About> = (faults.iter())
            .filter_map(|fault| match &fault.key {
                About::Meant(key) => Some(About::Missing(key.clone())),
                _ => None,
            })
            .collect();
        let echo = |f: &Fault| match &f.key {
            About::Missing(key) => {
                meant.contains(&f.key) || broken.iter().any(|it| keys::touches(it, key))
            }
            _ => false,
        };
        let mut found: Vec<(Kind, Problem)> = faults
            .into_iter()
            .filter(|f| !echo(f))
            .map(|f| (f.kind, texts.locate(f)))
            .collect();
        let rank = |kind: Kind| match kind {
            Kind::Sign => 0,
            Kind::Syntax => 1,
            _ => 2,
        };
        found.sort_by_key(|(kind, p)| (p.text, p.line, rank(*kind), p.span.start));
        let mut list: Vec<Problem> = Vec::new();
        let mut syntax_line = None;
        for (kind, problem) in found {
            let line = Some((problem.text, problem.line));
            // What is missing stands nowhere: it is said at the header, whatever that is like.
            if syntax_line == line && kind != Kind::Doubtful {
                continue;
            }
            if unreadable(kind) {
                syntax_line = line;
            }
            // An override that is wrong in one room is as wrong in the next.
            if list.last() != Some(&problem) {
                list.push(problem);
            }
        }
        (!list.is_empty()).then_some(Problems { texts, list })
    }
}
