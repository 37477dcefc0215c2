//! One rule against one request: everything that it lacks.

use std::collections::BTreeSet;

use dtx_proto_types::units::HumanDuration;

use crate::argv::{Fit, PathQuestion};
use crate::decision::Lack;
use crate::environment;
use crate::pattern;
use crate::request::{Action, Facts, Node, Request};
use crate::rule::{Grant, Names, On, Rule};
use crate::user::UserName;

/// What a rule says about a request.
pub(crate) struct Verdict {
    pub(crate) lacks: Vec<Lack>,
    pub(crate) questions: BTreeSet<PathQuestion>,
}

/// Compares all that a rule asks for but `who`. `user` is the request's, already valid.
pub(crate) fn check(
    rule: &Rule,
    request: &Request<'_>,
    user: &UserName,
    node: &Node<'_>,
    facts: &Facts<'_>,
) -> Verdict {
    let mut lacks = Vec::new();
    let mut questions = BTreeSet::new();
    lacks.extend(rule.on.as_ref().and_then(|on| place(on, node)));
    match action(rule, request, facts) {
        Fit::Yes => {}
        Fit::Depends(on) => questions = on,
        Fit::No(why) => lacks.push(Lack::new(run_key(request.action), why)),
    }
    if !rule.users.includes(user, node.agent_user) {
        lacks.push(Lack::new("as", format!("{user} is not among its users")));
    }
    lacks.extend(shell(rule, request));
    lacks.extend(directory(rule, request));
    if request.stdin && !rule.run.stdin {
        lacks.push(Lack::new("run.stdin", "it lets no command read stdin"));
    }
    if request.detach && !rule.run.detach {
        lacks.push(Lack::new("run.detach", "it lets no job be detached"));
    }
    lacks.extend(environment(rule, request));
    limits(rule, request, user, facts, &mut lacks);
    let max_grant = rule.max_grant.unwrap_or(node.max_grant);
    if request.grant_life > max_grant {
        lacks.push(Lack::new(
            "max_grant",
            format!(
                "the grant lives {}, more than {}",
                HumanDuration(request.grant_life),
                HumanDuration(max_grant)
            ),
        ));
    }
    Verdict { lacks, questions }
}

