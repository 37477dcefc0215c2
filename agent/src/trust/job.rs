//! The only thing that can be started.

use std::time::Duration;

use dtx_policy::{Allowed, Limits, Place, Shell, SubstitutionTooLong, substitute};
use dtx_proto_types::job::{Body, JobSpec, Stdin};
use dtx_proto_types::node::NodeName;

/// What [`AuthorizedJob::rule`] says for control of one's own job, which needs no rule. No rule
/// can have this id.
pub const OWN_JOB: &str = "(own job)";

/// A job that this node's policy allows, as it is to run: verified, meant for this node, under a
/// live grant, fresh, and allowed by a rule. Only [`super::Trust::authorize`] makes one.
#[derive(Debug)]
pub struct AuthorizedJob {
    spec: JobSpec,
    node: NodeName,
    rank: u32,
    body: Body,
    user: String,
    rule: String,
    shell: Shell,
    limits: Limits,
}

/// Where a job runs and what it is after substitution.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) node: NodeName,
    pub(super) rank: u32,
    pub(super) body: Body,
}

impl AuthorizedJob {
    pub(super) fn new(spec: JobSpec, placed: Placed, allowed: Allowed) -> Self {
        Self {
            spec,
            node: placed.node,
            rank: placed.rank,
            body: placed.body,
            user: allowed.user.as_str().to_owned(),
            rule: allowed.rule,
            shell: allowed.shell,
            limits: allowed.limits,
        }
    }

    /// Control of a job by the operator who started it.
    pub(super) fn own_control(spec: JobSpec, placed: Placed) -> Self {
        Self {
            node: placed.node,
            rank: placed.rank,
            body: placed.body,
            user: spec.run_as.clone(),
            rule: OWN_JOB.to_owned(),
            shell: Shell::BinSh,
            limits: Limits::default(),
            spec,
        }
    }

    /// What was signed. For what is to run see [`AuthorizedJob::body`], [`AuthorizedJob::user`]
    /// and the limits, which substitution and policy have settled.
    #[must_use]
    pub const fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// This node's name (`DTX_NODE`).
    #[must_use]
    pub const fn node(&self) -> &NodeName {
        &self.node
    }

    /// This node's rank in the run (`DTX_RANK`).
    #[must_use]
    pub const fn rank(&self) -> u32 {
        self.rank
    }

    /// What is to be done, after substitution.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The user to run as: a name, never a number.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The rule that allows it, or [`OWN_JOB`].
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// What runs a shell line; of no meaning for other bodies.
    #[must_use]
    pub const fn shell(&self) -> &Shell {
        &self.shell
    }

    /// The process tree is ended after this time: as requested, else as the rule says.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.limits.timeout
    }

    /// Bytes of each output stream that are sent: as requested, else as the rule says.
    #[must_use]
    pub const fn output_bytes(&self) -> Option<u64> {
        self.limits.output
    }

    /// Bytes of address space of each process (`RLIMIT_AS`), from the rule.
    #[must_use]
    pub const fn memory(&self) -> Option<u64> {
        self.limits.memory
    }

    /// Processes of the user (`RLIMIT_NPROC`), from the rule; never for root, whose processes the
    /// kernel does not count.
    #[must_use]
    pub const fn procs(&self) -> Option<u64> {
        self.limits.procs
    }

    /// Jobs at once under the rule, for information: it has been applied.
    #[must_use]
    pub const fn concurrent(&self) -> Option<u32> {
        self.limits.concurrent
    }

    /// What the command reads.
    #[must_use]
    pub const fn stdin(&self) -> Stdin {
        self.spec.stdin
    }
}

/// Substitutes in what the operator wrote, where he asked for it: the line, or the arguments. A
/// script's text stays what was signed.
pub(super) fn final_body(
    spec: &JobSpec,
    node: &NodeName,
    rank: u32,
) -> Result<Body, SubstitutionTooLong> {
    if !spec.subst {
        return Ok(spec.body.clone());
    }
    let place = Place {
        node: node.as_str(),
        rank,
        user: &spec.run_as,
    };
    let words = |words: &[String]| -> Result<Vec<String>, SubstitutionTooLong> {
        let mut length = 0_usize;
        let mut result = Vec::with_capacity(words.len());
        for word in words {
            let word = substitute(word, place)?;
            length += word.len();
            // Many small words can grow as much as one large one.
            if length > dtx_proto_types::limits::JOB_MAX {
                return Err(SubstitutionTooLong);
            }
            result.push(word);
        }
        Ok(result)
    };
    Ok(match &spec.body {
        Body::Shell(line) => Body::Shell(substitute(line, place)?),
        Body::Argv(argv) => Body::Argv(words(argv)?),
        Body::Script { text, args } => Body::Script {
            text: text.clone(),
            args: words(args)?,
        },
        other => other.clone(),
    })
}
