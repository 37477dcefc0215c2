//! What a discovery tells.

use std::net::SocketAddr;
use std::time::Duration;

use dtx_proto_types::discovery::Family;
use dtx_proto_types::id::InstanceId;
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::version::VersionRange;

/// One thing that a discovery has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An agent answered, or answered from another address than before.
    Heard(Heard),
    /// Nothing more will come.
    Finished(Finished),
}

/// What an agent's answer claims. Nothing of it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its node.
    pub node: NodeName,
    /// Where sessions can be opened: the answer's own address and the port that it names. For a
    /// link-local address with the scope of our interface.
    pub address: SocketAddr,
    /// The node key that it says it has.
    pub fingerprint: Fingerprint,
    /// Its life: one agent at two addresses has one, a cloned image has two.
    pub instance: InstanceId,
    /// The protocol versions that it speaks.
    pub versions: VersionRange,
    /// Our interface by which the answer came.
    pub interface: String,
}

/// How a discovery went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// How often was asked.
    pub rounds: u32,
    /// Answers that came faster than they could be read, and are lost.
    pub drops: u64,
    /// Answers that were not used: more new names than the limit, or from one address.
    pub ignored: u64,
    /// Where was asked; empty if no interface is fit.
    pub interfaces: Vec<InterfaceReport>,
    /// How long it took.
    pub took: Duration,
}

impl Finished {
    /// What the operator should know, if something is not as it should be.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .interfaces
            .iter()
            .filter_map(|report| {
                let problem = report.problem.as_ref()?;
                Some(format!("discovery on {}: {problem}", report.name))
            })
            .collect();
        if self.interfaces.is_empty() {
            warnings.push(
                "discovery: no network interface is up and able to multicast; \
                 name nodes instead: `-w NAME,ADDRESS`"
                    .to_owned(),
            );
        }
        if self.drops > 0 {
            warnings.push(format!(
                "discovery: {} answers were lost in this machine's receive buffer; \
                 raise it: `sysctl -w net.core.rmem_max=8388608`",
                self.drops
            ));
        }
        if self.ignored > 0 {
            warnings.push(format!(
                "discovery: {} answers were ignored: too many unknown names, or too many from one \
                 address; someone may be making them up",
                self.ignored
            ));
        }
        warnings
    }
}

/// One interface in one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceReport {
    /// The interface.
    pub name: String,
    /// The family.
    pub family: Family,
    /// Agents that were first heard here.
    pub heard: u32,
    /// Why it was of no use, if so.
    pub problem: Option<String>,
}
