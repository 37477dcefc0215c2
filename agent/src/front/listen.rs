//! Accepts TCP connections, as many as there is room for.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use nix::libc;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::budget::ACCEPT_PAUSE;
use super::descriptors::Descriptors;
use super::door::Door;
use super::handshake;
use super::networks::Networks;
use super::state::State;

const TOO_MANY: &str = "too many connections wait to be authenticated";

/// Accepts connections on one socket until the agent drains.
pub(super) async fn run(
    state: Rc<State>,
    listener: TcpListener,
    mut networks: Networks,
    descriptors: Descriptors,
) {
    let draining = state.draining.clone();
    let accept = async {
        loop {
            if !descriptors.leave_room(&state) {
                // Who knocks waits in the kernel's queue; the jobs' pipes come first.
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
            match listener.accept().await {
                Ok((tcp, peer)) => admit(&state, tcp, peer, &mut networks),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    log::warn!("no connections are accepted for a moment: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = draining.cancelled() => {}
        () = accept => {}
    }
}

fn admit(state: &Rc<State>, tcp: TcpStream, peer: SocketAddr, networks: &mut Networks) {
    let source = peer.ip().to_canonical();
    if !networks.allow(source, Instant::now()) {
        state.complain(peer, &"its address is not in `accept_from`");
        return;
    }
    let connection = state.next_connection();
    let Some(entry) = Door::enter(state, connection, source) else {
        state.complain(peer, &TOO_MANY);
        return;
    };
    if let Err(error) = tcp.set_nodelay(true) {
        log::debug!("connection from {peer}: {error}");
        return;
    }
    let state_of_task = Rc::clone(state);
    let task = state.connections.spawn_local(async move {
        match entry.place().await {
            Some(place) => handshake::serve(state_of_task, tcp, peer, place).await,
            None => state_of_task.complain(peer, &TOO_MANY),
        }
    });
    state.door.watch(connection, task.abort_handle());
}

/// Whether an error of `accept` concerns a connection that is gone again, and not this socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::EPROTO
                | libc::EPERM
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::EINTR
        )
    )
}
