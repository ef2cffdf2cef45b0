//! Which lane a newcomer belongs to, and what is remembered of a lane from one visit to the next.

use super::body::Body;
use super::canonical::Asked;
use super::door::{Door, House};
use super::origin::Origin;
use crate::calendar;
use crate::config::{Hint, LaneConfig, Newcomer, PathSet};
use crate::host;
use crate::time::Span;
use http::header::{HeaderMap, SET_COOKIE};
use http::{Response, StatusCode};

/// The lane, as an index, that a newcomer to `door` belongs to: the first that says so.
pub(super) fn of(
    house: &House,
    door: &Door,
    asked: &Asked,
    headers: &HeaderMap,
    origin: &Origin,
) -> usize {
    let lanes = &door.config.lanes;
    if lanes.len() < 2 {
        return 0;
    }
    let newcomer = Newcomer {
        address: origin.address,
        vouched: origin.vouched.then_some(headers),
        clock: calendar::reading(&house.zone, host::wall()),
    };
    let asks = |paths: &PathSet| asked.opens(|path| paths.contains(path));
    let takes = |lane: &LaneConfig| {
        let hinted = || {
            lane.hint
                .as_ref()
                .is_some_and(|hint| knows(door, headers, lane, hint, 1))
        };
        lane.takes(newcomer, asks, hinted)
    };
    let others = lanes.iter().enumerate().skip(1);
    others
        .filter(|(_, lane)| takes(lane))
        .map(|(index, _)| index)
        .next()
        .unwrap_or(0)
}

/// Lanes that a visitor may turn out to belong to, by what the portal answers.
pub(super) struct Learning<'a> {
    door: &'a Door,
    asked: &'a Asked,
    /// Lanes before this one, that is.
    before: usize,
}

impl<'a> Learning<'a> {
    /// What may be learnt of somebody who sends `headers`.
    pub fn of(door: &'a Door, asked: &'a Asked, headers: &HeaderMap) -> Learning<'a> {
        let lanes = &door.config.lanes;
        // What is remembered is said again when half of its time is over.
        let fresh = |lane: &LaneConfig| {
            let hint = lane.hint.as_ref();
            hint.is_some_and(|hint| knows(door, headers, lane, hint, 2))
        };
        let before = lanes.iter().position(fresh).unwrap_or(lanes.len());
        Learning {
            door,
            asked,
            before,
        }
    }

    /// Remembers the first lane that the portal's answer speaks for.
    pub fn from(self, response: &mut Response<Body>) {
        if response.body().is_ours() {
            return;
        }
        let lanes = self.door.config.lanes.iter().take(self.before);
        let mut spoken = lanes.filter_map(|lane| Some((lane, lane.hint.as_ref()?)));
        let found = spoken.find(|(_, hint)| self.speaks(hint, response));
        if let Some((lane, hint)) = found {
            let cookie = &self.door.cookie;
            let given = cookie.remember_lane(&lane.name, hint.remembered, host::now());
            response.headers_mut().append(SET_COOKIE, given);
        }
    }

    fn speaks(&self, hint: &Hint, response: &Response<Body>) -> bool {
        let paths = &hint.paths;
        let header = hint.header.as_ref();
        header.is_some_and(|header| header.is_in(response.headers()))
            || (response.status() == StatusCode::OK
                && !paths.is_empty()
                && self.asked.opens(|path| paths.contains(path)))
    }
}

/// Whether whoever sends `headers` was seen to belong to `lane`, no longer ago than a `part` of what
/// is remembered.
fn knows(door: &Door, headers: &HeaderMap, lane: &LaneConfig, hint: &Hint, part: u64) -> bool {
    let now = host::now();
    let most = Span(hint.remembered.0 / part);
    let known = door.cookie.lane_hint(headers);
    known.is_some_and(|known| known.is_of(&lane.name) && now.since(known.issued) <= most)
}

impl House {
    /// Tells the rooms which of their lanes take newcomers at this hour. Wanted once a second or so,
    /// and at the start.
    pub fn tell_hours(&self) {
        let now = host::now();
        let clock = calendar::reading(&self.zone, host::wall());
        for door in &self.doors {
            let lanes = &door.config.lanes;
            if lanes.iter().any(|lane| !lane.when.is_empty()) {
                let open = |index: usize| lanes.get(index).is_none_or(|it| it.is_open(clock));
                door.room().set_open_lanes(open, now);
            }
        }
    }
}
