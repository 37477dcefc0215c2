//! Questions that may never be answered, asked by a helper process.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{pipe2, read};

use super::children::Child;
use crate::sys;

/// How long one question may take. A healthy kernel takes microseconds; the rest is for a node
/// that is overloaded.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Bytes of an answer.
const ANSWER_LEN: usize = 4;

/// Asks one question about each of many things, in a process of its own. `None`: no answer came in
/// time. One that gets stuck is left behind, and another helper goes on after it.
pub(super) fn ask_all<T>(
    things: &[T],
    deadline: Instant,
    question: impl Fn(&T) -> u32,
) -> Vec<Option<u32>> {
    let mut answers = Vec::with_capacity(things.len());
    while answers.len() < things.len() && Instant::now() < deadline {
        if ask(&things[answers.len()..], deadline, &question, &mut answers).is_err() {
            // No process or no pipe left.
            break;
        }
        if answers.len() < things.len() {
            answers.push(None);
        }
    }
    answers.resize(things.len(), None);
    answers
}

/// Asks until the end, or until an answer takes too long.
fn ask<T>(
    things: &[T],
    deadline: Instant,
    question: &impl Fn(&T) -> u32,
    answers: &mut Vec<Option<u32>>,
) -> Result<(), Errno> {
    let (pipe, write) = pipe2(OFlag::O_CLOEXEC)?;
    let mut write = Some(write);
    let mut helper = Child::fork(|| {
        if let Some(write) = write.take() {
            answer(things, question, write);
        }
    })?;
    drop(write);
    let wanted = answers.len() + things.len();
    let mut bytes = Vec::new();
    while answers.len() < wanted && receive(&pipe, deadline, &mut bytes) {
        let whole = bytes.len() - bytes.len() % ANSWER_LEN;
        let (words, _) = bytes[..whole].as_chunks::<ANSWER_LEN>();
        answers.extend(words.iter().map(|word| Some(u32::from_ne_bytes(*word))));
        bytes.drain(..whole);
    }
    helper.abandon();
    Ok(())
}

/// Waits for more bytes. `false`: none come.
fn receive(pipe: &OwnedFd, deadline: Instant, bytes: &mut Vec<u8>) -> bool {
    let rest = deadline.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(rest.min(ANSWER_MAX)).unwrap_or(PollTimeout::ZERO);
    let mut descriptors = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    match poll(&mut descriptors, timeout) {
        Err(Errno::EINTR) => return true,
        Ok(1..) => {}
        Ok(_) | Err(_) => return false,
    }
    let mut buffer = [0; 4096];
    match read(pipe, &mut buffer) {
        Ok(count @ 1..) => {
            bytes.extend_from_slice(&buffer[..count]);
            true
        }
        Err(Errno::EINTR) => true,
        Ok(0) | Err(_) => false,
    }
}

/// Runs in the helper.
fn answer<T>(things: &[T], question: &impl Fn(&T) -> u32, write: OwnedFd) {
    sys::close_all_but(write.as_fd());
    // Who asked and is gone wants no answers.
    let _unheard = set_pdeathsig(Signal::SIGKILL);
    let mut pipe = File::from(write);
    for thing in things {
        if pipe.write_all(&question(thing).to_ne_bytes()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_that_hangs_hides_no_other_answer() {
        let things: Vec<u32> = (0..10_000).collect();
        let begin = Instant::now();
        let answers = ask_all(&things, begin + Duration::from_secs(20), |thing| {
            match thing {
                3 | 9_999 => std::thread::sleep(Duration::from_secs(1000)),
                7 => sys::exit_now(1),
                _ => {}
            }
            thing * 2
        });
        assert!(begin.elapsed() < Duration::from_secs(10));
        for (thing, answer) in things.iter().zip(&answers) {
            let expected = (!matches!(thing, 3 | 7 | 9_999)).then_some(thing * 2);
            assert_eq!(*answer, expected, "{thing}");
        }
    }

    #[test]
    fn after_the_deadline_nothing_is_waited_for() {
        let begin = Instant::now();
        let answers = ask_all(&[1, 2], begin + Duration::from_millis(50), |_| {
            loop {
                std::thread::sleep(Duration::from_secs(1000));
            }
        });
        assert_eq!(answers, [None, None]);
        assert!(begin.elapsed() < Duration::from_secs(10));
        assert!(ask_all(&[0_u8; 0], begin, |_| 1).is_empty());
    }
}
