//! Clocks that are wrong, and are put right: nobody loses a place or a seat by it, and hours follow
//! the clock on the wall.

mod support;

use http::StatusCode;
use preau::host;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Portal, Preau, State, Turns, Unstarted, Visitor, one_room, until};
use tempfile::TempDir;

/// A clock for one proxy, by Debian's `faketime`; the time that passes is true.
struct Clock {
    folder: TempDir,
}

impl Clock {
    /// A clock that is off by `offset`, such as `+6h`.
    fn new(offset: &str) -> Clock {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock { folder };
        clock.set(offset);
        clock
    }

    /// Somebody sets it.
    fn set(&self, offset: &str) {
        fs::write(self.file(), offset).expect("the folder of the test can be written");
    }

    /// `preau` will look at it.
    fn of(&self, preau: Unstarted) -> Unstarted {
        let yes = Path::new("1");
        preau
            .with_env("LD_PRELOAD", &library())
            .with_env("FAKETIME_TIMESTAMP_FILE", &self.file())
            .with_env("FAKETIME_NO_CACHE", yes)
            .with_env("FAKETIME_DONT_FAKE_MONOTONIC", yes)
            .with_env("DONT_FAKE_MONOTONIC", yes)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a Debian");
    let libraries = folders.map(|entry| {
        let folder = entry.expect("a folder").path();
        folder.join("faketime/libfaketimeMT.so.1")
    });
    let mut found = libraries.filter(|library| library.exists());
    found.next().expect("faketime is installed (tests/run)")
}

#[tokio::test]
async fn a_clock_that_was_ahead_takes_nobody_s_place() {
    a_clock_is_put_right("+6h").await;
}

#[tokio::test]
async fn a_clock_that_was_behind_takes_nobody_s_place() {
    a_clock_is_put_right("-3d").await;
}

/// Everybody comes while the clock is wrong; it is put right with a restart, and stays so.
async fn a_clock_is_put_right(wrong: &str) {
    let portal = Portal::start().await;
    let clock = Clock::new(wrong);
    let tables = one_room(
        &portal.url(),
        "seats = 1\nidle = \"10m\"\nfirst_idle = \"10m\"",
    );
    let preau = clock.of(Unstarted::new(&tables)).start().await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    anna.sign_on().await;
    let mut line = Vec::new();
    for place in 1..=3 {
        let mut visitor = preau.visitor(&format!("file{place}"), "ent");
        assert_eq!(visitor.line_up("/espace").await.place(), place);
        line.push(visitor);
    }
    let home = preau.kill9().await;
    clock.set("+0s");
    let preau = home.start().await;
    still_there(&mut anna, &mut line).await;
    let preau = preau.stop().await.start().await;
    still_there(&mut anna, &mut line).await;
    anna.log_out().await;
    let turns = Turns::default();
    for (order, mut visitor) in (1..).zip(line) {
        visitor.wait_for_turn(&turns, order, |_| ()).await;
        visitor.walk_in("/espace").await;
        visitor.log_out().await;
    }
    assert_eq!(preau.counted("preau_cookies_rejected_total").await, 0.0);
    preau.assert_nothing_forbidden().await;
}

async fn still_there(inside: &mut Visitor, line: &mut [Visitor]) {
    assert_eq!(inside.poll().await.state, State::Inside);
    assert_eq!(inside.get("/espace").await.status, StatusCode::OK);
    for (place, visitor) in (1..).zip(line) {
        assert_eq!(visitor.poll().await.place(), place, "{}", visitor.name());
    }
}

/// Somebody sets the clock while we run.
#[tokio::test]
async fn the_hours_in_which_a_lane_takes_newcomers_follow_the_wall() {
    let portal = Portal::start().await;
    let clock = Clock::new("+0s");
    let hour = |from_now: u64| (host::wall().0 / 3_600_000 + from_now) % 24;
    let room = format!(
        "seats = 1\nidle = \"10m\"\n[[room.lane]]\nname = \"teachers\"\nnetwork = \"127.0.0.0/8\"\n\
         when = \"daily {:02}:00-{:02}:00\"",
        hour(6),
        hour(8)
    );
    let tables = format!("time_zone = \"UTC\"\n{}", one_room(&portal.url(), &room));
    let preau = clock.of(Unstarted::new(&tables)).start().await;
    preau.visitor("anna", "ent").walk_in("/espace").await;
    let early = preau.visitor("tot", "ent").line_up("/espace").await;
    assert_eq!(early.lane, None);
    clock.set("+6h");
    until("newcomers belong to the lane", async || {
        let status = preau.visitor("tard", "ent").line_up("/espace").await;
        (status.lane.as_deref() == Some("teachers")).then_some(())
    })
    .await;
    until("the desk says so", async || {
        open(&preau).await.filter(|open| *open)
    })
    .await;
}

async fn open(preau: &Preau) -> Option<bool> {
    let room = preau.room("ent").await;
    let lanes = room["lanes"].as_array()?;
    let lane = lanes.iter().find(|lane| lane["name"] == "teachers")?;
    lane["open"].as_bool()
}
