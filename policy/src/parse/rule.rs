//! One `[[rule]]`.

use std::collections::BTreeMap;

use dtx_proto_types::node::NodeSet;

use crate::environment;
use crate::error::{PolicyError, did_you_mean};
use crate::limits::Limits;
use crate::rule::{Names, On, Rule, Run, Users, Who};

use super::document::{Groups, is_word};
use super::run::run;
use super::section::Value;

const KEYS: [&str; 9] = [
    "id",
    "who",
    "on",
    "run",
    "files",
    "as",
    "env",
    "limits",
    "max_grant",
];

pub(super) fn rule(value: Value<'_>, groups: &Groups) -> Result<Rule, PolicyError> {
    let mut section = value.section("[[rule]]", &KEYS)?;
    let id = section.require("id", "every rule has a name of its own")?;
    if !is_word(id.string("an id")?) {
        return Err(id.error("an id is 1 to 64 letters, digits, `.`, `_` and `-`"));
    }
    let who = section.require("who", "say whom the rule is for")?;
    let who = who_of(who, groups)?;
    let on = section.take("on").map(on_of).transpose()?;
    let as_value = section.require("as", "say as which users it lets run")?;
    let users = users_of(as_value)?;
    let run = section.take("run").map(run).transpose()?;
    // Nothing can ask for files yet: the key is checked, and grants nothing.
    let files = section.take("files").map(files_of).transpose()?;
    if run.is_none() && files.is_none() {
        return Err(section.error("the rule grants nothing: it has neither `run` nor `files`"));
    }
    let env = section.take("env").map(env_of).transpose()?;
    let limits = match section.take("limits") {
        Some(value) => limits_of(value, &users)?,
        None => Limits::default(),
    };
    let max_grant = section.take("max_grant").map(|value| value.duration());
    Ok(Rule {
        id: id.string("an id")?.to_owned(),
        who,
        on,
        run: run.unwrap_or_else(Run::default),
        users,
        env: env.unwrap_or_default(),
        limits,
        max_grant: max_grant.transpose()?,
    })
}

fn who_of(value: Value<'_>, groups: &Groups) -> Result<Who, PolicyError> {
    let mut who = Who::default();
    for entry in value.filled_list("`who`")? {
        match entry.string("a principal")? {
            "file:*" => who.every_file_key = true,
            text => match text.strip_prefix('@') {
                Some(name) => match groups.get(name) {
                    Some(members) => who.principals.extend(members.iter().cloned()),
                    None => return Err(entry.error(unknown_group(name, groups))),
                },
                None => {
                    let principal =
                        text.parse()
                            .map_err(|error: crate::principal::InvalidPrincipal| {
                                entry.error(error.to_string())
                            })?;
                    who.principals.insert(principal);
                }
            },
        }
    }
    Ok(who)
}

fn unknown_group(name: &str, groups: &Groups) -> String {
    let name = name.escape_debug();
    match did_you_mean(&name.to_string(), groups.keys().map(String::as_str)) {
        Some(meant) => format!("there is no group `{name}` in [groups]; did you mean `@{meant}`?"),
        None => format!("there is no group `{name}` in [groups]"),
    }
}

fn on_of(value: Value<'_>) -> Result<On, PolicyError> {
    let mut section = value.section("`on`", &["names", "labels"])?;
    if section.is_empty() {
        return Err(section.error("`on` is empty: leave it out for every node"));
    }
    let names = section.take("names").map(|value| {
        let mut sets = Vec::new();
        for entry in value.filled_list("`names`")? {
            let text = entry.string("a node set")?;
            let set = NodeSet::parse(text).map_err(|error| entry.error(error.to_string()))?;
            if set.is_empty() {
                return Err(entry.error("this node set is empty"));
            }
            sets.push(set);
        }
        Ok(sets)
    });
    let mut labels = BTreeMap::new();
    if let Some(value) = section.take("labels") {
        let empty = value.error("`labels` is empty: leave it out for every label");
        for (key, value) in value.entries("`labels`")? {
            labels.insert(key, value.string("a label's value")?.to_owned());
        }
        if labels.is_empty() {
            return Err(empty);
        }
    }
    Ok(On {
        names: names.transpose()?,
        labels,
    })
}

fn users_of(value: Value<'_>) -> Result<Users, PolicyError> {
    let mut users = Users::default();
    for entry in value.filled_list("`as`")? {
        match entry.string("a user")? {
            "*" => users.any = true,
            "{agent-user}" => users.agent_user = true,
            text => {
                let user = text.parse().map_err(|error: crate::user::InvalidUser| {
                    entry.error(format!(
                        "{error}; `*` is any user, {{agent-user}} the agent's"
                    ))
                })?;
                users.names.insert(user);
            }
        }
    }
    Ok(users)
}

fn files_of(value: Value<'_>) -> Result<(), PolicyError> {
    if value.is_any() {
        return Ok(());
    }
    let wrong = value.error("`files` is \"any\" or, for none, []");
    match value.list("`files`") {
        Ok(list) if list.is_empty() => Ok(()),
        _ => Err(wrong),
    }
}

fn env_of(value: Value<'_>) -> Result<Names, PolicyError> {
    if value.is_any() {
        return Ok(Names::Any);
    }
    let list = value.list("`env`, if not \"any\",")?;
    let names = Value::set(list, "a variable", |name| {
        if !environment::is_plain_name(name) {
            Err("a variable's name is letters, digits and `_`; there are no patterns".to_owned())
        } else if environment::is_loader_variable(name) {
            Err(format!(
                "{name} decides which code runs: only `env = \"any\"` lets a request set it"
            ))
        } else if environment::is_own_variable(name) {
            Err(format!("{name} is set by the agent itself"))
        } else {
            Ok(name.to_owned())
        }
    })?;
    Ok(Names::Only(names))
}

fn limits_of(value: Value<'_>, users: &Users) -> Result<Limits, PolicyError> {
    let known = ["timeout", "output", "concurrent", "memory", "procs"];
    let mut section = value.section("`limits`", &known)?;
    let take_count = |value: Value<'_>| {
        let count = value.count()?;
        u32::try_from(count).map_err(|_| value.error("this is too large"))
    };
    let procs = section.take("procs");
    let root = users.names.iter().any(|user| user.as_str() == "root");
    if let Some(value) = procs.as_ref().filter(|_| root) {
        return Err(
            value.error("`procs` cannot bind root: the kernel does not count root's processes")
        );
    }
    Ok(Limits {
        timeout: section.take("timeout").map(|v| v.duration()).transpose()?,
        output: section.take("output").map(|v| v.size()).transpose()?,
        concurrent: section.take("concurrent").map(take_count).transpose()?,
        memory: section.take("memory").map(|v| v.size()).transpose()?,
        procs: procs.map(|v| v.count()).transpose()?,
    })
}
