//! What the thread that asks is told while it waits for answers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// What the thread that asks is told while it waits for answers.
#[derive(Debug)]
pub(super) struct Bell {
    /// Readable when there is something new to know.
    rung: EventFd,
    stopped: AtomicBool,
    all_here: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self {
            rung: EventFd::from_value_and_flags(0, flags)?,
            stopped: AtomicBool::new(false),
            all_here: AtomicBool::new(false),
        })
    }

    /// Nobody wants to hear more.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ring();
    }

    /// Every node that is expected has shown that it is there, here or elsewhere.
    pub(super) fn all_here(&self) {
        self.all_here.store(true, Ordering::Release);
        self.ring();
    }

    fn ring(&self) {
        // It fails only if it has been rung more often than anybody could.
        self.rung.write(1).ok();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn are_all_here(&self) -> bool {
        self.all_here.load(Ordering::Acquire)
    }

    /// It has been heard, and is silent until it is rung again.
    pub(super) fn hush(&self) {
        // Nothing to read: then it was not rung.
        self.rung.read().ok();
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rung.as_fd()
    }
}
