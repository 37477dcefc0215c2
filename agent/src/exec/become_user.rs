//! Who the main process is to be, from the node's own database, and becoming it.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::path::PathBuf;

use dtx_proto_types::message::RefusalCode;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, geteuid, getresgid, getresuid, setgroups, setresgid, setresuid};

use super::failure::Failure;
use crate::sys;

/// A user of this node.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) home: PathBuf,
    pub(super) shell: PathBuf,
    /// What the process's groups must become. `None`: it stays who it is.
    groups: Option<BTreeSet<u32>>,
}

/// Loads what the node's user database needs beyond libc (LDAP, SSSD, systemd), so that each
/// look-up need not do it anew in a process of its own. Nobody is asked anything, so this cannot
/// hang.
pub(super) fn load_databases() {
    let Ok(text) = fs::read_to_string("/etc/nsswitch.conf") else {
        return;
    };
    for service in services(&text) {
        if let Ok(name) = CString::new(format!("libnss_{service}.so.2")) {
            sys::load_library(&name);
        }
    }
}

/// The sources of users and groups that are libraries of their own.
fn services(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.split('#').next()?.split_once(':'))
        .filter(|(database, _)| matches!(database.trim(), "passwd" | "group" | "initgroups"))
        .flat_map(|(_, services)| services.split_whitespace())
        .filter(|service| {
            service
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
        .filter(|service| !matches!(*service, "files" | "compat" | "dns" | "db"))
        .collect()
}

/// The id that system calls take for "leave it as it is".
const NO_ID: u32 = u32::MAX;

impl Account {
    /// Looks the user up by name. Without `switch` it must be the agent's own.
    pub(super) fn look_up(name: &str, switch: bool) -> Result<Self, Failure> {
        let unknown = || {
            let text = format!("there is no user {name:?} on this node; choose another with -l");
            Failure::Refused(RefusalCode::UnknownUser, text)
        };
        // A number is an id, not a name, and no database that makes one into the other is asked.
        if name.is_empty() || name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(unknown());
        }
        let failed = |error: Errno| {
            let text = format!(
                "the node's user database cannot be asked about {name:?}: {}",
                error.desc()
            );
            Failure::resources(text)
        };
        let c_name = CString::new(name).map_err(|_| unknown())?;
        let user = User::from_name(name).map_err(failed)?.ok_or_else(unknown)?;
        if user.uid.as_raw() == NO_ID || user.gid.as_raw() == NO_ID {
            return Err(unknown());
        }
        if !switch && user.uid != geteuid() {
            return Err(cannot_become(name, "the agent does not run as root"));
        }
        let groups = if switch {
            let list = sys::groups_of(&c_name, user.gid.as_raw()).map_err(failed)?;
            Some(list.into_iter().collect())
        } else {
            None
        };
        Ok(Self {
            name: user.name,
            uid: user.uid,
            gid: user.gid,
            home: user.dir,
            shell: user.shell,
            groups,
        })
    }

    /// Whether becoming this user changes anything about who may open the job's own pipes.
    pub(super) fn is_somebody_else(&self) -> bool {
        self.groups.is_some() && self.uid != geteuid()
    }

    /// Becomes the user, for good. What is as it must be is not set, and everything is read back
    /// in the end: after an error the process must not go on.
    pub(super) fn become_it(&self) -> Result<(), Failure> {
        let Some(groups) = &self.groups else {
            return Ok(());
        };
        let at = |call: &'static str| {
            move |error: Errno| cannot_become(&self.name, &format!("{call}: {}", error.desc()))
        };
        if current_groups().map_err(at("getgroups"))? != *groups {
            let list: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
            setgroups(&list).map_err(at("setgroups"))?;
        }
        if !self.has_gid().map_err(at("getresgid"))? {
            setresgid(self.gid, self.gid, self.gid).map_err(at("setresgid"))?;
        }
        if !self.has_uid().map_err(at("getresuid"))? {
            setresuid(self.uid, self.uid, self.uid).map_err(at("setresuid"))?;
        }
        let done = current_groups().map_err(at("getgroups"))? == *groups
            && self.has_gid().map_err(at("getresgid"))?
            && self.has_uid().map_err(at("getresuid"))?;
        let root = Uid::from_raw(0);
        if !done || (!self.uid.is_root() && setresuid(root, root, root).is_ok()) {
            return Err(cannot_become(
                &self.name,
                "its ids could not be verified afterwards",
            ));
        }
        Ok(())
    }

    fn has_uid(&self) -> Result<bool, Errno> {
        let now = getresuid()?;
        Ok([now.real, now.effective, now.saved] == [self.uid; 3])
    }

    fn has_gid(&self) -> Result<bool, Errno> {
        let now = getresgid()?;
        Ok([now.real, now.effective, now.saved] == [self.gid; 3])
    }
}

fn current_groups() -> Result<BTreeSet<u32>, Errno> {
    Ok(sys::groups()?.into_iter().collect())
}

fn cannot_become(name: &str, why: &str) -> Failure {
    Failure::resources(format!("the job cannot run as {name:?} here: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_database_are_users() {
        for name in [
            "",
            "0",
            "-1",
            "#-1",
            "4294967295",
            "no-such-user",
            "ro\0ot",
            "root:x",
            "../root",
        ] {
            match Account::look_up(name, true) {
                Err(Failure::Refused(RefusalCode::UnknownUser, text)) => {
                    assert!(text.contains("no user"), "{text}");
                }
                other => panic!("{name:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn databases_are_those_of_users_and_groups() {
        let text = "passwd: files sss # ldap\n#group: nis\ngroup:files [NOTFOUND=return] systemd\n\
                    hosts: dns mdns4\ninitgroups:\tsss ../x\nnonsense";
        assert_eq!(services(text), BTreeSet::from(["sss", "systemd"]));
        assert!(services("").is_empty());
    }

    #[test]
    fn without_root_only_the_agents_own_user_will_do() {
        let me = User::from_uid(geteuid()).unwrap().unwrap();
        let account = Account::look_up(&me.name, false).unwrap();
        assert_eq!(account.uid, geteuid());
        assert!(!account.is_somebody_else());
        assert_eq!(account.become_it(), Ok(()));
        let other = if geteuid().is_root() {
            "nobody"
        } else {
            "root"
        };
        assert!(matches!(
            Account::look_up(other, false),
            Err(Failure::Refused(RefusalCode::Resources, _))
        ));
    }
}
