//! The verb itself: from arguments to a table.

use std::collections::BTreeMap;

use dtx_client::pins::NewPin;
use dtx_proto_types::node::{NodeName, NodeSet, natural_cmp};

use super::answer::Answer;
use super::script::{Wanted, remote_words, script};
use super::ssh::{Ssh, ask_all};
use crate::args::{EnrollArgs, TargetArgs};
use crate::command::Context;
use crate::command::keys::known_nodes;
use crate::command::targets::Chosen;
use crate::error::{Failure, Kind};
use crate::exit_code;
use crate::report::{Column, grid, nodes};
use crate::settings::Environment;
use crate::style::Tone;

/// Puts the operator's key on nodes and pins the keys that they have.
///
/// # Errors
///
/// If there is no key, no node is named, or pins cannot be written.
pub fn enroll(context: &Context, args: &EnrollArgs) -> Result<u8, Failure> {
    check(args)?;
    let named = named(args)?;
    let enrolled = context.block_on(async {
        let line = context.identity().await?.public_line();
        let wanted = Wanted {
            line: &line,
            operators: &args.operators,
            agent_state: &args.agent_state,
            sudo: args.sudo,
        };
        let ssh = Ssh {
            user: args.user.clone(),
            words: remote_words(wanted),
            script: script(wanted).into(),
            timeout: args.timeout,
        };
        let mut asked = ask_all(&ssh, named.iter().cloned().collect(), args.fanout.into());
        let mut answers = BTreeMap::new();
        while let Some(joined) = asked.join_next().await {
            if let Ok((node, answer)) = joined {
                answers.insert(node, answer);
            }
        }
        Ok(answers)
    })?;
    let rows = pin(context, &enrolled)?;
    show(context, &rows)
}

fn named(args: &EnrollArgs) -> Result<NodeSet, Failure> {
    let targets = TargetArgs {
        all: false,
        nodes: args.nodes.clone(),
        exclude: args.exclude.clone(),
        hostfile: args.hostfile.clone(),
    };
    // What `run` would use when nothing is named is not meant here.
    let chosen = Chosen::resolve(&targets, &Environment::default(), &mut std::io::stdin())?;
    match chosen.targets {
        dtx_client::cluster::Targets::Nodes(names) => Ok(names.into_iter().collect()),
        dtx_client::cluster::Targets::All => Ok(NodeSet::default()),
    }
}

/// What goes to a shell or to ssh has to be what it seems.
fn check(args: &EnrollArgs) -> Result<(), Failure> {
    for (option, path) in [
        ("--operators", &args.operators),
        ("--agent-state", &args.agent_state),
    ] {
        if !path.starts_with('/') || path.ends_with('/') || path.contains(char::is_control) {
            let text = format!("{option} {path:?} is not the absolute path of a file or directory");
            return Err(Failure::new(Kind::Usage, text));
        }
    }
    if let Some(user) = &args.user {
        let first = user.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let inside = |c: char| c.is_ascii_alphanumeric() || "._@+-\\".contains(c);
        if !(first && user.chars().all(inside)) {
            let text = format!("{user:?} cannot be a user to log in as");
            return Err(Failure::new(Kind::Usage, text));
        }
    }
    Ok(())
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    node: NodeName,
    good: bool,
    operators: &'static str,
    text: String,
}

/// Pins the keys, one by one, so that one changed key does not keep the others out.
fn pin(context: &Context, answers: &BTreeMap<NodeName, Answer>) -> Result<Vec<Row>, Failure> {
    let mut known = known_nodes(context)?;
    let mut rows = Vec::new();
    for (node, answer) in answers {
        let (good, operators, text) = match answer {
            Answer::Failed(reason) => (false, "failed", reason.clone()),
            Answer::Enrolled { added, agent } => {
                let operators = if *added { "key added" } else { "key present" };
                match agent {
                    None => (
                        true,
                        operators,
                        "no agent has been started there yet".to_owned(),
                    ),
                    Some((name, key)) => {
                        let new = NewPin {
                            selected: node.clone(),
                            node: name.clone(),
                            key: *key,
                        };
                        match known.pin(&context.settings.cluster, &[new]) {
                            Ok(()) => (true, operators, key.fingerprint().to_string()),
                            Err(error) => (false, operators, error.to_string()),
                        }
                    }
                }
            }
        };
        rows.push(Row {
            node: node.clone(),
            good,
            operators,
            text,
        });
    }
    rows.sort_by(|a, b| natural_cmp(a.node.as_str(), b.node.as_str()));
    Ok(rows)
}

fn show(context: &Context, rows: &[Row]) -> Result<u8, Failure> {
    let columns = [
        Column::left("node"),
        Column::left("operators"),
        Column::left("node key"),
    ];
    let cells = rows.iter().map(|row| {
        vec![
            row.node.to_string(),
            row.operators.to_owned(),
            row.text.clone(),
        ]
    });
    let color = context.terminal.stdout.color;
    let lines = grid(&columns, cells, None);
    context.print(lines.iter().enumerate().map(|(at, line)| {
        let row = at.checked_sub(1).and_then(|at| rows.get(at));
        match row {
            None => Tone::Heading.paint(line, color).to_string(),
            Some(row) if row.good => line.clone(),
            Some(_) => Tone::Bad.paint(line, color).to_string(),
        }
    }))?;
    let failed = rows.iter().filter(|row| !row.good).count();
    let good = rows.len() - failed;
    context.tell(format_args!(
        "{}: {good} enrolled, {failed} failed",
        nodes(rows.len())
    ));
    if good > 0 && failed == 0 {
        context.tell("hint: see who is there: `dtx nodes`");
    }
    Ok(if failed == 0 {
        exit_code::OK
    } else {
        exit_code::NOT_REACHED
    })
}
