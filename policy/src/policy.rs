//! A policy as a whole, and how its rules make one decision.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::check::{self, Verdict, show};
use crate::decision::{Allowed, Decision, Denial, Explanation, Lack, RuleReport, Shell};
use crate::environment;
use crate::error::PolicyError;
use crate::limits::Limits;
use crate::parse;
use crate::principal::{Operator, Principal};
use crate::request::{Action, Facts, Node, Request};
use crate::rule::Rule;
use crate::user::UserName;

/// The rules of one node. Their order means nothing: they are kept by id.
#[derive(Debug, Clone)]
pub struct Policy {
    rules: BTreeMap<String, Rule>,
    revoked: BTreeSet<Principal>,
}

/// The policy where there is no file: every operator may do everything, as any user.
const BUILTIN_ROOT: &str = r#"
version = 1
[[rule]]
id = "operators"
who = ["file:*"]
run = { shell = "any", exec = "any", script = "any", control = true, stdin = true, cwd = "any", detach = true }
env = "any"
files = "any"
as = ["*"]
"#;

/// Longest text of a denial; what does not fit is counted.
const DENIAL_MAX: usize = 4000;

impl Policy {
    /// Understands the text of a policy file, or none of it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let document = parse::document(text)?;
        Ok(Self {
            rules: document.rules,
            revoked: document.revoked,
        })
    }

    /// The policy where there is no file: each key of the operators file may do everything, as
    /// any user where the agent is root, else as the agent's own.
    ///
    /// # Panics
    ///
    /// Never: the text is part of the program.
    #[must_use]
    pub fn builtin(agent_is_root: bool) -> Self {
        let parsed = if agent_is_root {
            Self::parse(BUILTIN_ROOT)
        } else {
            Self::parse(&BUILTIN_ROOT.replace("\"*\"]", "\"{agent-user}\"]"))
        };
        parsed.expect("the built-in policy is well-formed")
    }

    /// The ids of the rules, sorted.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().map(String::as_str)
    }

    /// The principal by which an operator is revoked, if he is.
    #[must_use]
    pub fn revocation(&self, operator: &Operator) -> Option<&Principal> {
        self.revoked.iter().find(|revoked| operator.is(revoked))
    }

    /// The longest life that a grant of this operator may have here: the longest of the rules for
    /// him on this node, and never less than the node's own.
    #[must_use]
    pub fn max_grant(&self, operator: &Operator, node: &Node<'_>) -> Duration {
        self.rules
            .values()
            .filter(|rule| rule.who.includes(operator))
            .filter_map(|rule| rule.max_grant)
            .fold(node.max_grant, Duration::max)
    }

    /// Decides. Pure: the same request, node and facts always have the same answer.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>, node: &Node<'_>, facts: &Facts<'_>) -> Decision {
        let user = match self.admissible(request) {
            Ok(user) => user,
            Err(why) => {
                return Decision::Deny(Denial {
                    short: why.clone(),
                    text: why,
                });
            }
        };
        let mut questions = BTreeSet::new();
        let mut matching = Vec::new();
        for rule in self.rules.values() {
            if !rule.who.includes(request.operator) {
                continue;
            }
            let verdict = check::check(rule, request, &user, node, facts);
            if verdict.lacks.is_empty() {
                questions.extend(verdict.questions);
                matching.push(rule);
            }
        }
        // Even where a rule allows it already: which rule is reported and how wide the limits are
        // may not depend on the order of questions and answers.
        if !questions.is_empty() {
            return Decision::NeedsPaths(questions);
        }
        match allowed(&matching, request, user) {
            Some(allowed) => Decision::Allow(allowed),
            None => Decision::Deny(self.denial(request, node, facts)),
        }
    }

    /// What each rule says about a request, whoever it is for.
    #[must_use]
    pub fn explain(
        &self,
        request: &Request<'_>,
        node: &Node<'_>,
        facts: &Facts<'_>,
    ) -> Explanation {
        let user = match self.admissible(request) {
            Ok(user) => user,
            Err(why) => {
                return Explanation {
                    refused: Some(why),
                    rules: Vec::new(),
                };
            }
        };
        let rules = self.rules.values().map(|rule| {
            let is_for_operator = rule.who.includes(request.operator);
            let Verdict {
                mut lacks,
                questions,
            } = check::check(rule, request, &user, node, facts);
            if !is_for_operator {
                let why = format!("it is not for {}", request.operator);
                lacks.insert(0, Lack::new("who", why));
            }
            RuleReport {
                id: rule.id.clone(),
                is_for_operator,
                lacks,
                questions,
            }
        });
        Explanation {
            refused: None,
            rules: rules.collect(),
        }
    }

    /// What no rule could allow: a revoked operator, and requests that make no sense.
    fn admissible(&self, request: &Request<'_>) -> Result<UserName, String> {
        if let Some(revoked) = self.revocation(request.operator) {
            return Err(format!("{revoked} is revoked by this node's policy"));
        }
        let user: UserName = request
            .user
            .parse()
            .map_err(|error: crate::user::InvalidUser| error.to_string())?;
        well_formed(request)?;
        Ok(user)
    }

    fn denial(&self, request: &Request<'_>, node: &Node<'_>, facts: &Facts<'_>) -> Denial {
        let what = request.action.kind();
        let short = format!(
            "no rule lets {} run this {what} as {}",
            request.operator, request.user
        );
        let explanation = self.explain(request, node, facts);
        let mut reports = explanation
            .rules
            .iter()
            .filter(|r| r.is_for_operator)
            .peekable();
        if reports.peek().is_none() {
            let text = format!(
                "no rule on {} is for {}; `dtx policy explain` there says more",
                node.name, request.operator
            );
            return Denial { short, text };
        }
        let mut text = format!("{short} on {}", node.name);
        while let Some(report) = reports.next() {
            let lacks: Vec<String> = report.lacks.iter().map(ToString::to_string).collect();
            let part = format!("; rule {} lacks {}", report.id, lacks.join(", "));
            if text.len() + part.len() > DENIAL_MAX {
                text.push_str(&format!("; and {} more rules", reports.count() + 1));
                break;
            }
            text.push_str(&part);
        }
        Denial { short, text }
    }
}

