//! Paths of requests beneath the root of a rule.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use dtx_policy::PathQuestion;

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

#[test]
fn beneath_and_out() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root's directories are believed, and this is not root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
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
