//! Which address was asked for, and what it may be to whoever is behind us: points 2 and 8 of the
//! checklist, byte for byte.

mod support;

use std::io::Write;
use support::{Preau, Scripted, one_room, raw};

const SEATS: &str = "seats = 500\nidle = \"10m\"";

/// A portal that answers everything.
fn portal() -> Scripted {
    Scripted::start(|_, stream| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(answer).is_ok()
    })
}

/// The status and the whole of an answer to `line` with these fields.
async fn say(preau: &Preau, line: impl AsRef<[u8]>, fields: &str) -> (String, String) {
    let mut request = line.as_ref().to_vec();
    request.extend_from_slice(format!("\r\n{fields}Connection: close\r\n\r\n").as_bytes());
    let answer = raw(preau.address(), &request).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.get(9..12).unwrap_or("").to_owned(), answer)
}

/// What becomes of `GET path`.
async fn get(preau: &Preau, path: &str) -> (String, String) {
    let fields = "Host: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n";
    say(preau, format!("GET {path} HTTP/1.1"), fields).await
}

#[tokio::test]
async fn point_08_an_address_is_forwarded_as_it_came() {
    let portal = portal();
    let preau = Preau::start(&one_room(&portal.url(), SEATS)).await;
    for path in [
        "/cool/https%3A%2F%2Fcloud.example.fr%2Findex.php%2Fapps%2Frichdocuments%2Fwopi%2Ffiles%2F12_oc%3Faccess_token%3Dx%252Fy%26ttl%3D0/ws?WOPISrc=https%3A%2F%2Fcloud",
        "/api/v4/projects/groupe%2Fprojet/repository/files/src%2Fmain.rs/raw?ref=main",
        "/handle/123456789%2F42;jsessionid=A1",
        "/a%5Cb",
        "/a\\b",
        "/a%0Ab",
        "/a%7f",
        "/100%",
        "/a%zz",
        "/caf%E9",
        "/café",
        "/%c0%ae%c0%ae/x",
        "/a/../b",
        "/a/%2e%2e/b",
        "/./b",
        "/a/..;/b",
        "//a///b",
        "/a;b=c/d?e=../f",
        "/%61",
        "/a%20b",
        "/a%2500",
        "/{\"a\":1}",
    ] {
        let (status, answer) = get(&preau, path).await;
        assert_eq!(status, "200", "{path}: {answer}");
        assert_eq!(portal.last().path(), path);
    }
    let count = portal.heard().len();
    for path in ["/a%00", "/a%00;x", "/\u{1}", "/\u{7f}", "/a\tb"] {
        let (status, answer) = get(&preau, path).await;
        assert_eq!(status, "400", "{path:?}: {answer}");
    }
    // More readings than we look at: nobody could say what it is.
    let many = "/a;b/..;c//%2e%2e/%252e;/\\..%5c".repeat(20);
    let (status, answer) = get(&preau, &many).await;
    assert!(status == "400" && answer.contains("mbigu"), "{answer}");
    assert_eq!(
        portal.heard().len(),
        count,
        "the portal sees nothing of these"
    );
}

