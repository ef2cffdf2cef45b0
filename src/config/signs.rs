//! Characters that cannot be seen, and quotes that are none: what a word processor, a web page or a
//! chat leaves in a text that is pasted from it.
//!
//! Outside of strings they are no TOML. In strings they are, and are looked for by whoever reads one
//! that is not for people (`values::string`): a host with a zero-width space matches nothing.

use super::report::Sink;
use std::ops::Range;

/// Looks through `text`, which begins at the offset `start`: reports what stands outside of strings
/// and comments, and notes in `sink` what stands in strings.
pub(super) fn look(text: &str, start: usize, sink: &Sink) {
    walk(text, |at, c, place| {
        let span = start + at..start + at + c.len_utf8();
        match place {
            // TOML itself passes over the mark with which some editors begin a file.
            Place::Outside if at == 0 && c == '\u{feff}' => {}
            Place::Outside => report(c, span, sink),
            Place::Comment => {}
            Place::String { .. } => {
                if let Some(name) = unseen(c) {
                    sink.note_unseen(span, name);
                }
            }
        }
    });
}

/// As many bytes as `text` has, all of them ASCII: comments are spaces, and strings are quotes from
/// their beginnings to their ends.
pub(super) fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    walk(text, |_, c, place| {
        let sign = match place {
            Place::Outside if c.is_ascii() => c,
            Place::Outside => '?',
            Place::Comment => ' ',
            Place::String { .. } => '"',
        };
        bare.extend(std::iter::repeat_n(sign, c.len_utf8()));
    });
    bare
}

/// Tells `see` each character, where it stands, and within what; the signs that begin and end a string
/// or a comment are of it.
fn walk(text: &str, mut see: impl FnMut(usize, char, Place)) {
    let mut place = Place::Outside;
    // Up to where a string or a comment has begun, or has ended.
    let mut skip = 0;
    let mut ended = false;
    for (at, c) in text.char_indices() {
        if at < skip {
            see(at, c, place);
            continue;
        }
        if std::mem::take(&mut ended) {
            place = Place::Outside;
        }
        let rest = &text[at..];
        match place {
            Place::Outside => {
                if let Some((length, next)) = outside(rest) {
                    place = next;
                    skip = at + length;
                }
            }
            Place::Comment if c == '\n' => place = Place::Outside,
            Place::Comment => {}
            Place::String { quote, escapes } => {
                if escapes && c == '\\' {
                    skip = at + 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                } else if let Some(behind) = rest.strip_prefix(quote) {
                    // A string of several lines may end with quotes of its own.
                    let more = behind.chars().take_while(|it| *it == c).count();
                    skip = at + quote.len() + if quote.len() == 3 { more.min(2) } else { 0 };
                    ended = true;
                } else if quote.len() == 1 && c == '\n' {
                    // It has no end, which the parser says.
                    place = Place::Outside;
                }
            }
        }
        see(at, c, place);
    }
}

/// Looks through the value of an override, which begins at the offset `start` and needs no quotes.
pub(super) fn look_in_value(value: &str, start: usize, sink: &Sink) {
    for (at, c) in value.char_indices() {
        if let Some(name) = unseen(c) {
            sink.note_unseen(start + at..start + at + c.len_utf8(), name);
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Outside,
    Comment,
    String { quote: &'static str, escapes: bool },
}

/// What begins at the beginning of `rest`, and with how many bytes.
fn outside(rest: &str) -> Option<(usize, Place)> {
    if rest.starts_with('#') {
        return Some((1, Place::Comment));
    }
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| rest.starts_with(quote))?;
    let escapes = quote.starts_with('"');
    Some((quote.len(), Place::String { quote, escapes }))
}

fn report(c: char, span: Range<usize>, sink: &Sink) {
    if let Some(name) = unseen(c) {
        let label = format!("{name} ({}) stands here, and cannot be seen", code(c));
        let help = "write an ordinary space in its place, or nothing";
        sink.sign(span, label, help.to_owned());
    } else if "“”„‟«»‘’‚‹›`´".contains(c) {
        let label = format!("{c} is the quote of a word processor");
        let help = "texts and lengths of time stand in straight double quotes, such as \"10m\"";
        sink.sign(span, label, help.to_owned());
    }
}

/// A character as Unicode numbers it.
pub(super) fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// The name of a character that cannot be seen, or not be told from a space.
fn unseen(c: char) -> Option<&'static str> {
    Some(match c {
        '\t' | '\n' | '\r' | ' ' => return None,
        '\u{85}' => "NEXT LINE",
        '\u{a0}' => "NO-BREAK SPACE",
        '\u{ad}' => "SOFT HYPHEN",
        '\u{61c}' => "ARABIC LETTER MARK",
        '\u{2000}'..='\u{2008}' | '\u{205f}' | '\u{1680}' => "a SPACE of another width",
        '\u{2009}' => "THIN SPACE",
        '\u{200a}' => "HAIR SPACE",
        '\u{200b}' => "ZERO WIDTH SPACE",
        '\u{200c}' => "ZERO WIDTH NON-JOINER",
        '\u{200d}' => "ZERO WIDTH JOINER",
        '\u{200e}' => "LEFT-TO-RIGHT MARK",
        '\u{200f}' => "RIGHT-TO-LEFT MARK",
        '\u{2028}' => "LINE SEPARATOR",
        '\u{2029}' => "PARAGRAPH SEPARATOR",
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "a mark of the DIRECTION of a text",
        '\u{202f}' => "NARROW NO-BREAK SPACE",
        '\u{2060}' => "WORD JOINER",
        '\u{2061}'..='\u{2064}' => "an INVISIBLE operator",
        '\u{3000}' => "IDEOGRAPHIC SPACE",
        '\u{feff}' => "BYTE ORDER MARK",
        c if c.is_control() => "a CONTROL character",
        _ => return None,
    })
}
