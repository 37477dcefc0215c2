//! A file of lines to which one is added at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

/// The audit log cannot be used. Nothing is started without it.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It cannot be opened.
    #[error("the audit log {path} cannot be opened: {source}", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line cannot be added.
    #[error(
        "the audit log {path} cannot be written: {source}; make room or repair the file system",
        path = .path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Bytes at the end of an existing file in which its last line is looked for at first. No line that
/// this agent writes is as long.
const TAIL_LEN: u64 = 64 * 1024;
/// Bytes in which it is looked for at last, for the long lines of an older agent.
const TAIL_MAX: u64 = 16 * 1024 * 1024;

/// An append-only file of lines.
#[derive(Debug)]
pub(super) struct LineFile {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
    /// The last line is not complete; the next one begins on a line of its own.
    torn: bool,
}

impl LineFile {
    /// Opens or makes the file, and returns what `read` makes of the last complete line that it
    /// makes anything of.
    pub(super) fn open<T>(
        path: &Path,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<(Self, Option<T>), AuditError> {
        let open = || -> io::Result<_> {
            let mut file = open_for_lines(path)?;
            let (torn, last) = last_line(&mut file, read)?;
            let identity = identity(&file.metadata()?);
            Ok((file, identity, torn, last))
        };
        let (file, identity, torn, last) = open().map_err(|source| AuditError::Open {
            path: path.to_owned(),
            source,
        })?;
        let lines = Self {
            path: path.to_owned(),
            file,
            identity,
            torn,
        };
        Ok((lines, last))
    }

    /// Adds a line, with one `write()`. A file that was moved away is made anew first.
    pub(super) fn add(&mut self, line: &str) -> Result<(), AuditError> {
        self.try_add(line).map_err(|source| AuditError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn try_add(&mut self, line: &str) -> io::Result<()> {
        self.follow()?;
        let mut bytes = Vec::with_capacity(line.len() + 2);
        if self.torn {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        let written = loop {
            match self.file.write(&bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if written < bytes.len() {
            self.torn = self.torn || written > 0;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.torn = false;
        Ok(())
    }

    /// Opens the file anew if what bears its name is another one, or nothing: as logrotate does.
    fn follow(&mut self) -> io::Result<()> {
        let here = std::fs::symlink_metadata(&self.path).ok();
        if here.is_some_and(|metadata| identity(&metadata) == self.identity) {
            return Ok(());
        }
        let file = open_for_lines(&self.path)?;
        self.identity = identity(&file.metadata()?);
        self.file = file;
        self.torn = false;
        Ok(())
    }
}

fn open_for_lines(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Whether the last line is not complete, and what `read` makes of the last one that is.
fn last_line<T>(
    file: &mut File,
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<(bool, Option<T>)> {
    let length = file.metadata()?.len();
    let mut span = TAIL_LEN;
    loop {
        let start = length.saturating_sub(span);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(span).read_to_end(&mut tail)?;
        let torn = tail.last().is_some_and(|byte| *byte != b'\n');
        let mut lines: Vec<&[u8]> = tail.split(|byte| *byte == b'\n').collect();
        // What follows the last line break, and what may have begun before the tail.
        lines.pop();
        let whole = lines.get(usize::from(start > 0)..).unwrap_or_default();
        let last = whole.iter().rev().find_map(|line| read(line));
        if last.is_some() || start == 0 || span >= TAIL_MAX {
            return Ok((torn, last));
        }
        span = span.saturating_mul(4);
    }
}

fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
