//! The words of one language, resolved once.
//!
//! What has no number in it is a string from the start; every wait that can be shown is said
//! beforehand, too, and the title is cut where its place belongs. Only a few counts ask fluent at
//! run time.

mod lanes;

pub use lanes::LaneWords;

use super::{Lang, RefusalKind};
use crate::room::{Reason, Shown};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::civil::{Date, DateTime};
use minijinja::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Everything that our pages say in one language.
pub(super) struct Words {
    lang: Lang,
    bundle: FluentBundle<FluentResource>,
    /// The fixed words of the pages, for the templates.
    pub(super) page: Value,
    /// Title, words and advice of each refusal, by [`RefusalKind`].
    refusals: Vec<Value>,
    wait: BTreeMap<String, String>,
    reason: BTreeMap<String, String>,
    /// The fixed words about codes of classes.
    pub(super) class: Value,
    /// The names of the days, by their number from Monday, and of the months.
    weekday: BTreeMap<String, String>,
    month: BTreeMap<String, String>,
    turn: String,
    /// What stands before and behind the place in the title.
    title: [String; 2],
    /// By the steps of `low` and `high`; empty where `low` is above `high`.
    ranges: Vec<Vec<String>>,
    /// By the step of `low`.
    at_least: Vec<String>,
}

impl Words {
    /// Resolves the words of `lang`.
    ///
    /// # Panics
    /// If the embedded file is not valid or lacks a message; a test sees to it that it does not.
    pub(super) fn new(lang: Lang) -> Words {
        let bundle = bundle(lang);
        let page = attributes(&bundle, "page");
        let steps = Shown::STEPS.iter();
        Words {
            lang,
            turn: page["turn"].clone(),
            class: Value::from(attributes(&bundle, "class")),
            title: around_place(&bundle),
            page: Value::from(page),
            refusals: RefusalKind::all()
                .map(|kind| Value::from(attributes(&bundle, kind.name())))
                .collect(),
            wait: attributes(&bundle, "wait"),
            reason: attributes(&bundle, "reason"),
            weekday: attributes(&bundle, "weekday"),
            month: attributes(&bundle, "month"),
            ranges: steps
                .clone()
                .map(|&low| ranges_from(&bundle, low))
                .collect(),
            at_least: steps
                .map(|&low| message(&bundle, "wait-at-least", &[("count", low.into())]).into())
                .collect(),
            bundle,
        }
    }

    /// A refusal's `title`, `words` and `todo`.
    pub(super) fn refusal(&self, kind: RefusalKind) -> Value {
        self.refusals[kind as usize].clone()
    }

    /// The promise in words; `None` is "not known yet".
    pub(super) fn wait(&self, promise: Option<Shown>) -> &str {
        let step = |minutes| Shown::STEPS.binary_search(&minutes).ok();
        let said = match promise {
            Some(Shown::Moment) => self.wait.get("moment"),
            Some(Shown::OverAnHour) => self.wait.get("over-an-hour"),
            Some(Shown::Minutes { low, high }) => step(low)
                .zip(step(high))
                .and_then(|(low, high)| self.ranges[low].get(high)),
            // "At least nothing" says nothing.
            Some(Shown::AtLeast { low: 0 }) | None => None,
            Some(Shown::AtLeast { low }) => step(low).map(|low| &self.at_least[low]),
        };
        said.unwrap_or(&self.wait["unknown"])
    }

    /// What stands in place of the wait for a visitor who is called.
    pub(super) fn wait_called(&self) -> &str {
        &self.wait["called"]
    }

    /// Which language it is.
    pub(super) fn lang(&self) -> Lang {
        self.lang
    }

