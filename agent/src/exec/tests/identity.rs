//! Who a job is, and what it inherits.

use std::collections::BTreeSet;
use std::ffi::CString;

use nix::unistd::{Gid, Uid, getgrouplist, setresgid, setresuid};

use super::super::main_process::is_protected;
use super::*;

/// `id` of a user as the node's database has it.
fn ids(user: &User) -> (u32, u32, BTreeSet<u32>) {
    let name = CString::new(user.name.clone()).unwrap();
    let groups = getgrouplist(&name, user.gid).unwrap();
    (
        user.uid.as_raw(),
        user.gid.as_raw(),
        groups.into_iter().map(Gid::as_raw).collect(),
    )
}

fn nobody() -> User {
    User::from_name("nobody").unwrap().unwrap()
}

#[test]
fn uid_gid_and_groups_are_the_users_and_no_others() {
    if skip_unless_root("becoming another user") {
        return;
    }
    for user in [nobody(), User::from_name("root").unwrap().unwrap()] {
        let mut plan = shell("grep -E '^(Uid|Gid|Groups):' /proc/self/status");
        plan.user.clone_from(&user.name);
        let (ending, output) = run(plan);
        assert_eq!(ending, Ending::Exited(0));
        let numbers = |line: &str| -> Vec<u32> {
            line.split_whitespace()
                .skip(1)
                .map(|word| word.parse().unwrap())
                .collect()
        };
        let lines: Vec<Vec<u32>> = output.lines().map(numbers).collect();
        let (uid, gid, groups) = ids(&user);
        assert_eq!(lines[0], [uid; 4], "{}", user.name);
        assert_eq!(lines[1], [gid; 4], "{}", user.name);
        assert_eq!(
            lines[2].iter().copied().collect::<BTreeSet<_>>(),
            groups,
            "{}",
            user.name
        );
    }
}

#[test]
fn another_user_may_open_its_own_pipes_and_read_its_script() {
    if skip_unless_root("becoming another user") {
        return;
    }
    let directory = script_dir();
    let text = "echo one > /dev/stdout; echo two > /dev/stderr; ls -ld $0 | cut -c1-10; \
                ls $(dirname $0) || echo closed";
    let mut plan = script(text, &[], directory.path());
    plan.user = "nobody".to_owned();
    assert_eq!(
        run(plan),
        (Ending::Exited(0), "one\n-r--------\nclosed\n".to_owned())
    );
}

#[test]
fn a_user_that_cannot_be_become_runs_nothing() {
    for name in ["no-such-user", "0", "#-1", "4294967295", ""] {
        let mut plan = shell("true");
        plan.user = name.to_owned();
        assert_eq!(code(&refused(plan)), RefusalCode::UnknownUser, "{name:?}");
    }
    if skip_unless_root("giving up root") {
        return;
    }
    // An agent that believes to be root and is not, and one that knows that it is not.
    for switch_user in [true, false] {
        in_own_process(|| {
            let user = nobody();
            setresgid(user.gid, user.gid, user.gid).unwrap();
            setresuid(user.uid, user.uid, user.uid).unwrap();
            let mut plan = shell("true");
            plan.user = "root".to_owned();
            plan.switch_user = switch_user;
            assert_eq!(code(&refused(plan)), RefusalCode::Resources);
        });
    }
    in_own_process(|| {
        let user = nobody();
        setresgid(user.gid, user.gid, user.gid).unwrap();
        setresuid(user.uid, user.uid, user.uid).unwrap();
        assert_eq!(Uid::current(), user.uid);
        assert_eq!(run(shell("id -u")).1, format!("{}\n", user.uid));
    });
}

#[test]
fn the_environment_is_exactly_this() {
    let mut plan = argv(&["env"]);
    plan.env
        .insert("NCCL_DEBUG".to_owned(), "INFO\nX=1".to_owned());
    plan.env.insert("LANG".to_owned(), "de_DE.UTF-8".to_owned());
    plan.env.insert("DTX_JOB".to_owned(), "forged".to_owned());
    let user = User::from_name(&plan.user).unwrap().unwrap();
    let expected: BTreeSet<String> = [
        format!("DTX_JOB={}", plan.job),
        format!("DTX_RUN={}", plan.run),
        "DTX_NODE=n1".to_owned(),
        "DTX_RANK=3".to_owned(),
        "DTX_COUNT=16".to_owned(),
        format!("HOME={}", user.dir.display()),
        "LANG=de_DE.UTF-8".to_owned(),
        format!("LOGNAME={}", user.name),
        "NCCL_DEBUG=INFO".to_owned(),
        "X=1".to_owned(),
        if user.uid.is_root() {
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()
        } else {
            "PATH=/usr/local/bin:/usr/bin:/bin".to_owned()
        },
        format!("SHELL={}", user.shell.display()),
        format!("USER={}", user.name),
    ]
    .into();
    let output = run(plan).1;
    assert_eq!(
        output
            .lines()
            .map(ToOwned::to_owned)
            .collect::<BTreeSet<_>>(),
        expected
    );

    let mut plan = argv(&["env"]);
    plan.env.insert("A=B".to_owned(), String::new());
    is_setup_failure(&run(plan).0, None, "name of a variable");
}