#[tokio::test]
async fn point_08_what_goes_around_the_room_does_so_in_every_reading() {
    let portal = portal();
    let tables = format!(
        "[[portal]]\nservers = \"{}\"\n[[room]]\nname = \"ent\"\nseats = 1\nidle = \"10m\"\n\
         first_idle = \"10m\"\nopen = \"/public/**\"\nback_channels = \"/check/**\"\n\
         callbacks = \"/acs/**\"\ncallback_reserve = 1000\nlogout = \"/out/**\"\n",
        portal.url()
    );
    let preau = Preau::start(&tables).await;
    preau.visitor("anna", "ent").get("/espace").await;
    let around = ["/public", "/check", "/acs", "/out"];
    for base in around {
        for path in ["/x", "/x%20y", "/caf%C3%A9", "/a%2Fb", "/x;v=2", "/./x"] {
            let path = format!("{base}{path}");
            let (status, answer) = get(&preau, &path).await;
            assert_eq!(status, "200", "{path}: {answer}");
            assert_eq!(portal.last().path(), path);
        }
    }
    let count = portal.heard().len();
    for base in around {
        for path in [
            "/../espace",
            "/%2e%2e/espace",
            "/%252e%252e/espace",
            "/%252E./espace",
            "/..%2fespace",
            "/..%252fespace",
            "/..%5cespace",
            "/..\\espace",
            "/..;/espace",
            "/..%3b/espace",
            "/%c0%ae%c0%ae/espace",
            "/%e0%80%ae./espace",
            "/%E9",
            "/%",
            "/%u002e%u002e/espace",
            "/x%0ay",
            "/..%3fx",
            "/..%23x",
            "/..%253fx",
            ";/../espace",
            ";x%2f..%2f../espace",
        ] {
            let path = format!("{base}{path}");
            let (status, answer) = get(&preau, &path).await;
            assert_eq!(status, "503", "{path} waits: {answer}");
        }
        for path in [format!("/{base}/espace"), format!("/espace/..{base}/x")] {
            let (status, answer) = get(&preau, &path).await;
            assert_eq!(status, "503", "{path} waits: {answer}");
        }
    }
    assert_eq!(
        portal.heard().len(),
        count,
        "the portal sees nothing of these"
    );
}

