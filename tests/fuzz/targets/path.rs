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
    let Ok(asked) = read(&request, false) else {
        return;
    };
    assert!(asked.path.starts_with('/') && !asked.path.contains("//"));
    let mut segments = asked.path.split('/');
    assert!(!segments.any(|segment| matches!(segment, "." | "..")));
    assert!(!asked.path.contains(['\0', ';']));
    let raw = request.uri().path();
    assert!(asked.target.starts_with(raw), "it is forwarded as it came");
    if !asked.opens(|path| OPEN.contains(path)) {
        return;
    }
    for behind in [sloppy(raw), sloppy(&raw.replace('%', "%25"))] {
        let below = behind.strip_prefix("/assets");
        let below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        assert!(below || behind == "/logo.png", "{raw}: {behind}");
    }
});

/// A portal that forgives everything: it decodes as long as there is something to decode, at most
/// twice, takes backslashes for slashes, cuts off parameters, and walks the dots.
fn sloppy(raw: &str) -> String {
    let mut path = raw.to_ascii_lowercase();
    for _ in 0..2 {
        for (escaped, plain) in [
            ("%2e", "."),
            ("%2f", "/"),
            ("%5c", "\\"),
            ("%3b", ";"),
            ("%25", "%"),
        ] {
            path = path.replace(escaped, plain);
        }
    }
    let path = path.replace('\\', "/");
    let mut way = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        match segment.split(';').next().unwrap_or("") {
            "." => {}
            ".." => drop(way.pop()),
            segment => way.push(segment),
        }
    }
    format!("/{}", way.join("/"))
}
