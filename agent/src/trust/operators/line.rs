//! One line: `principal[,…] [options] keytype key [comment]`, or a plain public key.

use std::collections::BTreeSet;

use dtx_policy::{InvalidPrincipal, PrincipalName, is_key_type};
use dtx_proto_types::grant;
use dtx_proto_types::key::Fingerprint;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use super::validity::{Validity, parse_time};

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorLine {
    /// The key.
    pub fingerprint: Fingerprint,
    /// Its names; none for a plain public key.
    pub names: BTreeSet<PrincipalName>,
    /// When it holds.
    pub validity: Validity,
    /// Whether its `namespaces`, if it has any, cover grants.
    pub covers_grants: bool,
    /// What follows the key: for people, never for decisions.
    pub comment: String,
}

/// Why a line says nothing, and with it the whole file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A byte that no such line has.
    #[error("the line holds a control character{0}")]
    Control(&'static str),
    /// A line of the other file.
    #[error(
        "this is a line of authorized_keys, and what its options forbid would be allowed here; \
         keep the key alone, `ssh-ed25519 AAAA… comment`, or put a principal before it"
    )]
    AuthorizedKeys,
    /// A principal that names nobody.
    #[error("the principal {text:?}: {error}")]
    Principal {
        /// As written.
        text: String,
        /// What is wrong with it.
        error: InvalidPrincipal,
    },
    /// The same principal twice.
    #[error("the principal {0} is named twice")]
    PrincipalTwice(PrincipalName),
    /// An option that is not understood.
    #[error("the option {0:?} is not known here (namespaces, valid-after, valid-before)")]
    Option(String),
    /// An option of OpenSSH that is not supported.
    #[error("cert-authority is not supported: list the operators' own keys")]
    CertAuthority,
    /// An option without a proper value.
    #[error("the option {option} needs {what}")]
    Value {
        /// Which.
        option: &'static str,
        /// Its form.
        what: &'static str,
    },
    /// The same option twice.
    #[error("the option {0} is written twice")]
    OptionTwice(&'static str),
    /// Quotes that do not end.
    #[error("a quote is never closed")]
    Quote,
    /// No key.
    #[error("there is no key; a line is `principal ssh-ed25519 AAAA… comment`")]
    NoKey,
    /// A key of a kind that cannot sign grants.
    #[error("{0} keys cannot be operators yet: use an ssh-ed25519 key (ssh-keygen -t ed25519)")]
    Algorithm(String),
    /// Not a key.
    #[error("the key cannot be read; was the line broken when it was copied?")]
    Key,
}

impl OperatorLine {
    /// Understands a line; `None` for an empty one and a comment.
    ///
    /// # Errors
    ///
    /// [`LineError`]: what is wrong with it.
    pub fn parse(line: &str) -> Result<Option<Self>, LineError> {
        if line.ends_with('\r') {
            return Err(LineError::Control(" at its end; it has Windows line ends"));
        }
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return Err(LineError::Control(""));
        }
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (first, rest) = word(line);
        if is_key_type(first) {
            return key(line, BTreeSet::new(), Options::default()).map(Some);
        }
        let names = names(first)?;
        let (options, rest) = if is_key_type(word(rest).0) {
            (Options::default(), rest)
        } else {
            options(rest)?
        };
        key(rest, names, options).map(Some)
    }
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start_matches([' ', '\t']))
}

fn names(list: &str) -> Result<BTreeSet<PrincipalName>, LineError> {
    if list.contains(['=', '"']) {
        return Err(LineError::AuthorizedKeys);
    }
    let mut names = BTreeSet::new();
    for text in list.split(',') {
        let name: PrincipalName = text.parse().map_err(|error| match error {
            InvalidPrincipal::Reserved(_) => LineError::AuthorizedKeys,
            error => LineError::Principal {
                text: text.to_owned(),
                error,
            },
        })?;
        if let Some(twice) = names.replace(name) {
            return Err(LineError::PrincipalTwice(twice));
        }
    }
    Ok(names)
}

