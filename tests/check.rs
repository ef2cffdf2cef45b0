//! `preau check` tries what `preau serve` would do, and says as whom.

mod support;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use support::tls::{Authority, https};
use support::{Unstarted, free_port, one_room};

/// Somebody who owns nothing.
const NOBODY: u32 = 65_534;

/// What a check has said.
#[derive(Debug)]
struct Checked {
    code: Option<i32>,
    out: String,
    err: String,
}

fn checked(command: &mut Command) -> Checked {
    let output = command.output().expect("preau runs");
    Checked {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn check(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preau"));
    command.args(["check", "--config"]).arg(config);
    command
}

fn unstarted(more: &str) -> Unstarted {
    let tables = one_room(&format!("http://{}", free_port()), "seats = 3");
    Unstarted::new(&format!("{more}\n{tables}"))
}

#[tokio::test]
async fn what_would_end_serve_is_said_with_its_place() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let taken = holder.local_addr().expect("it has an address");
    let plain_file = tempfile::NamedTempFile::new().expect("a file can be made");
    let below = plain_file.path().join("state").display().to_string();
    for (from, to, words) in [
        (
            "log",
            "[log]\naccess_file = \"/nowhere/at/all/access.log\"",
            "proxy.toml:6:15",
        ),
        ("listen", "listen = \"192.0.2.1:8080\"", "proxy.toml:1:10"),
        (
            "listen",
            &format!("listen = \"{taken}\""),
            "in use by another program",
        ),
        ("state", &format!("state = \"{below}\""), "proxy.toml:3:9"),
    ] {
        let unstarted = unstarted("");
        let text = fs::read_to_string(unstarted.config()).expect("it was written");
        let with = |line: &str| match line.split(" = ").next() == Some(from) {
            true => to.to_owned(),
            false => line.to_owned(),
        };
        let mut lines: Vec<String> = text.lines().map(with).collect();
        if from == "log" {
            lines.insert(4, to.to_owned());
        }
        unstarted.configure(&lines.join("\n"));
        let said = checked(&mut check(&unstarted.config()));
        assert_eq!(said.code, Some(3), "{to}: {said:?}");
        assert!(said.err.contains(words), "{to}: {said:?}");
        assert!(!said.out.contains("is valid"), "{said:?}");
        assert!(
            said.out
                .contains("`preau serve` could not start with it here"),
            "{said:?}"
        );
        assert!(
            said.err
                .ends_with("could not start here, for this one reason\n"),
            "{said:?}"
        );
        assert!(!unstarted.state().exists(), "nothing is left behind");
        // The same words, and the same status.
        let refusal = unstarted.refuse().await;
        assert_eq!(refusal.code, Some(3), "{refusal:?}");

        let alone = checked(check(&unstarted.config()).arg("--file-only"));
        assert_eq!(alone.code, Some(0), "{alone:?}");
    }
}

#[tokio::test]
async fn what_lies_in_the_folders_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let precious = folder.path().join("precious");
    fs::write(&precious, "of somebody else").expect("it is ours");
    let within = folder.path().join("state");
    fs::create_dir(&within).expect("it is ours");
    std::os::unix::fs::symlink(&precious, within.join(".preau-check")).expect("it is ours");
    let proxy = unstarted(&format!(
        "[log]\naccess_file = {:?}\n",
        within.join("access.log")
    ));
    let text = fs::read_to_string(proxy.config()).expect("it was written");
    let usual = proxy.state().display().to_string();
    proxy.configure(&text.replace(&usual, &within.display().to_string()));
    let said = checked(&mut check(&proxy.config()));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        fs::read_to_string(&precious).expect("it is there"),
        "of somebody else"
    );
    let left: Vec<_> = fs::read_dir(&within)
        .expect("it is there")
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    assert_eq!(left, [".preau-check"]);
}

#[tokio::test]
async fn the_place_of_a_log_that_is_off_is_of_no_interest() {
    let file = "access_file = \"/nowhere/at/all/access.log\"";
    let proxy = unstarted(&format!("[log]\naccess = \"off\"\n{file}\n"));
    let said = checked(&mut check(&proxy.config()));
    assert_eq!(said.code, Some(0), "{said:?}");
    proxy.start().await.stop().await;
}

#[tokio::test]
async fn a_preau_that_runs_is_in_nobodys_way() {
    let preau = unstarted("").start().await;
    let said = checked(&mut check(&preau.config()));
    assert_eq!(said.code, Some(0), "{said:?}");
    let note = format!("{} is in use by the preau that runs now", preau.address());
    assert!(
        said.out.contains(&note) && said.out.contains("tried as user "),
        "{said:?}"
    );
    let unstarted = preau.stop().await;
    let said = checked(&mut check(&unstarted.config()));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.out.contains("in use"), "{said:?}");
    // What `serve` has made is looked at, too.
    fs::write(
        unstarted.state().join("store.redb"),
        "no store\n".repeat(1_000),
    )
    .expect("it is ours");
    let said = checked(&mut check(&unstarted.config()));
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("store.redb is damaged"), "{said:?}");
}

