//! Seats of a portal, shared by its rooms.

/// What a room wants of its portal's seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its weight beside the others; at least 1.
    pub weight: u32,
    /// People inside, called, and waiting.
    pub people: u64,
    /// Never fewer seats.
    pub min: u32,
    /// Never more.
    pub max: u32,
}

/// Shares `seats` among rooms: each gets what its people need, at most its weight's part of what
/// there is as long as others need more; what nobody needs is shared by weight (max-min fairness:
/// Bertsekas & Gallager, *Data Networks*, 6.5.2). The bounds of each room come first, also when
/// they add up to more.
pub fn share(seats: u32, wishes: &[Wish]) -> Vec<u32> {
    let mut shares = vec![0.0; wishes.len()];
    let mut left = f64::from(seats);
    let need = |wish: &Wish| (wish.people as f64).min(f64::from(wish.max));
    // First to those who need them, then to all: as many rounds as there are rooms, at most.
    for needed in [true, false] {
        for _ in 0..wishes.len() {
            let top = |wish: &Wish| match needed {
                true => need(wish),
                false => f64::from(wish.max),
            };
            let wants = |at: usize, shares: &[f64]| shares[at] < top(&wishes[at]);
            let weights: f64 = (0..wishes.len())
                .filter(|at| wants(*at, &shares))
                .map(|at| f64::from(wishes[at].weight))
                .sum();
            if weights <= 0.0 || left < 0.5 {
                break;
            }
            let part = left / weights;
            for at in 0..wishes.len() {
                if wants(at, &shares) {
                    let more = part * f64::from(wishes[at].weight);
                    let more = more.min(top(&wishes[at]) - shares[at]);
                    shares[at] += more;
                    left -= more;
                }
            }
        }
    }
    whole(&shares, wishes)
}

/// Seats as they can be given now: whoever is to have more than are inside gets what others do not
/// hold any longer. Otherwise seats on their way from one room to another would be taken twice.
pub fn settle(seats: u32, shares: &[u32], inside: &[u32]) -> Vec<u32> {
    let held = inside.iter().fold(0u32, |sum, it| sum.saturating_add(*it));
    let mut free = seats.saturating_sub(held);
    let settled = shares.iter().zip(inside).map(|(share, inside)| {
        let more = share.saturating_sub(*inside).min(free);
        free -= more;
        (*share).min(inside + more)
    });
    settled.collect()
}

/// Whole seats, none lost to rounding.
fn whole(shares: &[f64], wishes: &[Wish]) -> Vec<u32> {
    let mut carried = 0.0;
    let rounded = shares.iter().zip(wishes).map(|(share, wish)| {
        let exact = share + carried;
        let seats = (exact + 1e-6).floor();
        carried = exact - seats;
        (seats as u32).clamp(wish.min.min(wish.max), wish.max)
    });
    rounded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wish(weight: u32, people: u64) -> Wish {
        Wish {
            weight,
            people,
            min: 0,
            max: u32::MAX,
        }
    }

    #[test]
    fn one_room_has_them_all() {
        assert_eq!(share(300, &[wish(1, 0)]), [300]);
        assert_eq!(share(300, &[wish(7, 10_000)]), [300]);
    }

    #[test]
    fn who_needs_little_leaves_the_rest_to_others() {
        assert_eq!(share(300, &[wish(1, 50), wish(1, 10_000)]), [50, 250]);
        assert_eq!(share(300, &[wish(1, 9_000), wish(2, 9_000)]), [100, 200]);
    }

    #[test]
    fn what_nobody_needs_is_shared_by_weight() {
        assert_eq!(share(300, &[wish(1, 0), wish(2, 0)]), [100, 200]);
    }

    #[test]
    fn a_seat_on_its_way_is_nobodys() {
        assert_eq!(settle(300, &[150, 150], &[300, 0]), [150, 0]);
        assert_eq!(settle(300, &[150, 150], &[220, 0]), [150, 80]);
        assert_eq!(settle(300, &[150, 150], &[100, 20]), [150, 150]);
        assert_eq!(settle(300, &[100, 100, 100], &[280, 0, 0]), [100, 20, 0]);
    }

    #[test]
    fn bounds_come_first() {
        let few = Wish {
            max: 20,
            ..wish(1, 9_000)
        };
        let some = Wish {
            min: 30,
            ..wish(1, 0)
        };
        assert_eq!(share(100, &[few, wish(1, 9_000)]), [20, 80]);
        assert_eq!(share(100, &[some, wish(1, 9_000)]), [30, 100]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_made(
            seats in 0u32..100_000,
            rooms in prop::collection::vec((1u32..100, 0u64..200_000), 1..8),
        ) {
            let wishes: Vec<Wish> = rooms.iter().map(|(weight, people)| wish(*weight, *people)).collect();
            let shares = share(seats, &wishes);
            prop_assert_eq!(shares.iter().sum::<u32>(), seats);
            for (one, share_one) in wishes.iter().zip(&shares) {
                for (other, share_other) in wishes.iter().zip(&shares) {
                    // Nobody who needs more has less for its weight than somebody else.
                    let short = u64::from(*share_one) + 1 < one.people;
                    let part = |share: u32, wish: &Wish| f64::from(share) / f64::from(wish.weight);
                    if short {
                        let (mine, theirs) = (part(*share_one + 2, one), part(*share_other, other));
                        prop_assert!(mine + 2.0 >= theirs, "{wishes:?} {shares:?}");
                    }
                }
            }
        }
    }
}
