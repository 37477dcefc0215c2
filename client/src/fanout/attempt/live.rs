//! An attempt and what it shares with the others: from a node's name to a job on a session.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dtx_proto_types::id::JournalId;
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::ServerHello;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::end::End;
use crate::fanout::dial::{Dial, NodeSession};
use crate::fanout::event::{StopReason, Stream};
use crate::fanout::keep::{Keep, Untold};
use crate::fanout::sign::{JobSigner, SignedBatch};
use crate::fanout::stdin::Supply;

/// What an attempt tells the dispatcher while it goes on.
#[derive(Debug)]
pub(in crate::fanout) struct Message {
    pub(in crate::fanout) rank: u32,
    pub(in crate::fanout) news: News,
}

/// One piece of news.
#[derive(Debug)]
pub(in crate::fanout) enum News {
    Started,
    Output(Stream, Bytes),
    Reattached,
}

/// What the attempts of a run share.
#[derive(Debug)]
pub(in crate::fanout) struct Context<D> {
    pub(in crate::fanout) dial: Arc<D>,
    pub(in crate::fanout) signer: Arc<JobSigner>,
    pub(in crate::fanout) supply: Supply,
    pub(in crate::fanout) timeout: Option<Duration>,
    pub(in crate::fanout) output_bytes: Option<u64>,
    pub(in crate::fanout) messages: mpsc::Sender<Message>,
    pub(in crate::fanout) keep: Keep,
    /// The nodes of the run, as the operator named them.
    pub(in crate::fanout) labels: Arc<[NodeName]>,
    /// Which node of the run has which key: two names may lead to one machine.
    pub(in crate::fanout) claims: Mutex<BTreeMap<Ed25519Key, u32>>,
}

/// One try of a job on one node.
#[derive(Debug)]
pub(in crate::fanout) struct Attempt<D> {
    pub(in crate::fanout) context: Arc<Context<D>>,
    pub(in crate::fanout) rank: u32,
    pub(in crate::fanout) repetition: u32,
    /// The job, signed for the batch in which the node was dispatched. Absent where only an
    /// address is known.
    pub(in crate::fanout) batch: Option<SignedBatch>,
    pub(in crate::fanout) stop: watch::Receiver<Option<StopReason>>,
    /// Whether a byte of the job may have left.
    pub(in crate::fanout) sent: Arc<AtomicBool>,
}

/// A job that has been handed to a session.
#[derive(Debug)]
pub(super) struct Live<S: NodeSession> {
    pub(super) session: Arc<S>,
    pub(super) job: S::Job,
    pub(super) batch: SignedBatch,
    /// The agent as it was when the job was sent.
    pub(super) sent_to: AgentLife,
    /// Whether this session asked for the job by its id, and has not heard of it yet.
    pub(super) asking: bool,
    /// Whether the node knows on this session that the job is to outlive us.
    pub(super) keep: Untold,
}

/// What tells whether an agent still knows what it knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentLife {
    pub(super) key: Ed25519Key,
    pub(super) boot_id: String,
    pub(super) journal_id: JournalId,
    pub(super) grace: Duration,
}

impl AgentLife {
    pub(super) fn of(session: &impl NodeSession) -> Self {
        let ServerHello {
            boot_id,
            journal_id,
            reattach_grace_ms,
            ..
        } = session.hello();
        Self {
            key: session.key(),
            boot_id: boot_id.clone(),
            journal_id: *journal_id,
            grace: Duration::from_millis(*reattach_grace_ms),
        }
    }
}

impl<D: Dial> Attempt<D> {
    /// Runs the attempt to its end.
    pub(in crate::fanout) async fn run(self) -> End {
        match self.begin().await {
            Ok(live) => self.follow(live).await,
            Err(end) => end,
        }
    }

    /// Opens a session and hands the job to it. Until then, nothing has been sent.
    async fn begin(&self) -> Result<Live<D::Session>, End> {
        let mut stop = self.stop.clone();
        let begun = async {
            let session = self.context.dial.dial(self.rank).await;
            let session = session.map_err(|error| End::no_session(&error))?;
            self.claim(session.key())?;
            let batch = self.fresh_batch(self.batch.as_ref(), &*session)?;
            Ok(self.hand_over(session, batch).await)
        };
        tokio::select! {
            live = begun => live,
            stop = stopped(&mut stop) => {
                // Handing over was cut short, if it had begun: the session never had the job.
                self.sent.store(false, Ordering::Release);
                Err(End::not_begun(stop))
            }
        }
    }

    /// Sends the job on a session.
    pub(super) async fn hand_over(
        &self,
        session: Arc<D::Session>,
        batch: SignedBatch,
    ) -> Live<D::Session> {
        self.sent.store(true, Ordering::Release);
        let keep = self.context.keep.enlist();
        let job = session.start(&batch.job).await;
        Live {
            sent_to: AgentLife::of(&*session),
            session,
            job,
            batch,
            asking: false,
            keep,
        }
    }

    /// The batch that was signed at dispatch while it may still be sent; otherwise one for the
    /// name that the node has proved.
    pub(super) fn fresh_batch(
        &self,
        batch: Option<&SignedBatch>,
        session: &D::Session,
    ) -> Result<SignedBatch, End> {
        match batch {
            Some(batch) if Instant::now() < batch.fresh_until => Ok(batch.clone()),
            _ => self
                .context
                .signer
                .sign_one(self.repetition, &session.hello().node, self.rank)
                .map_err(|error| End::because(Outcome::Unreachable, error.to_string())),
        }
    }

    /// One machine is one node of a run, whatever it is called.
    fn claim(&self, key: Ed25519Key) -> Result<(), End> {
        let claims = &self.context.claims;
        let mut claims = claims.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = *claims.entry(key).or_insert(self.rank);
        if owner == self.rank {
            return Ok(());
        }
        let labels = &self.context.labels;
        let other = labels
            .get(owner as usize)
            .map_or("another", NodeName::as_str);
        Err(End {
            passing: false,
            ..End::because(
                Outcome::Refused,
                format!("it is the same machine as {other}, which is part of this run already"),
            )
        })
    }
}

/// Waits until the run is being ended.
pub(super) async fn stopped(stop: &mut watch::Receiver<Option<StopReason>>) -> StopReason {
    let reason = stop
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|reason| *reason);
    match reason {
        Some(reason) => reason,
        // The dispatcher is gone, and this task with it in a moment.
        None => std::future::pending().await,
    }
}
