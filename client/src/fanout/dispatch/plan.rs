//! What a run is to do, and how it begins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dtx_proto_types::id::RunId;
use dtx_proto_types::node::NodeName;
use tokio::io::AsyncRead;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::dispatcher::Dispatcher;
use super::tally::Tally;
use crate::fanout::RunOptions;
use crate::fanout::attempt::Context;
use crate::fanout::dial::Dial;
use crate::fanout::keep::Keep;
use crate::fanout::run::{Canceller, Run};
use crate::fanout::sign::JobSigner;
use crate::fanout::stdin::Supply;

/// Events that may wait for the reporters, and as many again inside the dispatcher.
const EVENTS_MAX: usize = 64;
/// News of attempts that may wait for the dispatcher.
const MESSAGES_MAX: usize = 64;

/// What a run is to do.
pub(crate) struct Plan {
    pub(crate) run: RunId,
    /// For display.
    pub(crate) command: String,
    /// In the order of their ranks.
    pub(crate) nodes: Vec<Planned>,
    pub(crate) supply: Supply,
    /// Where a shared supply comes from.
    pub(crate) source: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) output_bytes: Option<u64>,
}

/// One node of a run.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// As the operator named it.
    pub(crate) label: NodeName,
    /// What it is called in a job; unknown where only its address is.
    pub(crate) name: Option<NodeName>,
}

/// Starts a run. It goes on as long as the handle lives.
pub(crate) fn start<D: Dial>(
    plan: Plan,
    dial: Arc<D>,
    signer: Arc<JobSigner>,
    options: RunOptions,
) -> Run {
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
    let (canceller, asked) = Canceller::new();
    let labels: Arc<[NodeName]> = plan.nodes.iter().map(|node| node.label.clone()).collect();
    let keep = Keep::new();
    let context = Context {
        dial,
        signer,
        timeout: plan.timeout,
        output_bytes: plan.output_bytes,
        messages,
        labels,
        claims: Mutex::new(BTreeMap::new()),
        supply: plan.supply,
        keep: keep.clone(),
    };
    let ranks = 0..u32::try_from(plan.nodes.len()).unwrap_or(u32::MAX);
    let dispatcher = Dispatcher {
        run: plan.run,
        command: plan.command,
        window: match &context.supply {
            // A stream is read once: whoever is to get its beginning must be there for it.
            Supply::Shared(_) => usize::MAX,
            Supply::None | Supply::Bytes(_) => options.fanout.max(1),
        },
        context: Arc::new(context),
        tally: Tally::new(plan.nodes),
        queue: ranks.collect(),
        resting: BTreeSet::new(),
        due: VecDeque::new(),
        attempts: JoinSet::new(),
        pump: JoinSet::new(),
        messages: inbox,
        events: Some(events),
        outbox: VecDeque::new(),
        asked,
        told: watch::channel(None).0,
        stopped: None,
        held: false,
        began: Instant::now(),
        options,
    };
    let mut task = JoinSet::new();
    task.spawn(dispatcher.run(plan.source));
    Run::new(receiver, task, canceller, keep)
}
