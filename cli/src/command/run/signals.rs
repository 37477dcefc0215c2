//! Ctrl-C, Ctrl-Z and friends during a run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use dtx_client::fanout::Canceller;
use dtx_client::fanout::event::StopReason;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::exit_code::{self, EndedBy};

/// Listens for signals on threads of its own, so that a blocked terminal cannot keep a Ctrl-C
/// from its work.
#[derive(Debug)]
pub(super) struct Signals {
    ended_by: Arc<AtomicU8>,
    suspends: mpsc::Receiver<()>,
    // Ends with this value.
    _listener: JoinSet<()>,
}

impl Signals {
    /// From now on, signals end the run instead of the process: the first one cancels everywhere
    /// and waits, the second leaves, the third exits on the spot.
    ///
    /// # Errors
    ///
    /// If a handler cannot be installed.
    pub(super) fn listen(canceller: Canceller) -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut suspend = signal(SignalKind::from_raw(Signal::SIGTSTP as i32))?;
        let ended_by = Arc::new(AtomicU8::new(0));
        // One is enough: a second suspend before the first was served is the same wish.
        let (wish, suspends) = mpsc::channel(1);
        let mut listener = JoinSet::new();
        let first = Arc::clone(&ended_by);
        listener.spawn(async move {
            let mut heard = 0;
            loop {
                let by = tokio::select! {
                    _ = interrupt.recv() => exit_code::INTERRUPTED,
                    _ = terminate.recv() => exit_code::TERMINATED,
                    _ = hangup.recv() => exit_code::TERMINATED,
                    _ = suspend.recv() => {
                        // Full: it is being served.
                        let _full = wish.try_send(());
                        continue;
                    }
                };
                // The first signal decides the exit status.
                let _later = first.compare_exchange(0, by, Ordering::AcqRel, Ordering::Acquire);
                heard += 1;
                match heard {
                    1 => canceller.stop(StopReason::Interrupt),
                    2 => canceller.stop(StopReason::Leave),
                    _ => exit_now(by),
                }
            }
        });
        Ok(Self {
            ended_by,
            suspends,
            _listener: listener,
        })
    }

    /// What ended the run, if a signal did.
    pub(super) fn ended_by(&self) -> Option<EndedBy> {
        match self.ended_by.load(Ordering::Acquire) {
            exit_code::INTERRUPTED => Some(EndedBy::Interrupt),
            exit_code::TERMINATED => Some(EndedBy::Terminate),
            _ => None,
        }
    }

    /// Waits until the operator presses Ctrl-Z.
    pub(super) async fn suspended(&mut self) {
        if self.suspends.recv().await.is_none() {
            // The listener is gone, and with it every further wish.
            std::future::pending::<()>().await;
        }
    }
}

#[expect(
    clippy::exit,
    reason = "the operator asked three times: nothing is waited for, not even our own threads"
)]
fn exit_now(status: u8) {
    std::process::exit(status.into());
}

/// Stops this process until it is continued, as Ctrl-Z would have.
///
/// # Errors
///
/// If the system refuses.
pub(super) fn stop_here() -> io::Result<()> {
    nix::sys::signal::raise(Signal::SIGSTOP).map_err(io::Error::from)
}
