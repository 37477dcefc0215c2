//! Making the namespaces, and keeping them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, ExitCode};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde_json::{Value, json};

use super::plan::{Keys, Plan};
use super::{rootfs, wiring};

/// The outer half: makes the process namespace and waits for the holder in it.
///
/// # Errors
///
/// If the machine does not allow the namespaces.
pub fn hold() -> io::Result<ExitCode> {
    let mut line = String::new();
    read_line_unbuffered(&mut line)?;
    let plan = Plan::from_line(&line).ok_or_else(|| io::Error::other("no plan"))?;
    if plan.user_namespace {
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        // What cannot be set inside is set before, where that is possible: see `rootfs::people`.
        nix::unistd::setgroups(&[gid]).ok();
        unshare(CloneFlags::CLONE_NEWUSER)?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    unshare(CloneFlags::CLONE_NEWPID)?;
    let mut init = Command::new("/proc/self/exe")
        .args(["init", &line])
        .spawn()?;
    say(&json!({ "pid": init.id() }))?;
    init.wait()?;
    // A test that was killed cannot do it.
    std::fs::remove_dir(&plan.scratch).ok();
    Ok(ExitCode::SUCCESS)
}

/// The inner half: process 1 of the lab.
///
/// # Errors
///
/// If a host cannot be made.
pub fn init(line: &str) -> io::Result<ExitCode> {
    let plan = Plan::from_line(line).ok_or_else(|| io::Error::other("no plan"))?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none)?;
    let base = open_path("/proc/self/ns/mnt")?;
    let switch = open_path("/proc/self/ns/net")?;
    let mut kept = Vec::new();
    for host in &plan.hosts {
        setns(&base, CloneFlags::CLONE_NEWNS)?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS)?;
        rootfs::build(&plan, host)?;
        nix::unistd::sethostname(&host.name)?;
        wiring::calm(host.ipv6.is_empty())?;
        kept.push(Kept {
            net: open_path("/proc/self/ns/net")?,
            mnt: open_path("/proc/self/ns/mnt")?,
            uts: open_path("/proc/self/ns/uts")?,
            root: open_path("/")?,
        });
    }
    setns(&base, CloneFlags::CLONE_NEWNS)?;
    setns(&switch, CloneFlags::CLONE_NEWNET)?;
    let nets: Vec<i32> = kept.iter().map(|kept| kept.net.as_raw_fd()).collect();
    wiring::switch(&nets, plan.snooping)?;
    for (host, kept) in plan.hosts.iter().zip(&kept) {
        setns(&kept.net, CloneFlags::CLONE_NEWNET)?;
        wiring::host(host)?;
    }
    setns(&switch, CloneFlags::CLONE_NEWNET)?;
    let keys: Vec<Value> = kept.iter().map(|kept| kept.keys().to_value()).collect();
    let root = open_path("/")?;
    let switch_keys = Keys {
        net: switch.as_raw_fd(),
        mnt: base.as_raw_fd(),
        uts: kept[0].uts.as_raw_fd(),
        root: root.as_raw_fd(),
    };
    say(&json!({ "hosts": keys, "switch": switch_keys.to_value() }))?;
    keep()
}

struct Kept {
    net: OwnedFd,
    mnt: OwnedFd,
    uts: OwnedFd,
    root: OwnedFd,
}

impl Kept {
    fn keys(&self) -> Keys {
        Keys {
            net: self.net.as_raw_fd(),
            mnt: self.mnt.as_raw_fd(),
            uts: self.uts.as_raw_fd(),
            root: self.root.as_raw_fd(),
        }
    }
}

/// Reaps what the lab's processes leave, until the test closes our standard input.
fn keep() -> io::Result<ExitCode> {
    // Children without a parent come to process 1; ignoring SIGCHLD would change what they inherit,
    // so they are collected now and then instead.
    let (reader, mut writer) = io::pipe()?;
    let waiter = std::thread::spawn(move || {
        let mut rest = Vec::new();
        let ended = io::stdin().read_to_end(&mut rest);
        drop(writer.write_all(b"x"));
        ended
    });
    loop {
        let mut wanted = [nix::poll::PollFd::new(
            std::os::fd::AsFd::as_fd(&reader),
            nix::poll::PollFlags::POLLIN,
        )];
        if nix::poll::poll(&mut wanted, 200u16)? > 0 {
            drop(waiter.join());
            return Ok(ExitCode::SUCCESS);
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
    }
}

fn open_path(path: &str) -> io::Result<OwnedFd> {
    // Nothing started in the lab may inherit a key to another host.
    Ok(open(
        path,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?)
}

fn say(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

/// One line, and not a byte more: the holder proper shares this descriptor.
fn read_line_unbuffered(line: &mut String) -> io::Result<()> {
    let mut stdin = File::open("/proc/self/fd/0")?;
    let mut byte = [0];
    while stdin.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    Ok(())
}
