//! The environment of a job: from scratch, nothing of the agent's own.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

use super::become_user::Account;
use super::failure::Failure;
use super::plan::LaunchPlan;

/// Where programs are looked for, as `sshd` has it.
const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The same for root.
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The same everywhere, so that equal commands give equal output: UTF-8, and nobody's language.
const LANG: &str = "C.UTF-8";

/// Variable by which a job's processes are known, even when nothing else is left of it.
pub(super) const JOB_VARIABLE: &str = "DTX_JOB";
/// The run that it belongs to.
pub(super) const RUN_VARIABLE: &str = "DTX_RUN";

/// A job's variables.
#[derive(Debug)]
pub(super) struct Environment(BTreeMap<Vec<u8>, Vec<u8>>);

impl Environment {
    /// Defaults, over them what the policy accepted, over both what says which job this is.
    pub(super) fn new(plan: &LaunchPlan, account: &Account) -> Self {
        let path = if account.uid.is_root() {
            ROOT_PATH
        } else {
            USER_PATH
        };
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: Vec<u8>| variables.insert(name.into(), value);
        set("PATH", path.into());
        set("HOME", account.home.clone().into_os_string().into_vec());
        set("USER", account.name.clone().into());
        set("LOGNAME", account.name.clone().into());
        set("SHELL", account.shell.clone().into_os_string().into_vec());
        set("LANG", LANG.into());
        for (name, value) in &plan.env {
            set(name, value.clone().into());
        }
        set("DTX_NODE", plan.node.to_string().into());
        set("DTX_RANK", plan.rank.to_string().into());
        set("DTX_COUNT", plan.count.to_string().into());
        set(RUN_VARIABLE, plan.run.to_string().into());
        set(JOB_VARIABLE, plan.job.to_string().into());
        Self(variables)
    }

    /// Where programs are looked for.
    pub(super) fn path(&self) -> &[u8] {
        self.0.get(&b"PATH"[..]).map_or(&[], Vec::as_slice)
    }

    /// As `execve` takes it.
    pub(super) fn to_strings(&self) -> Result<Vec<CString>, Failure> {
        self.0
            .iter()
            .map(|(name, value)| {
                let shown = String::from_utf8_lossy(name);
                if name.is_empty() || name.contains(&b'=') {
                    let text = format!("{shown:?} cannot be the name of a variable");
                    return Err(Failure::setup(text));
                }
                CString::new([name, &b"="[..], value].concat())
                    .map_err(|_| Failure::setup(format!("the variable {shown:?} holds a NUL")))
            })
            .collect()
    }
}
