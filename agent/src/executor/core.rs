//! The executor's state, and who handles which message of the front.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use dtx_proto_types::message::{Refusal, RefusalCode};

use super::arrival::Probing;
use super::front_process::FrontProcess;
use super::job::JobTable;
use super::notify::Notify;
use super::sessions::Sessions;
use crate::audit::Audit;
use crate::exec::ExecSettings;
use crate::ipc::{SessionNumber, Setup, ToExecutor, ToFront};
use crate::journal::Journal;
use crate::settings::Settings;
use crate::trust::Trust;

/// All that the executor knows.
pub(super) struct Executor {
    pub(super) settings: Settings,
    pub(super) exec: ExecSettings,
    pub(super) trust: Trust,
    pub(super) journal: Journal,
    pub(super) audit: Audit,
    pub(super) front: FrontProcess,
    pub(super) setup: Setup,
    /// The listening sockets; every front gets copies.
    pub(super) listeners: Vec<OwnedFd>,
    pub(super) sessions: Sessions,
    pub(super) jobs: JobTable,
    /// Jobs whose paths are being looked at before policy can say yes.
    pub(super) probing: Vec<Probing>,
    pub(super) notify: Notify,
    /// When to look again whether the open sessions' operators still are some.
    pub(super) recheck_at: Option<Instant>,
    /// When to reap children that nobody waits for.
    pub(super) reap_at: Option<Instant>,
    /// Once the agent is asked to stop: when it stops waiting for its jobs.
    pub(super) draining_until: Option<Instant>,
    /// Once all jobs of a stopping agent are over: when it stops waiting for their clients.
    pub(super) leaving_at: Option<Instant>,
}

impl Executor {
    /// Acts on one message of the front.
    pub(super) fn on_message(&mut self, message: ToExecutor) {
        match message {
            ToExecutor::Ready => self.on_ready(),
            ToExecutor::Open {
                connection,
                grant,
                peer_key,
                peer,
            } => {
                self.on_open(connection, &grant, peer_key, peer);
            }
            ToExecutor::Closed(session) => self.on_closed(session),
            ToExecutor::Job {
                session,
                stream,
                job,
            } => self.on_job(session, stream, &job),
            ToExecutor::Attach {
                session,
                stream,
                job,
            } => self.on_attach(session, stream, job),
            ToExecutor::StdinReady(key) => self.on_stdin_ready(key),
            ToExecutor::Cancel { session, key } => self.on_cancel(session, key),
            ToExecutor::Keep { session, key } => self.on_keep(session, key),
            ToExecutor::Release { session, key } => self.on_release(session, key),
            ToExecutor::Taking(key) => {
                if let Some(job) = self.jobs.get_mut(key) {
                    job.output.taking = true;
                }
            }
            ToExecutor::Clean {
                key,
                stdout,
                stderr,
            } => {
                if let Some(job) = self.jobs.get_mut(key) {
                    job.output.taking = false;
                    job.output.stdout = stdout;
                    job.output.stderr = stderr;
                }
            }
        }
    }

    pub(super) fn tell(&mut self, message: &ToFront) {
        self.front.send(message, Vec::new());
    }

    pub(super) fn refuse(&mut self, session: SessionNumber, stream: u32, refusal: Refusal) {
        self.tell(&ToFront::JobRefused {
            session,
            stream,
            refusal,
        });
    }

    /// How long a job outlives its client.
    pub(super) const fn grace(&self) -> Duration {
        self.settings.reattach_grace
    }

    /// Tells the front how busy the node is.
    pub(super) fn tell_load(&mut self) {
        let busy = u32::try_from(self.jobs.busy()).unwrap_or(u32::MAX);
        self.tell(&ToFront::Load {
            busy,
            load_percent: load_percent(),
        });
    }
}

/// The one-minute load average, times 100.
pub(super) fn load_percent() -> u32 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    let Some((whole, hundredths)) = first.split_once('.') else {
        return 0;
    };
    let whole: u32 = whole.parse().unwrap_or(0);
    whole
        .saturating_mul(100)
        .saturating_add(hundredths.parse().unwrap_or(0))
}

/// A refusal in one line.
pub(super) fn refusal(code: RefusalCode, text: impl Into<String>) -> Refusal {
    Refusal {
        code,
        text: text.into(),
    }
}
