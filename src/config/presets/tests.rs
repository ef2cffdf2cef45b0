//! Every preset, request by request.

use super::*;
use crate::config::Seen;
use http::Method;

/// A preset, a request (`METHOD /path?query form name`), and the lists that mean it.
type Row = (&'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("cas", "GET /cas/login?service=https://ent.example.fr/", &[]),
    ("cas", "GET /cas/css/cas.css", &["open"]),
    ("cas", "POST /cas/css/cas.css", &[]),
    ("cas", "GET /cas/serviceValidate?service=x&ticket=ST-1", &["back_channels", "callbacks"]),
    ("cas", "GET /serviceValidate?service=x&ticket=ST-1", &["back_channels", "callbacks"]),
    ("cas", "GET /serviceValidate", &[]),
    ("cas", "POST /cas/samlValidate?TARGET=x", &["back_channels"]),
    ("cas", "GET /cas/samlValidate?TARGET=x", &[]),
    ("cas", "POST /cas/login", &["callbacks"]),
    ("cas", "GET /espace?ticket=ST-12-abc", &["callbacks"]),
    ("cas", "GET /espace?ticket=PT-12-abc", &["callbacks"]),
    ("cas", "GET /espace?ticket=", &[]),
    ("cas", "GET /espace?ticket=12", &[]),
    ("cas", "GET /espace?ticket=ST-1&ticket=ST-2", &[]),
    ("cas", "POST /espace form logoutRequest", &["back_channels"]),
    ("cas", "POST /espace form prenom", &[]),
    ("cas", "GET /cas/logout?service=x", &["logout"]),
    ("cas", "GET /cas/logout/x", &[]),
    ("saml", "POST /Shibboleth.sso/SAML2/POST", &["callbacks"]),
    ("saml", "GET /Shibboleth.sso/SAML2/POST", &[]),
    ("saml", "GET /Shibboleth.sso/SAML2/Artifact?SAMLart=AAQ", &["callbacks"]),
    ("saml", "GET /Shibboleth.sso/Login", &[]),
    ("saml", "GET /Shibboleth.sso/Metadata", &["back_channels"]),
    ("saml", "POST /Shibboleth.sso/SLO/SOAP", &["back_channels"]),
    ("saml", "GET /Shibboleth.sso/Logout", &["logout"]),
    ("saml", "GET /idp/profile/SAML2/Redirect/SSO?SAMLRequest=x", &[]),
    ("saml", "POST /idp/profile/SAML2/Redirect/SSO?execution=e1s2", &["callbacks"]),
    ("saml", "GET /any?SAMLResponse=fZ", &["callbacks"]),
    ("saml", "POST /simplesaml/module.php/saml/sp/saml2-acs.php/default-sp", &["callbacks"]),
    ("oidc", "GET /openid/authenticate?code=1&state=2", &["callbacks"]),
    ("oidc", "GET /openid/authenticate?error=access_denied&state=2", &["callbacks"]),
    ("oidc", "GET /openid/authenticate?code=1", &[]),
    ("oidc", "POST /openid/authenticate?code=1&state=2", &[]),
    ("oidc", "GET /cas/oidc/jwks", &["back_channels"]),
    ("oidc", "POST /application/logout form logout_token", &["back_channels"]),
    ("oidc", "GET /cas/oidc/oidcAuthorize?client_id=a&state=b", &[]),
    ("oidc", "POST /idp/profile/oidc/token", &["back_channels"]),
    ("oidc", "POST /realms/ent/protocol/openid-connect/token", &["back_channels"]),
    ("oidc", "GET /realms/ent/protocol/openid-connect/auth", &[]),
    ("oidc", "GET /realms/ent/protocol/openid-connect/logout?id_token_hint=x", &["logout"]),
    ("lemonldap", "GET /", &[]),
    ("lemonldap", "POST /", &["callbacks"]),
    ("lemonldap", "GET /ping", &["non_renewing"]),
    ("oidc", "GET /realms/ent/protocol/openid-connect/logout", &[]),
    ("cas", "GET /portal/cb?pgtIou=PGTIOU-1&pgtId=PGT-1", &["back_channels"]),
    ("moodle", "GET /login/logout.php", &[]),
    ("lemonldap", "GET /?logout=1", &["logout"]),
    ("lemonldap", "GET /?logout=0", &[]),
    ("lemonldap", "GET /static/common/js/portal.js", &["open"]),
    ("lemonldap", "POST /oauth2/token", &["back_channels"]),
    ("lemonldap", "POST /oauth2/backchannellogout", &["back_channels"]),
    ("lemonldap", "POST /application form logoutRequest", &["back_channels"]),
    ("lemonldap", "GET /oauth2/authorize?client_id=a", &[]),
    ("lemonldap", "POST /saml/proxySingleSignOnPost", &["callbacks"]),
    ("lemonldap", "GET /?openidconnectcallback=1&code=2&state=3", &["callbacks"]),
    ("entcore", "GET /auth/login", &[]),
    ("entcore", "POST /auth/login", &["callbacks"]),
    ("entcore", "POST /auth/saml/acs", &["callbacks"]),
    ("entcore", "GET /auth/saml/wayf", &[]),
    ("entcore", "GET /auth/openid/authenticate?code=1&state=2", &["callbacks"]),
    ("entcore", "GET /assets/themes/x/skin.css", &["open"]),
    ("entcore", "POST /auth/oauth2/token", &["back_channels"]),
    ("entcore", "GET /cas/login?service=x", &[]),
    ("entcore", "GET /cas/serviceValidate?ticket=ST-1", &["back_channels"]),
    ("entcore", "POST /auth/openid/logout/slo", &["back_channels"]),
    ("entcore", "GET /auth/logout", &["logout"]),
    ("entcore", "POST /workspace/document", &[]),
    ("skolengo", "GET /login?service=x", &[]),
    ("skolengo", "POST /login?service=x", &["callbacks"]),
    ("skolengo", "GET /sg.do?PROC=A&ticket=ST-1", &["callbacks"]),
    ("skolengo", "GET /serviceValidate?service=x&ticket=ST-1", &["back_channels", "callbacks"]),
    ("skolengo", "GET /oidc/.well-known", &["back_channels"]),
    ("skolengo", "POST /sg.do?PROC=A form logoutRequest", &["back_channels"]),
    ("skolengo", "GET /logout", &["logout"]),
    ("pronote", "GET /pronote/eleve.html", &[]),
    ("pronote", "GET /pronote/eleve.html?ticket=ST-1", &["callbacks"]),
    ("pronote", "GET /pronote/mobile.eleve.html?fd=1&ticket=ST-1", &["callbacks"]),
    ("pronote", "GET /pronote/infoMobileApp.json?id=0D", &["open"]),
    ("pronote", "GET /pronote/ical/Edt.ics?icalsecurise=1", &["back_channels"]),
    ("pronote", "POST /pronote/eleve.html form logoutRequest", &["back_channels"]),
    ("pronote", "POST /pronote/appelfonction/3/1/2", &[]),
    ("uportal", "GET /uPortal/Login?ticket=ST-1", &["callbacks"]),
    ("uportal", "POST /uPortal/Login", &["callbacks"]),
    ("uportal", "GET /uPortal/Login", &[]),
    ("uportal", "GET /uPortal/CasProxyServlet?pgtIou=1&pgtId=2", &["back_channels"]),
    ("uportal", "GET /uPortal/media/skins/respondr/x.css", &["open"]),
    ("uportal", "POST /uPortal/p/x form logoutRequest", &["back_channels"]),
    ("uportal", "GET /uPortal/Logout", &["logout"]),
    ("moodle", "GET /login/index.php", &[]),
    ("moodle", "POST /login/index.php", &["callbacks"]),
    ("moodle", "GET /login/index.php?authCAS=CAS&ticket=ST-1", &["callbacks"]),
    ("moodle", "GET /admin/oauth2callback.php?code=1&state=2", &["callbacks"]),
    ("moodle", "GET /theme/styles.php/boost/1/all", &["open"]),
    ("moodle", "POST /course/view.php?id=2 form logoutRequest", &["back_channels"]),
    ("moodle", "GET /pluginfile.php/1/x.png", &[]),
    ("moodle", "POST /lib/ajax/service-nologin.php?info=tool_mobile_get_public_config", &["open"]),
    ("moodle", "POST /lib/ajax/service-nologin.php?info=core_course_get", &[]),
    ("moodle", "POST /webservice/rest/server.php?moodlewsrestformat=json", &[]),
    ("moodle", "GET /calendar/export_execute.php?userid=2&authtoken=x&preset_time=x", &["back_channels"]),
    ("moodle", "GET /rss/file.php/5/x/mod_forum/1/rss.xml", &["back_channels"]),
    ("moodle", "POST /mod/lti/token.php", &["back_channels"]),
    ("moodle", "POST /lib/ajax/service.php?sesskey=k&info=core_session_touch", &["non_renewing"]),
    ("moodle", "POST /lib/ajax/service.php?sesskey=k&info=core_course_get", &[]),
    ("moodle", "GET /login/logout.php?sesskey=k", &["logout"]),
    ("nextcloud", "GET /login", &[]),
    ("nextcloud", "POST /login", &["callbacks"]),
    ("nextcloud", "POST /index.php/login", &["callbacks"]),
    ("nextcloud", "GET /status.php", &["open"]),
    ("nextcloud", "GET /core/img/logo/logo.svg", &["open"]),
    ("nextcloud", "PROPFIND /remote.php/dav/files/zoe/", &[]),
    ("nextcloud", "POST /login/v2/poll", &["back_channels"]),
    ("nextcloud", "GET /remote.php/dav/public-calendars/abc?export", &["back_channels"]),
    ("nextcloud", "POST /index.php/apps/user_oidc/backchannel-logout/idp", &["back_channels"]),
    ("nextcloud", "GET /remote.php/dav/calendars/zoe/x?export", &[]),
    ("nextcloud", "GET /index.php/csrftoken", &["non_renewing"]),
    ("nextcloud", "PUT /ocs/v2.php/apps/user_status/api/v1/heartbeat", &["non_renewing"]),
    ("nextcloud", "GET /apps/user_oidc/code?code=1&state=2", &["callbacks"]),
    ("nextcloud", "GET /index.php/logout?requesttoken=x", &["logout"]),
];

