//! The main process of a job, from its birth to the moment when it is the program.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, SFlag, fstat, umask};
use nix::unistd::{Pid, chdir, fchown, getppid, setsid};

use super::become_user::Account;
use super::environment::Environment;
use super::failure::{Failure, Stage};
use super::marks::MarkWriter;
use super::plan::{LaunchPlan, ProcessLimits, ProgramToRun};
use super::program::Invocation;
use super::script::write_script;
use crate::sys;

/// Above 0: rather this process than others; below: rather others.
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Becomes the program of `plan`, and returns only if that fails, after saying so over `marks`,
/// which ends by itself when the program runs.
///
/// Descriptors 0 to 2 are the program's already, and every signal has its default action.
pub(super) fn run(plan: &LaunchPlan, supervisor: Pid, mut marks: MarkWriter) {
    let (Ok(failure) | Err(failure)) = become_program(plan, supervisor, &mut marks);
    marks.failed(failure);
}

fn become_program(
    plan: &LaunchPlan,
    supervisor: Pid,
    marks: &mut MarkWriter,
) -> Result<Failure, Failure> {
    setsid().map_err(|error| broken("setsid", error))?;
    leave_keyring()?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);

    marks.stage(Stage::LookUp)?;
    let account = Account::look_up(&plan.user, plan.switch_user)?;

    marks.stage(Stage::Prepare)?;
    if plan.reset_oom_score {
        reset_oom_score()?;
    }
    if let ProgramToRun::Script { text, path, .. } = &plan.program {
        write_script(path, text, &account)?;
    }
    own_pipes(&account)?;
    let invocation = Invocation::new(&plan.program, &account)?;
    let environment = Environment::new(plan, &account);
    set_limits(&plan.limits)?;
    account.become_it()?;

    marks.stage(Stage::Enter)?;
    if !enter(plan, &account)? {
        marks.no_home()?;
    }

    // Set after the change of user, which clears it. Only then is the question who the parent is
    // worth asking.
    set_pdeathsig(Signal::SIGKILL).map_err(|error| broken("prctl", error))?;
    if getppid() != supervisor {
        return Err(Failure::resources("the job's supervisor was killed"));
    }
    SigSet::empty()
        .thread_set_mask()
        .map_err(|error| broken("sigprocmask", error))?;
    marks.stage(Stage::Execute)?;
    Ok(invocation.execute(&environment))
}

/// Keys in the agent's session keyring are nothing to its jobs, and a job's nothing to the next.
/// The new one is root's also where the job is not: a user's own quota of keys is small, and one
/// who uses it up must not end up with the agent's.
fn leave_keyring() -> Result<(), Failure> {
    match sys::join_new_session_keyring() {
        // A kernel or a container without keyrings has none to inherit either.
        Ok(()) | Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        Err(error) => Err(broken("keyctl", error)),
    }
}

/// A protected agent must not make protected jobs: they are what memory is to be taken from.
fn reset_oom_score() -> Result<(), Failure> {
    std::fs::write(OOM_SCORE, "0").map_err(|error| {
        Failure::resources(format!(
            "the job would be protected from the kernel's OOM killer like the agent, and that \
             cannot be changed: {OOM_SCORE}: {error}"
        ))
    })
}

/// Whether this process is protected from the OOM killer.
pub(super) fn is_protected() -> bool {
    let score = std::fs::read_to_string(OOM_SCORE);
    score.is_ok_and(|text| text.starts_with('-'))
}

fn set_limits(limits: &ProcessLimits) -> Result<(), Failure> {
    let set = |name: &str, resource: Resource, value: Option<u64>| {
        let value = value.unwrap_or(RLIM_INFINITY);
        setrlimit(resource, value, value).map_err(|error| {
            Failure::resources(format!(
                "the limit {name} cannot be set to {value}: {}; see `limits` in agent.toml",
                error.desc()
            ))
        })
    };
    for limit in &limits.configured {
        set(limit.name, limit.resource, limit.value)?;
    }
    if limits.memory.is_some() {
        set("memory", Resource::RLIMIT_AS, limits.memory)?;
    }
    if limits.procs.is_some() {
        set("procs", Resource::RLIMIT_NPROC, limits.procs)?;
    }
    Ok(())
}

/// Lets the user open `/dev/stdin`, `/dev/stdout` and `/dev/stderr`, which are the job's pipes and
/// still belong to the agent.
fn own_pipes(account: &Account) -> Result<(), Failure> {
    if !account.is_somebody_else() {
        return Ok(());
    }
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for descriptor in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        let kind = fstat(descriptor)
            .map_err(|error| broken("fstat", error))?
            .st_mode;
        if SFlag::from_bits_truncate(kind) & SFlag::S_IFMT == SFlag::S_IFIFO {
            fchown(descriptor, Some(account.uid), Some(account.gid))
                .map_err(|error| broken("fchown", error))?;
        }
    }
    Ok(())
}

/// Enters the working directory, as the user: so a file server's rules for root do not matter.
/// `false`: there is no home, and `/` has to do, as with `ssh`.
fn enter(plan: &LaunchPlan, account: &Account) -> Result<bool, Failure> {
    match &plan.cwd {
        Some(cwd) => chdir(cwd.as_path()).map(|()| true).map_err(|error| {
            let text = format!(
                "cannot enter the directory {}: {}",
                cwd.display(),
                error.desc()
            );
            Failure::setup(text)
        }),
        None if chdir(account.home.as_path()).is_ok() => Ok(true),
        None => {
            chdir(Path::new("/")).map_err(|error| broken("chdir /", error))?;
            Ok(false)
        }
    }
}

fn broken(call: &str, error: Errno) -> Failure {
    Failure::resources(format!(
        "the job cannot be set up: {call}: {}",
        error.desc()
    ))
}
