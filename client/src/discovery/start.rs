//! A discovery that runs.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use dtx_proto_types::id::QueryId;
use tokio::sync::mpsc::{self, Receiver};

use super::askers;
use super::bell::Bell;
use super::event::{Event, Finished, Heard};
use super::options::{DiscoveryError, Options};
use super::rounds::{ROUNDS_MAX, Rounds};
use super::worker::Worker;
use crate::random;

/// A discovery under way. Dropped, it ends at once.
#[derive(Debug)]
pub struct Discovery {
    events: Receiver<Event>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Discovery {
    /// Begins to ask.
    ///
    /// # Errors
    ///
    /// If a named interface or the cluster's name cannot be used, or the system gives no thread,
    /// descriptors or random bytes. That there is no fit interface is no error but a warning of
    /// [`Finished`].
    pub fn start(options: Options) -> Result<Self, DiscoveryError> {
        let mut ids = [QueryId::from_bytes([0; 16]); ROUNDS_MAX];
        for id in &mut ids {
            let bytes = random::bytes().map_err(std::io::Error::other)?;
            *id = QueryId::from_bytes(bytes);
        }
        // A cluster whose name fits into one query fits into all.
        Rounds::new(options.clone())
            .begin(ids[0], Instant::now())
            .map_err(|_| DiscoveryError::Cluster(options.cluster.clone()))?;
        let (askers, reports) = askers::open(&options.interfaces)?;
        let bell = Arc::new(Bell::new()?);
        let (sender, events) = mpsc::channel(Rounds::events_max(&options) + 1);
        let worker = Worker {
            rounds: Rounds::new(options),
            ids,
            askers,
            reports,
            events: sender,
            bell: Arc::clone(&bell),
        };
        let thread = std::thread::Builder::new()
            .name("dtx-discovery".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            events,
            bell,
            thread: Some(thread),
        })
    }

    /// Says that every expected node has shown that it is there, be it by a session instead of an
    /// answer: from now on, only others are waited for.
    pub fn all_here(&self) {
        self.bell.all_here();
    }

    /// What comes next; nothing after [`Event::Finished`]. Nothing is lost if the call is
    /// cancelled.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Waits for the end; all that was heard, in the order of its coming.
    pub async fn finish(mut self) -> (Vec<Heard>, Finished) {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Some(Event::Heard(heard)) => all.push(heard),
                Some(Event::Finished(finished)) => return (all, finished),
                None => return (all, Finished::default()),
            }
        }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // The thread looks at this before anything else and then ends within a moment; a panicked
        // one has nothing to tell.
        self.bell.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options(cluster: &str, interface: &str) -> Options {
        Options {
            interfaces: vec![interface.to_owned()],
            ..Options::new(cluster)
        }
    }

    #[tokio::test]
    async fn nobody_there_is_known_soon() {
        let discovery = Discovery::start(options("test-nobody", "lo")).unwrap();
        let (heard, finished) = discovery.finish().await;
        assert!(heard.is_empty());
        assert_eq!(finished.rounds, 3);
        assert!(
            finished.took < Duration::from_secs(2),
            "{:?}",
            finished.took
        );
        assert_eq!(finished.interfaces.len(), 1);
        assert_eq!(finished.warnings(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn dropped_it_ends_at_once() {
        let began = Instant::now();
        drop(Discovery::start(options("test-nobody", "lo")).unwrap());
        assert!(
            began.elapsed() < Duration::from_millis(100),
            "{:?}",
            began.elapsed()
        );
    }

    #[test]
    fn what_cannot_begin() {
        assert!(matches!(
            Discovery::start(options("c", "no-such-one")),
            Err(DiscoveryError::Interface(name)) if name == "no-such-one"
        ));
        assert!(matches!(
            Discovery::start(options("a b", "lo")),
            Err(DiscoveryError::Cluster(_))
        ));
    }
}