/// The lists of `flows` that mean `request`.
fn lists(flows: &Flows, request: &str) -> Vec<&'static str> {
    let (method, target) = request.split_once(' ').unwrap();
    let (target, form) = match target.split_once(" form ") {
        Some((target, form)) => (target, Some(form)),
        None => (target, None),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let seen = Seen {
        method: &method,
        host: "any.example.fr",
        path,
        query,
        form,
    };
    let means = Flows::LISTS
        .iter()
        .filter(|(_, list)| list(flows).contains(seen));
    means.map(|(key, _)| *key).collect()
}

fn flows(name: &str) -> Flows {
    let found = Preset::ALL.iter().find(|preset| preset.name == name);
    found.unwrap().flows().at(&[])
}

#[test]
fn every_preset_can_be_read_and_says_what_it_is() {
    for preset in Preset::ALL {
        if let Err(problems) = preset.read() {
            panic!("{}: {problems}", preset.name);
        }
        assert!(preset.about().ends_with('.'), "{}", preset.name);
    }
}

#[test]
fn each_request_is_what_the_table_says() {
    for (preset, request, expected) in TABLE {
        assert_eq!(
            lists(&flows(preset), request),
            *expected,
            "{preset}: {request}"
        );
    }
}

#[test]
fn the_table_has_a_row_for_each_list_of_each_preset() {
    for preset in Preset::ALL {
        let flows = preset.flows();
        for (key, list) in Flows::LISTS {
            let row = |(name, _, keys): &&Row| *name == preset.name && keys.contains(&key);
            let shown = TABLE.iter().any(|one| row(&one));
            assert_eq!(shown, !list(&flows).is_empty(), "{}: {key}", preset.name);
        }
    }
}

