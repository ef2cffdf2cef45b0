//! The path that rules match: no reading of a request leads around them.

#![no_main]

use http::{Request, header::HOST};
use libfuzzer_sys::fuzz_target;
use preau::config::{Limits, PathPattern, PathSet};
use preau::front::fuzz::read;
use std::sync::LazyLock;

static OPEN: LazyLock<PathSet> = LazyLock::new(|| {
    let patterns = ["/assets/**", "/logo.png"];
    PathSet::new(patterns.map(|it| PathPattern::parse(it).expect("good")).into())
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::get(bytes).header(HOST, "ent.example.fr").body(()) else {
        return;
    };
    let Ok(asked) = read(&request, &Limits::default()) else {
        return;
    };
    assert!(asked.path.starts_with('/') && !asked.path.contains("//"));
    assert!(!asked.path.split('/').any(|segment| matches!(segment, "." | "..")));
    assert!(!asked.path.contains(['\\', '\0', '\r', '\n', ';']));
    // What is forwarded is what was matched, read as any portal reads it.
    let raw = asked.target.split('?').next().unwrap_or("");
    assert!(!raw.to_ascii_lowercase().contains("%2f"));
    if asked.opens(|path| OPEN.contains(path)) {
        let lower = raw.trim_start_matches('/').to_ascii_lowercase();
        assert!(!lower.contains("..") || lower.split(['/', ';']).all(|it| !it.ends_with("/..")));
        assert!(asked.path.starts_with("/assets/") || asked.path == "/logo.png");
    }
});
