//! Where the values of a configuration stand, for what is found out only when they are used: a file
//! that cannot be read, an address that cannot be listened on.

use super::report::{Problem, Problems, Sink, Texts};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The text of a configuration, and where each value stands in it.
#[derive(Clone, Default)]
pub struct Written(Arc<Places>);

#[derive(Default)]
struct Places {
    texts: Texts,
    values: Vec<(String, Range<usize>)>,
}

/// What is wrong with a value that was read without a fault.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// Its key with its tables: `log.access_file`.
    pub key: String,
    /// Which of several tables with this key is meant, from 0.
    pub nth: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What the caret says.
    pub label: String,
    /// What would be right; may be empty.
    pub help: String,
}

impl Written {
    pub(super) fn new(texts: Texts, values: Vec<(String, Range<usize>)>) -> Written {
        Written(Arc::new(Places { texts, values }))
    }

    /// The complaints, each with the place of its value; `None` if there are none. What the file does
    /// not say stands nowhere.
    pub fn problems(&self, complaints: Vec<Complaint>) -> Option<Problems> {
        let sink = Sink::default();
        for it in complaints {
            match self.place(&it.key, it.nth) {
                Some(span) => sink.wrong(span, it.message, it.label, it.help),
                None => sink.nowhere(it.message, it.help),
            }
        }
        sink.problems(self.0.texts.clone())
    }

    /// File and line of a value, such as `proxy.toml:12`.
    pub fn line(&self, key: &str, nth: usize) -> Option<String> {
        let sink = Sink::default();
        sink.wrong(self.place(key, nth)?, "", "", "");
        let problems = sink.problems(self.0.texts.clone())?;
        let Problem { source, line, .. } = problems.iter().next()?;
        Some(format!("{source}:{line}"))
    }

    fn place(&self, key: &str, nth: usize) -> Option<Range<usize>> {
        let mut found = self.0.values.iter().filter(|(known, _)| known == key);
        found.nth(nth).map(|(_, span)| span.clone())
    }
}

impl fmt::Debug for Written {
    /// Two configurations that say the same are shown alike, however they were written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
