use super::*;
use crate::room::{Promise, Reason, Waiting};
use crate::time::Span;

/// HTML, style and script of the waiting page in all, uncompressed; the promise is 15 kB.
const PAGE_MAX_BYTES: usize = 12_000;

fn waiting() -> Waiting {
    Waiting {
        number: 5_678,
        place: 1_234,
        lane: 0,
        promise: Some(Promise {
            low: Span::mins(8),
            high: Span::secs(11 * 60),
        }),
        poll_after: Span::secs(7),
        called: None,
        reason: None,
        drawn_at: None,
        enters_from: None,
        reopens: None,
    }
}

fn view(waiting: &Waiting) -> WaitingView<'_> {
    WaitingView {
        room: "ent",
        waiting,
        updated: "10:42:07",
        address: "/auth/login?a=1&b=2",
        form: false,
        paused: false,
        lanes: None,
        codes: false,
        keep_minutes: 5,
        outlook: Outlook::default(),
    }
}

fn page(lang: Lang, view: &WaitingView<'_>) -> String {
    text(Pages::new().waiting(lang, view))
}

fn text(body: Bytes) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn the_page_says_the_place_and_the_promise() {
    let html = page(Lang::Fr, &view(&waiting()));
    for part in [
        r#"<html lang="fr">"#,
        "<title>Place 1\u{202f}234 – file d’attente</title>",
        "id=\"place\">1\u{202f}234</dd>",
        "entre 8 et 15 minutes",
        "Ne rechargez pas, votre place est gardée.",
        "Inutile d’appeler l’établissement",
        "10:42:07",
        r#"<noscript><meta http-equiv="refresh" content="7"></noscript>"#,
        r#"<input type="hidden" name="to" value="&#x2f;auth&#x2f;login?a=1&amp;b=2">"#,
        r#"<section id="turn" hidden>"#,
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert!(page(Lang::En, &view(&waiting())).contains("between 8 and 15 minutes"));
}

#[test]
fn a_page_that_is_filled_in_is_what_its_template_makes() {
    let pages = Pages::new();
    let nasty = "/a'b?c=<d>&e=\"\u{e001}é/\u{e009}";
    for (lang, shape) in Lang::ALL
        .into_iter()
        .flat_map(|lang| Shape::all().map(move |it| (lang, it)))
    {
        let told = Waiting {
            called: shape.called.then_some(Span::secs(80)),
            reason: shape.noted.then_some(Reason::Slower),
            ..waiting()
        };
        let view = WaitingView {
            address: nasty,
            form: shape.form,
            paused: shape.paused,
            codes: shape.codes,
            lanes: shape.laned.then_some(("Élèves & co", "a <rule>")),
            ..view(&told)
        };
        let said = pages.say(lang, &told, &view.outlook);
        let made = pages.template(lang, shape, |hole| match hole {
            Hole::Title => said.title.as_ref().into(),
            Hole::Place => said.place.as_ref().into(),
            Hole::Wait => said.wait.into(),
            Hole::Note => said.note.clone().unwrap_or_default().into(),
            Hole::Lane => "Élèves & co".into(),
            Hole::Rules => "a <rule>".into(),
            Hole::Room => view.room.into(),
            Hole::Address => nasty.into(),
            Hole::Updated => view.updated.into(),
            Hole::Kept => pages.words(lang).kept(view.keep_minutes).as_ref().into(),
            Hole::Poll => 7.into(),
            Hole::Claim => 80.into(),
        });
        assert_eq!(text(pages.waiting(lang, &view)), made, "{shape:?}");
    }
}

#[test]
fn who_goes_first_is_said_to_everybody() {
    let waiting = waiting();
    let laned = WaitingView {
        lanes: Some(("Élèves", "Enseignants : 3 appels sur 4.")),
        ..view(&waiting)
    };
    let html = page(Lang::Fr, &laned);
    assert!(html.contains(r#"<dt>Votre file</dt><dd id="lane">Élèves</dd>"#));
    assert!(html.contains("avancent ensemble. Enseignants : 3 appels sur 4.</p>"));
    assert!(!page(Lang::Fr, &view(&waiting)).contains("file avance"));
}

#[test]
fn a_called_visitor_is_told_and_led_in() {
    let called = Waiting {
        called: Some(Span::secs(80)),
        place: 1,
        ..waiting()
    };
    let html = page(Lang::Fr, &view(&called));
    assert!(html.contains("<title>C’est à vous</title>"));
    assert!(html.contains(r#"<section id="line" hidden>"#));
    assert!(html.contains(r#"data-called="80""#));
    assert!(html.contains(r#"<a class="go" id="go" href="&#x2f;auth&#x2f;login?a=1&amp;b=2">"#));
    let said = Pages::new();
    let said = said.say(Lang::En, &called, &Outlook::default());
    assert_eq!(
        (said.title.as_ref(), said.wait),
        ("It is your turn", "You can go in")
    );
}

#[test]
fn a_paused_page_stands_still_and_a_form_is_never_led_to_by_get() {
    let waiting = waiting();
    let paused = page(
        Lang::Fr,
        &WaitingView {
            paused: true,
            ..view(&waiting)
        },
    );
    assert!(!paused.contains("http-equiv"));
    assert!(paused.contains("Votre place est gardée 5 minutes."));
    assert!(paused.contains("Reprendre"));
    let form = page(
        Lang::Fr,
        &WaitingView {
            form: true,
            ..view(&waiting)
        },
    );
    assert!(!form.contains("http-equiv"));
    assert!(!form.contains("login"));
    assert!(form.contains(r#"data-form="1""#));
}

#[test]
fn reasons_are_shown() {
    for reason in [
        Reason::PortalDown,
        Reason::Held,
        Reason::Slower,
        Reason::FewerLeft,
        Reason::Stopped,
        Reason::Hours,
        Reason::NextHours,
    ] {
        let waiting = Waiting {
            promise: None,
            reason: Some(reason),
            ..waiting()
        };
        for lang in Lang::ALL {
            let pages = Pages::new();
            let said = pages.say(lang, &waiting, &Outlook::default());
            let html = page(lang, &view(&waiting)).replace("&#x27;", "'");
            assert!(html.contains(&*said.note.unwrap()), "{reason:?}");
            assert!(html.contains(said.wait));
        }
    }
}

#[test]
fn hostile_values_stay_values() {
    let hostile = r#"/"><script>alert('1')</script><a href="//evil.example"#;
    let waiting = waiting();
    let view = WaitingView {
        address: hostile,
        room: hostile,
        updated: hostile,
        ..view(&waiting)
    };
    let refusal = RefusalView {
        kind: RefusalKind::Busy,
        retry_after_secs: None,
        room: Some(hostile),
        again: Some(hostile),
        secure: Some(hostile),
        outlook: Outlook::default(),
    };
    let refused = text(Pages::new().refusal(Lang::En, &refusal));
    for html in [page(Lang::Fr, &view), refused] {
        assert!(
            !html.contains("<script>") && !html.contains("alert('"),
            "{html}"
        );
        assert!(!html.contains(r#""//evil"#), "{html}");
    }
}

#[test]
fn no_address_leads_elsewhere() {
    for (address, expected) in [
        ("/", "/"),
        ("/a//b?c=//d", "/a//b?c=//d"),
        ("//evil.example/x", "/.//evil.example/x"),
        (r"/\evil.example", r"/./\evil.example"),
        ("/\t/evil.example", "/"),
        ("/\n\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ] {
        assert_eq!(same_origin(address), expected);
    }
}

#[test]
fn nothing_is_inline_or_from_elsewhere() {
    let pages = Pages::new();
    let waiting = waiting();
    let mut bodies = vec![text(pages.waiting(Lang::Fr, &view(&waiting)))];
    bodies.extend(RefusalKind::all().map(|kind| text(refuse(&pages, Lang::Fr, kind))));
    for html in bodies {
        for banned in [
            "<style",
            " style=",
            "<script>",
            " onclick",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!html.contains(banned), "{banned} in {html}");
        }
    }
}

#[test]
fn a_box_to_be_ticked_completes_nothing() {
    // `autocomplete` is for what is typed (HTML, "Autofill"); a box with it is invalid.
    for html in [include_str!("waiting.html"), include_str!("refusal.html")] {
        let boxes = html
            .split('<')
            .filter(|tag| tag.contains("type=\"checkbox\""));
        let boxes: Vec<&str> = boxes.collect();
        assert!(!boxes.is_empty() && !boxes.iter().any(|tag| tag.contains("autocomplete")));
    }
}

#[test]
fn every_refusal_has_words_in_both_languages() {
    let pages = Pages::new();
    for lang in Lang::ALL {
        for kind in RefusalKind::all() {
            let html = text(refuse(&pages, lang, kind));
            let words = pages.words(lang).refusal(kind);
            for key in ["title", "words", "todo"] {
                let said = words.get_attr(key).unwrap().to_string();
                assert!(
                    said.len() > 5 && html.contains(&said.replace('\'', "&#x27;")),
                    "{kind:?} {key}"
                );
            }
            assert!(html.contains(&format!("{} · ent", kind.name())));
            assert_eq!(
                html.contains("data-retry"),
                kind.retry().is_some(),
                "{kind:?}"
            );
        }
    }
}

#[test]
fn the_page_and_the_answers_are_small() {
    let pages = Pages::new();
    let assets: usize = pages.assets.iter().map(|(_, asset)| asset.body.len()).sum();
    let waiting = Waiting {
        place: 13_000_000,
        reason: Some(Reason::PortalDown),
        ..waiting()
    };
    let html = pages.waiting(Lang::Fr, &view(&waiting)).len();
    assert!(html + assets <= PAGE_MAX_BYTES, "{html} + {assets} bytes");
    let said = serde_json::to_vec(&pages.say(Lang::Fr, &waiting, &Outlook::default())).unwrap();
    assert!(
        said.len() < 300,
        "{} bytes of the 500 of an answer",
        said.len()
    );
}

#[test]
fn assets_are_found_by_the_names_that_the_page_uses() {
    let pages = Pages::new();
    let html = text(pages.waiting(Lang::En, &view(&waiting())));
    for (name, asset) in &pages.assets {
        assert!(html.contains(&format!("/.preau/{name}\"")), "{name}");
        assert_eq!(pages.asset(name).unwrap().body, asset.body);
    }
    assert!(pages.asset("page.css").is_none());
    assert!(pages.asset("").is_none());
}

#[test]
fn the_script_finds_what_it_changes() {
    let script = include_str!("script.js");
    let pages = [include_str!("waiting.html"), include_str!("refusal.html")].concat();
    let calls = ["el('", "put('", "show('", "note('"];
    let ids = calls.iter().flat_map(|call| script.split(call).skip(1));
    let ids: Vec<_> = ids.filter_map(|rest| rest.split('\'').next()).collect();
    assert!(ids.len() > 20);
    for id in ids {
        assert!(pages.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

fn refuse(pages: &Pages, lang: Lang, kind: RefusalKind) -> Bytes {
    let view = RefusalView {
        kind,
        retry_after_secs: kind.retry(),
        room: Some("ent"),
        again: Some("/back"),
        secure: None,
        outlook: Outlook::default(),
    };
    pages.refusal(lang, &view)
}

mod calendar {
    use super::*;
    use crate::config::Notice;
    use jiff::civil::date;

    fn notice() -> Notice {
        Notice {
            fr: "Maintenance du <mercredi>.".to_owned(),
            en: "Wednesday maintenance.".to_owned(),
        }
    }

    #[test]
    fn who_is_held_is_told_until_when() {
        let held = Waiting {
            reason: Some(Reason::Held),
            promise: None,
            ..waiting()
        };
        let notice = notice();
        let outlook = Outlook {
            notice: Some(&notice),
            today: date(2026, 9, 2),
            reopens: Some(date(2026, 9, 2).at(18, 0, 0, 0)),
            ..Outlook::default()
        };
        let view = WaitingView {
            outlook,
            ..view(&held)
        };
        let html = page(Lang::Fr, &view);
        assert!(html.contains("Maintenance du &lt;mercredi&gt;. La file est arrêtée"));
        assert!(
            html.contains("Elle reprendra à 18\u{a0}h. Votre place"),
            "{html}"
        );
        assert!(page(Lang::En, &view).contains("move again at 18:00. Your"));
    }

    #[test]
    fn who_waits_for_the_hours_of_a_group_is_told_them() {
        let shut = Waiting {
            reason: Some(Reason::Hours),
            ..waiting()
        };
        let outlook = Outlook {
            today: date(2026, 8, 31),
            hours: Some(("Collèges", "du lundi au vendredi de 8 h à 11 h")),
            enters: Some(date(2026, 9, 1).at(8, 0, 0, 0)),
            ..Outlook::default()
        };
        let note = |waiting: &Waiting, outlook| {
            let said = Pages::new();
            let said = said.say(Lang::Fr, waiting, &outlook).note;
            said.map(|note| note.into_owned()).unwrap()
        };
        assert_eq!(
            note(&shut, outlook),
            "Votre groupe (Collèges) entre du lundi au vendredi de 8 h à 11 h. Votre file avancera \
             mardi 1er septembre à 8\u{a0}h. Votre place est gardée."
        );
        let never = Outlook {
            enters: None,
            ..outlook
        };
        assert!(note(&shut, never).ends_with("Ces heures sont passées."));
        let next = Waiting {
            reason: Some(Reason::NextHours),
            ..waiting()
        };
        let words =
            "Si ces heures finissent avant votre tour, votre file avancera de nouveau mardi 1er";
        assert!(note(&next, outlook).contains(words));
        let view = WaitingView {
            outlook,
            ..view(&shut)
        };
        assert!(
            page(Lang::En, &view).contains("Your line will move on Tuesday 1 September at 8:00.")
        );
    }

    #[test]
    fn a_closed_door_says_when_it_opens() {
        let outlook = Outlook {
            today: date(2026, 8, 31),
            reopens: Some(date(2026, 9, 1).at(8, 30, 0, 0)),
            gathers: Some(date(2026, 9, 1).at(8, 0, 0, 0)),
            ..Outlook::default()
        };
        let view = RefusalView {
            kind: RefusalKind::Closed,
            retry_after_secs: Some(300),
            room: Some("ent"),
            again: Some("/"),
            secure: None,
            outlook,
        };
        let html = text(Pages::new().refusal(Lang::Fr, &view));
        assert!(
            html.contains("Rouvre mardi 1er septembre à 8\u{a0}h\u{a0}30."),
            "{html}"
        );
        assert!(html.contains("Venez attendre mardi 1er septembre à 8\u{a0}h : les places"));
        let html = text(Pages::new().refusal(Lang::En, &view));
        assert!(
            html.contains("Opens again on Tuesday 1 September at 8:30."),
            "{html}"
        );
    }

    #[test]
    fn before_the_draw_nobody_is_told_a_place() {
        let early = Waiting {
            reason: Some(Reason::Held),
            promise: None,
            ..waiting()
        };
        let outlook = Outlook {
            today: date(2026, 9, 1),
            drawn: Some(date(2026, 9, 1).at(8, 0, 0, 0)),
            ..Outlook::default()
        };
        let view = WaitingView {
            outlook,
            ..view(&early)
        };
        let html = page(Lang::Fr, &view);
        assert!(html.contains("<title>Tirage au sort à 8\u{a0}h – file d’attente</title>"));
        assert!(html.contains("tirage au sort à 8\u{a0}h</dd>") && !html.contains("1\u{202f}234"));
        assert!(html.contains("Arriver plus tôt ne change rien."));
    }
}
