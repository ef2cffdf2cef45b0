//! What keeps the proxy from starting: it says what to do, ends with an error, and leaves
//! nothing half-started.

mod support;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use support::{Refusal, Unstarted, accepts, free_port, one_room};

/// A proxy in front of a portal that does not exist, which is no reason not to start.
fn unstarted() -> Unstarted {
    Unstarted::new(&one_room(&format!("http://{}", free_port()), "seats = 3"))
}

/// Panics unless the proxy would not start, said each of `words`, and did not panic.
fn assert_refused(refusal: &Refusal, words: &[&str]) {
    let code = refusal.code;
    assert!(
        code.is_some_and(|code| code != 0 && code != 101),
        "{refusal:?}"
    );
    for word in words {
        let said = refusal.words.to_lowercase();
        assert!(
            said.contains(&word.to_lowercase()),
            "no {word:?} in {refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_bad_file_is_explained_at_once_and_whole() {
    let unstarted = unstarted();
    let text = fs::read_to_string(unstarted.config()).expect("it was written");
    let text = text.replace("seats = 3", "seats = \"many\"\nsets = 4");
    unstarted.configure(&text);
    let refusal = unstarted.refuse().await;
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("seats"))
        .expect("it is there");
    let next = line + 1;
    let places = [format!("proxy.toml:{line}:"), format!("proxy.toml:{next}:")];
    assert_refused(&refusal, &[&places[0], &places[1], "sets", "seats"]);
    assert!(!unstarted.state().exists(), "nothing was made");
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let unstarted = unstarted();
    fs::remove_file(unstarted.config()).expect("it was written");
    let refusal = unstarted.refuse().await;
    assert_refused(&refusal, &["proxy.toml"]);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    for desk in [false, true] {
        let unstarted = unstarted();
        let (taken, other) = if desk {
            (unstarted.admin(), unstarted.address())
        } else {
            (unstarted.address(), unstarted.admin())
        };
        let _holder = TcpListener::bind(taken).expect("the port is free");
        let refusal = unstarted.refuse().await;
        assert_refused(&refusal, &[&taken.to_string(), "in use"]);
        assert!(!accepts(other), "nothing is half-started");
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    let unstarted = unstarted().start().await.stop().await;
    let key = in_state(&unstarted, |name| name.contains("key"));
    let mode = fs::metadata(&key)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "keys are made for us alone");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("it is ours");
    let refusal = unstarted.refuse().await;
    let name = key.display().to_string();
    assert_refused(&refusal, &[&name, "chmod 600"]);
}

#[tokio::test]
async fn what_is_stored_is_for_us_alone() {
    let mode = |unstarted: &Unstarted| {
        let store = in_state(unstarted, |name| !name.contains("key"));
        let file = fs::metadata(&store).expect("it is there");
        (store, file.permissions().mode() & 0o777)
    };
    let unstarted = unstarted().start().await.stop().await;
    let (store, made) = mode(&unstarted);
    assert_eq!(made, 0o600, "as it is made");
    // As it was made until now, in a folder that somebody has opened.
    fs::set_permissions(&store, Permissions::from_mode(0o644)).expect("it is ours");
    fs::set_permissions(unstarted.state(), Permissions::from_mode(0o755)).expect("it is ours");
    let preau = unstarted.start().await;
    let said = preau.printed();
    assert!(
        said.contains("other users can look into it") && said.contains("mode 0755"),
        "{said}"
    );
    let unstarted = preau.stop().await;
    assert_eq!(mode(&unstarted).1, 0o600, "as it is opened");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let unstarted = unstarted().start().await.stop().await;
    let key = in_state(&unstarted, |name| name.contains("key"));
    fs::write(&key, "nonsense").expect("it is ours");
    let refusal = unstarted.refuse().await;
    assert_refused(&refusal, &[&key.display().to_string()]);
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_named() {
    let mut unstarted = unstarted().start().await.stop().await;
    let store = in_state(&unstarted, |name| !name.contains("key"));
    let name = store.display().to_string();
    let kept = fs::read(&store).expect("it is ours");

    fs::write(&store, "this is no store\n".repeat(1_000)).expect("it is ours");
    assert_refused(&unstarted.refuse().await, &[&name]);

    fs::remove_file(&store).expect("it is ours");
    fs::create_dir(&store).expect("the folder is ours");
    assert_refused(&unstarted.refuse().await, &[&name]);

    // Nothing was harmed by the refusals.
    fs::remove_dir(&store).expect("it is empty");
    fs::write(&store, kept).expect("the folder is ours");
    unstarted = unstarted.start().await.stop().await;
    assert!(unstarted.state().exists());
}

#[tokio::test]
async fn two_proxies_do_not_share_a_folder() {
    let first = unstarted().start().await;
    let second = unstarted();
    let text = fs::read_to_string(second.config()).expect("it was written");
    let own = second.state().display().to_string();
    let theirs = first.state().display().to_string();
    second.configure(&text.replace(&own, &theirs));
    let refusal = second.refuse().await;
    assert_refused(&refusal, &[&theirs]);
    assert!(accepts(first.address()), "the first one goes on");
    first.stop().await;
}

/// The one file of the state whose name fits.
fn in_state(unstarted: &Unstarted, fits: impl Fn(&str) -> bool) -> PathBuf {
    let entries = fs::read_dir(unstarted.state()).expect("the first start made it");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| fits(&path.file_name().expect("it has a name").to_string_lossy()))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}
