//! Each preset, over real sockets, in front of a real portal that is full.

mod support;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use std::process::Command;
use support::{Answer, Portal, Preau, Surfer, send};

const PRESETS: [&str; 10] = [
    "cas",
    "saml",
    "oidc",
    "lemonldap",
    "entcore",
    "skolengo",
    "pronote",
    "uportal",
    "moodle",
    "nextcloud",
];

/// What becomes of a request by somebody without a pass, while the room is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Forwarded, as open to everybody.
    Open,
    /// Forwarded, as another server's call.
    Back,
    /// Forwarded, with a seat of the reserve.
    Callback,
    /// A place in line.
    Waits,
    /// Neither forwarded, nor a place: it is not worth one.
    Nothing,
}
use Fate::{Back, Callback, Nothing, Open, Waits};

#[rustfmt::skip]
const TABLE: &[(&str, &str, Fate)] = &[
    ("cas", "GET /cas/css/cas.css", Open),
    ("cas", "GET /cas/serviceValidate?service=x&ticket=ST-1", Back),
    ("cas", "POST /cas/samlValidate?TARGET=x", Back),
    ("cas", "GET /espace?ticket=ST-1", Callback),
    ("cas", "POST /cas/login?service=x", Callback),
    ("cas", "GET /cas/login?service=x", Waits),
    ("saml", "GET /Shibboleth.sso/Metadata", Back),
    ("saml", "POST /Shibboleth.sso/SLO/SOAP", Back),
    ("saml", "POST /Shibboleth.sso/SAML2/POST", Callback),
    ("saml", "GET /espace?SAMLResponse=fZ", Callback),
    ("saml", "GET /Shibboleth.sso/Login?target=x", Waits),
    ("oidc", "POST /realms/ent/protocol/openid-connect/token", Back),
    ("oidc", "GET /cas/oidc/jwks", Back),
    ("oidc", "GET /retour?code=1&state=2", Callback),
    ("oidc", "GET /retour?code=1", Waits),
    ("lemonldap", "GET /static/common/js/portal.js", Open),
    ("lemonldap", "POST /oauth2/token", Back),
    ("lemonldap", "POST /", Callback),
    ("lemonldap", "GET /ping", Nothing),
    ("lemonldap", "GET /", Waits),
    ("entcore", "GET /assets/themes/x.css", Open),
    ("entcore", "POST /auth/openid/logout/slo", Back),
    ("entcore", "POST /auth/saml/acs", Callback),
    ("entcore", "POST /auth/login", Callback),
    ("entcore", "GET /auth/login", Waits),
    ("entcore", "POST /workspace/document", Waits),
    ("skolengo", "GET /p3/serviceValidate?service=x&ticket=ST-1", Back),
    ("skolengo", "POST /login?service=x", Callback),
    ("skolengo", "GET /login?service=x", Waits),
    ("pronote", "GET /pronote/InfoMobileApp.json?id=0D", Open),
    ("pronote", "GET /pronote/eleve.html?ticket=ST-1", Callback),
    ("pronote", "GET /pronote/ical/Edt.ics?icalsecurise=1", Back),
    ("pronote", "GET /pronote/eleve.html", Waits),
    ("pronote", "POST /pronote/appelfonction/3/1/2", Waits),
    ("uportal", "GET /uPortal/media/skins/x.css", Open),
    ("uportal", "GET /uPortal/CasProxyServlet?pgtIou=1&pgtId=2", Back),
    ("uportal", "GET /uPortal/Login?ticket=ST-1", Callback),
    ("uportal", "GET /uPortal/Login", Waits),
    ("moodle", "GET /theme/styles.php/boost/1/all", Open),
    ("moodle", "POST /lib/ajax/service-nologin.php?info=tool_mobile_get_public_config", Open),
    ("moodle", "GET /calendar/export_execute.php?userid=2&authtoken=x", Back),
    ("moodle", "POST /mod/lti/token.php", Back),
    ("moodle", "POST /login/index.php", Callback),
    ("moodle", "POST /lib/ajax/service.php?sesskey=k&info=core_session_touch", Nothing),
    ("moodle", "POST /lib/ajax/service.php?sesskey=k&info=core_course_get", Waits),
    ("moodle", "GET /login/index.php", Waits),
    ("nextcloud", "GET /status.php", Open),
    ("nextcloud", "POST /login/v2/poll", Back),
    ("nextcloud", "GET /remote.php/dav/public-calendars/abc?export", Back),
    ("nextcloud", "POST /login", Callback),
    ("nextcloud", "GET /csrftoken", Nothing),
    ("nextcloud", "PROPFIND /remote.php/dav/files/zoe/", Waits),
    // What only looks like one of these is an ordinary page.
    ("cas", "GET /espace;/cas/css/cas.css", Waits),
    ("cas", "GET /cas/serviceValidate;x?service=x", Waits),
    ("cas", "GET /cas;x/css/cas.css", Waits),
    ("cas", "GET /CAS/serviceValidate", Waits),
    ("cas", "GET /cas/serviceValidate/x", Waits),
    ("cas", "GET /espace?ticket=ST-1&ticket=x", Waits),
    ("cas", "GET /espace?ticket=ST-", Waits),
    ("cas", "GET /espace?x=?ticket=ST-1", Waits),
    ("entcore", "POST /auth;x/saml/acs", Waits),
    ("entcore", "PUT /auth/saml/acs", Waits),
    ("moodle", "GET /theme/styles.php;x/../course", Waits),
    ("moodle", "GET /theme/styles.php/%252e%252e/%252e%252e/course", Waits),
];

