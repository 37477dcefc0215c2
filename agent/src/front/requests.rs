//! What each request of an authenticated client does.

use dtx_proto_types::frame::Frame;
use dtx_proto_types::limits::{JOB_MAX, STREAMS_MAX};
use dtx_proto_types::message::{Attach, Refusal, RefusalCode, Reply, Request};
use dtx_proto_types::signed::{JobError, SignedJob};

use super::desk::Wishes;
use super::job::Job;
use super::session::SessionEnd;
use super::state::{OpenSession, State};
use crate::ipc::{JobKey, SessionNumber, ToExecutor};

/// Bytes of an Ed25519 signature.
const SIGNATURE_LEN: usize = 64;

/// Acts on one frame of a client.
pub(super) fn act(state: &State, open: &OpenSession, frame: Frame) -> Result<(), SessionEnd> {
    let stream = frame.stream;
    let session = open.opened.session;
    let desk = &open.desk;
    match Request::from_frame(frame)? {
        Request::Job(job) => {
            if is_well_formed(open, stream, &job) && may_open(open, stream) {
                desk.ask(stream, None);
                state.link.send(&ToExecutor::Job {
                    session,
                    stream,
                    job,
                });
            }
        }
        Request::Attach(attach) => {
            if may_open(open, stream) {
                desk.ask(stream, Some(attach));
                let Attach { job, .. } = attach;
                state.link.send(&ToExecutor::Attach {
                    session,
                    stream,
                    job,
                });
            }
        }
        Request::Stdin(chunk) => {
            if let Some(job) = desk.job(stream) {
                job.change(|job| job.take_stdin(&chunk))?;
            }
        }
        Request::StdinEnd(end) => {
            if let Some(job) = desk.job(stream)
                && job.change(|job| job.end_stdin(end))?
            {
                let key = job.look(Job::key);
                state.link.send(&ToExecutor::StdinReady(key));
            }
        }
        Request::Ack(ack) => {
            if let Some(job) = desk.job(stream) {
                job.edit(|job| job.acknowledge(ack))?;
                job.changed.notify_one();
            }
        }
        Request::Cancel => {
            let cancel = |session, key| ToExecutor::Cancel { session, key };
            want(state, open, stream, |wishes| wishes.cancel = true, cancel);
        }
        Request::Keep => {
            let keep = |session, key| ToExecutor::Keep { session, key };
            want(state, open, stream, |wishes| wishes.keep = true, keep);
        }
        Request::Release => {
            let message = |session, key| ToExecutor::Release { session, key };
            if want(state, open, stream, |wishes| wishes.release = true, message) {
                release(open, stream);
            }
        }
        Request::Heartbeat | Request::Unknown(_) => {}
    }
    Ok(())
}

/// Whether the client may begin something on this stream; if not, it is told.
fn may_open(open: &OpenSession, stream: u32) -> bool {
    let text = if stream == 0 {
        "stream 0 is the session itself: a job needs another".to_owned()
    } else if !open.desk.is_free(stream) {
        format!("stream {stream} is in use: release its job first")
    } else if open.desk.len() >= STREAMS_MAX {
        format!("{STREAMS_MAX} jobs are open on this session: release some first")
    } else {
        return true;
    };
    refuse(open, stream, text);
    false
}

/// Whether the executor would look at such a job at all; if not, the client is told. A frame holds
/// more than a message to the executor may.
fn is_well_formed(open: &OpenSession, stream: u32, job: &SignedJob) -> bool {
    let text = if job.payload.len() > JOB_MAX {
        JobError::TooLarge(job.payload.len()).to_string()
    } else if job.signature.len() != SIGNATURE_LEN {
        JobError::Signature.to_string()
    } else {
        return true;
    };
    refuse(open, stream, text);
    false
}

fn refuse(open: &OpenSession, stream: u32, text: String) {
    let code = RefusalCode::Invalid;
    let refusal = Reply::Refusal(Refusal { code, text });
    open.desk.answer_aside(stream, refusal);
}

/// Tells the executor what a client wants of a job, or has it wait as a wish until the executor
/// has answered for the job. Says whether it need not wait.
fn want(
    state: &State,
    open: &OpenSession,
    stream: u32,
    wish: impl FnOnce(&mut Wishes),
    message: impl FnOnce(SessionNumber, JobKey) -> ToExecutor,
) -> bool {
    if open.desk.wish(stream, wish) {
        return false;
    }
    if let Some(job) = open.desk.job(stream) {
        let key = job.look(Job::key);
        state.link.send(&message(open.opened.session, key));
    }
    true
}

/// The stream may stand for another job from now on.
fn release(open: &OpenSession, stream: u32) {
    if let Some(job) = open.desk.job(stream) {
        job.edit(|job| job.unseat_from(&open.desk));
    }
    open.desk.clear(stream);
}
