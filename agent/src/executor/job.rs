//! One job that the executor accepted, from then until nothing more will be asked about it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Instant;

use dtx_proto_types::id::JobId;
use dtx_proto_types::key::{Ed25519Key, Fingerprint};
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;

use crate::exec::{Pipes, Running};
use crate::ipc::{JobKey, SessionNumber};
use crate::trust::{AuthorizedJob, Session};

/// One accepted job.
#[derive(Debug)]
pub(super) struct Job {
    /// Its number here.
    pub(super) key: JobKey,
    /// Its id, the client's.
    pub(super) id: JobId,
    /// Who started it, for the audit and for what may be done to it later.
    pub(super) owner: Session,
    /// The rule that allowed it, for counting.
    pub(super) rule: String,
    /// The user that it runs as.
    pub(super) user: String,
    /// The session that listens to it now.
    pub(super) client: Option<SessionNumber>,
    /// When it is ended or forgotten unless a client comes back.
    pub(super) orphaned_until: Option<Instant>,
    /// Whether it lives without a client.
    pub(super) keep: bool,
    /// Whether bytes that the front took would be lost with it, and up to where they are safe.
    pub(super) output: OutputState,
    /// The executor's own ends of the output pipes, kept so that no front's death breaks them.
    pub(super) pipes: Option<Pipes>,
    /// Whether the client's bytes go straight into the command.
    pub(super) streamed_stdin: bool,
    /// Bytes of each stream that are sent.
    pub(super) output_bytes: Option<u64>,
    /// How far it has come.
    pub(super) phase: Phase,
}

/// What would become of the output if the front died now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OutputState {
    /// The front holds bytes that no client has acknowledged.
    pub(super) taking: bool,
    /// A front died while it held some.
    pub(super) lost: bool,
    /// Bytes of standard output that are safe with the client.
    pub(super) stdout: u64,
    /// Bytes of standard error that are safe with the client.
    pub(super) stderr: u64,
}

/// How far a job has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its standard input is on its way into a memfd.
    AwaitingStdin {
        /// The job.
        authorized: Box<AuthorizedJob>,
        /// Where the input goes.
        memfd: OwnedFd,
        /// Not started after this.
        start_by: Instant,
    },
    /// Waits for a slot.
    Queued {
        /// The job.
        authorized: Box<AuthorizedJob>,
        /// Its checked input.
        memfd: Option<OwnedFd>,
        /// Not started after this.
        start_by: Instant,
    },
    /// Its process tree runs.
    Running {
        /// The processes.
        running: Running,
        /// When it is ended.
        timeout_at: Option<Instant>,
        /// Whether it is being ended.
        stopping: bool,
    },
    /// It ran and ended.
    Ended {
        /// How.
        ending: Ending,
        /// From start to end, in microseconds.
        duration_us: u64,
        /// What else a person should know.
        notes: Vec<String>,
    },
    /// It never ran.
    NotStarted(Refusal),
}

impl Job {
    /// Whether it takes part in slots, queue and limits.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. } | Phase::NotStarted(_))
    }

    /// Whether its process tree runs.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }
}

/// All jobs about which something may still be asked, by number.
#[derive(Debug, Default)]
pub(super) struct JobTable {
    jobs: BTreeMap<JobKey, Job>,
    last: u64,
}

impl JobTable {
    /// A number that no job had before.
    pub(super) const fn next_key(&mut self) -> JobKey {
        self.last += 1;
        JobKey(self.last)
    }

    pub(super) fn insert(&mut self, job: Job) {
        self.jobs.insert(job.key, job);
    }

    pub(super) fn get(&self, key: JobKey) -> Option<&Job> {
        self.jobs.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: JobKey) -> Option<&mut Job> {
        self.jobs.get_mut(&key)
    }

    pub(super) fn remove(&mut self, key: JobKey) -> Option<Job> {
        self.jobs.remove(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.jobs.values_mut()
    }

    /// Numbers of the jobs for which `wanted` holds, oldest first.
    pub(super) fn keys_where(&self, wanted: impl Fn(&Job) -> bool) -> Vec<JobKey> {
        self.jobs
            .values()
            .filter(|job| wanted(job))
            .map(|job| job.key)
            .collect()
    }

    /// The job that a session key started under this id.
    pub(super) fn of_session_key(&self, id: JobId, session_key: Ed25519Key) -> Option<&Job> {
        self.jobs
            .values()
            .find(|job| job.id == id && job.owner.session_key() == session_key)
    }

    /// The job that an operator started under this id.
    pub(super) fn of_operator(&self, id: JobId, operator: Fingerprint) -> Option<&Job> {
        self.jobs
            .values()
            .find(|job| job.id == id && job.owner.fingerprint() == operator)
    }

    /// The job with this id, whoever started it.
    pub(super) fn of_id(&self, id: JobId) -> Option<&Job> {
        self.jobs
            .values()
            .find(|job| job.id == id && !job.is_over())
    }

    /// Jobs that run.
    pub(super) fn running(&self) -> usize {
        self.jobs.values().filter(|job| job.is_running()).count()
    }

    /// Jobs that run or wait.
    pub(super) fn busy(&self) -> usize {
        self.jobs.values().filter(|job| !job.is_over()).count()
    }

    /// Jobs that run or wait, by rule.
    pub(super) fn per_rule(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for job in self.jobs.values().filter(|job| !job.is_over()) {
            *counts.entry(job.rule.clone()).or_insert(0) += 1;
        }
        counts
    }
}
