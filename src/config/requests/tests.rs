//! Patterns of requests, case by case.

use super::*;
use proptest::prelude::*;

fn pattern(path: Option<&str>, methods: &[&str], query: &[&str]) -> RequestPattern {
    RequestPattern {
        path: path.map(|path| PathPattern::parse(path).unwrap()),
        methods: methods.iter().map(|text| method(text).unwrap()).collect(),
        hosts: Vec::new(),
        query: (query.iter().map(|text| Parameter::parse(text).unwrap())).collect(),
        form: None,
    }
}

fn means(pattern: &RequestPattern, method: &str, path: &str, query: &str) -> bool {
    let seen = Seen {
        method: &Method::from_bytes(method.as_bytes()).unwrap(),
        host: "auth.example.fr",
        path,
        query,
        form: None,
    };
    let means = pattern.matches(seen);
    assert_eq!(RequestSet::new(vec![pattern.clone()]).contains(seen), means);
    means
}

#[test]
fn a_method_narrows_a_path() {
    let acs = pattern(Some("/auth/saml/acs"), &["POST"], &[]);
    assert!(means(&acs, "POST", "/auth/saml/acs", ""));
    assert!(means(&acs, "POST", "/auth/saml/acs", "RelayState=1"));
    assert!(!means(&acs, "GET", "/auth/saml/acs", ""));
    assert!(!means(&acs, "POST", "/auth/saml/acs/", ""));
    let get = pattern(Some("/ping"), &["GET"], &[]);
    assert!(means(&get, "HEAD", "/ping", "") && !means(&get, "POST", "/ping", ""));
    assert_eq!(acs.to_string(), "POST /auth/saml/acs");
}

#[test]
fn a_host_narrows_a_path() {
    let hosts = |texts: &[&str]| -> Vec<HostPattern> {
        let hosts = texts.iter().map(|text| HostPattern::parse(text).unwrap());
        hosts.collect()
    };
    let form = RequestPattern {
        hosts: hosts(&["auth.*", "sso.example.fr"]),
        ..pattern(Some("/"), &["POST"], &[])
    };
    assert!(means(&form, "POST", "/", ""));
    assert_eq!(form.to_string(), "POST / on auth.*,sso.example.fr");
    let seen = |host| Seen {
        method: &Method::POST,
        host,
        path: "/",
        query: "",
        form: None,
    };
    assert!(form.matches(seen("sso.example.fr")) && !form.matches(seen("www.example.fr")));
    let alone = RequestPattern {
        hosts: hosts(&["auth.*"]),
        ..pattern(Some("/"), &[], &[])
    };
    let set = RequestSet::new([alone]);
    assert!(
        set.contains(seen("auth.a")) && !set.contains(seen("www.a")),
        "a path with a host"
    );
    let moved = set.at(&hosts(&["www.a"]));
    assert!(!moved.contains(seen("auth.a")) && moved.contains(seen("www.a")));
    assert!(set.at(&[]).contains(seen("any")));
}

#[test]
fn parameters_match_as_the_table_says() {
    let table: [(&str, &[&str], &[&str]); 4] = [
        (
            "code",
            &["code", "code=", "code=1", "a=2&code=1"],
            &["", "xcode=1", "Code=1", "code=1&code=2", "code%3D1"],
        ),
        (
            "logout=1",
            &["logout=1", "logout=%31"],
            &["logout", "logout=11", "logout=0"],
        ),
        (
            "ticket=ST-*",
            &["ticket=ST-1", "lang=fr&ticket=ST-1", "%74icket=S%54-1"],
            &[
                "ticket=ST-",
                "ticket=PT-1",
                "ticket=ST-1&ticket=x",
                "TICKET=ST-1",
                "x=ticket=ST-1",
            ],
        ),
        ("state=*", &["state=x"], &["state=", "state"]),
    ];
    for (text, yes, no) in table {
        let pattern = pattern(None, &[], &[text]);
        for query in yes {
            assert!(
                means(&pattern, "GET", "/any/where", query),
                "{text}: {query}"
            );
        }
        for query in no {
            assert!(
                !means(&pattern, "GET", "/any/where", query),
                "{text}: {query}"
            );
        }
    }
}

#[test]
fn every_parameter_must_be_there() {
    let oidc = pattern(None, &["GET"], &["code=*", "state=*"]);
    assert!(means(&oidc, "GET", "/", "state=1&code=2"));
    assert!(!means(&oidc, "GET", "/", "code=2"));
    assert_eq!(oidc.to_string(), "GET ?code=*&state=*");
}

#[test]
fn a_form_is_known_by_its_first_parameter_wherever_it_is_posted() {
    let logout = RequestPattern {
        form: Some("logoutRequest".into()),
        ..pattern(None, &["POST"], &[])
    };
    let seen = |method, form| Seen {
        method,
        host: "www.example.fr",
        path: "/any/where",
        query: "",
        form,
    };
    let set = RequestSet::new([logout.clone()]);
    assert!(set.reads_forms() && set.contains(seen(&Method::POST, Some("logoutRequest"))));
    assert!(!set.contains_there(seen(&Method::POST, Some("logoutRequest"))));
    for other in [
        seen(&Method::POST, None),
        seen(&Method::POST, Some("logoutrequest")),
        seen(&Method::GET, Some("logoutRequest")),
    ] {
        assert!(!set.contains(other), "{other:?}");
    }
    assert_eq!(logout.to_string(), "POST form logoutRequest");
    assert!(!RequestSet::new([pattern(Some("/a"), &[], &[])]).reads_forms());
}

#[test]
fn what_is_no_parameter_is_refused() {
    let long = "a".repeat(MAX_PARAMETER_BYTES + 1);
    for text in [
        "", "=1", "*", "a*=1", "a=*b", "a=b**", "a&b", "?a", "a b", "é", "a%20", &long,
    ] {
        assert!(Parameter::parse(text).is_err(), "{text:?}");
    }
    for text in ["", "post", "GET ", "PO/ST", "É"] {
        assert!(text.is_empty() || method(text).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_query_makes_it_panic(query in ".{0,80}", text in "[a-c=*-]{1,8}") {
        if let Ok(parameter) = Parameter::parse(&text) {
            parameter.is_in(&query);
        }
    }
}