    /// A moment as people say it: "à 18 h 30", and if it is not today, "mardi 1er septembre à 8 h".
    pub(super) fn moment(&self, at: DateTime, today: Date) -> Cow<'_, str> {
        let (hour, minute) = (at.hour(), at.minute());
        let time = match (self.lang, minute) {
            (Lang::Fr, 0) => format!("{hour}\u{a0}h"),
            (Lang::Fr, _) => format!("{hour}\u{a0}h\u{a0}{minute:02}"),
            (Lang::En, _) => format!("{hour}:{minute:02}"),
        };
        if at.date() == today {
            return message(&self.bundle, "moment-today", &[("time", time.into())]);
        }
        let day = match (self.lang, at.day()) {
            (Lang::Fr, 1) => "1er".to_owned(),
            (_, day) => day.to_string(),
        };
        let weekday = at.weekday().to_monday_one_offset();
        let name = |words: &BTreeMap<String, String>, at: i8| words[&format!("n{at}")].clone();
        let arguments = [
            ("weekday", name(&self.weekday, weekday).into()),
            ("day", day.into()),
            ("month", name(&self.month, at.month()).into()),
            ("time", time.into()),
        ];
        message(&self.bundle, "moment-day", &arguments)
    }

    /// The message `id`, of a moment from [`Words::moment`].
    pub(super) fn at(&self, id: &str, moment: &str) -> Cow<'_, str> {
        message(&self.bundle, id, &[("moment", moment.into())])
    }

    /// The message `id`, of the lane `title` that is let in at these `hours`, and next at `moment`.
    pub(super) fn hours_note(&self, id: &str, title: &str, hours: &str, moment: &str) -> String {
        let arguments = [
            ("title", title.into()),
            ("hours", hours.into()),
            ("moment", moment.into()),
        ];
        message(&self.bundle, id, &arguments).into_owned()
    }

    /// Why things are as they are.
    pub(super) fn reason(&self, reason: Reason) -> &str {
        match reason {
            Reason::PortalDown => &self.reason["portal-down"],
            Reason::Held => &self.reason["held"],
            Reason::Slower => &self.reason["slower"],
            Reason::FewerLeft => &self.reason["fewer-left"],
            Reason::Stopped => &self.reason["stopped"],
            Reason::Hours => &self.reason["hours"],
            Reason::NextHours => &self.reason["next-hours"],
        }
    }

    /// "It is your turn".
    pub(super) fn turn(&self) -> &str {
        &self.turn
    }

    /// The title of the page while one waits at `place`, a number from [`Words::number`].
    pub(super) fn title(&self, place: &str) -> String {
        let [before, behind] = &self.title;
        [before, place, behind].concat()
    }

    /// For whom and how long a code is open.
    pub(super) fn valid(&self, people: u32, minutes: u32) -> String {
        let arguments = [("people", people.into()), ("minutes", minutes.into())];
        message(&self.bundle, "class-valid", &arguments).into_owned()
    }

    /// How long a place is kept without a sign of life.
    pub(super) fn kept(&self, minutes: u32) -> Cow<'_, str> {
        message(&self.bundle, "kept", &[("count", minutes.into())])
    }

    /// When to try again: in seconds, or from two minutes on in minutes rounded up.
    pub(super) fn retry(&self, secs: u64) -> Cow<'_, str> {
        let (id, count) = match secs {
            0..120 => ("retry-seconds", secs),
            _ => ("retry-minutes", secs.div_ceil(60)),
        };
        message(&self.bundle, id, &[("count", count.into())])
    }

    /// A number with its thousands set apart: by a narrow no-break space in French, by a comma in
    /// English.
    pub(super) fn number(&self, number: u64) -> String {
        let separator = match self.lang {
            Lang::Fr => '\u{202f}',
            Lang::En => ',',
        };
        let digits = number.to_string();
        let mut grouped = String::with_capacity(digits.len() * 2);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(separator);
            }
            grouped.push(digit);
        }
        grouped
    }
}

fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::Fr => include_str!("words/fr.ftl"),
        Lang::En => include_str!("words/en.ftl"),
    }
}

fn bundle(lang: Lang) -> FluentBundle<FluentResource> {
    let tag = lang.tag().parse().expect("our tags are language tags");
    let resource = FluentResource::try_new(source(lang).to_owned())
        .map_err(|(_, errors)| errors)
        .expect("the embedded words are valid fluent");
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // Marks around what is put in are for mixed directions; our languages run left to right.
    bundle.set_use_isolating(false);
    bundle
        .add_resource(resource)
        .expect("the embedded words name each message once");
    bundle
}

/// The fixed words under one message, by the name of the attribute.
fn attributes(bundle: &FluentBundle<FluentResource>, id: &str) -> BTreeMap<String, String> {
    let message = bundle
        .get_message(id)
        .expect("the embedded words have every message");
    let mut errors = Vec::new();
    let words = message
        .attributes()
        .map(|attribute| {
            let text = bundle.format_pattern(attribute.value(), None, &mut errors);
            (attribute.id().to_owned(), text.into_owned())
        })
        .collect();
    assert!(
        errors.is_empty(),
        "{id}: fixed words take no variables: {errors:?}"
    );
    words
}

/// A message with something put in.
fn message<'a>(
    bundle: &'a FluentBundle<FluentResource>,
    id: &str,
    arguments: &[(&'static str, FluentValue<'_>)],
) -> Cow<'a, str> {
    let pattern = bundle
        .get_message(id)
        .and_then(|message| message.value())
        .expect("the embedded words have every message");
    let arguments: FluentArgs = arguments.iter().cloned().collect();
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&arguments), &mut errors);
    debug_assert!(errors.is_empty(), "{id}: {errors:?}");
    Cow::Owned(text.into_owned())
}

