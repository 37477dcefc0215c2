//! Whole trees, ended.

use dtx_proto_types::id::JobId;
use dtx_proto_types::key::Fingerprint;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::process::descendants;
use super::super::running::Stop;
use super::*;
use crate::journal::{LostJob, Recovered};

/// A tree of sleepers: in the foreground, in the background, in a session of its own, and below a
/// daemon that left its parents.
const TREE: &str = "sleep 1000 & setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; \
                    sleep 1000; echo survived";
/// Sleepers in it.
const SLEEPERS: usize = 5;

fn of_child(child: &std::process::Child) -> Process {
    Process::read(Pid::from_raw(child.id().cast_signed())).unwrap()
}

/// Waits until the whole tree is there; returns all of it.
fn sleepers(job: &mut Job, count: usize) -> Vec<Process> {
    job.wait_for_start();
    let supervisor = Pid::from_raw(job.running.supervisor().cast_signed());
    let mut all = Vec::new();
    wait_for("the tree", || {
        all = descendants(supervisor);
        all.iter().filter(|process| process.name == "sleep").count() == count
    });
    all
}

#[test]
fn a_stopped_tree_is_gone_and_another_jobs_is_not() {
    let mut other = Job::start(shell(TREE));
    let untouched = sleepers(&mut other, SLEEPERS);
    let mut job = Job::start(shell(TREE));
    let tree = sleepers(&mut job, SLEEPERS);
    let begin = Instant::now();
    job.running.stop(Stop::Cancelled("by test".to_owned()));
    let (ending, notes) = job.ending();
    assert_eq!(ending, Ending::Cancelled("by test".to_owned()));
    assert!(notes.is_empty(), "{notes:?}");
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "nobody ignored SIGTERM"
    );
    assert!(tree.iter().all(|process| !lives(process)));
    assert_eq!(job.output(), "");
    assert!(untouched.iter().all(lives));
    other.running.stop(Stop::TimedOut);
    other.running.stop(Stop::Cancelled("too late".to_owned()));
    assert_eq!(other.ending().0, Ending::TimedOut);
    assert!(!untouched.iter().any(lives));
}

#[test]
fn who_ignores_sigterm_is_killed_after_the_grace() {
    let mut plan = shell(
        "trap '' TERM HUP INT; (trap '' TERM; setsid sh -c 'while :; do sleep 1000; done') & \
         while :; do sleep 1000; done",
    );
    plan.kill_grace = Duration::from_millis(300);
    let mut job = Job::start(plan);
    let tree = sleepers(&mut job, 2);
    let begin = Instant::now();
    job.running.stop(Stop::TimedOut);
    assert_eq!(job.ending().0, Ending::TimedOut);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(!tree.iter().any(lives));
}

#[test]
fn a_stopped_process_hears_of_the_end_too() {
    let mut job = Job::start(shell(
        "trap 'echo heard; exit' TERM; kill -STOP $$; sleep 1000",
    ));
    let pid = Pid::from_raw(job.wait_for_start().cast_signed());
    wait_for("the stop", || {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .unwrap()
            .contains(") T ")
    });
    job.running.stop(Stop::TimedOut);
    assert_eq!(job.ending().0, Ending::TimedOut);
    assert_eq!(job.output(), "heard\n");
}

