//! Looking for a node that is not where it was.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dtx_proto_types::grant::SignedGrant;
use tokio::time::{Instant, sleep};

use super::Found;
use super::core::Core;
use super::route::Route;
use crate::discovery::{Discovery, Event, Options};
use crate::session::{ConnectError, Session};

/// A node that is where it was has answered by now, however busy it is.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// Discovery has nothing new to say this soon after the last one.
const PAUSE: Duration = Duration::from_secs(5);

/// One search at a time, for all who miss a node.
#[derive(Debug, Default)]
pub(super) struct Finder {
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Option<Instant>>,
}

impl Finder {
    /// Connects on a route; if that fails in a way that suggests that the node has moved, or
    /// takes long, looks for it by discovery meanwhile.
    pub(super) async fn reach(
        &self,
        core: &Core,
        route: &Route,
        grant: &SignedGrant,
    ) -> Result<Session, ConnectError> {
        let mut direct = std::pin::pin!(core.connect(route, grant));
        let error = tokio::select! {
            connected = &mut direct => match connected {
                Err(error) if error.is_elsewhere() => error,
                other => return other,
            },
            () = sleep(LOST_AFTER) => tokio::select! {
                connected = &mut direct => return connected,
                found = self.search(core, route) => {
                    if found {
                        return core.connect(route, grant).await;
                    }
                    return direct.await;
                }
            },
        };
        if self.search(core, route).await {
            return core.connect(route, grant).await;
        }
        Err(error)
    }

    /// Whether the node was heard of at an address that was not known.
    async fn search(&self, core: &Core, route: &Route) -> bool {
        let known = route.addresses();
        let _turn = self.turn.lock().await;
        let is_new = |route: &Route| route.addresses().iter().any(|a| !known.contains(a));
        let recent = self.last().is_some_and(|last| last.elapsed() < PAUSE);
        if is_new(route) || recent || !core.options.discovery {
            return is_new(route);
        }
        self.mark();
        let Some(node) = core.trust.name_of(&route.label) else {
            return false;
        };
        let keys = core.trust.keys();
        let options = Options {
            interfaces: core.options.interfaces.clone(),
            expected: BTreeSet::from([node.clone()]),
            population: keys.len(),
            ..Options::new(core.options.cluster.clone())
        };
        let Ok(mut discovery) = Discovery::start(options) else {
            return false;
        };
        while let Some(Event::Heard(heard)) = discovery.next().await {
            let pinned = keys.get(&heard.node);
            if !pinned.is_some_and(|keys| keys.contains(&heard.fingerprint)) {
                continue;
            }
            if heard.node == node {
                route.learn(Found::Discovery, &[heard.address]);
                if is_new(route) {
                    return true;
                }
            } else if let Some(other) = core.route(&heard.node) {
                other.learn(Found::Discovery, &[heard.address]);
            }
        }
        is_new(route)
    }

    /// When discovery was asked last.
    pub(super) fn last(&self) -> Option<Instant> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discovery is being asked now.
    pub(super) fn mark(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}
