//! A lab with an agent on every host.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

use dtx_tests::lab::{Agent, Lab};

/// A lab, and its agents in the order of its hosts.
#[derive(Debug)]
pub(crate) struct Fleet {
    // Dropped before the hosts that they run on.
    pub(crate) agents: Vec<Agent>,
    pub(crate) lab: Lab,
}

impl Fleet {
    /// So many hosts with an agent each, as a package would start it.
    pub(crate) fn of(hosts: usize) -> Option<Self> {
        Self::configured(hosts, "")
    }

    /// The same, with this `agent.toml`.
    pub(crate) fn configured(hosts: usize, config: &str) -> Option<Self> {
        let lab = Lab::new(hosts)?;
        for host in lab.hosts() {
            host.write("/etc/dtx/agent.toml", config);
        }
        let agents: Vec<Agent> = lab
            .hosts()
            .iter()
            .map(|host| host.agent_unready(&[]))
            .collect();
        for agent in &agents {
            agent.wait_until_listening();
        }
        Some(Self { agents, lab })
    }

    /// Lets the operator meet every node, as first use does, so that all are pinned.
    #[track_caller]
    pub(crate) fn meet(&self) {
        let report = self.operator().json(&["--all", "-e", "true"]);
        report.expect_all(self.hosts().len(), "ok");
    }

    /// How often a job that begins with [`START`] has started on a host.
    pub(crate) fn starts(&self, host: usize) -> usize {
        self.lab.host(host).read("/tmp/starts").lines().count()
    }
}

/// A shell line's beginning that leaves one line in a file for each start.
pub(crate) const START: &str = "echo started >> /tmp/starts";

impl Deref for Fleet {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl DerefMut for Fleet {
    fn deref_mut(&mut self) -> &mut Lab {
        &mut self.lab
    }
}

/// Seconds to sleep that no other test sleeps, so that the sleepers can be found.
pub(crate) fn unique_sleep() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("1000.{}{number:03}", std::process::id())
}

/// Numbers that look random and are the same each time, so that a failure can be repeated.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Bytes, all of them possible.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.below(u64::MAX).to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}
