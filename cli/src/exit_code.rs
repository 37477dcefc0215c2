//! The exit statuses of `dtx`: a contract with scripts.

use std::process::ExitCode;

use dtx_client::fanout::event::{RunSummary, StopReason};
use dtx_proto_types::outcome::Outcome;

/// Every node is ok.
pub const OK: u8 = 0;
/// Some node failed, was killed, timed out, was cancelled, or skipped by a stop.
pub const FAILED: u8 = 1;
/// Usage, configuration, empty or unknown target: nothing was sent.
pub const NOTHING_SENT: u8 = 2;
/// Some node refused, was unreachable or is lost.
pub const NOT_REACHED: u8 = 3;
/// Some node denied.
pub const DENIED: u8 = 4;
/// Interrupted by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// Nobody reads the output any more.
pub const BROKEN_PIPE: u8 = 141;
/// Terminated.
pub const TERMINATED: u8 = 143;
/// With `-S`, what a node without an exit code counts.
pub const NO_REMOTE_CODE: u8 = 254;

/// Which number speaks for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFrom {
    /// The worst outcome.
    Outcomes,
    /// `-S`: the largest remote exit code.
    RemoteCodes,
}

/// What ended a run from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// SIGINT.
    Interrupt,
    /// SIGTERM or SIGHUP.
    Terminate,
}

/// The exit status of a run.
#[must_use]
pub fn of_run(summary: &RunSummary, from: StatusFrom, ended_by: Option<EndedBy>) -> u8 {
    match (ended_by, summary.stopped) {
        (Some(EndedBy::Terminate), _) => return TERMINATED,
        (Some(EndedBy::Interrupt), _) | (None, Some(StopReason::Interrupt | StopReason::Leave)) => {
            return INTERRUPTED;
        }
        (None, Some(StopReason::OutputClosed)) => return BROKEN_PIPE,
        (None, None | Some(StopReason::Deadline | StopReason::FailFast | StopReason::Budget)) => {}
    }
    match from {
        StatusFrom::Outcomes => Outcome::ALL
            .into_iter()
            .filter(|outcome| summary.counts.of(*outcome) > 0)
            .map(of_outcome)
            .max()
            .unwrap_or(OK),
        StatusFrom::RemoteCodes => summary
            .results
            .iter()
            .map(|result| of_remote_code(result.exit_code))
            .max()
            .unwrap_or(OK),
    }
}

/// What one node's outcome counts.
#[must_use]
pub const fn of_outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Ok => OK,
        Outcome::Failed
        | Outcome::Killed
        | Outcome::Timeout
        | Outcome::Cancelled
        | Outcome::Skipped => FAILED,
        Outcome::Refused | Outcome::Unreachable | Outcome::Lost => NOT_REACHED,
        Outcome::Denied => DENIED,
    }
}

/// A remote code counts as it is; Linux knows 0 to 255 only, and what is not one counts as none.
fn of_remote_code(code: Option<i32>) -> u8 {
    code.map_or(NO_REMOTE_CODE, |code| {
        u8::try_from(code).unwrap_or(NO_REMOTE_CODE)
    })
}

/// The status as a process gives it.
#[must_use]
pub fn exit(status: u8) -> ExitCode {
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use dtx_client::fanout::event::Counts;
    use dtx_proto_types::id::RunId;

    use super::*;
    use crate::report::samples::result;

    fn summary(results: &[(Outcome, Option<i32>)], stopped: Option<StopReason>) -> RunSummary {
        let results: Vec<_> = results
            .iter()
            .enumerate()
            .map(|(rank, (outcome, code))| result(&format!("n{rank}"), *outcome, *code))
            .collect();
        let mut counts = Counts {
            nodes: results.len(),
            ..Counts::default()
        };
        for result in &results {
            counts.finished[result.outcome as usize] += 1;
        }
        RunSummary {
            run: RunId::from_bytes([0; 16]),
            results,
            counts,
            wall: std::time::Duration::ZERO,
            stopped,
        }
    }

    #[test]
    fn the_worst_outcome_speaks() {
        use Outcome::*;
        let table: &[(&[Outcome], u8)] = &[
            (&[Ok, Ok], 0),
            (&[Ok, Failed], 1),
            (&[Ok, Killed], 1),
            (&[Timeout], 1),
            (&[Cancelled], 1),
            (&[Skipped, Ok], 1),
            (&[Failed, Refused], 3),
            (&[Unreachable], 3),
            (&[Lost, Failed], 3),
            (&[Denied, Lost, Failed, Ok], 4),
        ];
        for (outcomes, expected) in table {
            let results: Vec<_> = outcomes.iter().map(|outcome| (*outcome, None)).collect();
            let status = of_run(&summary(&results, None), StatusFrom::Outcomes, None);
            assert_eq!(status, *expected, "{outcomes:?}");
        }
    }

    #[test]
    fn the_largest_remote_code_speaks() {
        let table: &[(&[Option<i32>], u8)] = &[
            (&[Some(0)], 0),
            (&[Some(0), Some(3), Some(2)], 3),
            (&[Some(7), None], 254),
            (&[Some(255), None], 255),
            (&[Some(300)], 254),
        ];
        for (codes, expected) in table {
            let results: Vec<_> = codes.iter().map(|code| (Outcome::Failed, *code)).collect();
            let status = of_run(&summary(&results, None), StatusFrom::RemoteCodes, None);
            assert_eq!(status, *expected, "{codes:?}");
        }
    }

    #[test]
    fn what_ended_the_run_speaks_first() {
        use StopReason::*;
        let table = [
            (Some(Interrupt), None, 130),
            (Some(Leave), None, 130),
            (Some(Interrupt), Some(EndedBy::Interrupt), 130),
            (Some(Interrupt), Some(EndedBy::Terminate), 143),
            (Some(Leave), Some(EndedBy::Terminate), 143),
            (Some(OutputClosed), None, 141),
            (Some(FailFast), None, 4),
            (Some(Deadline), None, 4),
            (Some(Budget), None, 4),
        ];
        for (stopped, ended_by, expected) in table {
            for from in [StatusFrom::Outcomes, StatusFrom::RemoteCodes] {
                let summary = summary(&[(Outcome::Denied, Some(4))], stopped);
                assert_eq!(of_run(&summary, from, ended_by), expected, "{stopped:?}");
            }
        }
    }
}
