//! What a process costs, as the kernel counts it.

use std::fs;
use std::path::PathBuf;

use nix::unistd::Pid;

/// A process's entry in the process table.
fn entry(pid: Pid, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

fn text(pid: Pid, name: &str) -> String {
    fs::read_to_string(entry(pid, name)).unwrap_or_default()
}

/// The number after `key:` in one of the kernel's tables.
fn number(table: &str, key: &str) -> u64 {
    table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == key)
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Its share of memory, in KiB.
#[must_use]
pub fn pss_kib(pid: Pid) -> u64 {
    number(&text(pid, "smaps_rollup"), "Pss")
}

/// Memory that is its own alone, in KiB.
#[must_use]
pub fn private_kib(pid: Pid) -> u64 {
    let rollup = text(pid, "smaps_rollup");
    number(&rollup, "Private_Clean") + number(&rollup, "Private_Dirty")
}

/// Memory that holds its pages, shared ones counted whole, in KiB.
#[must_use]
pub fn rss_kib(pid: Pid) -> u64 {
    number(&text(pid, "smaps_rollup"), "Rss")
}

/// Its threads.
#[must_use]
pub fn threads(pid: Pid) -> u64 {
    number(&text(pid, "status"), "Threads")
}

/// How often its threads went to sleep by themselves so far: as often as they woke up.
#[must_use]
pub fn wake_ups(pid: Pid) -> u64 {
    let Ok(tasks) = fs::read_dir(entry(pid, "task")) else {
        return 0;
    };
    tasks
        .flatten()
        .map(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            number(&status, "voluntary_ctxt_switches")
        })
        .sum()
}

/// Its open descriptors.
#[must_use]
pub fn descriptors(pid: Pid) -> usize {
    fs::read_dir(entry(pid, "fd")).map_or(0, Iterator::count)
}

/// Its children, the oldest first.
#[must_use]
pub fn children(pid: Pid) -> Vec<Pid> {
    let mut children: Vec<Pid> = Vec::new();
    let Ok(tasks) = fs::read_dir(entry(pid, "task")) else {
        return children;
    };
    for task in tasks.flatten() {
        let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
        children.extend(pids.map(Pid::from_raw));
    }
    children
}

/// Itself and all that descends from it.
#[must_use]
pub fn tree(pid: Pid) -> Vec<Pid> {
    let mut tree = vec![pid];
    let mut looked_at = 0;
    while let Some(next) = tree.get(looked_at) {
        tree.extend(children(*next));
        looked_at += 1;
    }
    tree
}

/// The letter of its state: `Z` is a zombie, `?` nothing at all.
#[must_use]
pub fn state(pid: Pid) -> char {
    let stat = text(pid, "stat");
    stat.rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next())
        .unwrap_or('?')
}

/// What it was started with, joined by spaces.
#[must_use]
pub fn command_line(pid: Pid) -> String {
    text(pid, "cmdline")
        .trim_end_matches('\0')
        .replace('\0', " ")
}

/// Every process of this machine that was started with exactly this, zombies aside.
#[must_use]
pub fn running(command: &str) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .map(Pid::from_raw)
        .filter(|pid| command_line(*pid) == command)
        .collect()
}

/// The TCP ports on which its network listens.
#[must_use]
pub fn listening_ports(pid: Pid) -> Vec<String> {
    listening(pid).into_iter().map(|(port, _)| port).collect()
}

/// Whether its network has joined this IPv4 multicast group.
#[must_use]
pub fn has_joined(pid: Pid, group: std::net::Ipv4Addr) -> bool {
    // The kernel prints the address as it lies in memory.
    let printed = format!("{:08X}", u32::from_ne_bytes(group.octets()));
    text(pid, "net/igmp").contains(&printed)
}

/// Whether it holds a socket that listens.
#[must_use]
pub fn holds_socket_to_listen(pid: Pid) -> bool {
    let sockets: Vec<String> = listening(pid)
        .into_iter()
        .map(|(_, inode)| format!("socket:[{inode}]"))
        .collect();
    let Ok(held) = fs::read_dir(entry(pid, "fd")) else {
        return false;
    };
    held.flatten()
        .filter_map(|held| fs::read_link(held.path()).ok())
        .any(|held| {
            sockets
                .iter()
                .any(|socket| held.as_os_str() == socket.as_str())
        })
}

/// Port and inode of every listening TCP socket of its network.
fn listening(pid: Pid) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        for line in text(pid, table).lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(&"0A"), Some(inode)) =
                (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            let port = local.rsplit(':').next().unwrap_or_default();
            let port = u16::from_str_radix(port, 16).unwrap_or(0);
            found.push((port.to_string(), (*inode).to_owned()));
        }
    }
    found
}
