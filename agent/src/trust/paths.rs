//! Whether a path that a request named lies where a rule keeps it.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use dtx_policy::PathQuestion;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstat};

/// Symbolic links on the way.
const LINKS_MAX: u32 = 16;

/// Follows a path beneath its root, one component after the other and by descriptors.
///
/// `Ok` if it stays there, no symbolic link leads out, and no directory on the way, from `/` to the
/// root and on from there, is writable by anyone but root: whoever can write one of them decides
/// what lies beneath it. A sticky directory is no exception, and the root's own path holds no
/// symbolic link. The last component need not exist. May wait for a file system that does not
/// answer: call it in a process that may hang.
///
/// # Errors
///
/// Why not, for the operator.
pub fn look_at(question: &PathQuestion) -> Result<(), String> {
    let root = Path::new(&question.root);
    let inside = Path::new(&question.path)
        .strip_prefix(root)
        .map_err(|_| "it is somewhere else".to_owned())?;
    let mut walk = Walk {
        here: vec![enter_root(root)?],
        ahead: Vec::new(),
        links: 0,
    };
    walk.queue(inside)?;
    walk.run()
}

/// Goes from `/` to the root of a rule.
fn enter_root(root: &Path) -> Result<(OwnedFd, PathBuf), String> {
    let mut path = PathBuf::from("/");
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut here = open(&path, flags, Mode::empty()).map_err(|errno| said(&path, errno))?;
    check(&here, &path)?;
    for component in root.components() {
        let step = match component {
            Component::Normal(step) => step,
            Component::RootDir | Component::CurDir => continue,
            Component::ParentDir | Component::Prefix(_) => {
                return Err(format!("{} is no plain path", root.display()));
            }
        };
        path.push(step);
        here = openat(&here, step, flags, Mode::empty()).map_err(|errno| said(&path, errno))?;
        check(&here, &path)?;
    }
    Ok((here, path))
}

/// Whether a directory is one in which only root can change anything.
fn check(directory: &OwnedFd, path: &Path) -> Result<(), String> {
    let stat: FileStat = fstat(directory).map_err(|errno| said(path, errno))?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => {}
        libc::S_IFLNK => {
            return Err(format!(
                "{} is a symbolic link; the rule has to name the directory itself",
                path.display()
            ));
        }
        _ => return Err(said(path, Errno::ENOTDIR)),
    }
    if stat.st_uid != 0 || stat.st_mode & 0o022 != 0 {
        return Err(format!(
            "{} can be changed by others than root (uid {}, mode {:04o})",
            path.display(),
            stat.st_uid,
            stat.st_mode & 0o7777
        ));
    }
    Ok(())
}

struct Walk {
    /// The directories from the root to here; never empty.
    here: Vec<(OwnedFd, PathBuf)>,
    /// What is still to be walked, the next component last.
    ahead: Vec<PathBuf>,
    links: u32,
}

impl Walk {
    fn queue(&mut self, path: &Path) -> Result<(), String> {
        for component in path.components().rev() {
            match component {
                Component::Normal(_) | Component::ParentDir => {
                    self.ahead.push(PathBuf::from(component.as_os_str()));
                }
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => {
                    return Err("a symbolic link leads out of it".to_owned());
                }
            }
        }
        Ok(())
    }

    fn run(mut self) -> Result<(), String> {
        while let Some(step) = self.ahead.pop() {
            if step.as_os_str() == ".." {
                self.here.pop();
                if self.here.is_empty() {
                    return Err("a symbolic link leads out of it".to_owned());
                }
                continue;
            }
            let Some((directory, above)) = self.here.last() else {
                return Err("a symbolic link leads out of it".to_owned());
            };
            let path = above.join(&step);
            let look = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let found = match openat(directory, &step, look, Mode::empty()) {
                // What does not exist yet can be made there, by somebody who may.
                Err(Errno::ENOENT) if self.ahead.is_empty() => return Ok(()),
                other => other.map_err(|errno| said(&path, errno))?,
            };
            let stat = fstat(&found).map_err(|errno| said(&path, errno))?;
            match stat.st_mode & libc::S_IFMT {
                libc::S_IFDIR => self.enter(found, path)?,
                libc::S_IFLNK => {
                    self.links += 1;
                    if self.links > LINKS_MAX {
                        return Err("there are too many symbolic links".to_owned());
                    }
                    let target = readlinkat(&found, "").map_err(|errno| said(&path, errno))?;
                    self.queue(Path::new(&target))?;
                }
                _ if self.ahead.is_empty() => return Ok(()),
                _ => return Err(said(&path, Errno::ENOTDIR)),
            }
        }
        Ok(())
    }

    fn enter(&mut self, directory: OwnedFd, path: PathBuf) -> Result<(), String> {
        check(&directory, &path)?;
        self.here.push((directory, path));
        Ok(())
    }
}

fn said(path: &Path, errno: Errno) -> String {
    format!("{}: {}", path.display(), errno.desc())
}
