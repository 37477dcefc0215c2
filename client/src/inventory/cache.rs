//! The addresses of earlier runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use dtx_proto_types::node::NodeName;
use nix::net::if_::{if_indextoname, if_nametoindex};

use super::record::{Record, Stored};
use crate::state::{Lock, StateDir, StateError, read, replace};

const FILE: &str = "nodes.jsonl";
/// Nodes kept, of all clusters; those seen last.
const NODES_MAX: usize = 16_384;
/// A file beyond this is not ours any more.
const FILE_MAX: usize = 16 * 1024 * 1024;
/// What has not been seen for so long is forgotten.
const KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// Where nodes were seen: hints that make a run start at once. Losing it costs a moment and
/// nothing else, so a damaged file is no error.
#[derive(Debug)]
pub struct Cache {
    dir: StateDir,
    records: BTreeMap<(String, NodeName), Record>,
    warning: Option<String>,
}

impl Cache {
    /// Reads the cache in this directory, as far as it can be read.
    #[must_use]
    pub fn load(dir: &StateDir) -> Self {
        let mut cache = Self {
            dir: dir.clone(),
            records: BTreeMap::new(),
            warning: None,
        };
        let path = cache.path();
        match read(&path) {
            Ok(bytes) if bytes.len() > FILE_MAX => {
                cache.warning = Some(format!(
                    "the cache of addresses {} is too large and was not used",
                    path.display()
                ));
            }
            Ok(bytes) => cache.parse(&bytes),
            Err(error) => {
                cache.warning = Some(format!("the cache of addresses was not used: {error}"));
            }
        }
        cache
    }

    fn path(&self) -> PathBuf {
        self.dir.file(FILE)
    }

