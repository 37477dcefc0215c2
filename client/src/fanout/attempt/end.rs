//! How an attempt ended, worked out from what the agent said and what was asked of it.

use dtx_proto_types::message::{Ack, Ended, Refusal};
use dtx_proto_types::outcome::{Ending, Outcome};

use crate::fanout::event::StopReason;
use crate::session::ConnectError;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fanout) struct End {
    pub(in crate::fanout) outcome: Outcome,
    pub(in crate::fanout) exit_code: Option<i32>,
    pub(in crate::fanout) signal: Option<i32>,
    pub(in crate::fanout) reason: Option<String>,
    pub(in crate::fanout) notes: Vec<String>,
    /// Bytes that the command wrote, sent or not.
    pub(in crate::fanout) wrote: Ack,
    pub(in crate::fanout) reconnects: u32,
    /// Another try may end differently without anybody doing anything.
    pub(in crate::fanout) passing: bool,
}

impl End {
    /// An end of which there is no more to say than why.
    pub(in crate::fanout) fn because(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            outcome,
            exit_code: None,
            signal: None,
            reason: Some(reason.into()),
            notes: Vec::new(),
            wrote: Ack::default(),
            reconnects: 0,
            passing: true,
        }
    }

    /// Stopped before a byte of the job was written.
    pub(in crate::fanout) fn not_begun(stop: StopReason) -> Self {
        Self::because(Outcome::Skipped, stop_text(stop))
    }

    /// There was no session.
    pub(super) fn no_session(error: &ConnectError) -> Self {
        let outcome = match error {
            ConnectError::Refused(refusal) if refusal.code.is_denial() => Outcome::Denied,
            ConnectError::Refused(_)
            | ConnectError::Version { .. }
            | ConnectError::WrongCluster { .. } => Outcome::Refused,
            _ => Outcome::Unreachable,
        };
        Self {
            passing: error.is_passing(),
            ..Self::because(outcome, error.to_string())
        }
    }

    /// The agent did not start the job.
    pub(super) fn refused(refusal: Refusal, stop: Option<StopReason>) -> Self {
        match (refusal.code.is_denial(), stop) {
            (true, _) => Self::because(Outcome::Denied, refusal.text),
            (false, None) => Self::because(Outcome::Refused, refusal.text),
            // It waited for a slot, or could not be started and would have been tried again.
            (false, Some(stop)) => {
                let text = format!("{}, before it started: {}", stop_text(stop), refusal.text);
                Self::because(Outcome::Cancelled, text)
            }
        }
    }

    /// The agent said how the job ended. `received` is the output that arrived.
    pub(super) fn ended(ended: Ended, received: Ack, limit: Option<u64>) -> Self {
        let wrote = Ack {
            stdout: ended.stdout,
            stderr: ended.stderr,
        };
        let (exit_code, signal, reason) = match &ended.ending {
            Ending::Exited(code) => (Some(*code), None, None),
            Ending::Signaled(signal) => (None, Some(*signal), None),
            Ending::TimedOut => (
                None,
                None,
                Some("the timeout hit; the process tree was killed"),
            ),
            Ending::Cancelled(text) | Ending::Lost(text) => (None, None, Some(text.as_str())),
            Ending::SetupFailed { code, reason } => (*code, None, Some(reason.as_str())),
        };
        let mut end = Self {
            outcome: ended.ending.outcome(),
            exit_code,
            signal,
            reason: reason.map(str::to_owned),
            notes: ended.notes,
            wrote,
            reconnects: 0,
            passing: true,
        };
        let limit = [ended.output_bytes, limit].into_iter().flatten().min();
        if end.outcome != Outcome::Lost && !is_complete(received, wrote, limit) {
            let how = describe(&ended.ending);
            end.outcome = Outcome::Lost;
            end.reason = Some(format!(
                "{how}, but only {} of {} bytes of stdout and {} of {} of stderr arrived",
                received.stdout, wrote.stdout, received.stderr, wrote.stderr
            ));
        }
        end
    }

    /// The same end, for a job that was being cancelled when it came.
    pub(super) fn stopped(mut self, stop: StopReason, output_dropped: bool) -> Self {
        match self.outcome {
            Outcome::Cancelled if stop == StopReason::Deadline => {
                self.outcome = Outcome::Timeout;
                self.reason = Some(stop_text(stop).to_owned());
            }
            Outcome::Cancelled => self.reason = Some(stop_text(stop).to_owned()),
            // It ended by itself in the same moment, but not all of its output was shown.
            Outcome::Ok | Outcome::Failed | Outcome::Killed if output_dropped => {
                self.outcome = Outcome::Cancelled;
                self.reason = Some(stop_text(stop).to_owned());
            }
            _ => {}
        }
        if output_dropped {
            self.notes
                .push("output that came after the cancel was dropped".to_owned());
        }
        self
    }
}

/// Why a node was stopped, in words.
pub(in crate::fanout) const fn stop_text(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Deadline => "the deadline of the run passed",
        StopReason::FailFast => "another node did not end well (fail-fast)",
        StopReason::Budget => "the run's budget of failures is spent",
        StopReason::OutputClosed => "the output was closed",
        StopReason::Interrupt => "interrupted",
        StopReason::Leave => "dtx left",
    }
}

