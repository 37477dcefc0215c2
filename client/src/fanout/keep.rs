//! The wish that jobs go on without their client, and how many have not been told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// The wish of one run, as its handle and its attempts share it.
#[derive(Debug, Clone)]
pub(super) struct Keep(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    wish: watch::Sender<bool>,
    /// Jobs on a session whose node has not been told, wished or not.
    untold: AtomicUsize,
    all_told: Notify,
}

/// One job on one session, until its node has been told or the session is over.
#[derive(Debug)]
pub(super) struct Untold {
    keep: Keep,
    wish: watch::Receiver<bool>,
    tried: bool,
    told: bool,
}

impl Keep {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            wish: watch::Sender::new(false),
            untold: AtomicUsize::new(0),
            all_told: Notify::new(),
        }))
    }

    /// A job that is about to be handed to a session.
    pub(super) fn enlist(&self) -> Untold {
        self.0.untold.fetch_add(1, Ordering::AcqRel);
        Untold {
            keep: self.clone(),
            wish: self.0.wish.subscribe(),
            tried: false,
            told: false,
        }
    }

    /// Has every job told, now and from now on. Whether all that run have been within this time.
    pub(super) async fn wish(&self, within: Duration) -> bool {
        self.0.wish.send_replace(true);
        let told = async {
            while self.0.untold.load(Ordering::Acquire) > 0 {
                self.0.all_told.notified().await;
            }
        };
        timeout(within, told).await.is_ok()
    }
}

impl Untold {
    /// Waits until the node is to be told, once.
    pub(super) async fn wished(&mut self) {
        if self.tried || self.wish.wait_for(|wished| *wished).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.tried = true;
    }

    /// The node has been told, as far as this session goes.
    pub(super) fn told(&mut self) {
        if !std::mem::replace(&mut self.told, true)
            && self.keep.0.untold.fetch_sub(1, Ordering::AcqRel) == 1
        {
            self.keep.0.all_told.notify_one();
        }
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        self.told();
    }
}
