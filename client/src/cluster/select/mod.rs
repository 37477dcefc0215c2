//! Finding the nodes that are meant, and opening sessions to them meanwhile.

mod all;
mod named;
mod newcomers;

pub(super) use newcomers::accept;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use dtx_proto_types::node::NodeName;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::core::Core;
use super::route::Route;
use super::{SelectError, Selection, Targets};

/// One selection under way.
pub(super) struct Search<'a> {
    pub(super) core: &'a Arc<Core>,
    /// Owns the tasks that open sessions in advance.
    pub(super) tasks: &'a Mutex<JoinSet<()>>,
    pub(super) excluded: BTreeSet<&'a NodeName>,
    /// Whether the operator named the nodes.
    typed: bool,
    /// Sessions begun so far.
    begun: usize,
    /// Hears of sessions that are open.
    opened: Option<mpsc::Sender<NodeName>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        core: &'a Arc<Core>,
        tasks: &'a Mutex<JoinSet<()>>,
        excluded: &'a [NodeName],
    ) -> Self {
        Self {
            core,
            tasks,
            excluded: excluded.iter().collect(),
            typed: false,
            begun: 0,
            opened: None,
        }
    }

    pub(super) async fn run(mut self, targets: &Targets) -> Result<Selection, SelectError> {
        let mut selection = match targets {
            Targets::All => self.all().await?,
            Targets::Nodes(nodes) => self.named(nodes).await?,
        };
        selection.notices.extend(self.core.seen.warning());
        if selection.nodes.is_empty() && selection.new.is_empty() {
            return Err(SelectError::Empty(self.why_empty(targets)));
        }
        Ok(selection)
    }

    fn why_empty(&self, targets: &Targets) -> String {
        match targets {
            Targets::All => {
                let cluster = &self.core.options.cluster;
                format!(
                    "no agent of the cluster {cluster:?} answered, and none was seen within a day"
                )
            }
            Targets::Nodes(_) => "every node is excluded".to_owned(),
        }
    }

    /// Opens a session in advance, while there are sessions to be had.
    pub(super) fn warm_up(&mut self, route: &Arc<Route>) {
        self.begun += 1;
        if self.begun > self.core.options.sessions_max {
            return;
        }
        let (core, route) = (Arc::clone(self.core), Arc::clone(route));
        let opened = self.opened.clone();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            if core.warm_up(&route).await
                && let Some(opened) = opened
            {
                // Whoever counts them has room for all that count.
                let _enough = opened.try_send(route.label.clone());
            }
        });
    }
}