fn describe(ending: &Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("it exited with {code}"),
        Ending::Signaled(signal) => format!("it was ended by signal {signal}"),
        Ending::TimedOut => "it timed out".to_owned(),
        Ending::Cancelled(text) => format!("it was cancelled ({text})"),
        Ending::SetupFailed { reason, .. } => format!("it could not be set up ({reason})"),
        Ending::Lost(text) => text.clone(),
    }
}

/// Whether all arrived that was written, or all that the limit in force lets through.
fn is_complete(received: Ack, wrote: Ack, limit: Option<u64>) -> bool {
    let limit = limit.unwrap_or(u64::MAX);
    received.stdout == wrote.stdout.min(limit) && received.stderr == wrote.stderr.min(limit)
}

#[cfg(test)]
mod tests {
    use dtx_proto_types::message::RefusalCode;

    use super::*;

    #[test]
    fn complete_or_not() {
        let ack = |(stdout, stderr)| Ack { stdout, stderr };
        for (received, wrote, limit, expected) in [
            ((0, 0), (0, 0), None, true),
            ((9, 4), (9, 4), Some(9), true),
            ((9, 4), (90, 4), Some(9), true),
            ((9, 9), (90, 90), Some(9), true),
            ((0, 0), (7, 0), Some(0), true),
            ((9, 4), (90, 4), None, false),
            ((8, 9), (90, 90), Some(9), false),
            ((9, 4), (8, 4), None, false),
            ((30, 0), (90, 0), Some(20), false),
        ] {
            let got = is_complete(ack(received), ack(wrote), limit);
            assert_eq!(got, expected, "{received:?} of {wrote:?}, limit {limit:?}");
        }
    }

    #[test]
    fn a_lower_limit_of_the_node_counts() {
        for (asked, of_node, outcome) in [
            (Some(9), None, Outcome::Lost),
            (Some(9), Some(4), Outcome::Ok),
            (None, Some(4), Outcome::Ok),
            (None, Some(5), Outcome::Lost),
            (None, None, Outcome::Lost),
        ] {
            let ended = Ended {
                ending: Ending::Exited(0),
                stdout: 90,
                stderr: 0,
                output_bytes: of_node,
                duration_us: 1,
                notes: vec![],
            };
            let received = Ack {
                stdout: 4,
                stderr: 0,
            };
            let end = End::ended(ended, received, asked);
            assert_eq!(end.outcome, outcome, "{asked:?} {of_node:?}");
        }
    }

    #[test]
    fn endings_become_outcomes() {
        let setup = Ending::SetupFailed {
            code: Some(127),
            reason: "no such program".to_owned(),
        };
        let cancelled = || Ending::Cancelled("by its client".to_owned());
        let deadline = Some((StopReason::Deadline, false));
        let interrupt = Some((StopReason::Interrupt, false));
        let dropped = Some((StopReason::Interrupt, true));
        for (ending, stop, outcome, code) in [
            (Ending::Exited(0), None, Outcome::Ok, Some(0)),
            (Ending::Exited(3), None, Outcome::Failed, Some(3)),
            (Ending::Signaled(9), None, Outcome::Killed, None),
            (Ending::TimedOut, None, Outcome::Timeout, None),
            (setup, None, Outcome::Failed, Some(127)),
            (cancelled(), None, Outcome::Cancelled, None),
            (Ending::Lost(String::new()), None, Outcome::Lost, None),
            (cancelled(), deadline, Outcome::Timeout, None),
            (cancelled(), interrupt, Outcome::Cancelled, None),
            (Ending::Exited(0), interrupt, Outcome::Ok, Some(0)),
            (Ending::Exited(0), dropped, Outcome::Cancelled, Some(0)),
            (Ending::TimedOut, interrupt, Outcome::Timeout, None),
        ] {
            let ended = Ended {
                ending: ending.clone(),
                stdout: 0,
                stderr: 0,
                output_bytes: None,
                duration_us: 1,
                notes: vec![],
            };
            let mut end = End::ended(ended, Ack::default(), None);
            if let Some((stop, dropped)) = stop {
                end = end.stopped(stop, dropped);
            }
            assert_eq!(end.outcome, outcome, "{ending:?} {stop:?}");
            assert_eq!(end.exit_code, code, "{ending:?} {stop:?}");
            let plain = matches!(ending, Ending::Exited(_) | Ending::Signaled(_));
            assert!(end.reason.is_some() || plain, "{ending:?} has no reason");
        }
    }

    #[test]
    fn output_that_did_not_arrive_is_never_ok() {
        let ended = Ended {
            ending: Ending::Exited(0),
            stdout: 10,
            stderr: 0,
            output_bytes: None,
            duration_us: 1,
            notes: vec![],
        };
        let end = End::ended(ended, Ack::default(), None);
        assert_eq!(end.outcome, Outcome::Lost);
        assert_eq!(end.exit_code, Some(0), "what is known stays known");
    }

    #[test]
    fn refusals_become_outcomes() {
        let stop = Some(StopReason::Interrupt);
        for (code, stop, outcome) in [
            (RefusalCode::Busy, None, Outcome::Refused),
            (RefusalCode::Busy, stop, Outcome::Cancelled),
            (RefusalCode::Denied, None, Outcome::Denied),
            (RefusalCode::Denied, stop, Outcome::Denied),
            (RefusalCode::Unclaimed, None, Outcome::Denied),
            (RefusalCode::Other, None, Outcome::Refused),
        ] {
            let text = "because".to_owned();
            let end = End::refused(Refusal { code, text }, stop);
            assert_eq!(end.outcome, outcome, "{code:?} {stop:?}");
        }
    }
}
