//! The file of a configuration, from its path to what it says or what is wrong with it.

use crate::config::{self, Config, MAX_FILE_BYTES, Problem, Problems, Source};
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

/// The file has errors.
pub(super) const INVALID: u8 = 1;
/// The file cannot be read. (clap's own status for a wrong command line is the same.)
pub(super) const UNREADABLE: u8 = 2;

/// Reads and parses the file at `path`; `overrides` replace its values.
///
/// # Errors
/// The file cannot be read, or is wrong.
pub fn load(path: &Path, overrides: &[String]) -> Result<Config, LoadError> {
    let text = text(path)?;
    config::parse(Source {
        name: &path.display().to_string(),
        text: &text,
        overrides,
    })
    .map_err(LoadError::Wrong)
}

/// The text of the file at `path`.
///
/// # Errors
/// The file cannot be read, or is no text.
pub fn text(path: &Path) -> Result<String, LoadError> {
    let name = path.display().to_string();
    match read(path) {
        Ok(bytes) => config::decode(&name, bytes).map_err(LoadError::Wrong),
        Err(error) => Err(LoadError::Unreadable { name, error }),
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// The file, or an override, is wrong.
    Wrong(Problems),
}

impl LoadError {
    /// The text for the operator, with a line break at the end; `color` is for a terminal.
    pub fn render(&self, color: bool) -> String {
        match self {
            LoadError::Wrong(problems) => format!("{}\n", problems.render(color)),
            LoadError::Unreadable { name, error } => format!(
                "error: cannot read {name}: {error}\n\
                 help: name a text file with `--config PATH` that our user may read; `preau serve \
                 --portal URL` needs no file\n"
            ),
        }
    }

    /// The same for the log, which has a line for each.
    pub fn lines(&self) -> Vec<String> {
        match self {
            LoadError::Wrong(problems) => lines(problems),
            LoadError::Unreadable { name, error } => {
                vec![format!("{name} cannot be read: {error}")]
            }
        }
    }

    /// The exit status of a command that ends with it.
    pub fn status(&self) -> u8 {
        match self {
            LoadError::Wrong(_) => INVALID,
            LoadError::Unreadable { .. } => UNREADABLE,
        }
    }
}

impl Display for LoadError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for LoadError {}

/// What is wrong, each in one line with its place, and what would be right.
pub fn lines(problems: &Problems) -> Vec<String> {
    let line = |it: &Problem| {
        let place = match it.line {
            0 => it.source.clone(),
            line => format!("{}:{line}:{}", it.source, it.column),
        };
        let all = [&place, &it.message, &it.label];
        let said: Vec<&str> = all
            .into_iter()
            .map(String::as_str)
            .filter(|it| !it.is_empty())
            .collect();
        match it.help.as_str() {
            "" => said.join(": "),
            help => format!("{}; {help}", said.join(": ")),
        }
    };
    problems.iter().map(line).collect()
}

/// Whether standard error is a terminal that wants colours.
pub fn color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// The bytes of a file of configuration.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed is enough for `parse` to say that it is too long.
    let bound = MAX_FILE_BYTES as u64 + 1;
    File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The configuration of a text that is valid, for the tests of the commands.
#[cfg(test)]
pub(super) fn valid(text: &str) -> Config {
    config::parse(Source {
        name: "test.toml",
        text,
        overrides: &[],
    })
    .expect("the text is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_status() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.toml");
        let missing = load(&path, &[]).unwrap_err();
        assert_eq!(missing.status(), UNREADABLE);
        assert!(missing.to_string().contains("cannot read"), "{missing}");

        std::fs::write(&path, b"# caf\xe9\n").unwrap();
        let latin = load(&path, &[]).unwrap_err();
        assert_eq!(latin.status(), INVALID);
        assert!(latin.to_string().contains("proxy.toml:1:6\n"), "{latin}");

        std::fs::write(&path, "lisen = 1").unwrap();
        assert_eq!(load(&path, &[]).unwrap_err().status(), INVALID);

        std::fs::write(&path, "[[portal]]\nservers = \"http://10.0.0.5\"").unwrap();
        assert!(load(&path, &[]).is_ok());
        let set = ["room.seats=0".to_owned()];
        assert_eq!(load(&path, &set).unwrap_err().status(), INVALID);

        std::fs::write(&path, vec![b'#'; MAX_FILE_BYTES + 2]).unwrap();
        assert_eq!(load(&path, &[]).unwrap_err().status(), INVALID);
    }
}
