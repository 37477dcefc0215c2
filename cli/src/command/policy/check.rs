//! `dtx policy check`: reading a policy.

use std::path::Path;

use dtx_policy::Policy;

use crate::command::Context;
use crate::error::{Failure, Kind};
use crate::exit_code;
use crate::style::Tone;

/// Reads a policy and names its rules.
///
/// # Errors
///
/// If it is wrong; says where.
pub(super) fn check(context: &Context, file: &Path) -> Result<u8, Failure> {
    let policy = load(file)?;
    let rules: Vec<_> = policy.rule_ids().collect();
    let count = match rules.len() {
        1 => "1 rule".to_owned(),
        count => format!("{count} rules"),
    };
    let good = Tone::Good.paint("ok", context.terminal.stdout.color);
    let name = file.display();
    context.print([if rules.is_empty() {
        format!("{name}: {good}, no rule: it allows nothing")
    } else {
        format!("{name}: {good}, {count}: {}", rules.join(", "))
    }])?;
    Ok(exit_code::OK)
}

/// Reads a policy.
///
/// # Errors
///
/// If it cannot be read, or is wrong.
pub(super) fn load(file: &Path) -> Result<Policy, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            Kind::Configuration,
            format!("{name} cannot be read: {error}"),
        )
    })?;
    Policy::parse(&text).map_err(|error| {
        let head = format!(
            "{name}:{}:{}: {}",
            error.line(),
            error.column(),
            error.message()
        );
        Failure::new(Kind::Configuration, head)
            .excerpt(&error.to_string())
            .hint("a node with this policy runs nothing at all until it is right")
    })
}
