//! Bytes from nodes, made harmless for a terminal.

use std::fmt::Write as _;

/// The bytes as text in which nothing can move the cursor, change colours or reverse the
/// reading direction. Line ends and tabs stay.
#[must_use]
pub fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    push_visible(&mut text, bytes, Breaks::Kept);
    text
}

/// The same, on one line: for reasons, notes and warnings, where a line end would let a node
/// write lines of its own.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_visible(&mut line, text.trim_end().as_bytes(), Breaks::Shown);
    line
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Kept,
    Shown,
}

fn push_visible(text: &mut String, bytes: &[u8], breaks: Breaks) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' if breaks == Breaks::Shown => text.push_str("\\n"),
                '\n' | '\t' => text.push(character),
                '\0'..='\x1f' => {
                    text.push('^');
                    // The control characters lie 64 below the letters that name them.
                    text.push(char::from(character as u8 + 64));
                }
                '\x7f' => text.push_str("^?"),
                hidden if is_hidden(hidden) => {
                    write!(text, "\\u{{{:x}}}", u32::from(hidden))
                        .expect("writing to a string cannot fail");
                }
                plain => text.push(plain),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("writing to a string cannot fail");
        }
    }
}

/// C1 controls (a terminal may take U+009B for the start of an escape sequence), line separators
/// and everything that reverses the direction of writing.
const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes() {
        for (bytes, expected) in [
            (&b"plain \xc3\xa4\ttext\n"[..], "plain ä\ttext\n"),
            (b"\x1b[31mred\x1b[0m", "^[[31mred^[[0m"),
            (b"\x1b]0;title\x07", "^[]0;title^G"),
            (b"\x1b]52;c;aGk=\x1b\\", "^[]52;c;aGk=^[\\"),
            (b"over\rwritten", "over^Mwritten"),
            (b"a\x00b\x7f\x08", "a^@b^?^H"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"\xc2\x9b31m", "\\u{9b}31m"),
            ("\u{202e}evil\u{2066}".as_bytes(), "\\u{202e}evil\\u{2066}"),
            ("half \u{20ac}".as_bytes(), "half €"),
            (b"half \xe2\x82", "half \\xe2\\x82"),
        ] {
            assert_eq!(visible(bytes), expected);
        }
    }

    #[test]
    fn no_reason_has_two_lines() {
        assert_eq!(
            one_line("denied\n512 nodes: 512 ok\n"),
            "denied\\n512 nodes: 512 ok"
        );
    }
}
