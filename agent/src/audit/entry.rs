//! One line of the audit log. Whatever a request holds, a line stays within some twenty KiB: what
//! is longer is cut.

use std::net::SocketAddr;

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::{Body, JobSpec, Stdin};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::outcome::{Ending, Outcome};
use serde::Serialize;
use serde_json::{Value, json};

use super::cut::{self, Command, hex};

use crate::trust::{AuthorizedJob, Session};

/// What a line tells. Fields may be added, never changed.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    /// Counts the lines, so that a missing one is seen and order does not depend on the clock.
    pub(super) seq: u64,
    pub(super) time: &'a str,
    #[serde(flatten)]
    pub(super) entry: &'a Entry<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    event: Event,
    #[serde(flatten)]
    who: Option<Who<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(flatten)]
    facts: Facts,
}

/// Who asked.
#[derive(Debug, Serialize)]
struct Who<'a> {
    principal: String,
    #[serde(serialize_with = "as_text")]
    fingerprint: Fingerprint,
    client: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Allowed,
    Denied,
    Refused,
    NotStarted,
    Ended,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Facts {
    Allowed {
        rule: String,
        #[serde(flatten)]
        what: What,
    },
    Denied {
        #[serde(flatten)]
        no: No,
        #[serde(flatten)]
        what: What,
    },
    Refused {
        #[serde(flatten)]
        no: No,
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<SocketAddr>,
        /// Refusals before this one that have no line.
        #[serde(skip_serializing_if = "is_zero")]
        omitted: u64,
    },
    NotStarted(No),
    Ended {
        outcome: Outcome,
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        duration_us: u64,
    },
}

#[derive(Debug, Serialize)]
struct No {
    code: RefusalCode,
    reason: String,
}

/// What was asked for, and as whom.
#[derive(Debug, Serialize)]
struct What {
    #[serde(serialize_with = "as_text")]
    run: RunId,
    rank: Option<u32>,
    attempt: u32,
    kind: &'static str,
    what: Value,
    /// How long the command was, and its digest, if `what` is not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what_sha256: Option<String>,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shell: Option<String>,
    /// The names alone: values may be secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<Value>,
}

impl<'a> Entry<'a> {
    /// A job that is about to be accepted.
    pub(super) fn allowed(who: &'a Session, job: &'a AuthorizedJob) -> Self {
        let what = What {
            rank: Some(job.rank()),
            user: cut::text(job.user()),
            ..What::new(job.spec(), job.body())
        };
        let rule = cut::text(job.rule());
        Self::new(
            Event::Allowed,
            who,
            job.spec().job,
            Facts::Allowed { rule, what },
        )
    }

    /// A job that was asked for and is not allowed; as it was signed, before substitution.
    pub(super) fn denied(who: &'a Session, spec: &'a JobSpec, refusal: &Refusal) -> Self {
        let what = What::new(spec, &spec.body);
        let no = No::new(refusal);
        Self::new(Event::Denied, who, spec.job, Facts::Denied { no, what })
    }

    /// A request that was refused before the policy was asked.
    pub(super) fn refused(
        who: Option<&'a Session>,
        peer: Option<SocketAddr>,
        refusal: &Refusal,
        omitted: u64,
    ) -> Self {
        Self {
            event: Event::Refused,
            who: who.map(Who::new),
            job: None,
            facts: Facts::Refused {
                no: No::new(refusal),
                peer,
                omitted,
            },
        }
    }

    /// A job that was accepted and then could not be started.
    pub(super) fn not_started(who: &'a Session, job: JobId, refusal: &Refusal) -> Self {
        let facts = Facts::NotStarted(No::new(refusal));
        Self::new(Event::NotStarted, who, job, facts)
    }

    /// How a job ended.
    pub(super) fn ended(who: &'a Session, job: JobId, ending: &Ending, us: u64) -> Self {
        let (exit_code, signal, reason) = match ending {
            Ending::Exited(code) => (Some(*code), None, None),
            Ending::Signaled(signal) => (None, Some(*signal), None),
            Ending::TimedOut => (None, None, None),
            Ending::SetupFailed { code, reason } => (*code, None, Some(reason.as_str())),
            Ending::Cancelled(reason) | Ending::Lost(reason) => (None, None, Some(reason.as_str())),
        };
        let facts = Facts::Ended {
            outcome: ending.outcome(),
            exit_code,
            signal,
            reason: reason.map(cut::text),
            duration_us: us,
        };
        Self::new(Event::Ended, who, job, facts)
    }

    fn new(event: Event, who: &'a Session, job: JobId, facts: Facts) -> Self {
        Self {
            event,
            who: Some(Who::new(who)),
            job: Some(job.to_string()),
            facts,
        }
    }
}

impl<'a> Who<'a> {
    fn new(session: &'a Session) -> Self {
        Self {
            principal: cut::text(session.label()),
            fingerprint: session.fingerprint(),
            client: session.client(),
        }
    }
}

impl No {
    fn new(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code,
            reason: cut::text(&refusal.text),
        }
    }
}

impl What {
    fn new(spec: &JobSpec, body: &Body) -> Self {
        let Command { what, whole } = Command::of(body);
        let (what_bytes, what_sha256) = whole.map_or((None, None), |whole| {
            (Some(whole.bytes), Some(whole.sha256))
        });
        Self {
            run: spec.run,
            rank: None,
            attempt: spec.attempt,
            kind: body.kind(),
            what,
            what_bytes,
            what_sha256,
            user: cut::text(&spec.run_as),
            cwd: spec.cwd.as_deref().map(cut::text),
            shell: spec.shell.as_deref().map(cut::text),
            env: cut::names(spec.env.keys()),
            stdin: match spec.stdin {
                Stdin::None => None,
                Stdin::Sized { size, blake3 } => {
                    Some(json!({ "size": size, "blake3": hex(&blake3) }))
                }
                Stdin::Streamed => Some(json!("streamed")),
            },
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn as_text<T: std::fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
