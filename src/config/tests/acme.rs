//! `[acme]`, in builds with and without it.

use super::{PORTAL, read};

const LISTENERS: &str = "[[listener]]\naddress = \"0.0.0.0:443\"\ntls = true\n\
                         [[listener]]\naddress = \"0.0.0.0:80\"\nredirect = \"https\"\n";
const ACME: &str = "[acme]\nterms_agreed = true\nhosts = \"ENT.example.fr\"\n";

/// What is said of a file with these lines, but for a build without ACME.
fn said(lines: &str) -> Vec<String> {
    let Err(problems) = read(&format!("{PORTAL}{lines}"), &[]) else {
        return Vec::new();
    };
    let said = problems.iter().map(|it| {
        format!(
            "{}:{} {} {} {}",
            it.line, it.column, it.message, it.label, it.help
        )
    });
    said.filter(|it| !it.contains("this build has no ACME"))
        .collect()
}

#[test]
fn a_build_without_it_says_so_and_what_to_do() {
    let result = read(&format!("{PORTAL}{LISTENERS}{ACME}"), &[]);
    match (cfg!(feature = "acme"), result) {
        (true, Ok(config)) => {
            let acme = config.acme.expect("it is written");
            assert_eq!(acme.hosts, ["ent.example.fr"]);
            assert!(acme.directory.contains("letsencrypt.org"));
        }
        (false, Err(problems)) => {
            let shown = problems.to_string();
            assert_eq!(problems.len(), 1, "{shown}");
            assert!(shown.contains("this build has no ACME"), "{shown}");
            assert!(shown.contains("--> proxy.toml:9:1\n"), "{shown}");
            assert!(shown.contains("--features acme"), "{shown}");
        }
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn what_is_right_is_not_complained_of() {
    let more = "contact = \"dsi@example.fr\"\ndirectory = \"https://[::1]:14000/dir\"\n";
    for lines in [
        format!("{LISTENERS}{ACME}"),
        format!("{LISTENERS}{ACME}{more}"),
        format!(
            "{LISTENERS}{ACME}[tls]\ncertificates = [{{ cert = \"a.pem\", key = \"a.key\" }}]\n"
        ),
    ] {
        assert_eq!(said(&lines), [""; 0], "{lines}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    const AT: &str = "[acme]\nterms_agreed = true\n";
    let written = |lines: &str| format!("{LISTENERS}{AT}{lines}\n");
    let (secure, plain) = LISTENERS.split_at(LISTENERS.rfind("[[").unwrap());
    for (lines, words) in [
        (written(""), "9:1 missing key `hosts`"),
        (written("hosts = \"*.example.fr\""), "11:9 "),
        (written("hosts = \"10.0.0.1\""), "an address is no name"),
        (written("hosts = \"a..fr\""), "begins and ends"),
        (written("hosts = [\"a.fr\", \"A.fr\"]"), "listed twice"),
        (
            written("hosts = \"a.fr\"\ndirectory = \"http://a.fr/d\""),
            "12:13 ",
        ),
        (
            written("hosts = \"a.fr\"\ncontact = \"mailto\""),
            "not an e-mail address",
        ),
        (
            written("hosts = \"a.fr\"\nca = \"/nowhere.pem\""),
            "cannot be read",
        ),
        (
            written("hosts = \"a.fr\"\nhost = \"b.fr\""),
            "did you mean `hosts`?",
        ),
        (
            format!("{LISTENERS}[acme]\nhosts = \"a.fr\"\n"),
            "missing key `terms_agreed`",
        ),
        (
            format!("{LISTENERS}[acme]\nhosts = \"a.fr\"\nterms_agreed = false\n"),
            "11:16 ",
        ),
        (format!("{secure}{ACME}"), "no listener without TLS"),
        (format!("{plain}{ACME}"), "no listener speaks TLS"),
    ] {
        let said = said(&lines);
        assert_eq!(said.len(), 1, "{lines}: {said:?}");
        assert!(said[0].contains(words), "{words}: {said:?}");
    }
}
