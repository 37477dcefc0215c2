//! What a demo leaves behind when it is ended in the middle: nothing.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::home::Home;

/// An agent that never answers, and says who it is.
const AGENT: &str = "#!/bin/sh\necho $$ >> \"$HOME/agents\"\nexec sleep 1000\n";

/// Twice what the keeper gives the agents and the files, and a slow machine's share.
const PATIENCE: Duration = Duration::from_secs(30);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn agents(home: &Home) -> Vec<Pid> {
    let text = std::fs::read_to_string(home.path("agents")).unwrap_or_default();
    let numbers = text.lines().filter_map(|line| line.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

fn directories(home: &Home) -> usize {
    std::fs::read_dir(home.path("tmp")).unwrap().count()
}

fn start(home: &Home) -> Child {
    let agent = home.write("bin/agent", AGENT);
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(home.path("tmp")).unwrap();
    let demo = home
        .command(&["demo", "-n", "3", "--agent", agent.to_str().unwrap()])
        .env("TMPDIR", home.path("tmp"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("three agents run", || agents(home).len() == 3);
    assert_eq!(directories(home), 1);
    demo
}

#[test]
fn nothing_is_left_however_it_ends() {
    for signal in [Signal::SIGKILL, Signal::SIGINT, Signal::SIGTERM] {
        let home = Home::new();
        let mut demo = start(&home);
        kill(Pid::from_raw(demo.id().try_into().unwrap()), signal).unwrap();
        demo.wait().unwrap();
        until("no agent runs", || {
            agents(&home)
                .iter()
                .all(|agent| kill(*agent, None).is_err())
        });
        until("no directory is left", || directories(&home) == 0);
    }
}
