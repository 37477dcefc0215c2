//! The sockets from which is asked.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};

use dtx_proto_types::discovery::{
    ASK_PORT, Family, GROUP_V4, GROUP_V6, INTERFACES_MAX, Interface, PORT,
};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::event::InterfaceReport;
use super::interfaces;
use super::options::DiscoveryError;

/// Room for ten thousand answers that nobody has read yet.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// One of our addresses, from which neighbours are asked.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) socket: UdpSocket,
    pub(super) interface: Interface,
    pub(super) family: Family,
}

impl Asker {
    /// Sends a query to the group.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub(super) fn ask(&self, datagram: &[u8]) -> io::Result<()> {
        let group: SocketAddr = match self.family {
            Family::V4 => SocketAddrV4::new(GROUP_V4, PORT).into(),
            Family::V6 => SocketAddrV6::new(GROUP_V6, PORT, 0, self.interface.index).into(),
        };
        self.socket.send_to(datagram, group).map(drop)
    }
}

/// Opens a socket for each own address worth asking from: each IPv4 address (agents answer to
/// their own network only), and one of IPv6. What cannot be opened is reported and does not keep
/// the others from asking.
///
/// # Errors
///
/// If a named interface is not fit, or the interfaces cannot be read.
pub(super) fn open(named: &[String]) -> Result<(Vec<Asker>, Vec<InterfaceReport>), DiscoveryError> {
    let all = interfaces::read().map_err(io::Error::from)?;
    let mut fit: Vec<Interface> = all.into_iter().filter(|one| one.is_fit(named)).collect();
    if let Some(missing) = named
        .iter()
        .find(|name| !fit.iter().any(|one| one.name == **name))
    {
        return Err(DiscoveryError::Interface(missing.clone()));
    }
    fit.truncate(INTERFACES_MAX);
    let mut askers = Vec::new();
    let mut reports = Vec::new();
    for interface in fit {
        for family in [Family::V4, Family::V6] {
            let Some(opened) = open_family(&interface, family) else {
                continue;
            };
            let (opened, problem) = match opened {
                Ok(opened) => (opened, None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            reports.push(InterfaceReport {
                name: interface.name.clone(),
                family,
                heard: 0,
                problem,
            });
            askers.extend(opened.into_iter().map(|socket| Asker {
                socket,
                interface: interface.clone(),
                family,
            }));
        }
    }
    Ok((askers, reports))
}

/// Nothing if the interface has no address of this family.
fn open_family(interface: &Interface, family: Family) -> Option<io::Result<Vec<UdpSocket>>> {
    let own: Vec<IpAddr> = interface.of(family).map(|prefix| prefix.address).collect();
    let from = match family {
        Family::V4 => own,
        // The group is link-local, and every agent has a link-local address.
        Family::V6 => {
            let link_local = own.iter().find(|address| is_link_local(**address));
            link_local.or(own.first()).copied().into_iter().collect()
        }
    };
    if from.is_empty() {
        return None;
    }
    let open = |address: IpAddr| {
        open_socket(address, interface.index, ASK_PORT).or_else(|error| {
            // Another dtx asks right now.
            let taken = error.kind() == io::ErrorKind::AddrInUse;
            if taken {
                open_socket(address, interface.index, 0)
            } else {
                Err(error)
            }
        })
    };
    Some(from.into_iter().map(open).collect())
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn open_socket(address: IpAddr, index: u32, port: u16) -> io::Result<UdpSocket> {
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let own: SocketAddr = match address {
        IpAddr::V4(address) => {
            socket.set_multicast_if_v4(&address)?;
            socket.set_multicast_ttl_v4(1)?;
            SocketAddrV4::new(address, port).into()
        }
        IpAddr::V6(address) => {
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(index)?;
            socket.set_multicast_hops_v6(1)?;
            let scope = if address.is_unicast_link_local() {
                index
            } else {
                0
            };
            SocketAddrV6::new(address, port, 0, scope).into()
        }
    };
    // More than the system's maximum takes a capability; without, as much as it allows.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    socket.bind(&own.into())?;
    Ok(socket.into())
}
