//! `[limits]`: what one visitor, and all of them together, may use.

use super::Limits;
use super::table::Table;
use super::values::{bytes, number, span};
use crate::time::Span;
use std::ops::RangeInclusive;

const HANDSHAKE_TIMEOUT: RangeInclusive<Span> = Span::secs(1)..=Span::mins(5);
const STREAMS: RangeInclusive<u32> = 1..=1_000;
const HEADER_TIMEOUT: RangeInclusive<Span> = Span::secs(1)..=Span::mins(5);
const FIRST_BYTE_TIMEOUT: RangeInclusive<Span> = Span::secs(1)..=Span::mins(5);
const IDLE_TIMEOUT: RangeInclusive<Span> = Span::secs(1)..=Span::mins(60);
const BODY_TIMEOUT: RangeInclusive<Span> = Span::secs(1)..=Span::mins(10);
const TAKE_TIMEOUT: RangeInclusive<Span> = Span::secs(1)..=Span::mins(10);
/// Bytes a second.
const RATE: RangeInclusive<u32> = 1..=1_000_000;
const HEADER_BYTES: RangeInclusive<u32> = 8 * 1024..=1024 * 1024;
const CONNECTIONS: RangeInclusive<u32> = 1..=1_000_000;
const TICKETS: RangeInclusive<u32> = 1..=10_000_000;
const TUNNEL_IDLE: RangeInclusive<Span> = Span::secs(1)..=Span::mins(24 * 60);
const TUNNELS: RangeInclusive<u32> = 0..=1_000_000;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake_timeout: Span::secs(10),
            first_byte_timeout: Span::secs(15),
            streams: 100,
            header_timeout: Span::secs(10),
            idle_timeout: Span::secs(75),
            body_timeout: Span::secs(30),
            body_rate: 500,
            take_timeout: Span::secs(60),
            take_rate: 500,
            header_bytes: 32 * 1024,
            connections: 16_000,
            connections_per_address: 4_000,
            tickets_per_minute: 3_000,
            tickets_burst: 3_000,
            callbacks_per_minute: 3_000,
            callbacks_burst: 3_000,
            tunnel_idle: Span::mins(10),
            tunnels: 4_000,
        }
    }
}

/// Reads `[limits]`; what is not written has its default.
pub(super) fn read(top: &mut Table<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut table) = top.table("limits") else {
        return limits;
    };
    for (key, range, limit) in [
        (
            "handshake_timeout",
            HANDSHAKE_TIMEOUT,
            &mut limits.handshake_timeout,
        ),
        (
            "first_byte_timeout",
            FIRST_BYTE_TIMEOUT,
            &mut limits.first_byte_timeout,
        ),
        ("header_timeout", HEADER_TIMEOUT, &mut limits.header_timeout),
        ("idle_timeout", IDLE_TIMEOUT, &mut limits.idle_timeout),
        ("body_timeout", BODY_TIMEOUT, &mut limits.body_timeout),
        ("take_timeout", TAKE_TIMEOUT, &mut limits.take_timeout),
        ("tunnel_idle", TUNNEL_IDLE, &mut limits.tunnel_idle),
    ] {
        *limit = table.read_or(key, span(range), *limit);
    }
    limits.body_rate = table.read_or("body_rate", number(RATE), limits.body_rate);
    limits.take_rate = table.read_or("take_rate", number(RATE), limits.take_rate);
    limits.streams = table.read_or("streams", number(STREAMS), limits.streams);
    let header_bytes = table.read("header_bytes", bytes(HEADER_BYTES));
    limits.header_bytes = header_bytes.map_or(limits.header_bytes, |n| n as usize);
    let connections = table.read("connections", number(CONNECTIONS));
    limits.connections = connections.map_or(limits.connections, |n| n as usize);
    let of_address = table.read("connections_per_address", number(CONNECTIONS));
    limits.connections_per_address =
        of_address.map_or(limits.connections_per_address, |n| n as usize);
    let tickets = table.read("tickets_per_minute", number(TICKETS));
    limits.tickets_per_minute = tickets.unwrap_or(limits.tickets_per_minute);
    limits.tickets_burst = table.read_or("tickets_burst", number(TICKETS), limits.tickets_burst);
    let callbacks = table.read("callbacks_per_minute", number(TICKETS));
    limits.callbacks_per_minute = callbacks.unwrap_or(limits.callbacks_per_minute);
    let callbacks = table.read("callbacks_burst", number(TICKETS));
    limits.callbacks_burst = callbacks.unwrap_or(limits.callbacks_burst);
    limits.tunnels = table.read_or("tunnels", number(TUNNELS), limits.tunnels);
    table.finish();
    limits
}
