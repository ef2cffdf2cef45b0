//! Préau: a waiting room in front of a portal that cannot be changed.
//!
//! This page is the map of the house. Each line may use only the lines below it, and
//! siblings do not import each other; `tests/house.rs` keeps it so.
//!
//! ```text
//! main                 arguments, exit code
//! cli                  serve, check, demo, simulate, desk commands
//! app                  builds the parts, binds, runs, drains
//! admin · sim          the desk: metrics, health, status; the simulator
//! front                listeners, HTTP, THE request, waiting page, refusals
//! acme                 certificates from an authority (a feature)
//! upstream · store · tls   servers and forwarding; what survives; certificates
//! cookie · config · metrics
//! host                 the only clock and entropy
//! room                 PURE: line, seats, pace, promise
//! calendar             PURE: days and hours in a time zone
//! time                 milliseconds, saturating arithmetic
//! ```
//!
//! The way of a request is one function, `front::request::answer`; what it asks is
//! [`room::Room::arrive`]; and what must never happen is written beside the rules that
//! prevent it, in [`room`].

#[cfg(feature = "acme")]
pub mod acme;
pub mod admin;
pub mod app;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod cookie;
pub mod front;
pub mod host;
pub mod metrics;
pub mod room;
pub mod sim;
pub mod store;
pub mod time;
pub mod tls;
pub mod upstream;
