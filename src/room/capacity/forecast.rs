//! How many people the slots are enough for, foretold from what one of them costs.
//!
//! With *û* the slots that are in use, divided by the people who are there, both over the last
//! seconds, L slots are in use when L ÷ û people are there. Who has been called and has not come yet
//! is none of them, so that nobody is let in twice for the same idle slot: it takes ten to twenty
//! seconds from a call to its first request. Whoever has just come signs on, which costs more than
//! any later page; so it errs on the safe side while a room fills.

/// After so many seconds, what was seen counts little (1 ÷ e): of the two, the more careful is believed.
const MEMORIES_SECS: [f64; 2] = [12.0, 60.0];
/// The part of the slots that is counted on: what is left is found slowly. (With 0.85 and 1 somebody was
/// broken off in one of six runs of a portal that loses half of its capacity.)
const SAFE: f64 = 0.8;
/// The same while nothing has slowed the portal down: only slots that are in use grow.
const SAFE_SWIFT: f64 = 0.95;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forecast {
    /// Slots in use and people there, both summed over each memory.
    sums: [(f64, f64); 2],
    /// Of this second: requests sent, and how many were in flight before each.
    sent: u32,
    before: u64,
}

impl Forecast {
    /// A request goes to the portal, one of so many in flight.
    pub fn sent(&mut self, in_flight: u32) {
        self.sent = self.sent.saturating_add(1);
        self.before += u64::from(in_flight.saturating_sub(1));
    }

    /// A second has passed, with so many requests in flight at its end, and so many people there.
    pub fn elapse(&mut self, in_flight: u32, people: u32) {
        // What those find who come is what there is on the mean (PASTA: Wolff 1982).
        let busy = match self.sent {
            0 => f64::from(in_flight),
            sent => self.before as f64 / f64::from(sent),
        };
        for (sums, secs) in self.sums.iter_mut().zip(MEMORIES_SECS) {
            let kept = 1.0 - 1.0 / secs;
            *sums = (kept * sums.0 + busy, kept * sums.1 + f64::from(people));
        }
        (self.sent, self.before) = (0, 0);
    }

    /// People for whom so many slots are enough; without end while next to none are in use. `swift`: nothing
    /// has slowed the portal down yet.
    pub fn seats(&self, slots: u32, swift: bool) -> f64 {
        let safe = if swift { SAFE_SWIFT } else { SAFE };
        let enough = |(busy, people): &(f64, f64)| people / busy.max(f64::MIN_POSITIVE);
        safe * f64::from(slots) * self.sums.iter().map(enough).fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute with so many people, each of whom has a request in flight for a tenth of the time.
    fn lived(people: u32) -> Forecast {
        let mut forecast = Forecast::default();
        for _ in 0..60 {
            for _ in 0..20 {
                forecast.sent(people / 10 + 1);
            }
            forecast.elapse(people / 10, people);
        }
        forecast
    }

    #[test]
    fn slots_are_enough_for_as_many_as_they_were() {
        let seats = lived(50).seats(20, false);
        assert!((159.0..161.0).contains(&seats), "{seats}: 0.8 of 200");
        let same = lived(100).seats(20, false);
        assert!((seats - same).abs() < 1.0, "however many there are");
        let swift = lived(50).seats(20, true);
        assert!((189.0..191.0).contains(&swift), "{swift}: 0.95 of 200");
    }

    #[test]
    fn an_idle_portal_foretells_no_end() {
        let mut forecast = Forecast::default();
        forecast.elapse(0, 5);
        assert!(forecast.seats(8, false) > 1e9);
        assert_eq!(
            Forecast::default().seats(8, false),
            0.0,
            "and nobody tells nothing"
        );
    }
}
