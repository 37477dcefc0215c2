//! The children that this executor forked and will reap itself. As long as nobody reaped one, its
//! number is nobody else's, and may be signalled.

use std::cell::RefCell;
use std::collections::BTreeSet;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::process;
use crate::sys;

thread_local! {
    /// Those of the executor's one thread; a fork begins with a copy.
    static CHILDREN: RefCell<BTreeSet<Pid>> = const { RefCell::new(BTreeSet::new()) };
}

/// A child that is not reaped yet, and that nobody else reaps.
#[derive(Debug)]
pub(super) struct Child(Pid);

impl Child {
    /// Forks, as [`sys::fork`].
    pub(super) fn fork(body: impl FnOnce()) -> Result<Self, Errno> {
        let pid = sys::fork(body)?;
        CHILDREN.with_borrow_mut(|children| children.insert(pid));
        Ok(Self(pid))
    }

    pub(super) const fn pid(&self) -> Pid {
        self.0
    }

    /// Kills it, if it still runs, and waits until it is gone. Only for one that never hangs in
    /// the kernel.
    pub(super) fn end(&mut self) {
        let _gone = kill(self.0, Signal::SIGKILL);
        while waitpid(self.0, None) == Err(Errno::EINTR) {}
    }

    /// Kills it without waiting for its end, which may take for ever where it hangs in the kernel:
    /// it is a stray then.
    pub(super) fn abandon(&mut self) {
        let _gone = kill(self.0, Signal::SIGKILL);
        let _state = waitpid(self.0, Some(WaitPidFlag::WNOHANG));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        CHILDREN.with_borrow_mut(|children| children.remove(&self.0));
    }
}

/// Whether somebody here will reap this child.
pub(super) fn is_expected(pid: Pid) -> bool {
    CHILDREN.with_borrow(|children| children.contains(&pid))
}

/// All of them.
pub(super) fn expected() -> BTreeSet<Pid> {
    CHILDREN.with_borrow(Clone::clone)
}

/// Reaps children that have ended and that nobody waits for: background processes of jobs where
/// the executor is process 1 or a subreaper, and helpers that were given up.
///
/// `expected` are the children that somebody outside of this module reaps: the front. To be called
/// now and then.
pub fn reap_strays(expected: &[u32]) {
    for pid in process::children(Pid::this()).unwrap_or_default() {
        if !is_expected(pid) && !expected.contains(&pid.as_raw().unsigned_abs()) {
            // Still running, or gone: both are fine.
            let _state = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }
}
