//! The two standard output streams, shared by all reporters of a run.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::rc::Rc;

use dtx_client::fanout::event::Stream;
use indicatif::ProgressBar;
use nix::poll::{PollFd, PollFlags, PollTimeout};

/// Gathers what the reporters write and hands it over in their order, with the live line out of
/// the way. Writing happens on the thread that runs the reporters, so a slow reader holds up this
/// run and nothing else.
#[derive(Clone)]
pub struct Console(Rc<RefCell<Inner>>);

struct Inner {
    stdout: Box<dyn Write>,
    stderr: Box<dyn Write>,
    pending: Vec<u8>,
    toward: Stream,
    live: Option<ProgressBar>,
}

/// Enough for few system calls, little enough to stay in a cache.
const PENDING_MAX: usize = 64 * 1024;

impl Console {
    /// The process's own streams.
    ///
    /// # Errors
    ///
    /// If they cannot be duplicated.
    pub fn standard() -> io::Result<Self> {
        Ok(Self::new(
            Box::new(Waiting(std::fs::File::from(
                io::stdout().as_fd().try_clone_to_owned()?,
            ))),
            Box::new(Waiting(std::fs::File::from(
                io::stderr().as_fd().try_clone_to_owned()?,
            ))),
        ))
    }

    /// Any two streams.
    #[must_use]
    pub fn new(stdout: Box<dyn Write>, stderr: Box<dyn Write>) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            stdout,
            stderr,
            pending: Vec::new(),
            toward: Stream::Stdout,
            live: None,
        })))
    }

    /// Something that writes to one of the streams.
    #[must_use]
    pub fn pen(&self, stream: Stream) -> Pen {
        Pen {
            console: self.clone(),
            stream,
        }
    }

    /// The live line that has to make way for everything written here.
    pub(super) fn set_live(&self, bar: ProgressBar) {
        self.0.borrow_mut().live = Some(bar);
    }

    /// Hands over all that was written so far.
    ///
    /// # Errors
    ///
    /// When nobody reads standard output any more. What standard error says cannot be said there,
    /// so it is no error if nobody reads that.
    pub fn flush(&self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

impl Inner {
    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (target, toward) = match self.toward {
            Stream::Stdout => (&mut self.stdout, Stream::Stdout),
            Stream::Stderr => (&mut self.stderr, Stream::Stderr),
        };
        let pending = &self.pending;
        let written = match &self.live {
            Some(bar) => bar.suspend(|| target.write_all(pending)),
            None => target.write_all(pending),
        };
        self.pending.clear();
        match toward {
            Stream::Stdout => written,
            Stream::Stderr => Ok(()),
        }
    }
}

/// Writes to one stream of a [`Console`].
#[derive(Debug, Clone)]
pub struct Pen {
    console: Console,
    stream: Stream,
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.console.0.borrow_mut();
        if inner.toward != self.stream {
            inner.flush()?;
            inner.toward = self.stream;
        }
        inner.pending.extend_from_slice(bytes);
        if inner.pending.len() >= PENDING_MAX {
            inner.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.console.flush()
    }
}

/// A descriptor that another process may have made non-blocking: it is waited for, not given up.
struct Waiting(std::fs::File);

impl Write for Waiting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut wanted = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
                    match nix::poll::poll(&mut wanted, PollTimeout::NONE) {
                        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
