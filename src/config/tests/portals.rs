//! What can be wrong with a portal, and how it is shown.

use super::wrong::{one_wrong, wrong};

#[test]
fn each_problem_of_a_portal_stands_at_its_place() {
    for (line, at, words) in [
        ("slots = 0", "3:9", ["from 1 to 100000", "whole number"]),
        (
            "slots = \"many\"",
            "3:9",
            ["neither `\"auto\"` nor a number", "from 1 to 100000"],
        ),
        (
            "server_slots = 501",
            "3:16",
            ["more than the whole portal", "at most 500"],
        ),
        (
            "error_pages = \"us\"",
            "3:15",
            ["not one of the words", "\"ours\", \"portal\""],
        ),
        (
            "health = { path = \"h\" }",
            "3:19",
            ["begins with `/`", "portal.health.path"],
        ),
        (
            "health = { fall = 0 }",
            "3:19",
            ["from 1 to 1000", "portal.health.fall"],
        ),
        (
            "health = { check = \"icmp\" }",
            "3:20",
            ["not one of the words", "\"http\", \"tcp\", \"tls\""],
        ),
        (
            "health = { check = \"tls\" }",
            "3:20",
            ["no server of this portal is behind TLS", "or \"tcp\""],
        ),
        (
            "health = { check = \"tcp\", path = \"/\" }",
            "3:34",
            ["nothing is asked", "`portal.health.path` is of no use"],
        ),
        (
            "health = { method = \"get\" }",
            "3:21",
            ["told apart by case", "in capitals"],
        ),
        (
            "health = { method = \"CONNECT\" }",
            "3:21",
            ["asks for a tunnel", "portal.health.method"],
        ),
        (
            "health = { host = \"http://a.fr\" }",
            "3:19",
            ["only the host", "such as \"ent.example.fr\""],
        ),
        (
            "health = { host = \"*.a.fr\" }",
            "3:19",
            ["not the name of one host", "portal.health.host"],
        ),
        (
            "health = { status = 700 }",
            "3:21",
            ["not the status of an answer", "such as \"200-399\""],
        ),
        (
            "health = { status = [200, \"399-300\"] }",
            "3:27",
            ["ends before it begins", "portal.health.status"],
        ),
        (
            "health = { probe_max = \"500ms\" }",
            "3:24",
            ["shorter", "probe_max = \"1s\""],
        ),
        (
            "ca = \"/does/not/exist\"",
            "3:6",
            ["cannot be read", "BEGIN CERTIFICATE"],
        ),
        (
            "tls_name = \"a.fr\"",
            "3:12",
            ["no server of this portal is behind TLS", "of no use here"],
        ),
        (
            "http2 = true",
            "3:9",
            ["a server is asked for HTTP/2 as TLS begins", "https://"],
        ),
        (
            "send_proxy = \"v1\"",
            "3:14",
            ["not one of the words", "\"off\", \"v2\""],
        ),
        (
            "nam = \"a\"",
            "3:1",
            ["unknown key `nam` in [[portal]]", "did you mean `name`?"],
        ),
    ] {
        one_wrong(line, at, &words);
    }
}

#[test]
fn what_is_no_server_is_refused() {
    for (servers, words) in [
        ("\"a.fr:80\"", "begins with `http://`"),
        ("\"http://a.fr/b\"", "no path"),
        ("\"http://a.fr?b\"", "no path"),
        ("\"http://a.fr#b\"", "no path"),
        ("\"http://u:p@a.fr\"", "no user name"),
        ("\"http://a.fr:0\"", "from 1 to 65535"),
        ("\"http://a.fr:99999\"", "from 1 to 65535"),
        ("\"http://[::z]:80\"", "not the address"),
        ("\"http://\"", "not the address"),
        (
            "[\"http://a.fr\", \"http://A.fr:80\"]",
            "a.fr:80 is listed twice",
        ),
        ("\"http://localhost:8080\"", "where visitors connect to us"),
        ("5", "found a whole number"),
    ] {
        let found = wrong(&format!("[[portal]]\nservers = {servers}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "2:11");
        assert!(found[0].1.contains(words), "{servers}: {found:?}");
    }
}
