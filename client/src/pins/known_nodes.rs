//! The store of known keys.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dtx_proto_types::key::{Ed25519Key, Fingerprint};
use dtx_proto_types::node::NodeName;

use super::changed::ChangedKey;
use super::error::PinsError;
use super::line::{Line, PinnedKey};
use super::text;
use crate::state::{Lock, StateDir, read, replace};

/// The system's file, which counts as well.
pub const SYSTEM_FILE: &str = "/etc/dtx/known_nodes";
/// The operator's file, in the state directory.
const OWN_FILE: &str = "known_nodes";

/// The known keys of all clusters.
#[derive(Debug)]
pub struct KnownNodes {
    dir: StateDir,
    system: PathBuf,
    /// By cluster and what is typed.
    pins: BTreeMap<(String, NodeName), Vec<Pin>>,
}

#[derive(Debug, Clone)]
struct Pin {
    node: NodeName,
    fingerprint: Fingerprint,
    is_own: bool,
    line: usize,
}

/// What is known of a key that a node proved to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is the pinned one.
    Match,
    /// The node's key is the pinned one; what was typed for it is new and may be pinned too.
    NewAlias,
    /// No key of this node is pinned.
    New,
    /// It is another one: refuse.
    Changed(Box<ChangedKey>),
}

/// A key to be pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPin {
    /// What the operator selected; the node's name itself, if it came from discovery.
    pub selected: NodeName,
    /// The name that the node proved.
    pub node: NodeName,
    /// The key that it proved.
    pub key: Ed25519Key,
}

/// What [`KnownNodes::forget`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Of these something was forgotten.
    pub nodes: BTreeSet<NodeName>,
    /// These are pinned in the system's file, which `dtx` does not write: path and line.
    pub kept: Vec<(NodeName, PathBuf, usize)>,
}

impl KnownNodes {
    /// Reads the operator's file and the system's ([`SYSTEM_FILE`], unless a test says otherwise).
    /// Files that do not exist are empty.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or a line that makes no sense.
    pub fn load(dir: &StateDir, system: &Path) -> Result<Self, PinsError> {
        let mut known = Self {
            dir: dir.clone(),
            system: system.to_owned(),
            pins: BTreeMap::new(),
        };
        let own = known.own_path();
        known.take(text::parse(&read(&own)?, &own)?, true);
        known.take(text::parse(&read(system)?, system)?, false);
        Ok(known)
    }

    fn own_path(&self) -> PathBuf {
        self.dir.file(OWN_FILE)
    }

    fn take(&mut self, lines: Vec<(usize, Line)>, is_own: bool) {
        for (number, line) in lines {
            let pin = Pin {
                fingerprint: line.key.fingerprint(),
                node: line.node,
                is_own,
                line: number,
            };
            let key = (line.cluster, line.typed);
            self.pins.entry(key).or_default().push(pin);
        }
    }

    fn pins_of(&self, cluster: &str, typed: &NodeName) -> &[Pin] {
        let key = (cluster.to_owned(), typed.clone());
        self.pins.get(&key).map_or(&[], Vec::as_slice)
    }

