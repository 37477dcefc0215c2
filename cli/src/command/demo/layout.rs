//! Where everything of a demo lies: one directory, made by the keeper and removed by it.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The paths of one demo.
#[derive(Debug, Clone)]
pub(super) struct Layout(PathBuf);

/// What holds for every agent of a demo. There is nothing to wait for when it is stopped.
const AGENT_SETTINGS: &str = "stop_timeout = \"1s\"\n";

/// What the built-in policy allows, for an agent that may run as root.
const POLICY: &str = r#"version = 1

[[rule]]
id = "demo"
who = ["file:*"]
run = { shell = "any", exec = "any", script = "any", control = true, stdin = true, cwd = "any" }
env = "any"
as = ["{agent-user}"]
"#;

impl Layout {
    /// The layout below a directory.
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// The directory itself.
    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    /// The operator's key, made on the spot.
    pub(super) fn key(&self) -> PathBuf {
        self.0.join("operator")
    }

    /// The operators file of all agents.
    pub(super) fn operators(&self) -> PathBuf {
        self.0.join("operators")
    }

    /// The configuration file of all agents.
    pub(super) fn agent_settings(&self) -> PathBuf {
        self.0.join("agent.toml")
    }

    /// The policy of all agents.
    pub(super) fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// What an agent keeps.
    pub(super) fn agent_state(&self, node: &str) -> PathBuf {
        self.0.join(node)
    }

    /// What an agent said.
    pub(super) fn agent_log(&self, node: &str) -> PathBuf {
        self.0.join(format!("{node}.log"))
    }

    /// What dtx keeps: pinned keys and addresses.
    pub(super) fn client_state(&self) -> PathBuf {
        self.0.join("dtx")
    }

    /// The configuration for dtx in another shell.
    pub(super) fn client_settings(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// The file that the first job writes.
    pub(super) fn hello(&self) -> PathBuf {
        self.0.join("hello.txt")
    }

    /// Makes the directory, for its owner only. Whatever lies there already is not ours.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&self.0)
    }

    /// Writes what agents and clients read.
    pub(super) fn write(&self, public_line: &str, cluster: &str) -> io::Result<()> {
        fs::write(self.operators(), format!("{public_line}\n"))?;
        fs::write(self.agent_settings(), AGENT_SETTINGS)?;
        fs::write(self.policy(), POLICY)?;
        let text = |path: PathBuf| toml::Value::String(path.display().to_string());
        fs::write(
            self.client_settings(),
            format!(
                "cluster = \"{cluster}\"\nidentity = {}\nstate_dir = {}\nnew_nodes = \"accept\"\n",
                text(self.key()),
                text(self.client_state())
            ),
        )
    }
}

/// The names of a demo's nodes: `n1`, or `n01` where there are ten or more.
pub(super) fn node_names(count: u16) -> Vec<String> {
    let width = count.to_string().len();
    (1..=count)
        .map(|number| format!("n{number:0width$}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_one() {
        let policy = dtx_policy::Policy::parse(POLICY).unwrap();
        assert_eq!(policy.rule_ids().collect::<Vec<_>>(), ["demo"]);
    }

    #[test]
    fn names_fold_well() {
        assert_eq!(node_names(3), ["n1", "n2", "n3"]);
        assert_eq!(node_names(10)[0], "n01");
    }
}
