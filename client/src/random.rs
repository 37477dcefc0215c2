//! Random bytes from the system.

use ring::rand::{SecureRandom, SystemRandom};

/// The system has no random bytes to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub(crate) struct RandomError;

/// `N` bytes that nobody can foresee.
///
/// # Errors
///
/// If the system has none to give.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| RandomError)?;
    Ok(bytes)
}
