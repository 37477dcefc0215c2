//! Whose files are believed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::trust::Owners;

/// Neither root nor anybody who runs tests.
const OTHER: u32 = 54321;

struct Tree(TempDir);

impl Tree {
    /// `a/b/file`, all of it as it should be.
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for directory in ["a", "a/b"] {
            fs::create_dir(tree.path(directory)).unwrap();
            tree.mode(directory, 0o755);
        }
        fs::write(tree.path("a/b/file"), "text").unwrap();
        tree.mode("a/b/file", 0o644);
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn give(&self, name: &str, uid: u32) {
        chown(self.path(name), Some(uid), None).unwrap();
    }

    fn read(&self, name: &str) -> Result<String, String> {
        read(&self.path(name), nix::unistd::geteuid().as_raw())
    }
}

fn read(path: &Path, agent_uid: u32) -> Result<String, String> {
    Owners { agent_uid }
        .open(path)
        .and_then(|file| file.read(100))
        .map(|(text, _)| text)
        .map_err(|error| error.to_string())
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: giving files away needs root");
    }
    root
}

#[test]
fn modes() {
    for (name, mode, fine) in [
        ("a/b/file", 0o644, true),
        ("a/b/file", 0o600, true),
        ("a/b/file", 0o664, false),
        ("a/b/file", 0o646, false),
        ("a/b/file", 0o666, false),
        ("a/b", 0o755, true),
        ("a/b", 0o711, true),
        ("a/b", 0o775, false),
        ("a/b", 0o757, false),
        ("a", 0o777, false),
        ("a", 0o775, false),
    ] {
        let tree = Tree::new();
        tree.mode(name, mode);
        match tree.read("a/b/file") {
            Ok(text) => assert!(fine && text == "text", "{name} {mode:o}"),
            Err(error) => {
                let say = format!("chmod go-w {}", tree.path(name).display());
                assert!(!fine && error.contains(&say), "{name} {mode:o}: {error}");
            }
        }
    }
}

#[test]
fn owners() {
    if !is_root() {
        return;
    }
    for (name, agent_uid, fine) in [
        ("a/b/file", 0, false),
        ("a/b/file", OTHER, true),
        ("a/b/file", OTHER + 1, false),
        ("a/b", 0, false),
        ("a/b", OTHER, true),
        ("a", 0, false),
    ] {
        let tree = Tree::new();
        tree.give(name, OTHER);
        let result = read(&tree.path("a/b/file"), agent_uid);
        match result {
            Ok(_) => assert!(fine, "{name} {agent_uid}"),
            Err(error) => {
                let say = format!("chown root {}", tree.path(name).display());
                assert!(!fine && error.contains(&say), "{name}: {error}");
            }
        }
    }
}

#[test]
fn sticky_directories() {
    if !is_root() {
        return;
    }
    for (mode, directory_owner, next_owner, fine) in [
        (0o1777, 0, 0, true),
        (0o1775, 0, 0, true),
        (0o777, 0, 0, false),
        // Others can make entries there, but only their own.
        (0o1777, 0, OTHER, false),
        // Whoever owns a sticky directory can move everything in it.
        (0o1777, OTHER, 0, false),
    ] {
        let tree = Tree::new();
        tree.mode("a", mode);
        tree.give("a", directory_owner);
        tree.give("a/b", next_owner);
        assert_eq!(
            tree.read("a/b/file").is_ok(),
            fine,
            "{mode:o} {directory_owner} {next_owner}"
        );
    }
    // The agent's own sticky directory, writable by others, is no such place.
    let tree = Tree::new();
    for name in ["a", "a/b", "a/b/file"] {
        tree.give(name, OTHER);
    }
    tree.mode("a", 0o1777);
    assert!(read(&tree.path("a/b/file"), OTHER).is_err());
    tree.mode("a", 0o755);
    assert!(read(&tree.path("a/b/file"), OTHER).is_ok());
}

#[test]
fn symbolic_links_are_followed_where_nobody_else_can_have_made_them() {
    let tree = Tree::new();
    let inside = tree.path("a/b/file");
    for (link, target) in [
        ("absolute", inside.clone()),
        ("relative", "a/b/file".into()),
        ("around", "a/b/../../a/./b/file".into()),
        ("again", "relative".into()),
    ] {
        symlink(target, tree.path(link)).unwrap();
        assert_eq!(tree.read(link).as_deref(), Ok("text"), "{link}");
    }
    symlink("loop", tree.path("loop")).unwrap();
    assert!(tree.read("loop").unwrap_err().contains("too many"));
    symlink("a", tree.path("dir")).unwrap();
    assert_eq!(tree.read("dir/b/file").as_deref(), Ok("text"));
    // What a link leads through counts as well.
    tree.mode("a/b", 0o777);
    for link in ["absolute", "relative", "around", "again", "dir/b/file"] {
        assert!(tree.read(link).unwrap_err().contains("chmod"), "{link}");
    }
    tree.mode("a/b", 0o755);
    if is_root() {
        fs::create_dir(tree.path("tmp")).unwrap();
        tree.mode("tmp", 0o1777);
        symlink(&inside, tree.path("tmp/mine")).unwrap();
        symlink(&inside, tree.path("tmp/theirs")).unwrap();
        std::os::unix::fs::lchown(tree.path("tmp/theirs"), Some(OTHER), None).unwrap();
        assert!(tree.read("tmp/mine").is_ok());
        assert!(tree.read("tmp/theirs").is_err());
    }
}

#[test]
fn what_is_no_such_file() {
    let tree = Tree::new();
    nix::unistd::mkfifo(&tree.path("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    fs::write(tree.path("large"), vec![b'x'; 101]).unwrap();
    fs::write(tree.path("binary"), b"\xff\xfe").unwrap();
    for (name, words) in [
        ("none", "does not exist"),
        ("none/at/all", "does not exist"),
        ("a/b/file/x", "does not exist"),
        ("a/b", "not a regular file"),
        ("fifo", "not a regular file"),
        ("large", "larger than 100 bytes"),
        ("binary", "not UTF-8"),
    ] {
        let error = tree.read(name).unwrap_err();
        assert!(error.contains(words), "{name}: {error}");
    }
    assert!(
        read(Path::new("/dev/null"), 0)
            .unwrap_err()
            .contains("not a regular file")
    );
    assert!(read(Path::new("/"), 0).is_err());
}
