//! Questions to the person at the terminal, and what a script is told instead.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use dtx_client::cluster::{Cluster, NewNode, NewNodes, Selection};
use dtx_proto_types::node::fold_names;

use super::Context;
use crate::error::{Failure, Kind};
use crate::report::nodes;
use crate::style::Tone;

/// Says what was learned while the nodes were found, and settles what to do with new ones.
///
/// # Errors
///
/// If accepted keys cannot be pinned.
pub(super) async fn settle_selection(
    context: &Context,
    cluster: &Cluster,
    selection: &mut Selection,
) -> Result<(), Failure> {
    super::findings::tell(context, selection);
    if selection.new.is_empty() {
        return Ok(());
    }
    let accepted = match context.settings.new_nodes {
        NewNodes::Ask => ask_about_new(context, &selection.new),
        NewNodes::Accept => true,
        NewNodes::Refuse => false,
    };
    if accepted {
        cluster
            .accept_new(selection)
            .await
            .map_err(|error| Failure::hinted(Kind::Configuration, error))?;
    } else {
        let folded = fold_names(selection.new.iter().map(|new| &new.name));
        let color = context.terminal.stderr.color;
        let word = Tone::Notice.paint("new, not accepted", color);
        context.tell(format_args!("{word}: {folded}"));
        if context.settings.new_nodes == NewNodes::Ask {
            context.tell(format_args!(
                "hint: look at them with `dtx nodes`, then `dtx nodes accept '{folded}'`"
            ));
        }
    }
    Ok(())
}

/// The keys shown before the question; more would push it off the screen.
const KEYS_SHOWN: usize = 10;

fn ask_about_new(context: &Context, new: &[NewNode]) -> bool {
    if !(context.terminal.stdin && context.terminal.stderr.terminal) {
        return false;
    }
    let folded = fold_names(new.iter().map(|new| &new.name));
    context.tell(format_args!(
        "{folded} ({}) not seen before. Their keys are not pinned yet:",
        nodes(new.len())
    ));
    for node in new.iter().take(KEYS_SHOWN) {
        context.tell(format_args!(
            "  {}  {}  {}",
            node.name,
            node.key,
            node.address.ip()
        ));
    }
    if new.len() > KEYS_SHOWN {
        context.tell(format_args!(
            "  and {} more: `dtx nodes` lists all",
            new.len() - KEYS_SHOWN
        ));
    }
    yes("Accept them? [y/N] ")
}

/// Asks on the terminal itself, because standard input may be data.
fn yes(question: &str) -> bool {
    let Ok(mut terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        return false;
    };
    if terminal.write_all(question.as_bytes()).is_err() {
        return false;
    }
    let mut answer = String::new();
    // No deadline: a person was asked, and may look the keys up first.
    let read = BufReader::new(terminal).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Checks `--yes N` against the number of nodes.
///
/// # Errors
///
/// If the number is wrong, or one is needed and missing.
pub(super) fn confirm(
    count: usize,
    above: Option<usize>,
    yes: Option<usize>,
) -> Result<(), Failure> {
    match yes {
        Some(number) if number == count => Ok(()),
        Some(number) => Err(Failure::new(
            Kind::Target,
            format!("`--yes {number}` does not fit: {} are meant", nodes(count)),
        )
        .hint("see which: `--list`")),
        None if above.is_some_and(|above| count > above) => Err(Failure::new(
            Kind::Target,
            format!("{} are more than `confirm_above` allows", nodes(count)),
        )
        .hint(format!("if they are all meant: `--yes {count}`"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_number_is_needed() {
        for (count, above, yes, ok) in [
            (5, None, None, true),
            (5, Some(5), None, true),
            (6, Some(5), None, false),
            (6, Some(5), Some(6), true),
            (6, Some(5), Some(7), false),
            (6, None, Some(7), false),
            (6, None, Some(6), true),
            (1, Some(0), None, false),
        ] {
            assert_eq!(
                confirm(count, above, yes).is_ok(),
                ok,
                "{count} {above:?} {yes:?}"
            );
        }
    }
}
