//! The front's life as the executor lives it: a new one is told what lasts, a dead one is mourned
//! for what it held.

use std::time::Instant;

use dtx_proto_types::message::RefusalCode;

use super::core::{Executor, refusal};
use super::job::Phase;
use crate::ipc::{ChannelError, JobKey, ToFront};

impl Executor {
    /// Starts a front and tells it all that a front must know.
    ///
    /// # Errors
    ///
    /// If the process cannot be made.
    pub(super) fn start_front(&mut self) -> std::io::Result<()> {
        self.front.start()?;
        let mut descriptors = Vec::with_capacity(self.listeners.len());
        for listener in &self.listeners {
            descriptors.push(listener.try_clone()?);
        }
        self.front
            .send(&ToFront::Setup(Box::new(self.setup.clone())), descriptors);
        for key in self
            .jobs
            .keys_where(|job| !matches!(job.phase, Phase::NotStarted(_)))
        {
            self.hand_over(key);
        }
        if self.draining_until.is_some() {
            self.tell(&ToFront::Drain);
        }
        self.tell_load();
        Ok(())
    }

    /// Tells a new front about a job that an earlier one served.
    fn hand_over(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let (stdout, stderr) = (job.output.stdout, job.output.stderr);
        self.tell(&ToFront::Adopt {
            key,
            stdout,
            stderr,
        });
        self.tell_started(key, None);
        let ended = match self.jobs.get(key).map(|job| &job.phase) {
            Some(Phase::Ended {
                ending,
                duration_us,
                notes,
            }) => ToFront::Ended {
                key,
                ending: ending.clone(),
                duration_us: *duration_us,
                notes: notes.clone(),
            },
            _ => return,
        };
        self.tell(&ended);
    }

    /// A front is gone. Sessions break; jobs live on, but what the front held is lost.
    pub(super) fn on_front_death(&mut self, error: &ChannelError) {
        log::error!("the front died ({error}); starting another, sessions will come back");
        self.sessions.close_all();
        // Nobody is left to tell what would come of these.
        self.probing.clear();
        let until = Instant::now() + self.grace();
        let mut without_input = Vec::new();
        for job in self.jobs.iter_mut() {
            job.lose_client(until);
            let input_cut = job.streamed_stdin && !job.is_over();
            if job.output.taking || input_cut {
                job.output.lost = true;
            }
            if matches!(job.phase, Phase::AwaitingStdin { .. }) {
                without_input.push(job.key);
            }
            if job.output.lost
                && let Phase::Ended { ending, .. } = &mut job.phase
                && !matches!(ending, dtx_proto_types::outcome::Ending::Lost(_))
            {
                let how = super::clients::describe(ending);
                let reason = format!("its output was lost when the agent's front died; {how}");
                *ending = dtx_proto_types::outcome::Ending::Lost(reason);
            }
        }
        for key in without_input {
            let text = "its standard input was lost when the agent's front died";
            self.not_started(key, refusal(RefusalCode::Resources, text));
        }
    }

    pub(super) fn on_ready(&self) {
        self.notify.ready();
        let addresses: Vec<String> = self
            .setup
            .listen
            .iter()
            .map(std::net::SocketAddr::to_string)
            .collect();
        log::info!(
            "node {} of cluster {} listens on {}",
            self.setup.node,
            self.setup.cluster,
            addresses.join(", ")
        );
    }
}
