//! Days and hours as people write them elsewhere, in the form that is understood here.

/// Days of the week as they begin, in lower case, and as we write them: longer words first.
const DAYS: [(&str, &str); 23] = [
    ("tous les jours", "daily"),
    ("chaque jour", "daily"),
    ("every day", "daily"),
    ("everyday", "daily"),
    ("quotidien", "daily"),
    ("semaine", "mon-fri"),
    ("weekdays", "mon-fri"),
    ("week-end", "sat,sun"),
    ("weekend", "sat,sun"),
    ("lun", "mon"),
    ("mar", "tue"),
    ("mer", "wed"),
    ("jeu", "thu"),
    ("ven", "fri"),
    ("sam", "sat"),
    ("dim", "sun"),
    ("mon", "mon"),
    ("tue", "tue"),
    ("wed", "wed"),
    ("thu", "thu"),
    ("fri", "fri"),
    ("sat", "sat"),
    ("sun", "sun"),
];
/// Characters that a text may have to be looked at.
const LENGTH_MAX: usize = 100;

/// `text` with our words and signs, such as `mon-fri 08:00-17:30` for `Lundi à vendredi, 8h – 17h30`;
/// `None` if that changes nothing. Whether it is right is for its reader to say.
pub(super) fn plain(text: &str) -> Option<String> {
    if text.len() > LENGTH_MAX {
        return None;
    }
    let mut plain = text.to_lowercase();
    for dash in ["–", "—", "−", "‑", "‐", " à ", " au ", " to ", " a "] {
        plain = plain.replace(dash, "-");
    }
    plain = plain
        .replace(['\u{a0}', '\u{202f}'], " ")
        .replace(" et ", ",");
    for (theirs, ours) in &DAYS[..9] {
        plain = plain.replace(theirs, ours);
    }
    let words: Vec<String> = split(&plain).map(|(word, sign)| day(word) + sign).collect();
    let joined = words.concat();
    let mut tight = joined.split_whitespace().collect::<Vec<&str>>().join(" ");
    for (loose, sign) in [(" -", "-"), ("- ", "-"), (" ,", ","), (", ", ",")] {
        tight = tight.replace(loose, sign);
    }
    let meant = between_days_and_hours(tight.trim());
    (meant != text).then_some(meant)
}

/// The words of a text, each with the sign behind it.
fn split(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_inclusive(['-', ',', ' ', ';']).map(|part| {
        let word = part.trim_end_matches(['-', ',', ' ', ';']);
        (word, &part[word.len()..])
    })
}

/// One day or one time of day.
fn day(word: &str) -> String {
    let letters = !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || c == '.');
    if letters {
        let known = DAYS.iter().find(|(theirs, _)| word.starts_with(theirs));
        return known.map_or(word, |(_, ours)| ours).to_owned();
    }
    let known = time(word).or_else(|| date(word));
    known.unwrap_or_else(|| word.to_owned())
}

/// `1/9/2026` as `2026-09-01`.
fn date(word: &str) -> Option<String> {
    let mut parts = word.split('/').map(str::parse::<u16>);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(day)), Some(Ok(month)), Some(Ok(year @ 2000..)), None) => {
            Some(format!("{year}-{month:02}-{day:02}"))
        }
        _ => None,
    }
}

/// `8h`, `8h30` and `8:30` as `08:30`.
fn time(word: &str) -> Option<String> {
    let (hour, minute) = word.split_once(['h', ':'])?;
    let minute = if minute.is_empty() { "00" } else { minute };
    match (hour.parse::<u8>(), minute.parse::<u8>()) {
        (Ok(hour), Ok(minute)) => Some(format!("{hour:02}:{minute:02}")),
        _ => None,
    }
}

/// Between days and hours stands a space: the comma of a list is for days.
fn between_days_and_hours(text: &str) -> String {
    let digit = text.find(|c: char| c.is_ascii_digit());
    match digit {
        Some(at) if at > 0 && text[..at].ends_with([',', '-']) => {
            format!("{} {}", &text[..at - 1], &text[at..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rule, Start};
    use super::*;

    #[test]
    fn what_people_write_elsewhere_is_understood() {
        for (text, meant) in [
            ("lun-ven", "mon-fri"),
            ("Lun-Ven 8h-17h30", "mon-fri 08:00-17:30"),
            ("lundi à vendredi, 8h – 17h30", "mon-fri 08:00-17:30"),
            ("mon–fri 08:00–17:30", "mon-fri 08:00-17:30"),
            ("mon - fri 08:00 - 17:30", "mon-fri 08:00-17:30"),
            ("mercredi 14:00-18:00", "wed 14:00-18:00"),
            ("mer, sam 14h-18h", "wed,sat 14:00-18:00"),
            ("tous les jours 8:00-9:00", "daily 08:00-09:00"),
            ("week-end 8:00-9:00", "sat,sun 08:00-09:00"),
            ("Monday 08:00-09:00", "mon 08:00-09:00"),
            ("1/9/2026 8h-9h", "2026-09-01 08:00-09:00"),
            ("mon-fri\u{a0}08:00-17:30", "mon-fri 08:00-17:30"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(meant), "{text}");
            let wrong = Rule::parse(text).unwrap_err();
            assert!(
                wrong.ends_with(&format!("did you mean \"{meant}\"?")),
                "{wrong}"
            );
        }
        let wrong = Start::parse("lun 8h").unwrap_err();
        assert!(wrong.ends_with("did you mean \"mon 08:00\"?"), "{wrong}");
        for text in [
            "",
            "x",
            "mon-fri 08:00",
            "lundi prochain",
            "2026-13-01",
            "é".repeat(60).as_str(),
        ] {
            let wrong = Rule::parse(text).unwrap_err();
            assert!(!wrong.contains("did you mean"), "{text}: {wrong}");
        }
    }
}
