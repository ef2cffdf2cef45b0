//! The ground itself: without a proxy, the portal, a visitor and the browser get along. When
//! another test fails, this one says whether the ground is to blame.

mod support;

use bytes::Bytes;
use http::StatusCode;
use support::{Browser, JavaScript, Portal, Visitor, raw, sha256, sum_of_series, until};

fn visitor(portal: &Portal, name: &str) -> Visitor {
    let address = portal.url();
    let address = address.strip_prefix("http://").expect("it is HTTP");
    Visitor::new(address.parse().expect("host and port"), name, "ent")
}

#[tokio::test]
async fn a_visitor_signs_on_at_the_portal() {
    let portal = Portal::start().await;
    let mut anna = visitor(&portal, "anna");
    assert_eq!(anna.get("/").await.status, StatusCode::OK);
    assert_eq!(anna.get("/espace").await.status, StatusCode::FOUND);
    anna.sign_on().await;
    let file = Bytes::from(vec![7; 3_000_000]);
    let receipt = anna.upload("/televersement", file.clone()).await.json();
    assert_eq!(receipt["octets"], 3_000_000);
    assert_eq!(receipt["sha256"], sha256(&file));
    anna.log_out().await;
    assert_eq!(anna.get("/espace").await.status, StatusCode::FOUND);

    let paths: Vec<String> = portal.seen().into_iter().map(|seen| seen.path).collect();
    let expected = "/ /espace /connexion /connexion /espace /televersement /deconnexion /espace";
    assert_eq!(paths.join(" "), expected);
    assert!(portal.seen().iter().all(|seen| seen.agent == "anna"));
    assert_eq!(
        portal.directly("/assets/style.css").await.body,
        portal.style()
    );
    assert_eq!(portal.directly("/temoins").await.set_cookies().len(), 4);
    let download = portal.directly("/telechargement?octets=200001").await;
    assert_eq!(download.body.len(), 200_001);
}

#[tokio::test]
async fn the_portal_breaks_and_comes_back() {
    let mut portal = Portal::start().await;
    portal.break_with_503(true);
    for path in ["/espace", "/assets/style.css"] {
        let broken = portal.directly(path).await;
        assert_eq!(broken.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(broken.body.is_empty(), "the real ones had nothing to say");
    }
    portal.break_with_503(false);
    assert_eq!(portal.directly("/").await.status, StatusCode::OK);
    portal.stop().await;
    portal.start_again().await;
    assert_eq!(portal.directly("/").await.status, StatusCode::OK);
}

#[tokio::test]
#[should_panic(expected = "a blank page")]
async fn a_blank_page_ends_the_test() {
    let portal = Portal::start().await;
    visitor(&portal, "anna").get("/erreur").await;
}

#[tokio::test]
async fn raw_bytes_get_through() {
    let portal = Portal::start().await;
    let address = portal.url().replace("http://", "");
    let answer = raw(address.parse().expect("host and port"), b"NONSENSE\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 400"));
}

/// Without JavaScript the portal's pages are the same; that scripts are off is seen by what
/// `noscript` shows.
#[tokio::test]
async fn a_browser_signs_on_with_and_without_javascript() {
    let portal = Portal::start().await;
    for script in [JavaScript::On, JavaScript::Off] {
        let browser = Browser::start(script).await;
        browser.open(&format!("{}/espace", portal.url())).await;
        assert!(browser.address().await.ends_with("/connexion"));
        assert_eq!(browser.title().await.as_deref(), Some("Connexion"));
        let quiet = browser.text("noscript").await.unwrap_or_default();
        assert_eq!(quiet.contains("Sans script"), script == JavaScript::Off);
        browser.type_into("input[name=prenom]", "Zoé").await;
        browser.click("button").await;
        let name = until("the name is shown", async || browser.text("#prenom").await).await;
        assert_eq!(name, "Zoé");
        assert!(browser.screenshot("harness").await.exists());
    }
}

#[test]
fn metrics_are_read_by_name_and_labels() {
    let text = "# HELP a_total x\na_total{room=\"x\",why=\"late\"} 2\na_total{room=\"y\"} 5\n\
                a_total_more 9\nb 1.5\n";
    assert_eq!(sum_of_series(text, "a_total", &[]), Some(7.0));
    assert_eq!(sum_of_series(text, "a_total", &[("room", "x")]), Some(2.0));
    assert_eq!(sum_of_series(text, "a_total", &[("room", "z")]), None);
    assert_eq!(sum_of_series(text, "b", &[]), Some(1.5));
}
