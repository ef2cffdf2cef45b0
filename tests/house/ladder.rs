//! The ladder, as `src/lib.rs` draws it.

/// Lines of modules, from the top to the ground.
pub struct Ladder {
    lines: Vec<Vec<String>>,
}

impl Ladder {
    /// Reads the drawing: the first `text` block of the documentation. A line is its modules,
    /// parted by `·`, then at least two spaces and what they are for.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn parse(source: &str) -> Ladder {
        let drawn = source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .skip_while(|line| line.trim() != "```text")
            .skip(1)
            .take_while(|line| line.trim() != "```");
        let lines: Vec<Vec<String>> = drawn.map(modules).collect();
        assert!(!lines.is_empty(), "no ladder is drawn");
        Ladder { lines }
    }

    /// Whether `module` stands on the ladder.
    pub fn names(&self, module: &str) -> bool {
        self.line_of(module).is_some()
    }

    /// Whether `user` may use `used`: only if that stands on a lower line.
    pub fn allows(&self, user: &str, used: &str) -> bool {
        match (self.line_of(user), self.line_of(used)) {
            (Some(user), Some(used)) => user < used,
            _ => false,
        }
    }

    fn line_of(&self, module: &str) -> Option<usize> {
        let holds = |line: &Vec<String>| line.iter().any(|name| name == module);
        self.lines.iter().position(holds)
    }
}

fn modules(line: &str) -> Vec<String> {
    let line = line.trim();
    let names = line.split_once("  ").map_or(line, |(names, _)| names);
    names
        .split('·')
        .map(|name| name.trim().to_owned())
        .collect()
}
