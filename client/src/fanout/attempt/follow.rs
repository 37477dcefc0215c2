//! The story of a job from its start to its end.

use std::time::Duration;

use dtx_proto_types::message::{Ended, Phase, Request};
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::course::{CANCEL_PATIENCE, Course};
use super::end::End;
use super::live::{Attempt, Live, Message, News, stopped};
use crate::fanout::dial::{Dial, NodeJob};
use crate::fanout::event::StopReason;
use crate::fanout::stdin::Feed;
use crate::session::{Broken, JobEvent};

/// What came of one event.
pub(super) enum Step {
    /// The story goes on.
    On,
    /// It is over.
    End(End),
    /// The session is gone, the job perhaps not.
    Broken(Broken),
    /// The node says that it knows nothing of the job.
    Unknown,
}

/// How long a session may take for a message that must be on its way before we are suspended.
const KEEP_PATIENCE: Duration = Duration::from_secs(1);

enum Turn {
    Event(JobEvent),
    Told,
    Stdin(Request),
    StdinSent,
    Keep,
    Stop(StopReason),
    Overdue,
}

impl<D: Dial> Attempt<D> {
    /// Follows a job to its end, over as many sessions as that takes.
    pub(super) async fn follow(&self, mut live: Live<D::Session>) -> End {
        let mut course = Course::new(Feed::new(self.context.supply.clone(), self.rank));
        loop {
            let turn = self.turn(&mut live, &mut course).await;
            let step = match turn {
                Turn::Event(event) => self.take(event, &mut live, &mut course),
                // The job is abandoned with its stream: the node is told to end it.
                Turn::Overdue => return course.dress(course.overdue_end()),
                Turn::Stop(reason) => {
                    course.stop(reason);
                    let until = Instant::now() + CANCEL_PATIENCE;
                    let _late = timeout_at(until, live.job.send(Request::Cancel)).await;
                    Step::On
                }
                Turn::Stdin(request) => {
                    course.stdin = Some(request);
                    Step::On
                }
                Turn::StdinSent => {
                    course.stdin = None;
                    Step::On
                }
                Turn::Keep => {
                    let told = timeout(KEEP_PATIENCE, live.job.deliver(Request::Keep)).await;
                    // A session that takes nothing in is soon another one, which is told again.
                    if told.is_ok() {
                        live.keep.told();
                    }
                    Step::On
                }
                Turn::Told => Step::On,
            };
            let next = match step {
                Step::On => continue,
                Step::End(end) => return self.conclude(end, &live, course).await,
                Step::Broken(broken) => self.take_up(live, &broken, &mut course).await,
                Step::Unknown => self.send_again(live, &mut course).await,
            };
            live = match next {
                Ok(live) => live,
                Err(end) => return course.dress(end),
            };
        }
    }

    /// Waits for the next thing to happen. News goes out before further events come in, so that
    /// a slow reader slows the node down.
    async fn turn(&self, live: &mut Live<D::Session>, course: &mut Course) -> Turn {
        if course.stopped.is_some() && !course.news.is_empty() {
            self.tell_or_drop(course);
            return Turn::Told;
        }
        let mut stop = self.stop.clone();
        let telling = !course.news.is_empty();
        let sending = course.stdin.is_some();
        let overdue = course.next_deadline(telling).unwrap_or_else(far_away);
        tokio::select! {
            event = live.job.next(), if !telling => Turn::Event(event),
            permit = self.context.messages.reserve(), if telling => {
                if let (Ok(permit), Some(news)) = (permit, course.news.pop_front()) {
                    permit.send(Message { rank: self.rank, news });
                }
                Turn::Told
            }
            request = course.feed.next(), if !sending => Turn::Stdin(request),
            () = send_stdin(&live.job, course.stdin.clone()), if sending => Turn::StdinSent,
            () = live.keep.wished() => Turn::Keep,
            reason = stopped(&mut stop), if course.stopped.is_none() => Turn::Stop(reason),
            () = sleep_until(overdue) => Turn::Overdue,
        }
    }

    /// While the run is being ended, output is shown as far as that costs no time.
    fn tell_or_drop(&self, course: &mut Course) {
        while let Some(news) = course.news.pop_front() {
            let rank = self.rank;
            let told = self.context.messages.try_send(Message { rank, news });
            if let Err(TrySendError::Full(message)) = told {
                course.output_dropped |= matches!(message.news, News::Output(..));
            }
        }
    }

    fn take(&self, event: JobEvent, live: &mut Live<D::Session>, course: &mut Course) -> Step {
        let asked = live.asking;
        if !matches!(event, JobEvent::Broken(_)) {
            live.asking = false;
        }
        match event {
            JobEvent::State(state) if state.phase == Phase::Unknown => return Step::Unknown,
            JobEvent::Broken(broken) => return Step::Broken(broken),
            _ => course.heard(),
        }
        if asked {
            course.reattached();
        }
        match event {
            JobEvent::State(state) => {
                course.progress(state, &self.context.supply, self.context.timeout);
                Step::On
            }
            JobEvent::StdinAck(ack) => {
                course.feed.note(ack);
                Step::On
            }
            JobEvent::Output(stream, bytes) => {
                course.output(stream, bytes);
                Step::On
            }
            JobEvent::Ended(ended) => Step::End(self.ended(ended, course)),
            JobEvent::Refused(refusal) => Step::End(course.refused(refusal, asked)),
            JobEvent::Broken(_) => Step::On,
        }
    }

    fn ended(&self, ended: Ended, course: &mut Course) -> End {
        course.start();
        let end = End::ended(ended, course.received, self.context.output_bytes);
        match course.stopped {
            Some(stop) => end.stopped(stop, course.output_dropped),
            None => end,
        }
    }

    /// The agent has said its last word: the rest of the story goes to the dispatcher, and the
    /// agent may forget the job.
    async fn conclude(&self, mut end: End, live: &Live<D::Session>, mut course: Course) -> End {
        let mut stop = self.stop.clone();
        while !course.news.is_empty() {
            tokio::select! {
                permit = self.context.messages.reserve() => {
                    if let (Ok(permit), Some(news)) = (permit, course.news.pop_front()) {
                        permit.send(Message { rank: self.rank, news });
                    }
                }
                reason = stopped(&mut stop) => {
                    self.tell_or_drop(&mut course);
                    if course.output_dropped {
                        end = end.stopped(reason, true);
                    }
                }
            }
        }
        let patience = Instant::now() + CANCEL_PATIENCE;
        let _late = timeout_at(patience, live.job.send(Request::Release)).await;
        course.dress(end)
    }
}

async fn send_stdin(job: &impl NodeJob, request: Option<Request>) {
    match request {
        Some(request) => job.send_stdin(request).await,
        None => std::future::pending().await,
    }
}

fn far_away() -> Instant {
    Instant::now() + crate::fanout::FOREVER
}
