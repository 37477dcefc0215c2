//! Moves bytes between a job's pipes and what the front keeps of them.
//!
//! One task for each job that runs. It reads no more than a client has room for, so the command
//! waits for a slow client, and nothing at all while no client listens: what stays in the pipe
//! cannot be lost with this process.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::fcntl::{FcntlArg, fcntl};
use tokio::io::{Interest, Ready};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

use super::budget::{CLEAN_DELAY, HELD_OPEN};
use super::job::{Job, SharedJob};
use super::output::Output;
use super::state::State;
use super::stdin::Stdin;
use crate::ipc::ToExecutor;

/// A pipe's capacity unless the kernel says otherwise.
const PIPE_CAPACITY: u64 = 64 * 1024;

/// The front's ends of a job's pipes; each is dropped at its end.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    pub(super) stdin: Option<pipe::Sender>,
}

/// Moves bytes until nothing more will be asked about the job.
pub(super) async fn run(state: Rc<State>, job: Rc<SharedJob>, pipes: Pipes) {
    let mut pump = Pump {
        state,
        job,
        pipes,
        taking: false,
        clean_at: None,
        held_open: None,
        notes: Vec::new(),
    };
    pump.run().await;
}

struct Pump {
    state: Rc<State>,
    job: Rc<SharedJob>,
    pipes: Pipes,
    /// The executor knows that bytes may be here.
    taking: bool,
    /// When to tell it that none are.
    clean_at: Option<Instant>,
    /// Set while the command has ended and a pipe has not.
    held_open: Option<HeldOpen>,
    notes: Vec<String>,
}

/// How long, and how far, pipes are read that something holds open after the command's end.
#[derive(Debug, Clone, Copy)]
struct HeldOpen {
    until: Instant,
    /// What the command itself wrote lies before these offsets: when it ended, no more than a
    /// pipe holds had been left to read.
    stdout: u64,
    stderr: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Stdout,
    Stderr,
}

/// What came of an attempt to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Bytes,
    /// The pipe is empty.
    Nothing,
    /// The client has to take something first.
    NoRoom,
    /// The pipe is at its end.
    End,
}

impl Pump {
    async fn run(&mut self) {
        while !self.job.look(Job::is_forgotten) {
            self.mind_stdin();
            self.mind_the_end().await;
            self.mind_cleanness();
            self.wait_and_move().await;
        }
    }

    /// Waits for the first thing that can be done, and does it.
    async fn wait_and_move(&mut self) {
        let (read_stdout, read_stderr, write_stdin) = self.job.look(|job| {
            (
                job.has_client() && job.stdout.room() > 0,
                job.has_client() && job.stderr.room() > 0,
                matches!(&job.stdin, Stdin::Streamed(stdin) if !stdin.next().is_empty()),
            )
        });
        let held_until = self.held_open.map(|held| held.until);
        let now = Instant::now();
        let deadline = [self.clean_at, held_until]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min();
        let Pipes {
            stdout,
            stderr,
            stdin,
        } = &self.pipes;
        tokio::select! {
            () = self.job.changed.notified() => {}
            at_end = readable(stdout.as_ref()), if read_stdout => {
                self.read(Which::Stdout, at_end).await;
            }
            at_end = readable(stderr.as_ref()), if read_stderr => {
                self.read(Which::Stderr, at_end).await;
            }
            () = writable(stdin.as_ref()), if write_stdin => self.write(),
            () = sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => {}
        }
    }

    // === Output ===

    /// Reads a piece of what has come.
    async fn read(&mut self, which: Which, at_end: bool) {
        if at_end {
            // There is nothing in it, so nothing need be announced.
            self.close(which);
            return;
        }
        self.announce_taking().await;
        if self.read_now(which) == Moved::Bytes {
            // Others are served before the next piece.
            tokio::task::yield_now().await;
        }
    }

