//! The verb itself: from arguments to an exit status.

use std::time::Duration;

use dtx_client::cluster::{Cluster, JobTemplate, Selection, Targets};
use dtx_client::fanout::{BACKOFF, RunOptions, StdinSource};
use dtx_proto_types::node::{NodeName, fold_names};
use nix::unistd::{User, getuid};

use super::drive::{Ended, drive};
use super::job::job;
use super::plan::plan;
use crate::args::{PaceArgs, RunArgs};
use crate::command::Context;
use crate::command::ask::{confirm, settle_selection};
use crate::command::targets::Chosen;
use crate::error::{Context as Doing, Failure, Kind};
use crate::exit_code::{self, StatusFrom};
use crate::report::{Plan, Reporters, nodes};

/// Runs a command on nodes.
///
/// # Errors
///
/// If nothing can be sent; what happens on a node afterwards is its outcome.
pub fn run(mut context: Context, args: &RunArgs) -> Result<u8, Failure> {
    if args.job.stdin && args.targets.nodes.iter().any(|text| text == "-") {
        let text = "standard input cannot name the nodes and be sent to them";
        return Err(Failure::new(Kind::Usage, text));
    }
    let chosen = Chosen::resolve(&args.targets, &context.environment, &mut std::io::stdin())?;
    if args.confirm.list
        && let Targets::Nodes(names) = &chosen.targets
    {
        return list(&context, names);
    }
    let plan = plan(
        &args.output,
        context.settings.output,
        context.terminal.stdout.terminal,
        context.verbosity,
    )?;
    let job = (!args.confirm.list).then(|| build(&context, args, &plan));
    let job = job.transpose()?;
    if let Some(timeout) = args.pace.connect_timeout {
        context.settings.connect_timeout = timeout;
    }
    context.block_on(async {
        let cluster = context.open().await?;
        let selection = select(&context, &cluster, &chosen).await?;
        let Some(job) = job else {
            let names: Vec<_> = selection.names().cloned().collect();
            return list(&context, &names);
        };
        let count = selection.nodes.len();
        confirm(count, context.settings.confirm_above, args.confirm.yes)?;
        let job = JobTemplate {
            stdin: stdin(args.job.stdin).await?,
            ..job
        };
        let ended = start(&context, &cluster, &selection, job, args, &plan).await?;
        cluster.close().await;
        ended.output?;
        let from = if args.output.remote_code {
            StatusFrom::RemoteCodes
        } else {
            StatusFrom::Outcomes
        };
        Ok(exit_code::of_run(&ended.summary, from, ended.by))
    })
}

fn build(context: &Context, args: &RunArgs, plan: &Plan) -> Result<JobTemplate, Failure> {
    let named = args.job.user.clone().or(context.settings.user.clone());
    let run_as = named.map_or_else(login_name, Ok)?;
    // A bound that nobody typed is not asked of the nodes: a policy that allows less would deny
    // what it could simply have cut.
    let asked = args.output.max_output.is_some();
    let output_bytes = plan.wanted().filter(|_| asked);
    job(
        &args.words,
        &args.job,
        run_as,
        args.pace.timeout,
        output_bytes,
    )
}

/// The name of whoever runs this process.
pub(in crate::command) fn login_name() -> Result<String, Failure> {
    match User::from_uid(getuid()) {
        Ok(Some(user)) => Ok(user.name),
        Ok(None) | Err(_) => Err(Failure::new(
            Kind::Usage,
            format!("your own user (uid {}) has no name here", getuid()),
        )
        .hint("say who is to run it: `-l NAME`")),
    }
}

async fn select(
    context: &Context,
    cluster: &Cluster,
    chosen: &Chosen,
) -> Result<Selection, Failure> {
    let mut selection = cluster
        .select(&chosen.targets, chosen.excluded.as_slice())
        .await
        .map_err(|error| Failure::hinted(Kind::Target, error))?;
    settle_selection(context, cluster, &mut selection).await?;
    if selection.nodes.is_empty() {
        let failure = Failure::new(Kind::Target, "the selection is empty: no node is left");
        return Err(failure.hint("see who is there: `dtx nodes`"));
    }
    Ok(selection)
}

/// Longer than any pipeline needs to say its first word; a slower one is streamed.
const STDIN_PATIENCE: Duration = Duration::from_secs(2);

async fn stdin(wanted: bool) -> Result<StdinSource, Failure> {
    if !wanted {
        return Ok(StdinSource::None);
    }
    let failed = |error| Failure::new(Kind::Usage, Doing("standard input cannot be read", error));
    use std::os::fd::AsFd;
    let own = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(failed)?;
    let file = tokio::fs::File::from_std(own.into());
    StdinSource::gather(file, STDIN_PATIENCE)
        .await
        .map_err(failed)
}

async fn start(
    context: &Context,
    cluster: &Cluster,
    selection: &Selection,
    job: JobTemplate,
    args: &RunArgs,
    plan: &Plan,
) -> Result<Ended, Failure> {
    let mut reporters = Reporters::new(plan, &context.terminal, context.console.clone())
        .map_err(|error| Failure::new(Kind::Usage, error))?;
    let run = cluster
        .run(selection, job, options(&args.pace, context.settings.fanout))
        .await
        .map_err(|error| Failure::hinted(Kind::Usage, error))?;
    drive(context, run, &mut reporters).await
}

fn options(pace: &PaceArgs, fanout: usize) -> RunOptions {
    RunOptions {
        fanout: pace.fanout.unwrap_or(fanout),
        deadline: pace.deadline,
        retries: pace.retries,
        backoff: pace.backoff.unwrap_or(BACKOFF),
        retry_on: pace.retry_on.unwrap_or_default(),
        fail_fast: pace.fail_fast,
        admission: None,
    }
}

/// Folded for a person; for a program one a line, in the order in which they were written.
fn list(context: &Context, names: &[NodeName]) -> Result<u8, Failure> {
    if context.terminal.stdout.terminal {
        context.print([fold_names(names)])?;
    } else {
        context.print(names)?;
    }
    context.tell(nodes(names.len()));
    Ok(exit_code::OK)
}
