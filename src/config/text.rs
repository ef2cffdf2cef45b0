//! From the bytes of a file to text: UTF-8, or the line and the byte that is none.

use super::report::{Problems, Sink, Texts};

/// What the bytes from 0x80 to 0x9F are in Windows-1252, where they are anything; elsewhere it is
/// Latin-1, and a byte is the letter with its number.
const WINDOWS: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
/// Bytes at the beginning of a file by which UTF-16 is known, if it has no mark.
const LOOKED_AT: usize = 64;

const SAVE_AS: &str = "save the file as UTF-8: in an editor by \"Save as\" and its encoding, or by";

/// The text of the file `name`.
///
/// # Errors
/// Each line that is no UTF-8, with the byte; or that all of it is in UTF-16.
pub fn decode(name: &str, bytes: Vec<u8>) -> Result<String, Problems> {
    if let Some(text) = utf16(&bytes) {
        let label = "each character has two bytes here";
        let help = format!("{SAVE_AS} `iconv -f UTF-16 -t UTF-8 {name} > NEW`");
        return Err(wrong(name, &text, |sink| {
            sink.wrong(0..0, "the file is in UTF-16, not in UTF-8", label, help);
        }));
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::new();
    let mut found = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            found.push((text.len(), *byte));
            text.push(letter(*byte));
        }
    }
    // One for each line is enough to find them.
    found.dedup_by(|next, first| !text[first.0..next.0].contains('\n'));
    Err(wrong(name, &text, |sink| {
        for (at, byte) in found {
            let letter = letter(byte);
            let help = format!("{SAVE_AS} `iconv -f WINDOWS-1252 -t UTF-8 {name} > NEW`");
            sink.wrong(
                at..at + letter.len_utf8(),
                "the file is not in UTF-8",
                format!("the byte 0x{byte:02X} is no UTF-8; in Latin-1 it would be {letter:?}"),
                help,
            );
        }
    }))
}

fn wrong(name: &str, text: &str, report: impl FnOnce(&Sink)) -> Problems {
    let sink = Sink::default();
    let mut texts = Texts::default();
    texts.push(name, text);
    report(&sink);
    sink.problems(texts).expect("something was reported")
}

fn letter(byte: u8) -> char {
    match byte {
        0x80..0xA0 => {
            let letter = WINDOWS.chars().nth(usize::from(byte) - 0x80);
            letter.unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        byte => char::from(byte),
    }
}

/// The text, if it is in UTF-16: by its mark, or because every other byte is zero.
pub(super) fn utf16(bytes: &[u8]) -> Option<String> {
    let start = &bytes[..bytes.len().min(LOOKED_AT) / 2 * 2];
    let zeros = |odd: usize| !start.is_empty() && start.chunks(2).all(|pair| pair[odd] == 0);
    let little = bytes.starts_with(&[0xFF, 0xFE]) || zeros(1);
    let big = bytes.starts_with(&[0xFE, 0xFF]) || zeros(0);
    if !little && !big {
        return None;
    }
    let units: Vec<u16> = (bytes.chunks_exact(2))
        .map(|pair| match little {
            true => u16::from_le_bytes([pair[0], pair[1]]),
            false => u16::from_be_bytes([pair[0], pair[1]]),
        })
        .collect();
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> String {
        let problems = decode("proxy.toml", bytes.to_vec());
        problems.expect_err("it is no UTF-8").to_string()
    }

    #[test]
    fn utf8_is_text_with_a_mark_or_without() {
        for text in ["", "# é\n", "\u{feff}# é\n", "a"] {
            let read = decode("proxy.toml", text.as_bytes().to_vec());
            assert_eq!(read.ok().as_deref(), Some(text));
        }
    }

    #[test]
    fn latin_1_is_told_by_line_column_and_byte() {
        let said = said(b"# \xC3\xA9\n# \xE9t\xE9\r\nx = \"co\xFBt \x80\"\n");
        assert!(said.contains("--> proxy.toml:2:3\n"), "{said}");
        assert!(
            said.contains("0xE9 is no UTF-8; in Latin-1 it would be 'é'"),
            "{said}"
        );
        assert!(said.contains("--> proxy.toml:3:8\n"), "{said}");
        assert!(said.contains("3 | x = \"coût €\"\n"), "{said}");
        assert!(said.ends_with("2 errors in proxy.toml"), "{said}");
    }

    #[test]
    fn utf16_is_named() {
        for (mark, little) in [(true, true), (true, false), (false, true), (false, false)] {
            let mark = if mark { "\u{feff}" } else { "" };
            let bytes: Vec<u8> = format!("{mark}seats = 5\n")
                .encode_utf16()
                .flat_map(|unit| {
                    if little {
                        unit.to_le_bytes()
                    } else {
                        unit.to_be_bytes()
                    }
                })
                .collect();
            let said = said(&bytes);
            assert!(said.contains("in UTF-16, not in UTF-8"), "{said}");
            assert!(said.contains("seats = 5\n"), "{said}");
        }
    }
}
