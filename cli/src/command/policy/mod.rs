//! `dtx policy`: what a policy says, without a node.

mod check;
mod explain;
mod request;

use super::Context;
use crate::args::{PolicyArgs, PolicyCommand};
use crate::error::Failure;

/// Checks a policy, or explains a decision.
///
/// # Errors
///
/// If the policy is wrong, or the request makes no sense.
pub fn policy(context: &Context, args: &PolicyArgs) -> Result<u8, Failure> {
    match &args.command {
        PolicyCommand::Check { file } => check::check(context, file),
        PolicyCommand::Explain(request) => explain::explain(context, request),
    }
}
