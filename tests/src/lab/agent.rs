//! The agent of a host: two processes, and what can happen to them.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::host::Host;
use super::process::{Finished, Process};
use crate::measure;
use crate::wait::wait_for;

/// The port of TCP sessions.
const PORT: &str = "15943";
/// The group of discovery.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 159, 43);

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    host: Host,
    arguments: Vec<String>,
    process: Process,
}

impl Host {
    /// Starts an agent as a package would, and waits until it listens.
    #[must_use]
    pub fn agent(&self) -> Agent {
        self.agent_with(&[])
    }

    /// Starts an agent with these arguments, and waits until it listens.
    #[must_use]
    pub fn agent_with(&self, arguments: &[&str]) -> Agent {
        let agent = self.agent_unready(arguments);
        agent.wait_until_listening();
        agent
    }

    /// Starts an agent with these arguments.
    ///
    /// # Panics
    ///
    /// If its log cannot be written.
    #[must_use]
    pub fn agent_unready(&self, arguments: &[&str]) -> Agent {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let process = start(self, &arguments);
        Agent {
            host: self.clone(),
            arguments,
            process,
        }
    }
}

fn start(host: &Host, arguments: &[String]) -> Process {
    let mut words = vec!["/dtx/bin/dtx-agent"];
    words.extend(arguments.iter().map(String::as_str));
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(host.path("/var/agent.log"))
        .expect("the agent's log is made");
    let copy = log.try_clone().expect("a descriptor is copied");
    host.program(&words).spawn_into(log, copy)
}

impl Agent {
    /// Its host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The executor: the main process.
    #[must_use]
    pub fn executor(&self) -> Pid {
        self.process.pid()
    }

    /// The front: the child that runs the same program and holds the sockets.
    #[must_use]
    pub fn front(&self) -> Pid {
        wait_for("a front runs", Duration::from_secs(5), || {
            measure::children(self.executor())
                .into_iter()
                .find(|pid| measure::holds_socket_to_listen(*pid))
                .ok_or("no child listens")
        })
    }

    /// Both.
    #[must_use]
    pub fn processes(&self) -> [Pid; 2] {
        [self.executor(), self.front()]
    }

    /// What it logged since the host was made.
    #[must_use]
    pub fn log(&self) -> String {
        self.host.read("/var/agent.log")
    }

    /// Waits until it takes sessions and can be found.
    pub fn wait_until_listening(&self) {
        wait_for("the agent listens", Duration::from_secs(20), || {
            let ports = measure::listening_ports(self.executor());
            let listens = ports.contains(&PORT.to_owned());
            let found = !self.answers_discovery() || measure::has_joined(self.executor(), GROUP);
            let seen = || format!("ports {ports:?}, group {found}, its log: {}", self.log());
            (listens && found).then_some(()).ok_or_else(seen)
        });
    }

    fn answers_discovery(&self) -> bool {
        !self.arguments.iter().any(|argument| argument == "off")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Asks it to end, and says how it did.
    #[must_use]
    pub fn stop(self) -> Finished {
        self.process.signal(Signal::SIGTERM);
        self.process.finish()
    }

    /// Ends the executor with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends the front with SIGKILL.
    pub fn kill_front(&self) {
        kill(self.front(), Signal::SIGKILL).ok();
    }

    /// Stops both processes in mid-air, and no job of theirs.
    pub fn freeze(&self) {
        for pid in self.processes() {
            kill(pid, Signal::SIGSTOP).expect("it runs");
        }
    }

    /// Lets both go on.
    pub fn thaw(&self) {
        // The front cannot be found by its sockets faster than it goes on.
        for pid in self.processes() {
            kill(pid, Signal::SIGCONT).expect("it runs");
        }
    }

    /// Sends the executor a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Starts it again with the same arguments, after it ended or was killed.
    pub fn start_again(&mut self) {
        self.kill();
        self.process = start(&self.host, &self.arguments);
        self.wait_until_listening();
    }
}
