//! What the engine needs of sessions, so that it can be tested without any.

use std::future::Future;
use std::sync::Arc;

use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{Attach, Request, ServerHello};

use crate::session::{ConnectError, EncodedJob, JobEvent, JobStream, Session};

/// Gives sessions to the attempts of a run.
pub(crate) trait Dial: Send + Sync + 'static {
    /// What it gives.
    type Session: NodeSession;

    /// A session to the node of this rank. It may have been opened before.
    fn dial(
        &self,
        rank: u32,
    ) -> impl Future<Output = Result<Arc<Self::Session>, ConnectError>> + Send;

    /// A new session to a node on which a job may be running. No live grant is needed for it.
    fn redial(
        &self,
        rank: u32,
    ) -> impl Future<Output = Result<Arc<Self::Session>, ConnectError>> + Send;

    /// The node's part is over; its session may serve the next run or make room for others.
    fn release(&self, rank: u32, others_wait: bool);
}

/// An authenticated connection to one node.
pub(crate) trait NodeSession: Send + Sync + 'static {
    /// One job on it.
    type Job: NodeJob;

    /// What the agent said about itself.
    fn hello(&self) -> &ServerHello;
    /// The key that the node proved.
    fn key(&self) -> Ed25519Key;
    /// Sends a signed job.
    fn start(&self, job: &EncodedJob) -> impl Future<Output = Self::Job> + Send;
    /// Goes on with a job of an earlier session.
    fn attach(&self, attach: Attach) -> impl Future<Output = Self::Job> + Send;
}

/// One job on a session.
pub(crate) trait NodeJob: Send + Sync {
    /// The next event; asking for it acknowledges the output given before.
    fn next(&self) -> impl Future<Output = JobEvent> + Send;
    /// Sends a control message about the job.
    fn send(&self, request: Request) -> impl Future<Output = ()> + Send;
    /// Sends a control message about the job and waits until it has left this process.
    fn deliver(&self, request: Request) -> impl Future<Output = ()> + Send;
    /// Sends the next run of standard input, or its end.
    fn send_stdin(&self, request: Request) -> impl Future<Output = ()> + Send;
}

impl NodeSession for Session {
    type Job = JobStream;

    fn hello(&self) -> &ServerHello {
        self.hello()
    }

    fn key(&self) -> Ed25519Key {
        self.key()
    }

    async fn start(&self, job: &EncodedJob) -> JobStream {
        self.start(job).await
    }

    async fn attach(&self, attach: Attach) -> JobStream {
        self.attach(attach).await
    }
}

impl NodeJob for JobStream {
    async fn next(&self) -> JobEvent {
        self.next().await
    }

    async fn send(&self, request: Request) {
        self.send(request).await;
    }

    async fn deliver(&self, request: Request) {
        self.deliver(request).await;
    }

    async fn send_stdin(&self, request: Request) {
        self.send_stdin(request).await;
    }
}
