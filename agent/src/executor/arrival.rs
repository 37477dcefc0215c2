//! A job arrives: verify, seen?, policy, audit, journal. Only then does it have a number.

use std::time::Duration;

use dtx_policy::PathAnswers;
use dtx_proto_types::id::JobId;
use dtx_proto_types::job::{Body, Control};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{Ended, Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::{SignedJob, VerifiedJob};
use dtx_proto_types::units::HumanDuration;

use super::core::{Executor, refusal};
use super::job::{Job, OutputState};
use super::waiting::{first_phase, room_for_stdin};
use crate::exec::{PathCheck, Stop};
use crate::ipc::{SessionNumber, ToFront};
use crate::trust::{AuthorizedJob, JobOwner, NotYet, Session};

/// A job whose paths a helper process looks at.
#[derive(Debug)]
pub(super) struct Probing {
    pub(super) check: PathCheck,
    session: SessionNumber,
    stream: u32,
    who: Session,
    verified: VerifiedJob,
}

impl Executor {
    pub(super) fn on_job(&mut self, session: SessionNumber, stream: u32, signed: &SignedJob) {
        let Some(who) = self.sessions.get(session).cloned() else {
            return;
        };
        let verified = match self.trust.verify_job(&who, signed) {
            Ok(verified) => verified,
            Err(refusal) => {
                log::debug!("job of {} refused: {}", who.label(), refusal.text);
                if let Err(error) = self.audit.refused(Some(&who), None, &refusal) {
                    log::error!("{error}");
                }
                return self.refuse(session, stream, refusal);
            }
        };
        let id = verified.spec().job;
        if let Some(seen) = self.journal.seen(who.fingerprint(), id) {
            if seen.digest() != verified.spec().identity_digest() {
                let text = "this job id was used for something else; nothing was started";
                return self.refuse(session, stream, refusal(RefusalCode::Replay, text));
            }
            if seen.not_started().is_none()
                || self.jobs.of_operator(id, who.fingerprint()).is_some()
            {
                return self.on_attach(session, stream, id);
            }
            // It provably never started, so it may be tried again under the same id.
        }
        if self.is_probing(who.session_key(), id) {
            let text = "the same job is being checked already";
            return self.refuse(session, stream, refusal(RefusalCode::Busy, text));
        }
        self.decide(session, stream, who, verified, &PathAnswers::default());
    }

    pub(super) fn is_probing(&self, session_key: Ed25519Key, id: JobId) -> bool {
        let same = |probing: &Probing| {
            probing.verified.spec().job == id && probing.who.session_key() == session_key
        };
        self.probing.iter().any(same)
    }

    /// Asks policy, with what is known about the paths so far.
    fn decide(
        &mut self,
        session: SessionNumber,
        stream: u32,
        who: Session,
        verified: VerifiedJob,
        answers: &PathAnswers,
    ) {
        let owner = match &verified.spec().body {
            Body::Control { job, .. } => self.jobs.of_id(*job).map(|job| JobOwner {
                fingerprint: job.owner.fingerprint(),
                user: job.user.clone(),
            }),
            _ => None,
        };
        let per_rule = self.jobs.per_rule();
        match self
            .trust
            .authorize(&who, verified, &per_rule, answers, owner.as_ref())
        {
            Ok(authorized) => {
                if let Err(refusal) = self.admit(session, stream, &who, authorized) {
                    self.refuse(session, stream, refusal);
                }
            }
            Err(NotYet::NeedsPaths { questions, job }) => {
                let started = self
                    .check_room()
                    .and_then(|()| PathCheck::start(questions).map_err(Refusal::from));
                match started {
                    Ok(check) => self.probing.push(Probing {
                        check,
                        session,
                        stream,
                        who,
                        verified: *job,
                    }),
                    Err(refusal) => self.refuse(session, stream, refusal),
                }
            }
            Err(NotYet::Denied { refusal, job }) => {
                log::info!("job of {} denied: {}", who.label(), refusal.text);
                if let Err(error) = self.audit.denied(&who, job.spec(), &refusal) {
                    log::error!("{error}");
                }
                self.refuse(session, stream, refusal);
            }
        }
    }

    /// Goes on with the jobs whose paths have been looked at.
    pub(super) fn check_probes(&mut self) {
        let mut index = 0;
        while index < self.probing.len() {
            match self.probing[index].check.receive() {
                None => index += 1,
                Some(answers) => {
                    let Probing {
                        session,
                        stream,
                        who,
                        verified,
                        ..
                    } = self.probing.swap_remove(index);
                    self.reap_soon();
                    // A client that went meanwhile has nothing started for it; if it comes back,
                    // it is told that its job never arrived.
                    if self.sessions.get(session).is_none() {
                        continue;
                    }
                    // Time has passed: what held before the question must still hold.
                    match self.trust.recheck_job(&who, &verified) {
                        Ok(()) => self.decide(session, stream, who, verified, &answers),
                        Err(refusal) => self.refuse(session, stream, refusal),
                    }
                }
            }
        }
    }

    /// Takes an allowed job in: audit, journal, and then it has a number.
    fn admit(
        &mut self,
        session: SessionNumber,
        stream: u32,
        who: &Session,
        authorized: AuthorizedJob,
    ) -> Result<(), Refusal> {
        let control = match authorized.spec().body {
            Body::Control { job, action } => Some((job, action)),
            _ => None,
        };
        if let Some((id, action)) = control {
            let ended = self.control(who, &authorized, id, action);
            self.tell(&ToFront::AttachedEnded {
                session,
                stream,
                ended,
            });
            return Ok(());
        }
        self.check_room()?;
        self.check_timeout(authorized.timeout())?;
        let memfd = room_for_stdin(authorized.stdin())?;
        self.record(who, &authorized)?;
        let key = self.jobs.next_key();
        let job = Job {
            key,
            id: authorized.spec().job,
            owner: who.clone(),
            rule: authorized.rule().to_owned(),
            user: authorized.user().to_owned(),
            client: Some(session),
            orphaned_until: None,
            keep: false,
            output: OutputState::default(),
            pipes: None,
            streamed_stdin: false,
            output_bytes: least(authorized.output_bytes(), self.settings.max_output),
            phase: first_phase(authorized, memfd),
        };
        self.accept(session, stream, job);
        Ok(())
    }

    /// Audit, then journal. If either cannot be written, nothing starts.
    fn record(&mut self, who: &Session, authorized: &AuthorizedJob) -> Result<(), Refusal> {
        let disk = |error: &dyn std::fmt::Display| {
            refusal(RefusalCode::Disk, format!("{error}; nothing was started"))
        };
        self.audit
            .allowed(who, authorized)
            .map_err(|error| disk(&error))?;
        let accepted = self.journal.accept(who.fingerprint(), authorized);
        accepted.map_err(|error| {
            let refusal = disk(&error);
            // The audit log says that it was allowed; it should also say that nothing came of it.
            let noted = self.audit.not_started(who, authorized.spec().job, &refusal);
            if let Err(error) = noted {
                log::error!("{error}");
            }
            refusal
        })
    }

    /// A timeout above the node's own ceiling is said so, not cut silently.
    fn check_timeout(&self, asked: Option<Duration>) -> Result<(), Refusal> {
        match (asked, self.settings.max_timeout) {
            (Some(asked), Some(most)) if asked > most => {
                let (asked, most) = (HumanDuration(asked), HumanDuration(most));
                let text =
                    format!("a timeout of {asked} is more than this node's max_timeout of {most}");
                Err(refusal(RefusalCode::Denied, text))
            }
            _ => Ok(()),
        }
    }

    fn check_room(&self) -> Result<(), Refusal> {
        if self.draining_until.is_some() {
            let text = "the agent is stopping; try again when it is back";
            return Err(refusal(RefusalCode::Draining, text));
        }
        let (slots, queue) = (self.settings.slots, self.settings.queue);
        let busy = self.jobs.busy() + self.probing.len();
        if busy >= slots.saturating_add(queue) as usize {
            let text = format!("busy: {slots} jobs run and {queue} wait already");
            return Err(refusal(RefusalCode::Busy, text));
        }
        Ok(())
    }

    /// Does what a control job asks for. It takes no slot and waits for nothing, not even for a
    /// disk that is full.
    fn control(
        &mut self,
        who: &Session,
        authorized: &AuthorizedJob,
        id: JobId,
        action: Control,
    ) -> Ended {
        if let Err(refusal) = self.record(who, authorized) {
            log::error!("{}, but a job is ended on request", refusal.text);
        }
        let ending = match (self.jobs.of_id(id).map(|job| job.key), action) {
            (Some(key), Control::Cancel) => {
                self.end_job(key, Stop::Cancelled(format!("by {}", who.label())));
                Ending::Exited(0)
            }
            (None, _) => {
                let reason = format!("no job {id} runs or waits here");
                Ending::SetupFailed { code: None, reason }
            }
        };
        self.note_ending(who, authorized.spec().job, &ending, 0);
        Ended {
            ending,
            stdout: 0,
            stderr: 0,
            output_bytes: None,
            duration_us: 0,
            notes: Vec::new(),
        }
    }
}

/// The smaller of two bounds, of which each may be absent.
fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}
