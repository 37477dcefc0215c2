//! The standard input whose digest was signed: a memfd that the front fills and the executor
//! seals, checks and hands to the command.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Shown in `/proc/PID/fd`.
const NAME: &CStr = c"dtx-stdin";

/// Why an input is not the one that was signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StdinError {
    /// The front still has a way to change it.
    #[error("it cannot be sealed: {0}")]
    Seal(io::Error),
    /// Reading it failed.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Too few or too many bytes.
    #[error("{got} bytes came instead of {signed}")]
    Size {
        /// As many as came.
        got: u64,
        /// As many as were signed.
        signed: u64,
    },
    /// Other bytes.
    #[error("its digest differs")]
    Digest,
}

/// Makes an empty one.
pub(super) fn create() -> io::Result<OwnedFd> {
    Ok(memfd_create(
        NAME,
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )?)
}

/// Makes it unchangeable, then looks whether it is what was signed. Returned with its position at
/// the beginning.
pub(super) fn seal_and_check(
    memfd: &OwnedFd,
    signed: u64,
    digest: &[u8; 32],
) -> Result<OwnedFd, StdinError> {
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SEAL;
    fcntl(memfd.as_fd(), FcntlArg::F_ADD_SEALS(seals))
        .map_err(|errno| StdinError::Seal(errno.into()))?;
    // The front still has the descriptor that it filled, and with it a say in that one's offset.
    // What is checked and what is handed on is therefore opened anew.
    let mut file = File::open(format!("/proc/self/fd/{}", memfd.as_raw_fd()))?;
    let got = file.metadata()?.len();
    if got != signed {
        return Err(StdinError::Size { got, signed });
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        };
    }
    if hasher.finalize() != blake3::Hash::from_bytes(*digest) {
        return Err(StdinError::Digest);
    }
    file.rewind()?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_what_was_signed_and_never_changed_afterwards() {
        let digest = *blake3::hash(b"hello").as_bytes();
        let filled = |bytes: &[u8]| {
            let memfd = create().unwrap();
            File::from(memfd.try_clone().unwrap())
                .write_all(bytes)
                .unwrap();
            memfd
        };
        let memfd = filled(b"hello");
        let front = memfd.try_clone().unwrap();
        let sealed = seal_and_check(&memfd, 5, &digest).unwrap();
        let mut front = File::from(front);
        assert!(
            front.write_all(b"x").is_err(),
            "the front can change nothing"
        );
        front.seek(io::SeekFrom::Start(3)).unwrap();
        let mut text = String::new();
        File::from(sealed).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");

        assert!(matches!(
            seal_and_check(&filled(b"hello!"), 5, &digest),
            Err(StdinError::Size { got: 6, signed: 5 })
        ));
        assert!(matches!(
            seal_and_check(&filled(b"hellO"), 5, &digest),
            Err(StdinError::Digest)
        ));
        assert!(matches!(
            seal_and_check(&filled(b""), 5, &digest),
            Err(StdinError::Size { .. })
        ));
    }
}