#[test]
fn a_tree_that_forks_all_the_time_is_killed() {
    if skip_unless_root("a limit of processes") {
        return;
    }
    let mut plan = shell("f() { f & f & sleep 0.01; f; }; f 2>/dev/null");
    plan.user = "nobody".to_owned();
    plan.limits.procs = Some(120);
    plan.kill_grace = Duration::from_millis(100);
    let mut job = Job::start(plan);
    job.wait_for_start();
    let supervisor = Pid::from_raw(job.running.supervisor().cast_signed());
    wait_for("many", || descendants(supervisor).len() > 60);
    job.running.stop(Stop::TimedOut);
    let (ending, notes) = job.ending();
    assert_eq!(ending, Ending::TimedOut);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn jobs_die_with_the_executor() {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let mut write = Some(write);
    let executor = sys::fork(|| {
        let mut write = File::from(write.take().unwrap());
        let mut jobs = [Job::start(shell(TREE)), Job::start(shell(TREE))];
        for job in &mut jobs {
            for process in sleepers(job, SLEEPERS) {
                writeln!(write, "{}", process.pid).unwrap();
            }
        }
        kill(Pid::this(), Signal::SIGKILL).unwrap();
    })
    .unwrap();
    drop(write);
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    waitpid(executor, None).unwrap();
    assert!(text.lines().count() >= 2 * SLEEPERS);
    for pid in text.lines() {
        let pid = Pid::from_raw(pid.parse().unwrap());
        wait_for("the end of the tree", || {
            Process::read(pid).is_none_or(|process| process.zombie)
        });
    }
}

#[test]
fn a_job_whose_supervisor_was_killed_is_lost_and_its_tree_gone() {
    let mut job = Job::start(shell(TREE));
    let tree = sleepers(&mut job, SLEEPERS);
    kill(
        Pid::from_raw(job.running.supervisor().cast_signed()),
        Signal::SIGKILL,
    )
    .unwrap();
    match job.ending() {
        (Ending::Lost(why), notes) => {
            assert!(why.contains("watched over"), "{why}");
            assert!(notes.is_empty(), "{notes:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!tree.iter().any(lives), "gone before it is said");
}

/// Ids are the clients' choice and marks anybody's: what counts is below whom a process lives.
#[test]
fn a_mark_neither_ends_nor_protects_what_is_not_the_jobs() {
    let mut lost = shell(TREE);
    let mut twin = shell(TREE);
    (twin.job, twin.run) = (lost.job, lost.run);
    // A process of the agent's machine that bore the mark before the job was there.
    let marked = |job: JobId, run: RunId| {
        let mut command = std::process::Command::new("sleep");
        command.arg("1000").env("DTX_JOB", job.to_string());
        command.env("DTX_RUN", run.to_string()).spawn().unwrap()
    };
    let mut strangers = [
        marked(lost.job, lost.run),
        marked(lost.job, RunId::from_bytes([8; 16])),
    ];
    let older: Vec<Process> = strangers.iter().map(of_child).collect();
    wait_for("another tick of the kernel's clock", || {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let now = of_child(&child).start_time;
        child.wait().unwrap();
        now > older[1].start_time
    });
    // It tries to pass for another job's.
    lost.env.insert("DTX_RUN".to_owned(), "forged".to_owned());
    let mut job = Job::start(lost);
    let tree = sleepers(&mut job, SLEEPERS);
    let mut other = Job::start(twin);
    let untouched = sleepers(&mut other, SLEEPERS);
    let supervisor = Pid::from_raw(job.running.supervisor().cast_signed());
    kill(supervisor, Signal::SIGKILL).unwrap();
    assert!(matches!(job.ending(), (Ending::Lost(_), notes) if notes.is_empty()));
    assert!(!tree.iter().any(lives));
    assert!(untouched.iter().chain(&older).all(lives));
    other.running.stop(Stop::TimedOut);
    assert_eq!(other.ending().0, Ending::TimedOut);
    for stranger in &mut strangers {
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}

#[test]
fn leftovers_of_an_earlier_agent_are_ended_and_nothing_else() {
    let spawn = |job: &str| {
        let mut command = std::process::Command::new("/bin/sh");
        command
            .args(["-c", "env -i sleep 1000 & sleep 1000"])
            .env("DTX_JOB", job)
            .env("DTX_RUN", RunId::from_bytes([2; 16]).to_string());
        command.spawn().unwrap()
    };
    let lost = JobId::from_bytes([0xd1; 16]);
    let mut ours = spawn(&lost.to_string());
    let mut others = spawn(&JobId::from_bytes([0xd2; 16]).to_string());
    let below = |child: &std::process::Child| {
        let pid = Pid::from_raw(child.id().cast_signed());
        let mut all = Vec::new();
        wait_for("two sleepers", || {
            all = descendants(pid);
            all.iter().filter(|process| process.name == "sleep").count() == 2
        });
        all
    };
    let (tree, untouched) = (below(&ours), below(&others));
    let recovered = |this_boot| Recovered {
        lost: vec![LostJob {
            operator: Fingerprint::from_bytes([1; 32]),
            job: lost,
            run: RunId::from_bytes([2; 16]),
            main: None,
            this_boot,
        }],
        ..Recovered::default()
    };
    assert!(super::super::leftovers::end(&recovered(false)).is_empty());
    assert!(tree.iter().all(lives), "another boot's numbers say nothing");
    let ended = super::super::leftovers::end(&recovered(true));
    assert_eq!(ended.len(), 3, "{ended:?}");
    assert!(
        ended
            .iter()
            .all(|leftover| leftover.gone && leftover.job == lost)
    );
    assert!(!tree.iter().any(lives) && untouched.iter().all(lives));
    ours.wait().unwrap();
    for process in untouched {
        process.signal(Signal::SIGKILL).unwrap();
    }
    others.kill().unwrap();
    others.wait().unwrap();
}
