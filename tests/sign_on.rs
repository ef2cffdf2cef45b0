//! Sign-ons over several hosts, while the room is full: nothing that is good once is held, repeated
//! or turned away.

mod support;

use http::{StatusCode, header};
use support::{Answer, From, Nginx, Portal, Preau, Surfer, free_port};

const FULL: &str = "seats = 1";

/// CAS and its service on sibling hosts, behind one room, and entcore's SAML.
async fn start(portal: &Portal, room: &str) -> Preau {
    start_with(portal, room, "").await
}

async fn start_with(portal: &Portal, room: &str, limits: &str) -> Preau {
    let preau = Preau::start(&format!(
        "[limits]\n{limits}\n[[portal]]\nservers = \"{}\"\n[[room]]\nname = \"ent\"\n\
         host = [\"cas.example.fr\", \"*.example.fr\"]\ncookie_domain = \"example.fr\"\n\
         presets = [\"cas\", \"entcore\"]\nidle = \"10m\"\nfirst_idle = \"10m\"\n\
         poll = {{ min = \"1s\", max = \"1s\" }}\n{room}\n",
        portal.url()
    ))
    .await;
    portal.knows_proxy(preau.address());
    preau
}

/// Somebody who has the only seat.
async fn inside(preau: &Preau, name: &str) -> Surfer {
    let mut surfer = Surfer::new(preau.address(), name);
    let form = surfer
        .get("cas.example.fr/cas/login?service=http://www.example.fr/ent")
        .await;
    assert_eq!(form.status, StatusCode::OK, "{form:?}");
    surfer
}

/// Somebody who must wait.
async fn waiting(preau: &Preau, name: &str) -> Surfer {
    let mut surfer = Surfer::new(preau.address(), name);
    assert_waits(&surfer.get("www.example.fr/ent").await);
    surfer
}

fn assert_waits(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.text().contains("file"), "{answer:?}");
}

/// How often `name` has sent `METHOD /path` to the portal itself.
fn times(portal: &Portal, name: &str, method: &str, path: &str) -> usize {
    let of_them = |seen: &support::Seen| seen.agent == name && seen.method == method;
    let seen = portal.seen();
    seen.iter()
        .filter(|seen| of_them(seen) && seen.path == path)
        .count()
}

async fn seats(preau: &Preau) -> (f64, f64) {
    let ordinary = preau.metric("preau_room_seats_taken", &[]).await;
    let callbacks = preau.metric("preau_room_callback_seats_taken", &[]).await;
    (ordinary, callbacks)
}

/// The pass that was got at the CAS host holds at the service; the service's own call to CAS, through
/// the same proxy and without any cookie, is not held up by the full room.
#[tokio::test]
async fn a_cas_sign_on_goes_through_a_full_room_from_host_to_host() {
    let portal = Portal::start().await;
    let preau = start(&portal, FULL).await;
    let mut anna = inside(&preau, "anna").await;
    let late = waiting(&preau, "tard").await;
    let login = "cas.example.fr/cas/login?service=http://www.example.fr/ent";
    let ticket = anna.post(login, "prenom=Anna", From::Here).await;
    let location = ticket
        .header(header::LOCATION)
        .expect("CAS sends her to the service");
    assert!(
        location.starts_with("http://www.example.fr/ent?ticket=ST-"),
        "{location}"
    );
    let (url, page) = anna.follow(&location.replace("http://", "")).await;
    assert_eq!(url, "www.example.fr/ent");
    assert!(
        page.text().contains("Bonjour <strong id=\"prenom\">Anna"),
        "{page:?}"
    );

    assert_eq!(
        times(&portal, "anna", "GET", "/ent"),
        2,
        "the ticket, and the page"
    );
    assert_eq!(times(&portal, "service", "GET", "/cas/serviceValidate"), 1);
    assert_eq!(
        preau
            .metric("preau_requests_total", &[("outcome", "back_channel")])
            .await,
        1.0
    );
    assert_eq!(seats(&preau).await, (1.0, 0.0), "one seat for all of it");
    assert!(
        late.cookie("cas.example.fr", "preau-ent").is_some(),
        "his place holds there, too"
    );
    // Logout on one host is logout for all of them, and the first in line is called.
    anna.get("cas.example.fr/cas/logout").await;
    assert_waits(&anna.post("www.example.fr/ent", "a=1", From::Here).await);
    preau.assert_nothing_forbidden().await;
}

