//! Files of certificates and keys in PEM (RFC 7468), as they are in the world: with a mark of Windows
//! at the beginning, with the next part on the line on which the one before ends (`cat` of files
//! without a last line break), with text between the parts. Each part knows its line.

use super::text::utf16;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use std::fmt;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A certificate in a file.
#[derive(Clone, Debug)]
pub struct Found {
    /// The line in which it begins, from 1.
    pub line: usize,
    /// The certificate.
    pub der: CertificateDer<'static>,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub struct Certificates {
    /// The certificates, in the order of the file.
    pub found: Vec<Found>,
    /// What other programs may stumble over: the line, and what is odd there.
    pub odd: Vec<(usize, String)>,
}

/// Why a file cannot be read: the line, from 1, and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub struct PemError {
    /// The line.
    pub line: usize,
    why: String,
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for PemError {}

/// One part of a file.
struct Part<'t> {
    label: &'t str,
    line: usize,
    body: &'t str,
}

/// The certificates of a file; none if it has other parts only.
///
/// # Errors
/// A part is broken off or garbled, or the file is no PEM at all.
pub fn certificates(bytes: &[u8]) -> Result<Certificates, PemError> {
    let text = text(bytes)?;
    let mut read = Certificates::default();
    if text.starts_with('\u{feff}') {
        let odd = "a byte order mark, which Windows puts before the first line";
        read.odd.push((1, odd.to_owned()));
    }
    let parts = parts(&text, &mut read.odd)?;
    for part in parts {
        match part.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => read.found.push(Found {
                line: part.line,
                der: part.decoded()?.into(),
            }),
            "TRUSTED CERTIFICATE" | "PKCS7" | "CMS" => {
                let odd = format!(
                    "{} is not a form that is read here: it is left out",
                    part.label
                );
                read.odd.push((part.line, odd));
            }
            _ => {}
        }
    }
    Ok(read)
}

/// The first private key of a file that has no password; none if there is none.
///
/// # Errors
/// As [`certificates`].
pub fn private_key(bytes: &[u8]) -> Result<Option<PrivateKeyDer<'static>>, PemError> {
    let text = text(bytes)?;
    for part in parts(&text, &mut Vec::new())? {
        let key = match part.label {
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(part.decoded()?).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(part.decoded()?).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(part.decoded()?).into(),
            "ENCRYPTED PRIVATE KEY" => return Err(part.wrong(PASSWORD)),
            _ => continue,
        };
        return Ok(Some(key));
    }
    Ok(None)
}

const PASSWORD: &str =
    "the private key has a password; `openssl pkey -in OLD -out NEW` takes it off";

/// The file as text. What is no text is not looked at: only what stands between marks counts.
fn text(bytes: &[u8]) -> Result<String, PemError> {
    let wrong = |why: &str| PemError {
        line: 1,
        why: why.to_owned(),
    };
    if utf16(bytes).is_some() {
        return Err(wrong(
            "the file is in UTF-16: save it as plain text (ASCII or UTF-8)",
        ));
    }
    if bytes.starts_with(&[0x30, 0x82]) || bytes.starts_with(&[0x30, 0x80]) {
        return Err(wrong(
            "the file is binary (DER, PKCS #7 or #12), not PEM: `openssl` can turn it into that",
        ));
    }
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn parts<'t>(text: &'t str, odd: &mut Vec<(usize, String)>) -> Result<Vec<Part<'t>>, PemError> {
    let line_at = |at: usize| text[..at].matches('\n').count() + 1;
    let wrong = |at: usize, why: String| {
        let line = line_at(at);
        PemError { line, why }
    };
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find(BEGIN).map(|found| at + found) {
        let label_at = begin + BEGIN.len();
        let line_end = text[begin..]
            .find(['\n', '\r'])
            .map_or(text.len(), |end| begin + end);
        let label =
            (text[label_at..line_end].find(DASHES)).map(|end| &text[label_at..label_at + end]);
        let Some(label) = label else {
            return Err(wrong(
                begin,
                "a line with BEGIN ends without five dashes".into(),
            ));
        };
        let body_at = label_at + label.len() + DASHES.len();
        let mark = format!("{END}{label}{DASHES}");
        let end = text[body_at..].find(&mark).map(|found| body_at + found);
        let next = text[body_at..].find(BEGIN).map(|found| body_at + found);
        let end = match (end, next) {
            (Some(end), Some(next)) if next < end => Err(next),
            (Some(end), _) => Ok(end),
            (None, _) => Err(begin),
        };
        let end = end.map_err(|at| match at == begin {
            true => wrong(
                at,
                format!("{BEGIN}{label}{DASHES} has no {mark}: the file is cut off"),
            ),
            false => wrong(at, format!("another part begins before {mark}")),
        })?;
        parts.push(Part {
            label,
            line: line_at(begin),
            body: &text[body_at..end],
        });
        at = end + mark.len();
        let behind = text[at..].lines().next().unwrap_or_default();
        if !behind.trim().is_empty() {
            let what = format!("text behind {mark} on the same line: it should begin a new one");
            odd.push((line_at(end), what));
        }
    }
    if parts.is_empty()
        && let Some(begin) = text.find("BEGIN CERTIFICATE").or(text.find("PRIVATE KEY"))
    {
        let why =
            format!("there are not five plain dashes around it, as in {BEGIN}CERTIFICATE{DASHES}");
        return Err(wrong(begin, why));
    }
    Ok(parts)
}

