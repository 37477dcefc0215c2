//! The segment: a bridge, its hosts, and the process that holds them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::binaries::Binaries;
use super::host::Host;
use super::operator::Operator;
use crate::holder::{HostPlan, Keys, Plan};
use crate::skip;

/// Hosts on a network segment, and an operator's host among them. Dropping it ends everything.
#[derive(Debug)]
pub struct Lab {
    hosts: Vec<Host>,
    operator: Operator,
    switch: Host,
    user_namespace: bool,
    holder: Child,
    // The holder lives as long as this pipe.
    life: Option<ChildStdin>,
    _scratch: TempDir,
}

/// How a lab differs from the usual one.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// Hosts beside the operator's.
    pub hosts: usize,
    /// Whether the bridge snoops on multicast memberships.
    pub snooping: bool,
    /// The programs under test.
    pub binaries: Binaries,
    /// Whether to live in a user namespace; root need not.
    pub user_namespace: bool,
}

impl LabOptions {
    /// The usual lab of so many hosts.
    #[must_use]
    pub fn new(hosts: usize) -> Self {
        Self::of(hosts, Binaries::find())
    }

    /// A lab of so many hosts without `dtx` and agents.
    #[must_use]
    pub fn bare(hosts: usize) -> Self {
        Self::of(hosts, Binaries::lab_only())
    }

    fn of(hosts: usize, binaries: Binaries) -> Self {
        Self {
            hosts,
            snooping: false,
            binaries,
            user_namespace: !nix::unistd::geteuid().is_root()
                || std::env::var_os("DTX_LAB_USERNS").is_some_and(|value| value == "1"),
        }
    }
}

impl Lab {
    /// A lab of so many hosts, or a word on why this machine cannot have one.
    #[must_use]
    pub fn new(hosts: usize) -> Option<Self> {
        Self::with(&LabOptions::new(hosts))
    }

    /// A lab to taste, or a word on why this machine cannot have one.
    ///
    /// # Panics
    ///
    /// If the holder cannot even be started.
    #[must_use]
    pub fn with(options: &LabOptions) -> Option<Self> {
        if let Some(missing) = missing_program() {
            skip::skipped(&format!("`{missing}` is not installed"));
            return None;
        }
        match Self::start(options) {
            Ok(lab) => Some(lab),
            Err(reason) => {
                skip::skipped(&format!("no namespaces here: {reason}"));
                None
            }
        }
    }

    fn start(options: &LabOptions) -> Result<Self, String> {
        let scratch = TempDir::with_prefix("dtx-lab-").map_err(|error| error.to_string())?;
        let plan = plan(options, &scratch);
        let mut holder = Command::new(&options.binaries.lab)
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut life = holder.stdin.take().expect("a pipe");
        let mut answers = BufReader::new(holder.stdout.take().expect("a pipe"));
        writeln!(life, "{}", plan.to_line()).map_err(|error| error.to_string())?;
        let (Some(pid), Some(made)) = (answer(&mut answers, "pid"), answer(&mut answers, "hosts"))
        else {
            drop(life);
            let output = holder
                .wait_with_output()
                .map_err(|error| error.to_string())?;
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        };
        let pid = pid["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        let host = |index: usize, plan: &HostPlan, keys: &Value| Host {
            plan: plan.clone(),
            keys: Keys::from_value(keys).expect("the holder speaks our language"),
            holder: pid.expect("a process id"),
            lab_program: options.binaries.lab.clone(),
            user_namespace: options.user_namespace,
            port: format!("p{index}"),
        };
        let mut hosts: Vec<Host> = plan
            .hosts
            .iter()
            .enumerate()
            .map(|(index, plan)| host(index, plan, &made["hosts"][index]))
            .collect();
        let mut switch = host(0, &plan.hosts[0], &made["switch"]);
        "switch".clone_into(&mut switch.plan.name);
        let operator = Operator::new(hosts.remove(0));
        let lab = Self {
            hosts,
            operator,
            switch,
            user_namespace: options.user_namespace,
            holder,
            life: Some(life),
            _scratch: scratch,
        };
        for host in &lab.hosts {
            host.write("/etc/dtx/operators", lab.operator.operators_line());
        }
        Ok(lab)
    }

    /// The hosts, without the operator's.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// One host, from 0.
    #[must_use]
    pub fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }

    /// The operator's host.
    #[must_use]
    pub const fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The switch: a namespace with the bridge in it and the machine's own files.
    #[must_use]
    pub const fn switch(&self) -> &Host {
        &self.switch
    }

    /// Whether only one user exists here, because the lab lives in a user namespace.
    #[must_use]
    pub const fn has_one_user(&self) -> bool {
        self.user_namespace
    }

    /// Whether commands can run as other users here; says so if not.
    #[must_use]
    pub fn has_users(&self) -> bool {
        if self.user_namespace {
            skip::skipped("only one user can be mapped without root");
        }
        !self.user_namespace
    }

    /// Tells the operator's host every host's address, as a site's hosts file would.
    pub fn publish_names(&self) {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for host in &self.hosts {
            writeln!(text, "{} {}", host.address(), host.name()).expect("memory takes it");
        }
        self.operator.host().write("/etc/hosts", text);
    }

    /// Ends everything on it, as dropping it does, and waits until it is so.
    pub fn end(&mut self) {
        drop(self.life.take());
        self.holder.wait().ok();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end();
    }
}

fn answer(from: &mut BufReader<ChildStdout>, key: &str) -> Option<Value> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    let value: Value = serde_json::from_str(&line).ok()?;
    value.get(key)?;
    Some(value)
}

fn plan(options: &LabOptions, scratch: &TempDir) -> Plan {
    let width = options.hosts.to_string().len();
    let hosts = (0..=options.hosts)
        .map(|index| HostPlan {
            name: if index == 0 {
                "operator".to_owned()
            } else {
                format!("n{index:0width$}")
            },
            ipv4: format!("10.77.{}.{}", index / 250, index % 250 + 1),
            ipv6: format!("fd77::{:x}", index + 1),
        })
        .collect();
    let binaries = &options.binaries;
    Plan {
        scratch: scratch.path().to_path_buf(),
        binaries: [
            (&binaries.dtx, "/dtx/bin/dtx"),
            (&binaries.agent, "/dtx/bin/dtx-agent"),
            (&binaries.lab, "/dtx/bin/dtx-lab"),
            (&binaries.many_jobs, "/dtx/bin/many-jobs"),
        ]
        .map(|(from, to)| (from.clone(), to.to_owned()))
        .to_vec(),
        hosts,
        snooping: options.snooping,
        user_namespace: options.user_namespace,
    }
}

fn missing_program() -> Option<&'static str> {
    ["ip", "nft", "ss", "ssh-keygen"].into_iter().find(|name| {
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        !path
            .split(':')
            .any(|directory| std::path::Path::new(directory).join(name).exists())
    })
}
