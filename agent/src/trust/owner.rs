//! Files that may say who is trusted: only those that nobody but root or the agent's own user
//! can have written, or put in their place.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstat};

/// Symbolic links on the way to a file.
const LINKS_MAX: u32 = 16;
/// A file changed this shortly before it was read may change again within the same tick of its
/// time stamps; it is read again next time.
const SETTLED: Duration = Duration::from_secs(2);

/// Who may own such a file and the directories above it.
#[derive(Debug, Clone, Copy)]
pub struct Owners {
    /// The agent's own user; root always may.
    pub agent_uid: u32,
}

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that may be believed, opened.
#[derive(Debug)]
pub struct TrustedFile {
    file: File,
    path: PathBuf,
    stamp: Stamp,
}

/// Why a file is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// There is none.
    #[error("{path} does not exist", path = .0.display())]
    Missing(PathBuf),
    /// There is none where a symbolic link leads: perhaps something is not mounted.
    #[error(
        "{path} leads through a symbolic link to {target}, which does not exist; put it there, or \
         put a file of its own at {path}", path = .path.display(), target = .target.display()
    )]
    Dangling {
        /// What was looked for.
        path: PathBuf,
        /// What is missing.
        target: PathBuf,
    },
    /// It cannot be reached or read.
    #[error("{path}: {}", .errno.desc(), path = .path.display())]
    System {
        /// What was looked at.
        path: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
    /// Somebody else's.
    #[error(
        "{path} belongs to uid {uid}, who could change whom this node trusts; it must be root's: \
         chown root {path}", path = .path.display()
    )]
    Owner {
        /// The file or a directory above it.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Others can write it.
    #[error(
        "{path} can be written by others (mode {mode:04o}), who could change whom this node \
         trusts: chmod go-w {path}", path = .path.display()
    )]
    Writable {
        /// The file or a directory above it.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No regular file.
    #[error("{path} is not a regular file", path = .0.display())]
    NotAFile(PathBuf),
    /// Links that lead on and on.
    #[error("{path}: too many symbolic links", path = .0.display())]
    Links(PathBuf),
    /// More than anybody needs.
    #[error("{path} is larger than {max} bytes", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What it may have.
        max: u64,
    },
    /// No text.
    #[error("{path} is not UTF-8 text", path = .0.display())]
    NotText(PathBuf),
}

impl Owners {
    /// Opens a file after looking at each directory above it, from the root downwards and by
    /// descriptors, so that nothing can be exchanged between the look and the use.
    ///
    /// # Errors
    ///
    /// [`OwnerError`]: what is wrong, where, and what to do.
    pub fn open(self, path: &Path) -> Result<TrustedFile, OwnerError> {
        let absolute = std::path::absolute(path).map_err(|_| system(path, Errno::ENOENT))?;
        let mut walk = Walk::new(self)?;
        walk.queue(&absolute);
        let file = walk.run().map_err(|error| match error {
            OwnerError::Missing(target) if walk.links > 0 => OwnerError::Dangling {
                path: absolute.clone(),
                target,
            },
            other => other,
        })?;
        let stat = fstat(&file).map_err(|errno| system(path, errno))?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(OwnerError::NotAFile(absolute));
        }
        Ok(TrustedFile {
            file: file.into(),
            path: absolute,
            stamp: Stamp::of(&stat),
        })
    }

    fn check(self, path: &Path, stat: &FileStat) -> Result<(), OwnerError> {
        if stat.st_uid != 0 && stat.st_uid != self.agent_uid {
            return Err(OwnerError::Owner {
                path: path.to_owned(),
                uid: stat.st_uid,
            });
        }
        let is = |kind| stat.st_mode & libc::S_IFMT == kind;
        // A link's own mode means nothing: only its owner can have made it, or the owner of the
        // directory that it is in.
        if is(libc::S_IFLNK) || stat.st_mode & 0o022 == 0 {
            return Ok(());
        }
        // In a sticky directory of root's, others can add entries but not touch those of root and
        // of the agent; the next component is looked at like any other.
        if is(libc::S_IFDIR) && stat.st_uid == 0 && stat.st_mode & libc::S_ISVTX != 0 {
            return Ok(());
        }
        Err(OwnerError::Writable {
            path: path.to_owned(),
            mode: stat.st_mode & 0o7777,
        })
    }
}

/// A way from the root to a file, one checked step after the other.
struct Walk {
    owners: Owners,
    /// Where it stands, and its path: the directories from the root to here.
    here: Vec<(OwnedFd, PathBuf)>,
    /// What is still to be walked, the next step last.
    ahead: Vec<PathBuf>,
    links: u32,
}

