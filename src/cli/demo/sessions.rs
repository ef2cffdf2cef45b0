//! Who is signed on at the sample portal: a bounded map from cookie to first name.

use crate::host;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Sessions kept at once; the oldest goes when one more comes.
pub const SESSIONS_MAX: usize = 10_000;
/// Characters of a first name that are kept.
pub const NAME_MAX: usize = 40;

const COOKIE: &str = "portail";
const SECRET_BYTES: usize = 16;

/// The sessions, oldest first.
#[derive(Default)]
pub struct Sessions {
    by_number: BTreeMap<u64, Session>,
    next: u64,
}

struct Session {
    secret: String,
    name: String,
}

impl Sessions {
    /// Signs somebody on; returns the value for `Set-Cookie`.
    pub fn open(&mut self, name: &str) -> String {
        while self.by_number.len() >= SESSIONS_MAX {
            self.by_number.pop_first();
        }
        let (number, secret, name) = (self.next, secret(), presentable(name));
        self.next += 1;
        let cookie = format!("{COOKIE}={number}.{secret}; Path=/; HttpOnly; SameSite=Lax");
        self.by_number.insert(number, Session { secret, name });
        cookie
    }

    /// The first name of whoever holds the `Cookie` header's session.
    pub fn name(&self, cookies: Option<&str>) -> Option<&str> {
        let number = self.number(cookies?)?;
        Some(&self.by_number[&number].name)
    }

    /// Signs off; returns the value for `Set-Cookie`.
    pub fn close(&mut self, cookies: Option<&str>) -> String {
        if let Some(number) = cookies.and_then(|cookies| self.number(cookies)) {
            self.by_number.remove(&number);
        }
        format!("{COOKIE}=; Path=/; Max-Age=0")
    }

    fn number(&self, cookies: &str) -> Option<u64> {
        let (number, secret) = cookies
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == COOKIE).then(|| value.split_once('.'))?)?;
        let number = number.parse().ok()?;
        (self.by_number.get(&number)?.secret == secret).then_some(number)
    }
}

/// The value of `field` in an `application/x-www-form-urlencoded` body.
pub fn form_value(body: &[u8], field: &str) -> Option<String> {
    body.split(|&byte| byte == b'&').find_map(|pair| {
        let value = pair.strip_prefix(field.as_bytes())?.strip_prefix(b"=")?;
        Some(decoded(value))
    })
}

fn decoded(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex_pair(*high, *low),
            _ => None,
        };
        bytes.push(match (escaped, first) {
            (Some(byte), _) => byte,
            (None, b'+') => b' ',
            (None, byte) => *byte,
        });
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn presentable(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|letter| !letter.is_control())
        .take(NAME_MAX)
        .collect();
    match name.trim() {
        "" => "élève".to_owned(),
        name => name.to_owned(),
    }
}

fn secret() -> String {
    let mut bytes = [0; SECRET_BYTES];
    host::fill_random(&mut bytes);
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_sent_back(set_cookie: &str) -> String {
        format!("autre=1; {}", set_cookie.split(';').next().unwrap())
    }

    #[test]
    fn a_session_lives_from_sign_on_to_sign_off() {
        let mut sessions = Sessions::default();
        let cookie = as_sent_back(&sessions.open("  Zoé\r\n "));
        assert_eq!(sessions.name(Some(&cookie)), Some("Zoé"));
        assert_eq!(sessions.name(Some("portail=0.00")), None);
        assert_eq!(sessions.name(Some("portail=garbage")), None);
        assert_eq!(sessions.name(None), None);
        assert!(sessions.close(Some(&cookie)).contains("Max-Age=0"));
        assert_eq!(sessions.name(Some(&cookie)), None);
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let mut sessions = Sessions::default();
        let first = as_sent_back(&sessions.open("Adam"));
        let second = as_sent_back(&sessions.open("Lina"));
        for _ in 2..=SESSIONS_MAX {
            sessions.open("Noé");
        }
        assert_eq!(sessions.by_number.len(), SESSIONS_MAX);
        assert_eq!(sessions.name(Some(&first)), None);
        assert_eq!(sessions.name(Some(&second)), Some("Lina"));
    }

    #[test]
    fn forms_are_decoded() {
        let body = b"motdepasse=x&prenom=Zo%C3%A9+B%zz%4";
        assert_eq!(form_value(body, "prenom").unwrap(), "Zoé B%zz%4");
        assert_eq!(form_value(body, "nom"), None);
        assert_eq!(form_value(b"", "prenom"), None);
    }

    #[test]
    fn names_are_bounded_and_never_empty() {
        assert_eq!(presentable(&"é".repeat(500)).chars().count(), NAME_MAX);
        assert_eq!(presentable(" \u{7} "), "élève");
    }
}