/// Somebody who signed on elsewhere in the same moment comes with a ticket and no pass.
#[tokio::test]
async fn a_cas_ticket_without_a_pass_brings_its_visitor_in() {
    let portal = Portal::start().await;
    let preau = start(&portal, FULL).await;
    let mut anna = inside(&preau, "anna").await;
    let login = "cas.example.fr/cas/login?service=http://www.example.fr/ent";
    let answer = anna.post(login, "prenom=Zoe", From::Here).await;
    let link = answer
        .header(header::LOCATION)
        .expect("a ticket")
        .replace("http://", "");
    let mut zoe = Surfer::new(preau.address(), "zoe");
    let (_, page) = zoe.follow(&link).await;
    assert!(page.text().contains("Zoe"), "{page:?}");
    assert_eq!(seats(&preau).await, (1.0, 1.0));
    assert_eq!(times(&portal, "service", "GET", "/cas/serviceValidate"), 1);
    // Once is once: the same ticket is CAS's to refuse, not ours.
    let again = Surfer::new(preau.address(), "autre").get(&link).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "{again:?}");
    preau.assert_nothing_forbidden().await;
}

/// EduConnect may begin by itself: the first that we see of somebody is a POST from its site.
#[tokio::test]
async fn an_unsolicited_saml_response_passes_once_and_brings_its_visitor_in() {
    let portal = Portal::start().await;
    let preau = start(&portal, FULL).await;
    let _inside = inside(&preau, "anna").await;
    let mut bilal = Surfer::new(preau.address(), "bilal");
    let acs = "www.example.fr/auth/saml/acs";
    let answer = bilal.post(acs, "SAMLResponse=Bilal", From::Elsewhere).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
    assert_eq!(times(&portal, "bilal", "POST", "/auth/saml/acs"), 1, "once");
    assert_eq!(seats(&preau).await, (1.0, 1.0));
    let (_, page) = bilal.follow("www.example.fr/ent").await;
    assert!(page.text().contains("Bilal"), "{page:?}");
    // From here on it is a pass like any other.
    assert!(bilal.cookie("www.example.fr", "preau-ent").is_some());
    assert_eq!(bilal.cookie("www.example.fr", "preau-ent.callback"), None);
    bilal.get("www.example.fr/auth/logout").await;
    assert_eq!(seats(&preau).await, (1.0, 0.0));
    preau.assert_nothing_forbidden().await;
}

