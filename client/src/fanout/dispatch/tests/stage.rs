//! Setting up a run on fake nodes, and listening to it.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::{Body, JobLimits, JobSpec, Stdin};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::signed::SecretKey;
use tokio::io::AsyncRead;

use super::super::plan::{Plan, Planned, start};
use super::fake::{FakeDial, Fakes};
use crate::fanout::event::{RunEvent, RunSummary};
use crate::fanout::sign::JobSigner;
use crate::fanout::stdin::Supply;
use crate::fanout::{Run, RunOptions};

/// A run on fake nodes, about to begin.
pub(super) struct Stage {
    pub(super) fakes: Arc<Fakes>,
    pub(super) signer: Arc<JobSigner>,
    pub(super) options: RunOptions,
    pub(super) supply: Supply,
    pub(super) source: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub(super) timeout: Option<Duration>,
    /// Whether the nodes' names are known before a session.
    pub(super) named: bool,
}

impl Stage {
    /// Nodes with these labels. `ok*3` stands for three.
    pub(super) fn new(text: &str) -> Self {
        let mut labels: Vec<NodeName> = Vec::new();
        for word in text.split_whitespace() {
            let (word, count) = word.split_once('*').unwrap_or((word, "1"));
            for _ in 0..count.parse().unwrap() {
                labels.push(format!("{word}-{}", labels.len()).parse().unwrap());
            }
        }
        let key = Arc::new(SecretKey::from_seed(&[9; 32]));
        let spec = JobSpec {
            job: JobId::from_bytes([1; 16]),
            run: RunId::from_bytes([2; 16]),
            cluster: "default".to_owned(),
            batch: Vec::new(),
            count: u32::try_from(labels.len()).unwrap(),
            body: Body::Shell("true".to_owned()),
            run_as: "root".to_owned(),
            env: BTreeMap::new(),
            cwd: None,
            shell: None,
            subst: false,
            attempt: 1,
            stdin: Stdin::None,
            limits: JobLimits::default(),
            issued_ms: 0,
            start_by_ms: 0,
        };
        Self {
            signer: Arc::new(JobSigner::new(Arc::clone(&key), spec)),
            fakes: Fakes::new(labels, key),
            options: RunOptions::default(),
            supply: Supply::None,
            source: None,
            timeout: None,
            named: true,
        }
    }

    pub(super) fn start(self) -> Run {
        let nodes = self.fakes.labels().iter().map(|label| Planned {
            label: label.clone(),
            name: self.named.then(|| label.clone()),
        });
        let plan = Plan {
            run: RunId::from_bytes([2; 16]),
            command: "true".to_owned(),
            nodes: nodes.collect(),
            supply: self.supply,
            source: self.source,
            timeout: self.timeout,
            output_bytes: None,
        };
        start(
            plan,
            Arc::new(FakeDial(self.fakes)),
            self.signer,
            self.options,
        )
    }

    /// Runs to the end and tells all events.
    pub(super) async fn play(self) -> (RunSummary, Vec<RunEvent>) {
        play(self.start()).await
    }
}

/// Listens to a run to its end.
pub(super) async fn play(mut run: Run) -> (RunSummary, Vec<RunEvent>) {
    let mut events = Vec::new();
    while let Some(event) = run.next_event().await {
        events.push(event);
    }
    (run.finish().await, events)
}

/// Waits for ever.
pub(super) async fn never() {
    pending::<()>().await;
}
