//! The verb itself: one look after the other, each shown at once.

use dtx_proto_types::node::NodeName;

use super::finding::{Finding, Mark, the_one_thing};
use super::{local, network, node};
use crate::args::DoctorArgs;
use crate::command::Context;
use crate::error::{Failure, Kind};
use crate::exit_code;
use crate::style::Tone;

/// Looks at everything that a run depends on.
///
/// # Errors
///
/// If the node's name is none, or nobody reads the findings.
pub fn doctor(context: &Context, args: &DoctorArgs) -> Result<u8, Failure> {
    let named: Option<NodeName> = args
        .node
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error| Failure::new(Kind::Target, error))?;
    let findings = context.block_on(look(context, named.as_ref()))?;
    let color = context.terminal.stdout.color;
    let word = Tone::Heading.paint("to do", color);
    match the_one_thing(&findings) {
        Some(remedy) => context.print([String::new(), format!("{word}: {remedy}")])?,
        None => {
            let node = named.map_or_else(|| "--all".to_owned(), |node| format!("-w {node}"));
            context.print([
                String::new(),
                format!("{word}: nothing; `dtx run {node} uptime`"),
            ])?;
        }
    }
    let bad = findings.iter().any(|finding| finding.mark == Mark::Bad);
    Ok(if bad {
        exit_code::FAILED
    } else {
        exit_code::OK
    })
}

async fn look(context: &Context, named: Option<&NodeName>) -> Result<Vec<Finding>, Failure> {
    let mut all = Vec::new();
    let (key, identity) = local::key(context).await;
    show(context, &mut all, [key])?;
    show(
        context,
        &mut all,
        [local::ssh_agent(), local::state(context)],
    )?;
    show(context, &mut all, network::discovery(context).await)?;
    if let (Some(named), Some(identity)) = (named, identity) {
        show(
            context,
            &mut all,
            node::node(context, identity, named).await,
        )?;
    }
    Ok(all)
}

fn show(
    context: &Context,
    all: &mut Vec<Finding>,
    findings: impl IntoIterator<Item = Finding>,
) -> Result<(), Failure> {
    for finding in findings {
        context.print([finding.line(context.terminal.stdout.color)])?;
        all.push(finding);
    }
    Ok(())
}
