//! What portals bear is found once a second, and shared among their rooms.

use crate::config::Config;
use crate::front::Door;
use crate::host;
use crate::room::{Limit, People, Wish, settle, share};
use crate::store::{Store, StoreError};
use crate::upstream::Portal;
use std::sync::Arc;
use std::time::Duration;

/// How often the laws look.
const EVERY: Duration = Duration::from_secs(1);

/// The portals of `config`, with what was found of them before.
///
/// # Errors
/// When the store cannot be read.
pub fn portals(config: &Config, store: &Store) -> Result<Vec<Arc<Portal>>, StoreError> {
    let portals = config.portals.iter().enumerate();
    portals
        .map(|(index, portal)| {
            let found = store.load_found(&portal.name)?;
            Ok(Portal::new(portal.clone(), seats(config, index), found))
        })
        .collect()
}

/// Seats that are found for a portal, over its rooms.
fn seats(config: &Config, portal: usize) -> Limit {
    let rooms = config.rooms.iter().filter(|room| room.portal == portal);
    let found = rooms.filter_map(|room| match room.seats {
        Limit::Auto { min, max } => Some((min, max)),
        Limit::Fixed(_) => None,
    });
    let sums =
        found.reduce(|one, other| (one.0.saturating_add(other.0), one.1.saturating_add(other.1)));
    match sums {
        Some((min, max)) => Limit::Auto { min, max },
        None => Limit::Fixed(0),
    }
}

/// Looks at `portal` for ever, and gives the rooms behind `doors`, which are its own, their seats.
pub async fn look(portal: Arc<Portal>, doors: Vec<Arc<Door>>) {
    let doors: Vec<Arc<Door>> = doors
        .into_iter()
        .filter(|door| !door.config.seats.is_fixed())
        .collect();
    let mut was_up = portal.is_up();
    loop {
        let people: Vec<(People, u64)> = (doors.iter()).map(|door| door.room().people()).collect();
        let inside = (people.iter()).fold(People::default(), |sum, it| sum.and(it.0));
        let up = portal.is_up();
        if up && !was_up {
            portal.back(inside.inside());
        }
        was_up = up;
        if up {
            portal.tick(inside);
        }
        give(&portal, &doors, &people);
        tokio::time::sleep(EVERY).await;
    }
}

fn give(portal: &Portal, doors: &[Arc<Door>], people: &[(People, u64)]) {
    let wishes: Vec<Wish> = doors.iter().zip(people).map(wish).collect();
    let inside: Vec<u32> = people.iter().map(|(inside, _)| inside.inside()).collect();
    let (seats, outlook) = (portal.bearing.seats(), portal.bearing.outlook());
    let shares = settle(seats, &share(seats, &wishes), &inside);
    for (door, seats) in doors.iter().zip(shares) {
        let mut room = door.room();
        room.set_outlook(outlook, host::now());
        if room.rules().seats != seats {
            room.set_seats(seats, host::now());
        }
    }
}

fn wish((door, people): (&Arc<Door>, &(People, u64))) -> Wish {
    let (min, max) = match door.config.seats {
        Limit::Auto { min, max } => (min, max),
        Limit::Fixed(seats) => (seats, seats),
    };
    Wish {
        weight: door.config.weight,
        people: u64::from(people.0.inside()).saturating_add(people.1),
        min,
        max,
    }
}
