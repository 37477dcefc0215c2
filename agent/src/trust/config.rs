//! What an agent is told about whom to trust, and about itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dtx_policy::Node;
use dtx_proto_types::job::JobSpec;
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::node::NodeName;

use super::refuse::refusal;

/// What an agent is told about whom to trust, and about itself.
#[derive(Debug, Clone)]
pub struct TrustConfig {
    /// The operators files.
    pub operators: Vec<PathBuf>,
    /// The policy file.
    pub policy: PathBuf,
    /// Whether the policy file was named: then it has to be there.
    pub explicit_policy: bool,
    /// The node's own name.
    pub node: NodeName,
    /// Its cluster.
    pub cluster: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The name of the user that the agent runs as.
    pub agent_user: String,
    /// Whether that is root.
    pub agent_is_root: bool,
    /// Longest life of a grant where no rule says otherwise.
    pub max_grant: Duration,
}

impl TrustConfig {
    /// The node, as policy sees it.
    pub(super) fn as_node(&self) -> Node<'_> {
        Node {
            name: &self.node,
            labels: &self.labels,
            agent_user: &self.agent_user,
            max_grant: self.max_grant,
        }
    }

    /// Refuses what is meant for another cluster.
    pub(super) fn check_cluster(&self, named: &str) -> Result<(), Refusal> {
        if named == self.cluster {
            return Ok(());
        }
        let named: String = named.chars().take(64).collect();
        let text = format!(
            "{} belongs to the cluster {:?}, not to {named:?}; use --cluster {}",
            self.node, self.cluster, self.cluster
        );
        Err(refusal(RefusalCode::WrongTarget, text))
    }

    /// This node's rank, if the job is meant for it.
    pub(super) fn rank(&self, spec: &JobSpec) -> Result<u32, Refusal> {
        spec.rank_of(&self.node).ok_or_else(|| {
            let text = format!("the job is not meant for {}", self.node);
            refusal(RefusalCode::WrongTarget, text)
        })
    }
}
