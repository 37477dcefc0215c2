//! The main process of a job, from its birth to the moment when it is the program.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use dtx_proto_types::signed::encode;
use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, SFlag, fstat, umask};
use nix::unistd::{Pid, chdir, fchown, getppid, setsid};

use super::become_user::Account;
use super::environment::Environment;
use super::failure::{Failure, Stage};
use super::plan::{LaunchPlan, ProcessLimits, ProgramToRun};
use super::program::Invocation;
use super::script::{script_path, write_script};

/// Mark on the way to the supervisor: the home directory could not be entered.
pub(super) const NO_HOME: u8 = 0xfe;
/// Mark before a failure, which takes up the rest.
pub(super) const FAILED: u8 = 0xff;

/// Becomes the program of `plan`, and returns only if that fails, after saying so over `marks`,
/// which ends by itself when the program runs.
///
/// Descriptors 0 to 2 are the program's already, and every signal has its default action.
pub(super) fn run(plan: &LaunchPlan, supervisor: Pid, marks: OwnedFd) {
    let mut marks = File::from(marks);
    let failure = match become_program(plan, supervisor, &mut marks) {
        Ok(never) | Err(never) => never,
    };
    let mut last = vec![FAILED];
    last.extend(encode(&failure.into_report()));
    // Without a supervisor nobody is left to be told.
    let _gone = marks.write_all(&last);
}

fn become_program(
    plan: &LaunchPlan,
    supervisor: Pid,
    marks: &mut File,
) -> Result<Failure, Failure> {
    let mut mark = |byte: u8| {
        marks
            .write_all(&[byte])
            .map_err(|error| Failure::resources(format!("the supervisor is gone: {error}")))
    };
    setsid().map_err(|error| broken("setsid", error))?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);

    mark(Stage::LookUp.mark())?;
    let account = Account::look_up(&plan.user, plan.switch_user)?;

    mark(Stage::Prepare.mark())?;
    reset_oom_score()?;
    let script = script_path(&plan.script_dir, plan.job);
    if let ProgramToRun::Script { text, .. } = &plan.program {
        write_script(&script, text, &account)?;
    }
    own_pipes(&account)?;
    let invocation = Invocation::new(&plan.program, &account, &script)?;
    let environment = Environment::new(plan, &account);
    set_limits(&plan.limits)?;
    account.become_it()?;

    mark(Stage::Enter.mark())?;
    if !enter(plan, &account)? {
        mark(NO_HOME)?;
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
    mark(Stage::Execute.mark())?;
    Ok(invocation.execute(&environment))
}

/// A protected agent must not make protected jobs: they are what memory is to be taken from.
fn reset_oom_score() -> Result<(), Failure> {
    let path = "/proc/self/oom_score_adj";
    let Err(error) = std::fs::write(path, "0") else {
        return Ok(());
    };
    // Without privileges it cannot be lowered, and need not be.
    let now: Option<i32> = std::fs::read_to_string(path)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match now {
        Some(0..) => Ok(()),
        _ => Err(Failure::resources(format!(
            "the job would be protected from the kernel's OOM killer like the agent, and that \
             cannot be changed: {path}: {error}"
        ))),
    }
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