/// The response of somebody who was inside all along looks the same, because browsers send no cookies
/// with it. It must cost neither the pass nor a second seat.
#[tokio::test]
async fn a_saml_response_of_somebody_inside_costs_nothing() {
    let portal = Portal::start().await;
    let preau = start(&portal, FULL).await;
    let mut anna = inside(&preau, "anna").await;
    let pass = anna
        .cookie("www.example.fr", "preau-ent")
        .map(str::to_owned);
    let acs = "www.example.fr/auth/saml/acs";
    for _ in 0..20 {
        let answer = anna.post(acs, "SAMLResponse=Anna", From::Elsewhere).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
        let (_, page) = anna.follow("www.example.fr/ent").await;
        assert!(page.text().contains("Anna"), "{page:?}");
        assert_eq!(anna.cookie("www.example.fr", "preau-ent"), pass.as_deref());
        assert_eq!(anna.cookie("www.example.fr", "preau-ent.callback"), None);
        assert_eq!(seats(&preau).await, (1.0, 0.0));
    }
    assert_eq!(
        preau.metric("preau_room_callbacks_known_total", &[]).await,
        20.0
    );
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn beyond_the_reserve_a_callback_passes_without_a_seat_and_places_are_kept() {
    let portal = Portal::start().await;
    let preau = start(&portal, "seats = 1\ncallback_reserve = 1").await;
    let _inside = inside(&preau, "anna").await;
    let mut first = waiting(&preau, "premier").await;
    let place = first
        .cookie("www.example.fr", "preau-ent")
        .map(str::to_owned);
    let acs = "www.example.fr/auth/saml/acs";
    let mut bilal = Surfer::new(preau.address(), "bilal");
    bilal.post(acs, "SAMLResponse=Bilal", From::Elsewhere).await;
    for (number, surfer) in [&mut first, &mut Surfer::new(preau.address(), "chloe")]
        .into_iter()
        .enumerate()
    {
        let answer = surfer.post(acs, "SAMLResponse=X", From::Elsewhere).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
        assert!(answer.our_cookies().is_empty(), "{answer:?}");
        // Signed on, but not inside: the next page waits.
        assert_waits(&surfer.get("www.example.fr/ent").await);
        let only = preau.metric("preau_room_callbacks_only_total", &[]).await;
        assert_eq!(only, number as f64 + 1.0);
    }
    assert_eq!(
        first.cookie("www.example.fr", "preau-ent"),
        place.as_deref()
    );
    let status = first
        .get("www.example.fr/.preau/status?room=ent")
        .await
        .json();
    assert_eq!(status["position"], 1);
    // His sign-on from a page of the site, when the reserve has a seat again: inside, and out of line.
    bilal.get("www.example.fr/ent").await;
    bilal.get("www.example.fr/auth/logout").await;
    first.post(acs, "SAMLResponse=Premier", From::Here).await;
    let (_, page) = first.follow("www.example.fr/ent").await;
    assert!(page.text().contains("Premier"), "{page:?}");
    assert_eq!(preau.metric("preau_room_waiting", &[]).await, 1.0);
    assert_eq!(seats(&preau).await, (1.0, 1.0));
    preau.assert_nothing_forbidden().await;
}

/// Somebody in line signs on from another site: their ticket cannot be seen, and is not lost.
#[tokio::test]
async fn a_saml_response_of_somebody_in_line_takes_them_out_of_it() {
    let portal = Portal::start().await;
    let preau = start(&portal, FULL).await;
    let _inside = inside(&preau, "anna").await;
    let mut first = waiting(&preau, "premier").await;
    let acs = "www.example.fr/auth/saml/acs";
    first
        .post(acs, "SAMLResponse=Premier", From::Elsewhere)
        .await;
    assert_eq!(preau.metric("preau_room_waiting", &[]).await, 1.0);
    let (_, page) = first.follow("www.example.fr/ent").await;
    assert!(page.text().contains("Premier"), "{page:?}");
    assert_eq!(preau.metric("preau_room_waiting", &[]).await, 0.0);
    assert_eq!(seats(&preau).await, (1.0, 1.0));
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn too_many_callbacks_from_one_address_are_newcomers() {
    let portal = Portal::start().await;
    let limits = "callbacks_per_minute = 1\ncallbacks_burst = 2";
    let preau = start_with(&portal, FULL, limits).await;
    let mut anna = inside(&preau, "anna").await;
    let acs = "www.example.fr/auth/saml/acs";
    for name in ["un", "deux"] {
        let answer = Surfer::new(preau.address(), name)
            .post(acs, "SAMLResponse=X", From::Elsewhere)
            .await;
        assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
    }
    let answer = Surfer::new(preau.address(), "trois")
        .post(acs, "SAMLResponse=X", From::Elsewhere)
        .await;
    assert_waits(&answer);
    assert_eq!(times(&portal, "trois", "POST", "/auth/saml/acs"), 0);
    assert_eq!(
        preau
            .metric("preau_room_callbacks_limited_total", &[])
            .await,
        1.0
    );
    // Whoever is inside, and shows it, is not counted.
    for _ in 0..5 {
        let answer = anna.post(acs, "SAMLResponse=Anna", From::Here).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
    }
    preau.assert_nothing_forbidden().await;
}

/// A form from another site brings a place, beside the pass of somebody who has just logged out.
#[tokio::test]
async fn a_place_got_after_a_logout_is_not_given_back() {
    let portal = Portal::start().await;
    let preau = start(&portal, FULL).await;
    let mut anna = inside(&preau, "anna").await;
    let _bilal = waiting(&preau, "bilal").await;
    anna.get("www.example.fr/auth/logout").await;
    let returned = anna.post("www.example.fr/paiement", "ok=1", From::Elsewhere);
    assert_waits(&returned.await);
    assert_waits(&anna.get("www.example.fr/ent").await);
    let place = anna.get("www.example.fr/.preau/status").await.json();
    assert_eq!(place["state"], "waiting", "{place}");
    preau.assert_nothing_forbidden().await;
}

/// A browser shows neither pass nor ticket with a form from another site, whatever its address.
#[tokio::test]
async fn a_form_from_elsewhere_takes_nobody_s_seat_or_place_away() {
    let portal = Portal::start().await;
    let preau = start(&portal, FULL).await;
    let mut anna = inside(&preau, "anna").await;
    let mut bea = waiting(&preau, "bea").await;
    let _carl = waiting(&preau, "carl").await;
    for surfer in [&mut anna, &mut bea] {
        let returned = surfer.post("www.example.fr/paiement", "ok=1", From::Elsewhere);
        assert_waits(&returned.await);
    }
    let place = bea.get("www.example.fr/.preau/status").await.json();
    assert_eq!(
        (&place["state"], &place["position"]),
        (&"waiting".into(), &1.into())
    );
    let page = anna.get("www.example.fr/ent").await;
    assert_ne!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{page:?}");
    // Somebody new keeps what they got.
    let mut dora = Surfer::new(preau.address(), "dora");
    assert_waits(
        &dora
            .post("www.example.fr/paiement", "ok=1", From::Elsewhere)
            .await,
    );
    let place = dora.get("www.example.fr/.preau/status").await.json();
    assert_eq!(place["state"], "waiting");
    preau.assert_nothing_forbidden().await;
}

/// The router of `deploy/`, before two machines of which each knows one host: people wait once, and the
/// pass that was got at the one holds at the other.
#[tokio::test]
async fn a_room_over_a_router_is_one_room_for_hosts_on_different_machines() {
    let [cas, www] = [Portal::start().await, Portal::start().await];
    let address = free_port();
    let shipped = include_str!("../deploy/router.conf");
    let places = [
        ("10.0.0.5:8080", cas.address()),
        ("10.0.0.6:8080", www.address()),
        ("127.0.0.1:8090", address),
    ];
    let router = places.iter().fold(shipped.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the example has changed: no {from}");
        text.replace(from, &to.to_string())
    });
    let router = Nginx::with(address, &router).await;
    let preau = Preau::start(&format!(
        "[[portal]]\nservers = \"http://{}\"\n[[room]]\nname = \"ent\"\n\
         host = [\"www.example.fr\", \"cas.example.fr\"]\ncookie_domain = \"example.fr\"\n\
         presets = [\"cas\", \"saml\"]\nidle = \"10m\"\nfirst_idle = \"10m\"\n{FULL}\n",
        router.address()
    ))
    .await;
    www.knows_proxy(preau.address());
    let mut anna = inside(&preau, "anna").await;
    let late = waiting(&preau, "tard").await;
    let login = "cas.example.fr/cas/login?service=http://www.example.fr/ent";
    let ticket = anna.post(login, "prenom=Anna", From::Here).await;
    let location = ticket.header(header::LOCATION).expect("the service");
    let (_, page) = anna.follow(&location.replace("http://", "")).await;
    assert!(page.text().contains("Bonjour"), "{page:?}");
    assert_eq!(times(&cas, "anna", "POST", "/cas/login"), 1);
    assert_eq!(times(&www, "anna", "POST", "/cas/login"), 0);
    assert_eq!(times(&cas, "service", "GET", "/cas/serviceValidate"), 1);
    assert_eq!(times(&www, "anna", "GET", "/ent"), 2);
    assert_eq!(times(&cas, "anna", "GET", "/ent"), 0);
    assert_eq!(seats(&preau).await, (1.0, 0.0), "one seat for all of it");
    drop(late);
    preau.assert_nothing_forbidden().await;
}

/// In a room of several hosts, `POST /` is the sign-on's form at the sign-on's host, and an ordinary form
/// at every other.
#[tokio::test]
async fn a_form_at_the_root_is_a_sign_on_at_its_own_host_alone() {
    let portal = Portal::start().await;
    let rooms = |presets: &str| {
        format!(
            "[[portal]]\nservers = \"{}\"\n[[room]]\nname = \"ent\"\nseats = 1\nidle = \"10m\"\n\
             first_idle = \"10m\"\nhost = [\"auth.example.fr\", \"sso.example.fr\", \"www.example.fr\"]\n\
             cookie_domain = \"example.fr\"\npresets = {presets}\n\
             open = {{ path = \"/\", method = \"GET\", host = \"www.example.fr\" }}\n",
            portal.url()
        )
    };
    for (presets, form_at) in [
        ("\"lemonldap\"", "auth.example.fr"),
        (
            "{ name = \"lemonldap\", host = \"sso.example.fr\" }",
            "sso.example.fr",
        ),
    ] {
        let preau = Preau::start(&rooms(presets)).await;
        Surfer::new(preau.address(), "anna")
            .get("www.example.fr/ent")
            .await;
        for host in ["auth.example.fr", "sso.example.fr", "www.example.fr"] {
            let mut late = Surfer::new(preau.address(), "tard");
            let answer = late.post(&format!("{host}/"), "user=zoe", From::Here).await;
            let waits = answer.status == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(waits, host != form_at, "{presets} {host}: {answer:?}");
        }
        let mut open = Surfer::new(preau.address(), "ouvert");
        let page = open.get("www.example.fr/").await;
        assert_ne!(
            page.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "open there: {page:?}"
        );
        assert_waits(&open.get("auth.example.fr/").await);
    }
}