#[tokio::test]
async fn what_only_root_may_is_said() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("left out: only root can be another user");
        return;
    }
    let authority = Authority::new();
    let files = authority.issue("ent", &["ent.example.fr"], 2090);
    fs::set_permissions(&files.key, Permissions::from_mode(0o600)).expect("it is ours");
    let proxy = unstarted(&https(free_port(), &[&files]));
    let text = fs::read_to_string(proxy.config()).expect("it was written");
    for folder in [proxy.config(), files.cert.clone()]
        .iter()
        .flat_map(|file| file.parent())
    {
        fs::set_permissions(folder, Permissions::from_mode(0o777)).expect("it is ours");
    }
    let said = checked(&mut check(&proxy.config()));
    assert_eq!(said.code, Some(0), "{said:?}");
    let words = format!("only root can use {}", files.key.display());
    assert!(said.err.contains(&words), "{said:?}");

    let said = checked(check(&proxy.config()).uid(NOBODY).gid(NOBODY));
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = format!("{} cannot be read", files.key.display());
    assert!(said.err.contains(&words), "{said:?}");
    assert!(said.err.contains("proxy.toml:"), "{said:?}");

    fs::set_permissions(&files.key, Permissions::from_mode(0o644)).expect("it is ours");
    let said = checked(check(&proxy.config()).uid(NOBODY).gid(NOBODY));
    assert_eq!(said.code, Some(0), "{said:?}");
    let low = text.replace(
        &format!("listen = \"{}\"", proxy.address()),
        "listen = \"127.0.0.1:81\"",
    );
    proxy.configure(&low);
    let said = checked(check(&proxy.config()).uid(NOBODY).gid(NOBODY));
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("CAP_NET_BIND_SERVICE"), "{said:?}");
}

#[test]
fn certificates_are_looked_at_with_the_eyes_of_browsers() {
    let authority = Authority::new();
    let files = authority.issue("ent", &["ent.example.fr"], 2090);
    let proxy = unstarted(&https(free_port(), &[&files]));
    let text = fs::read_to_string(proxy.config()).expect("it was written");
    proxy.configure(&format!(
        "{text}\nhost = [\"ent.example.fr\", \"autre.fr\", \"*.b.fr\"]\n"
    ));
    let leaf = fs::read_to_string(&files.cert).expect("it was written");
    let root = fs::read_to_string(authority.root_file()).expect("it was written");
    let other = fs::read_to_string(Authority::new().root_file()).expect("it was written");
    for (pem, code, words) in [
        (leaf.clone(), 0, "it comes alone"),
        (leaf.clone(), 0, "no certificate is for autre.fr"),
        (leaf.clone(), 0, "no certificate is for *.b.fr"),
        (
            format!("{}{root}", leaf.trim_end()),
            0,
            "text behind -----END CERTIFICATE-----",
        ),
        (
            format!("\u{feff}{leaf}{root}"),
            0,
            "line 1: a byte order mark",
        ),
        (
            format!("{leaf}{other}"),
            0,
            "did not sign the one of \"ent\" above it",
        ),
        (
            format!("{leaf}{other}{root}"),
            0,
            "the chain is out of order",
        ),
        (
            format!("{root}{leaf}"),
            1,
            "begins with another certificate than that of the key",
        ),
        (
            leaf.replacen('\n', "\n*", 1),
            1,
            "line 2: not a certificate in PEM: '*' cannot stand",
        ),
        (
            leaf.replace("-----END", ""),
            1,
            "line 1: not a certificate in PEM",
        ),
    ] {
        fs::write(&files.cert, &pem).expect("it is ours");
        let said = checked(&mut check(&proxy.config()));
        assert_eq!(said.code, Some(code), "{words}: {said:?}");
        assert!(said.err.contains(words), "{words}: {said:?}");
        if code == 1 {
            assert!(said.err.contains("--> "), "{said:?}");
        }
    }
    fs::write(&files.cert, format!("{leaf}{root}")).expect("it is ours");
    let said = checked(&mut check(&proxy.config()));
    assert!(!said.err.contains("certificate /"), "{said:?}");
}

#[test]
fn the_file_may_stand_alone_on_the_command_line() {
    let proxy = unstarted("");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preau"));
        checked(command.args(arguments).arg(proxy.config()))
    };
    let said = run(&["check", "--file-only"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out
            .starts_with(&format!("{} is valid.", proxy.config().display())),
        "{said:?}"
    );
    let text = fs::read_to_string(proxy.config()).expect("it was written");
    proxy.configure(&format!("lisen = 1\n{text}"));
    for command in ["check", "serve"] {
        let said = run(&[command]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("did you mean `listen`"), "{said:?}");
        let both = run(&[command, "--config", "a.toml"]);
        assert_eq!(both.code, Some(2), "{both:?}");
    }
}

#[test]
fn what_serve_warns_of_check_warns_of() {
    let proxy = unstarted("");
    fs::create_dir(proxy.state()).expect("the folder is ours");
    for (mode, words) in [
        (0o755, "other users can look into it"),
        (0o730, "other users can put files of their own there"),
        (0o700, ""),
    ] {
        fs::set_permissions(proxy.state(), Permissions::from_mode(mode)).expect("it is ours");
        let said = checked(&mut check(&proxy.config()));
        assert_eq!(said.code, Some(0), "{said:?}");
        let wide = format!("mode {mode:04o}");
        assert_eq!(said.err.contains(&wide), !words.is_empty(), "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
    }
    let mut few = Command::new("sh");
    few.args([
        "-c",
        "ulimit -Sn 200; ulimit -Hn 700; exec \"$0\" check --config \"$1\"",
    ])
    .arg(env!("CARGO_BIN_EXE_preau"))
    .arg(proxy.config());
    let said = checked(&mut few);
    assert_eq!(said.code, Some(0), "{said:?}");
    let words = "warning: only 350 connections from visitors instead of 16000";
    assert!(said.err.contains(words), "{said:?}");
    let whose = "the limit of the shell that runs this: a service has that of its unit";
    assert!(said.err.contains(whose), "{said:?}");
}
