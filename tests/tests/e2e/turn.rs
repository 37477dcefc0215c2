//! Who may run beside whom, under plain `cargo test`.
//!
//! Tests of one program run in parallel, as many as there are cores. A lab that loads all cores by
//! itself waits for its turn alone, or every deadline would measure its neighbours. (`nextest`
//! runs each test in a process of its own, and has groups for that: `.config/nextest.toml`.)

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// From so many hosts on, a lab is for its test alone.
const CROWD: usize = 12;

static TURN: RwLock<()> = RwLock::new(());

/// The right to run. A test that failed while it had it takes it from nobody.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Beside others.
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    /// With nobody else.
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

impl Turn {
    /// For a lab of so many hosts.
    pub(crate) fn of(hosts: usize) -> Self {
        if hosts < CROWD {
            Self::shared()
        } else {
            Self::alone()
        }
    }

    /// Beside others.
    pub(crate) fn shared() -> Self {
        let _guard = TURN.read().unwrap_or_else(PoisonError::into_inner);
        Self::Shared { _guard }
    }

    /// With nobody else.
    pub(crate) fn alone() -> Self {
        let _guard = TURN.write().unwrap_or_else(PoisonError::into_inner);
        Self::Alone { _guard }
    }
}
