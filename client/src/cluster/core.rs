//! What all users of a cluster share: the operator's word, the pins, the ways to the nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::signed::SecretKey;
use tokio::sync::Semaphore;

use super::finder::Finder;
use super::grants::Grants;
use super::route::{Line, Route};
use super::seen::Seen;
use super::trust::{Standing, Trust};
use super::{ClusterOptions, Found, NewNode, OpenError};
use crate::identity::Identity;
use crate::inventory::Cache;
use crate::pins::{NewPin, PinsError};
use crate::random;
use crate::session::{ConnectError, Opening, Session};
use crate::state::StateDir;

/// Sessions being opened at once: enough for every node of a window, and a bound for the rest.
const OPENINGS_MAX: usize = 512;

/// What all users of a cluster share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) options: ClusterOptions,
    pub(super) session_key: Arc<SecretKey>,
    pub(super) trust: Trust,
    pub(super) seen: Seen,
    pub(super) finder: Finder,
    opening: Opening,
    grants: Grants,
    routes: Mutex<BTreeMap<NodeName, Arc<Route>>>,
    /// What was typed and led to a known node, to be remembered.
    aliases: Mutex<BTreeMap<NodeName, NewPin>>,
    /// Nodes that proved a key which nobody has accepted yet, by what was selected.
    newcomers: Mutex<BTreeMap<NodeName, NewPin>>,
    openings: Semaphore,
}

impl Core {
    pub(super) async fn open(
        options: ClusterOptions,
        identity: Identity,
    ) -> Result<Self, OpenError> {
        let seed = random::bytes().map_err(|_| OpenError::Random)?;
        let session_key = Arc::new(SecretKey::from_seed(&seed));
        let dir = StateDir::new(options.state_dir.clone());
        let trust = Trust::load(&dir, &options.cluster).map_err(|error| OpenError::State {
            path: dir.path().to_owned(),
            text: error.to_string(),
        })?;
        let grants = Grants::open(
            Arc::new(identity),
            session_key.public(),
            options.cluster.clone(),
            options.grant_life,
        )
        .await?;
        Ok(Self {
            opening: Opening::new(&session_key, &options.cluster, options.connect_timeout),
            seen: Seen::new(Cache::load(&dir), &options.cluster),
            finder: Finder::default(),
            routes: Mutex::default(),
            aliases: Mutex::default(),
            newcomers: Mutex::default(),
            openings: Semaphore::new(OPENINGS_MAX),
            options,
            session_key,
            trust,
            grants,
        })
    }

    fn routes(&self) -> MutexGuard<'_, BTreeMap<NodeName, Arc<Route>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to a node, if one is known.
    pub(super) fn route(&self, label: &NodeName) -> Option<Arc<Route>> {
        self.routes().get(label).cloned()
    }

    /// All ways that are known.
    pub(super) fn all_routes(&self) -> Vec<Arc<Route>> {
        self.routes().values().cloned().collect()
    }

    /// Adds what was learned about the way to a node.
    pub(super) fn learn(
        &self,
        label: &NodeName,
        named: bool,
        found: Found,
        addresses: &[SocketAddr],
    ) -> Arc<Route> {
        let mut routes = self.routes();
        if let Some(route) = routes.get(label) {
            route.learn(found, addresses);
            return Arc::clone(route);
        }
        let route = Arc::new(Route::new(label.clone(), named, found, addresses.to_vec()));
        routes.insert(label.clone(), Arc::clone(&route));
        route
    }

    /// A session on this route: the one that is open, or a new one.
    pub(super) async fn session(&self, route: &Route) -> Result<Arc<Session>, ConnectError> {
        let mut line = route.line.lock().await;
        if let Some(session) = line.session() {
            return Ok(session);
        }
        match line.failure(&route.addresses()) {
            Some(error) => Err(error),
            None => self.open_line(route, &mut line).await,
        }
    }

