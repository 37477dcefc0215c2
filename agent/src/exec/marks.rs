//! What the main process says to its supervisor until it is the program: how far it has come, and
//! why it comes no further. The end of the pipe, which `execve` closes, says that it runs.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dtx_proto_types::signed::{decode_exact, encode};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};

use super::failure::{Failure, Stage};
use super::words::Report;

/// The home directory could not be entered.
const NO_HOME: u8 = 0xfe;
/// A failure follows, which takes up the rest.
const FAILED: u8 = 0xff;

/// The main process's end.
#[derive(Debug)]
pub(super) struct MarkWriter(File);

/// The supervisor's end, and what has come.
#[derive(Debug)]
pub(super) struct MarkReader {
    pipe: Option<OwnedFd>,
    said: Vec<u8>,
}

/// Both ends.
pub(super) fn marks() -> Result<(MarkReader, MarkWriter), Errno> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let reader = MarkReader {
        pipe: Some(reader),
        said: Vec::new(),
    };
    Ok((reader, MarkWriter(writer.into())))
}

impl MarkWriter {
    /// The next stage begins.
    pub(super) fn stage(&mut self, stage: Stage) -> Result<(), Failure> {
        self.write(&[stage.mark()])
    }

    /// There is no home directory; `/` has to do.
    pub(super) fn no_home(&mut self) -> Result<(), Failure> {
        self.write(&[NO_HOME])
    }

    /// The last word.
    pub(super) fn failed(&mut self, failure: Failure) {
        let mut last = vec![FAILED];
        last.extend(encode(&failure.into_report()));
        // Without a supervisor nobody is left to be told.
        let _gone = self.0.write_all(&last);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0
            .write_all(bytes)
            .map_err(|error| Failure::resources(format!("the supervisor is gone: {error}")))
    }
}

impl AsFd for MarkWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl MarkReader {
    /// Reads what has come. `true`: this was the end, just now.
    pub(super) fn read_to_end(&mut self) -> bool {
        let Some(pipe) = &self.pipe else {
            return false;
        };
        let mut bytes = [0; 256];
        loop {
            match read(pipe, &mut bytes) {
                Ok(count @ 1..) => self.said.extend_from_slice(&bytes[..count]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return false,
                Ok(0) | Err(_) => {
                    self.pipe = None;
                    return true;
                }
            }
        }
    }

    /// What to poll for its hanging up: the marks themselves wake nobody.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// How far it had come.
    pub(super) fn stage(&self) -> Stage {
        self.marks()
            .filter_map(Stage::from_mark)
            .last()
            .unwrap_or(Stage::Begin)
    }

    /// Whether it had to do without a home directory.
    pub(super) fn has_no_home(&self) -> bool {
        self.marks().any(|mark| mark == NO_HOME)
    }

    /// Its last word, if it was one of failure.
    pub(super) fn failure(&self) -> Option<Report> {
        let at = self.said.iter().position(|mark| *mark == FAILED)?;
        decode_exact(&self.said[at + 1..]).ok()
    }

    fn marks(&self) -> impl Iterator<Item = u8> {
        self.said.iter().copied().take_while(|mark| *mark != FAILED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_heard() {
        let (mut reader, mut writer) = marks().unwrap();
        assert_eq!(reader.stage(), Stage::Begin);
        writer.stage(Stage::LookUp).unwrap();
        writer.no_home().unwrap();
        writer.stage(Stage::Enter).unwrap();
        assert!(!reader.read_to_end());
        assert_eq!(reader.stage(), Stage::Enter);
        assert!(reader.has_no_home());
        assert_eq!(reader.failure(), None);
        let failure = Failure::setup("\u{ff} no\u{1}");
        writer.failed(failure.clone());
        drop(writer);
        assert!(reader.read_to_end());
        assert!(!reader.read_to_end(), "the end comes once");
        assert_eq!(reader.failure(), Some(failure.into_report()));
        assert_eq!(reader.stage(), Stage::Enter);
    }
}
