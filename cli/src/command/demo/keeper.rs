//! The process that holds a demo's agents and clears up behind them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dtx_client::identity::generate_key_file;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{Layout, node_names};
use crate::args::KeeperArgs;
use crate::error::Failure;
use crate::exit_code;

/// How long agents have to end by themselves.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the agents, says `ready` or `error …` on standard output, waits for the end of standard
/// input, and removes everything.
///
/// # Errors
///
/// None: whoever started it is told on standard output.
pub fn demo_keeper(args: &KeeperArgs) -> Result<u8, Failure> {
    // Ctrl-C is for the demo. If it cannot be kept from us, the agents stop a little earlier.
    let _own_session = nix::unistd::setsid();
    let layout = Layout::new(&args.directory);
    let mut agents = Vec::new();
    let started = layout
        .make()
        .map_err(|error| format!("{}: {error}", args.directory.display()))
        .and_then(|()| {
            let result = start(args, &layout, &mut agents);
            say(&match &result {
                Ok(()) => "ready".to_owned(),
                Err(error) => format!("error {error}"),
            });
            // The end of the demo, however it came.
            let _ended = io::stdin().read_to_end(&mut Vec::new());
            stop(&mut agents);
            remove(&layout);
            result
        });
    if let Err(error) = &started
        && agents.is_empty()
    {
        say(&format!("error {error}"));
    }
    Ok(if started.is_ok() {
        exit_code::OK
    } else {
        exit_code::FAILED
    })
}

/// The demo may be gone: then its input is at its end too, and that is what matters.
fn say(line: &str) {
    let mut to = io::stdout();
    let _gone = to
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| to.flush());
}

fn start(args: &KeeperArgs, layout: &Layout, agents: &mut Vec<Child>) -> Result<(), String> {
    let key = generate_key_file(&layout.key(), "dtx demo").map_err(|error| error.to_string())?;
    layout
        .write(&key.public_line, &args.demo_cluster)
        .map_err(|error| format!("{}: {error}", layout.directory().display()))?;
    for node in node_names(args.nodes) {
        let agent = agent(args, layout, &node)
            .map_err(|error| format!("{}: {error}", args.agent.display()))?;
        agents.push(agent);
    }
    Ok(())
}

fn agent(args: &KeeperArgs, layout: &Layout, node: &str) -> io::Result<Child> {
    let log = File::create(layout.agent_log(node))?;
    Command::new(&args.agent)
        .arg("--config")
        .arg(layout.agent_settings())
        .args(["--name", node, "--cluster", &args.demo_cluster])
        .args(["--listen", "127.0.0.1:0", "--interface", "lo"])
        .arg("--state-dir")
        .arg(layout.agent_state(node))
        .arg("--operators")
        .arg(layout.operators())
        .arg("--policy")
        .arg(layout.policy())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
}

/// Ends all agents: asked first, then killed.
fn stop(agents: &mut [Child]) {
    for agent in agents.iter() {
        if let Ok(id) = i32::try_from(agent.id()) {
            // It is our child and not reaped, so the number is still its own.
            let _gone = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
    }
    let until = Instant::now() + PATIENCE;
    for agent in agents.iter_mut() {
        while Instant::now() < until && matches!(agent.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // An error means that it has ended already.
        let _ended = agent.kill();
        let _reaped = agent.wait();
    }
}

/// What agents leave behind may still be written while they go.
fn remove(layout: &Layout) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match fs::remove_dir_all(layout.directory()) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_busy) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
