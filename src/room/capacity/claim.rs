//! Who comes first, and for whom how many of the slots are.

/// Who asks for a slot: those further up come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// Another server, on a back-channel: a quarter more slots are for these alone.
    BackChannel,
    /// Somebody inside.
    Inside,
    /// Anybody else: the last quarter of the slots is not for these.
    Outside,
}

impl Claim {
    /// All of them, in the order in which they are served.
    pub const ALL: [Claim; 3] = [Claim::BackChannel, Claim::Inside, Claim::Outside];

    /// How many of `slots` there are for this one.
    pub fn of(self, slots: u32) -> u32 {
        match self {
            Claim::BackChannel => slots.saturating_add(slots.div_ceil(4)),
            Claim::Inside => slots,
            Claim::Outside => slots - slots / 4,
        }
    }

    /// Whether those inside wait behind whoever waits by it.
    pub fn is_before_those_inside(self) -> bool {
        self != Claim::Outside
    }
}
