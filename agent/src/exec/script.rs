//! Where scripts lie while they run.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use dtx_proto_types::message::RefusalCode;
use nix::errno::Errno;
use nix::unistd::fchown;

use super::become_user::Account;
use super::failure::Failure;
use crate::sys;

/// Makes the directory for scripts (readable by nobody else, so that names in it stay unknown, and
/// searchable, so that a script's user reaches it) and removes what an earlier agent left there.
/// Every parent of it must be searchable by all.
///
/// # Errors
///
/// If it cannot be made, or belongs to somebody else.
pub(super) fn prepare_script_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o711))?;
    for entry in fs::read_dir(path)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

/// A place for one script of one start: a name that no other start has, or can know. A job's id
/// would be neither, since it is its operator's choice. So whoever drew a name may remove what
/// lies there.
pub(super) fn draw_script_path(directory: &Path) -> Result<PathBuf, Errno> {
    let name = u128::from_ne_bytes(sys::random()?);
    Ok(directory.join(format!("{name:032x}")))
}

/// Writes a script, readable by its user alone. The file is not executable: its interpreter is
/// started with its name, so that neither a `noexec` mount nor another process's open descriptor
/// is in the way.
pub(super) fn write_script(path: &Path, text: &[u8], account: &Account) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(path)?;
        file.write_all(text)?;
        if account.is_somebody_else() {
            fchown(file.as_fd(), Some(account.uid), Some(account.gid))?;
        }
        Ok(())
    };
    write().map_err(|error| {
        let text = format!(
            "the script cannot be written to {}: {error}",
            path.display()
        );
        Failure::Refused(RefusalCode::Disk, text)
    })
}
