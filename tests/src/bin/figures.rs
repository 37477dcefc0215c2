//! The figures that the project reports: real agents in a lab, against `pdsh` that forks the same
//! commands locally. Prints tables in Markdown.
//!
//! `DTX_BIN_DIR=target/release cargo run --release -p dtx-tests --bin figures [NODES…]`, as root.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use dtx_tests::lab::{Agent, Binaries, Lab};
use dtx_tests::measure;

/// Runs of each kind, in turns.
const RUNS: usize = 10;
/// `pdsh`'s own default.
const PDSH_FANOUT: &str = "32";

/// What one kind of run costs.
#[derive(Debug, Default)]
struct Series {
    wall_us: Vec<u64>,
    cpu_us: Vec<u64>,
}

impl Series {
    fn add(&mut self, lab: &Lab, words: &[&str]) {
        let line = [&["/dtx/bin/dtx-lab", "clock"], words].concat();
        let program = lab
            .operator()
            .program(&line)
            .env("XDG_STATE_HOME", "/root/.local/state");
        let out = program.run().expect_code(0).out();
        let mut numbers = out
            .split_whitespace()
            .map(|number| number.parse().expect("a number"));
        self.wall_us.push(numbers.next().expect("wall time"));
        self.cpu_us.push(numbers.next().expect("processor time"));
    }

    fn wall(&self) -> u64 {
        median(&self.wall_us)
    }
}

fn main() -> ExitCode {
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let sizes = if given.is_empty() {
        vec![64, 256]
    } else {
        given
    };
    machine();
    for nodes in sizes {
        let Some(lab) = Lab::new(nodes) else {
            return ExitCode::FAILURE;
        };
        let agents = start(&lab);
        runs(&lab, nodes);
        discovery(&lab, nodes);
        rest(&agents);
    }
    sizes_of_binaries();
    ExitCode::SUCCESS
}

fn machine() {
    let first = |command: &mut Command| {
        let output = command
            .output()
            .map(|output| output.stdout)
            .unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let kernel = first(Command::new("uname").arg("-sr"));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let table = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = table
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    println!("{cores} cores ({model}), {kernel}; agents, client and pdsh share them.\n");
}

fn start(lab: &Lab) -> Vec<Agent> {
    let begun = Instant::now();
    let agents: Vec<Agent> = lab
        .hosts()
        .iter()
        .map(|host| host.agent_unready(&[]))
        .collect();
    for agent in &agents {
        agent.wait_until_listening();
    }
    println!("## {} agents\n", agents.len());
    println!(
        "All started within {:.1} s.\n",
        begun.elapsed().as_secs_f64()
    );
    agents
}

/// `dtx run --all --exec` with a warm and an empty cache, and `pdsh -R exec`, in turns.
fn runs(lab: &Lab, nodes: usize) {
    let width = nodes.to_string().len();
    let set = format!("n[{:0width$}-{nodes}]", 1);
    println!(
        "| command | dtx, cache warm | dtx, cache empty | pdsh -R exec -f {PDSH_FANOUT} | ratio warm | ratio empty | client and local CPU, dtx warm | … pdsh |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for command in ["true", "hostname"] {
        let mut series = [Series::default(), Series::default(), Series::default()];
        let warm = ["/dtx/bin/dtx", "run", "--all", "--exec", command];
        lab.operator()
            .must(&["/dtx/bin/dtx", "run", "--all", "--exec", command]);
        for turn in 0..RUNS {
            let fresh = format!("/root/fresh-{command}-{turn}");
            let [with_cache, without, pdsh] = &mut series;
            with_cache.add(lab, &warm);
            without.add(
                lab,
                &[
                    "/dtx/bin/dtx",
                    "run",
                    "--state-dir",
                    &fresh,
                    "--all",
                    "--exec",
                    command,
                ],
            );
            pdsh.add(
                lab,
                &["pdsh", "-R", "exec", "-f", PDSH_FANOUT, "-w", &set, command],
            );
        }
        let [with_cache, without, pdsh] = &series;
        println!(
            "| `{command}` | {} | {} | {} | {:.2} | {:.2} | {} | {} |",
            seconds(with_cache.wall()),
            seconds(without.wall()),
            seconds(pdsh.wall()),
            ratio(with_cache.wall(), pdsh.wall()),
            ratio(without.wall(), pdsh.wall()),
            seconds(median(&with_cache.cpu_us)),
            seconds(median(&pdsh.cpu_us)),
        );
    }
    println!();
}

/// How long until `dtx nodes` has a complete list, from nothing.
fn discovery(lab: &Lab, nodes: usize) {
    let mut wall = Vec::new();
    let mut complete = 0;
    for turn in 0..RUNS {
        let state = format!("/root/discover-{turn}");
        let program = lab
            .operator()
            .dtx(&["run", "--state-dir", &state, "--list", "--all"]);
        let finished = program.run();
        wall.push(u64::try_from(finished.wall.as_micros()).unwrap_or(u64::MAX));
        // As a folded set or as one name a line.
        let width = nodes.to_string().len();
        let folded = format!("n[{:0width$}-{nodes}]", 1);
        let listed = finished.out();
        complete += usize::from(listed.trim() == folded || listed.lines().count() == nodes);
    }
    println!(
        "Discovery from an empty cache (`--all --list`): median {}, complete in {complete} of {RUNS}.\n",
        seconds(median(&wall))
    );
}

fn rest(agents: &[Agent]) {
    std::thread::sleep(Duration::from_secs(3));
    let mut both = Vec::new();
    let mut executors = Vec::new();
    for agent in agents.iter().take(16) {
        both.push(agent.processes().into_iter().map(measure::pss_kib).sum());
        executors.push(measure::private_kib(agent.executor()));
    }
    println!(
        "Agent after these runs, median of 16: PSS of both processes {} KiB, private memory of the executor {} KiB.\n",
        median(&both),
        median(&executors)
    );
}

fn sizes_of_binaries() {
    let binaries = Binaries::find();
    for path in [binaries.dtx, binaries.agent] {
        let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        println!("`{name}`: {:.2} MB", as_f64(bytes) / 1e6);
    }
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

fn seconds(us: u64) -> String {
    format!("{:.3} s", as_f64(us) / 1e6)
}

fn ratio(one: u64, other: u64) -> f64 {
    as_f64(one) / as_f64(other.max(1))
}

/// Exact for all that is measured here.
fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
