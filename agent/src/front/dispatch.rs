//! What each message of the executor does here.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use dtx_proto_types::message::{Ended, JobState, Phase, Reply};
use nix::libc;
use tokio::net::unix::pipe;

use super::desk::Wishes;
use super::job::{Job, SharedJob};
use super::pump::{self, Pipes};
use super::state::{OpenSession, State};
use crate::ipc::{JobKey, SessionNumber, ToExecutor, ToFront};

/// The executor sent what it may not send: the two processes do not understand each other.
#[derive(Debug, thiserror::Error)]
#[error("the executor's message makes no sense here: {0}")]
pub(crate) struct Nonsense(&'static str);

impl Nonsense {
    /// The first message was another one.
    pub(super) const NO_SETUP: Self = Self("a setup comes first");
}

/// Acts on one message.
pub(super) fn dispatch(
    state: &Rc<State>,
    message: ToFront,
    descriptors: Vec<OwnedFd>,
) -> Result<(), Nonsense> {
    match message {
        ToFront::Setup(_) => return Err(Nonsense("a second setup")),
        ToFront::Opened { connection, opened } => {
            let session = OpenSession::new(state, opened);
            state.answer_hello(connection, Ok(session));
        }
        ToFront::OpenRefused {
            connection,
            refusal,
        } => state.answer_hello(connection, Err(refusal)),
        ToFront::Close { session, refusal } => {
            if let Some(desk) = state.desk(session) {
                desk.close(refusal);
            }
        }
        // Each hello is told the load of its own moment.
        ToFront::Load { .. } => {}
        ToFront::Drain => state.draining.cancel(),
        ToFront::Stop => state.stopping.cancel(),
        about_job => return dispatch_job(state, about_job, descriptors),
    }
    Ok(())
}

fn dispatch_job(
    state: &Rc<State>,
    message: ToFront,
    descriptors: Vec<OwnedFd>,
) -> Result<(), Nonsense> {
    match message {
        ToFront::JobRefused {
            session,
            stream,
            refusal,
        } => answer(state, session, stream, Reply::Refusal(refusal)),
        ToFront::AttachedEnded {
            session,
            stream,
            ended,
        } => answer(state, session, stream, Reply::Ended(ended)),
        ToFront::AttachUnknown { session, stream } => {
            let phase = Phase::Unknown;
            answer(
                state,
                session,
                stream,
                Reply::State(JobState { phase, stdin: 0 }),
            );
        }
        ToFront::Accepted {
            session,
            stream,
            key,
            stdin_size,
        } => {
            let job = find_or_make(state, key);
            if let Some(size) = stdin_size {
                match <[OwnedFd; 1]>::try_from(descriptors) {
                    Ok([memfd]) => job.change(|job| job.needs_stdin(File::from(memfd), size)),
                    Err(_) => job.change(Job::cannot_be_served),
                }
            }
            bind(state, session, stream, &job);
        }
        ToFront::Attached {
            session,
            stream,
            key,
        } => {
            if let Some(job) = state.job(key) {
                bind(state, session, stream, &job);
            }
        }
        running => return dispatch_running(state, running, descriptors),
    }
    Ok(())
}

fn dispatch_running(
    state: &Rc<State>,
    message: ToFront,
    descriptors: Vec<OwnedFd>,
) -> Result<(), Nonsense> {
    match message {
        ToFront::Adopt {
            key,
            stdout,
            stderr,
        } => {
            let job = SharedJob::new(Job::adopted(key, stdout, stderr));
            state.jobs.borrow_mut().insert(key, job);
        }
        ToFront::Started {
            key,
            streamed_stdin,
            output_bytes,
        } => {
            let Some(job) = state.job(key) else {
                return Ok(());
            };
            job.change(|job| job.started(streamed_stdin, output_bytes));
            match pipes(descriptors, streamed_stdin) {
                Ok(pipes) => {
                    let pump = pump::run(Rc::clone(state), job, pipes);
                    drop(state.helpers.spawn_local(pump));
                }
                Err(error) => {
                    log::error!("a job's pipes were lost, so it is ended: {error}");
                    job.change(Job::cannot_be_served);
                    if let Some(session) = job.look(Job::session) {
                        state.link.send(&ToExecutor::Cancel { session, key });
                    }
                }
            }
        }
        ToFront::NotStarted { key, refusal } => {
            if let Some(job) = state.job(key) {
                job.change(|job| job.not_started(refusal));
            }
        }
        ToFront::Ended {
            key,
            ending,
            duration_us,
            notes,
        } => {
            let ended = Ended {
                ending,
                stdout: 0,
                stderr: 0,
                output_bytes: None,
                duration_us,
                notes,
            };
            if let Some(job) = state.job(key) {
                job.change(|job| job.ended(ended));
            }
        }
        ToFront::Forget(key) => {
            let job = state.jobs.borrow_mut().remove(&key);
            if let Some(job) = job {
                job.change(Job::forget);
            }
        }
        _ => return Err(Nonsense("it came at the wrong time")),
    }
    Ok(())
}

fn find_or_make(state: &State, key: JobKey) -> Rc<SharedJob> {
    let mut jobs = state.jobs.borrow_mut();
    let job = jobs
        .entry(key)
        .or_insert_with(|| SharedJob::new(Job::new(key)));
    Rc::clone(job)
}

fn answer(state: &State, session: SessionNumber, stream: u32, reply: Reply) {
    if let Some(desk) = state.desk(session) {
        desk.answer(stream, reply);
    }
}

/// Makes a stream of a session the one that listens to a job, if the session still waits for it.
fn bind(state: &State, session: SessionNumber, stream: u32, job: &Rc<SharedJob>) {
    let Some(desk) = state.desk(session) else {
        return;
    };
    let Some((attach, mut wishes)) = desk.bind(stream, job) else {
        return;
    };
    // Nobody else could say so to the executor.
    wishes.cancel |= job.look(Job::is_unserved);
    pass_on(state, session, job.look(Job::key), wishes);
    if wishes.release {
        desk.clear(stream);
    } else {
        job.change(|job| job.seat(session, &desk, stream, attach));
    }
}

/// Tells the executor what the client wanted before the job had a number.
fn pass_on(state: &State, session: SessionNumber, key: JobKey, wishes: Wishes) {
    if wishes.keep {
        state.link.send(&ToExecutor::Keep { session, key });
    }
    if wishes.cancel {
        state.link.send(&ToExecutor::Cancel { session, key });
    }
    if wishes.release {
        state.link.send(&ToExecutor::Release { session, key });
    }
}

fn pipes(descriptors: Vec<OwnedFd>, streamed_stdin: bool) -> io::Result<Pipes> {
    let mut descriptors = descriptors.into_iter();
    // At the limit of descriptors, the kernel leaves them out.
    let mut next = || {
        let lost = || io::Error::from_raw_os_error(libc::EMFILE);
        descriptors.next().ok_or_else(lost)
    };
    Ok(Pipes {
        stdout: Some(pipe::Receiver::from_owned_fd(next()?)?),
        stderr: Some(pipe::Receiver::from_owned_fd(next()?)?),
        stdin: if streamed_stdin {
            Some(pipe::Sender::from_owned_fd(next()?)?)
        } else {
            None
        },
    })
}
