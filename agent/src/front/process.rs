//! The front's life as a process: from its setup to its stop.

use std::net::TcpListener as StdTcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::rc::Rc;

use dtx_proto_types::signed::SecretKey;
use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::budget::STOP_PATIENCE;
use super::descriptors::{Descriptors, raise_limit};
use super::dispatch::{Nonsense, dispatch};
use super::executor_link::{Link, Messages};
use super::networks::Networks;
use super::state::State;
use super::{discovery, listen, tls};
use crate::ipc::{ChannelError, Setup, ToExecutor, ToFront};

/// Why the front cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrontError {
    /// The executor is gone or breaks the rules.
    #[error("the link to the executor broke: {0}")]
    Link(#[from] ChannelError),
    /// The executor says what makes no sense.
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
    /// The node key cannot be used.
    #[error("the node key cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The system refuses something that is needed.
    #[error("the front cannot start: {0}")]
    Io(#[from] std::io::Error),
}

/// The front process: serves sessions for the executor at the other end of `socket`.
pub fn main(socket: UnixStream) -> ExitCode {
    // A Ctrl-C or a stop goes to the executor, which knows what to end first and says so here.
    let signals: SigSet = [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ]
    .into_iter()
    .collect();
    if let Err(error) = signals.thread_block() {
        log::warn!("signals cannot be left to the executor: {error}");
    }
    raise_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let served = runtime.map_err(FrontError::from).and_then(|runtime| {
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, serve(socket))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the executor says stop or is gone. Must run on a [`LocalSet`].
pub(crate) async fn serve(socket: UnixStream) -> Result<(), FrontError> {
    let link = Link::new(socket)?;
    let (setup, descriptors, rest) = receive_setup(&link).await?;
    let level = setup.log_level.parse().unwrap_or(log::LevelFilter::Info);
    crate::log::install(level, setup.log_json, "front");
    let tls = tls::server_config(&setup.node_key_seed)?;
    let state = State::new(setup, tls, link);
    start(&state, descriptors)?;
    state.link.send(&ToExecutor::Ready);
    for (message, descriptors) in rest {
        dispatch(&state, message, descriptors)?;
    }
    while !state.stopping.is_cancelled() {
        follow(&state).await?;
    }
    state.draining.cancel();
    state.connections.close();
    // The executor goes on talking to those who are still served.
    let following = async {
        loop {
            follow(&state).await?;
        }
    };
    tokio::select! {
        result = following => result,
        _ = timeout(STOP_PATIENCE, state.connections.wait()) => Ok(()),
    }
}

/// Acts on the executor's next messages.
async fn follow(state: &Rc<State>) -> Result<(), FrontError> {
    for (message, descriptors) in state.link.receive().await? {
        dispatch(state, message, descriptors)?;
    }
    Ok(())
}

/// Waits for the first message, which may bring others along.
async fn receive_setup(link: &Link) -> Result<(Setup, Vec<OwnedFd>, Messages), FrontError> {
    let mut messages = link.receive().await?;
    match messages.remove(0) {
        (ToFront::Setup(setup), descriptors) => Ok((*setup, descriptors, messages)),
        _ => Err(Nonsense::NO_SETUP.into()),
    }
}

fn start(state: &Rc<State>, listeners: Vec<OwnedFd>) -> std::io::Result<()> {
    let descriptors = Descriptors::count();
    if listeners.len() != state.setup.listen.len() {
        return Err(std::io::Error::from_raw_os_error(libc::EMFILE));
    }
    for listener in listeners {
        let listener = StdTcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let setup = &state.setup;
        let networks = Networks::new(setup.accept_from.clone(), setup.accept_on_link);
        let accepting = listen::run(Rc::clone(state), listener, networks, descriptors);
        drop(state.helpers.spawn_local(accepting));
    }
    if state.setup.discovery {
        drop(state.helpers.spawn_local(announce(state)));
    }
    Ok(())
}

/// Answers those who look for agents, until no new sessions are wanted.
fn announce(state: &State) -> impl Future<Output = ()> + 'static {
    let setup = &state.setup;
    let settings = discovery::Settings {
        interfaces: setup.interfaces.clone(),
    };
    let announcement = discovery::Announcement {
        node: setup.node.clone(),
        cluster: setup.cluster.clone(),
        listen: setup.listen.clone(),
        fingerprint: SecretKey::from_seed(&setup.node_key_seed)
            .public()
            .fingerprint(),
    };
    discovery::serve(settings, announcement, state.draining.clone())
}
