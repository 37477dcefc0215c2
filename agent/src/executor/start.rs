//! How an executor comes to life: state, journal, listening sockets, a front.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use dtx_proto_types::node::NodeName;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use socket2::{Domain, Protocol, Socket, Type};

use super::core::Executor;
use super::front_process::FrontProcess;
use super::job::JobTable;
use super::notify::Notify;
use super::sessions::Sessions;
use crate::audit::{Audit, AuditError};
use crate::exec::{self, ExecSettings, leftovers};
use crate::ipc::Setup;
use crate::journal::{Journal, JournalError, Recovered};
use crate::settings::Settings;
use crate::state::{NodeKey, NodeKeyError, StateDir, StateError};
use crate::trust::{SystemClock, Trust, TrustConfig};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Why an agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The node key.
    #[error(transparent)]
    NodeKey(#[from] NodeKeyError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// An address to listen on.
    #[error(
        "cannot listen on {address}: {source}; another agent may run here, or give another \
             address with --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Something that should always work.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Runs an agent until it is told to stop.
///
/// # Errors
///
/// If it cannot start; says what to do.
pub fn run(settings: Settings) -> Result<(), StartError> {
    let signals = take_signals()?;
    let state = StateDir::open(&settings.state_dir)?;
    let node = match &settings.name {
        Some(name) => name.clone(),
        None => state.node_name()?,
    };
    let key = NodeKey::open(&state.node_key(), node.as_str())?;
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_err(system("read the kernel's boot id"))?;
    let boot_id = boot_id.trim().to_owned();
    let (journal, recovered) = Journal::open(
        &state.executor(),
        &boot_id,
        settings.keep,
        Box::new(SystemClock),
    )?;
    report_recovered(&recovered);
    let audit_file = settings
        .audit_file
        .clone()
        .unwrap_or_else(|| state.executor().join("audit.jsonl"));
    let audit = Audit::open(&audit_file)?;
    let (listeners, listen) = open_listeners(&settings.listen)?;

    let trust = trust(&settings, node.clone());
    let setup = setup(&settings, node, listen, &key, boot_id, &journal);
    let exec = ExecSettings {
        kill_grace: settings.kill_grace,
        scripts: state.scripts(),
        limits: settings.limits.clone(),
    };
    exec::prepare(&exec).map_err(system("prepare for jobs"))?;
    let mut executor = Executor {
        exec,
        trust,
        journal,
        audit,
        front: FrontProcess::new(),
        setup,
        listeners,
        sessions: Sessions::default(),
        jobs: JobTable::default(),
        probing: Vec::new(),
        notify: Notify::new(),
        recheck_at: None,
        reap_at: None,
        draining_until: None,
        leaving_at: None,
        settings,
    };
    for (sight, same_boot) in &recovered.sights {
        executor.trust.remember_sight(sight, *same_boot);
    }
    executor.start_front().map_err(system("start the front"))?;
    log::info!("node key {}", key.public().fingerprint());
    executor.trust.log_state();
    executor.serve(&signals);
    drop(state);
    Ok(())
}

/// Whom this agent trusts, and who it is itself.
fn trust(settings: &Settings, node: NodeName) -> Trust {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let agent_user = user
        .ok()
        .flatten()
        .map_or_else(String::new, |user| user.name);
    let config = TrustConfig {
        operators: settings.operators.clone(),
        policy: settings.policy.0.clone(),
        explicit_policy: settings.policy.1,
        node,
        cluster: settings.cluster.clone(),
        labels: settings.labels.clone(),
        agent_user,
        agent_is_root: nix::unistd::geteuid().is_root(),
        max_grant: settings.max_grant,
    };
    Trust::new(config, Box::new(SystemClock))
}

/// Says what an earlier agent left behind, and ends what still runs of it.
fn report_recovered(recovered: &Recovered) {
    if let Some(path) = &recovered.damaged {
        log::error!(
            "the journal was damaged; it lies in {} now and a new one begins",
            path.display()
        );
    }
    for leftover in leftovers::end(recovered) {
        log::warn!("ended what an earlier agent left running: {leftover}");
    }
}

fn setup(
    settings: &Settings,
    node: NodeName,
    listen: Vec<SocketAddr>,
    key: &NodeKey,
    boot_id: String,
    journal: &Journal,
) -> Setup {
    let grace = u64::try_from(settings.reattach_grace.as_millis()).unwrap_or(u64::MAX);
    Setup {
        node,
        cluster: settings.cluster.clone(),
        labels: settings.labels.clone(),
        listen,
        accept_from: settings
            .accept_from
            .listed
            .iter()
            .map(|net| (net.0, net.1))
            .collect(),
        accept_on_link: settings.accept_from.on_link,
        discovery: settings.discovery,
        interfaces: settings.interfaces.clone(),
        node_key_seed: *key.seed(),
        boot_id,
        journal_id: journal.id(),
        reattach_grace_ms: grace,
        slots: settings.slots,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        log_level: log::max_level().as_str().to_ascii_lowercase(),
        log_json: settings.log_json,
    }
}

/// Blocks the signals that end, reload or report, and reads them from a descriptor instead.
fn take_signals() -> Result<SignalFd, StartError> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()
        .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC))
        .map_err(|errno| system("take over signals")(errno.into()))
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Opens the listening sockets and tells which addresses they got.
fn open_listeners(addresses: &[SocketAddr]) -> Result<(Vec<OwnedFd>, Vec<SocketAddr>), StartError> {
    let mut sockets = Vec::with_capacity(addresses.len());
    let mut bound = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = listen(*address).map_err(|source| StartError::Listen {
            address: *address,
            source,
        })?;
        let local = listener.local_addr().map_err(|source| StartError::Listen {
            address: *address,
            source,
        })?;
        bound.push(local);
        sockets.push(listener.into());
    }
    Ok((sockets, bound))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let attempt = |address: SocketAddr| {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            // `[::]` serves both families, whatever the system's default is.
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    attempt(address).or_else(|error: io::Error| {
        // A kernel without IPv6 still has nodes to serve.
        let v4 = SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, address.port()));
        let no_v6 = matches!(
            error.raw_os_error(),
            Some(nix::libc::EAFNOSUPPORT | nix::libc::EADDRNOTAVAIL)
        );
        let unspecified = address.ip().is_unspecified() && address.is_ipv6();
        if unspecified && no_v6 {
            attempt(v4)
        } else {
            Err(error)
        }
    })
}
