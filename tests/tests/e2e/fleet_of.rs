//! A lab with an agent on every host.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use dtx_tests::dice::Dice;
use dtx_tests::lab::{Agent, Lab};

use crate::turn::Turn;

/// A lab, and its agents in the order of its hosts.
#[derive(Debug)]
pub(crate) struct Fleet {
    // Dropped before the hosts that they run on.
    pub(crate) agents: Vec<Agent>,
    pub(crate) lab: Lab,
    // Others may run once all of it is gone.
    _turn: Turn,
}

impl Fleet {
    /// So many hosts with an agent each, as a package would start it.
    pub(crate) fn of(hosts: usize) -> Option<Self> {
        Self::configured(hosts, "")
    }

    /// The same, with this `agent.toml`.
    pub(crate) fn configured(hosts: usize, config: &str) -> Option<Self> {
        Self::begin(Turn::of(hosts), hosts, config)
    }

    /// As [`Fleet::of`], for a test that loads the machine and has it for itself.
    pub(crate) fn alone(hosts: usize) -> Option<Self> {
        Self::begin(Turn::alone(), hosts, "")
    }

    fn begin(turn: Turn, hosts: usize, config: &str) -> Option<Self> {
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
        Some(Self {
            agents,
            lab,
            _turn: turn,
        })
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
