//! From a selection and a job to a run.

use std::sync::Arc;

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::{Body, JobLimits, JobSpec};
use dtx_proto_types::limits::{ARGUMENT_MAX, JOB_MAX, SIZED_STDIN_MAX};
use tokio::io::AsyncRead;

use super::core::Core;
use super::fleet::{Fleet, Member};
use super::handle::route;
use super::{JobTemplate, RunError, Selection};
use crate::fanout::dispatch::{Plan, Planned, start};
use crate::fanout::sign::JobSigner;
use crate::fanout::{Run, RunOptions, SharedStdin, StdinSource, Supply};
use crate::random;

/// Starts a run, after all checks that need no node.
pub(super) fn run(
    core: &Arc<Core>,
    selection: &Selection,
    job: JobTemplate,
    mut options: RunOptions,
) -> Result<Run, RunError> {
    let count = selection.nodes.len();
    if count == 0 {
        return Err(RunError::Empty);
    }
    let ranks = u32::try_from(count).map_err(|_| RunError::TooManyNodes(count))?;
    check(&job)?;
    let (supply, source) = supply(job.stdin, ranks)?;
    let run = RunId::from_bytes(random::bytes().map_err(|_| RunError::Random)?);
    let spec = JobSpec {
        job: JobId::from_bytes(random::bytes().map_err(|_| RunError::Random)?),
        run,
        cluster: core.options.cluster.clone(),
        batch: Vec::new(),
        count: ranks,
        body: job.body,
        run_as: job.run_as,
        env: job.env,
        cwd: job.cwd,
        shell: job.shell,
        subst: job.subst,
        attempt: 1,
        stdin: supply.spec(),
        limits: JobLimits {
            timeout_ms: job.timeout.map(|timeout| {
                // A timeout that rounds to nothing would be none.
                u64::try_from(timeout.as_millis())
                    .unwrap_or(u64::MAX)
                    .max(1)
            }),
            output_bytes: job.output_bytes,
        },
        issued_ms: 0,
        start_by_ms: 0,
    };
    let signer = JobSigner::new(Arc::clone(&core.session_key), spec);
    let names = selection
        .nodes
        .iter()
        .map(|selected| selected.node.as_str().len());
    let size = signer.largest(names);
    if size > JOB_MAX {
        return Err(RunError::JobTooLarge { size });
    }
    // More attempts than sessions would only wait for one another's descriptors.
    options.fanout = options.fanout.min(core.options.sessions_max);
    let nodes = selection.nodes.iter().map(|selected| Planned {
        name: core.trust.name_of(&selected.node),
        label: selected.node.clone(),
    });
    let plan = Plan {
        run,
        command: job.command,
        nodes: nodes.collect(),
        supply,
        source,
        timeout: job.timeout,
        output_bytes: job.output_bytes,
    };
    let members = selection.nodes.iter().map(|selected| Member {
        route: route(core, selected),
        unusable: selected.unusable.clone(),
    });
    let fleet = Fleet::new(Arc::clone(core), members.collect());
    Ok(start(plan, Arc::new(fleet), Arc::new(signer), options))
}

/// What Linux would refuse on every node is refused here, once.
fn check(job: &JobTemplate) -> Result<(), RunError> {
    let words: Vec<&str> = match &job.body {
        Body::Shell(line) => vec![line],
        Body::Argv(words) | Body::Script { args: words, .. } => {
            words.iter().map(String::as_str).collect()
        }
        _ => Vec::new(),
    };
    for word in words {
        if word.len() > ARGUMENT_MAX {
            return Err(RunError::ArgumentTooLong { size: word.len() });
        }
        if word.contains('\0') {
            return Err(RunError::ZeroByte("the command"));
        }
    }
    for (name, value) in &job.env {
        if name.contains('\0') || value.contains('\0') {
            return Err(RunError::ZeroByte("the environment"));
        }
        let size = name.len() + value.len() + 1;
        if size > ARGUMENT_MAX {
            return Err(RunError::ArgumentTooLong { size });
        }
    }
    Ok(())
}

type Source = Box<dyn AsyncRead + Send + Unpin>;

fn supply(stdin: StdinSource, ranks: u32) -> Result<(Supply, Option<Source>), RunError> {
    Ok(match stdin {
        StdinSource::None => (Supply::None, None),
        StdinSource::Bytes(bytes) => {
            let size = bytes.len() as u64;
            if size > SIZED_STDIN_MAX {
                return Err(RunError::StdinTooLarge { size });
            }
            (Supply::Bytes(bytes), None)
        }
        StdinSource::Stream(source) => {
            let shared = SharedStdin::new(0..ranks);
            (Supply::Shared(Arc::new(shared)), Some(source))
        }
    })
}