/// The title, cut where the place belongs. A number would be written by fluent's own rules; a
/// text is put in as it is.
fn around_place(bundle: &FluentBundle<FluentResource>) -> [String; 2] {
    const HERE: &str = "\u{e000}";
    let title = message(bundle, "title-waiting", &[("place", HERE.into())]);
    let (before, behind) = title.split_once(HERE).expect("the title names the place");
    [before.to_owned(), behind.to_owned()]
}

/// The words for every range that begins at `low` minutes, by the step of its end.
fn ranges_from(bundle: &FluentBundle<FluentResource>, low: u32) -> Vec<String> {
    let say = |high| match low {
        _ if low > high => Cow::default(),
        _ if low == high => message(bundle, "wait-about", &[("count", low.into())]),
        0 => message(bundle, "wait-below", &[("count", high.into())]),
        _ => message(
            bundle,
            "wait-between",
            &[("low", low.into()), ("high", high.into())],
        ),
    };
    Shown::STEPS
        .iter()
        .map(|&high| say(high).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The left-hand sides of a file of words, attributes with the message that they belong to.
    fn keys(lang: Lang) -> Vec<String> {
        let mut owner = "";
        let mut keys = Vec::new();
        for line in source(lang).lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(" =") {
                Some((name, _)) if !line.starts_with(' ') => {
                    owner = name;
                    keys.push(owner.to_owned());
                }
                Some((name, _)) if name.trim().starts_with('.') => {
                    keys.push(format!("{owner}{}", name.trim()));
                }
                _ => {}
            }
        }
        keys
    }

    #[test]
    fn both_languages_have_the_same_words() {
        assert!(keys(Lang::Fr).len() > 100);
        assert_eq!(keys(Lang::Fr), keys(Lang::En));
    }

    #[test]
    fn every_wait_has_words() {
        let fr = Words::new(Lang::Fr);
        let en = Words::new(Lang::En);
        for (shown, french, english) in [
            (None, "pas encore connue", "not known yet"),
            (Some(Shown::Moment), "quelques instants", "a moment"),
            (
                Some(Shown::Minutes { low: 8, high: 15 }),
                "entre 8 et 15 minutes",
                "between 8 and 15 minutes",
            ),
            (
                Some(Shown::Minutes { low: 0, high: 1 }),
                "moins d’une minute",
                "less than a minute",
            ),
            (
                Some(Shown::Minutes { low: 0, high: 3 }),
                "moins de 3 minutes",
                "less than 3 minutes",
            ),
            (
                Some(Shown::Minutes { low: 5, high: 5 }),
                "environ 5 minutes",
                "about 5 minutes",
            ),
            (
                Some(Shown::AtLeast { low: 1 }),
                "au moins 1 minute",
                "at least 1 minute",
            ),
            (
                Some(Shown::AtLeast { low: 50 }),
                "au moins 50 minutes",
                "at least 50 minutes",
            ),
            (
                Some(Shown::AtLeast { low: 0 }),
                "pas encore connue",
                "not known yet",
            ),
            (
                Some(Shown::OverAnHour),
                "plus d’une heure",
                "more than an hour",
            ),
        ] {
            assert_eq!(fr.wait(shown), french);
            assert_eq!(en.wait(shown), english);
        }
    }

    #[test]
    fn one_is_not_many() {
        let fr = Words::new(Lang::Fr);
        assert_eq!(fr.kept(1), "Votre place est gardée 1 minute.");
        assert_eq!(fr.kept(5), "Votre place est gardée 5 minutes.");
        assert_eq!(fr.retry(1), "Réessayez dans 1 seconde.");
        assert_eq!(fr.retry(119), "Réessayez dans 119 secondes.");
        assert_eq!(fr.retry(121), "Réessayez dans 3 minutes.");
        assert_eq!(
            Words::new(Lang::En).kept(1),
            "Your place is kept for 1 minute."
        );
    }

    #[test]
    fn thousands_stand_apart() {
        let fr = Words::new(Lang::Fr);
        assert_eq!(fr.number(7), "7");
        assert_eq!(fr.number(999), "999");
        assert_eq!(fr.number(1_234), "1\u{202f}234");
        assert_eq!(fr.number(13_000_000), "13\u{202f}000\u{202f}000");
        assert_eq!(Words::new(Lang::En).number(1_234), "1,234");
        assert_eq!(
            fr.title("1\u{202f}234"),
            "Place 1\u{202f}234 – file d’attente"
        );
    }
}
