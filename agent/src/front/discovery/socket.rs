//! The sockets by which queries come and answers leave.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use dtx_proto_types::discovery::{Family, GROUP_V4, GROUP_V6, PORT};
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Joins the group on one interface, and hears it by that interface only. Bound to the group, so
/// that nothing addressed to the node itself gets in; shared, so that several agents on one
/// machine all hear.
///
/// # Errors
///
/// What the kernel says.
pub(super) fn join(family: Family, index: u32) -> io::Result<UdpSocket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Not SO_REUSEPORT: it would keep agents of other users away.
    socket.set_reuse_address(true)?;
    let address: SockAddr = match family {
        Family::V4 => {
            socket.set_multicast_all_v4(false)?;
            socket.set_ttl_v4(1)?;
            SocketAddrV4::new(GROUP_V4, PORT).into()
        }
        Family::V6 => {
            socket.set_only_v6(true)?;
            socket.set_multicast_all_v6(false)?;
            socket.set_unicast_hops_v6(1)?;
            // A link-local group is bound to its interface.
            SocketAddrV6::new(GROUP_V6, PORT, 0, index).into()
        }
    };
    socket.bind(&address)?;
    match family {
        Family::V4 => {
            let interface = InterfaceIndexOrAddress::Index(index);
            socket.join_multicast_v4_n(&GROUP_V4, &interface)?;
        }
        Family::V6 => socket.join_multicast_v6(&GROUP_V6, index)?,
    }
    UdpSocket::from_std(socket.into())
}

/// Sends an answer by interface `index`, from the address that faces the asker. An answer that
/// cannot leave at once is dropped: the asker asks again.
///
/// # Errors
///
/// What the kernel says.
pub(super) fn send(
    socket: &UdpSocket,
    index: u32,
    (from, to): (IpAddr, SocketAddr),
    bytes: &[u8],
) -> io::Result<()> {
    let (IpAddr::V4(from), SocketAddr::V4(to)) = (from, to) else {
        // The socket is bound to the interface; the kernel picks the address for the scope.
        return socket.try_send_to(bytes, to).map(drop);
    };
    socket.try_io(Interest::WRITABLE, || {
        send_v4(socket.as_raw_fd(), index, (from, to), bytes)
    })
}

/// Sends by an interface and with a source address of our choice, whatever the routes say.
pub(super) fn send_v4(
    socket: std::os::fd::RawFd,
    index: u32,
    (from, to): (Ipv4Addr, SocketAddrV4),
    bytes: &[u8],
) -> io::Result<()> {
    let info = libc::in_pktinfo {
        ipi_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from(from).to_be(),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    let address = SockaddrIn::from(to);
    let flags = MsgFlags::MSG_DONTWAIT;
    sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &control,
        flags,
        Some(&address),
    )?;
    Ok(())
}
