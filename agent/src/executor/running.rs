//! A job's processes: start, progress, timeout, end.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use dtx_proto_types::id::JobId;
use dtx_proto_types::job::Stdin;
use dtx_proto_types::message::RefusalCode;
use dtx_proto_types::outcome::Ending;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::clients::describe;
use super::core::{Executor, refusal};
use super::job::{Job, Phase};
use crate::exec::{self, LaunchPlan, LaunchStdin, Progress, Stop};
use crate::ipc::{JobKey, ToFront};
use crate::trust::Session;

/// How long after a job children are reaped that nobody waits for. They hold nothing but a number.
const REAP_DELAY: Duration = Duration::from_secs(10);

impl Executor {
    /// Starts a queued job.
    pub(super) fn start(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        // It may have waited, and its operator may have been removed meanwhile.
        if let Err(refusal) = self.trust.recheck(&job.owner) {
            return self.not_started(key, refusal);
        }
        let phase = std::mem::replace(&mut job.phase, Phase::taken());
        let Phase::Queued {
            authorized, memfd, ..
        } = phase
        else {
            job.phase = phase;
            return;
        };
        let stdin = match (authorized.spec().stdin, memfd) {
            (Stdin::Streamed, _) => LaunchStdin::Pipe,
            (_, Some(memfd)) => LaunchStdin::Memfd(memfd),
            (_, None) => LaunchStdin::Null,
        };
        job.streamed_stdin = matches!(stdin, LaunchStdin::Pipe);
        let most = self.settings.max_timeout;
        let timeout_at = authorized
            .timeout()
            .or(most)
            .map(|timeout| Instant::now() + timeout);
        match exec::start(LaunchPlan::new(&authorized, &self.exec, stdin)) {
            Ok((running, pipes)) => {
                job.pipes = Some(pipes);
                job.phase = Phase::Running {
                    running,
                    timeout_at,
                    stopping: false,
                };
            }
            Err(error) => self.not_started(key, error.into()),
        }
    }

    /// Hears what has become of the running jobs.
    pub(super) fn check_running(&mut self) {
        for key in self.jobs.keys_where(Job::is_running) {
            let Some(job) = self.jobs.get_mut(key) else {
                continue;
            };
            let Phase::Running { running, .. } = &mut job.phase else {
                continue;
            };
            for progress in running.receive() {
                self.on_progress(key, progress);
            }
        }
    }

    fn on_progress(&mut self, key: JobKey, progress: Progress) {
        match progress {
            Progress::Started { pid, start_time } => self.on_started(key, pid, start_time),
            Progress::NotStarted(refusal) => {
                self.not_started(key, refusal);
                self.start_waiting();
            }
            Progress::Ended {
                ending,
                duration,
                notes,
            } => {
                let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                self.on_ended(key, ending, duration_us, notes);
            }
        }
    }

