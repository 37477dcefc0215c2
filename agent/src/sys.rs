//! The system calls that neither the standard library nor `nix` offers as safe functions: the one
//! place with `unsafe`. Each function here is safe to call; what it relies on stands beside it.
#![expect(
    unsafe_code,
    reason = "fork, raw descriptors and pidfds have no safe wrapper elsewhere"
)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid};

/// Exit code of a forked child whose closure returned or panicked.
const CHILD_RETURNED: i32 = 70;

/// Takes ownership of a descriptor that the kernel has just installed for us, as `recvmsg` does
/// with those in `SCM_RIGHTS`: nothing else in this process may know the number.
pub(crate) fn own(raw: RawFd) -> OwnedFd {
    debug_assert!(raw >= 0);
    // SAFETY: the caller got the number from the kernel just now, so it is open, and nothing else
    // in this process owns it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// Forks. `child` runs in the new process, which ends with it: neither its return nor a panic ever
/// comes back into the caller's frames.
///
/// Only for single-threaded processes: there the child is a whole copy, and may allocate.
///
/// # Errors
///
/// As `fork(2)`: `EAGAIN` or `ENOMEM` where the node has no room for another process.
pub(crate) fn fork(child: impl FnOnce()) -> Result<Pid, Errno> {
    // Tests have a second thread, which only waits for them.
    debug_assert!(
        cfg!(test) || is_single_threaded(),
        "forking beside other threads may leave a lock of theirs held forever"
    );
    // SAFETY: the process has one thread, so no lock is held by another one, and the child may do
    // whatever the parent may.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // A panic must not unwind into frames that belong to the parent.
            drop(catch_unwind(AssertUnwindSafe(child)));
            exit_now(CHILD_RETURNED)
        }
    }
}

/// Whether this process has one thread only.
fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |tasks| tasks.count() == 1)
}

/// Ends this process at once: no destructor, no `atexit` function, no flush of what was copied
/// from the parent's buffers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor above 2 but one.
///
/// Only for a forked child that goes on without its parent's objects: each owner of a descriptor
/// above 2, `keep` excepted, is void afterwards and must not be dropped.
pub(crate) fn close_all_but(keep: BorrowedFd<'_>) {
    let keep = keep.as_raw_fd().unsigned_abs();
    if keep > 3 {
        close_range(3, keep - 1);
    }
    close_range(keep.max(2) + 1, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: the call takes three numbers. That no live object owns these descriptors is the
    // condition on `close_all_but`, whose callers never return to the code that does.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 {
        return;
    }
    // Before Linux 5.9 they are closed one by one.
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<RawFd> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|fd: &RawFd| (first..=last).contains(&fd.unsigned_abs()))
        .collect();
    for fd in open {
        // SAFETY: as above. The directory's own descriptor is closed already: then this fails.
        unsafe { libc::close(fd) };
    }
}

/// Gives every signal its default action.
pub(crate) fn reset_signals() {
    /// Bytes of the kernel's own set of signals.
    const SET_LEN: usize = 8;
    // Handler, flags, restorer and mask: all zero is the default action.
    let default = [0_u64; 4];
    let no_old = std::ptr::null_mut::<u64>();
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: `default` is as large as the kernel's `struct sigaction` on every platform, and
        // a null pointer asks for nothing. The call is made directly because libc keeps two of the
        // signals to itself, and they can be inherited as ignored, too. Those for SIGKILL and
        // SIGSTOP fail, and need not succeed.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                no_old,
                SET_LEN,
            )
        };
    }
}

