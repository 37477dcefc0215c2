//! How jobs begin and end.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn every_ending_is_told_as_it_was() {
    for (line, ending) in [
        ("true", Ending::Exited(0)),
        ("exit 7", Ending::Exited(7)),
        ("exit 255", Ending::Exited(255)),
        ("kill -KILL $$", Ending::Signaled(9)),
        ("kill -TERM $$", Ending::Signaled(15)),
        ("kill -40 $$", Ending::Signaled(40)),
        ("exec 0<&- 1>&- 2>&-; exit 3", Ending::Exited(3)),
        ("no-such-command 2>/dev/null", Ending::Exited(127)),
    ] {
        assert_eq!(run(shell(line)).0, ending, "{line}");
    }
}

#[test]
fn what_cannot_run_fails_as_in_a_shell() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let garbage = file("garbage", "garbage", 0o755);
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let lost = file("lost", "#!/no/such/interpreter\n", 0o755);
    for (program, code, words) in [
        ("no-such-program", 127, "no such program"),
        ("/no/such/program", 127, "no such program"),
        ("", 127, "no program"),
        (&lost, 127, "interpreter or loader"),
        (&garbage, 126, "first line must begin"),
        (&plain, 126, "Permission denied"),
        ("/etc", 126, "Permission denied"),
        ("tr\0ue", 0, "NUL"),
    ] {
        let code = (code > 0).then_some(code);
        is_setup_failure(&run(argv(&[program])).0, code, words);
    }
    let long = "x".repeat(200 * 1024);
    is_setup_failure(&run(shell(&format!(": {long}"))).0, Some(126), "--script");
    let mut plan = shell("true");
    plan.cwd = Some("/no/such/directory".into());
    is_setup_failure(&run(plan).0, None, "/no/such/directory");
}

#[test]
fn a_program_is_found_in_the_path_of_the_job() {
    assert_eq!(
        run(argv(&["echo", "a b", "*"])),
        (Ending::Exited(0), "a b *\n".to_owned())
    );
    let mut plan = argv(&["echo"]);
    plan.env
        .insert("PATH".to_owned(), "/nonexistent".to_owned());
    is_setup_failure(&run(plan).0, Some(127), "no such program");
}

#[test]
fn scripts_run_by_their_first_line_and_leave_nothing_behind() {
    let directory = script_dir();
    for (text, args, output) in [
        ("echo \"$# $2\"", vec!["a", "b c"], "2 b c\n"),
        ("#!/bin/sh\necho $0 | grep -c '^/'\n", vec![], "1\n"),
        ("#!/bin/sh -e\nfalse\necho no\n", vec![], ""),
        ("#!/usr/bin/env sh\necho by env", vec![], "by env\n"),
    ] {
        let plan = script(text, &args, directory.path());
        assert_eq!(run(plan).1, output, "{text}");
        assert!(is_empty(directory.path()), "{text}");
    }
    let plan = script("true", &[], Path::new("/nonexistent"));
    assert_eq!(code(&refused(plan)), RefusalCode::Disk);
}

/// Job ids are the operators' choice, and two of them may choose the same.
#[test]
fn scripts_of_jobs_with_one_id_do_not_touch_each_other() {
    let directory = script_dir();
    let first = script("echo ready; read go; cat $0", &[], directory.path());
    let mut second = script("echo second", &[], directory.path());
    let mut stranger = script("echo third", &[], directory.path());
    (second.job, stranger.job) = (first.job, first.job);
    let mut first = {
        let mut plan = first;
        plan.stdin = LaunchStdin::Pipe;
        Job::start(plan)
    };
    let mut heard = String::new();
    wait_for("the first script", || {
        heard += &first.output_so_far();
        heard == "ready\n"
    });
    assert_eq!(run(second), (Ending::Exited(0), "second\n".to_owned()));
    // One that ends before it has written its own removes none either.
    stranger.user = "no-such-user".to_owned();
    refused(stranger);
    drop(first.pipes.stdin.take());
    assert_eq!(first.ending().0, Ending::Exited(0));
    assert_eq!(first.output_so_far(), "echo ready; read go; cat $0");
    assert!(is_empty(directory.path()));
}

#[test]
fn standard_input_is_nothing_or_these_bytes_or_a_pipe() {
    assert_eq!(run(shell("cat; readlink /proc/self/fd/0")).1, "/dev/null\n");

    let mut plan = shell("cat");
    plan.stdin = LaunchStdin::Memfd(memfd(b"sealed\n"));
    assert_eq!(run(plan).1, "sealed\n");

    let mut plan = shell("cat");
    plan.stdin = LaunchStdin::Pipe;
    let mut job = Job::start(plan);
    let mut stdin = File::from(job.pipes.stdin.take().unwrap());
    stdin.write_all(b"streamed\n").unwrap();
    drop(stdin);
    assert_eq!(job.ending().0, Ending::Exited(0));
    assert_eq!(job.output(), "streamed\n");
}

#[test]
fn output_and_errors_stay_apart_and_a_slow_reader_makes_the_command_wait() {
    let mut job = Job::start(shell("echo out; echo err >&2; head -c 1000000 /dev/zero"));
    job.wait_for_start();
    let mut bytes = Vec::new();
    File::from(job.pipes.stdout.try_clone().unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(bytes.len(), 1_000_004);
    let mut errors = String::new();
    File::from(job.pipes.stderr.try_clone().unwrap())
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(errors, "err\n");
    assert_eq!(job.ending().0, Ending::Exited(0));
}

#[test]
fn what_runs_in_the_background_goes_on_and_does_not_hold_the_job() {
    let line = "sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done; echo $!";
    let mut job = Job::start(shell(line));
    let begin = Instant::now();
    let (ending, notes) = job.ending();
    assert_eq!(ending, Ending::Exited(0));
    assert!(begin.elapsed() < Duration::from_secs(5));
    let pid: i32 = job.output_so_far().trim().parse().unwrap();
    assert_eq!(
        notes,
        [format!("left running in the background: sleep (pid {pid})")]
    );
    drop(job);
    let sleep = Process::read(nix::unistd::Pid::from_raw(pid)).unwrap();
    assert!(lives(&sleep));
    sleep.signal(nix::sys::signal::Signal::SIGKILL).unwrap();
}
