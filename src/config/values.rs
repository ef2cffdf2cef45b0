//! Readers of single values: each takes a field and gives a value within its bounds, or
//! reports what is wrong and what would be right.

use super::report::Sink;
use super::table::Field;
use super::{keys, syntax};
use crate::time::Span;
use jiff::fmt::friendly::{SpanParser, SpanPrinter};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// Bytes of a string that is not a pattern: names, paths of files, log filters.
const MAX_STRING_BYTES: usize = 4096;
/// Characters of a name.
const MAX_NAME_CHARS: usize = 32;
/// One day; days are not hours to people who turn clocks, but they are to us.
const DAY: Span = Span::mins(24 * 60);
/// Elements of a list.
const MAX_LIST: usize = 1024;

/// A whole number within `range`.
pub(super) fn number(range: RangeInclusive<u32>) -> impl Fn(Field<'_>) -> Option<u32> {
    move |field| {
        let (min, max) = (range.start(), range.end());
        let help = format!("write a whole number from {min} to {max}");
        match field.item.get_ref() {
            DeValue::Integer(integer) => {
                match u32::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(n) if range.contains(&n) => Some(n),
                    _ => field.wrong(format!("must be from {min} to {max}"), help),
                }
            }
            DeValue::String(text) if text.parse::<u32>().is_ok() => field.wrong_type(
                "a whole number",
                format!("write it without quotes: `{} = {text}`", last(field.key)),
            ),
            DeValue::Float(number) if syntax::joined(number.as_str()).is_some() => {
                let joined = syntax::joined(number.as_str()).unwrap_or_default();
                let wanted = format!("if {joined} is meant, write it without a dot; {help}");
                field.wrong_type("a whole number", wanted)
            }
            _ => field.wrong_type("a whole number", help),
        }
    }
}

/// A length of time within `range`: a string such as `"10m"` or `"180d"`.
pub(super) fn span(range: RangeInclusive<Span>) -> impl Fn(Field<'_>) -> Option<Span> {
    move |field| {
        let (min, max) = (show(*range.start()), show(*range.end()));
        let help = "write a number and a unit, such as \"500ms\", \"30s\", \"10m\" or \"1h30m\"";
        match field.item.get_ref() {
            DeValue::String(text) => match length(text) {
                Some(length) if range.contains(&length) => Some(length),
                Some(_) => field.wrong(
                    format!("must be from {min} to {max}"),
                    format!("write a length of time from \"{min}\" to \"{max}\""),
                ),
                None => match syntax::length(text) {
                    Some(meant) => field.wrong(
                        "not a length of time",
                        format!("did you mean \"{meant}\"? {help}"),
                    ),
                    None => field.wrong("not a length of time", help),
                },
            },
            DeValue::Integer(n) => field.wrong(
                "a length of time needs a unit",
                format!("write `{} = \"{n}s\"` for {n} seconds", last(field.key)),
            ),
            _ => field.wrong_type("a length of time", help),
        }
    }
}

/// A number of bytes within `range`: a whole number, or a string such as `"32KiB"`.
pub(super) fn bytes(range: RangeInclusive<u32>) -> impl Fn(Field<'_>) -> Option<u32> {
    move |field| {
        let DeValue::String(text) = field.item.get_ref() else {
            return number(range.clone())(field);
        };
        match parse_bytes(text) {
            Some(n) if range.contains(&n) => Some(n),
            _ => field.wrong(
                "not a size within the bounds",
                format!(
                    "write a size such as \"32KiB\", from {} to {} bytes",
                    range.start(),
                    range.end()
                ),
            ),
        }
    }
}

/// `true` or `false`.
pub(super) fn boolean(field: Field<'_>) -> Option<bool> {
    match field.item.get_ref() {
        DeValue::Boolean(value) => Some(*value),
        DeValue::String(text) if syntax::truth(text).is_some() => {
            let truth = syntax::truth(text).unwrap_or_default();
            let help = format!("write `{} = {truth}`, without quotes", last(field.key));
            field.wrong_type("true or false", help)
        }
        _ => field.wrong_type("true or false", "write true or false, without quotes"),
    }
}

/// A string that is not empty, and all of which can be seen.
pub(super) fn string(field: Field<'_>) -> Option<String> {
    let text = prose(field)?;
    let Some((at, name)) = field.sink.unseen(&field.item.span()) else {
        return Some(text);
    };
    let message = format!("invalid value for `{}`", field.key);
    let label = format!("{name} stands here, and cannot be seen");
    field.sink.wrong(at, message, label, "remove it");
    None
}