/// The address that gives the seat back, for presets that have one.
const LOGOUTS: [(&str, &str); 9] = [
    ("cas", "/cas/logout"),
    ("saml", "/Shibboleth.sso/Logout"),
    (
        "oidc",
        "/realms/ent/protocol/openid-connect/logout?id_token_hint=x",
    ),
    ("lemonldap", "/?logout=1"),
    ("entcore", "/auth/logout"),
    ("skolengo", "/logout"),
    ("uportal", "/uPortal/Logout"),
    ("moodle", "/login/logout.php?sesskey=k"),
    ("nextcloud", "/index.php/logout?requesttoken=x"),
];

#[tokio::test]
async fn each_list_of_each_preset_does_what_it_says() {
    let portal = Portal::start().await;
    let preau = Preau::start(&rooms(&portal)).await;
    let mut inside = Vec::new();
    for preset in PRESETS {
        let mut surfer = Surfer::new(preau.address(), "dedans");
        let page = surfer.get(&format!("{preset}.example.fr/espace?x")).await;
        assert_eq!(page.status, StatusCode::FOUND, "{preset}");
        inside.push(surfer);
    }
    for (number, (preset, request, fate)) in TABLE.iter().enumerate() {
        let agent = format!("agent{number}");
        let before = portal.seen().len();
        let answer = ask(&preau, preset, request, &agent).await;
        let seen = portal.seen().len() - before;
        let what = format!("{preset}: {request}: {answer:?}");
        let expected = if *fate == Back { Open } else { *fate };
        assert_eq!(fate_of(preset, &answer, seen), expected, "{what}");
    }
    for (preset, fate) in PRESETS
        .iter()
        .flat_map(|preset| [(preset, Open), (preset, Back), (preset, Callback)])
    {
        let rows = TABLE
            .iter()
            .filter(|(name, _, row)| name == preset && *row == fate)
            .count();
        let name = match fate {
            Open => ("preau_requests_total", "open"),
            Back => ("preau_requests_total", "back_channel"),
            _ => ("preau_room_callbacks_total", ""),
        };
        let mut labels = vec![("room", *preset)];
        labels.extend((!name.1.is_empty()).then_some(("outcome", name.1)));
        assert_eq!(
            preau.metric(name.0, &labels).await,
            rows as f64,
            "{preset}: {fate:?}"
        );
    }
    for (preset, logout) in LOGOUTS {
        let who = PRESETS.iter().position(|name| *name == preset).unwrap();
        let address = format!("{preset}.example.fr{logout}");
        let given = inside[who].get(&address).await.set_cookies();
        // What is left is good for the page that says so.
        let over = format!("preau-{preset}=");
        let over = given
            .iter()
            .map(|set| String::from_utf8_lossy(set))
            .any(|set| set.starts_with(&over) && set.contains("; Max-Age=30;"));
        assert!(over, "{preset}: {logout} gives the seat back: {given:?}");
        // Nobody has to wait to log out.
        let answer = ask(&preau, preset, &format!("GET {logout}"), "dehors").await;
        assert_ne!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{preset}: {logout}"
        );
    }
    preau.assert_nothing_forbidden().await;
}