    fn on_started(&mut self, key: JobKey, pid: u32, start_time: u64) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let stdin = job.pipes.as_mut().and_then(|pipes| pipes.stdin.take());
        let (id, operator) = (job.id, job.owner.fingerprint());
        if let Err(error) = self.journal.started(operator, id, pid, start_time) {
            log::error!("the journal cannot be written: {error}");
        }
        self.tell_started(key, stdin);
    }

    /// Tells the front of a started job, with copies of its pipes.
    pub(super) fn tell_started(&mut self, key: JobKey, stdin: Option<OwnedFd>) {
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let Some(pipes) = &job.pipes else {
            return;
        };
        let copies = pipes
            .stdout
            .try_clone()
            .and_then(|out| Ok([out, pipes.stderr.try_clone()?]));
        let mut descriptors = match copies {
            Ok(copies) => Vec::from(copies),
            Err(error) => {
                log::error!("no descriptors left for a job's output: {error}");
                let why = "because the agent has no descriptors left for its output";
                return self.end_job(key, Stop::Cancelled(why.into()));
            }
        };
        let streamed_stdin = stdin.is_some();
        descriptors.extend(stdin);
        // What was lost once cannot be made whole: the rest is read and counted, so that the
        // command goes on.
        let output_bytes = if job.output.lost {
            Some(0)
        } else {
            job.output_bytes
        };
        let started = ToFront::Started {
            key,
            streamed_stdin,
            output_bytes,
        };
        self.front.send(&started, descriptors);
    }

    fn on_ended(&mut self, key: JobKey, ending: Ending, duration_us: u64, notes: Vec<String>) {
        let until = Instant::now() + self.grace();
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let ending = if job.output.lost {
            let how = describe(&ending);
            Ending::Lost(format!(
                "its input or output was lost when the agent's front died; {how}"
            ))
        } else {
            ending
        };
        job.phase = Phase::Ended {
            ending: ending.clone(),
            duration_us,
            notes: notes.clone(),
        };
        if job.client.is_none() {
            job.orphaned_until = Some(until);
        }
        let (id, owner) = (job.id, job.owner.clone());
        self.note_ending(&owner, id, &ending, duration_us);
        self.tell(&ToFront::Ended {
            key,
            ending,
            duration_us,
            notes,
        });
        self.reap_soon();
        self.drop_empty_pipes(key);
        self.bound_unreleased();
        self.start_waiting();
    }

    /// Closes our ends of the pipes of a job that ended, if there is nothing in them that a front
    /// could lose: most jobs write little or nothing, and descriptors are few.
    fn drop_empty_pipes(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let Some(pipes) = &job.pipes else {
            return;
        };
        let mut both =
            [&pipes.stdout, &pipes.stderr].map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        let empty = poll(&mut both, PollTimeout::ZERO).is_ok()
            && both.iter().all(|pipe| {
                let found = pipe.revents().unwrap_or(PollFlags::POLLIN);
                !found.contains(PollFlags::POLLIN)
            });
        if job.output.lost || (empty && !job.output.taking) {
            job.pipes = None;
        }
    }

    /// Writes an ending into journal and audit log. It has happened, so nothing is undone if that
    /// fails.
    pub(super) fn note_ending(&mut self, who: &Session, id: JobId, ending: &Ending, us: u64) {
        if let Err(error) = self.journal.ended(who.fingerprint(), id, ending) {
            log::error!("the journal cannot be written: {error}");
        }
        if let Err(error) = self.audit.ended(who, id, ending, us) {
            log::error!("{error}");
        }
    }

    /// Ends a job, however far it has come. Nothing makes this wait.
    pub(super) fn end_job(&mut self, key: JobKey, stop: Stop) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        match &mut job.phase {
            Phase::Running {
                running, stopping, ..
            } => {
                if !*stopping {
                    *stopping = true;
                    running.stop(stop);
                }
            }
            Phase::AwaitingStdin { .. } | Phase::Queued { .. } => {
                let why = match stop {
                    Stop::TimedOut => "its time was over".to_owned(),
                    Stop::Cancelled(by) => format!("cancelled {by}"),
                };
                let text = format!("{why}; nothing was started");
                self.not_started(key, refusal(RefusalCode::Cancelled, text));
            }
            Phase::Ended { .. } | Phase::NotStarted(_) => {}
        }
    }

    /// Ends the jobs whose time is over.
    pub(super) fn check_timeouts(&mut self, now: Instant) {
        let due = |job: &Job| matches!(&job.phase, Phase::Running { timeout_at: Some(at), stopping: false, .. } if *at <= now);
        for key in self.jobs.keys_where(due) {
            self.end_job(key, Stop::TimedOut);
        }
    }
}

impl Executor {
    /// Has another look for children that nobody waits for, a while from now.
    pub(super) fn reap_soon(&mut self) {
        self.reap_at
            .get_or_insert_with(|| Instant::now() + REAP_DELAY);
    }

    /// Reaps children that nobody waits for, where the agent is process 1 or a subreaper.
    pub(super) fn check_strays(&mut self, now: Instant) {
        if self.reap_at.is_none_or(|at| at > now) {
            return;
        }
        self.reap_at = None;
        // Supervisors and helpers are known to `exec` itself.
        let front: Vec<u32> = self.front.id().into_iter().collect();
        exec::reap_strays(&front);
    }
}
