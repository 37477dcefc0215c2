//! Starting attempts: as many as the window and the admission allow, signed together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use dtx_proto_types::job::Seat;
use dtx_proto_types::limits::BATCH_MAX;
use dtx_proto_types::outcome::Outcome;
use tokio::time::Instant;

use super::dispatcher::Dispatcher;
use super::tally::Stand;
use crate::fanout::Admit;
use crate::fanout::attempt::{Attempt, End};
use crate::fanout::dial::Dial;
use crate::fanout::event::StopReason;
use crate::fanout::sign::SignedBatch;

impl<D: Dial> Dispatcher<D> {
    /// Starts attempts until the window is full or nobody may begin.
    pub(super) fn fill_window(&mut self) {
        if self.stopped.is_some() || !self.has_room() {
            return;
        }
        let mut chosen = Vec::new();
        let mut stop = None;
        while self.attempts.len() + chosen.len() < self.window {
            if let Some(rank) = self.due.pop_front() {
                chosen.push(rank);
                continue;
            }
            match self.next_waiting() {
                Ok(Some(rank)) => chosen.push(rank),
                Ok(None) => break,
                Err(reason) => {
                    stop = Some(reason);
                    break;
                }
            }
        }
        self.launch(&chosen);
        if let Some(reason) = stop {
            self.stop(reason);
        }
    }

    /// The next node that has not begun, if it may.
    fn next_waiting(&mut self) -> Result<Option<u32>, StopReason> {
        let Some(&rank) = self.queue.front() else {
            return Ok(None);
        };
        if self.held {
            return Ok(None);
        }
        if let Some(admission) = &mut self.options.admission {
            match admission.admit(&self.tally.node(rank).label, &self.tally.counts()) {
                Admit::Now => {}
                Admit::Wait => {
                    self.held = true;
                    return Ok(None);
                }
                Admit::Stop(reason) => return Err(reason),
            }
        }
        self.queue.pop_front();
        self.tally.begin(rank, Instant::now());
        Ok(Some(rank))
    }

    /// Starts an attempt for each of these nodes. Those whose names are known share signatures.
    fn launch(&mut self, ranks: &[u32]) {
        let mut rest = ranks.to_vec();
        while let Some(&first) = rest.first() {
            let kind = self.kind(first);
            let (same, others): (Vec<_>, Vec<_>) =
                rest.iter().partition(|rank| self.kind(**rank) == kind);
            for batch in same.chunks(BATCH_MAX) {
                self.launch_batch(batch, kind);
            }
            rest = others;
        }
    }

    /// What must be the same for nodes that share a signature.
    fn kind(&self, rank: u32) -> (u32, bool) {
        let node = self.tally.node(rank);
        (node.repetition, node.name.is_some())
    }

    fn launch_batch(&mut self, ranks: &[u32], (repetition, named): (u32, bool)) {
        let signed = if named {
            self.sign(ranks, repetition)
        } else {
            Ok(None)
        };
        match signed {
            Ok(batch) => {
                for rank in ranks {
                    self.launch_one(*rank, repetition, batch.clone());
                }
            }
            Err(reason) => {
                for rank in ranks {
                    let end = End::because(Outcome::Unreachable, reason.clone());
                    self.attempt_over(*rank, end);
                }
            }
        }
    }

    fn sign(&self, ranks: &[u32], repetition: u32) -> Result<Option<SignedBatch>, String> {
        let seats = ranks.iter().filter_map(|rank| {
            let name = self.tally.node(*rank).name.clone()?;
            Some(Seat(name, *rank))
        });
        let signed = self.context.signer.sign(repetition, seats.collect());
        signed.map(Some).map_err(|error| error.to_string())
    }

    fn launch_one(&mut self, rank: u32, repetition: u32, batch: Option<SignedBatch>) {
        let sent = Arc::new(AtomicBool::new(false));
        let attempt = Attempt {
            context: Arc::clone(&self.context),
            rank,
            repetition,
            batch,
            stop: self.told.subscribe(),
            sent: Arc::clone(&sent),
        };
        let node = self.tally.node_mut(rank);
        node.tries += 1;
        let task = self
            .attempts
            .spawn(async move { (rank, attempt.run().await) });
        node.stand = Stand::Trying { task, sent };
    }
}