/// What has become of a request that the portal has `seen` so often; whether `Open` or `Back` is told
/// by the series.
fn fate_of(preset: &str, answer: &Answer, seen: usize) -> Fate {
    let ours = answer.our_cookies();
    // A form from another site gets the second cookie.
    let given = |name: &str| {
        let main = format!("preau-{preset}");
        name == main || name == format!("{main}.beside")
    };
    match (seen, &ours[..]) {
        (1, []) => Open,
        (1, [name]) if given(name) => Callback,
        (0, [name]) if given(name) => Waits,
        (0, []) => Nothing,
        other => panic!("{preset}: {other:?}: {answer:?}"),
    }
}

/// A room for each preset, on a host of its own, with one seat; all before one portal.
fn rooms(portal: &Portal) -> String {
    let rooms = PRESETS.map(|preset| {
        format!(
            "[[room]]\nname = \"{preset}\"\nhost = \"{preset}.example.fr\"\n\
             presets = \"{preset}\"\nseats = 1\nidle = \"10m\"\nfirst_idle = \"10m\"\n"
        )
    });
    format!(
        "[[portal]]\nservers = \"{}\"\n{}",
        portal.url(),
        rooms.concat()
    )
}

/// Sends `METHOD /path?query` to the host of `preset`, as a browser without any cookie does.
async fn ask(preau: &Preau, preset: &str, request: &str, agent: &str) -> Answer {
    let (method, target) = request.split_once(' ').expect("a method and a target");
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("a method"))
        .uri(target)
        .header(header::HOST, format!("{preset}.example.fr"))
        .header(header::USER_AGENT, agent)
        .header(header::ACCEPT, "text/html,*/*;q=0.8")
        // As browsers do with a form; another server's call is one all the same.
        .header(header::ORIGIN, "https://idp.example.org")
        .body(Bytes::new())
        .expect("the request is well-formed");
    send(preau.address(), request).await.expect("an answer")
}

/// 503 means maintenance to a client that keeps files in step; a page would be taken for a file.
#[tokio::test]
async fn a_client_of_files_gets_503_and_json_and_never_a_page() {
    let portal = Portal::start().await;
    let preau = Preau::start(&rooms(&portal)).await;
    let mut inside = Surfer::new(preau.address(), "dedans");
    inside.get("nextcloud.example.fr/espace").await;
    let file = "/remote.php/dav/files/zoe/notes.txt";
    for (method, agent) in [
        ("PROPFIND", "curl"),
        ("PUT", "curl"),
        ("DELETE", "curl"),
        ("MKCOL", "Mozilla/5.0 (Linux) mirall/3.16"),
        ("GET", "Mozilla/5.0 (Linux) mirall/3.16"),
    ] {
        let answer = ask(&preau, "nextcloud", &format!("{method} {file}"), agent).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{method}");
        let kind = answer.header(header::CONTENT_TYPE);
        assert_eq!(kind, Some("application/problem+json"), "{method} {agent}");
        assert!(answer.json()["position"].is_number(), "{answer:?}");
        answer.assert_words(method);
    }
    let app = ask(&preau, "entcore", "GET /espace", "dedans").await;
    assert_eq!(app.status, StatusCode::FOUND);
    let app = ask(&preau, "entcore", "GET /espace", "X-APP=mobile-android").await;
    assert_eq!(
        app.header(header::CONTENT_TYPE),
        Some("application/problem+json")
    );
}

#[test]
fn the_page_of_the_presets_is_made_from_them() {
    let shown = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preau"));
        let output = command.arg("presets").args(arguments).output();
        let output = output.expect("the program runs");
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("it is text"),
        )
    };
    let page = include_str!("../deploy/presets.md").to_owned();
    let make = "preau presets --markdown > deploy/presets.md";
    assert_eq!(shown(&["--markdown"]), (Some(0), page), "{make}");
    let (_, overview) = shown(&[]);
    assert!(
        PRESETS.iter().all(|name| overview.contains(name)),
        "{overview}"
    );
    let (_, text) = shown(&["entcore"]);
    assert_eq!(text, include_str!("../src/config/presets/entcore.toml"));
    assert_eq!(shown(&["entcor"]).0, Some(2));
}
