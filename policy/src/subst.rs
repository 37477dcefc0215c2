//! Substitution in a command, as pdsh does it: `%h`, `%n`, `%u`, `%%`.

use dtx_proto_types::limits;

/// Where a command runs, for those who wrote `%h`, `%n` or `%u`.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// For `%h`: the node's own name.
    pub node: &'a str,
    /// For `%n`: its rank in the run.
    pub rank: u32,
    /// For `%u`: the user that the command runs as.
    pub user: &'a str,
}

/// What came out is longer than any command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the command is longer than {max} bytes after substitution", max = limits::JOB_MAX)]
pub struct SubstitutionTooLong;

/// Replaces `%h`, `%n`, `%u` and `%%` in one pass; what was put in is not looked at again, and a
/// `%` before anything else stays as it is.
///
/// # Errors
///
/// If the result is longer than a job may be.
pub fn substitute(text: &str, place: Place<'_>) -> Result<String, SubstitutionTooLong> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let taken = match after.chars().next() {
            Some('h') => {
                result.push_str(place.node);
                1
            }
            Some('n') => {
                result.push_str(&place.rank.to_string());
                1
            }
            Some('u') => {
                result.push_str(place.user);
                1
            }
            Some('%') => {
                result.push('%');
                1
            }
            _ => {
                result.push('%');
                0
            }
        };
        rest = &after[taken..];
        if result.len() > limits::JOB_MAX {
            return Err(SubstitutionTooLong);
        }
    }
    result.push_str(rest);
    if result.len() > limits::JOB_MAX {
        return Err(SubstitutionTooLong);
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        node: "n%u",
        rank: 7,
        user: "alice",
    };

    #[test]
    fn one_pass() {
        for (text, result) in [
            ("", ""),
            ("echo hi", "echo hi"),
            ("%h:%n:%u", "n%u:7:alice"),
            ("100%", "100%"),
            ("%%h %%%h", "%h %n%u"),
            ("date +%Y %", "date +%Y %"),
            ("ä%nö%ß", "ä7ö%ß"),
        ] {
            assert_eq!(substitute(text, PLACE).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn the_result_is_bounded() {
        let place = Place {
            node: &"x".repeat(253),
            ..PLACE
        };
        let text = "%h".repeat(limits::JOB_MAX / 2);
        assert_eq!(substitute(&text, place), Err(SubstitutionTooLong));
    }
}