/// A string for people that is not empty: they may want a space that does not break.
pub(super) fn prose(field: Field<'_>) -> Option<String> {
    match field.item.get_ref() {
        DeValue::String(text) if text.is_empty() => {
            field.wrong("is empty", "write a text, or remove the line")
        }
        DeValue::String(text) if text.len() > MAX_STRING_BYTES => {
            field.wrong("is too long", format!("at most {MAX_STRING_BYTES} bytes"))
        }
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => field.wrong_type("a string", "write it in double quotes: \"…\""),
    }
}

/// A name: 1 to 32 characters of `a-z`, `0-9`, `-` and `_`.
pub(super) fn name(field: Field<'_>) -> Option<String> {
    let text = string(field)?;
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    if text.chars().all(allowed) && text.len() <= MAX_NAME_CHARS {
        return Some(text);
    }
    field.wrong(
        "not a name",
        format!("a name has 1 to {MAX_NAME_CHARS} of the characters a-z, 0-9, - and _"),
    )
}

/// What is offered as the name of the table `nth` (from 0) of its kind: each another.
pub(super) fn example_name(name: &str, nth: usize) -> String {
    match nth {
        0 => format!("\"{name}\""),
        nth => format!("\"{name}-{}\"", nth + 1),
    }
}

/// A string that `parse` understands; its error says what is wrong, `help` what would be right.
pub(super) fn parsed<T>(
    parse: impl Fn(&str) -> Result<T, String>,
    help: &str,
) -> impl Fn(Field<'_>) -> Option<T> {
    move |field| match parse(&string(field)?) {
        Ok(value) => Some(value),
        Err(wrong) => field.wrong(wrong, help),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(Field<'_>) -> Option<T> {
    move |field| {
        let text = string(field)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let near = keys::word(&text, &words)
            .map(|near| format!("did you mean \"{near}\"? "))
            .unwrap_or_default();
        let words = words.join("\", \"");
        field.wrong(
            "not one of the words",
            format!("{near}the words are: \"{words}\""),
        )
    }
}

/// One value or a list of them; never empty.
pub(super) fn list<T>(
    read: impl Fn(Field<'_>) -> Option<T>,
) -> impl Fn(Field<'_>) -> Option<Vec<T>> {
    move |field| {
        let DeValue::Array(array) = field.item.get_ref() else {
            let before = field.sink.count();
            let value = read(field);
            if let (None, DeValue::String(text)) = (&value, field.item.get_ref())
                && field.sink.count() > before
            {
                hint_list(field, text, &read);
            }
            return value.map(|value| vec![value]);
        };
        if array.is_empty() {
            return field.wrong(
                "the list is empty",
                "write at least one, or remove the line",
            );
        }
        if array.len() > MAX_LIST {
            return field.wrong("the list is too long", format!("at most {MAX_LIST} values"));
        }
        let values: Vec<Option<T>> = array
            .iter()
            .map(|item| read(Field { item, ..field }))
            .collect();
        values.into_iter().collect()
    }
}

/// Says how a list is written, if the string that was just reported is several values, each of
/// which would be right.
fn hint_list<T>(field: Field<'_>, text: &str, read: &impl Fn(Field<'_>) -> Option<T>) {
    let parts = text.split([',', ';']).flat_map(str::split_ascii_whitespace);
    let parts: Vec<&str> = parts.collect();
    let is_right = |part: &&str| {
        let item = Spanned::new(field.item.span(), DeValue::String((*part).into()));
        let (item, sink) = (&item, &Sink::default());
        read(Field {
            item,
            sink,
            ..field
        })
        .is_some()
    };
    if parts.len() > 1 && parts.iter().all(is_right) {
        let list = parts.join("\", \"");
        (field.sink).help_first(&format!("if these are several, write a list: [\"{list}\"]"));
    }
}

/// A length of time as an operator writes it.
pub fn show(span: Span) -> String {
    if span > DAY && span.0.is_multiple_of(DAY.0) {
        return format!("{}d", span.0 / DAY.0);
    }
    SpanPrinter::new()
        .unsigned_duration_to_string(&Duration::from(span))
        .replace(' ', "")
}

/// Reads a length of time: whole days, or what has hours and less.
pub(super) fn length(text: &str) -> Option<Span> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    match days {
        Some(days) => DAY.0.checked_mul(days).map(Span),
        None => {
            let length = SpanParser::new().parse_unsigned_duration(text);
            length.ok().map(Span::from)
        }
    }
}

/// The key without the table's name.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn parse_bytes(text: &str) -> Option<u32> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}