impl Walk {
    fn new(owners: Owners) -> Result<Self, OwnerError> {
        let path = PathBuf::from("/");
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(&path, flags, Mode::empty()).map_err(|errno| system(&path, errno))?;
        let stat = fstat(&root).map_err(|errno| system(&path, errno))?;
        owners.check(&path, &stat)?;
        Ok(Self {
            owners,
            here: vec![(root, path)],
            ahead: Vec::new(),
            links: 0,
        })
    }

    fn queue(&mut self, path: &Path) {
        let steps = path
            .components()
            .rev()
            .map(|step| PathBuf::from(step.as_os_str()));
        self.ahead.extend(steps);
    }

    fn run(&mut self) -> Result<OwnedFd, OwnerError> {
        while let Some(step) = self.ahead.pop() {
            match step.components().next() {
                Some(Component::RootDir) => self.here.truncate(1),
                // Above the root there is the root.
                Some(Component::ParentDir) if self.here.len() > 1 => drop(self.here.pop()),
                Some(Component::Normal(_)) => {
                    if let Some(file) = self.enter(&step)? {
                        return Ok(file);
                    }
                }
                _ => {}
            }
        }
        let path = self.here.pop().map_or_else(PathBuf::new, |(_, path)| path);
        Err(OwnerError::NotAFile(path))
    }

    /// Takes one step. The last one, onto something that is no directory, ends the walk.
    fn enter(&mut self, step: &Path) -> Result<Option<OwnedFd>, OwnerError> {
        let (directory, above) = self.here.last().expect("the root is never left");
        let path = above.join(step);
        let fail = |errno| match errno {
            Errno::ENOENT | Errno::ENOTDIR => OwnerError::Missing(path.clone()),
            errno => system(&path, errno),
        };
        let look = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = openat(directory, step, look, Mode::empty()).map_err(fail)?;
        let stat = fstat(&found).map_err(fail)?;
        let kind = stat.st_mode & libc::S_IFMT;
        if !matches!(kind, libc::S_IFDIR | libc::S_IFLNK | libc::S_IFREG) {
            return Err(OwnerError::NotAFile(path));
        }
        self.owners.check(&path, &stat)?;
        match kind {
            libc::S_IFDIR => {
                self.here.push((found, path));
                Ok(None)
            }
            libc::S_IFLNK => {
                self.links += 1;
                if self.links > LINKS_MAX {
                    return Err(OwnerError::Links(path));
                }
                let target = readlinkat(&found, "").map_err(fail)?;
                self.queue(Path::new(&target));
                Ok(None)
            }
            libc::S_IFREG if self.ahead.is_empty() => self.reopen(&found, &path).map(Some),
            _ => Err(OwnerError::Missing(path)),
        }
    }

    /// Opens for reading exactly what was looked at.
    fn reopen(&self, found: &OwnedFd, path: &Path) -> Result<OwnedFd, OwnerError> {
        let (directory, _) = self.here.last().expect("the root is never left");
        let name = path.file_name().unwrap_or_default();
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fail = |errno| system(path, errno);
        let file = openat(directory, name.as_bytes(), flags, Mode::empty()).map_err(fail)?;
        let (seen, got) = (
            fstat(found).map_err(fail)?,
            fstat(file.as_fd()).map_err(fail)?,
        );
        // It may have been replaced between the two calls, by root: then what counts is the new
        // one.
        if (seen.st_dev, seen.st_ino) != (got.st_dev, got.st_ino) {
            self.owners.check(path, &got)?;
        }
        Ok(file)
    }
}

fn system(path: &Path, errno: Errno) -> OwnerError {
    OwnerError::System {
        path: path.to_owned(),
        errno,
    }
}

impl TrustedFile {
    /// What tells this content from another.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Reads all of it. The stamp that comes along is absent if the file changed too recently
    /// for its time stamps to tell the next change.
    ///
    /// # Errors
    ///
    /// If it is larger than `max`, is no text or cannot be read.
    pub fn read(mut self, max: u64) -> Result<(String, Option<Stamp>), OwnerError> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(max + 1).read_to_end(&mut bytes);
        if let Err(error) = read {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
            return Err(system(&self.path, errno));
        }
        if bytes.len() as u64 > max {
            return Err(OwnerError::TooLarge {
                path: self.path,
                max,
            });
        }
        let stat = fstat(&self.file).map_err(|errno| system(&self.path, errno))?;
        let settled = self.stamp == Stamp::of(&stat) && self.stamp.is_settled();
        let text = String::from_utf8(bytes).map_err(|_| OwnerError::NotText(self.path))?;
        Ok((text, settled.then_some(self.stamp)))
    }
}

impl Stamp {
    const fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    fn is_settled(&self) -> bool {
        let seconds = u64::try_from(self.changed.0).unwrap_or(u64::MAX);
        let changed = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        changed.is_some_and(|changed| {
            SystemTime::now()
                .duration_since(changed)
                .is_ok_and(|age| age > SETTLED)
        })
    }
}
