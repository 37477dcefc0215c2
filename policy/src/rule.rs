//! The rules, as they were understood: no text is interpreted after this.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dtx_proto_types::node::NodeSet;

use crate::argv::ArgvPattern;
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::principal::{Operator, Principal};
use crate::user::UserName;

/// One `[[rule]]`.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) who: Who,
    pub(crate) on: Option<On>,
    pub(crate) run: Run,
    pub(crate) users: Users,
    pub(crate) env: Names,
    pub(crate) limits: Limits,
    pub(crate) max_grant: Option<Duration>,
}

/// Whom a rule is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    /// `file:*`: every key of the operators file.
    pub(crate) every_file_key: bool,
    pub(crate) principals: BTreeSet<Principal>,
}

impl Who {
    pub(crate) fn includes(&self, operator: &Operator) -> bool {
        // Every `Operator` there is comes out of the operators file.
        self.every_file_key || self.principals.iter().any(|one| operator.is(one))
    }
}

/// On which nodes a rule holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct On {
    /// Any of these sets.
    pub(crate) names: Option<Vec<NodeSet>>,
    /// All of these labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// What a rule lets run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    pub(crate) shell: Grant<Pattern>,
    pub(crate) exec: Grant<ArgvPattern>,
    /// SHA-256 digests.
    pub(crate) script: Grant<[u8; 32]>,
    pub(crate) cwd: Grant<String>,
    pub(crate) control: bool,
    pub(crate) stdin: bool,
    pub(crate) detach: bool,
}

/// What of one kind is granted. Empty means none.
#[derive(Debug, Clone)]
pub(crate) enum Grant<T> {
    Any,
    Only(Vec<T>),
}

impl<T> Default for Grant<T> {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl<T> Grant<T> {
    pub(crate) const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

/// As whom a rule lets run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users {
    /// `*`.
    pub(crate) any: bool,
    /// `{agent-user}`.
    pub(crate) agent_user: bool,
    pub(crate) names: BTreeSet<UserName>,
}

impl Users {
    pub(crate) fn includes(&self, user: &UserName, agent_user: &str) -> bool {
        self.any || self.names.contains(user) || (self.agent_user && user.as_str() == agent_user)
    }
}

/// Which variables a request may set.
#[derive(Debug, Clone)]
pub(crate) enum Names {
    Any,
    Only(BTreeSet<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}
