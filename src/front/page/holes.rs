//! A page with holes: what a template makes of it is made once, and the holes are filled for
//! each visitor.

use super::WaitingView;
use bytes::Bytes;
use std::fmt::Write;

/// What the waiting page says differently to each visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    Title,
    Place,
    Wait,
    Note,
    Lane,
    Rules,
    Room,
    Address,
    Updated,
    Kept,
    Poll,
    Claim,
}

/// What decides which parts the waiting page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub form: bool,
    pub paused: bool,
    pub called: bool,
    pub noted: bool,
    pub laned: bool,
    pub codes: bool,
}

/// A page in pieces: a text, and the hole behind it.
pub(super) struct Holed {
    pieces: Vec<(Box<str>, Hole)>,
    last: Box<str>,
    /// Bytes of the texts together.
    bytes: usize,
}

/// A page that is being filled in.
pub(super) struct Page(String);

/// Bytes that the holes of one page take, as a rule.
const HOLES_BYTES: usize = 512;

impl Hole {
    const ALL: [Hole; 12] = [
        Hole::Title,
        Hole::Place,
        Hole::Wait,
        Hole::Note,
        Hole::Lane,
        Hole::Rules,
        Hole::Room,
        Hole::Address,
        Hole::Updated,
        Hole::Kept,
        Hole::Poll,
        Hole::Claim,
    ];
    /// The first mark: from here on Unicode has no characters of its own (private use).
    const FIRST: u32 = 0xe000;

    /// What stands for it in a template: a character that our words do not have, and that is not
    /// escaped.
    pub fn mark(self) -> String {
        char::from_u32(Hole::FIRST + self as u32).map_or_else(String::new, String::from)
    }

    fn of(mark: char) -> Option<Hole> {
        let at = u32::from(mark).checked_sub(Hole::FIRST)?;
        Hole::ALL.get(at as usize).copied()
    }
}

impl Shape {
    /// The shape of the page for this visitor.
    pub fn of(view: &WaitingView<'_>) -> Shape {
        Shape {
            form: view.form,
            paused: view.paused,
            called: view.waiting.called.is_some(),
            noted: view.outlook.notes(view.waiting),
            laned: view.lanes.is_some(),
            codes: view.codes,
        }
    }

    /// All of them, in the order of [`Shape::index`].
    pub fn all() -> impl Iterator<Item = Shape> {
        (0..64).map(|index| Shape {
            form: index & 1 != 0,
            paused: index & 2 != 0,
            called: index & 4 != 0,
            noted: index & 8 != 0,
            laned: index & 16 != 0,
            codes: index & 32 != 0,
        })
    }

    /// Which of [`Shape::all`] it is.
    pub fn index(self) -> usize {
        let bits = [
            self.form,
            self.paused,
            self.called,
            self.noted,
            self.laned,
            self.codes,
        ];
        (bits.iter().rev()).fold(0, |index, bit| index * 2 + usize::from(*bit))
    }
}

impl Holed {
    /// A page that has marks where its holes are.
    pub fn new(marked: &str) -> Holed {
        let mut pieces = Vec::new();
        let mut from = 0;
        for (at, mark) in marked.char_indices() {
            if let Some(hole) = Hole::of(mark) {
                pieces.push((marked[from..at].into(), hole));
                from = at + mark.len_utf8();
            }
        }
        Holed {
            bytes: marked.len(),
            last: marked[from..].into(),
            pieces,
        }
    }

    /// The page, with what `put` puts into its holes.
    pub fn filled(&self, put: impl Fn(Hole, &mut Page)) -> Bytes {
        let mut page = Page(String::with_capacity(self.bytes + HOLES_BYTES));
        for (text, hole) in &self.pieces {
            page.0.push_str(text);
            put(*hole, &mut page);
        }
        page.0.push_str(&self.last);
        page.0.into()
    }
}

impl Page {
    /// A text, escaped as the templates escape.
    pub fn text(&mut self, text: &str) {
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escaped = match byte {
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'&' => "&amp;",
                b'"' => "&quot;",
                b'\'' => "&#x27;",
                b'/' => "&#x2f;",
                _ => continue,
            };
            self.0.push_str(&text[from..at]);
            self.0.push_str(escaped);
            from = at + 1;
        }
        self.0.push_str(&text[from..]);
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        write!(self.0, "{number}").expect("a string takes every write");
    }
}
