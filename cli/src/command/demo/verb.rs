//! The demo itself: what an operator would type, with everything real but the machines.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dtx_client::cluster::{Cluster, JobTemplate, NewNodes, Selection, Targets};
use dtx_client::fanout::RunOptions;
use dtx_client::identity::IdentitySource;
use tokio::signal::unix::{SignalKind, signal};

use super::layout::{Layout, node_names};
use super::program;
use crate::args::DemoArgs;
use crate::command::run::drive;
use crate::command::{Context, login_name};
use crate::error::{Context as Doing, Failure, Kind};
use crate::exit_code::{self, StatusFrom};
use crate::report::{Format, Plan, Reporters, Verbosity};
use crate::style::Tone;

/// How long the agents have to come up and be found.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts agents, runs a first job on them and removes them again.
///
/// # Errors
///
/// If they cannot be started or found.
pub fn demo(mut context: Context, args: &DemoArgs) -> Result<u8, Failure> {
    let agent = program::find(args.agent.as_deref())?;
    let tag = tag();
    let layout = Layout::new(&std::env::temp_dir().join(format!("dtx-demo-{tag}")));
    context.settings.cluster = format!("demo-{tag}");
    context.settings.state_dir = layout.client_state();
    context.settings.identity = Some(layout.key());
    context.settings.new_nodes = NewNodes::Accept;
    context.settings.seeds.clear();
    let keeper = Keeper::start(&layout, agent, &context.settings.cluster, args.nodes)?;
    let result = context.block_on(show(&context, args, &layout));
    keeper.end()?;
    let status = result?;
    context.tell(Tone::Faint.paint(
        "demo over: no process, port or file of it is left",
        context.terminal.stderr.color,
    ));
    Ok(status)
}

/// Tells this demo from any other on the machine.
fn tag() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |since| since.subsec_nanos());
    format!("{:x}-{:x}", std::process::id(), nanos)
}

async fn show(context: &Context, args: &DemoArgs, layout: &Layout) -> Result<u8, Failure> {
    let identity = IdentitySource {
        file: Some(layout.key()),
        ..IdentitySource::default()
    };
    let identity = identity
        .find()
        .await
        .map_err(|error| Failure::hinted(Kind::Identity, error))?;
    let mut options = context.settings.cluster_options();
    options.interfaces = vec!["lo".to_owned()];
    let cluster = Cluster::open(options, identity)
        .await
        .map_err(crate::command::open_failure)?;
    let selection = find(&cluster, args.nodes.into(), layout).await?;
    let color = context.terminal.stderr.color;
    context.tell(Tone::Faint.paint(
        format_args!(
            "{} agents on this machine, found by multicast on its loopback interface",
            args.nodes
        ),
        color,
    ));
    let status = first_job(context, &cluster, &selection, layout).await?;
    // Closing writes down where the nodes are, which another shell needs.
    cluster.close().await;
    if args.keep && status == exit_code::OK {
        keep(context, layout).await?;
    }
    Ok(status)
}

