//! Finding a job again after its session broke: at most one start, and never in the dark.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dtx_proto_types::message::{Attach, Request};
use dtx_proto_types::outcome::Outcome;
use tokio::time::{Instant, sleep, sleep_until};

use super::course::Course;
use super::end::{End, stop_text};
use super::live::{AgentLife, Attempt, Live, stopped};
use crate::fanout::dial::{Dial, NodeJob, NodeSession};
use crate::session::{Broken, ConnectError, SessionEnd};

/// First and longest pause between two tries to reach a node again.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// Times that a job which provably did not arrive is sent again within one attempt.
const RESENT_MAX: u32 = 5;

impl<D: Dial> Attempt<D> {
    /// The session broke. If the job never left, it is handed to another session once; otherwise
    /// the node is asked about it for as long as it keeps the job alive.
    pub(super) async fn take_up(
        &self,
        live: Live<D::Session>,
        broken: &Broken,
        course: &mut Course,
    ) -> Result<Live<D::Session>, End> {
        course.feed.pause();
        course.stdin = None;
        if !live.asking && !course.has_arrived() && !broken.written && course.resent == 0 {
            self.sent.store(false, Ordering::Release);
            return self.hand_over_anew(live, broken, course).await;
        }
        let session = self
            .reach_again(&live.sent_to, &broken.reason, course)
            .await?;
        let attach = Attach {
            job: live.batch.id,
            stdout: course.received.stdout,
            stderr: course.received.stderr,
        };
        let keep = self.context.keep.enlist();
        let job = session.attach(attach).await;
        if course.stopped.is_some() {
            job.send(Request::Cancel).await;
        }
        Ok(Live {
            session,
            job,
            asking: true,
            keep,
            ..live
        })
    }

    /// A session that had been open for a while was dead when it was needed: not a byte of the
    /// job left, so another one is tried before the node is called unreachable.
    async fn hand_over_anew(
        &self,
        live: Live<D::Session>,
        broken: &Broken,
        course: &mut Course,
    ) -> Result<Live<D::Session>, End> {
        if let Some(stop) = course.stopped {
            return Err(End::not_begun(stop));
        }
        course.resent += 1;
        let mut stop = self.stop.clone();
        let anew = async {
            let session = self.context.dial.redial(self.rank).await;
            let session = session.map_err(|error| match error {
                ConnectError::NoAddress => {
                    End::because(Outcome::Unreachable, broken.reason.to_string())
                }
                error => End::no_session(&error),
            })?;
            let batch = self.fresh_batch(Some(&live.batch), &*session)?;
            Ok(self.hand_over(session, batch).await)
        };
        tokio::select! {
            live = anew => live,
            stop = stopped(&mut stop) => {
                self.sent.store(false, Ordering::Release);
                Err(End::not_begun(stop))
            }
        }
    }

    /// Tries to reach the node until it would have given the job up.
    async fn reach_again(
        &self,
        known: &AgentLife,
        reason: &SessionEnd,
        course: &mut Course,
    ) -> Result<Arc<D::Session>, End> {
        let until = *course
            .grace
            .get_or_insert_with(|| Instant::now() + known.grace);
        let mut stop = self.stop.clone();
        let mut pause = PAUSES[0];
        let mut last = None;
        loop {
            let deadline = course
                .patience()
                .map_or(until, |patience| patience.min(until));
            let tried = tokio::select! {
                tried = self.try_again(known) => tried,
                reason = stopped(&mut stop), if course.stopped.is_none() => {
                    course.stop(reason);
                    continue;
                }
                () = sleep_until(deadline) => return Err(lost(reason, known, last, course)),
            };
            match tried {
                Ok(session) => return Ok(session),
                // It was reached, and it will not let this operator in any more.
                Err(ConnectError::Refused(refusal)) if refusal.code.is_denial() => {
                    let text = format!("{reason}; then the node refused: {}", refusal.text);
                    return Err(End::because(Outcome::Lost, text));
                }
                Err(error) => last = Some(error),
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = sleep_until(deadline) => {}
                reason = stopped(&mut stop), if course.stopped.is_none() => course.stop(reason),
            }
            pause = (pause * 2).min(PAUSES[1]);
        }
    }

    async fn try_again(&self, known: &AgentLife) -> Result<Arc<D::Session>, ConnectError> {
        let session = self.context.dial.redial(self.rank).await?;
        if session.key() == known.key {
            Ok(session)
        } else {
            // Another machine has its address now.
            Err(ConnectError::Unusable(format!(
                "another machine answers in its place, with the key {}",
                session.key().fingerprint()
            )))
        }
    }

    /// The node has no record of the job. If it is still what it was, the job never arrived, and
    /// the same job id may be sent again; if not, what became of it cannot be known.
    pub(super) async fn send_again(
        &self,
        live: Live<D::Session>,
        course: &mut Course,
    ) -> Result<Live<D::Session>, End> {
        let now = AgentLife::of(&*live.session);
        let was = &live.sent_to;
        let text = if course.has_arrived() {
            "the node has forgotten it"
        } else if now.boot_id != was.boot_id {
            "the node was rebooted in between and has no record of it"
        } else if now.journal_id != was.journal_id {
            "the node's journal is a new one and has no record of it"
        } else if course.resent >= RESENT_MAX {
            "it was sent several times, and the session broke each time"
        } else if let Some(stop) = course.stopped {
            return Err(End::not_begun(stop));
        } else {
            course.resent += 1;
            let batch = self.fresh_batch(Some(&live.batch), &live.session)?;
            return Ok(self.hand_over(live.session, batch).await);
        };
        Err(End::because(Outcome::Lost, text))
    }
}

fn lost(
    reason: &SessionEnd,
    known: &AgentLife,
    last: Option<ConnectError>,
    course: &Course,
) -> End {
    let mut text = match course.stopped {
        Some(stop) => format!("{}, and before that {reason}", stop_text(stop)),
        None => format!(
            "{reason}, and it could not be reached again within {:?}",
            known.grace
        ),
    };
    if let Some(error) = last {
        text.push_str(": ");
        text.push_str(&error.to_string());
    }
    End::because(Outcome::Lost, text)
}
