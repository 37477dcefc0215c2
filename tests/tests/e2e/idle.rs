//! An agent at rest costs next to nothing, and as little again after work.

use std::time::{Duration, Instant};

use dtx_tests::lab::Agent;
use dtx_tests::measure;
use dtx_tests::skip::slow_tier;
use dtx_tests::wait::{holds, wait_for};

use crate::fleet_of::Fleet;

fn pss(agent: &Agent) -> u64 {
    agent.processes().into_iter().map(measure::pss_kib).sum()
}

/// Figures of memory hold for optimised binaries (`DTX_BIN_DIR`); a debug build's own are printed.
fn optimised() -> bool {
    std::env::var_os("DTX_BIN_DIR").is_some() || !cfg!(debug_assertions)
}

#[test]
fn an_agent_at_rest_is_small_and_still() {
    let Some(fleet) = Fleet::of(16) else { return };
    let [executor, front] = fleet.agents[0].processes();
    // Start-up is over when both have been still for a while.
    let quiet = |from: Instant, seconds| {
        wait_for("time passes", Duration::from_secs(60), || {
            holds(from.elapsed() > Duration::from_secs(seconds), "not yet")
        });
    };
    quiet(Instant::now(), 3);
    let all = fleet.agents.iter().map(pss).sum::<u64>() / 16;
    let private = measure::private_kib(executor);
    println!("PSS of both processes, 16 agents: {all} KiB; private to the executor: {private} KiB");
    let threads = measure::threads(executor) + measure::threads(front);
    assert!(threads <= 4, "{threads} threads");
    let before = [executor, front].map(measure::wake_ups);
    quiet(Instant::now(), 20);
    let after = [executor, front].map(measure::wake_ups);
    let woken = (after[0] - before[0]) + (after[1] - before[1]);
    println!("wake-ups in 20 s: {woken}");
    // Two timers ten seconds apart in each, and one surprise.
    assert!(woken <= 9, "{woken} wake-ups in 20 s");
    if optimised() {
        assert!(all <= 5 * 1024, "{all} KiB");
        assert!(private <= 1536, "{private} KiB");
    }
}

/// How many jobs: a debug build takes some 5 ms for each on two quiet cores.
fn jobs() -> &'static str {
    match (slow_tier(), optimised()) {
        (true, _) => "100000",
        (false, true) => "10000",
        (false, false) => "2000",
    }
}

/// 10,000 jobs with optimised programs (a release profile, or `DTX_BIN_DIR`), 2,000 in the
/// everyday tier of a debug build, and 100,000 in the slow tier.
#[test]
fn many_short_jobs_leave_nothing_behind() {
    let Some(fleet) = Fleet::alone(1) else { return };
    let agent = &fleet.agents[0];
    let jobs = jobs();
    let library = |count: &str| {
        let words = ["/dtx/bin/many-jobs", "n1", count, "8"];
        let program = fleet.operator().program(&words);
        let finished = program
            .deadline(Duration::from_secs(1800))
            .run()
            .expect_code(0);
        assert_eq!(finished.out(), format!("{count} ok\n"));
        finished.wall
    };
    library("10");
    let descriptors = || agent.processes().map(measure::descriptors);
    let before = descriptors();
    let took = library(jobs);
    println!("{jobs} jobs over one session in {took:?}");
    // A client that leaves in the middle of a release leaves a job to the grace of 60 s.
    wait_for("descriptors come back", Duration::from_secs(90), || {
        let now = descriptors();
        let back = now[0] <= before[0] + 2 && now[1] <= before[1] + 2;
        holds(back, format!("{now:?}, before {before:?}"))
    });
    let zombies = measure::tree(agent.executor())
        .into_iter()
        .filter(|pid| measure::state(*pid) == 'Z')
        .count();
    assert_eq!(zombies, 0);
    let memory = pss(agent);
    println!("PSS after {jobs} jobs: {memory} KiB");
    assert!(!optimised() || memory <= 12 * 1024, "{memory} KiB");
}
