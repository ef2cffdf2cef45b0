//! A visitor with a real browser, over TLS and HTTP/2, from the old http address to the portal.

mod support;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use support::tls::{Authority, Client, https};
use support::{Answer, Browser, JavaScript, Portal, Unstarted, free_port, one_room, over, until};

const HOST: &str = "ent.example.fr";

/// Somebody else, who takes the only seat and leaves it again.
struct Other {
    client: Client,
    address: SocketAddr,
    cookie: String,
}

impl Other {
    async fn get(&self, path: &str) -> Answer {
        let stream = self.client.connect(self.address, HOST).await;
        let stream = TokioIo::new(stream.expect("a connection"));
        let request = Request::get(path)
            .header(header::HOST, HOST)
            .header(header::COOKIE, &self.cookie)
            .body(Bytes::new())
            .expect("the request is well-formed");
        over(stream, request).await.expect("a whole answer")
    }
}

#[tokio::test]
async fn a_browser_waits_and_comes_in_over_tls_and_http_2() {
    let portal = Portal::start().await;
    let authority = Authority::new();
    let files = authority.issue("ent", &[HOST], 2100);
    let (address, plain) = (free_port(), free_port());
    let room = one_room(&portal.url(), "seats = 1\nidle = \"10m\"\nclaim = \"60s\"");
    let unstarted = Unstarted::new("");
    unstarted.configure(&format!(
        "admin = \"{}\"\nstate = {:?}\nthreads = 2\n{room}{}\
         [[listener]]\naddress = \"{plain}\"\nredirect = \"https:{}\"\n",
        unstarted.admin(),
        unstarted.state(),
        https(address, &[&files]),
        address.port(),
    ));
    let preau = unstarted.start().await;
    let mut other = Other {
        client: Client::new(&authority, &["http/1.1"]),
        address,
        cookie: String::new(),
    };
    let inside = other.get("/espace").await;
    let cookies = inside.set_cookies();
    let cookie = String::from_utf8_lossy(&cookies[0]).into_owned();
    assert!(
        cookie.starts_with("__Host-preau-ent=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    other.cookie = cookie.split(';').next().expect("a cookie").to_owned();

    let browser = Browser::start(JavaScript::On).await;
    browser
        .open(&format!("http://{HOST}:{}/espace", plain.port()))
        .await;
    let secure = format!("https://{HOST}:{}/espace", address.port());
    assert_eq!(browser.address().await, secure);
    until("the page shows the place", async || {
        let text = browser.text("#place").await?;
        text.contains('1').then_some(())
    })
    .await;
    assert_eq!(other.get("/deconnexion").await.status, StatusCode::OK);
    until("the form of the portal is there", async || {
        let title = browser.title().await?;
        (title == "Connexion").then_some(())
    })
    .await;
    browser.type_into("input[name=prenom]", "Danièle").await;
    browser.click("button").await;
    let name = until("the name is shown", async || browser.text("#prenom").await).await;
    assert_eq!(name, "Danièle");
    assert_eq!(browser.address().await, secure);
    let seen = portal.seen();
    let post = seen
        .iter()
        .find(|seen| seen.method == "POST")
        .expect("the form was sent");
    assert!(post.headers["via"].starts_with("2.0 "), "{post:?}");
    preau.assert_nothing_forbidden().await;
}
