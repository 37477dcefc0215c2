//! The environment variables that dtx reads, and no others.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The variables that matter, as they were at the start. An empty one counts as absent.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

const NAMES: [&str; 9] = [
    "DTX_NODES",
    "DTX_CONFIG",
    "DTX_IDENTITY",
    "DTX_CLUSTER",
    "DTX_STATE_DIR",
    "WCOLL",
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
];

impl Environment {
    /// This process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            NAMES
                .into_iter()
                .filter_map(|name| Some((name, std::env::var(name).ok()?)))
                .collect(),
        )
    }

    /// Any environment.
    pub fn new(variables: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
        )
    }

    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable's value as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The user's own configuration directory.
    #[must_use]
    pub fn config_dir(&self) -> Option<PathBuf> {
        self.under("XDG_CONFIG_HOME", ".config")
    }

    /// Where the user's programs keep their state.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        self.under("XDG_STATE_HOME", ".local/state")
    }

    fn under(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let base = self
            .path(variable)
            // A relative one is to be ignored, says the XDG specification.
            .filter(|path| path.is_absolute())
            .or_else(|| Some(self.path("HOME")?.join(below_home)))?;
        Some(base.join("dtx"))
    }

    /// The path with a leading `~/` replaced by the home directory.
    #[must_use]
    pub fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.path("HOME")) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        }
    }
}
