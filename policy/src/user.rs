//! The local user that a job asks to run as.

use std::fmt;
use std::str::FromStr;

/// A user's name as a node may know it: a letter or `_`, then up to 254 of `[A-Za-z0-9_.@-]`,
/// with one `$` allowed at the end.
///
/// Numbers and what looks like one to some program (`0`, `-1`, `#0`, `4294967295`) are no names,
/// so that no look-up ever falls back to a number that the caller chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

/// The text is not a user's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUser {
    /// A number or a sentinel.
    #[error("{0:?} is a number, not a user's name; name the user")]
    Number(String),
    /// Anything else.
    #[error("{0:?} cannot be a user's name")]
    Malformed(String),
}

const NAME_MAX: usize = 255;

impl UserName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = InvalidUser;

    fn from_str(text: &str) -> Result<Self, InvalidUser> {
        let digits = text.trim_start_matches(['#', '-', '+']);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidUser::Number(text.to_owned()));
        }
        let stem = text.strip_suffix('$').unwrap_or(text);
        let begins = stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let inside = |c: char| c.is_ascii_alphanumeric() || "_.@-".contains(c);
        if begins && text.len() <= NAME_MAX && stem.chars().all(inside) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidUser::Malformed(text.chars().take(64).collect()))
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_user() {
        for good in [
            "root",
            "_apt",
            "alice.b",
            "a-b_c",
            "host$",
            "al@corp.example",
            "A1",
        ] {
            assert_eq!(good.parse::<UserName>().unwrap().as_str(), good);
        }
        for bad in ["0", "-1", "#0", "#-1", "4294967295", "+0", "007"] {
            assert_eq!(
                bad.parse::<UserName>(),
                Err(InvalidUser::Number(bad.to_owned()))
            );
        }
        for bad in [
            "",
            "$",
            "-f root",
            "-root",
            "a b",
            "a:b",
            "a/b",
            "../x",
            "ro\0ot",
            "root\n",
            "ro$ot",
            "röt",
            "1a",
            "*",
            "{agent-user}",
            "#",
            "0x0",
        ] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(256).parse::<UserName>().is_err());
    }
}
