//! A disk that is full and a log that nobody reads are no reason to leave a school outside.

mod support;

use http::StatusCode;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Portal, State, Unstarted, get, one_room, until};
#[cfg(feature = "acme")]
use support::{
    free_port,
    tls::{Authority, Client},
};
use tempfile::TempDir;

const SEATS: u64 = 2;

/// A small disk of its own; only root can have one.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Option<Disk> {
        let folder = TempDir::new().expect("the temporary folder can be written");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=8m", "preau-test"]);
        let mounted = mount.arg(folder.path()).status();
        let mounted = mounted.is_ok_and(|status| status.success());
        // Who could, or has to see to it, does not pass without it.
        let expected = nix::unistd::geteuid().is_root() || std::env::var_os("CI").is_some();
        assert!(mounted || !expected, "a small disk cannot be mounted");
        if !mounted {
            eprintln!("left out: only root can mount a small disk");
        }
        mounted.then_some(Disk { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Leaves not a byte.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).expect("there is room for its name");
        for piece in [64 * 1024, 4 * 1024, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    /// A proxy whose state is on this disk.
    fn proxy(&self, portal: &Portal) -> Unstarted {
        let room = format!("seats = {SEATS}\nidle = \"10m\"");
        let proxy = Unstarted::new(&one_room(&portal.url(), &room));
        let text = fs::read_to_string(proxy.config()).expect("it was written");
        let usual = proxy.state().display().to_string();
        let ours = self.path().join("state").display().to_string();
        proxy.configure(&text.replace(&usual, &ours));
        proxy
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        let _ = umount.arg("--lazy").arg(self.path()).status();
    }
}

async fn ready(admin: std::net::SocketAddr) -> String {
    let answer = get(admin, "/readyz").await;
    answer.expect("the desk answers").text().to_owned()
}

async fn store_works(preau: &support::Preau) {
    until("the store is written", async || {
        (preau.metric("preau_store_ok", &[]).await == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_first_start_on_a_full_disk_is_in_memory_until_there_is_room() {
    let Some(disk) = Disk::new() else { return };
    let portal = Portal::start().await;
    let proxy = disk.proxy(&portal);
    disk.fill();
    let preau = proxy.start().await;
    let said = preau.printed();
    assert!(said.contains("All the same, started"), "{said}");
    assert!(said.contains("Make room on its disk"), "{said}");
    assert!(!said.contains("The user running preau"), "{said}");
    assert!(
        ready(preau.admin())
            .await
            .contains("the store cannot be written")
    );
    assert_eq!(preau.metric("preau_store_ok", &[]).await, 0.0);

    let mut inside = preau.visitor("anna", "ent");
    inside.walk_in("/espace").await;
    let mut second = preau.visitor("bea", "ent");
    second.walk_in("/espace").await;
    let mut waiting = preau.visitor("chloe", "ent");
    assert_eq!(waiting.line_up("/espace").await.place(), 1);

    disk.make_room();
    store_works(&preau).await;
    let preau = preau.kill9().await.start().await;
    assert_eq!(inside.poll().await.state, State::Inside);
    assert_eq!(waiting.poll().await.place(), 1);
    let mut later = preau.visitor("dora", "ent");
    assert_eq!(later.line_up("/espace").await.place(), 2);
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn a_full_disk_still_says_who_waits() {
    let Some(disk) = Disk::new() else { return };
    let portal = Portal::start().await;
    let preau = disk.proxy(&portal).start().await;
    let mut inside = Vec::new();
    for name in ["anna", "bea"] {
        let mut visitor = preau.visitor(name, "ent");
        visitor.walk_in("/espace").await;
        inside.push(visitor);
    }
    let mut first = preau.visitor("chloe", "ent");
    assert_eq!(first.line_up("/espace").await.place(), 1);
    // After a crash the file is to be repaired, which takes room.
    let unstarted = preau.kill9().await;
    disk.fill();

    let preau = unstarted.start().await;
    assert!(preau.printed().contains("All the same, started"));
    for visitor in &mut inside {
        assert_eq!(visitor.poll().await.state, State::Inside);
    }
    assert_eq!(first.poll().await.place(), 1);
    let mut second = preau.visitor("dora", "ent");
    assert_eq!(second.line_up("/espace").await.place(), 2);

    // What was given out in memory is worth nothing after a crash: nobody has the number of another.
    let preau = preau.kill9().await.start().await;
    assert_eq!(first.poll().await.place(), 1);
    let mut third = preau.visitor("elsa", "ent");
    assert_eq!(third.line_up("/espace").await.place(), 2);
    assert_eq!(second.line_up("/espace").await.place(), 3);

    disk.make_room();
    store_works(&preau).await;
    let preau = preau.stop().await.start().await;
    for (visitor, place) in [(&mut first, 1), (&mut third, 2), (&mut second, 3)] {
        assert_eq!(visitor.poll().await.place(), place);
    }
    preau.assert_nothing_forbidden().await;
}

#[cfg(feature = "acme")]
#[tokio::test]
async fn with_acme_a_first_start_on_a_full_disk_has_a_certificate_of_its_own() {
    let Some(disk) = Disk::new() else { return };
    let portal = Portal::start().await;
    let (secure, plain, nobody) = (free_port(), free_port(), free_port());
    let room = one_room(&portal.url(), "host = \"ent.example.fr\"");
    let proxy = Unstarted::new("");
    proxy.configure(&format!(
        "admin = \"{}\"\nstate = {:?}\nthreads = 2\n{room}\n\
         [[listener]]\naddress = \"{secure}\"\ntls = true\n\
         [[listener]]\naddress = \"{plain}\"\nredirect = \"https\"\n\
         [acme]\ndirectory = \"https://{nobody}/dir\"\nhosts = [\"ent.example.fr\"]\n\
         terms_agreed = true\n",
        proxy.admin(),
        disk.path().join("state"),
    ));
    disk.fill();
    let preau = proxy.start().await;
    let said = preau.printed();
    assert!(said.contains("none can be stored"), "{said}");
    // It is shown, and nobody trusts it.
    let client = Client::new(&Authority::new(), &[]);
    let refused = client.connect(secure, "ent.example.fr").await;
    let refused = refused.expect_err("it is of no authority").to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    preau.stop().await;
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_nobody_up() {
    let portal = Portal::start().await;
    let folder = TempDir::new().expect("the temporary folder can be written");
    let pipe = folder.path().join("access");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let log = format!("[log]\naccess_file = {pipe:?}\n");
    let proxy = Unstarted::new(&format!("{log}{}", one_room(&portal.url(), "seats = 5")));
    let preau = proxy.start().await;
    let said = preau.printed();
    assert!(said.contains("nobody reads this pipe"), "{said}");
    let mut anna = preau.visitor("anna", "ent");
    assert_eq!(anna.get("/lent?ms=1").await.status, StatusCode::OK);
    until("a line is lost", async || {
        (preau.counted("preau_access_lines_dropped_total").await > 0.0).then_some(())
    })
    .await;

    let mut open = OpenOptions::new();
    let mut reader = open.read(true).write(true).open(&pipe).expect("it is ours");
    assert_eq!(anna.get("/lent?ms=1").await.status, StatusCode::OK);
    let lines = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 4096];
        let length = reader.read(&mut bytes).expect("a line comes");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    });
    let line = lines.await.expect("it is read");
    assert!(line.contains("\"/lent\""), "{line}");
    // The reader has gone again, and nobody notices.
    assert_eq!(anna.get("/lent?ms=1").await.status, StatusCode::OK);
    preau.stop().await;
}