impl Part<'_> {
    fn decoded(&self) -> Result<Vec<u8>, PemError> {
        if self.body.contains("ENCRYPTED") {
            return Err(self.wrong(PASSWORD));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c) || c.is_whitespace();
        for (down, line) in self.body.split('\n').enumerate() {
            if let Some(c) = line.chars().find(|c| !plain(*c)) {
                return Err(PemError {
                    line: self.line + down,
                    why: format!("{c:?} cannot stand in base64"),
                });
            }
        }
        let packed: String = self.body.split_whitespace().collect();
        let decoded = STANDARD.decode(packed);
        decoded.map_err(|error| self.wrong(&format!("it is not whole: {error}")))
    }

    fn wrong(&self, why: &str) -> PemError {
        PemError {
            line: self.line,
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQ=\n-----END CERTIFICATE-----";
    const TWO: &str = "-----BEGIN CERTIFICATE-----\nBQY=\n-----END CERTIFICATE-----";

    fn ders(read: &Certificates) -> Vec<(usize, &[u8])> {
        (read.found.iter())
            .map(|it| (it.line, it.der.as_ref()))
            .collect()
    }

    #[test]
    fn every_part_is_read_whatever_stands_around_it() {
        let whole: [&[u8]; 2] = [&[0, 1, 2, 3, 4], &[5, 6]];
        for (text, lines, odd) in [
            (format!("{ONE}\n{TWO}\n"), [1, 5], 0),
            (format!("{ONE}{TWO}"), [1, 4], 1),
            (format!("{ONE} # the authority\r\n{TWO}"), [1, 5], 1),
            (format!("\u{feff}{ONE}\n\n{TWO}"), [1, 6], 1),
            (format!("s:/CN=x\n{ONE}\ni:/CN=y\n{TWO}\n"), [2, 7], 0),
            (format!("{ONE}\n{TWO}\n").replace('\n', "\r\n"), [1, 5], 0),
        ] {
            let read = certificates(text.as_bytes()).expect(&text);
            let expected: Vec<(usize, &[u8])> = lines.into_iter().zip(whole).collect();
            assert_eq!(ders(&read), expected, "{text}");
            assert_eq!(read.odd.len(), odd, "{text}: {:?}", read.odd);
        }
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        for (text, line, words) in [
            (
                format!("{ONE}\n-----BEGIN CERTIFICATE-----\nAAAA\n"),
                5,
                "cut off",
            ),
            (
                format!("-----BEGIN CERTIFICATE-----\nAA\n{ONE}"),
                3,
                "another part begins",
            ),
            (ONE.replace("AwQ=", "Aw*="), 3, "'*' cannot stand in base64"),
            (ONE.replace("AwQ=", "AwQ"), 1, "not whole"),
            (
                format!("\n{}", ONE.replace("-----", "—–")),
                2,
                "five plain dashes",
            ),
            (
                "-----BEGIN CERTIFICATE\nAAAA\n".into(),
                1,
                "without five dashes",
            ),
        ] {
            let error = certificates(text.as_bytes()).expect_err(&text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let wide: Vec<u8> = ONE.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let error = certificates(&wide).unwrap_err().to_string();
        assert!(error.contains("UTF-16"), "{error}");
        let error = certificates(&[0x30, 0x82, 1, 2]).unwrap_err().to_string();
        assert!(error.contains("binary"), "{error}");
    }

    #[test]
    fn a_key_with_a_password_is_told_from_none() {
        assert_eq!(private_key(ONE.as_bytes()), Ok(None));
        for text in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n\
             -----END RSA PRIVATE KEY-----",
        ] {
            let error = private_key(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("password"), "{error}");
        }
        let key = ONE.replace("CERTIFICATE", "EC PRIVATE KEY");
        assert!(private_key(key.as_bytes()).unwrap().is_some());
    }
}
