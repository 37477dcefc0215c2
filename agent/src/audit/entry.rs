//! One line of the audit log.

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::{Body, JobSpec, Stdin};
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::outcome::{Ending, Outcome};
use serde::Serialize;
use serde_json::{Value, json};

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
    principal: &'a str,
    fingerprint: String,
    client: &'a str,
    #[serde(serialize_with = "as_text")]
    job: JobId,
    #[serde(flatten)]
    facts: Facts<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Allowed,
    Denied,
    NotStarted,
    Ended,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Facts<'a> {
    Allowed {
        rule: &'a str,
        #[serde(flatten)]
        what: What<'a>,
    },
    Denied {
        #[serde(flatten)]
        no: No<'a>,
        #[serde(flatten)]
        what: What<'a>,
    },
    NotStarted(No<'a>),
    Ended {
        outcome: Outcome,
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        duration_us: u64,
    },
}

#[derive(Debug, Serialize)]
struct No<'a> {
    code: RefusalCode,
    reason: &'a str,
}

/// What was asked for, and as whom.
#[derive(Debug, Serialize)]
struct What<'a> {
    #[serde(serialize_with = "as_text")]
    run: RunId,
    rank: Option<u32>,
    attempt: u32,
    kind: &'static str,
    what: Value,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shell: Option<&'a str>,
    /// The names alone: values may be secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<Value>,
}

impl<'a> Entry<'a> {
    /// A job that is about to be accepted.
    pub(super) fn allowed(who: &'a Session, job: &'a AuthorizedJob) -> Self {
        let what = What {
            rank: Some(job.rank()),
            user: job.user(),
            ..What::new(job.spec(), job.body())
        };
        let rule = job.rule();
        Self::new(
            Event::Allowed,
            who,
            job.spec().job,
            Facts::Allowed { rule, what },
        )
    }

    /// A job that was asked for and is not allowed; as it was signed, before substitution.
    pub(super) fn denied(who: &'a Session, spec: &'a JobSpec, refusal: &'a Refusal) -> Self {
        let what = What::new(spec, &spec.body);
        let no = No::new(refusal);
        Self::new(Event::Denied, who, spec.job, Facts::Denied { no, what })
    }

    /// A job that was accepted and then could not be started.
    pub(super) fn not_started(who: &'a Session, job: JobId, refusal: &'a Refusal) -> Self {
        let facts = Facts::NotStarted(No::new(refusal));
        Self::new(Event::NotStarted, who, job, facts)
    }

    /// How a job ended.
    pub(super) fn ended(who: &'a Session, job: JobId, ending: &'a Ending, us: u64) -> Self {
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
            reason,
            duration_us: us,
        };
        Self::new(Event::Ended, who, job, facts)
    }

    fn new(event: Event, who: &'a Session, job: JobId, facts: Facts<'a>) -> Self {
        Self {
            event,
            principal: who.label(),
            fingerprint: who.fingerprint().to_string(),
            client: who.client(),
            job,
            facts,
        }
    }
}

impl<'a> No<'a> {
    fn new(refusal: &'a Refusal) -> Self {
        Self {
            code: refusal.code,
            reason: &refusal.text,
        }
    }
}

impl<'a> What<'a> {
    fn new(spec: &'a JobSpec, body: &Body) -> Self {
        Self {
            run: spec.run,
            rank: None,
            attempt: spec.attempt,
            kind: body.kind(),
            what: words(body),
            user: &spec.run_as,
            cwd: spec.cwd.as_deref(),
            shell: spec.shell.as_deref(),
            env: spec.env.keys().map(String::as_str).collect(),
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

/// The command as it runs; of a script the digest, as a policy lists it.
fn words(body: &Body) -> Value {
    match body {
        Body::Shell(line) => json!(line),
        Body::Argv(argv) => json!(argv),
        Body::Script { text, args } => {
            let digest = ring::digest::digest(&ring::digest::SHA256, text);
            json!({
                "sha256": hex(digest.as_ref()),
                "size": text.len(),
                "args": args,
            })
        }
        Body::Control { job, action } => json!({ "job": job.to_string(), "action": action }),
        _ => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ok = write!(text, "{byte:02x}");
        text
    })
}

fn as_text<T: std::fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
