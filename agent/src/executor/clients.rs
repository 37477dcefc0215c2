//! Who listens to a job: sessions that open, attach, cancel, keep, release and go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::id::JobId;
use dtx_proto_types::key::{Ed25519Key, Fingerprint};
use dtx_proto_types::message::{Ended, Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::units::HumanDuration;

use super::core::{Executor, load_percent, refusal};
use super::job::{Job, Phase};
use crate::exec::Stop;
use crate::ipc::{Connection, JobKey, Opened, SessionNumber, ToFront};
use crate::trust::Session;

/// How long a removed operator's open session may go on unnoticed.
const RECHECK_PERIOD: Duration = Duration::from_secs(30);
/// Jobs that are over and whose endings nobody has taken; the oldest of the operator who has most
/// of them is forgotten first.
const UNRELEASED_MAX: usize = 256;

impl Executor {
    pub(super) fn on_open(
        &mut self,
        connection: Connection,
        grant: &SignedGrant,
        peer_key: Ed25519Key,
        peer: SocketAddr,
    ) {
        let opened = self.trust.open(grant, peer_key, &mut self.journal);
        match opened.and_then(|session| self.check_key_owner(session)) {
            Ok(session) => {
                log::debug!("session of {} from {peer}", session.label());
                self.recheck_soon();
                let opened = Opened {
                    session: self.sessions.admit(session),
                    busy: u32::try_from(self.jobs.busy()).unwrap_or(u32::MAX),
                    load_percent: load_percent(),
                    clock_ms: self.trust.now_ms(),
                };
                self.tell(&ToFront::Opened { connection, opened });
            }
            Err(refusal) => {
                // The front says so in its log, at a bounded rate.
                log::debug!("session from {peer} refused: {}", refusal.text);
                if let Err(error) = self.audit.refused(None, Some(peer), &refusal) {
                    log::error!("{error}");
                }
                self.tell(&ToFront::OpenRefused {
                    connection,
                    refusal,
                });
            }
        }
    }

    /// A session key speaks for one operator. A second one who grants the same key could otherwise
    /// reach the jobs that it started for the first.
    fn check_key_owner(&self, session: Session) -> Result<Session, Refusal> {
        let other = |owner: &Session| {
            owner.session_key() == session.session_key()
                && owner.fingerprint() != session.fingerprint()
        };
        let taken = self.sessions.iter().any(|(_, owner)| other(owner))
            || self.jobs.iter().any(|job| other(&job.owner));
        if taken {
            let text = "this session key speaks for another operator already";
            return Err(refusal(RefusalCode::Invalid, text));
        }
        Ok(session)
    }

    pub(super) fn on_closed(&mut self, session: SessionNumber) {
        self.sessions.close(session);
        let until = Instant::now() + self.grace();
        for job in self
            .jobs
            .iter_mut()
            .filter(|job| job.client == Some(session))
        {
            job.lose_client(until);
        }
    }

    pub(super) fn on_attach(&mut self, session: SessionNumber, stream: u32, id: JobId) {
        let Some(open) = self.sessions.get(session).cloned() else {
            return;
        };
        if let Err(refusal) = self.trust.recheck(&open) {
            return self.refuse(session, stream, refusal);
        }
        if let Some(job) = self.jobs.of_session_key(id, open.session_key()) {
            let key = job.key;
            return self.bind(session, stream, key);
        }
        let Some(seen) = self.journal.seen(open.fingerprint(), id) else {
            if self.is_probing(open.session_key(), id) {
                let text = "the job is still being checked; ask again";
                return self.refuse(session, stream, refusal(RefusalCode::Busy, text));
            }
            return self.tell(&ToFront::AttachUnknown { session, stream });
        };
        match seen.not_started() {
            Some(refusal) => {
                let refusal = refusal.clone();
                self.refuse(session, stream, refusal);
            }
            None => {
                let known = seen
                    .ending()
                    .map_or_else(|| "is not known".into(), describe);
                let ending = Ending::Lost(format!("its output is gone; how it ended: {known}"));
                let ended = Ended {
                    ending,
                    stdout: 0,
                    stderr: 0,
                    output_bytes: None,
                    duration_us: 0,
                    notes: Vec::new(),
                };
                self.tell(&ToFront::AttachedEnded {
                    session,
                    stream,
                    ended,
                });
            }
        }
    }

    /// Closes the sessions of operators who were removed; what they started loses its client.
    pub(super) fn check_operators(&mut self, now: Instant) {
        if self.recheck_at.is_none_or(|at| at > now) {
            return;
        }
        self.recheck_at = None;
        let open: Vec<(SessionNumber, Session)> = self
            .sessions
            .iter()
            .map(|(number, who)| (number, who.clone()))
            .collect();
        for (session, who) in open {
            match self.trust.recheck(&who) {
                Ok(()) => self.recheck_soon(),
                Err(refusal) => {
                    log::warn!("session of {} closed: {}", who.label(), refusal.text);
                    self.tell(&ToFront::Close { session, refusal });
                }
            }
        }
    }

    /// While sessions are open, their operators are looked at again from time to time.
    fn recheck_soon(&mut self) {
        let soon = || Instant::now() + RECHECK_PERIOD;
        self.recheck_at.get_or_insert_with(soon);
    }

    /// Makes a session the one that listens to a job.
    pub(super) fn bind(&mut self, session: SessionNumber, stream: u32, key: JobKey) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        job.client = Some(session);
        job.orphaned_until = None;
        let message = match &job.phase {
            Phase::NotStarted(refusal) => ToFront::JobRefused {
                session,
                stream,
                refusal: refusal.clone(),
            },
            _ => ToFront::Attached {
                session,
                stream,
                key,
            },
        };
        self.tell(&message);
    }

    /// The job, if this session may say something about it.
    fn job_of(&mut self, session: SessionNumber, key: JobKey) -> Option<&mut Job> {
        let session_key = self.sessions.get(session)?.session_key();
        self.jobs
            .get_mut(key)
            .filter(|job| job.owner.session_key() == session_key)
    }

    pub(super) fn on_cancel(&mut self, session: SessionNumber, key: JobKey) {
        let Some(open) = self.sessions.get(session).cloned() else {
            return;
        };
        // An operator who was removed has no say any more; his jobs end with their clients.
        if self.job_of(session, key).is_some() && self.trust.recheck(&open).is_ok() {
            self.end_job(key, Stop::Cancelled("by its operator".into()));
        }
    }

    pub(super) fn on_keep(&mut self, session: SessionNumber, key: JobKey) {
        let Some(open) = self.sessions.get(session).cloned() else {
            return;
        };
        if self.trust.recheck(&open).is_ok()
            && let Some(job) = self.job_of(session, key)
        {
            job.keep = true;
        }
    }

    pub(super) fn on_release(&mut self, session: SessionNumber, key: JobKey) {
        if self.job_of(session, key).is_some_and(|job| job.is_over()) {
            self.forget(key);
        }
    }

    /// Forgets endings that nobody takes, before they use up the agent's descriptors.
    pub(super) fn bound_unreleased(&mut self) {
        let mut over: BTreeMap<Fingerprint, Vec<JobKey>> = BTreeMap::new();
        for job in self.jobs.iter().filter(|job| job.is_over()) {
            over.entry(job.owner.fingerprint())
                .or_default()
                .push(job.key);
        }
        if over.values().map(Vec::len).sum::<usize>() <= UNRELEASED_MAX {
            return;
        }
        let most = over.values().max_by_key(|jobs| jobs.len());
        if let Some(oldest) = most.and_then(|jobs| jobs.first()) {
            log::warn!("an ending was never taken; its output is dropped");
            self.forget(*oldest);
        }
    }

    pub(super) fn forget(&mut self, key: JobKey) {
        self.jobs.remove(key);
        self.tell(&ToFront::Forget(key));
    }

    /// Ends or forgets the jobs whose clients did not come back in time.
    pub(super) fn check_orphans(&mut self, now: Instant) {
        let due = |job: &Job| job.orphaned_until.is_some_and(|until| until <= now);
        for key in self.jobs.keys_where(due) {
            let Some(job) = self.jobs.get_mut(key) else {
                continue;
            };
            job.orphaned_until = None;
            if job.is_over() {
                self.forget(key);
            } else if !job.keep {
                let grace = HumanDuration(self.grace());
                self.end_job(
                    key,
                    Stop::Cancelled(format!("its client was gone for {grace}")),
                );
            }
        }
    }
}

impl Job {
    /// Nobody listens any more; something happens to it at `until`.
    pub(super) fn lose_client(&mut self, until: Instant) {
        self.client = None;
        self.orphaned_until = Some(until);
    }
}

/// An ending in a few words, for sentences about jobs whose output is gone.
pub(super) fn describe(ending: &Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("exit code {code}"),
        Ending::Signaled(signal) => format!("signal {signal}"),
        Ending::TimedOut => "timeout".into(),
        Ending::Cancelled(by) => format!("cancelled {by}"),
        Ending::SetupFailed { reason, .. } => reason.clone(),
        Ending::Lost(reason) => reason.clone(),
    }
}
