//! What a request brought, shortened for a line of bounded length.

use dtx_proto_types::job::Body;
use serde_json::{Value, json};

/// Bytes of the command in a line, as JSON.
const WHAT_MAX: usize = 4 * 1024;
/// Bytes of any other text in a line, as JSON.
const TEXT_MAX: usize = 1024;
/// Environment variables that are named in a line.
const NAMES_MAX: usize = 32;
/// Bytes of each of these names, as JSON.
const NAME_MAX: usize = 64;
/// What stands where something was left out.
const ELLIPSIS: &str = "…";

/// A command, and what it was before it was cut, if it was.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) what: Value,
    pub(super) whole: Option<Whole>,
}

/// What a cut command was: of a shell line its own bytes, of anything else its compact JSON.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: usize,
    pub(super) sha256: String,
}

impl Whole {
    fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len(),
            sha256: sha256(bytes),
        }
    }
}

impl Command {
    /// The command as it runs; of a script the digest, as a policy lists it.
    pub(super) fn of(body: &Body) -> Self {
        match body {
            Body::Shell(line) => {
                let what = text_within(line, WHAT_MAX);
                let whole = (what != *line).then(|| Whole::of(line.as_bytes()));
                let what = json!(what);
                Self { what, whole }
            }
            Body::Argv(argv) => {
                let (words, whole) = words(argv);
                let what = json!(words);
                Self { what, whole }
            }
            Body::Script { text, args } => {
                let (args, whole) = words(args);
                let what = json!({ "sha256": sha256(text), "size": text.len(), "args": args });
                Self { what, whole }
            }
            Body::Control { job, action } => Self {
                what: json!({ "job": job.to_string(), "action": action }),
                whole: None,
            },
            _ => Self {
                what: Value::Null,
                whole: None,
            },
        }
    }
}

/// The first of some words, the last of them cut, and what they were in all if that is not all.
fn words(all: &[String]) -> (Vec<String>, Option<Whole>) {
    let mut left = WHAT_MAX;
    let mut words = Vec::new();
    for word in all {
        let short = text_within(word, left);
        let is_cut = short != *word;
        // Quotes and a comma.
        left = left.saturating_sub(json_len(&short) + 3);
        words.push(short);
        if is_cut || left == 0 {
            break;
        }
    }
    let whole = (words != all).then(|| Whole::of(json!(all).to_string().as_bytes()));
    (words, whole)
}

/// Any text that a request brought or that speaks of it.
pub(super) fn text(text: &str) -> String {
    text_within(text, TEXT_MAX)
}

/// The first of some names, each of them cut.
pub(super) fn names<'a>(all: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<String> = all
        .take(NAMES_MAX + 1)
        .map(|name| text_within(name, NAME_MAX))
        .collect();
    if names.len() > NAMES_MAX {
        names[NAMES_MAX] = ELLIPSIS.to_owned();
    }
    names
}

/// As much of a text as takes this many bytes as JSON, and a sign if that is not all.
fn text_within(text: &str, max: usize) -> String {
    let mut left = max;
    for (end, character) in text.char_indices() {
        match left.checked_sub(escaped_len(character)) {
            Some(rest) => left = rest,
            None => return format!("{}{ELLIPSIS}", &text[..end]),
        }
    }
    text.to_owned()
}

fn json_len(text: &str) -> usize {
    text.chars().map(escaped_len).sum()
}

/// Bytes of a character within a JSON string.
const fn escaped_len(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        '\0'..='\x1f' => 6,
        other => other.len_utf8(),
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ok = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_by_their_length_as_json() {
        for (text, max, cut) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "abc…"),
            ("aü", 2, "a…"),
            ("a\"b", 3, "a\"…"),
            ("a\nb", 7, "a\n…"),
            ("a\nb", 6, "a…"),
        ] {
            assert_eq!(text_within(text, max), cut, "{text:?} {max}");
        }
    }

    #[test]
    fn what_fits_is_whole_and_what_does_not_is_bounded() {
        let long = "\u{1}".repeat(100_000);
        let script = |args| Body::Script {
            text: b"x".to_vec(),
            args,
        };
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        for (body, is_whole) in [
            (Body::Shell("id".into()), true),
            (Body::Shell("x".repeat(WHAT_MAX)), true),
            (Body::Shell("x".repeat(WHAT_MAX + 1)), false),
            (Body::Shell(long.clone()), false),
            (Body::Argv(argv(&["/bin/echo", "", "a"])), true),
            (Body::Argv(argv(&["/bin/echo", &long, "a"])), false),
            (Body::Argv(argv(&["/bin/echo", &long])), false),
            (Body::Argv(vec![String::new(); 100_000]), false),
            (script(argv(&["a"])), true),
            (script(argv(&[&long])), false),
        ] {
            let command = Command::of(&body);
            let length = command.what.to_string().len();
            assert!(length < WHAT_MAX + 200, "{length}");
            assert_eq!(command.whole.is_none(), is_whole, "{}", body.kind());
        }
    }

    #[test]
    fn a_cut_command_is_known_by_its_digest() {
        let line = "y".repeat(5000);
        let whole = Command::of(&Body::Shell(line.clone())).whole.unwrap();
        assert_eq!(whole.bytes, 5000);
        assert_eq!(whole.sha256, sha256(line.as_bytes()));
        let argv = vec!["/bin/echo".to_owned(), line];
        let whole = Command::of(&Body::Argv(argv.clone())).whole.unwrap();
        let json = serde_json::to_string(&argv).unwrap();
        assert_eq!(whole.bytes, json.len());
        assert_eq!(whole.sha256, sha256(json.as_bytes()));
    }

    #[test]
    fn many_names() {
        let all = vec!["N".repeat(1000); 1000];
        let few = names(all.iter());
        assert_eq!(few.len(), NAMES_MAX + 1);
        assert_eq!(few.last().unwrap(), ELLIPSIS);
        assert!(
            few.iter()
                .all(|name| name.len() <= NAME_MAX + ELLIPSIS.len())
        );
        let two = ["A".to_owned(), "B".to_owned()];
        assert_eq!(names(two.iter()), two);
    }
}
