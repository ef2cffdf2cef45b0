//! The path that rules match: no reading of a request leads around them.

#![no_main]

use http::{Request, header::HOST};
use libfuzzer_sys::fuzz_target;
use preau::config::{PathPattern, PathSet};
use preau::front::fuzz::read;
use std::sync::LazyLock;

static OPEN: LazyLock<PathSet> = LazyLock::new(|| {
    let patterns = ["/assets/**", "/logo.png"];
    PathSet::new(
        patterns
            .map(|it| PathPattern::parse(it).expect("good"))
            .into(),
    )
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::get(bytes).header(HOST, "ent.example.fr").body(()) else {
        return;
    };
    let Ok(asked) = read(&request) else {
        return;
    };
    assert!(asked.path.starts_with('/') && !asked.path.contains("//"));
    assert!(
        !asked
            .path
            .split('/')
            .any(|segment| matches!(segment, "." | ".."))
    );
    assert!(!asked.path.contains(['\\', '\0', '\r', '\n', ';']));
    // What is forwarded is what was matched, read as any portal reads it.
    let raw = asked.target.split('?').next().unwrap_or("");
    let raw = raw
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%3b", ";");
    assert!(!raw.contains("%2f") && !raw.contains("%5c"));
    let dots = |segment: &str| segment.split(';').next() == Some("..");
    assert!(!raw.split('/').any(dots));
    if asked.opens(|path| OPEN.contains(path)) {
        let below = asked.path.strip_prefix("/assets");
        let below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        assert!(below || asked.path == "/logo.png");
    }
});
