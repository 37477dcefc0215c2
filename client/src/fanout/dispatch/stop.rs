//! Ending a run early: what runs is told, what waits is skipped, nothing is left unsaid.

use dtx_proto_types::outcome::Outcome;

use super::dispatcher::Dispatcher;
use crate::fanout::attempt::{End, stop_text};
use crate::fanout::dial::Dial;
use crate::fanout::event::{StopReason, What};

impl<D: Dial> Dispatcher<D> {
    /// Ends the run for this reason, unless it is being ended for a worse one.
    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.stopped >= Some(reason) {
            return;
        }
        let first = self.stopped.is_none();
        self.stopped = Some(reason);
        self.emit(What::Stopping(reason));
        if first {
            // What waits for another attempt has been tried: that is its outcome.
            let resting = std::mem::take(&mut self.resting)
                .into_iter()
                .map(|(_, rank)| rank);
            self.due.extend(resting);
            self.told.send_replace(Some(reason));
        }
    }

    /// While the run is being ended: gives what is not under way its outcome, as fast as it can
    /// be told.
    pub(super) fn skip_queue(&mut self) {
        let Some(reason) = self.stopped else {
            return;
        };
        while self.has_room() || self.stopped == Some(StopReason::Leave) {
            let Some(rank) = self.due.pop_front().or_else(|| self.queue.pop_front()) else {
                return;
            };
            self.finish(rank, End::not_begun(reason));
        }
    }

    /// Leaves at once. What has arrived counts; of what has been sent and not answered, nobody
    /// knows.
    pub(super) async fn leave(&mut self) {
        self.attempts.abort_all();
        while let Some(ended) = self.attempts.join_next().await {
            if !ended
                .as_ref()
                .is_err_and(tokio::task::JoinError::is_cancelled)
            {
                self.attempt_ended(ended);
            }
        }
        while let Ok(message) = self.messages.try_recv() {
            self.tell(message);
        }
        let open: Vec<_> = self
            .tally
            .ranks()
            .filter(|(_, node)| node.is_trying())
            .map(|(rank, node)| (rank, node.may_have_been_sent()))
            .collect();
        for (rank, sent) in open {
            let text = stop_text(StopReason::Leave);
            let end = if sent {
                let text = format!("{text} before it answered; the job may still be running");
                End::because(Outcome::Lost, text)
            } else {
                End::not_begun(StopReason::Leave)
            };
            self.finish(rank, end);
        }
    }
}
