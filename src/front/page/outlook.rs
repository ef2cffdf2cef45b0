//! What the calendar holds in store for visitors, in words.

use super::Lang;
use super::words::Words;
use crate::config::Notice;
use crate::room::{Reason, Waiting};
use jiff::civil::{Date, DateTime};
use std::borrow::Cow;

/// What a page says beside the place and the promise; nothing unless the calendar knows something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outlook<'a> {
    /// What the operators say.
    pub notice: Option<&'a Notice>,
    /// Today's date.
    pub today: Date,
    /// When somebody goes in again, if nobody does now.
    pub reopens: Option<DateTime>,
    /// From when on one may come and take part in the draw of an opening.
    pub gathers: Option<DateTime>,
    /// When this visitor's place is drawn.
    pub drawn: Option<DateTime>,
    /// The title and the hours of the visitor's lane, if these keep them waiting.
    pub hours: Option<(&'a str, &'a str)>,
    /// When that lane is let in next.
    pub enters: Option<DateTime>,
}

impl Outlook<'_> {
    /// Whether there is a note for somebody who waits.
    pub(super) fn notes(&self, waiting: &Waiting) -> bool {
        waiting.reason.is_some() || self.notice.is_some() || self.drawn.is_some()
    }

    /// The note for somebody who waits: what the operators say, and why things are as they are.
    pub(super) fn note<'w>(&self, words: &'w Words, waiting: &Waiting) -> Option<Cow<'w, str>> {
        let reason = match (self.drawn, waiting.reason, self.reopens) {
            (Some(drawn), ..) => Some(self.at(words, "draw-note", drawn)),
            (None, Some(Reason::Held), Some(reopens)) => {
                Some(self.at(words, "held-until", reopens))
            }
            (None, Some(Reason::Hours | Reason::NextHours), _) if self.hours.is_some() => {
                self.hours(words, waiting.reason)
            }
            (None, Some(reason), _) => Some(Cow::Borrowed(words.reason(reason))),
            (None, None, _) => None,
        };
        match (self.notice, reason) {
            (Some(notice), Some(reason)) => {
                let notice = said(notice, words.lang());
                Some(Cow::Owned(format!("{notice} {reason}")))
            }
            (Some(notice), None) => Some(Cow::Owned(said(notice, words.lang()).to_owned())),
            (None, reason) => reason,
        }
    }

    /// What somebody is told who comes to a closed door.
    pub(super) fn closed(&self, words: &Words) -> Option<String> {
        let notice = self.notice.map(|notice| said(notice, words.lang()).into());
        let reopens = self.reopens.map(|at| self.at(words, "reopens", at));
        let gathers = self.gathers.map(|at| self.at(words, "gathers", at));
        let parts: Vec<Cow<'_, str>> = [notice, reopens, gathers].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// The place of somebody who is drawn later, and the title of their page.
    pub(super) fn draw<'w>(&self, words: &'w Words) -> Option<(Cow<'w, str>, Cow<'w, str>)> {
        let drawn = self.drawn?;
        let place = self.at(words, "draw-place", drawn);
        Some((place, self.at(words, "title-draw", drawn)))
    }

    /// Why somebody waits whose lane is let in at certain hours, and until when.
    fn hours<'w>(&self, words: &'w Words, reason: Option<Reason>) -> Option<Cow<'w, str>> {
        let (title, hours) = self.hours?;
        let enters = self.enters.map(|at| words.moment(at, self.today));
        let id = match (reason, &enters) {
            (Some(Reason::NextHours), _) => "hours-next",
            (_, Some(_)) => "hours-shut",
            (_, None) => "hours-over",
        };
        let moment = enters.as_deref().unwrap_or_default();
        Some(words.hours_note(id, title, hours, moment).into())
    }

    fn at<'w>(&self, words: &'w Words, id: &str, moment: DateTime) -> Cow<'w, str> {
        words.at(id, &words.moment(moment, self.today))
    }
}

fn said(notice: &Notice, lang: Lang) -> &str {
    match lang {
        Lang::Fr => &notice.fr,
        Lang::En => &notice.en,
    }
}
