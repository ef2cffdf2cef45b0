//! Who stands in front of the portal, and how each is configured.

use crate::support::{HaProxy, Portal, Preau, Site, get};
use serde_json::Value;
use std::net::SocketAddr;

/// What the portal serves, and with how much. Connections are not kept, as an idle one takes a
/// worker: with so few of them, that alone would be the end of whoever has no proxy.
pub const SITE: Site = Site {
    pages: &[("index.php", include_str!("portal/index.php"))],
    workers: 24,
    keep_alive: false,
};

/// Who is in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Nobody,
    /// With as many requests in flight as the portal answers most with, and a queue for the others.
    Haproxy(u32),
    /// Knows the portal's address and its way out.
    Preau,
}

/// A contestant that runs, with a portal of its own.
pub struct Stand {
    portal: Portal,
    front: Front,
}

enum Front {
    Nobody,
    Haproxy(HaProxy),
    Preau(Preau),
}

impl Who {
    /// For the table.
    pub fn name(self) -> String {
        match self {
            Who::Nobody => "no proxy".to_owned(),
            Who::Haproxy(slots) => format!("HAProxy, `maxconn {slots}`"),
            Who::Preau => "preau".to_owned(),
        }
    }

    /// A new portal, and this in front of it.
    pub async fn stand(self) -> Stand {
        let portal = Portal::serving(&SITE).await;
        let front = match self {
            Who::Nobody => Front::Nobody,
            Who::Haproxy(slots) => {
                // Whoever has left the queue is not sent on; a place in it is kept as long as
                // people have patience.
                let frontend = "mode http\n  maxconn 20000\n  option abortonclose\n  \
                                option http-keep-alive\n  timeout queue 10s";
                let server = format!("maxconn {slots}");
                Front::Haproxy(HaProxy::start(frontend, portal.address(), &server).await)
            }
            Who::Preau => Front::Preau(Preau::start(&preau(&portal.url())).await),
        };
        Stand { portal, front }
    }
}

impl Stand {
    /// Where visitors go.
    pub fn address(&self) -> SocketAddr {
        match &self.front {
            Front::Nobody => self.portal.address(),
            Front::Haproxy(haproxy) => haproxy.address(),
            Front::Preau(preau) => preau.address(),
        }
    }

    /// The most requests that the portal has had in flight.
    pub fn in_flight_most(&self) -> u32 {
        let counts = self.portal.written("requests");
        let most = counts.split(' ').nth(1).and_then(|most| most.parse().ok());
        most.unwrap_or_default()
    }

    /// What preau says of itself at the end.
    pub async fn status(&self) -> Option<Value> {
        let Front::Preau(preau) = &self.front else {
            return None;
        };
        Some(get(preau.admin(), "/api/v1/status").await.ok()?.json())
    }

    /// What was printed, where somebody prints.
    pub fn printed(&self) -> Option<String> {
        match &self.front {
            Front::Preau(preau) => Some(preau.printed()),
            _ => None,
        }
    }
}

/// No number: seats and slots are found. Visits are short here, so `idle` is, too.
fn preau(url: &str) -> String {
    format!(
        "[log]\nlevel = \"info,preau::upstream=debug\"\naccess = \"off\"\n\
         [[portal]]\nservers = [\"{url}\"]\n\
         [[room]]\nlogout = [\"/deconnexion\"]\nidle = \"30s\"\n"
    )
}
