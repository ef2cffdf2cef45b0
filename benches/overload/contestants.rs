//! Who stands in front of the portal, and how each is configured: as an operator would who has read the
//! manual. HAProxy, nginx and the told one know what the portal bears; preau has to find it.

use crate::support::{HaProxy, Nginx, Portal, Preau, Site, Unstarted, free_port, get};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What the portal serves, and with how much. Connections are not kept, as an idle one takes a
/// worker: with so few of them, that alone would be the end of whoever has no proxy.
pub const SITE: Site = Site {
    pages: &[("index.php", include_str!("portal/index.php"))],
    workers: 24,
    keep_alive: false,
};

/// How often it is looked at what preau has found.
const LOOK: Duration = Duration::from_secs(5);

/// Who is in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Nobody,
    /// With as many requests in flight as the portal answers most with, and a queue for the others.
    Haproxy,
    /// As many, and a page that reloads itself for the others.
    Nginx,
    /// Seats and slots as they were measured before; and everybody logs out. What a line can do that has
    /// nothing to find.
    Told,
    /// Knows the portal's address and its way out.
    Preau,
}

/// What the portal bears, as it was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Bears {
    /// Visits a minute.
    pub visits: f64,
    /// Requests at once.
    pub slots: u32,
    /// People inside.
    pub seats: u32,
}

/// A contestant that runs, with a portal of its own.
pub struct Stand {
    portal: Portal,
    front: Option<Front>,
}

enum Front {
    Haproxy(HaProxy),
    Nginx(Nginx),
    Preau(Preau),
}

/// What preau had found, so many seconds after the crowd began to come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    pub at: u64,
    pub seats: Value,
    pub there: Value,
    pub called: Value,
    pub waiting: Value,
    pub slots: Value,
    pub in_flight: Value,
}

impl Who {
    /// For the table.
    pub fn name(self, bears: Bears) -> String {
        let slots = bears.slots;
        match self {
            Who::Nobody => "no proxy".to_owned(),
            Who::Haproxy => format!("HAProxy, `maxconn {slots}`"),
            Who::Nginx => format!("nginx, `limit_conn {slots}`"),
            Who::Told => "preau, told what it bears; all log out".to_owned(),
            Who::Preau => "preau".to_owned(),
        }
    }

    /// A new portal, and this in front of it.
    pub async fn stand(self, bears: Bears, preau: &Path, log: bool) -> Stand {
        let portal = Portal::serving(&SITE).await;
        let to = portal.address();
        let slots = bears.slots;
        let start = async |portal_keys: &str, room_keys: &str| {
            let text = preau_toml(to, portal_keys, room_keys, log);
            Front::Preau(Unstarted::new(&text).with_program(preau).start().await)
        };
        let front = match self {
            Who::Nobody => None,
            Who::Haproxy => {
                let server = format!("maxconn {slots}");
                Some(Front::Haproxy(HaProxy::start(HAPROXY, to, &server).await))
            }
            Who::Nginx => {
                let at = free_port();
                Some(Front::Nginx(Nginx::with(at, &nginx(at, to, slots)).await))
            }
            Who::Told => {
                let (portal_keys, room_keys) = told(bears);
                Some(start(&portal_keys, &room_keys).await)
            }
            Who::Preau => Some(start("", "").await),
        };
        Stand { portal, front }
    }

    /// What it is told of the portal, for those who want to see it.
    pub fn configuration(self, bears: Bears) -> String {
        let to = SocketAddr::from(([192, 0, 2, 1], 80));
        let slots = bears.slots;
        match self {
            Who::Nobody => String::new(),
            Who::Haproxy => format!("{HAPROXY}\n  server portal {to} maxconn {slots}\n"),
            Who::Nginx => nginx(([0, 0, 0, 0], 80).into(), to, slots),
            Who::Told => {
                let (portal_keys, room_keys) = told(bears);
                preau_toml(to, &portal_keys, &room_keys, false)
            }
            Who::Preau => preau_toml(to, "", "", false),
        }
    }
}

