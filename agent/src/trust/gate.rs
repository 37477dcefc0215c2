//! The one gate between what arrives and what runs.

use std::collections::{BTreeMap, BTreeSet};

use dtx_policy::{Decision, Facts, PathAnswers, PathQuestion};
use dtx_proto_types::grant::{Grant, SignedGrant};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::signed::{SignedJob, VerifiedJob};
use dtx_proto_types::units::HumanDuration;

use super::clock::{Clock, Now};
use super::config::TrustConfig;
use super::freshness::{GrantSight, JobTimes, SightLog, Sights, Stale};
use super::job::AuthorizedJob;
use super::operators::Known;
use super::owner::Owners;
use super::refuse::{broken, no_longer, refusal, unclaimed, unknown};
use super::report::report;
use super::request::{Answer, Asked, JobOwner, ask};
use super::session::Session;
use super::sources::{Sources, Standing};

/// Decides who may speak and what may run. The files are looked at, and the clock is read, for
/// each decision.
#[derive(Debug)]
pub struct Trust {
    config: TrustConfig,
    sources: Sources,
    sights: Sights,
    clock: Box<dyn Clock>,
}

/// Why a verified job is not authorized.
#[derive(Debug)]
pub enum NotYet {
    /// It is not allowed.
    Denied {
        /// What to tell the operator.
        refusal: Refusal,
        /// The job, for the audit.
        job: Box<VerifiedJob>,
    },
    /// It depends on these paths: ask [`super::look_at`] about each in a process that may hang,
    /// then authorize again with all answers so far.
    NeedsPaths {
        /// The paths.
        questions: BTreeSet<PathQuestion>,
        /// The job, to go on with.
        job: Box<VerifiedJob>,
    },
}

impl Trust {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(config: TrustConfig, clock: Box<dyn Clock>) -> Self {
        let owners = Owners {
            agent_uid: nix::unistd::geteuid().as_raw(),
        };
        let sources = Sources::new(
            config.operators.clone(),
            config.policy.clone(),
            config.explicit_policy,
            config.agent_is_root,
            owners,
        );
        Self {
            config,
            sources,
            sights: Sights::default(),
            clock,
        }
    }

    /// The node's wall clock in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// Takes up a first sight that an earlier agent journaled. One from before the node was
    /// started (`same_boot` false) tells that the grant's life is over.
    pub fn remember_sight(&mut self, sight: &GrantSight, same_boot: bool) {
        self.sights.remember(sight, same_boot);
    }

    /// Verifies a grant, for a peer who proved `peer_key`. An unknown operator costs no
    /// mathematics. A grant whose time is over still opens a session: what it may do is decided
    /// with each request. `log` is where a grant's first sight is journaled.
    ///
    /// # Errors
    ///
    /// What to tell the peer.
    pub fn open<L: SightLog + ?Sized>(
        &mut self,
        grant: &SignedGrant,
        peer_key: Ed25519Key,
        log: &mut L,
    ) -> Result<Session, Refusal> {
        let now = Now::read(self.clock.as_ref());
        let config = &self.config;
        let standing = self
            .sources
            .look()
            .map_err(|why| broken(&config.node, why))?;
        let signature = grant.signature();
        if standing.operators.is_empty() {
            let signature = signature.as_ref().ok();
            return Err(unclaimed(&config.node, &config.operators, signature));
        }
        let signature = signature.map_err(|error| invalid(error.to_string()))?;
        let known = standing
            .operators
            .get(signature.claimed_fingerprint())
            .ok_or_else(|| unknown(&config.node, &config.operators, &signature))?;
        check_operator(known, standing, config, now)?;
        let verified = grant.verify().map_err(|error| invalid(error.to_string()))?;
        check_grant(verified.grant(), peer_key, config)?;
        let session = Session::new(&verified, &known.operator);
        let most = standing
            .policy
            .max_grant(&known.operator, &config.as_node());
        if session.grant_life() > most {
            let text = format!(
                "the grant lives {}, and {} takes at most {}",
                HumanDuration(session.grant_life()),
                config.node,
                HumanDuration(most)
            );
            return Err(refusal(RefusalCode::GrantExpired, text));
        }
        if let Some(sight) = self.sights.note(session.times(), now)
            && let Err(error) = log.record_sight(&sight)
        {
            log::error!("the first sight of a grant cannot be journaled: {error}");
            self.sights.take_back(&sight);
        }
        Ok(session)
    }

    /// Whether a session's operator is still one here. That is all that reading, acknowledging,
    /// keeping and cancelling one's own job needs; the grant's time does not matter.
    ///
    /// # Errors
    ///
    /// What to tell the operator.
    pub fn recheck(&mut self, session: &Session) -> Result<(), Refusal> {
        let now = Now::read(self.clock.as_ref());
        find(&mut self.sources, &self.config, session, now).map(drop)
    }

    /// Verifies a job that came in a session: the operator is still one, the session's key signed
    /// these bytes, they are meant for this node and cluster, the grant lives and the job is
    /// fresh.
    ///
    /// # Errors
    ///
    /// What to tell the operator.
    pub fn verify_job(
        &mut self,
        session: &Session,
        job: &SignedJob,
    ) -> Result<VerifiedJob, Refusal> {
        let now = Now::read(self.clock.as_ref());
        find(&mut self.sources, &self.config, session, now)?;
        let verified = job
            .verify(session.session_key())
            .map_err(|error| invalid(error.to_string()))?;
        self.check_job(session, &verified, now)?;
        Ok(verified)
    }

