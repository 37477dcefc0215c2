//! The loop: wait for whatever comes first, act on it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use super::core::Executor;
use super::job::Phase;
use super::timers::Nearest;
use crate::exec::Stop;
use crate::ipc::ToFront;

/// How long a stopping agent waits for its clients to take the last endings, and for its front.
const FAREWELL: Duration = Duration::from_secs(2);

impl Executor {
    /// Serves until a signal ends it and its jobs are over.
    pub(super) fn serve(&mut self, signals: &SignalFd) {
        loop {
            let now = Instant::now();
            if self.is_done(now) {
                break;
            }
            self.wait(signals, now);
            while let Ok(Some(signal)) = signals.read_signal() {
                self.on_signal(i32::try_from(signal.ssi_signo).unwrap_or(0));
            }
            self.check_running();
            self.check_front();
            let now = Instant::now();
            self.check_probes();
            self.check_timeouts(now);
            self.check_waiting(now);
            self.check_orphans(now);
            self.check_draining(now);
            self.check_operators(now);
            self.check_strays(now);
            self.notify.beat(now);
        }
        self.tell(&ToFront::Stop);
        self.front.stop(FAREWELL);
        log::info!("stopped");
    }

    /// Sleeps until something can be read, or the nearest moment has come.
    fn wait(&self, signals: &SignalFd, now: Instant) {
        let mut descriptors = Vec::with_capacity(8);
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        descriptors.push(readable(signals.as_fd()));
        if let Some((fd, wants_write)) = self.front.poll() {
            let write = if wants_write {
                PollFlags::POLLOUT
            } else {
                PollFlags::empty()
            };
            descriptors.push(PollFd::new(fd, PollFlags::POLLIN | write));
        }
        descriptors.extend(self.running_fds().map(readable));
        descriptors.extend(
            self.probing
                .iter()
                .map(|probing| readable(probing.check.as_fd())),
        );
        match poll(&mut descriptors, self.nearest().poll_timeout(now)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                // Only a lack of memory comes here; a tight loop would make it worse.
                log::error!("cannot wait for events: {error}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    fn running_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.jobs.iter().filter_map(|job| match &job.phase {
            Phase::Running { running, .. } => Some(running.as_fd()),
            _ => None,
        })
    }

    fn nearest(&self) -> Nearest {
        let mut nearest = Nearest::default();
        nearest.add_some(self.front.retry_at());
        nearest.add_some(self.draining_until);
        nearest.add_some(self.leaving_at);
        nearest.add_some(self.recheck_at);
        nearest.add_some(self.reap_at);
        nearest.add_some(self.notify.deadline());
        for probing in &self.probing {
            nearest.add(probing.check.deadline());
        }
        for job in self.jobs.iter() {
            nearest.add_some(job.start_by());
            nearest.add_some(job.orphaned_until);
            if let Phase::Running {
                timeout_at,
                stopping: false,
                ..
            } = &job.phase
            {
                nearest.add_some(*timeout_at);
            }
        }
        nearest
    }

    fn on_signal(&mut self, number: i32) {
        match Signal::try_from(number) {
            Ok(Signal::SIGTERM | Signal::SIGINT) => self.drain(),
            Ok(Signal::SIGHUP) => {
                log::info!("reloading operators and policy");
                self.trust.reload();
                self.recheck_at = Some(Instant::now());
            }
            _ => {}
        }
    }

    fn check_front(&mut self) {
        match self.front.receive() {
            Ok(messages) => {
                for (message, _) in messages {
                    self.on_message(message);
                }
            }
            Err(error) => self.on_front_death(&error),
        }
        if self.front.retry_at().is_some_and(|at| at <= Instant::now())
            && let Err(error) = self.start_front()
        {
            log::error!("cannot start a front: {error}");
            self.front.retry_later();
        }
    }

    /// No new jobs from now on; those that run may end by themselves for a while.
    fn drain(&mut self) {
        if self.draining_until.is_some() {
            return;
        }
        let running = self.jobs.running();
        log::info!("stopping; {running} jobs run");
        self.notify.stopping();
        self.draining_until = Some(Instant::now() + self.settings.stop_timeout);
        self.tell(&ToFront::Drain);
        self.refuse_waiting();
    }

    fn check_draining(&mut self, now: Instant) {
        let Some(until) = self.draining_until else {
            return;
        };
        if until <= now {
            for key in self.jobs.keys_where(super::job::Job::is_running) {
                self.end_job(key, Stop::Cancelled("because the agent stopped".into()));
            }
            // Asked once; from here on the supervisors' own deadlines count.
            self.draining_until = Some(now + Duration::from_secs(3600));
        }
        if self.jobs.busy() == 0 && self.leaving_at.is_none() {
            self.leaving_at = Some(now + FAREWELL);
        }
    }

    /// Whether a stopping agent has nothing left to wait for.
    fn is_done(&self, now: Instant) -> bool {
        let Some(leaving_at) = self.leaving_at else {
            return false;
        };
        let listened_to = self.jobs.iter().any(|job| job.client.is_some());
        leaving_at <= now || !listened_to
    }
}
