//! A host's own root directory, in memory: the machine's programs, and everything else its own.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::plan::{HostPlan, Plan};

/// Where programs lie; links stay links.
const PROGRAMS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "opt"];
/// What programs need of the machine's configuration: files are copied, directories bound.
const CONFIGURATION: [&str; 16] = [
    "passwd",
    "group",
    "shadow",
    "nsswitch.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "localtime",
    "login.defs",
    "shells",
    "services",
    "protocols",
    "alternatives",
    "pam.d",
    "security",
    "ssh",
];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const DIRECTORIES: [(&str, u32); 17] = [
    ("dev", 0o755),
    ("dev/pts", 0o755),
    ("dev/shm", 0o1777),
    ("dtx", 0o755),
    ("dtx/bin", 0o755),
    ("etc", 0o755),
    ("etc/dtx", 0o755),
    ("home", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("run/sshd", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/tmp", 0o1777),
];

/// A user with a shell, a home and nothing else, on every host.
pub(crate) const WORKER: (&str, u32) = ("worker", 7001);

/// Builds the root and makes it this process's own.
pub(crate) fn build(plan: &Plan, host: &HostPlan) -> io::Result<()> {
    let root = plan.scratch.as_path();
    let none: Option<&str> = None;
    mount(
        Some("tmpfs"),
        root,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )?;
    for (path, mode) in DIRECTORIES {
        fs::create_dir(root.join(path))?;
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode))?;
    }
    for name in PROGRAMS {
        program_directory(root, name)?;
    }
    for name in CONFIGURATION {
        configuration(root, name)?;
    }
    for name in DEVICES {
        bind_file(&Path::new("/dev").join(name), &root.join("dev").join(name))?;
    }
    for (link, to) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
    ] {
        symlink(to, root.join("dev").join(link))?;
    }
    for (from, to) in &plan.binaries {
        bind_file(from, &root.join(to.trim_start_matches('/')))?;
    }
    people(root, plan, host)?;
    let pts = Some("newinstance,ptmxmode=0666,mode=0620");
    mount(
        Some("devpts"),
        &root.join("dev/pts"),
        Some("devpts"),
        MsFlags::empty(),
        pts,
    )?;
    mount(
        Some("proc"),
        &root.join("proc"),
        Some("proc"),
        MsFlags::empty(),
        none,
    )?;
    // Without it only what reads devices is missing.
    mount(
        Some("sysfs"),
        &root.join("sys"),
        Some("sysfs"),
        MsFlags::empty(),
        none,
    )
    .ok();
    let old = root.join("old");
    fs::create_dir(&old)?;
    nix::unistd::pivot_root(root, &old)?;
    nix::unistd::chdir("/")?;
    umount2("/old", MntFlags::MNT_DETACH)?;
    fs::remove_dir("/old")
}

fn program_directory(root: &Path, name: &str) -> io::Result<()> {
    let from = Path::new("/").join(name);
    let to = root.join(name);
    if let Ok(target) = fs::read_link(&from) {
        return symlink(target, to);
    }
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir(&to)?;
    bind(&from, &to)?;
    // In a user namespace a bound mount keeps flags that we cannot see: then it stays as it is,
    // and its owner's rights protect it.
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    let none: Option<&str> = None;
    mount(none, &to, none, read_only, none).ok();
    Ok(())
}

fn configuration(root: &Path, name: &str) -> io::Result<()> {
    let from = Path::new("/etc").join(name);
    let to = root.join("etc").join(name);
    if from.is_dir() {
        fs::create_dir(&to)?;
        return bind(&from, &to);
    }
    // `shadow` is not for everyone to read, and nothing here needs it then.
    if let Ok(bytes) = fs::read(&from) {
        fs::write(&to, bytes)?;
        if name == "shadow" {
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

fn people(root: &Path, plan: &Plan, host: &HostPlan) -> io::Result<()> {
    let (name, id) = WORKER;
    append(
        &root.join("etc/passwd"),
        &format!("{name}:x:{id}:{id}::/home/{name}:/bin/sh\n"),
    )?;
    append(&root.join("etc/group"), &format!("{name}:x:{id}:\n"))?;
    // In a user namespace groups cannot be set: there root belongs to those that this process has.
    for group in nix::unistd::getgroups()? {
        if plan.user_namespace && group.as_raw() != 0 {
            append(&root.join("etc/group"), &format!("outer:x:{group}:root\n"))?;
        }
    }
    let home = root.join("home").join(name);
    fs::create_dir(&home)?;
    // Where only one user is mapped, nobody can be this one.
    std::os::unix::fs::chown(&home, Some(id), Some(id)).ok();
    fs::write(
        root.join("etc/hosts"),
        format!(
            "127.0.0.1 localhost\n::1 localhost\n{} {}\n",
            host.ipv4, host.name
        ),
    )?;
    fs::write(root.join("etc/hostname"), format!("{}\n", host.name))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    fs::write(path, text)
}

fn bind_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::write(to, "")?;
    bind(from, to)
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    let none: Option<&str> = None;
    mount(
        Some(from),
        to,
        none,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        none,
    )
    .map_err(|error| io::Error::other(format!("bind {}: {error}", from.display())))
}