    /// Checks again all that time can change about a verified job.
    ///
    /// # Errors
    ///
    /// What to tell the operator.
    pub fn recheck_job(&mut self, session: &Session, job: &VerifiedJob) -> Result<(), Refusal> {
        let now = Now::read(self.clock.as_ref());
        find(&mut self.sources, &self.config, session, now)?;
        self.check_job(session, job, now)
    }

    /// Asks the policy about a verified job, after checking again all that time can change about
    /// it. `running` counts the jobs that run or wait, by [`AuthorizedJob::rule`]; `answers` is
    /// what is known about paths so far; `owner` is whose job it is that a control job is about,
    /// if there is such a job here. Its owner needs no rule for that.
    ///
    /// # Errors
    ///
    /// [`NotYet`], with the job in it.
    pub fn authorize(
        &mut self,
        session: &Session,
        job: VerifiedJob,
        running: &BTreeMap<String, u32>,
        answers: &PathAnswers,
        owner: Option<&JobOwner>,
    ) -> Result<AuthorizedJob, NotYet> {
        let now = Now::read(self.clock.as_ref());
        let answer = self.check_job(session, &job, now).and_then(|()| {
            let (known, standing) = find(&mut self.sources, &self.config, session, now)?;
            let facts = Facts {
                running,
                paths: answers,
            };
            let asked = Asked {
                session,
                operator: &known.operator,
                spec: job.spec(),
                owner,
            };
            ask(&asked, standing, &self.config, &facts)
        });
        match answer {
            Ok((placed, Answer::OwnJob)) => Ok(AuthorizedJob::own_control(job.into_spec(), placed)),
            Ok((placed, Answer::Policy(Decision::Allow(allowed)))) => {
                Ok(AuthorizedJob::new(job.into_spec(), placed, allowed))
            }
            Ok((_, Answer::Policy(Decision::NeedsPaths(questions)))) => {
                let job = Box::new(job);
                Err(NotYet::NeedsPaths { questions, job })
            }
            Ok((_, Answer::Policy(Decision::Deny(denial)))) => {
                let refusal = refusal(RefusalCode::Denied, denial.text);
                let job = Box::new(job);
                Err(NotYet::Denied { refusal, job })
            }
            Err(refusal) => {
                let job = Box::new(job);
                Err(NotYet::Denied { refusal, job })
            }
        }
    }

    /// Reads the files anew, whether they look changed or not.
    pub fn reload(&mut self) {
        self.sources.forget();
        self.log_state();
    }

    /// Writes to the log what the files say.
    pub fn log_state(&mut self) {
        let (good, lines) = self.report();
        for line in lines {
            if good {
                log::info!("{line}");
            } else {
                log::error!("{line}");
            }
        }
    }

    /// What the files say, for a person, and whether an agent could work with it.
    pub fn report(&mut self) -> (bool, Vec<String>) {
        let now = Now::read(self.clock.as_ref());
        report(&mut self.sources, now.at_least_ms())
    }

    /// Whether a verified job belongs to this session, node and cluster and is fresh.
    fn check_job(&self, session: &Session, job: &VerifiedJob, now: Now) -> Result<(), Refusal> {
        if job.signer() != session.session_key() {
            return Err(invalid("the job was signed for another session"));
        }
        let spec = job.spec();
        self.config.check_cluster(&spec.cluster)?;
        self.config.rank(spec)?;
        let times = JobTimes {
            issued_ms: spec.issued_ms,
            start_by_ms: spec.start_by_ms,
        };
        self.sights
            .check(session.times(), times, now)
            .map_err(|stale| {
                let code = match stale {
                    Stale::Expired { .. } => RefusalCode::GrantExpired,
                    Stale::Clock { .. } | Stale::Doubtful { .. } => RefusalCode::Clock,
                    Stale::Window => RefusalCode::Invalid,
                };
                refusal(code, stale.to_string())
            })
    }
}

fn invalid(text: impl Into<String>) -> Refusal {
    refusal(RefusalCode::Invalid, text)
}

/// The operator of a session as the files have him now, if he still counts.
fn find<'a>(
    sources: &'a mut Sources,
    config: &TrustConfig,
    session: &Session,
    now: Now,
) -> Result<(&'a Known, &'a Standing), Refusal> {
    let standing = sources.look().map_err(|why| broken(&config.node, why))?;
    if standing.operators.is_empty() {
        return Err(unclaimed(&config.node, &config.operators, None));
    }
    let known = standing
        .operators
        .get(session.fingerprint())
        .ok_or_else(|| no_longer(&config.node, session.fingerprint()))?;
    check_operator(known, standing, config, now)?;
    Ok((known, standing))
}

/// Whether a listed operator counts now.
fn check_operator(
    known: &Known,
    standing: &Standing,
    config: &TrustConfig,
    now: Now,
) -> Result<(), Refusal> {
    let node = &config.node;
    let text = if let Some(revoked) = standing.policy.revocation(&known.operator) {
        format!("{revoked} is revoked by the policy of {node}")
    } else if known.validity.holds_at(now.at_least_ms()) {
        return Ok(());
    } else {
        format!(
            "the operator key {} does not hold on {node} now: it is {} ({})",
            known.operator.fingerprint(),
            known.validity.words(),
            known.place
        )
    };
    Err(refusal(RefusalCode::UnknownOperator, text))
}

/// Whether a verified grant is for this connection and this cluster.
fn check_grant(grant: &Grant, peer_key: Ed25519Key, config: &TrustConfig) -> Result<(), Refusal> {
    config.check_cluster(&grant.cluster)?;
    if grant.session_key != peer_key {
        return Err(invalid(
            "the grant is for another session key than this connection's",
        ));
    }
    if grant.expires_ms <= grant.issued_ms {
        return Err(invalid("the grant ends before it begins"));
    }
    Ok(())
}