    fn read_now(&mut self, which: Which) -> Moved {
        let pipe = match which {
            Which::Stdout => &self.pipes.stdout,
            Which::Stderr => &self.pipes.stderr,
        };
        let Some(pipe) = pipe else {
            return Moved::End;
        };
        let mut scratch = self.state.scratch.borrow_mut();
        let read = self.job.edit(|job| {
            let output = output(job, which);
            let room = output.room().min(scratch.len());
            if room == 0 {
                return None;
            }
            let count = pipe.try_read(&mut scratch[..room]);
            if let Ok(count) = count {
                output.take(&scratch[..count]);
            }
            Some(count)
        });
        drop(scratch);
        match read {
            None => Moved::NoRoom,
            Some(Ok(1..)) => {
                self.job.ring_client();
                Moved::Bytes
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Moved::Nothing,
            Some(end) => {
                if let Err(error) = end {
                    log::error!("a job's pipe cannot be read: {error}");
                }
                self.close(which);
                Moved::End
            }
        }
    }

    fn close(&mut self, which: Which) {
        match which {
            Which::Stdout => self.pipes.stdout = None,
            Which::Stderr => self.pipes.stderr = None,
        }
    }

    /// Once the command has ended, sees to it that its pipes do, too.
    async fn mind_the_end(&mut self) {
        if !self.job.look(Job::has_ended) {
            return;
        }
        let held = self.held_open.unwrap_or_else(|| HeldOpen {
            until: Instant::now() + HELD_OPEN,
            stdout: self.bound(self.pipes.stdout.as_ref(), |job| job.stdout.read()),
            stderr: self.bound(self.pipes.stderr.as_ref(), |job| job.stderr.read()),
        });
        self.held_open = Some(held);
        if held.until <= Instant::now() && self.job.look(Job::has_client) {
            self.empty(Which::Stdout, held.stdout).await;
            self.empty(Which::Stderr, held.stderr).await;
        }
        if self.pipes.stdout.is_none() && self.pipes.stderr.is_none() {
            self.held_open = None;
            let notes = std::mem::take(&mut self.notes);
            self.job.edit(|job| job.complete(notes));
            self.job.ring_client();
        }
    }

    /// The offset before which everything lies that is in a pipe now.
    fn bound(&self, pipe: Option<&pipe::Receiver>, read: impl Fn(&Job) -> u64) -> u64 {
        let capacity = pipe
            .and_then(|pipe| fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).ok())
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or(PIPE_CAPACITY);
        self.job.look(read) + capacity
    }

    /// Reads what the command has left in a pipe that something else holds open, then leaves the
    /// pipe to that.
    async fn empty(&mut self, which: Which, bound: u64) {
        let name = match which {
            Which::Stdout if self.pipes.stdout.is_some() => "standard output",
            Which::Stderr if self.pipes.stderr.is_some() => "standard error",
            _ => return,
        };
        self.announce_taking().await;
        loop {
            let beyond = self.job.edit(|job| output(job, which).read() >= bound);
            match self.read_now(which) {
                Moved::Bytes if !beyond => {}
                Moved::Bytes | Moved::Nothing => break,
                Moved::NoRoom | Moved::End => return,
            }
        }
        self.notes.push(format!(
            "another process holds {name} open; what it writes after the command's end is not read"
        ));
        self.close(which);
    }

    // === Input ===

    /// Closes the pipe for standard input when it has everything or nothing is wanted any more.
    fn mind_stdin(&mut self) {
        let closed = self.job.edit(|job| {
            if matches!(&job.stdin, Stdin::Streamed(stdin) if stdin.is_complete()) {
                job.stdin.close();
            }
            job.stdin.is_closed()
        });
        if closed && self.pipes.stdin.take().is_some() {
            self.job.ring_client();
        }
    }

    /// Writes what the client has sent, as far as the pipe takes it.
    fn write(&mut self) {
        let Some(pipe) = &self.pipes.stdin else {
            return;
        };
        self.job.edit(|job| {
            while let Stdin::Streamed(stdin) = &mut job.stdin {
                if stdin.next().is_empty() {
                    return;
                }
                match pipe.try_write(stdin.next()) {
                    Ok(count) => stdin.wrote(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // The command has closed it.
                    Err(_) => job.stdin_unread(),
                }
            }
        });
        self.job.ring_client();
    }

    // === What the executor must know ===

    /// Says that bytes will be here, before any are.
    async fn announce_taking(&mut self) {
        if !self.taking {
            self.taking = true;
            let key = self.job.look(Job::key);
            self.state.link.send(&ToExecutor::Taking(key));
        }
        // It must have left this process.
        self.state.link.drained().await;
    }

    /// Says that no bytes are here, once that has been so for a while.
    fn mind_cleanness(&mut self) {
        if !self.taking || !self.job.look(Job::is_clean) {
            self.clean_at = None;
            return;
        }
        let now = Instant::now();
        if *self.clean_at.get_or_insert(now + CLEAN_DELAY) > now {
            return;
        }
        self.taking = false;
        self.clean_at = None;
        let message = self.job.look(|job| ToExecutor::Clean {
            key: job.key(),
            stdout: job.stdout.read(),
            stderr: job.stderr.read(),
        });
        self.state.link.send(&message);
    }
}

const fn output(job: &mut Job, which: Which) -> &mut Output {
    match which {
        Which::Stdout => &mut job.stdout,
        Which::Stderr => &mut job.stderr,
    }
}

/// Waits until a pipe can be read. Says whether that is because it is empty and at its end.
async fn readable(pipe: Option<&pipe::Receiver>) -> bool {
    let Some(pipe) = pipe else {
        return std::future::pending().await;
    };
    match pipe.ready(Interest::READABLE).await {
        Ok(ready) => ready.is_read_closed() && (ready & Ready::READABLE).is_empty(),
        // Reading says what is wrong.
        Err(_) => false,
    }
}

async fn writable(pipe: Option<&pipe::Sender>) {
    let Some(pipe) = pipe else {
        return std::future::pending().await;
    };
    // Writing says what is wrong.
    drop(pipe.writable().await);
}
