//! A program that runs, or ran, on a host.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_for;

/// How long a program may take unless its test says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program about to be started on a host.
#[derive(Debug)]
pub struct Program {
    command: Command,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
}

/// How a program ended, and what it said.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How long it ran.
    pub wall: Duration,
}

/// Threads that collect standard output and standard error.
type Readers = (JoinHandle<Vec<u8>>, JoinHandle<Vec<u8>>);

/// A program that runs on a host. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    /// `dtx-lab enter`, which ends as the program ends.
    enter: Child,
    pid: Pid,
    readers: Option<Readers>,
    started: Instant,
    deadline: Duration,
}

impl Program {
    pub(super) fn new(command: Command) -> Self {
        Self {
            command,
            stdin: None,
            deadline: DEADLINE,
        }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable from its environment.
    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Gives it standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Lets it take longer than a minute, or less.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts it and waits for its end.
    ///
    /// # Panics
    ///
    /// If it takes longer than its deadline.
    #[must_use]
    pub fn run(self) -> Finished {
        self.spawn().finish()
    }

    /// Starts it and collects what it writes.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(mut self) -> Process {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = self.stdin.take();
        self.command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut process = self.start();
        if let Some(input) = input {
            let mut stdin = process.take_stdin();
            // Who does not read its input closes it: that is for the test to judge.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let stdout = collect(process.take_stdout());
        let stderr = collect(process.take_stderr());
        process.readers = Some((stdout, stderr));
        process
    }

    /// Starts it with pipes for the test to hold.
    #[must_use]
    pub fn spawn_with_pipes(mut self) -> Process {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        self.start()
    }

    /// Starts it with its output going to a file outside the lab.
    #[must_use]
    pub fn spawn_into(mut self, stdout: fs::File, stderr: fs::File) -> Process {
        self.command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        self.start()
    }

    fn start(mut self) -> Process {
        let started = Instant::now();
        let mut enter = self.command.spawn().expect("dtx-lab starts");
        // `enter` has no child before it has entered, and has ended if it could not.
        let children = format!("/proc/{0}/task/{0}/children", enter.id());
        let pid = wait_for("a program starts", Duration::from_secs(20), || {
            let first = fs::read_to_string(&children).unwrap_or_default();
            match first.split_whitespace().next().map(str::parse) {
                Some(Ok(pid)) => Ok(pid),
                // Too quick for us: a pid that nothing has any more.
                _ if enter.try_wait().ok().flatten().is_some() => Ok(0),
                _ => Err("no child"),
            }
        });
        Process {
            enter,
            pid: Pid::from_raw(pid),
            readers: None,
            started,
            deadline: self.deadline,
        }
    }
}

impl Process {
    /// Its process id, as this machine counts.
    ///
    /// # Panics
    ///
    /// If it ended before it could be looked at.
    #[must_use]
    pub fn pid(&self) -> Pid {
        assert!(self.pid.as_raw() > 0, "the program ended at once");
        self.pid
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.enter.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if self.pid.as_raw() > 0 {
            // It may have ended already.
            kill(self.pid, signal).ok();
        }
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.enter.wait().ok();
    }

    /// Its standard input.
    ///
    /// # Panics
    ///
    /// If it has none or it was taken.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.enter.stdin.take().expect("a pipe to its input")
    }

    /// Its standard output.
    ///
    /// # Panics
    ///
    /// If it has none or it was taken.
    pub fn take_stdout(&mut self) -> ChildStdout {
        self.enter.stdout.take().expect("a pipe from its output")
    }

    fn take_stderr(&mut self) -> ChildStderr {
        self.enter.stderr.take().expect("a pipe from its errors")
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it takes longer than its deadline.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let status = wait_for("a program ends", self.deadline, || {
            self.enter.try_wait().ok().flatten().ok_or("it runs")
        });
        let wall = self.started.elapsed();
        let (stdout, stderr) = match self.readers.take() {
            Some((stdout, stderr)) => (
                stdout.join().unwrap_or_default(),
                stderr.join().unwrap_or_default(),
            ),
            None => Default::default(),
        };
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
            wall,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

impl Finished {
    /// Its standard output as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its standard error as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Itself, if it exited with this code.
    ///
    /// # Panics
    ///
    /// With all that it said, if not.
    #[must_use]
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clip = |text: String| text.chars().take(4000).collect::<String>();
        write!(
            f,
            "code {:?}, signal {:?}, after {:?}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.code,
            self.signal,
            self.wall,
            clip(self.out()),
            clip(self.err())
        )
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A broken pipe ends what there is.
        from.read_to_end(&mut bytes).ok();
        bytes
    })
}
