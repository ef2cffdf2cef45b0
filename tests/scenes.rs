//! The scenes that are shipped: each is valid, and in none is a rule broken.

use preau::config::Source;
use preau::config::scene::{self, Scene};
use preau::sim;
use std::fs;
use std::path::{Path, PathBuf};

/// Scenes that take longer than a test has time for.
const LARGE: [&str; 2] = ["drift-6h", "thirteen-million"];

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes");
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Scene {
    let text = fs::read_to_string(path).expect("readable");
    let source = Source {
        name: &path.display().to_string(),
        text: &text,
        overrides: &[],
    };
    scene::read(source).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn each_is_valid_and_called_as_its_file() {
    let files = files();
    assert!(files.len() >= 12, "{files:?}");
    for path in files {
        let stem = path.file_stem().expect("a file").to_string_lossy();
        assert_eq!(read(&path).name, stem);
    }
}

#[test]
fn in_none_does_anybody_jump_the_line_or_get_a_seat_too_many() {
    for path in files() {
        let scene = read(&path);
        if LARGE.contains(&scene.name.as_str()) {
            continue;
        }
        let figures = sim::run(&scene, 1).figures;
        let broken = (figures.queue_jumps, figures.seat_overshoot);
        assert_eq!(broken, (0, 0), "{}: {figures:?}", scene.name);
        assert_eq!(figures.polls.over_budget, 0, "{}: {figures:?}", scene.name);
        assert!(figures.completed > 0, "{}: {figures:?}", scene.name);
    }
}
