//! A run under way, as its caller sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::event::{RunEvent, RunSummary, StopReason};
use super::keep::Keep;

/// A run under way. Its tasks end when it is dropped, and have ended when it has finished.
pub struct Run {
    events: mpsc::Receiver<RunEvent>,
    dispatcher: JoinSet<RunSummary>,
    canceller: Canceller,
    keep: Keep,
}

/// How long [`Run::keep`] waits for sessions that take nothing in.
const KEEP_PATIENCE: Duration = Duration::from_secs(2);

/// Ends a run early, from anywhere.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<watch::Sender<Option<StopReason>>>);

impl Run {
    pub(super) fn new(
        events: mpsc::Receiver<RunEvent>,
        dispatcher: JoinSet<RunSummary>,
        canceller: Canceller,
        keep: Keep,
    ) -> Self {
        Self {
            events,
            dispatcher,
            canceller,
            keep,
        }
    }

    /// The next event, in order; `None` after the last one. While the caller does not ask, the
    /// run's output waits and so do the commands that write it.
    pub async fn next_event(&mut self) -> Option<RunEvent> {
        self.events.recv().await
    }

    /// What ends this run early.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Tells every node to go on with its job even if this process is not heard of any more: those
    /// that run now, and those that start later. Whether all that run now have been told, as far
    /// as can be known here; a few seconds are spent on it at most.
    pub async fn keep(&self) -> bool {
        self.keep.wish(KEEP_PATIENCE).await
    }

    /// Waits for the end and says what the run came to. Events not asked for are dropped.
    ///
    /// # Panics
    ///
    /// If the dispatcher panicked, which would be a bug in it.
    pub async fn finish(mut self) -> RunSummary {
        while self.events.recv().await.is_some() {}
        match self.dispatcher.join_next().await {
            Some(Ok(summary)) => summary,
            Some(Err(error)) => std::panic::resume_unwind(
                error
                    .try_into_panic()
                    .unwrap_or_else(|_| Box::new("the dispatcher was aborted")),
            ),
            None => unreachable!("the dispatcher is joined once, here"),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}

impl Canceller {
    pub(crate) fn new() -> (Self, watch::Receiver<Option<StopReason>>) {
        let (sender, receiver) = watch::channel(None);
        (Self(Arc::new(sender)), receiver)
    }

    /// Ends the run for this reason, if it does not end for a worse one already.
    /// [`StopReason::Interrupt`] cancels everywhere and awaits the answers for a few seconds;
    /// [`StopReason::Leave`] awaits nothing.
    pub fn stop(&self, reason: StopReason) {
        self.0.send_if_modified(|current| {
            let worse = Some(reason) > *current;
            if worse {
                *current = Some(reason);
            }
            worse
        });
    }

    /// Why the run is being ended, if it is.
    #[must_use]
    pub fn stopped(&self) -> Option<StopReason> {
        *self.0.borrow()
    }
}