/// Looks until all agents have answered.
async fn find(cluster: &Cluster, count: usize, layout: &Layout) -> Result<Selection, Failure> {
    let until = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < until {
        match cluster.select(&Targets::All, &[]).await {
            Ok(mut selection) => {
                if !selection.new.is_empty() {
                    cluster
                        .accept_new(&mut selection)
                        .await
                        .map_err(|error| Failure::hinted(Kind::Configuration, error))?;
                }
                let here = selection
                    .nodes
                    .iter()
                    .filter(|node| node.unusable.is_none());
                if here.count() == count {
                    return Ok(selection);
                }
                last = Some(format!("{} of {count} answered", selection.nodes.len()));
            }
            Err(error) => last = Some(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let text = last.unwrap_or_else(|| "none answered".to_owned());
    let seconds = PATIENCE.as_secs();
    let failure = Failure::new(
        Kind::Local,
        format!("the agents were not found within {seconds} s: {text}"),
    );
    Err(match log_of_first(layout, count) {
        Some(line) => failure.hint(format!("an agent says: {line}")),
        None => failure.hint("`dtx doctor` looks at what discovery needs"),
    })
}

fn log_of_first(layout: &Layout, count: usize) -> Option<String> {
    let names = node_names(u16::try_from(count).ok()?);
    names.iter().find_map(|node| {
        let log = std::fs::read_to_string(layout.agent_log(node)).ok()?;
        log.lines().last().map(str::to_owned)
    })
}

async fn first_job(
    context: &Context,
    cluster: &Cluster,
    selection: &Selection,
    layout: &Layout,
) -> Result<u8, Failure> {
    let hello = layout.hello();
    let line = format!("echo \"hello from $DTX_NODE\" >> {}", hello.display());
    prompt(context, &format!("dtx run --all '{line}'"))?;
    let plan = Plan {
        format: Format::Table,
        fold_stderr: false,
        by_name: false,
        label: true,
        diff: false,
        limit: None,
        outdir: None,
        errdir: None,
        verbosity: context.verbosity.max(Verbosity::Normal),
    };
    let mut reporters = Reporters::new(&plan, &context.terminal, context.console.clone())
        .map_err(Failure::output)?;
    let job = JobTemplate::shell(&line, &login_name()?);
    let run = cluster
        .run(selection, job, RunOptions::default())
        .await
        .map_err(|error| Failure::hinted(Kind::Local, error))?;
    let ended = drive(context, run, &mut reporters).await?;
    ended.output?;
    prompt(context, &format!("cat {}", hello.display()))?;
    if let Ok(text) = std::fs::read_to_string(&hello) {
        context.print(text.lines())?;
    }
    Ok(exit_code::of_run(
        &ended.summary,
        StatusFrom::Outcomes,
        ended.by,
    ))
}

/// What one would have typed.
fn prompt(context: &Context, line: &str) -> Result<(), Failure> {
    let color = context.terminal.stdout.color;
    context.print([format!(
        "{} {}",
        Tone::Faint.paint("$", color),
        Tone::Heading.paint(line, color)
    )])
}

/// Waits for Ctrl-C.
async fn keep(context: &Context, layout: &Layout) -> Result<(), Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::new(Kind::Local, Doing("no signals can be heard", error)))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let settings = layout.client_settings();
    context.print([
        "the agents go on until Ctrl-C; from another shell:".to_owned(),
        format!("  export DTX_CONFIG={}", settings.display()),
        "  dtx run --all hostname".to_owned(),
    ])?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// The keeper of this demo's agents. It outlives us by as much as clearing up takes.
#[derive(Debug)]
struct Keeper {
    process: Child,
    // While this is open, the agents live.
    hold: ChildStdin,
}

impl Keeper {
    fn start(layout: &Layout, agent: PathBuf, cluster: &str, nodes: u16) -> Result<Self, Failure> {
        let failed =
            |error| Failure::new(Kind::Local, Doing("the agents cannot be started", error));
        let own = std::env::current_exe().map_err(failed)?;
        let mut process = Command::new(own)
            .arg("demo-keeper")
            .arg(layout.directory())
            .arg(agent)
            .args([cluster, &nodes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (Some(hold), Some(said)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::new(Kind::Local, "the agents cannot be held"));
        };
        let keeper = Self { process, hold };
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).map_err(failed)?;
        match line.trim_end().strip_prefix("error ") {
            None if line.trim_end() == "ready" => Ok(keeper),
            Some(error) => {
                let text = format!("the agents cannot be started: {error}");
                keeper.end()?;
                Err(Failure::new(Kind::Local, text))
            }
            None => Err(Failure::new(
                Kind::Local,
                "the agents' keeper ended at once",
            )),
        }
    }

    /// Lets go, and waits until all is gone.
    fn end(mut self) -> Result<(), Failure> {
        drop(self.hold);
        self.process.wait().map_err(|error| {
            Failure::new(Kind::Local, Doing("the demo was not cleared up", error))
        })?;
        Ok(())
    }
}
