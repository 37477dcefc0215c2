//! Whose configuration is believed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::Settings;
use crate::args::Serve;

#[test]
fn a_file_that_others_can_write_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.toml");
    let load = || {
        let config = Some(path.clone());
        Settings::load(Serve {
            config,
            ..Serve::default()
        })
    };
    let says = |words: &str| {
        let error = load().unwrap_err().to_string();
        let names = error.contains(path.to_str().unwrap());
        assert!(names && error.contains(words), "{error}");
    };
    says("does not exist");
    fs::write(&path, "cluster = \"c\"\nlabels = { rack = \"r1\" }\n").unwrap();
    for (mode, fine) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        if fine {
            assert_eq!(load().unwrap().labels["rack"], "r1", "{mode:o}");
        } else {
            says("chmod go-w");
        }
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let error = load().unwrap_err().to_string();
    assert!(error.contains("chmod go-w"), "{error}");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    if nix::unistd::geteuid().is_root() {
        chown(&path, Some(54321), None).unwrap();
        says("chown root");
    }
    fs::remove_file(&path).unwrap();
    symlink("none", &path).unwrap();
    says("symbolic link");
}
