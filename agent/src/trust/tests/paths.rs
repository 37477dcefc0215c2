//! Paths of requests beneath the root of a rule.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use dtx_policy::PathQuestion;
use tempfile::TempDir;

use crate::trust::look_at;

/// Paths beneath the root, and words of why they are not; none for those that are.
const PATHS: &[(&str, &str)] = &[
    ("d/file", ""),
    ("d", ""),
    ("d/new", ""),
    ("in", ""),
    ("d/back", ""),
    ("dangling", ""),
    // Whoever may write a file changes the file, not where it is.
    ("writable", ""),
    ("none/file", "No such file"),
    ("d/file/x", "Not a directory"),
    ("up", "leads out"),
    ("up/root/d/file", "leads out"),
    ("out", "leads out"),
    ("d/far", "leads out"),
    ("d/far/secret", "leads out"),
    ("absolute", "leads out"),
    ("dangling-out", "leads out"),
    ("loop", "too many"),
    ("open", "can be changed by others"),
    ("open/file", "can be changed by others"),
    ("open/new", "can be changed by others"),
    ("through", "can be changed by others"),
    ("theirs/file", "can be changed by others"),
];

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: only root's directories are believed, and this is not root");
    }
    root
}

/// A directory that root alone can change, as `/tmp` is none.
fn directory_of_root() -> TempDir {
    let directory = tempfile::Builder::new().tempdir_in("/run").unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn beneath_and_out() {
    if !is_root() {
        return;
    }
    let directory = directory_of_root();
    let root = directory.path().join("root");
    let outside = directory.path().join("outside");
    for path in [
        &root,
        &root.join("d"),
        &root.join("open"),
        &root.join("theirs"),
        &outside,
    ] {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    for path in ["d/file", "open/file", "theirs/file", "writable"] {
        fs::write(root.join(path), "x").unwrap();
    }
    fs::write(outside.join("secret"), "x").unwrap();
    fs::set_permissions(root.join("open"), Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(root.join("writable"), Permissions::from_mode(0o666)).unwrap();
    chown(root.join("theirs"), Some(54321), None).unwrap();
    for (link, target) in [
        ("in", "d/file"),
        ("d/back", "../d/file"),
        ("up", ".."),
        ("out", "../outside/secret"),
        ("d/far", "../../outside"),
        ("absolute", "/etc/passwd"),
        ("loop", "loop"),
        ("dangling", "d/none"),
        ("dangling-out", "../none"),
        ("through", "open/file"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    for (path, words) in PATHS {
        let question = PathQuestion {
            root: root.display().to_string(),
            path: root.join(path).display().to_string(),
        };
        match look_at(&question) {
            Ok(()) => assert!(words.is_empty(), "{path}"),
            Err(why) => assert!(!words.is_empty() && why.contains(words), "{path}: {why}"),
        }
    }
    let elsewhere = PathQuestion {
        root: root.display().to_string(),
        path: outside.join("secret").display().to_string(),
    };
    assert!(look_at(&elsewhere).unwrap_err().contains("somewhere else"));
}

#[test]
fn the_way_to_the_root_counts_as_well() {
    if !is_root() {
        return;
    }
    let directory = directory_of_root();
    let (middle, root) = (directory.path().join("a"), directory.path().join("a/root"));
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("file"), "x").unwrap();
    symlink("a", directory.path().join("link")).unwrap();
    symlink("a/root", directory.path().join("last")).unwrap();
    let look = |root: &str| {
        let root = directory.path().join(root).display().to_string();
        let path = format!("{root}/file");
        look_at(&PathQuestion { root, path })
    };
    for (owner, mode, fine) in [
        (0, 0o755, true),
        (0, 0o700, true),
        (54321, 0o755, false),
        (0, 0o775, false),
        (0, 0o757, false),
        // Whose own entries there are sticky can still be there first.
        (0, 0o1777, false),
    ] {
        chown(&middle, Some(owner), None).unwrap();
        fs::set_permissions(&middle, Permissions::from_mode(mode)).unwrap();
        match look("a/root") {
            Ok(()) => assert!(fine, "{owner} {mode:o}"),
            Err(why) => {
                let words = format!("{} can be changed", middle.display());
                assert!(!fine && why.starts_with(&words), "{owner} {mode:o}: {why}");
            }
        }
    }
    fs::set_permissions(&middle, Permissions::from_mode(0o755)).unwrap();
    for (root, words) in [
        ("link/root", "is a symbolic link"),
        ("last", "is a symbolic link"),
        ("a/root/file", "Not a directory"),
        ("a/none", "No such file"),
        ("a/../a/root", "no plain path"),
    ] {
        let why = look(root).unwrap_err();
        assert!(why.contains(words), "{root}: {why}");
    }
}
