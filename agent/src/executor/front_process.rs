//! The front as the executor sees it: a child process and a channel to it, started again when it
//! dies.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ipc::{Channel, ChannelError, ToExecutor, ToFront};

/// How soon after its start a front's death counts as failing to start.
const HEALTHY_AFTER: Duration = Duration::from_secs(2);
/// How long to wait before another try after a front that failed to start.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The front process, or the time at which to start another.
#[derive(Debug)]
pub(super) struct FrontProcess {
    running: Option<Running>,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    channel: Channel<ToFront, ToExecutor>,
    started: Instant,
}

impl FrontProcess {
    /// No front yet; [`FrontProcess::start`] makes one.
    #[must_use]
    pub(super) const fn new() -> Self {
        Self {
            running: None,
            retry_at: None,
        }
    }

    /// Starts a front: this same program, with one end of a socket pair as its standard input.
    ///
    /// # Errors
    ///
    /// If the process or the socket pair cannot be made.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let (ours, theirs) = UnixStream::pair()?;
        let channel = Channel::without_descriptors(ours)?;
        let child = Command::new("/proc/self/exe")
            .arg0("dtx-agent")
            .arg(crate::FRONT_COMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        self.running = Some(Running {
            child,
            channel,
            started: Instant::now(),
        });
        self.retry_at = None;
        Ok(())
    }

    /// Queues a message. A front that cannot take it is found dead at the next
    /// [`FrontProcess::receive`].
    pub(super) fn send(&mut self, message: &ToFront, descriptors: Vec<OwnedFd>) {
        if let Some(running) = &mut self.running
            && let Err(error) = running.channel.send(message, descriptors)
        {
            log::warn!("{error}");
            running.end();
        }
    }

    /// Reads what the front has said.
    ///
    /// # Errors
    ///
    /// If it is gone or broke the rules; it has been reaped then, and [`FrontProcess::retry_at`]
    /// says when to start another.
    pub(super) fn receive(&mut self) -> Result<Vec<(ToExecutor, Vec<OwnedFd>)>, ChannelError> {
        let Some(running) = &mut self.running else {
            return Ok(Vec::new());
        };
        let received = running
            .channel
            .flush()
            .and_then(|()| running.channel.receive());
        if received.is_err() {
            running.end();
            let short = running.started.elapsed() < HEALTHY_AFTER;
            let delay = if short { RETRY_DELAY } else { Duration::ZERO };
            self.retry_at = Some(Instant::now() + delay);
            self.running = None;
        }
        received
    }

    /// The channel's descriptor, and whether to wait for it to take more.
    #[must_use]
    pub(super) fn poll(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.running
            .as_ref()
            .map(|running| (running.channel.as_fd(), running.channel.wants_write()))
    }

    /// The process's number.
    #[must_use]
    pub(super) fn id(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// When another front is due, if none runs.
    #[must_use]
    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Another front could not be started; there will be another try.
    pub(super) fn retry_later(&mut self) {
        self.retry_at = Some(Instant::now() + RETRY_DELAY);
    }

    /// Waits until the front has gone by itself, at most for `patience`, then makes it go.
    pub(super) fn stop(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let Some(mut running) = self.running.take() else {
            return;
        };
        while Instant::now() < deadline && !matches!(running.child.try_wait(), Ok(Some(_))) {
            // Nothing else is left to be done by now, so a short sleep harms nobody.
            if running.channel.flush().is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        running.end();
    }
}

impl Running {
    /// Makes sure that the process is gone and reaped.
    fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