#[tokio::test]
async fn point_08_a_path_that_leads_to_two_rooms_is_refused_and_no_other() {
    let portal = portal();
    let tables = format!(
        "[[portal]]\nservers = \"{}\"\n\
         [[room]]\nname = \"public\"\npath = \"/public/**\"\nmode = \"open\"\n\
         [[room]]\nname = \"rest\"\nseats = 1\nidle = \"10m\"\nfirst_idle = \"10m\"\n",
        portal.url()
    );
    let preau = Preau::start(&tables).await;
    preau.visitor("anna", "rest").get("/espace").await;
    for (path, expected) in [
        ("/public/a%2Fb", "200"),
        ("/public/%252F", "200"),
        ("/public/x;jsessionid=1", "200"),
        ("/espace/a%2Fb", "503"),
        ("/espace/../notes", "503"),
        ("/public/..%2fespace", "400"),
        ("/public/%252e%252e/espace", "400"),
        ("/public/../espace", "400"),
        ("/public/..;/espace", "400"),
        ("/public%2fespace", "400"),
        ("/public;x/espace", "400"),
        ("//public/x", "200"),
        ("/public/%c0%ae%c0%ae/espace", "400"),
    ] {
        let (status, answer) = get(&preau, path).await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
    let refused = preau.metric("preau_refusals_total", &[("reason", "ambiguous")]);
    assert_eq!(refused.await, 7.0);
}

/// A server on Windows takes `/ESPACE` for `/espace`.
#[tokio::test]
async fn the_case_of_a_path_matters_as_the_room_says() {
    let portal = portal();
    let rooms = |case: &str| {
        format!(
            "[[portal]]\nservers = \"{}\"\n\
             [[room]]\nname = \"rest\"\nmode = \"open\"\n\
             [[room]]\nname = \"espace\"\npath = \"/Espace/**\"\nopen = \"/espace/Public/**\"\n\
             {case}\nseats = 1\nidle = \"10m\"\nfirst_idle = \"10m\"\n",
            portal.url()
        )
    };
    for (case, expected) in [
        (
            "case = \"insensitive\"",
            [("/ESPACE/x", "503"), ("/espace/PUBLIC/x", "200")],
        ),
        ("", [("/ESPACE/x", "200"), ("/Espace/Public/x", "503")]),
    ] {
        let preau = Preau::start(&rooms(case)).await;
        preau.visitor("anna", "espace").get("/Espace/x").await;
        for (path, expected) in expected {
            let (status, answer) = get(&preau, path).await;
            assert_eq!(status, expected, "{case} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn point_02_a_host_is_one_or_the_request_is_refused() {
    let portal = portal();
    let room = format!("host = [\"x\", \"[0:0::1]\"]\n{SEATS}");
    let preau = Preau::start(&one_room(&portal.url(), &room)).await;
    for host in [
        "",
        "[xyz]",
        "[1:2:3:4:5:6:7:8:9]",
        "[::1",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "::1",
        "x:65536",
        "x:99999999999999999999",
        ":80",
    ] {
        let (status, answer) = say(&preau, "GET /x HTTP/1.1", &format!("Host: {host}\r\n")).await;
        assert_eq!(status, "400", "{host:?}: {answer}");
    }
    assert!(portal.heard().is_empty());
    for host in [
        "x",
        "X.",
        "x:65535",
        "x:",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:8080",
        "[0::1]",
    ] {
        let (status, answer) = say(&preau, "GET /x HTTP/1.1", &format!("Host: {host}\r\n")).await;
        assert_eq!(status, "200", "{host:?}: {answer}");
        assert_eq!(portal.last().field("host"), host, "as it came");
    }
    let everywhere = Preau::start(&one_room(&portal.url(), SEATS)).await;
    for fields in ["", "Host: \r\n"] {
        let (status, answer) = say(&everywhere, "GET /x HTTP/1.0", fields).await;
        assert_eq!(status, "200", "HTTP/1.0 knows no host: {answer}");
    }
}

#[tokio::test]
async fn point_02_an_absolute_target_is_for_the_connection_that_it_comes_by() {
    let portal = portal();
    let tables = one_room(&portal.url(), SEATS);
    let preau = Preau::start(&tables).await;
    for (target, seen) in [
        ("http://x?x=1", "/?x=1"),
        ("http://x", "/"),
        ("HTTP://x/y?z", "/y?z"),
    ] {
        let (status, answer) = say(&preau, format!("GET {target} HTTP/1.1"), "Host: a\r\n").await;
        assert_eq!(status, "200", "{target}: {answer}");
        let last = portal.last();
        assert_eq!(
            (last.path().as_str(), last.field("host").as_str()),
            (seen, "x")
        );
    }
    let count = portal.heard().len();
    for (target, expected) in [
        ("https://x/y", "421"),
        ("ftp://x/y", "400"),
        ("http://[xyz]/y", "400"),
        ("http://x:65536/y", "400"),
        ("http:///y", "400"),
    ] {
        let (status, answer) = say(&preau, format!("GET {target} HTTP/1.1"), "Host: x\r\n").await;
        assert_eq!(status, expected, "{target}: {answer}");
    }
    assert_eq!(portal.heard().len(), count);
    // A proxy of ours speaks TLS with visitors.
    let trusted = Preau::start(&format!("[trust]\nproxies = \"127.0.0.1\"\n{tables}")).await;
    let (status, answer) = say(&trusted, "GET https://x/y HTTP/1.1", "Host: x\r\n").await;
    assert_eq!(status, "200", "{answer}");
}

#[tokio::test]
async fn point_03_options_and_trace_go_as_far_as_they_say() {
    let portal = portal();
    let preau = Preau::start(&one_room(&portal.url(), SEATS)).await;
    let ask = async |method: &str, left: &str| {
        let fields = format!("Host: x\r\nMax-Forwards: {left}\r\n");
        say(&preau, format!("{method} /x HTTP/1.1"), &fields)
            .await
            .0
    };
    assert_eq!(ask("OPTIONS", "0").await, "204", "we are the last");
    assert_eq!(ask("TRACE", "0").await, "405");
    assert_eq!(ask("TRACE", "5").await, "405");
    assert_eq!(ask("OPTIONS", "-1").await, "400");
    assert!(portal.heard().is_empty());
    assert_eq!(ask("OPTIONS", "7").await, "200");
    assert_eq!(portal.last().field("max-forwards"), "6");
    assert_eq!(ask("GET", "0").await, "200");
    assert_eq!(
        portal.last().field("max-forwards"),
        "0",
        "it is for two methods alone"
    );
}
