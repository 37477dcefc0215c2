//! Whether paths of a request lie where a rule wants them: asked of the file system by a helper
//! process, because a path of a request may lie on a file server that does not answer.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, Instant};

use dtx_policy::{PathAnswers, PathQuestion};
use dtx_proto_types::signed::{decode_exact, encode};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, geteuid, pipe2};

use super::start::StartError;
use crate::sys;

/// How long the helper may take for all of its questions.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Symbolic links on the way to one path, as for the kernel.
const LINKS_MAX: usize = 40;
/// Descriptors on the way to one path.
const DEPTH_MAX: usize = 256;

/// A helper that looks at paths. Poll [`AsFd`] for reading and wait until [`PathCheck::deadline`],
/// then call [`PathCheck::receive`].
#[derive(Debug)]
pub struct PathCheck {
    questions: Vec<PathQuestion>,
    helper: Pid,
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
        let helper = sys::fork(|| {
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
        // One that hangs in the kernel is reaped with the strays.
        let _gone = kill(self.helper, Signal::SIGKILL);
        let _state = waitpid(self.helper, Some(WaitPidFlag::WNOHANG));
    }
}

fn set_nonblocking(fd: &OwnedFd) -> Result<(), Errno> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

/// Runs in the helper.
fn answer(questions: &[PathQuestion], write: OwnedFd) {
    sys::close_all_but(write.as_fd());
    sys::reset_signals();
    // An executor that is gone wants no answers.
    let _unheard = set_pdeathsig(Signal::SIGKILL);
    let answers: Vec<Result<(), String>> = questions.iter().map(resolves_beneath).collect();
    let _unheard = File::from(write).write_all(&encode(&answers));
}

/// Walks from the root to the path, component by component and link by link, without ever leaving
/// the root, and looks at every directory on the way.
fn resolves_beneath(question: &PathQuestion) -> Result<(), String> {
    let root = Path::new(&question.root);
    let path = Path::new(&question.path);
    let inside = path
        .strip_prefix(root)
        .map_err(|_| format!("it does not begin with {}", root.display()))?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = openat(AT_FDCWD, root, flags, Mode::empty())
        .map_err(|error| format!("{}: {}", root.display(), error.desc()))?;
    only_root_writes(&look(&directory)?, root.as_os_str())?;
    let mut walk = Walk {
        directories: vec![directory],
        ahead: components(inside.as_os_str()),
        links: 0,
    };
    while let Some(component) = walk.ahead.pop_front() {
        walk.step(&component)?;
    }
    Ok(())
}

struct Walk {
    /// From the root down to where the walk is.
    directories: Vec<OwnedFd>,
    ahead: VecDeque<OsString>,
    links: usize,
}

impl Walk {
    fn step(&mut self, component: &OsStr) -> Result<(), String> {
        if component == ".." {
            self.directories.pop();
            return if self.directories.is_empty() {
                Err("a symbolic link on the way leads out".to_owned())
            } else {
                Ok(())
            };
        }
        let here = self.directories.last().ok_or("there is no root")?;
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let entry = match openat(here, component, flags, Mode::empty()) {
            Ok(entry) => entry,
            // What is not there yet may be made, in a directory that was looked at.
            Err(Errno::ENOENT) if self.ahead.is_empty() => return Ok(()),
            Err(error) => return Err(format!("{}: {}", component.display(), error.desc())),
        };
        let stat = look(&entry)?;
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFLNK => self.follow(&entry, component),
            SFlag::S_IFDIR => {
                only_root_writes(&stat, component)?;
                if self.directories.len() >= DEPTH_MAX {
                    return Err("it is too deep".to_owned());
                }
                self.directories.push(entry);
                Ok(())
            }
            _ if self.ahead.is_empty() => Ok(()),
            _ => Err(format!("{} is not a directory", component.display())),
        }
    }

    fn follow(&mut self, link: &OwnedFd, component: &OsStr) -> Result<(), String> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err("there are too many symbolic links on the way".to_owned());
        }
        let target = readlinkat(link, "")
            .map_err(|error| format!("{}: {}", component.display(), error.desc()))?;
        if target.as_bytes().starts_with(b"/") {
            return Err(format!(
                "the symbolic link {} leads out",
                component.display()
            ));
        }
        let mut ahead = components(&target);
        ahead.append(&mut self.ahead);
        self.ahead = ahead;
        Ok(())
    }
}

fn components(path: &OsStr) -> VecDeque<OsString> {
    path.as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|component| !matches!(*component, b"" | b"."))
        .map(|component| OsString::from_vec(component.to_vec()))
        .collect()
}

fn look(fd: &OwnedFd) -> Result<FileStat, String> {
    fstat(fd).map_err(|error| error.desc().to_owned())
}

/// Whoever may write to a directory may put something else in the place of what was looked at.
fn only_root_writes(directory: &FileStat, name: &OsStr) -> Result<(), String> {
    let others = Mode::S_IWGRP | Mode::S_IWOTH;
    let mode = Mode::from_bits_truncate(directory.st_mode);
    // An agent that is not root runs nothing as anybody else.
    let trusted = directory.st_uid == 0 || directory.st_uid == geteuid().as_raw();
    if trusted && !mode.intersects(others) {
        Ok(())
    } else {
        Err(format!(
            "the directory {} is writable by others than root (owner {}, mode {:03o})",
            name.display(),
            directory.st_uid,
            mode.bits() & 0o7777,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_lies_beneath() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        for inner in ["a/b", "open"] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        for closed in ["", "a", "a/b"] {
            fs::set_permissions(root.join(closed), Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(root.join("open"), Permissions::from_mode(0o777)).unwrap();
        fs::write(root.join("a/file"), "").unwrap();
        fs::write(directory.path().join("outside"), "").unwrap();
        for (link, target) in [
            ("inside", "a/b/../file"),
            ("out", "../outside"),
            ("absolute", "/etc/passwd"),
            ("loop", "loop"),
            ("through", "open/x"),
            ("a/up", ".."),
            ("dangling", "a/none"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        for (inner, expected) in [
            ("a/file", ""),
            ("a/b", ""),
            ("a/new", ""),
            ("inside", ""),
            ("a/up/a/file", ""),
            ("dangling", ""),
            ("none/new", "No such file"),
            ("a/file/x", "not a directory"),
            ("out", "leads out"),
            ("a/up/out", "leads out"),
            ("absolute", "leads out"),
            ("loop", "too many"),
            ("open/x", "writable by others"),
            ("through", "writable by others"),
            ("open", "writable by others"),
        ] {
            let question = PathQuestion {
                root: root.to_str().unwrap().to_owned(),
                path: root.join(inner).to_str().unwrap().to_owned(),
            };
            match resolves_beneath(&question) {
                Ok(()) => assert_eq!(expected, "", "{inner}"),
                Err(why) => assert!(
                    !expected.is_empty() && why.contains(expected),
                    "{inner}: {why}"
                ),
            }
        }
        fs::set_permissions(&root, Permissions::from_mode(0o1777)).unwrap();
        let question = PathQuestion {
            root: root.to_str().unwrap().to_owned(),
            path: root.join("a/file").to_str().unwrap().to_owned(),
        };
        assert!(
            resolves_beneath(&question).is_err(),
            "its entries can be replaced"
        );
    }
}
