//! The interfaces by which the agent is reachable, and a socket for each.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use dtx_proto_types::discovery::{Family, INTERFACES_MAX, Interface};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::answerer::Answer;
use super::{interfaces, socket};

/// One interface in one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId {
    pub(super) index: u32,
    pub(super) family: Family,
}

#[derive(Debug)]
struct Link {
    interface: Interface,
    socket: UdpSocket,
}

/// All links. One that cannot be opened does not keep others from working.
#[derive(Debug)]
pub(super) struct Links {
    named: Vec<String>,
    open: BTreeMap<LinkId, Link>,
    /// What failed before, so that it is said once.
    failed: BTreeSet<LinkId>,
}

impl Links {
    pub(super) const fn new(named: Vec<String>) -> Self {
        Self {
            named,
            open: BTreeMap::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Opens what has become fit, closes what no longer is, and leaves the rest as it is: a group
    /// once joined is not left.
    pub(super) fn refresh(&mut self) {
        let interfaces = match interfaces::read() {
            Ok(interfaces) => interfaces,
            Err(error) => {
                log::warn!("discovery: the network interfaces cannot be read: {error}");
                return;
            }
        };
        let fit: Vec<Interface> = interfaces
            .into_iter()
            .filter(|interface| interface.is_fit(&self.named))
            .take(INTERFACES_MAX)
            .collect();
        let wanted: BTreeMap<LinkId, &Interface> = fit.iter().flat_map(families_of).collect();
        self.open.retain(|id, link| {
            let stays = wanted
                .get(id)
                .is_some_and(|now| now.name == link.interface.name);
            if !stays {
                log::info!(
                    "discovery: no longer on {} ({:?})",
                    link.interface.name,
                    id.family
                );
            }
            stays
        });
        self.failed.retain(|id| wanted.contains_key(id));
        for (id, interface) in wanted {
            if let Some(link) = self.open.get_mut(&id) {
                link.interface = interface.clone();
            } else {
                self.join(id, interface);
            }
        }
    }

    fn join(&mut self, id: LinkId, interface: &Interface) {
        match socket::join(id.family, id.index) {
            Ok(socket) => {
                log::info!(
                    "discovery: answering on {} ({:?})",
                    interface.name,
                    id.family
                );
                self.failed.remove(&id);
                let interface = interface.clone();
                self.open.insert(id, Link { interface, socket });
            }
            Err(error) => {
                if self.failed.insert(id) {
                    let (name, family) = (&interface.name, id.family);
                    log::warn!("discovery: cannot answer on {name} ({family:?}): {error}");
                }
            }
        }
    }

    /// Whether something is not as it should be, so that another try is due.
    pub(super) fn is_lame(&self) -> bool {
        !self.failed.is_empty()
    }

    /// The interface of an open link.
    pub(super) fn interface(&self, id: LinkId) -> Option<&Interface> {
        self.open.get(&id).map(|link| &link.interface)
    }

    /// The open links.
    pub(super) fn all(&self) -> impl Iterator<Item = (LinkId, &Interface)> {
        self.open.iter().map(|(id, link)| (*id, &link.interface))
    }

    /// The next datagram on any link.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> (LinkId, usize, SocketAddr) {
        std::future::poll_fn(|context| self.poll_receive(context, buffer)).await
    }

    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<(LinkId, usize, SocketAddr)> {
        for (id, link) in &self.open {
            let mut into = ReadBuf::new(buffer);
            match link.socket.poll_recv_from(context, &mut into) {
                Poll::Ready(Ok(source)) => return Poll::Ready((*id, into.filled().len(), source)),
                // An error of an earlier answer (port unreachable) is reported here and is over.
                Poll::Ready(Err(_)) => context.waker().wake_by_ref(),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// Sends an answer by the link that its query came by, if that is still there.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub(super) fn send(&self, answer: &Answer<LinkId>) -> io::Result<()> {
        let Some(link) = self.open.get(&answer.link) else {
            return Ok(());
        };
        let ends = (answer.from, answer.to);
        socket::send(&link.socket, answer.link.index, ends, &answer.bytes)
    }
}

fn families_of(interface: &Interface) -> impl Iterator<Item = (LinkId, &Interface)> {
    [Family::V4, Family::V6]
        .into_iter()
        .filter(|family| interface.of(*family).next().is_some())
        .map(move |family| {
            let index = interface.index;
            (LinkId { index, family }, interface)
        })
}
