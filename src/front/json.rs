//! A JSON object written field by field, for where one is written for each request.
//!
//! Numbers and plain texts go straight into memory; a text with anything to escape is left to
//! serde_json.

use super::digits::decimal;
use serde_json::to_writer;

/// An object under way. The names of its members are ours: they need no escapes.
pub struct Json<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Json<'a> {
    /// Begins an object at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>) -> Json<'a> {
        out.push(b'{');
        Json { out, first: true }
    }

    /// A text that needs no escapes, as `write` writes it.
    pub fn text(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }

    /// A text, or null.
    pub fn word(&mut self, name: &'static str, word: Option<&str>) {
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        match word {
            Some(word) if word.bytes().all(plain) => {
                self.text(name, |out| out.extend_from_slice(word.as_bytes()));
            }
            _ => {
                self.name(name);
                // Memory takes every write, and so does JSON every text.
                let _ = to_writer(&mut *self.out, &word);
            }
        }
    }

    /// A number.
    pub fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        decimal(number, self.out);
    }

    /// Ends the object.
    pub fn end(self) {
        self.out.push(b'}');
    }

    fn name(&mut self, name: &'static str) {
        let before: &[u8] = if self.first { b"\"" } else { b",\"" };
        self.first = false;
        self.out.extend_from_slice(before);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, from_slice, json};

    proptest! {
        #[test]
        fn what_is_written_is_read(word in ".*", number: u64) {
            let mut out = Vec::new();
            let mut object = Json::begin(&mut out);
            object.word("word", Some(&word));
            object.number("number", number);
            object.word("none", None);
            object.end();
            let read: Value = from_slice(&out).unwrap();
            prop_assert_eq!(read, json!({ "word": word, "number": number, "none": null }));
        }
    }
}