/// Joins the rules that match: the smallest id is reported, the widest bounds hold.
fn allowed(matching: &[&Rule], request: &Request<'_>, user: UserName) -> Option<Allowed> {
    let (first, others) = matching.split_first()?;
    let widest = others
        .iter()
        .fold(first.limits, |limits, rule| limits.widest(rule.limits));
    let shell = match request.shell {
        Some(path) => Shell::Path(path.to_owned()),
        None if matching.iter().any(|rule| rule.run.shell.is_any()) => Shell::Login,
        None => Shell::BinSh,
    };
    Some(Allowed {
        rule: first.id.clone(),
        user,
        limits: Limits {
            timeout: request.timeout.or(widest.timeout),
            output: request.output.or(widest.output),
            ..widest
        },
        shell,
    })
}

/// What cannot be done on any node, whatever the rules say.
fn well_formed(request: &Request<'_>) -> Result<(), String> {
    let no_nul = |what: &str, text: &str| {
        if text.contains('\0') {
            Err(format!("{what} holds a NUL byte"))
        } else {
            Ok(())
        }
    };
    match request.action {
        Action::Shell(line) => no_nul("the line", line)?,
        Action::Exec(argv) => {
            if argv.first().is_none_or(String::is_empty) {
                return Err("there is no program to run".to_owned());
            }
            argv.iter()
                .try_for_each(|word| no_nul("an argument", word))?;
        }
        Action::Script { args, .. } => {
            args.iter()
                .try_for_each(|word| no_nul("an argument", word))?;
        }
        Action::Control(_) => {}
    }
    for (what, path) in [
        ("the working directory", request.cwd),
        ("the shell", request.shell),
    ] {
        let Some(path) = path else { continue };
        if !path.starts_with('/') {
            return Err(format!("{what} {} is not an absolute path", show(path)));
        }
        no_nul(what, path)?;
    }
    for (name, value) in request.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("{} cannot be a variable's name", show(name)));
        }
        if environment::is_own_variable(name) {
            return Err(format!("{name} is set by the agent itself"));
        }
        no_nul(&format!("the value of {}", show(name)), value)?;
    }
    Ok(())
}