    fn parse(&mut self, bytes: &[u8]) {
        let number_of = |name: &str| if_nametoindex(name).ok();
        let mut damaged = 0;
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let stored: Option<Stored> = serde_json::from_slice(line).ok();
            match stored.and_then(|stored| stored.restore(number_of)) {
                Some(record) => self.take(record),
                None => damaged += 1,
            }
        }
        if damaged > 0 {
            self.warning = Some(format!(
                "{damaged} damaged lines of the cache of addresses {} were dropped",
                self.path().display()
            ));
        }
    }

    fn take(&mut self, record: Record) {
        let key = (record.cluster.clone(), record.node.clone());
        let record = match self.records.remove(&key) {
            Some(known) => known.merge(record),
            None => record,
        };
        self.records.insert(key, record);
    }

    /// What the operator should know about the file, if something is wrong with it.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// What is known of a node.
    #[must_use]
    pub fn get(&self, cluster: &str, node: &NodeName) -> Option<&Record> {
        self.records.get(&(cluster.to_owned(), node.clone()))
    }

    /// What is known of a cluster, by name.
    pub fn of<'a>(&'a self, cluster: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records
            .values()
            .filter(move |record| record.cluster == cluster)
    }

    /// Adds where nodes were seen, and saves. Only for what a session proved, or what a pinned
    /// key was announced for: anything else may be made up. Blocks: it waits for a lock and for
    /// the disk.
    ///
    /// # Errors
    ///
    /// A file that cannot be written; the next run is a little slower.
    pub fn record(&mut self, seen: Vec<Record>, now_ms: u64) -> Result<(), StateError> {
        self.change(now_ms, |cache| {
            seen.into_iter().for_each(|record| cache.take(record));
        })
    }

    /// Forgets nodes, and saves; as [`Cache::record`] does.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn forget(
        &mut self,
        cluster: &str,
        nodes: &BTreeSet<NodeName>,
        now_ms: u64,
    ) -> Result<(), StateError> {
        self.change(now_ms, |cache| {
            cache
                .records
                .retain(|(of, node), _| of != cluster || !nodes.contains(node));
        })
    }

    fn change(&mut self, now_ms: u64, change: impl FnOnce(&mut Self)) -> Result<(), StateError> {
        let _lock = Lock::take(&self.dir, FILE)?;
        // Another dtx may have seen something since.
        let mut current = Self::load(&self.dir);
        change(&mut current);
        current.prune(now_ms);
        let mut text = Vec::new();
        for record in current.records.values() {
            let stored = Stored::new(record, |number| {
                if_indextoname(number).ok()?.into_string().ok()
            });
            // Names, numbers and texts always have a JSON form.
            if let Ok(line) = serde_json::to_vec(&stored) {
                text.extend_from_slice(&line);
                text.push(b'\n');
            }
        }
        replace(&current.path(), &text)?;
        self.records = current.records;
        Ok(())
    }

    /// Forgets what is old, and the oldest of what is too much. What comes from the future (a
    /// clock was wrong) counts as old.
    fn prune(&mut self, now_ms: u64) {
        self.records
            .retain(|_, record| now_ms.abs_diff(record.seen_ms) < KEPT_MS);
        let surplus = self.records.len().saturating_sub(NODES_MAX);
        if surplus > 0 {
            let mut ages: Vec<(u64, (String, NodeName))> = self
                .records
                .iter()
                .map(|(key, record)| (record.seen_ms, key.clone()))
                .collect();
            ages.sort();
            for (_, key) in ages.into_iter().take(surplus) {
                self.records.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dtx_proto_types::key::Fingerprint;
    use tempfile::TempDir;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn seen(cluster: &str, n: u32, seen_ms: u64) -> Record {
        Record {
            cluster: cluster.to_owned(),
            node: format!("n{n}").parse().unwrap(),
            fingerprint: Fingerprint::from_bytes([1; 32]),
            addresses: vec!["10.0.0.1:15943".parse().unwrap()],
            seen_ms,
        }
    }

    #[test]
    fn what_is_recorded_is_there_next_time() {
        let dir = TempDir::new().unwrap();
        let state = StateDir::new(dir.path().join("deep/dtx"));
        let mut cache = Cache::load(&state);
        assert_eq!((cache.of("c").count(), cache.warning()), (0, None));
        cache
            .record(vec![seen("c", 1, NOW), seen("d", 1, NOW)], NOW)
            .unwrap();
        // One that another dtx writes meanwhile is not lost.
        Cache::load(&state)
            .record(vec![seen("c", 2, NOW)], NOW)
            .unwrap();
        cache.record(vec![seen("c", 3, NOW)], NOW).unwrap();
        let node = |n: u32| format!("n{n}").parse::<NodeName>().unwrap();
        for cache in [&cache, &Cache::load(&state)] {
            assert_eq!(cache.of("c").count(), 3);
            assert_eq!(cache.get("d", &node(1)), Some(&seen("d", 1, NOW)));
        }
        cache.forget("c", &[node(1), node(9)].into(), NOW).unwrap();
        let left: Vec<NodeName> = cache.of("c").map(|record| record.node.clone()).collect();
        assert_eq!(left, [node(2), node(3)]);
        assert_eq!(Cache::load(&state).of("d").count(), 1);
    }

    #[test]
    fn damage_is_dropped_with_a_warning() {
        let dir = TempDir::new().unwrap();
        let state = StateDir::new(dir.path());
        Cache::load(&state)
            .record(vec![seen("c", 1, NOW)], NOW)
            .unwrap();
        let path = state.file(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        for damage in ["{", "[]", "\u{0}\u{0}", r#"{"cluster":"c","node":"-"}"#] {
            bytes.extend_from_slice(damage.as_bytes());
            bytes.push(b'\n');
        }
        std::fs::write(&path, &bytes).unwrap();
        let mut cache = Cache::load(&state);
        assert_eq!(cache.of("c").count(), 1);
        assert!(cache.warning().unwrap().starts_with("4 damaged lines"));
        cache.record(vec![], NOW).unwrap();
        assert_eq!(Cache::load(&state).warning(), None);
        std::fs::write(&path, vec![b'\n'; FILE_MAX + 1]).unwrap();
        assert!(Cache::load(&state).warning().unwrap().contains("too large"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let mut cache = Cache::load(&state);
        assert!(cache.warning().unwrap().contains("cannot read"));
        assert!(cache.record(vec![], NOW).is_err());
    }

    #[test]
    fn old_and_surplus_records_go() {
        let dir = TempDir::new().unwrap();
        let mut cache = Cache::load(&StateDir::new(dir.path()));
        let surplus = u32::try_from(NODES_MAX).unwrap() + 10;
        let mut all: Vec<Record> = (0..surplus)
            .map(|n| seen("c", n, NOW + u64::from(n)))
            .collect();
        all.push(seen("old", 1, NOW - KEPT_MS));
        all.push(seen("future", 1, NOW + KEPT_MS));
        cache.record(all, NOW).unwrap();
        assert_eq!(cache.of("c").count(), NODES_MAX);
        let node = |n: u32| format!("n{n}").parse::<NodeName>().unwrap();
        assert!(cache.get("c", &node(9)).is_none() && cache.get("c", &node(10)).is_some());
        assert_eq!(cache.of("old").count() + cache.of("future").count(), 0);
    }
}
