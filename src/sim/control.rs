//! The two limits of a run: found by the laws of the server, or given.

use super::portal::Kind;
use crate::config::scene::Scene;
use crate::room::{
    Answer, Capacity, CapacityRules, Class, Heads, Limit, Outlook, People, Sent, Waited, Whose,
};
use crate::time::{Millis, Span};

/// Which law moves the limits. All but the first are wrong on purpose: a test shows that what is
/// measured tells them from the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Law {
    /// The scene's: found where it says `"auto"`, else as given.
    #[default]
    Scene,
    /// What would be found never moves from where it begins.
    Frozen,
    /// What would be found is always the most there may be.
    Maximum,
    /// What would be found is always the least there may be.
    Minimum,
}

/// The limits in force.
pub struct Control {
    rules: CapacityRules,
    law: Capacity,
    classes: [Class; 4],
}

impl Control {
    /// The limits of a scene to begin with.
    pub fn new(scene: &Scene, law: Law, now: Millis) -> Control {
        let mut rules = CapacityRules {
            slots: scene.portal.slots,
            seats: scene.seats,
        };
        let start = Capacity::new(&rules, now);
        rules.slots = law.of(rules.slots, start.slots());
        rules.seats = law.of(rules.seats, start.seats());
        let mut law = Capacity::new(&rules, now);
        let paths = [
            ("POST", "/login"),
            ("GET", "/page"),
            ("GET", "/records"),
            ("GET", "/messages/events"),
        ];
        let classes = paths.map(|(method, path)| law.class(method, path));
        Control {
            rules,
            law,
            classes,
        }
    }

    /// What is to be expected of seats.
    pub fn outlook(&self) -> Outlook {
        self.law.outlook()
    }

    /// Requests in flight at most.
    pub fn slots(&self) -> u32 {
        self.law.slots()
    }

    /// People inside at most.
    pub fn seats(&self) -> u32 {
        self.law.seats()
    }

    /// A request of this visitor goes to the portal, as one of so many, after it has waited.
    pub fn sent(
        &mut self,
        in_flight: u32,
        waited: Option<Span>,
        visitor: u32,
        now: Millis,
    ) -> Sent {
        let whose = Whose::new(u64::from(visitor), b"");
        let waited = waited.map(Waited::ForAll);
        self.law.sent(in_flight, waited, whose, now)
    }

    /// Its answer came, or will not come.
    pub fn answered(&mut self, sent: Sent, kind: Kind, answer: Answer, now: Millis) {
        let class = self.classes[kind as usize];
        self.law.answered(sent, class, answer, now);
    }

    /// Until when the portal works on for somebody who has left.
    pub fn expected(&self, sent: Sent, kind: Kind) -> Millis {
        self.law.expected(sent, self.classes[kind as usize])
    }

    /// Seconds that an answer takes with little to do, if that is known.
    pub fn usual(&self, kind: Kind) -> Option<f64> {
        self.law.usual(self.classes[kind as usize])
    }

    /// A second has passed, with a portal that is up.
    pub fn tick(&mut self, heads: Heads, in_flight: u32, people: People, now: Millis) {
        self.law.tick(heads, in_flight, people, now);
        self.law.take_moves();
    }

    /// The portal is back.
    pub fn back(&mut self, inside: u32, now: Millis) {
        self.law.back(inside, now);
    }

    /// We are back: what was found is where it begins.
    pub fn resume(&mut self, now: Millis) {
        self.law.resume(&self.rules, now);
    }

    /// Whether requests of this kind hold no slot: they are known to last.
    pub fn is_apart(&self, kind: Kind) -> bool {
        self.law.is_apart(self.classes[kind as usize])
    }
}

impl Law {
    /// The limit under this law, if it would begin with `start`.
    fn of(self, limit: Limit, start: u32) -> Limit {
        match (self, limit) {
            (Law::Frozen, Limit::Auto { .. }) => Limit::Fixed(start),
            (Law::Maximum, Limit::Auto { max, .. }) => Limit::Fixed(max),
            (Law::Minimum, Limit::Auto { min, .. }) => Limit::Fixed(min),
            (_, limit) => limit,
        }
    }
}
