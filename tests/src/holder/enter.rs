//! Starting a program on a host, from outside the lab.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, raise};
use nix::unistd::{getegid, setgroups};

/// Runs `program` in the namespaces that the holder's descriptors lead to, and ends as it ended.
///
/// `keys` are the holder's process id, its descriptors of the network, mount and host name
/// namespaces, `1` to join its user namespace, and the directory to begin in.
///
/// # Errors
///
/// If the lab is gone or the program cannot be started.
pub fn enter(keys: &[String], program: &[String]) -> io::Result<ExitCode> {
    let [pid, net, mnt, uts, user, directory] = keys else {
        return Err(io::Error::other(
            "enter PID NET MNT UTS USER DIRECTORY -- PROGRAM…",
        ));
    };
    let of_holder = |path: &str| File::open(format!("/proc/{pid}/{path}"));
    let user = (user == "1").then(|| of_holder("ns/user")).transpose()?;
    let spaces = [
        (of_holder("ns/pid")?, CloneFlags::CLONE_NEWPID),
        (of_holder("ns/ipc")?, CloneFlags::CLONE_NEWIPC),
        (of_holder(&format!("fd/{net}"))?, CloneFlags::CLONE_NEWNET),
        (of_holder(&format!("fd/{uts}"))?, CloneFlags::CLONE_NEWUTS),
        (of_holder(&format!("fd/{mnt}"))?, CloneFlags::CLONE_NEWNS),
    ];
    if let Some(user) = user {
        // As `hold` did: inside, nothing about groups can be set any more.
        setgroups(&[getegid()]).ok();
        setns(user, CloneFlags::CLONE_NEWUSER)?;
    }
    for (space, kind) in spaces {
        setns(space, kind)?;
    }
    nix::unistd::chdir(directory.as_str())?;
    let (name, arguments) = program
        .split_first()
        .ok_or_else(|| io::Error::other("no program"))?;
    let status = Command::new(name)
        .args(arguments)
        .spawn()
        .map_err(|error| io::Error::other(format!("{name}: {error}")))?
        .wait()?;
    if let Some(signal) = status
        .signal()
        .and_then(|number| Signal::try_from(number).ok())
    {
        // Ends this process the same way, so that the test sees the signal itself.
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        raise(signal)?;
    }
    let code = status.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
