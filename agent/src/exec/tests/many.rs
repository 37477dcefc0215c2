//! Many jobs: nothing stays behind, and what one costs.

use std::collections::BTreeSet;

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::children::reap_strays;
use super::super::paths::PathCheck;
use super::super::process::children;
use super::super::start::StartError;
use super::*;

const JOBS: usize = 2_000;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn cpu() -> Duration {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .map(|who| getrusage(who).unwrap())
        .iter()
        .flat_map(|usage| [usage.user_time(), usage.system_time()])
        .map(|time| {
            Duration::from_micros(
                u64::try_from(nix::sys::time::TimeValLike::num_microseconds(&time)).unwrap(),
            )
        })
        .sum()
}

#[test]
fn short_jobs_leave_nothing_behind() {
    in_own_process(|| {
        // As an agent does once, before its first job.
        super::super::become_user::load_databases();
        let (before, cpu_before, begin) = (open_descriptors(), cpu(), Instant::now());
        for _ in 0..JOBS {
            let mut job = Job::start(argv(&["/bin/true"]));
            assert_eq!(job.ending(), (Ending::Exited(0), Vec::new()));
        }
        assert_eq!(children(Pid::this()).unwrap(), [], "zombies");
        assert_eq!(open_descriptors(), before);
        let (cost, wall) = (cpu() - cpu_before, begin.elapsed());
        let each = |time: Duration| time.as_micros() / JOBS as u128;
        // Into the terminal of who runs it: the output of a forked process is not captured.
        let text = format!(
            "{JOBS} jobs: {} us CPU, {} us each\n",
            each(cost),
            each(wall)
        );
        std::io::stderr().write_all(text.as_bytes()).unwrap();
    });
}

#[test]
fn jobs_at_once_do_not_hold_each_others_pipes() {
    let mut jobs: Vec<Job> = (0..32)
        .map(|_| Job::start(shell("echo $DTX_JOB; sleep 0.1")))
        .collect();
    for job in &mut jobs {
        assert_eq!(job.ending().0, Ending::Exited(0));
        assert_eq!(job.output().trim().len(), 32);
    }
}

#[test]
fn without_descriptors_or_processes_nothing_starts_and_the_agent_lives() {
    in_own_process(|| {
        setrlimit(Resource::RLIMIT_NOFILE, open_descriptors() as u64, 4096).unwrap();
        let error = start(shell("true")).map(drop).unwrap_err();
        assert!(matches!(error, StartError::Pipe(_)), "{error}");
        setrlimit(Resource::RLIMIT_NOFILE, 4096, 4096).unwrap();
        assert_eq!(run(shell("true")).0, Ending::Exited(0));
    });
    if skip_unless_root("giving up root") {
        return;
    }
    in_own_process(|| {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        nix::unistd::setresuid(nobody.uid, nobody.uid, nobody.uid).unwrap();
        setrlimit(Resource::RLIMIT_NPROC, 0, 4096).unwrap();
        let error = start(shell("true")).map(drop).unwrap_err();
        assert!(matches!(error, StartError::Fork(_)), "{error}");
        setrlimit(Resource::RLIMIT_NPROC, 4096, 4096).unwrap();
        assert_eq!(run(shell("true")).0, Ending::Exited(0));
    });
}

#[test]
fn children_of_nobody_are_reaped() {
    in_own_process(|| {
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        let mut job = Job::start(shell("sleep 0.1 & true"));
        assert_eq!(job.ending().0, Ending::Exited(0));
        let front = job.running.supervisor();
        drop(job);
        wait_for("the end of the orphan", || {
            reap_strays(&[front]);
            children(Pid::this()).unwrap().is_empty()
        });
    });
}

#[test]
fn a_helper_that_is_waited_for_is_not_reaped_as_a_stray() {
    in_own_process(|| {
        let check = PathCheck::start(BTreeSet::new()).unwrap();
        let job = Job::start(shell("sleep 1000"));
        let [helper, supervisor] = children(Pid::this()).unwrap()[..] else {
            panic!("two children");
        };
        kill(supervisor, Signal::SIGKILL).unwrap();
        for child in [helper, supervisor] {
            wait_for("its end", || Process::read(child).unwrap().zombie);
        }
        reap_strays(&[]);
        // Their numbers are still theirs, so nobody else's process is signalled now.
        assert!(
            [helper, supervisor]
                .map(Process::read)
                .iter()
                .all(Option::is_some)
        );
        drop(check);
        assert_eq!(Process::read(helper), None);
        drop(job);
        reap_strays(&[]);
        assert_eq!(
            Process::read(supervisor),
            None,
            "nobody waits for it any more"
        );
    });
}
