//! The top of the file: version, groups, rules, revocations.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::PolicyError;
use crate::principal::Principal;
use crate::rule::Rule;

use super::rule::rule;
use super::section::{Section, Value};

/// A whole file, understood.
pub(crate) struct Document {
    pub(crate) rules: BTreeMap<String, Rule>,
    pub(crate) revoked: BTreeSet<Principal>,
}

/// Named sets of principals.
pub(super) type Groups = BTreeMap<String, BTreeSet<Principal>>;

/// Longest id of a rule and name of a group.
const WORD_MAX: usize = 64;

/// Understands the text of a policy file, or none of it.
pub(crate) fn document(text: &str) -> Result<Document, PolicyError> {
    let mut top = Section::document(text, &["version", "groups", "rule", "revoke"])?;
    let version = top.require("version", "begin the file with `version = 1`")?;
    if version.integer()? != 1 {
        return Err(version.error("this agent knows version 1"));
    }
    let groups = top.take("groups").map_or(Ok(Groups::new()), groups)?;
    let mut rules = BTreeMap::new();
    for value in tables(top.take("rule"), "[[rule]]")? {
        let place = value.error(String::new());
        let rule = rule(value, &groups)?;
        let id = rule.id.clone();
        if rules.insert(id.clone(), rule).is_some() {
            return Err(place.with_message(format!("two rules have the id `{id}`")));
        }
    }
    let mut revoked = BTreeSet::new();
    for value in tables(top.take("revoke"), "[[revoke]]")? {
        revoked.insert(revocation(value)?);
    }
    Ok(Document { rules, revoked })
}

fn tables<'t>(value: Option<Value<'t>>, what: &str) -> Result<Vec<Value<'t>>, PolicyError> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    if value.is_table() {
        return Err(value.error(format!("write {what}, in double brackets")));
    }
    value.list(what)
}

fn groups(value: Value<'_>) -> Result<Groups, PolicyError> {
    let mut groups = Groups::new();
    for (name, value) in value.entries("[groups]")? {
        if !is_word(&name) {
            return Err(value.error("a group's name is letters, digits, `.`, `_` and `-`"));
        }
        let list = value.list("a group")?;
        let members = Value::set(list, "a principal", |text| {
            text.parse::<Principal>().map_err(|error| error.to_string())
        })?;
        groups.insert(name, members);
    }
    Ok(groups)
}

fn revocation(value: Value<'_>) -> Result<Principal, PolicyError> {
    let mut section = value.section("[[revoke]]", &["key", "principal"])?;
    match (section.take("key"), section.take("principal")) {
        (Some(key), None) => {
            let text = key.string("a key")?;
            text.strip_prefix("key:")
                .unwrap_or(text)
                .parse()
                .map(Principal::Key)
                .map_err(|error| key.error(error.to_string()))
        }
        (None, Some(principal)) => principal.string("a principal")?.parse().map_err(
            |error: crate::principal::InvalidPrincipal| principal.error(error.to_string()),
        ),
        _ => Err(section
            .error("[[revoke]] has either `key = \"SHA256:…\"` or `principal = \"file:NAME\"`")),
    }
}

/// Whether a text can be the id of a rule or the name of a group.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= WORD_MAX
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
