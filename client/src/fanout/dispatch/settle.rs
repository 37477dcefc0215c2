//! What follows from the end of an attempt: another one, or the node's outcome.

use std::time::Duration;

use dtx_proto_types::outcome::Outcome;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::dispatcher::Dispatcher;
use super::tally::Stand;
use crate::fanout::Verdict;
use crate::fanout::attempt::End;
use crate::fanout::dial::Dial;
use crate::fanout::event::{StopReason, What};
use crate::random;

/// No wait between two attempts is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

impl<D: Dial> Dispatcher<D> {
    /// An attempt's task has ended. All that it told before comes first.
    pub(super) fn attempt_ended(&mut self, ended: Result<(u32, End), JoinError>) {
        while let Ok(message) = self.messages.try_recv() {
            self.tell(message);
        }
        match ended {
            Ok((rank, end)) => self.attempt_over(rank, end),
            Err(error) => self.attempt_broke(&error),
        }
    }

    /// An attempt panicked: a bug, which costs one node its outcome and no other.
    fn attempt_broke(&mut self, error: &JoinError) {
        let broken = self
            .tally
            .ranks()
            .find_map(|(rank, node)| match &node.stand {
                Stand::Trying { task, .. } if task.id() == error.id() => {
                    Some((rank, node.may_have_been_sent()))
                }
                _ => None,
            });
        if let Some((rank, sent)) = broken {
            let outcome = if sent {
                Outcome::Lost
            } else {
                Outcome::Unreachable
            };
            let text = format!("dtx failed while it dealt with this node: {error}");
            let end = End::because(outcome, text);
            self.attempt_over(
                rank,
                End {
                    passing: false,
                    ..end
                },
            );
        }
    }

    /// An attempt is over: is the node?
    pub(super) fn attempt_over(&mut self, rank: u32, end: End) {
        if !self.is_tried_again(rank, &end) {
            self.finish(rank, end);
            return;
        }
        let node = self.tally.node(rank);
        let delay = jitter(self.options.backoff, node.tries);
        let event = What::NodeRetrying {
            node: node.label.clone(),
            attempt: node.tries,
            outcome: end.outcome,
            reason: end.reason.clone(),
            delay,
        };
        self.tally.again(rank, end);
        self.resting.insert((Instant::now() + delay, rank));
        self.emit(event);
    }

    fn is_tried_again(&self, rank: u32, end: &End) -> bool {
        end.passing
            && self.stopped.is_none()
            && self.options.retry_on.contains(end.outcome)
            && self.tally.node(rank).tries <= self.options.retries
            && self.context.supply.can_restart(rank)
    }

    /// A node has its outcome.
    pub(super) fn finish(&mut self, rank: u32, end: End) {
        let Some(result) = self.tally.finish(rank, end, Instant::now()) else {
            return;
        };
        self.context.supply.leave(rank);
        self.context.dial.release(rank, !self.queue.is_empty());
        self.held = false;
        let verdict = match &mut self.options.admission {
            Some(admission) => admission.finished(&result, &self.tally.counts()),
            None => Verdict::GoOn,
        };
        let well = matches!(result.outcome, Outcome::Ok | Outcome::Skipped);
        self.emit(What::NodeFinished(result));
        if let Verdict::Stop(reason) = verdict {
            self.stop(reason);
        }
        if self.options.fail_fast && !well && self.stopped.is_none() {
            self.stop(StopReason::FailFast);
        }
    }
}

/// How long before the next attempt: anything up to the backoff, doubled for each attempt made,
/// so that nodes that failed together do not come back together.
fn jitter(backoff: Duration, tries: u32) -> Duration {
    let doubled = backoff.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    let most = u64::try_from(doubled.min(BACKOFF_MAX).as_micros()).unwrap_or(u64::MAX);
    // Without random bytes the whole backoff does as well.
    let random = random::bytes().map_or(most, u64::from_ne_bytes);
    Duration::from_micros(random % most.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_the_doubled_backoff() {
        let base = Duration::from_millis(200);
        for (tries, most) in [(1, 200), (2, 400), (3, 800), (40, 60_000)] {
            let most = Duration::from_millis(most);
            let waits: Vec<_> = (0..200).map(|_| jitter(base, tries)).collect();
            assert!(waits.iter().all(|wait| *wait <= most), "{tries}");
            assert!(waits.iter().any(|wait| *wait > most / 2), "{tries}");
        }
        assert_eq!(jitter(Duration::ZERO, 3), Duration::ZERO);
    }
}