    /// Opens a session in advance; if there is none, whoever asks next learns why. Whether there
    /// is one.
    pub(super) async fn warm_up(&self, route: &Route) -> bool {
        let mut line = route.line.lock().await;
        if line.session().is_some() {
            return true;
        }
        let tried = route.addresses();
        let opened = self.open_line(route, &mut line).await;
        opened.map_err(|error| line.fail(error, tried)).is_ok()
    }

    async fn open_line(
        &self,
        route: &Route,
        line: &mut Line,
    ) -> Result<Arc<Session>, ConnectError> {
        let grant = self.grants.live().await.map_err(ConnectError::Grant)?;
        let session = Arc::new(self.reach(route, &grant.grant).await?);
        line.keep(&session, grant.good_until);
        Ok(session)
    }

    /// A session in place of one that broke. A grant that ran out will do.
    pub(super) async fn session_anew(&self, route: &Route) -> Result<Arc<Session>, ConnectError> {
        let mut line = route.line.lock().await;
        // Another job of the same node may have been here first.
        if let Some(session) = line.session() {
            return Ok(session);
        }
        let grant = self.grants.newest().await;
        let session = Arc::new(self.reach(route, &grant.grant).await?);
        line.keep(&session, grant.good_until);
        Ok(session)
    }

    /// One connection over all addresses of a route, apart from the session that is kept.
    pub(super) async fn connect(
        &self,
        route: &Route,
        grant: &SignedGrant,
    ) -> Result<Session, ConnectError> {
        let _turn = self.openings.acquire().await;
        let expect = self.trust.expect(&route.label, route.named);
        Session::open(&self.opening, &route.addresses(), &expect, grant.clone())
            .await
            .map_err(|error| self.trust.explain(&route.label, error))
    }

    /// A connection for its own sake: how long it took is what matters.
    pub(super) async fn connect_once(&self, route: &Route) -> Result<Session, ConnectError> {
        let grant = self.grants.live().await.map_err(ConnectError::Grant)?;
        self.connect(route, &grant.grant).await
    }

    /// What the pins say about the node at the other end; what was typed for a known node is
    /// noted, to be pinned.
    pub(super) fn standing(
        &self,
        label: &NodeName,
        session: &Session,
    ) -> Result<Standing, ConnectError> {
        let standing = self.trust.standing(label, session)?;
        match &standing {
            Standing::Known => self.seen.note(session, &self.options.cluster),
            Standing::NewAlias(pin) => {
                self.seen.note(session, &self.options.cluster);
                self.aliases().insert(label.clone(), pin.clone());
            }
            Standing::New(_) => {}
        }
        Ok(standing)
    }

    fn aliases(&self) -> MutexGuard<'_, BTreeMap<NodeName, NewPin>> {
        self.aliases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes keys that were proved and that somebody may accept.
    pub(super) fn await_acceptance(&self, pins: BTreeMap<NodeName, NewPin>) {
        let mut newcomers = self
            .newcomers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        newcomers.extend(pins);
    }

    /// The keys behind nodes that were accepted: exactly those that were shown.
    pub(super) fn accepted(&self, new: &[NewNode]) -> Vec<NewPin> {
        let newcomers = self
            .newcomers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let shown = new.iter().filter_map(|new| {
            let pin = newcomers.get(&new.node)?;
            let same = pin.node == new.name && pin.key.fingerprint() == new.key;
            same.then(|| pin.clone())
        });
        shown.collect()
    }

    /// Pins what was typed for known nodes. Blocks.
    pub(super) fn pin_aliases(&self) -> Result<(), PinsError> {
        let aliases: Vec<NewPin> = std::mem::take(&mut *self.aliases()).into_values().collect();
        if aliases.is_empty() {
            return Ok(());
        }
        self.trust.pin(&aliases)
    }

    /// Writes what is worth remembering. What cannot be written is learned again. Blocks.
    pub(super) fn remember(&self) {
        let _learned_again = (self.pin_aliases(), self.seen.save());
    }

    /// Connects, and looks for the node elsewhere if it is not where it was.
    async fn reach(&self, route: &Route, grant: &SignedGrant) -> Result<Session, ConnectError> {
        self.finder.reach(self, route, grant).await
    }
}
