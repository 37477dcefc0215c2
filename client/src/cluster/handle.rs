//! The handle on a cluster.

use std::time::Duration;

use dtx_proto_types::message::ServerHello;
use dtx_proto_types::node::NodeName;

use super::{ClusterOptions, JobTemplate, OpenError, RunError, SelectError, Selection, Targets};
use crate::fanout::{Run, RunOptions};
use crate::identity::Identity;

/// A cluster and the sessions that are open to its nodes.
#[derive(Debug, Clone)]
pub struct Cluster {}

/// How a node answered a ping.
#[derive(Debug, Clone)]
pub struct Pong {
    /// As it was selected.
    pub node: NodeName,
    /// Its answer, or why there is none.
    pub answer: Result<Box<Alive>, String>,
}

/// A node that answered.
#[derive(Debug, Clone)]
pub struct Alive {
    /// What it says about itself.
    pub hello: ServerHello,
    /// Its key.
    pub key: dtx_proto_types::key::Fingerprint,
    /// Where it was reached.
    pub address: std::net::SocketAddr,
    /// From the first packet to its hello.
    pub elapsed: Duration,
}

impl Cluster {
    /// Opens a cluster for an operator: signs a grant and reads what is known of the nodes.
    ///
    /// # Errors
    ///
    /// If the key cannot sign, or the state directory cannot be read.
    pub async fn open(_options: ClusterOptions, _identity: Identity) -> Result<Self, OpenError> {
        unimplemented!()
    }

    /// Finds the nodes that are meant, less the `excluded` ones, and opens sessions to them
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// If there is nothing to run on, or a typed name has no address.
    pub async fn select(
        &self,
        _targets: &Targets,
        _excluded: &[NodeName],
    ) -> Result<Selection, SelectError> {
        unimplemented!()
    }

    /// Pins the new nodes of a selection and makes them part of it.
    ///
    /// # Errors
    ///
    /// If the pins cannot be written.
    pub async fn accept_new(&self, _selection: &mut Selection) -> Result<(), SelectError> {
        unimplemented!()
    }

    /// Runs a job on the nodes of a selection.
    ///
    /// # Errors
    ///
    /// If the job cannot be sent to any node; afterwards, whatever happens is an outcome.
    pub async fn run(
        &self,
        _selection: &Selection,
        _job: JobTemplate,
        _options: RunOptions,
    ) -> Result<Run, RunError> {
        unimplemented!()
    }

    /// Opens a session to every node of a selection and says how that went, in their order.
    pub async fn ping(&self, _selection: &Selection) -> Vec<Pong> {
        unimplemented!()
    }

    /// Ends all sessions in an orderly way.
    pub async fn close(self) {
        unimplemented!()
    }
}
