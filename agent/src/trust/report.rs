//! What operators and policy files say, for people.

use dtx_policy::Policy;

use super::operators::Known;
use super::sources::{Sources, Standing};

/// One line for each key and one for the policy, and whether an agent could work with it.
pub(super) fn report(sources: &mut Sources, now_ms: u64) -> (bool, Vec<String>) {
    let files: Vec<String> = sources
        .operators()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let policy_file = sources.policy().display().to_string();
    let standing = match sources.look() {
        Ok(standing) => standing,
        Err(why) => return (false, vec![format!("nothing runs: {why}")]),
    };
    let mut lines = Vec::new();
    if standing.operators.is_empty() {
        lines.push(format!(
            "operators: none, so nothing runs; put a public key, one line, into {}",
            files.join(" or ")
        ));
    }
    lines.extend(
        standing
            .operators
            .iter()
            .map(|known| operator_line(known, &standing.policy, now_ms)),
    );
    lines.push(policy_line(standing, &policy_file));
    (true, lines)
}

fn operator_line(known: &Known, policy: &Policy, now_ms: u64) -> String {
    let key = known.operator.fingerprint();
    let state = if policy.revocation(&known.operator).is_some() {
        ", revoked by the policy".to_owned()
    } else if known.validity.holds_at(now_ms) {
        String::new()
    } else {
        format!(", not valid now: {}", known.validity.words())
    };
    format!(
        "operators: {}: {}, {key}{state}",
        known.place, known.operator
    )
}

fn policy_line(standing: &Standing, file: &str) -> String {
    if standing.builtin_policy {
        return format!("policy: built in, every operator may do everything ({file} is absent)");
    }
    let ids: Vec<&str> = standing.policy.rule_ids().collect();
    format!("policy: {file}, rules: {}", ids.join(", "))
}
