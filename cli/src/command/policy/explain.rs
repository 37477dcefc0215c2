//! `dtx policy explain`: which rule allows something, or what each one lacks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dtx_policy::{Decision, Explanation, Facts, Node, Policy, RuleReport};
use dtx_proto_types::limits::GRANT_LIFE_MAX;
use dtx_proto_types::node::NodeName;

use super::check::load;
use super::request::Asked;
use crate::args::ExplainArgs;
use crate::command::{Context, login_name};
use crate::error::{Failure, Kind};
use crate::exit_code;
use crate::style::Tone;

/// Where an agent has its policy.
const POLICY_FILE: &str = "/etc/dtx/policy.toml";

/// Says what a policy decides and why. The exit status is that of a run: 0 or denied.
///
/// # Errors
///
/// If the policy is wrong, or the request makes no sense.
pub(super) fn explain(context: &Context, args: &ExplainArgs) -> Result<u8, Failure> {
    let (policy, origin) = policy(args)?;
    let user = args.user.clone().map_or_else(login_name, Ok)?;
    let asked = Asked::new(args, user)?;
    let name = node_name(args)?;
    let labels: BTreeMap<_, _> = args
        .node_label
        .iter()
        .map(|label| (label.name.clone(), label.value.clone()))
        .collect();
    let node = Node {
        name: &name,
        labels: &labels,
        agent_user: &args.agent_user,
        max_grant: GRANT_LIFE_MAX,
    };
    let facts = Facts {
        running: &BTreeMap::new(),
        paths: &BTreeMap::new(),
    };
    let request = asked.request();
    let decision = policy.decide(&request, &node, &facts);
    let explanation = policy.explain(&request, &node, &facts);
    let color = context.terminal.stdout.color;
    let mut lines = vec![headline(&decision, &origin, color)];
    lines.extend(report(&explanation, color));
    context.print(lines)?;
    Ok(match decision {
        Decision::Allow(_) | Decision::NeedsPaths(_) => exit_code::OK,
        Decision::Deny(_) => exit_code::DENIED,
    })
}

fn policy(args: &ExplainArgs) -> Result<(Policy, String), Failure> {
    let default = PathBuf::from(POLICY_FILE);
    let named = args
        .policy
        .as_deref()
        .or_else(|| default.exists().then_some(&default));
    match named {
        Some(file) => Ok((load(file)?, shown(file))),
        None => Ok((
            Policy::builtin(args.agent_user == "root"),
            "the built-in policy".to_owned(),
        )),
    }
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

fn node_name(args: &ExplainArgs) -> Result<NodeName, Failure> {
    let text = args.node.clone().unwrap_or_else(|| {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let host = host.to_string_lossy();
        host.split('.').next().unwrap_or_default().to_owned()
    });
    text.parse().map_err(|error| {
        Failure::new(Kind::Usage, format!("{text:?}: {error}")).hint("name the node: `--node NAME`")
    })
}

fn headline(decision: &Decision, origin: &str, color: bool) -> String {
    match decision {
        Decision::Allow(allowed) => format!(
            "{} by rule `{}` of {origin}, as {}",
            Tone::Good.paint("allowed", color),
            allowed.rule,
            allowed.user
        ),
        Decision::NeedsPaths(paths) => {
            let paths: Vec<_> = paths
                .iter()
                .map(|question| format!("{} beneath {}", question.path, question.root))
                .collect();
            format!(
                "{} by {origin}, if the node finds {}",
                Tone::Notice.paint("allowed", color),
                paths.join(", ")
            )
        }
        Decision::Deny(denial) => format!(
            "{} by {origin}: {}",
            Tone::Bad.paint("denied", color),
            denial.short
        ),
    }
}

fn report(explanation: &Explanation, color: bool) -> Vec<String> {
    let mut lines: Vec<_> = explanation
        .refused
        .iter()
        .map(|why| format!("  {why}"))
        .collect();
    for rule in &explanation.rules {
        lines.extend(rule_lines(rule, color));
    }
    lines
}

fn rule_lines(rule: &RuleReport, color: bool) -> Vec<String> {
    let id = Tone::Heading.paint(&rule.id, color);
    if rule.allows() {
        return vec![format!("  {id}: allows it")];
    }
    if rule.lacks.is_empty() {
        return vec![format!("  {id}: depends on the node's files")];
    }
    rule.lacks
        .iter()
        .map(|lack| format!("  {id}: {lack}"))
        .collect()
}
