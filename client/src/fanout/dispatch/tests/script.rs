//! What the words mean: the events of a job, each after a wait.

use std::time::Duration;

use bytes::Bytes;
use dtx_proto_types::message::{Ended, JobState, Phase, Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;

use crate::fanout::event::Stream;
use crate::session::{Broken, JobEvent, SessionEnd};

/// How long a fake node takes for a job.
pub(super) const WORK: Duration = Duration::from_millis(100);
/// What a job writes.
pub(super) const TEXT: &[u8] = b"hello\n";

/// Events, each with the wait before it.
pub(super) type Script = Vec<(Duration, JobEvent)>;

/// The story of a job on a node that is called `word`, after so many jobs that began there.
pub(super) fn script(word: &str, tries: usize, dialled_twice: bool) -> Script {
    let running = (Duration::ZERO, state(Phase::Running));
    let after = |ending| {
        vec![
            running.clone(),
            output(TEXT),
            (WORK, ended(ending, TEXT.len())),
        ]
    };
    let broken = |written| (Duration::ZERO, broken(written));
    match word {
        "killed" => after(Ending::Signaled(9)),
        "setup" => vec![(WORK, ended(setup_failed(), 0))],
        "timeout" => after(Ending::TimedOut),
        "refuse" => vec![(Duration::ZERO, refused(RefusalCode::Busy))],
        "policy" => vec![(Duration::ZERO, refused(RefusalCode::Denied))],
        "second" if tries < 1 => after(Ending::Exited(1)),
        "hang" | "stubborn" | "noisy" | "clogged" => vec![running],
        "queued" => vec![(Duration::ZERO, state(Phase::Queued))],
        "torn" => vec![running, output(&TEXT[..3]), broken(true)],
        "unsent" if !dialled_twice => vec![broken(false)],
        "forgotten" if !dialled_twice => vec![broken(true)],
        "reboot" | "vanish" => vec![broken(true)],
        "short" => vec![
            running,
            output(&TEXT[..3]),
            (WORK, ended(Ending::Exited(0), TEXT.len())),
        ],
        "cat" => vec![running],
        _ => match word.strip_prefix("exit") {
            Some(code) => after(Ending::Exited(code.parse().unwrap())),
            None => after(Ending::Exited(0)),
        },
    }
}

pub(super) fn state(phase: Phase) -> JobEvent {
    JobEvent::State(JobState { phase, stdin: 0 })
}

pub(super) fn output(bytes: &[u8]) -> (Duration, JobEvent) {
    let bytes = Bytes::copy_from_slice(bytes);
    (Duration::ZERO, JobEvent::Output(Stream::Stdout, bytes))
}

pub(super) fn ended(ending: Ending, wrote: usize) -> JobEvent {
    JobEvent::Ended(Ended {
        ending,
        stdout: wrote as u64,
        stderr: 0,
        output_bytes: None,
        duration_us: 1,
        notes: vec![],
    })
}

fn setup_failed() -> Ending {
    Ending::SetupFailed {
        code: Some(127),
        reason: "not found".to_owned(),
    }
}

pub(super) fn refused(code: RefusalCode) -> JobEvent {
    JobEvent::Refused(Refusal {
        code,
        text: "no".to_owned(),
    })
}

fn broken(written: bool) -> JobEvent {
    let reason = SessionEnd::PeerClosed;
    JobEvent::Broken(Broken { written, reason })
}
