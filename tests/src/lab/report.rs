//! The JSON document of a run, as a program reads it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::process::Finished;

/// A run's document. Reading it checks what holds for every run: the sums are right, the nodes
/// sorted.
#[derive(Debug, Clone)]
pub struct Report {
    /// Each node's part.
    pub nodes: BTreeMap<String, NodeRow>,
    /// The document itself.
    pub document: Value,
    /// How `dtx` ended.
    pub finished: Finished,
}

/// One node's part.
#[derive(Debug, Clone)]
pub struct NodeRow {
    /// Its outcome.
    pub outcome: String,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// The name of the signal that ended it.
    pub signal: Option<String>,
    /// What it wrote, where that is UTF-8.
    pub stdout: String,
    /// What it wrote to standard error, where that is UTF-8.
    pub stderr: String,
    /// Why.
    pub reason: String,
    /// The row itself.
    pub row: Value,
}

impl Report {
    /// Reads a document.
    ///
    /// # Panics
    ///
    /// If it is not one, or if it contradicts itself.
    #[must_use]
    #[track_caller]
    pub fn read(finished: Finished) -> Self {
        let document: Value = serde_json::from_slice(&finished.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {finished}"));
        assert_eq!(document["schema"], "dtx.run/1", "{finished}");
        let rows = document["nodes"].as_array().expect("nodes");
        let mut nodes = BTreeMap::new();
        for row in rows {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let one = NodeRow {
                outcome: text("outcome"),
                exit_code: row["exit_code"].as_i64(),
                signal: row["signal"].as_str().map(ToOwned::to_owned),
                stdout: text("stdout"),
                stderr: text("stderr"),
                reason: text("reason"),
                row: row.clone(),
            };
            let twice = nodes.insert(text("node"), one);
            assert!(twice.is_none(), "a node appears twice: {finished}");
        }
        let report = Self {
            nodes,
            document,
            finished,
        };
        report.check_sums();
        report
    }

    #[track_caller]
    fn check_sums(&self) {
        const OUTCOMES: [&str; 10] = [
            "ok",
            "failed",
            "killed",
            "timeout",
            "denied",
            "refused",
            "unreachable",
            "lost",
            "cancelled",
            "skipped",
        ];
        let summary = &self.document["summary"];
        for outcome in OUTCOMES {
            assert_eq!(
                summary[outcome].as_u64(),
                Some(self.count(outcome) as u64),
                "{outcome}: {}",
                self.finished
            );
        }
        let total = Some(self.nodes.len() as u64);
        assert_eq!(summary["nodes"].as_u64(), total, "{}", self.finished);
        let known: usize = OUTCOMES.iter().map(|outcome| self.count(outcome)).sum();
        assert_eq!(known, self.nodes.len(), "{}", self.finished);
    }

    /// Nodes with this outcome.
    #[must_use]
    pub fn count(&self, outcome: &str) -> usize {
        self.nodes
            .values()
            .filter(|node| node.outcome == outcome)
            .count()
    }

    /// One node's part.
    ///
    /// # Panics
    ///
    /// If it has none.
    #[must_use]
    #[track_caller]
    pub fn node(&self, name: &str) -> &NodeRow {
        self.nodes
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in {}", self.finished))
    }

    /// Checks that a node ended this way, and returns its part.
    #[track_caller]
    pub fn expect(&self, name: &str, outcome: &str) -> &NodeRow {
        let node = self.node(name);
        assert_eq!(node.outcome, outcome, "{name}: {}", self.finished);
        node
    }

    /// Checks that so many nodes took part and all ended this way.
    #[track_caller]
    pub fn expect_all(&self, nodes: usize, outcome: &str) -> &Self {
        assert_eq!(self.nodes.len(), nodes, "{}", self.finished);
        assert_eq!(self.count(outcome), nodes, "{outcome}: {}", self.finished);
        self
    }
}
