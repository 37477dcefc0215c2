//! Whether paths of a request lie where a rule wants them: asked of the file system by a helper
//! process, because a path of a request may lie on a file server that does not answer.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use dtx_policy::{PathAnswers, PathQuestion};
use dtx_proto_types::signed::{decode_exact, encode};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::pipe2;

use super::children::Child;
use super::start::StartError;
use crate::sys;
use crate::trust::look_at;

/// How long the helper may take for all of its questions.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A helper that looks at paths. Poll [`AsFd`] for reading and wait until [`PathCheck::deadline`],
/// then call [`PathCheck::receive`].
#[derive(Debug)]
pub struct PathCheck {
    questions: Vec<PathQuestion>,
    helper: Child,
    pipe: File,
    answers: Vec<u8>,
    deadline: Instant,
}

impl PathCheck {
    /// Starts a helper for these questions.
    ///
    /// # Errors
    ///
    /// If the node has no process or no pipe left.
    pub fn start(questions: BTreeSet<PathQuestion>) -> Result<Self, StartError> {
        let questions: Vec<PathQuestion> = questions.into_iter().collect();
        let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::Pipe)?;
        set_nonblocking(&read).map_err(StartError::Pipe)?;
        let mut write = Some(write);
        let helper = Child::fork(|| {
            if let Some(write) = write.take() {
                answer(&questions, write);
            }
        })
        .map_err(StartError::Fork)?;
        Ok(Self {
            questions,
            helper,
            pipe: read.into(),
            answers: Vec::new(),
            deadline: Instant::now() + ANSWER_MAX,
        })
    }

    /// When to call [`PathCheck::receive`] whatever has come.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The answer to every question, once they have come or the deadline has passed; `None` until
    /// then. Never blocks. What was not answered is answered with no.
    pub fn receive(&mut self) -> Option<PathAnswers> {
        match self.pipe.read_to_end(&mut self.answers) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() < self.deadline {
                    return None;
                }
                let seconds = ANSWER_MAX.as_secs();
                let late = format!(
                    "the file system did not answer within {seconds} s; does its file server answer?"
                );
                return Some(self.answer_all(&late));
            }
            Err(error) => return Some(self.answer_all(&error.to_string())),
        }
        match decode_exact::<Vec<Result<(), String>>>(&self.answers) {
            Ok(answers) if answers.len() == self.questions.len() => {
                Some(self.questions.iter().cloned().zip(answers).collect())
            }
            _ => Some(self.answer_all("the process that looked at it was killed")),
        }
    }

    fn answer_all(&self, no: &str) -> PathAnswers {
        let questions = self.questions.iter().cloned();
        questions
            .map(|question| (question, Err(no.to_owned())))
            .collect()
    }
}

impl AsFd for PathCheck {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Drop for PathCheck {
    fn drop(&mut self) {
        self.helper.abandon();
    }
}

fn set_nonblocking(fd: &OwnedFd) -> Result<(), Errno> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

/// Runs in the helper.
fn answer(questions: &[PathQuestion], write: OwnedFd) {
    sys::close_all_but(write.as_fd());
    sys::reset_signals();
    // An executor that is gone wants no answers.
    let _unheard = set_pdeathsig(Signal::SIGKILL);
    let answers: Vec<Result<(), String>> = questions.iter().map(look_at).collect();
    let _unheard = File::from(write).write_all(&encode(&answers));
}
