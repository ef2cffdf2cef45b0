//! The rooms' time, the portals' health and addresses, and what is forgotten now and then.

use super::follower::Follower;
use super::{bearing, certificates};
use crate::front::{Door, House};
use crate::host;
use crate::time::Span;
use crate::upstream::Portal;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

/// A room is woken no more often than this.
const SHORTEST: Span = Span(10);
/// And no less often than this, whatever it says: it must know that we are running.
const LONGEST: Span = Span::secs(1);
/// How often addresses from which nobody came are forgotten.
const FORGET: Duration = Duration::from_secs(30);

/// Has the rooms do what the calendar says, before anybody comes.
pub fn begin(house: &House) {
    for door in &house.doors {
        Follower::new(door.clone(), house.config.time_zone.clone()).follow();
    }
}

/// Keeps the house; never ends.
pub async fn keep(house: &Arc<House>) {
    for door in &house.doors {
        let follower = Follower::new(door.clone(), house.config.time_zone.clone());
        tokio::spawn(tick(door.clone(), follower));
    }
    for (index, portal) in house.portals.iter().enumerate() {
        let doors: Vec<Arc<Door>> = (house.doors.iter())
            .filter(|door| door.config.portal == index)
            .cloned()
            .collect();
        tokio::spawn(portal.clone().free_slots());
        tokio::spawn(tell(portal.clone(), doors.clone()));
        tokio::spawn(bearing::look(portal.clone(), doors));
        for server in 0..portal.config().servers.len() {
            tokio::spawn(portal.clone().follow(server));
            tokio::spawn(portal.clone().probe_forever(server));
        }
    }
    tokio::spawn(tell_hours(house.clone()));
    tokio::spawn(forget(house.clone()));
    tokio::spawn(certificates::watch(house.clone()));
    #[cfg(feature = "acme")]
    tokio::spawn(certificates::renew(house.clone()));
    pending().await
}

async fn tick(door: Arc<Door>, mut follower: Follower) {
    loop {
        let change = follower.follow();
        let pause = {
            let mut room = door.room();
            let now = host::now();
            room.tick(now);
            let wake = room.next_wake(now);
            change.map_or(wake, |change| wake.min(change)).since(now)
        };
        tokio::time::sleep(pause.clamp(SHORTEST, LONGEST).into()).await;
    }
}

/// Tells the rooms of a portal whether it answers.
async fn tell(portal: Arc<Portal>, doors: Vec<Arc<Door>>) {
    let mut up = portal.watch();
    loop {
        let now_up = *up.borrow_and_update();
        for door in &doors {
            door.room().set_portal(now_up, host::now());
        }
        if up.changed().await.is_err() {
            return;
        }
    }
}

async fn tell_hours(house: Arc<House>) {
    loop {
        tokio::time::sleep(LONGEST.into()).await;
        house.tell_hours();
    }
}

async fn forget(house: Arc<House>) {
    loop {
        tokio::time::sleep(FORGET).await;
        house.forget_quiet_addresses();
    }
}
