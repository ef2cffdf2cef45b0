use super::*;

/// So many seats, and so many people there.
fn stand(seats: u32, present: f64) -> Stand {
    Stand {
        seats,
        growth: 1.0,
        present,
        called: 0.0,
        pace: 1e9,
    }
}

fn learnt(departures: u64, secs_each: u64, seats: u32) -> Estimator {
    let mut estimator = Estimator::new(Span::secs(5), Millis(0));
    // A steady state: `seats` taken all the time, one departure each secs_each / seats.
    let step = secs_each * 1000 / u64::from(seats);
    let mut now = 0;
    for _ in 0..departures {
        now += step;
        estimator.elapse(f64::from(seats), 100, Millis(now));
        estimator.departed(1.0, 0.0);
        estimator.called_in();
    }
    estimator.refresh(stand(seats, f64::from(seats)));
    estimator
}

#[test]
fn something_is_known_from_the_first_second_and_more_with_each_departure() {
    let mut estimator = Estimator::new(Span::secs(5), Millis(0));
    assert_eq!(estimator.promise(5), None);
    estimator.refresh(stand(10, 10.0));
    let width = |estimator: &Estimator| {
        let promise = estimator.promise(50).unwrap();
        promise.high.as_secs_f64() / promise.low.as_secs_f64()
    };
    assert!(width(&estimator) > 2.0, "{}", width(&estimator));
    let widths = [1, 10, 100, 1_000].map(|seen| width(&learnt(seen, 60, 10)));
    assert!(widths.is_sorted_by(|a, b| a > b), "{widths:?}");
    estimator.refresh(stand(0, 10.0));
    assert_eq!(estimator.promise(5), None, "nobody is let in");
}

#[test]
fn a_steady_room_is_place_over_rate() {
    let estimator = learnt(1_000, 600, 300);
    let promise = estimator.promise(300).unwrap();
    let secs = promise.low.as_secs_f64();
    assert!((570.0..=630.0).contains(&secs), "{secs}");
    assert!(promise.high > promise.low);
}

#[test]
fn those_who_give_up_shorten_the_wait() {
    let mut estimator = learnt(1_000, 600, 300);
    let before = estimator.promise(3_000).unwrap().low;
    estimator.abandoned(200, Span::ZERO);
    estimator.refresh(stand(300, 300.0));
    assert!(estimator.promise(3_000).unwrap().low < before);
}

#[test]
fn those_who_do_not_come_when_called_shorten_the_wait() {
    let mut estimator = learnt(1_000, 600, 300);
    let before = estimator.promise(300).unwrap().low;
    for _ in 0..estimator.sum(0..LONG).calls {
        estimator.lapsed();
    }
    estimator.refresh(stand(300, 300.0));
    let after = estimator.promise(300).unwrap().low;
    let part = after.as_secs_f64() / before.as_secs_f64();
    assert!((0.49..=0.52).contains(&part), "{part}");
}

#[test]
fn draining_seats_lengthen_it() {
    let mut estimator = learnt(1_000, 600, 300);
    let before = estimator.promise(1).unwrap().low;
    estimator.refresh(stand(150, 300.0));
    let after = estimator.promise(1).unwrap().low;
    assert!(after.as_secs_f64() > before.as_secs_f64() + 299.0);
}

#[test]
fn the_width_follows_what_happened() {
    let mut estimator = learnt(1_000, 600, 300);
    let promise = estimator.promise(300).unwrap();
    for _ in 0..Z_SCORES {
        estimator.score(promise, promise.low.scale(2.0), false);
    }
    estimator.refresh(stand(300, 300.0));
    let high = estimator.promise(300).unwrap().high;
    let twice = high.as_secs_f64() / promise.low.as_secs_f64();
    assert!((1.9..=2.1).contains(&twice), "{twice}");
}

#[test]
fn a_range_is_wider_where_less_is_known() {
    let factor = |estimator: &Estimator, place| {
        let promise = estimator.promise(place).unwrap();
        promise.high.as_secs_f64() / (promise.low.as_secs_f64() + 5.0)
    };
    let [small, large] = [learnt(100, 600, 30), learnt(1_000, 600, 300)];
    assert!(factor(&large, 10) > factor(&large, 1_000));
    assert!(factor(&small, 1_000) > factor(&large, 1_000));
}

#[test]
fn a_clock_that_leaps_forgets_instead_of_looping() {
    let mut estimator = learnt(100, 60, 10);
    let before = estimator.promise(1).unwrap();
    estimator.elapse(10.0, 0, Millis(u64::MAX / 2));
    estimator.elapse(10.0, 0, Millis(u64::MAX / 2 + 60_000));
    estimator.refresh(stand(10, 10.0));
    assert!(estimator.is_new() && estimator.promise(1).unwrap().high > before.high);
}
