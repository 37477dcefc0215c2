//! The handle on a cluster.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::ServerHello;
use dtx_proto_types::node::NodeName;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::core::Core;
use super::launch;
use super::route::Route;
use super::select::{Search, accept};
use super::{
    ClusterOptions, Found, JobTemplate, OpenError, RunError, SelectError, Selected, Selection,
    Targets,
};
use crate::fanout::{Run, RunOptions};
use crate::identity::Identity;

/// A cluster and the sessions that are open to its nodes. Clones share them; they end with the
/// last one.
#[derive(Debug, Clone)]
pub struct Cluster {
    core: Arc<Core>,
    /// Opens sessions in advance.
    tasks: Arc<Mutex<JoinSet<()>>>,
}

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
    pub key: Fingerprint,
    /// Where it was reached.
    pub address: SocketAddr,
    /// From the first packet to its hello.
    pub elapsed: Duration,
}

impl Cluster {
    /// Opens a cluster for an operator: signs a grant and reads what is known of the nodes.
    ///
    /// # Errors
    ///
    /// If the key cannot sign, or the state directory cannot be read.
    pub async fn open(options: ClusterOptions, identity: Identity) -> Result<Self, OpenError> {
        Ok(Self {
            core: Arc::new(Core::open(options, identity).await?),
            tasks: Arc::default(),
        })
    }

    /// Finds the nodes that are meant, less the `excluded` ones, and opens sessions to them
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// If there is nothing to run on, or a typed name has no address.
    pub async fn select(
        &self,
        targets: &Targets,
        excluded: &[NodeName],
    ) -> Result<Selection, SelectError> {
        Search::new(&self.core, &self.tasks, excluded)
            .run(targets)
            .await
    }

    /// Pins the new nodes of a selection and makes them part of it.
    ///
    /// # Errors
    ///
    /// If the pins cannot be written.
    pub async fn accept_new(&self, selection: &mut Selection) -> Result<(), SelectError> {
        accept(&self.core, selection).await
    }

    /// Runs a job on the nodes of a selection.
    ///
    /// # Errors
    ///
    /// If the job cannot be sent to any node; afterwards, whatever happens is an outcome.
    #[expect(
        clippy::unused_async,
        reason = "a job that must be read or asked about before it runs will wait here"
    )]
    pub async fn run(
        &self,
        selection: &Selection,
        job: JobTemplate,
        options: RunOptions,
    ) -> Result<Run, RunError> {
        launch::run(&self.core, selection, job, options)
    }

    /// Opens a session of its own to every node of a selection and says how that went, in their
    /// order.
    pub async fn ping(&self, selection: &Selection) -> Vec<Pong> {
        let mut pings = JoinSet::new();
        for (index, selected) in selection.nodes.iter().enumerate() {
            let (core, selected) = (Arc::clone(&self.core), selected.clone());
            pings.spawn(async move { (index, ping(&core, selected).await) });
        }
        let mut answers: Vec<Option<Pong>> = vec![None; selection.nodes.len()];
        while let Some(ended) = pings.join_next().await {
            if let Ok((index, pong)) = ended {
                answers[index] = Some(pong);
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// Ends all sessions in an orderly way and writes what is worth remembering.
    pub async fn close(self) {
        let mut begun = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        begun.shutdown().await;
        let mut closing = JoinSet::new();
        for route in self.core.all_routes() {
            closing.spawn(async move {
                let session = route.line.lock().await.take();
                if let Some(session) = session {
                    session.close().await;
                }
            });
        }
        let core = Arc::clone(&self.core);
        let _interrupted = tokio::task::spawn_blocking(move || core.remember()).await;
        while closing.join_next().await.is_some() {}
    }
}

async fn ping(core: &Core, selected: Selected) -> Pong {
    let began = Instant::now();
    Pong {
        answer: ask(core, &selected, began).await.map(Box::new),
        node: selected.node,
    }
}

async fn ask(core: &Core, selected: &Selected, began: Instant) -> Result<Alive, String> {
    if let Some(reason) = &selected.unusable {
        return Err(reason.clone());
    }
    let route = route(core, selected);
    let session = core
        .connect_once(&route)
        .await
        .map_err(|error| error.to_string())?;
    let elapsed = began.elapsed();
    core.standing(&route.label, &session)
        .map_err(|error| error.to_string())?;
    let alive = Alive {
        hello: session.hello().clone(),
        key: session.key().fingerprint(),
        address: session.address(),
        elapsed,
    };
    session.close().await;
    Ok(alive)
}

/// The way to a node of a selection; one that was made by hand is believed as it is.
pub(super) fn route(core: &Core, selected: &Selected) -> Arc<Route> {
    core.route(&selected.node).unwrap_or_else(|| {
        let named = !matches!(selected.found, Found::Address | Found::Dns);
        core.learn(&selected.node, named, selected.found, &selected.addresses)
    })
}
