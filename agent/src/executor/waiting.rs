//! Between admission and start: standard input on its way, and the queue for a slot.

use std::os::fd::OwnedFd;
use std::time::Instant;

use dtx_proto_types::job::Stdin;
use dtx_proto_types::limits;
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::units::HumanSize;

use super::core::{Executor, refusal};
use super::job::{Job, Phase};
use super::stdin_file;
use crate::ipc::{JobKey, SessionNumber, ToFront};
use crate::trust::AuthorizedJob;

/// Where a job's standard input will go, if it has one whose digest was signed. Made before the
/// job is admitted, so that nothing admitted fails for want of it.
pub(super) fn room_for_stdin(stdin: Stdin) -> Result<Option<OwnedFd>, Refusal> {
    let Stdin::Sized { size, .. } = stdin else {
        return Ok(None);
    };
    if size > limits::SIZED_STDIN_MAX {
        let most = HumanSize(limits::SIZED_STDIN_MAX);
        let text = format!("a standard input of more than {most} has to be streamed");
        return Err(refusal(RefusalCode::Invalid, text));
    }
    stdin_file::create().map(Some).map_err(|error| {
        let text = format!("no room for the standard input: {error}");
        refusal(RefusalCode::Resources, text)
    })
}

/// Where an admitted job begins: with its input, or in the queue.
pub(super) fn first_phase(authorized: AuthorizedJob, memfd: Option<OwnedFd>) -> Phase {
    let authorized = Box::new(authorized);
    let start_by = Instant::now() + limits::START_WINDOW;
    match memfd {
        Some(memfd) => Phase::AwaitingStdin {
            authorized,
            memfd,
            start_by,
        },
        None => Phase::Queued {
            authorized,
            memfd: None,
            start_by,
        },
    }
}

impl Executor {
    /// Takes a job into the table, tells the front, and starts it if it can be.
    pub(super) fn accept(&mut self, session: SessionNumber, stream: u32, job: Job) {
        let key = job.key;
        let (stdin_size, descriptors) = stdin_request(&job);
        self.jobs.insert(job);
        let accepted = ToFront::Accepted {
            session,
            stream,
            key,
            stdin_size,
        };
        self.front.send(&accepted, descriptors);
        self.start_waiting();
    }

    pub(super) fn on_stdin_ready(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let phase = std::mem::replace(&mut job.phase, Phase::taken());
        let Phase::AwaitingStdin {
            authorized,
            memfd,
            start_by,
        } = phase
        else {
            job.phase = phase;
            return;
        };
        let Stdin::Sized { size, blake3 } = authorized.spec().stdin else {
            return;
        };
        match stdin_file::seal_and_check(&memfd, size, &blake3) {
            Ok(memfd) => {
                job.phase = Phase::Queued {
                    authorized,
                    memfd: Some(memfd),
                    start_by,
                };
                self.start_waiting();
            }
            Err(error) => {
                let text = format!("the standard input is not the one that was signed: {error}");
                self.not_started(key, refusal(RefusalCode::Invalid, text));
            }
        }
    }

    /// Starts jobs from the queue, oldest first, as far as there are slots.
    pub(super) fn start_waiting(&mut self) {
        let slots = self.settings.slots as usize;
        for key in self
            .jobs
            .keys_where(|job| matches!(job.phase, Phase::Queued { .. }))
        {
            if self.jobs.running() >= slots {
                break;
            }
            self.start(key);
        }
        self.tell_load();
    }

    /// Gives up on jobs that could not start in time.
    pub(super) fn check_waiting(&mut self, now: Instant) {
        for key in self
            .jobs
            .keys_where(|job| job.start_by().is_some_and(|moment| moment <= now))
        {
            let text = "waited for a slot or its input for too long; nothing was started";
            self.not_started(key, refusal(RefusalCode::Busy, text));
        }
    }

    /// Refuses all that waits: the agent is stopping.
    pub(super) fn refuse_waiting(&mut self) {
        for key in self.jobs.keys_where(|job| job.start_by().is_some()) {
            let text = "the agent is stopping; nothing was started";
            self.not_started(key, refusal(RefusalCode::Draining, text));
        }
    }

    /// Records that an admitted job never started, and tells its client.
    pub(super) fn not_started(&mut self, key: JobKey, refusal: Refusal) {
        let until = Instant::now() + self.grace();
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        job.phase = Phase::NotStarted(refusal.clone());
        job.pipes = None;
        if job.client.is_none() {
            job.orphaned_until = Some(until);
        }
        let (id, owner) = (job.id, job.owner.clone());
        if let Err(error) = self.journal.not_started(owner.fingerprint(), id, &refusal) {
            log::error!("the journal cannot be written: {error}");
        }
        if let Err(error) = self.audit.not_started(&owner, id, &refusal) {
            log::error!("{error}");
        }
        self.tell(&ToFront::NotStarted { key, refusal });
    }
}

impl Phase {
    /// What stands in for a phase while it is taken apart.
    pub(super) fn taken() -> Self {
        Self::NotStarted(refusal(
            RefusalCode::Other,
            "the job was between two states",
        ))
    }
}

impl Job {
    /// Not started after this, if it waits.
    pub(super) const fn start_by(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitingStdin { start_by, .. } | Phase::Queued { start_by, .. } => {
                Some(start_by)
            }
            Phase::Running { .. } | Phase::Ended { .. } | Phase::NotStarted(_) => None,
        }
    }
}

/// What the front must fetch before the job can start, and where to put it.
pub(super) fn stdin_request(job: &Job) -> (Option<u64>, Vec<OwnedFd>) {
    if let Phase::AwaitingStdin {
        authorized, memfd, ..
    } = &job.phase
        && let Stdin::Sized { size, .. } = authorized.spec().stdin
        && let Ok(copy) = memfd.try_clone()
    {
        return (Some(size), vec![copy]);
    }
    (None, Vec::new())
}
