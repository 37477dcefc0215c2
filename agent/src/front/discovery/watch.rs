//! Learning of changed interfaces and addresses without asking again and again.

use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use tokio::net::UdpSocket;

/// The kernel's announcements about links and addresses. What they say is not read: that there is
/// one is reason enough to look.
#[derive(Debug)]
pub(super) struct Watch(UdpSocket);

impl Watch {
    /// Starts listening.
    ///
    /// # Errors
    ///
    /// What the kernel says; then one has to look from time to time.
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let groups = u32::try_from(groups).map_err(io::Error::other)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        // A datagram socket like any other, as far as waiting and receiving go.
        UdpSocket::from_std(socket.into()).map(Self)
    }

    /// Waits until something changed, and takes all that has been announced.
    ///
    /// # Errors
    ///
    /// If the socket can no longer be read.
    pub(super) async fn changed(&self) -> io::Result<()> {
        let mut heard = false;
        while !heard {
            self.0.readable().await?;
            loop {
                match self.0.try_recv(&mut [0; 4096]) {
                    Ok(_) => heard = true,
                    // Too many at once: some were lost, which says as much as having them.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => heard = true,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
