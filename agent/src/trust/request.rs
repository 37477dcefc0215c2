//! From a signed job to what the policy is asked.

use dtx_policy::{Action, Decision, Facts, Operator, Request};
use dtx_proto_types::job::{Body, JobSpec};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::{Refusal, RefusalCode};

use super::config::TrustConfig;
use super::job::{Placed, final_body};
use super::refuse::refusal;
use super::session::Session;
use super::sources::Standing;

/// The owner of a job that somebody wants to control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOwner {
    /// The key of the operator who started it.
    pub fingerprint: Fingerprint,
    /// The user as whom it runs.
    pub user: String,
}

/// What came out.
pub(super) enum Answer {
    /// What the policy says.
    Policy(Decision),
    /// Control of the operator's own job: the policy is not asked.
    OwnJob,
}

/// Everything that is about this request and no other.
pub(super) struct Asked<'a> {
    pub(super) session: &'a Session,
    pub(super) operator: &'a Operator,
    pub(super) spec: &'a JobSpec,
    pub(super) owner: Option<&'a JobOwner>,
}

/// Substitutes, then asks the policy about the result.
pub(super) fn ask(
    asked: &Asked<'_>,
    standing: &Standing,
    config: &TrustConfig,
    facts: &Facts<'_>,
) -> Result<(Placed, Answer), Refusal> {
    let spec = asked.spec;
    let rank = config.rank(spec)?;
    let body = final_body(spec, &config.node, rank)
        .map_err(|error| refusal(RefusalCode::Invalid, error.to_string()))?;
    let answer = match (&body, asked.owner) {
        (Body::Control { .. }, Some(owner)) if owner.fingerprint == asked.session.fingerprint() => {
            Answer::OwnJob
        }
        (body, owner) => {
            let (action, user) = action(body, owner, spec)?;
            let request = Request {
                operator: asked.operator,
                action,
                user,
                env: &spec.env,
                cwd: spec.cwd.as_deref(),
                shell: spec.shell.as_deref(),
                stdin: !spec.stdin.is_none(),
                detach: false,
                timeout: spec.limits.timeout(),
                output: spec.limits.output_bytes,
                grant_life: asked.session.grant_life(),
            };
            Answer::Policy(standing.policy.decide(&request, &config.as_node(), facts))
        }
    };
    let node = config.node.clone();
    Ok((Placed { node, rank, body }, answer))
}

/// What is asked for, and as whom: for control, the user of the job in question, whatever the
/// request says.
fn action<'a>(
    body: &'a Body,
    owner: Option<&'a JobOwner>,
    spec: &'a JobSpec,
) -> Result<(Action<'a>, &'a str), Refusal> {
    let user = spec.run_as.as_str();
    match body {
        Body::Shell(line) => Ok((Action::Shell(line), user)),
        Body::Argv(argv) => Ok((Action::Exec(argv), user)),
        Body::Script { text, args } => {
            let sha256 = sha256(text);
            Ok((Action::Script { sha256, args }, user))
        }
        Body::Control { action, .. } => {
            let user = owner.map_or(user, |owner| &owner.user);
            Ok((Action::Control(*action), user))
        }
        _ => {
            let text = "the job asks for something that this agent does not know";
            Err(refusal(RefusalCode::Invalid, text))
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}