#[test]
fn nothing_else_is_inherited() {
    // Descriptors that would be inherited, in case anything still were.
    let open: Vec<File> = (0..4).map(|_| File::open("/dev/null").unwrap()).collect();
    for file in &open {
        fcntl(file, FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    }
    let line = "ls /proc/self/fd | tr '\\n' ' '; umask; \
                grep -E '^Sig(Blk|Ign):' /proc/self/status | cut -f2 | tr '\\n' ' '; \
                read -r pid name state parent group session rest < /proc/$$/stat; \
                test $session = $$ && echo leader; pwd";
    let expected = "0 1 2 3 0022\n0000000000000000 0000000000000000 leader\n/\n";
    assert_eq!(run(shell(line)).1, expected);
    drop(open);
}

/// The session keyrings that a process may see, by their ids.
fn session_keyrings(keys: &str) -> BTreeSet<&str> {
    let rings = keys.lines().filter(|line| line.contains(" _ses"));
    rings
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[test]
fn a_job_has_a_session_keyring_of_its_own() {
    if skip_unless_root("becoming another user") {
        return;
    }
    in_own_process(|| {
        if sys::join_new_session_keyring().is_err() {
            return;
        }
        let agents = std::fs::read_to_string("/proc/keys").unwrap_or_default();
        let agents = session_keyrings(&agents);
        let jobs = || {
            let mut plan = argv(&["cat", "/proc/keys"]);
            // Root would see everybody's; another user sees what it inherits.
            plan.user = "nobody".to_owned();
            run(plan).1
        };
        let (one, other) = (jobs(), jobs());
        let (one, other) = (session_keyrings(&one), session_keyrings(&other));
        assert_eq!(agents.is_empty(), one.is_empty());
        assert!(agents.is_disjoint(&one) && one.is_disjoint(&other));
        assert!(one.len() <= 1, "{one:?}");
    });
}

#[test]
fn a_job_does_not_have_the_agents_oom_score() {
    in_own_process(|| {
        // Without a capability only the other direction can be tried.
        let protected = std::fs::write("/proc/self/oom_score_adj", "-500").is_ok();
        if !protected {
            std::fs::write("/proc/self/oom_score_adj", "300").unwrap();
        }
        assert_eq!(is_protected(), protected);
        let mut plan = shell("cat /proc/self/oom_score_adj");
        plan.reset_oom_score = true;
        assert_eq!(run(plan).1, "0\n");
    });
}

#[test]
fn limits_are_set_and_what_cannot_be_set_is_said() {
    let mut plan = shell("ulimit -n; ulimit -v");
    plan.limits.memory = Some(1 << 30);
    plan.limits
        .configured
        .extend(crate::settings::ProcessLimit::new("nofile", Some(99)));
    assert_eq!(run(plan).1, "99\n1048576\n");
    if skip_unless_root("giving up root") {
        return;
    }
    in_own_process(|| {
        let user = nobody();
        setresuid(user.uid, user.uid, user.uid).unwrap();
        let mut plan = shell("true");
        plan.limits
            .configured
            .extend(crate::settings::ProcessLimit::new("nofile", None));
        let refusal = refused(plan);
        assert!(refusal.text.contains("nofile"), "{}", refusal.text);
    });
}

#[test]
fn a_shell_that_takes_no_commands_is_said_to() {
    let user = nobody();
    if skip_unless_root("becoming another user") || !user.shell.ends_with("nologin") {
        return;
    }
    let mut plan = plan(ProgramToRun::Shell {
        shell: Shell::Login,
        line: "true".to_owned(),
    });
    plan.user = "nobody".to_owned();
    is_setup_failure(&run(plan).0, None, "takes no commands");
}

#[test]
fn who_has_no_home_runs_in_the_root_directory() {
    let user = nobody();
    if skip_unless_root("becoming another user") || user.dir.exists() {
        return;
    }
    let mut plan = argv(&["pwd"]);
    plan.user = "nobody".to_owned();
    plan.cwd = None;
    let mut job = Job::start(plan);
    let (ending, notes) = job.ending();
    assert_eq!(ending, Ending::Exited(0));
    assert_eq!(notes, ["nobody has no home directory here; it ran in /"]);
    assert_eq!(job.output(), "/\n");
}