impl Stand {
    /// A portal, and nobody in front of it.
    pub async fn alone() -> Stand {
        Stand {
            portal: Portal::serving(&SITE).await,
            front: None,
        }
    }

    /// Where visitors go.
    pub fn address(&self) -> SocketAddr {
        match &self.front {
            None => self.portal.address(),
            Some(Front::Haproxy(haproxy)) => haproxy.address(),
            Some(Front::Nginx(nginx)) => nginx.address(),
            Some(Front::Preau(preau)) => preau.address(),
        }
    }

    /// Preau is stopped, and started again with what it has stored.
    pub async fn restart(&mut self) {
        self.front = match self.front.take() {
            Some(Front::Preau(preau)) => Some(Front::Preau(preau.stop().await.start().await)),
            other => other,
        };
    }

    /// The most requests that the portal has had in flight.
    pub fn in_flight_most(&self) -> u32 {
        let counts = self.portal.written("requests");
        let most = counts.split(' ').nth(1).and_then(|most| most.parse().ok());
        most.unwrap_or_default()
    }

    /// What preau says of itself.
    pub async fn status(&self) -> Option<Value> {
        let Some(Front::Preau(preau)) = &self.front else {
            return None;
        };
        Some(get(preau.admin(), "/api/v1/status").await.ok()?.json())
    }

    /// What preau finds, as long as it is watched: dropped when enough was seen.
    #[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub async fn watch(&self, found: &mut Vec<Found>) {
        let began = Instant::now();
        for look in 0.. {
            sleep_until(began + LOOK * look).await;
            let Some(status) = self.status().await else {
                continue;
            };
            let (room, portal) = (&status["rooms"][0], &status["portals"][0]);
            found.push(Found {
                at: (LOOK * look).as_secs(),
                seats: room["seats"].clone(),
                there: room["there"].clone(),
                called: room["called"].clone(),
                waiting: room["waiting"].clone(),
                slots: portal["slots"].clone(),
                in_flight: portal["in_flight"].clone(),
            });
        }
    }

    /// What was printed, where somebody prints.
    pub fn printed(&self) -> Option<String> {
        match &self.front {
            Some(Front::Preau(preau)) => Some(preau.printed()),
            _ => None,
        }
    }
}

/// Whoever has left the queue is not sent on; a place in it is kept as long as people have patience.
const HAPROXY: &str = "mode http\n  maxconn 20000\n  option abortonclose\n  \
                       option http-keep-alive\n  timeout queue 10s";

/// The page says what there is to say, and reloads itself.
fn nginx(at: SocketAddr, to: SocketAddr, slots: u32) -> String {
    format!(
        r#"limit_conn_zone $server_name zone=portal:1m;
server {{
    listen {at} backlog=4096;
    server_name localhost;
    error_page 503 @full;
    location / {{
        limit_conn portal {slots};
        limit_conn_status 503;
        proxy_pass http://{to};
        proxy_set_header Host $host;
    }}
    location @full {{
        default_type text/html;
        add_header Retry-After 5 always;
        return 503 '<!doctype html><meta http-equiv="refresh" content="5"><title>Portail</title>
            <p>Trop de monde. Cette page se recharge toute seule.';
    }}
}}
"#
    )
}

/// Keys of the portal, and of the room.
fn told(bears: Bears) -> (String, String) {
    let Bears { slots, seats, .. } = bears;
    (format!("slots = {slots}\n"), format!("seats = {seats}\n"))
}

/// As it is installed: where the portal is, and its way out. Without numbers, seats and slots are found.
fn preau_toml(portal: SocketAddr, portal_keys: &str, room_keys: &str, log: bool) -> String {
    let log = match log {
        true => "[log]\nlevel = \"info,preau::upstream=debug\"\naccess = \"off\"\n",
        false => "",
    };
    format!(
        "{log}[[portal]]\nservers = [\"http://{portal}\"]\n{portal_keys}\
         [[room]]\nlogout = [\"/deconnexion\"]\n{room_keys}"
    )
}