/// The supplementary groups of this process. `nix`'s own function reads a file for each call.
///
/// # Errors
///
/// As `getgroups(2)`.
pub(crate) fn groups() -> Result<Vec<u32>, Errno> {
    loop {
        // SAFETY: a length of zero asks for the number and leaves the null pointer alone.
        let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
        let length = Errno::result(count)?;
        let mut groups: Vec<libc::gid_t> = vec![0; length.unsigned_abs() as usize];
        // SAFETY: `groups` has room for `length` ids.
        let count = unsafe { libc::getgroups(length, groups.as_mut_ptr()) };
        match Errno::result(count) {
            Ok(count) => {
                groups.truncate(count.unsigned_abs() as usize);
                return Ok(groups);
            }
            // More since the first call.
            Err(Errno::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The groups of a user, by the node's database; `gid` is one of them.
///
/// # Errors
///
/// `EOVERFLOW` if there are more than any process can have.
pub(crate) fn groups_of(user: &CStr, gid: u32) -> Result<Vec<u32>, Errno> {
    /// As many as the kernel takes.
    const GROUPS_MAX: usize = 65_536;
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut count = libc::c_int::try_from(groups.len()).map_err(|_| Errno::EOVERFLOW)?;
        // SAFETY: `user` ends in a NUL, and `groups` has room for `count` ids.
        let result =
            unsafe { libc::getgrouplist(user.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
        if result >= 0 {
            groups.truncate(count.unsigned_abs() as usize);
            return Ok(groups);
        }
        // Too many for the room; `count` may say how many there are.
        let wanted = (count.unsigned_abs() as usize).max(groups.len() * 2);
        if groups.len() >= GROUPS_MAX {
            return Err(Errno::EOVERFLOW);
        }
        groups.resize(wanted.min(GROUPS_MAX), 0);
    }
}

/// Loads a library for good. It does nothing but its own initialisation.
pub(crate) fn load_library(name: &CStr) {
    // SAFETY: the names come from the node's own configuration, and are those of libraries that
    // libc itself would load into this process for the next look-up of a user.
    unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
}

/// Bits that nobody can guess.
///
/// # Errors
///
/// As `getrandom(2)`: `ENOSYS` before Linux 3.17.
pub(crate) fn random() -> Result<[u8; 16], Errno> {
    let mut bytes = [0; 16];
    loop {
        // SAFETY: `bytes` has room for as many. So few come whole or not at all.
        let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        match Errno::result(count) {
            Ok(_) => return Ok(bytes),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Leaves the session keyring for a new, empty one, which is nobody else's.
///
/// # Errors
///
/// `ENOSYS` without keyrings, `EPERM` where a container forbids them, `EDQUOT` if there are too
/// many.
pub(crate) fn join_new_session_keyring() -> Result<(), Errno> {
    let no_name = std::ptr::null::<libc::c_char>();
    // SAFETY: a null pointer for a name asks for a keyring without one.
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, no_name) };
    Errno::result(result).map(drop)
}

/// Reaps one child that has ended, whichever it is. `None`: all that are left still run.
///
/// # Errors
///
/// `ECHILD`: there is no child at all.
pub(crate) fn reap_any() -> Result<Option<(Pid, ExitStatus)>, Errno> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result. `nix`'s own function cannot be used: it
    // loses the child when a real-time signal has ended it.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    match Errno::result(pid)? {
        0 => Ok(None),
        pid => Ok(Some((Pid::from_raw(pid), ExitStatus::from_raw(status)))),
    }
}

/// A descriptor that stands for one process, and for no later one with the same number.
///
/// # Errors
///
/// `ESRCH` if there is no such process, `ENOSYS` before Linux 5.3.
pub(crate) fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two numbers and returns a new descriptor or -1.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let raw = Errno::result(raw)?;
    RawFd::try_from(raw).map(own).map_err(|_| Errno::EBADF)
}

/// Signals the process that a pidfd stands for.
///
/// # Errors
///
/// `ESRCH` if it has been reaped, `EPERM` if it belongs to somebody else.
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), Errno> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null pointer asks for the same information as `kill` gives.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as libc::c_int,
            no_info,
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// Whether the kernel says that nothing keeps the system's clock right. A kernel that does not
/// answer has not said so.
pub(crate) fn clock_is_unsynchronised() -> bool {
    // SAFETY: all zeros is a valid `timex`, which asks for nothing to be changed.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `timex` is a valid place for the answer.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    state >= 0 && timex.status & libc::STA_UNSYNC != 0
}

/// Seconds since 1970 of a date and time on this node's own clock, in its time zone: year, month
/// from 1, day, hour, minute, second.
pub(crate) fn local_time(date: (i32, i32, i32), time: (i32, i32, i32)) -> Option<i64> {
    // SAFETY: all zeros is a valid `tm`.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    (tm.tm_year, tm.tm_mon, tm.tm_mday) = (date.0 - 1900, date.1 - 1, date.2);
    (tm.tm_hour, tm.tm_min, tm.tm_sec) = time;
    // Whether summer time holds is for the time zone to say.
    tm.tm_isdst = -1;
    // SAFETY: `tm` is valid, and `mktime` reads and normalises nothing else.
    let seconds = unsafe { libc::mktime(&raw mut tm) };
    (seconds != -1).then_some(seconds)
}