const fn run_key(action: Action<'_>) -> &'static str {
    match action {
        Action::Shell(_) => "run.shell",
        Action::Exec(_) => "run.exec",
        Action::Script { .. } => "run.script",
        Action::Control(_) => "run.control",
    }
}

fn place(on: &On, node: &Node<'_>) -> Option<Lack> {
    let named = on
        .names
        .as_ref()
        .is_none_or(|sets| sets.iter().any(|set| set.contains(node.name)));
    if !named {
        return Some(Lack::new("on", format!("it is not for {}", node.name)));
    }
    let missing = on
        .labels
        .iter()
        .find(|(key, value)| node.labels.get(*key) != Some(*value));
    missing.map(|(key, value)| Lack::new("on", format!("{} has no label {key}={value}", node.name)))
}

fn action(rule: &Rule, request: &Request<'_>, facts: &Facts<'_>) -> Fit {
    match request.action {
        Action::Shell(line) => match &rule.run.shell {
            Grant::Any => Fit::Yes,
            Grant::Only(patterns) => shell_line(patterns, line),
        },
        Action::Exec(argv) => match &rule.run.exec {
            Grant::Any => Fit::Yes,
            Grant::Only(patterns) if patterns.is_empty() => {
                Fit::No("it lets no program run".to_owned())
            }
            Grant::Only(patterns) => exec(patterns, argv, facts),
        },
        Action::Script { sha256, args } => match &rule.run.script {
            Grant::Any => Fit::Yes,
            Grant::Only(digests) if digests.is_empty() => {
                Fit::No("it lets no script run".to_owned())
            }
            Grant::Only(digests) if !digests.contains(&sha256) => {
                Fit::No("the script is none of those listed by their SHA-256".to_owned())
            }
            // The author of the list looked at the script, not at what may be given to it.
            Grant::Only(_) if !args.is_empty() => {
                Fit::No("a script listed by its SHA-256 takes no arguments".to_owned())
            }
            Grant::Only(_) => Fit::Yes,
        },
        Action::Control(_) if rule.run.control => Fit::Yes,
        Action::Control(_) => Fit::No("it lets no job of others be controlled".to_owned()),
    }
}

fn shell_line(patterns: &[pattern::Pattern], line: &str) -> Fit {
    if patterns.is_empty() {
        Fit::No("it lets no shell line run".to_owned())
    } else if pattern::has_control_bytes(line) {
        Fit::No("the line holds a control byte; only shell = \"any\" takes that".to_owned())
    } else if line.len() > pattern::TEXT_MAX {
        Fit::No(format!(
            "the line is longer than {} bytes; only shell = \"any\" takes that",
            pattern::TEXT_MAX
        ))
    } else if patterns.iter().any(|pattern| pattern.matches(line)) {
        Fit::Yes
    } else {
        Fit::No(match patterns {
            [only] => format!("the line does not match {}", only.source()),
            several => format!("the line matches none of its {} patterns", several.len()),
        })
    }
}

fn exec(patterns: &[crate::argv::ArgvPattern], argv: &[String], facts: &Facts<'_>) -> Fit {
    let mut questions = BTreeSet::new();
    let mut reasons = Vec::new();
    for pattern in patterns {
        match pattern.fit(argv, facts.paths) {
            Fit::Yes => return Fit::Yes,
            Fit::Depends(on) => questions.extend(on),
            Fit::No(why) => reasons.push(why),
        }
    }
    if !questions.is_empty() {
        return Fit::Depends(questions);
    }
    reasons.dedup();
    // A pattern whose program is the right one says more than the others.
    let program = argv.first().map_or("", String::as_str);
    let near = patterns.iter().any(|pattern| pattern.program == program);
    if near {
        reasons.retain(|why| !why.starts_with("the program is not"));
    }
    Fit::No(match reasons.as_slice() {
        [only] => only.clone(),
        [first, ..] if near => first.clone(),
        several => format!("the command fits none of its {} patterns", several.len()),
    })
}

/// `--shell` chooses an interpreter, which only somebody who may run anything of this kind can be
/// trusted with.
fn shell(rule: &Rule, request: &Request<'_>) -> Option<Lack> {
    request.shell?;
    let any = match request.action {
        Action::Shell(_) => rule.run.shell.is_any(),
        Action::Exec(_) => rule.run.exec.is_any(),
        Action::Script { .. } => rule.run.script.is_any(),
        Action::Control(_) => rule.run.control,
    };
    (!any).then(|| {
        Lack::new(
            run_key(request.action),
            "a shell of one's own choice needs \"any\" here",
        )
    })
}

fn directory(rule: &Rule, request: &Request<'_>) -> Option<Lack> {
    let cwd = request.cwd?;
    match &rule.run.cwd {
        Grant::Any => None,
        Grant::Only(listed) if listed.iter().any(|one| one == cwd) => None,
        Grant::Only(listed) if listed.is_empty() => Some(Lack::new(
            "run.cwd",
            "it lets no working directory be chosen",
        )),
        Grant::Only(_) => Some(Lack::new(
            "run.cwd",
            "the directory is none of those listed",
        )),
    }
}

fn environment(rule: &Rule, request: &Request<'_>) -> Option<Lack> {
    let Names::Only(listed) = &rule.env else {
        return None;
    };
    for (name, value) in request.env {
        if environment::is_loader_variable(name) {
            let why = format!("{} decides which code runs: that needs \"any\"", show(name));
            return Some(Lack::new("env", why));
        }
        if !listed.contains(name) {
            return Some(Lack::new("env", format!("{} is not listed", show(name))));
        }
        if environment::is_function(value) {
            let why = format!("the value of {name} is a shell function: that needs \"any\"");
            return Some(Lack::new("env", why));
        }
    }
    None
}

fn limits(
    rule: &Rule,
    request: &Request<'_>,
    user: &UserName,
    facts: &Facts<'_>,
    lacks: &mut Vec<Lack>,
) {
    // Control starts nothing: there is nothing to bound.
    if matches!(request.action, Action::Control(_)) {
        return;
    }
    if let (Some(asked), Some(most)) = (request.timeout, rule.limits.timeout)
        && asked > most
    {
        let why = format!(
            "a timeout of {} is more than {}",
            HumanDuration(asked),
            HumanDuration(most)
        );
        lacks.push(Lack::new("limits.timeout", why));
    }
    if let (Some(asked), Some(most)) = (request.output, rule.limits.output)
        && asked > most
    {
        let why = format!("{asked} bytes of output are more than {most}");
        lacks.push(Lack::new("limits.output", why));
    }
    if let Some(most) = rule.limits.concurrent {
        let running = facts.running.get(&rule.id).copied().unwrap_or(0);
        if running >= most {
            let why = format!("{running} of its jobs run here already, and {most} may");
            lacks.push(Lack::new("limits.concurrent", why));
        }
    }
    if rule.limits.procs.is_some() && user.as_str() == "root" {
        let why = "the kernel does not count root's processes";
        lacks.push(Lack::new("limits.procs", why));
    }
}

/// A caller's word as it can stand in a message.
pub(crate) fn show(word: &str) -> String {
    let short: String = word.chars().take(64).collect();
    format!("{short:?}")
}
