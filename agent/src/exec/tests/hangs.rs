//! File systems that do not answer.

use std::process::{Child, Command, Stdio};

use dtx_policy::PathQuestion;
use nix::sys::stat::stat;

use super::super::paths::PathCheck;
use super::super::running::Stop;
use super::*;

/// A file system whose server does not answer: whoever touches it waits.
struct HungMount {
    directory: tempfile::TempDir,
    server: Child,
}

impl HungMount {
    /// `None`, with the reason said, where it cannot be made.
    fn new() -> Option<Self> {
        // Not in `/tmp`: beneath what everybody can change, no path is looked at any further.
        let Ok(directory) = tempfile::tempdir_in("/run") else {
            println!("skipped: only root can make a directory that others cannot change");
            return None;
        };
        let line = "exec 3<>/dev/fuse && mount -i -t fuse \
                    -o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other dtx-test \"$0\" && \
                    echo mounted && exec sleep 1000";
        let mut server = Command::new("/bin/sh")
            .args(["-c", line])
            .arg(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut answer = String::new();
        let mut stdout = server.stdout.take().unwrap();
        let mut byte = [0];
        while answer != "mounted\n" && stdout.read(&mut byte).unwrap() == 1 {
            answer.push(char::from(byte[0]));
        }
        if answer != "mounted\n" {
            println!("skipped: no FUSE mount can be made here");
            server.wait().unwrap();
            return None;
        }
        Some(Self { directory, server })
    }
}

impl Drop for HungMount {
    fn drop(&mut self) {
        // The end of its server ends all waits.
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        Command::new("umount")
            .arg("-l")
            .arg(self.directory.path())
            .status()
            .unwrap();
    }
}

#[test]
fn a_directory_that_hangs_holds_up_neither_agent_nor_job() {
    let Some(mount) = HungMount::new() else {
        return;
    };
    let inside = mount.directory.path().join("inside");

    let mut plan = shell("true");
    plan.cwd = Some(inside.clone());
    plan.setup_max = Duration::from_millis(300);
    let begin = Instant::now();
    is_setup_failure(&run(plan).0, None, "entering the working directory");
    assert!(begin.elapsed() < Duration::from_secs(5));

    let mut plan = argv(&[inside.to_str().unwrap()]);
    plan.setup_max = Duration::from_millis(300);
    is_setup_failure(&run(plan).0, None, "starting the program");

    let mut plan = shell("true");
    plan.cwd = Some(inside.clone());
    let mut job = Job::start(plan);
    job.running.stop(Stop::Cancelled("by test".to_owned()));
    assert_eq!(job.ending().0, Ending::Cancelled("by test".to_owned()));

    let question = PathQuestion {
        root: mount.directory.path().to_str().unwrap().to_owned(),
        path: inside.to_str().unwrap().to_owned(),
    };
    let mut check = PathCheck::start([question.clone()].into()).unwrap();
    assert_eq!(check.receive(), None);
    let mut answers = None;
    wait_for("an answer", || {
        answers = check.receive();
        answers.is_some()
    });
    let no = answers.unwrap().remove(&question).unwrap().unwrap_err();
    assert!(no.contains("did not answer"), "{no}");
}

#[test]
fn paths_are_looked_at() {
    let questions: Vec<PathQuestion> = ["/usr/bin", "/usr/none/x"]
        .iter()
        .map(|path| PathQuestion {
            root: "/usr".to_owned(),
            path: (*path).to_owned(),
        })
        .collect();
    let mut check = PathCheck::start(questions.iter().cloned().collect()).unwrap();
    let mut answers = None;
    wait_for("an answer", || {
        answers = check.receive();
        answers.is_some()
    });
    let answers = answers.unwrap();
    assert_eq!(answers[&questions[0]], Ok(()));
    assert!(answers[&questions[1]].is_err());
    assert!(stat("/usr/bin").is_ok());
}