    fn pins_in<'a>(&'a self, cluster: &'a str) -> impl Iterator<Item = (&'a NodeName, &'a Pin)> {
        self.pins
            .iter()
            .filter(move |((of, _), _)| of == cluster)
            .flat_map(|((_, typed), pins)| pins.iter().map(move |pin| (typed, pin)))
    }

    /// The pinned nodes of a cluster, each with its keys.
    #[must_use]
    pub fn nodes(&self, cluster: &str) -> BTreeMap<NodeName, BTreeSet<Fingerprint>> {
        let mut nodes: BTreeMap<NodeName, BTreeSet<Fingerprint>> = BTreeMap::new();
        for (typed, pin) in self.pins_in(cluster) {
            if *typed == pin.node {
                nodes
                    .entry(pin.node.clone())
                    .or_default()
                    .insert(pin.fingerprint);
            }
        }
        nodes
    }

    /// Whether no node of this cluster is pinned yet: what answers first is believed.
    #[must_use]
    pub fn is_first_use(&self, cluster: &str) -> bool {
        self.pins_in(cluster).next().is_none()
    }

    /// The node that was meant when this was typed before, if it was.
    #[must_use]
    pub fn alias(&self, cluster: &str, typed: &NodeName) -> Option<&NodeName> {
        self.pins_of(cluster, typed).first().map(|pin| &pin.node)
    }

    /// What is known of the key that `node` proved to have, where the operator selected
    /// `selected`: that name, or an address or alias that led to it. Where the operator selected a
    /// node by its own name, the caller has refused any other name before it asks here.
    #[must_use]
    pub fn check(
        &self,
        cluster: &str,
        selected: &NodeName,
        (node, presented): (&NodeName, Fingerprint),
    ) -> Check {
        let changed = |pin: &Pin| {
            Check::Changed(Box::new(ChangedKey {
                selected: selected.clone(),
                expected: pin.node.clone(),
                pinned: pin.fingerprint,
                node: node.clone(),
                presented,
                path: if pin.is_own {
                    self.own_path()
                } else {
                    self.system.clone()
                },
                line: pin.line,
                is_own_file: pin.is_own,
            }))
        };
        let holds = |pin: &Pin| pin.node == *node && pin.fingerprint == presented;
        let look = |typed| {
            let pins = self.pins_of(cluster, typed);
            let wrong = pins.first().filter(|_| !pins.iter().any(holds));
            (!pins.is_empty(), wrong)
        };
        let ((selected_known, selected_wrong), (node_known, node_wrong)) =
            (look(selected), look(node));
        if let Some(pin) = selected_wrong.or(node_wrong) {
            return changed(pin);
        }
        match (selected_known, node_known) {
            (true, _) => Check::Match,
            (false, true) => Check::NewAlias,
            (false, false) => Check::New,
        }
    }

    /// Pins keys in the operator's file, together with what was selected to reach them. What is
    /// pinned already is left alone. Blocks: it waits for a lock and for the disk.
    ///
    /// # Errors
    ///
    /// A file that cannot be written, or another key that is pinned for one of the nodes: then
    /// nothing is.
    pub fn pin(&mut self, cluster: &str, new: &[NewPin]) -> Result<(), PinsError> {
        if cluster.is_empty() || cluster.starts_with('#') || cluster.contains(char::is_whitespace) {
            return Err(PinsError::Cluster(cluster.to_owned()));
        }
        let _lock = Lock::take(&self.dir, OWN_FILE)?;
        // Another dtx may have pinned something since.
        let current = Self::load(&self.dir, &self.system)?;
        let mut lines: Vec<Line> = Vec::new();
        for pin in new {
            let presented = pin.key.fingerprint();
            let names = [&pin.node, &pin.selected];
            let wanted = match current.check(cluster, &pin.selected, (&pin.node, presented)) {
                Check::Match => continue,
                Check::Changed(changed) => return Err(changed.into()),
                Check::NewAlias => &names[1..],
                Check::New => &names[..],
            };
            for typed in wanted {
                let line = Line {
                    cluster: cluster.to_owned(),
                    typed: (*typed).clone(),
                    node: pin.node.clone(),
                    key: PinnedKey::Key(pin.key),
                };
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        let path = self.own_path();
        if !lines.is_empty() {
            replace(&path, &text::append(&read(&path)?, &lines))?;
        }
        *self = Self::load(&self.dir, &self.system)?;
        Ok(())
    }

    /// Forgets what the operator's file pins for these: nodes, or what was typed for them. Blocks
    /// as [`KnownNodes::pin`] does.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written.
    pub fn forget(
        &mut self,
        cluster: &str,
        nodes: &BTreeSet<NodeName>,
    ) -> Result<Forgotten, PinsError> {
        let _lock = Lock::take(&self.dir, OWN_FILE)?;
        let current = Self::load(&self.dir, &self.system)?;
        let mut forgotten = Forgotten::default();
        let mut numbers = BTreeSet::new();
        for (typed, pin) in current.pins_in(cluster) {
            let Some(named) = [typed, &pin.node]
                .into_iter()
                .find(|name| nodes.contains(*name))
            else {
                continue;
            };
            if pin.is_own {
                numbers.insert(pin.line);
                forgotten.nodes.insert(named.clone());
            } else {
                let kept = (named.clone(), self.system.clone(), pin.line);
                forgotten.kept.push(kept);
            }
        }
        let path = self.own_path();
        if !numbers.is_empty() {
            replace(&path, &text::without(&read(&path)?, &numbers))?;
        }
        *self = Self::load(&self.dir, &self.system)?;
        Ok(forgotten)
    }
}
