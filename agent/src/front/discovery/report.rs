//! Sending membership reports, where the agent may.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use dtx_proto_types::discovery::{Family, GROUP_V4, GROUP_V6, Interface};
use socket2::{Domain, Protocol, Socket, Type};

use super::links::LinkId;
use super::membership;
use super::socket::send_v4;

const IGMP: i32 = 2;
/// A raw socket whose packets bring their own header.
const RAW: i32 = 255;

/// Raw sockets, opened at the start while that is allowed.
#[derive(Debug)]
pub(super) struct Reporter {
    v4: Option<Socket>,
    v6: Option<Socket>,
}

impl Reporter {
    /// Opens what can be opened; without, the kernel's answers to a querier have to do.
    pub(super) fn open() -> Self {
        let or_none = |family, socket: io::Result<Socket>| {
            socket
                .inspect_err(|error| {
                    log::debug!("discovery: no membership reports in {family:?}: {error}");
                })
                .ok()
        };
        Self {
            v4: or_none(Family::V4, open_v4()),
            v6: or_none(Family::V6, open_v6()),
        }
    }

    /// Says on one link that a member is here.
    pub(super) fn report(&self, id: LinkId, interface: &Interface) {
        let sent = match id.family {
            Family::V4 => self.report_v4(id.index, interface),
            Family::V6 => self.report_v6(id.index, interface),
        };
        if let Err(error) = sent {
            let (name, family) = (&interface.name, id.family);
            log::debug!("discovery: no membership report on {name} ({family:?}): {error}");
        }
    }

    fn report_v4(&self, index: u32, interface: &Interface) -> io::Result<()> {
        let (Some(socket), Some(from)) = (&self.v4, first_v4(interface)) else {
            return Ok(());
        };
        let to = SocketAddrV4::new(GROUP_V4, 0);
        let packet = membership::igmp_report();
        send_v4(socket.as_raw_fd(), index, (from, to), &packet)
    }

    fn report_v6(&self, index: u32, interface: &Interface) -> io::Result<()> {
        // Reports come from the link-local address, or switches ignore them.
        let link_local = interface
            .of(Family::V6)
            .find_map(|prefix| match prefix.address {
                IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
                _ => None,
            });
        let (Some(socket), Some(from)) = (&self.v6, link_local) else {
            return Ok(());
        };
        let to = SocketAddrV6::new(GROUP_V6, 0, 0, index);
        socket.send_to(&membership::mld_report(from), &to.into())?;
        Ok(())
    }
}

fn first_v4(interface: &Interface) -> Option<Ipv4Addr> {
    interface
        .of(Family::V4)
        .find_map(|prefix| match prefix.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
}

fn open_v4() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IGMP)))?;
    socket.set_nonblocking(true)?;
    socket.set_header_included_v4(true)?;
    // This machine's own kernel would take the report for another member's and rest.
    socket.set_multicast_loop_v4(false)?;
    Ok(socket)
}

fn open_v6() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(RAW)))?;
    socket.set_nonblocking(true)?;
    socket.set_header_included_v6(true)?;
    socket.set_multicast_loop_v6(false)?;
    Ok(socket)
}