/// A sign-on form is where the waiting belongs: before it, never behind it.
#[test]
fn no_preset_opens_a_form_or_a_page() {
    let forms = [
        "GET /",
        "GET /login",
        "GET /cas/login",
        "GET /auth/login",
        "GET /uPortal/Login",
        "GET /login/index.php",
        "GET /index.php/login",
        "GET /oauth2/authorize",
        "GET /pronote/eleve.html",
        "GET /idp/profile/SAML2/Redirect/SSO",
        "GET /espace",
    ];
    for preset in Preset::ALL {
        for form in forms {
            assert_eq!(
                lists(&preset.flows().at(&[]), form),
                [""; 0],
                "{}: {form}",
                preset.name
            );
        }
    }
}

/// What stands at the root of a server's own host is that, and not the root of every host.
#[test]
fn in_a_room_of_several_hosts_a_preset_knows_its_own() {
    let room = |hosts: &str, presets: &str| {
        let text = format!(
            "[[portal]]\nservers = \"http://127.0.0.1:9\"\n[[room]]\nhost = {hosts}\npresets = {presets}\n"
        );
        let source = crate::config::Source {
            name: "test",
            text: &text,
            overrides: &[],
        };
        let config = crate::config::parse(source).map_err(|problems| problems.to_string())?;
        Ok::<Flows, String>(config.rooms[0].flows.clone())
    };
    let is_form = |flows: &Flows, host| {
        flows.callbacks.contains(Seen {
            method: &Method::POST,
            host,
            path: "/",
            query: "",
            form: None,
        })
    };
    let one = room("\"portail.fr\"", "\"lemonldap\"").unwrap();
    assert!(is_form(&one, "portail.fr"), "it has but one host");
    let any = room("\"*\"", "\"lemonldap\"").unwrap();
    assert!(
        is_form(&any, "portail.fr"),
        "nobody says which hosts there are"
    );
    for hosts in ["[\"auth.x.fr\", \"www.x.fr\"]", "\"*.x.fr\""] {
        let several = room(hosts, "\"lemonldap\"").unwrap();
        assert!(
            is_form(&several, "auth.x.fr") && !is_form(&several, "www.x.fr"),
            "{hosts}"
        );
    }
    let hosts = "[\"sso.x.fr\", \"www.x.fr\"]";
    let named = room(
        hosts,
        "[{ name = \"lemonldap\", host = \"sso.x.fr\" }, \"cas\"]",
    )
    .unwrap();
    assert!(is_form(&named, "sso.x.fr") && !is_form(&named, "www.x.fr"));
    for (presets, words) in [
        ("\"lemonldap\"", "which of the room's hosts is `lemonldap`?"),
        (
            "{ name = \"cas\", host = \"cas.y.fr\" }",
            "`cas.y.fr` is not among",
        ),
        ("{ name = \"cas\" }", "missing key `host`"),
        (
            "\"cas\"\nopen = { path = \"/\", host = \"a.fr\" }",
            "`room.open` names a host",
        ),
    ] {
        let problems = room(hosts, presets).unwrap_err();
        assert!(problems.contains(words), "{presets}: {problems}");
    }
}
