//! `seats` and `slots`: a number, or found within bounds.

use super::table::{Field, Table};
use super::values::number;
use crate::room::Limit;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Visits inside at once.
const SEATS: RangeInclusive<u32> = 1..=10_000_000;
/// Seats that are never gone below: a portal that nobody may enter is closed.
const SEATS_MIN: u32 = 5;
/// Slots of a portal or a server.
pub(super) const SLOTS: RangeInclusive<u32> = 1..=100_000;
/// Slots that are never gone below, and never above: few portals work on more at once.
const SLOTS_MIN: u32 = 4;
const SLOTS_MAX: u32 = 500;

/// What the keys of one limit are called, and what holds if they are not written.
struct Keys {
    limit: &'static str,
    min: &'static str,
    max: &'static str,
    range: RangeInclusive<u32>,
    usual: (u32, u32),
}

/// `seats`, `seats_min`, `seats_max`.
pub(super) fn seats(table: &mut Table<'_>) -> Limit {
    limit(
        table,
        &Keys {
            limit: "seats",
            min: "seats_min",
            max: "seats_max",
            range: SEATS,
            usual: (SEATS_MIN, *SEATS.end()),
        },
    )
}

/// `slots`, `slots_min`, `slots_max`.
pub(super) fn slots(table: &mut Table<'_>) -> Limit {
    limit(
        table,
        &Keys {
            limit: "slots",
            min: "slots_min",
            max: "slots_max",
            range: SLOTS,
            usual: (SLOTS_MIN, SLOTS_MAX),
        },
    )
}

fn limit(table: &mut Table<'_>, keys: &Keys) -> Limit {
    let fixed = table
        .read(keys.limit, auto_or(keys.range.clone()))
        .flatten();
    let min = table.read(keys.min, number(keys.range.clone()));
    let max = table.read(keys.max, number(keys.range.clone()));
    if let Some(fixed) = fixed {
        if min.is_some() || max.is_some() {
            table.sink().wrong(
                table.span(&[keys.min, keys.max]),
                format!("bounds for `{}`, which is a number", keys.limit),
                format!("`{} = {fixed}` is never moved", keys.limit),
                format!("remove this line, or write `{} = \"auto\"`", keys.limit),
            );
        }
        return Limit::Fixed(fixed);
    }
    let (usual_min, usual_max) = keys.usual;
    let bounds = (
        min.unwrap_or(usual_min.min(max.unwrap_or(usual_min))),
        max.unwrap_or(usual_max.max(min.unwrap_or(usual_max))),
    );
    if bounds.0 > bounds.1 {
        table.sink().wrong(
            table.span(&[keys.min]),
            format!("`{}` is more than `{}`", keys.min, keys.max),
            format!("{} is more than {}", bounds.0, bounds.1),
            format!("write at most `{} = {}`", keys.min, bounds.1),
        );
    }
    Limit::Auto {
        min: bounds.0,
        max: bounds.1,
    }
}

/// `"auto"` (nothing), or a number within `range`.
fn auto_or(range: RangeInclusive<u32>) -> impl Fn(Field<'_>) -> Option<Option<u32>> {
    move |field| match field.item.get_ref() {
        DeValue::String(text) if text == "auto" => Some(None),
        DeValue::String(text) if text.parse::<u32>().is_err() => field.wrong(
            "neither `\"auto\"` nor a number",
            format!(
                "write \"auto\", or a whole number from {} to {}",
                range.start(),
                range.end()
            ),
        ),
        _ => number(range.clone())(field).map(Some),
    }
}
