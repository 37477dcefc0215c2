//! What the policy says.

use std::collections::BTreeSet;
use std::fmt;

use crate::argv::PathQuestion;
use crate::limits::Limits;
use crate::user::UserName;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may run, like this.
    Allow(Allowed),
    /// It may not.
    Deny(Denial),
    /// It depends on these paths: have the node look at them, then decide again with all answers.
    NeedsPaths(BTreeSet<PathQuestion>),
}

/// What may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The smallest id among the rules that allow it.
    pub rule: String,
    /// As whom.
    pub user: UserName,
    /// The bounds in force: what was asked for, and where nothing was, the widest of the rules
    /// that allow it. `concurrent` is for information; it has been applied.
    pub limits: Limits,
    /// What runs a line; of no meaning for anything else.
    pub shell: Shell,
}

/// What runs a shell line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shell {
    /// The login shell of the user, where one of the rules that allow it takes any line.
    Login,
    /// `/bin/sh`, where only patterns allow the line.
    BinSh,
    /// This one, as the request asked.
    Path(String),
}

/// Why something may not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// A few words, for a log line.
    pub short: String,
    /// All that the operator may know: for each rule that is for him, what it lacks.
    pub text: String,
}

/// What each rule says about a request, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Why no rule is even asked: the operator is revoked, or the request makes no sense.
    pub refused: Option<String>,
    /// The rules.
    pub rules: Vec<RuleReport>,
}

/// What one rule says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReport {
    /// Which rule.
    pub id: String,
    /// Whether the rule is for this operator.
    pub is_for_operator: bool,
    /// What it lacks to allow the request; nothing means that it allows it.
    pub lacks: Vec<Lack>,
    /// The paths that it depends on.
    pub questions: BTreeSet<PathQuestion>,
}

impl RuleReport {
    /// Whether the rule allows the request as far as the policy can tell.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.lacks.is_empty() && self.questions.is_empty()
    }
}

/// One thing that a rule lacks to allow a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The key of the rule: `who`, `on`, `run.shell`, `as`, …
    pub key: &'static str,
    /// What is wrong, in words.
    pub why: String,
}

impl Lack {
    pub(crate) fn new(key: &'static str, why: impl Into<String>) -> Self {
        Self {
            key,
            why: why.into(),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}