fn key(
    text: &str,
    names: BTreeSet<PrincipalName>,
    options: Options,
) -> Result<OperatorLine, LineError> {
    let (algorithm, rest) = word(text);
    let (_, comment) = word(rest);
    if algorithm.is_empty() {
        return Err(LineError::NoKey);
    }
    if algorithm != "ssh-ed25519" {
        return Err(if is_key_type(algorithm) {
            LineError::Algorithm(algorithm.to_owned())
        } else {
            LineError::NoKey
        });
    }
    let base64 = word(rest).0;
    let key =
        PublicKey::from_openssh(&format!("{algorithm} {base64}")).map_err(|_| LineError::Key)?;
    if !matches!(key.key_data(), KeyData::Ed25519(_)) {
        return Err(LineError::Key);
    }
    Ok(OperatorLine {
        fingerprint: Fingerprint::of(key.key_data()),
        names,
        validity: options.validity(),
        covers_grants: options.covers_grants(),
        comment: comment.to_owned(),
    })
}

#[derive(Debug, Default)]
struct Options {
    namespaces: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
}

impl Options {
    const fn validity(&self) -> Validity {
        Validity {
            after: self.after,
            before: self.before,
        }
    }

    fn covers_grants(&self) -> bool {
        self.namespaces.as_ref().is_none_or(|list| {
            list.split(',')
                .any(|pattern| is_like(grant::NAMESPACE.as_bytes(), pattern.as_bytes()))
        })
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), LineError> {
        let known = [
            "namespaces",
            "valid-after",
            "valid-before",
            "cert-authority",
        ];
        let Some(option) = known
            .into_iter()
            .find(|known| name.eq_ignore_ascii_case(known))
        else {
            return Err(LineError::Option(name.to_owned()));
        };
        if option == "cert-authority" {
            return Err(LineError::CertAuthority);
        }
        let wrong = |what| LineError::Value { option, what };
        let value = value.ok_or(wrong("a value in quotes, as in valid-before=\"20270101Z\""))?;
        let twice = if option == "namespaces" {
            if value.is_empty() || value.contains('!') {
                return Err(wrong("a list of names without `!`"));
            }
            self.namespaces.replace(value.to_owned()).is_some()
        } else {
            let time = parse_time(value)
                .ok_or(wrong("a time, YYYYMMDD[HHMM[SS]] and a Z if it is in UTC"))?;
            let place = if option == "valid-after" {
                &mut self.after
            } else {
                &mut self.before
            };
            place.replace(time).is_some()
        };
        if twice {
            return Err(LineError::OptionTwice(option));
        }
        Ok(())
    }
}

/// Reads `name="value",name="value"` up to the first blank outside of quotes.
fn options(text: &str) -> Result<(Options, &str), LineError> {
    let mut options = Options::default();
    let mut rest = text;
    loop {
        let end = rest.find(['=', ',', ' ', '\t']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => {
                let close = quoted.find('"').ok_or(LineError::Quote)?;
                (Some(&quoted[..close]), &quoted[close + 1..])
            }
            None => (None, after),
        };
        if name.is_empty() {
            return Err(LineError::NoKey);
        }
        options.set(name, value)?;
        if let Some(more) = after.strip_prefix(',') {
            rest = more;
        } else if after.is_empty() || after.starts_with([' ', '\t']) {
            return Ok((options, after.trim_start_matches([' ', '\t'])));
        } else {
            return Err(LineError::Option(format!("{name}{after}")));
        }
    }
}

/// Whether a pattern of `*` and `?` covers a text. After a mismatch only the last `*` takes one
/// more byte, so the time is bounded by the product of the lengths.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut star = None;
    while at < text.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((at, of));
                of += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[at] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((from, position)) = star else {
                    return false;
                };
                star = Some((from + 1, position));
                at = from + 1;
                of = position + 1;
            }
        }
    }
    pattern[of..].iter().all(|byte| *byte == b'*')
}
