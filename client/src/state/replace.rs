//! Files that are there whole or not at all.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::dir::StateError;

/// The bytes of a file; none if it does not exist.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(StateError::File {
            what: "read",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Puts these bytes in a file's place, so that nobody ever sees a part of them and a crash leaves
/// the old ones. The caller holds the file's lock, so the name beside it is his.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(bytes)?;
        // Without this a power cut may leave an empty file under the new name.
        file.sync_data()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|source| StateError::File {
        what: "write",
        path: path.to_owned(),
        source,
    })
}
