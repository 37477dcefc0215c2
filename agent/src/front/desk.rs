//! The streams of one session, and which of them have something to say.
//!
//! The executor link and the pumps put things on the desk and ring; the session's task picks up
//! what it can send when the client takes it. Nobody ever waits for a session.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use dtx_proto_types::message::{Attach, Refusal, Reply};
use tokio::sync::Notify;

use super::job::SharedJob;

/// One session's streams.
#[derive(Debug, Default)]
pub(super) struct Desk {
    inner: RefCell<Inner>,
    /// Wakes the session.
    pub(super) bell: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    streams: BTreeMap<u32, Stream>,
    /// Streams with something to say.
    touched: BTreeSet<u32>,
    /// Answers about no stream that is open here.
    aside: VecDeque<(u32, Reply)>,
    /// Why the session has to end.
    closing: Option<Refusal>,
}

/// What a stream of a session stands for.
#[derive(Debug)]
pub(super) enum Stream {
    /// The executor was asked and has not answered yet.
    Asked {
        /// Where to go on, for a job of an earlier session.
        attach: Option<Attach>,
        /// What the client wants of the job, meanwhile.
        wishes: Wishes,
    },
    /// There is no job behind it; this is the answer, until it is sent.
    Answered(Option<Reply>),
    /// A job.
    Job(Rc<SharedJob>),
}

/// What a client said about a job that the executor has not numbered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    /// End it.
    pub(super) cancel: bool,
    /// Let it live without a client.
    pub(super) keep: bool,
    /// Forget about it. The stream stays in use until the executor's answer has come, so that a
    /// late one cannot be taken for that to the stream's next job.
    pub(super) release: bool,
}

impl Inner {
    fn clear(&mut self, stream: u32) {
        self.streams.remove(&stream);
        self.touched.remove(&stream);
    }
}

impl Desk {
    /// Something about this stream is new. One that is not open has nothing to say: a client that
    /// never reads must not make the list grow.
    pub(super) fn touch(&self, stream: u32) {
        let mut inner = self.inner.borrow_mut();
        if inner.streams.contains_key(&stream) {
            inner.touched.insert(stream);
            self.bell.notify_one();
        }
    }

    /// The streams with something to say; they are no longer marked.
    pub(super) fn take_touched(&self) -> BTreeSet<u32> {
        std::mem::take(&mut self.inner.borrow_mut().touched)
    }

    /// Marks streams that had more to say than could be sent.
    pub(super) fn put_back(&self, streams: impl IntoIterator<Item = u32>) {
        self.inner.borrow_mut().touched.extend(streams);
    }

    /// Whether a client may open this stream.
    pub(super) fn is_free(&self, stream: u32) -> bool {
        !self.inner.borrow().streams.contains_key(&stream)
    }

    /// How many streams are open.
    pub(super) fn len(&self) -> usize {
        self.inner.borrow().streams.len()
    }

    /// Opens a stream; the executor is about to be asked.
    pub(super) fn ask(&self, stream: u32, attach: Option<Attach>) {
        let wishes = Wishes::default();
        let asked = Stream::Asked { attach, wishes };
        self.inner.borrow_mut().streams.insert(stream, asked);
    }

    /// The client wants something of a job. Says whether the executor has not answered for it yet,
    /// so that the wish has to wait.
    pub(super) fn wish(&self, stream: u32, how: impl FnOnce(&mut Wishes)) -> bool {
        if let Some(Stream::Asked { wishes, .. }) = self.inner.borrow_mut().streams.get_mut(&stream)
        {
            how(wishes);
            return true;
        }
        false
    }

    /// The executor answered with a job. `None` if nobody asked, or not any more.
    pub(super) fn bind(
        &self,
        stream: u32,
        job: &Rc<SharedJob>,
    ) -> Option<(Option<Attach>, Wishes)> {
        let mut inner = self.inner.borrow_mut();
        let slot = inner.streams.get_mut(&stream)?;
        let Stream::Asked { attach, wishes } = slot else {
            return None;
        };
        let answer = (attach.take(), *wishes);
        *slot = Stream::Job(Rc::clone(job));
        Some(answer)
    }

    /// The executor answered that there is no job.
    pub(super) fn answer(&self, stream: u32, reply: Reply) {
        let mut inner = self.inner.borrow_mut();
        let Some(slot @ Stream::Asked { .. }) = inner.streams.get_mut(&stream) else {
            return;
        };
        if matches!(slot, Stream::Asked { wishes, .. } if wishes.release) {
            inner.clear(stream);
            return;
        }
        *slot = Stream::Answered(Some(reply));
        drop(inner);
        self.touch(stream);
    }

    /// Answers about a stream that is not opened.
    pub(super) fn answer_aside(&self, stream: u32, reply: Reply) {
        self.inner.borrow_mut().aside.push_back((stream, reply));
    }

    /// The next such answer.
    pub(super) fn next_aside(&self) -> Option<(u32, Reply)> {
        self.inner.borrow_mut().aside.pop_front()
    }

    /// How many such answers wait.
    pub(super) fn aside_len(&self) -> usize {
        self.inner.borrow().aside.len()
    }

    /// The session has to end; the client is told why.
    pub(super) fn close(&self, refusal: Refusal) {
        self.inner.borrow_mut().closing = Some(refusal);
        self.bell.notify_one();
    }

    /// Why the session has to end, if it has.
    pub(super) fn closing(&self) -> Option<Refusal> {
        self.inner.borrow().closing.clone()
    }

    /// Whether the session has to end.
    pub(super) fn is_closing(&self) -> bool {
        self.inner.borrow().closing.is_some()
    }

    /// The job of a stream.
    pub(super) fn job(&self, stream: u32) -> Option<Rc<SharedJob>> {
        match self.inner.borrow().streams.get(&stream)? {
            Stream::Job(job) => Some(Rc::clone(job)),
            _ => None,
        }
    }

    /// The answer of a stream without a job, once.
    pub(super) fn take_answer(&self, stream: u32) -> Option<Reply> {
        match self.inner.borrow_mut().streams.get_mut(&stream)? {
            Stream::Answered(reply) => reply.take(),
            _ => None,
        }
    }

    /// Closes a stream.
    pub(super) fn clear(&self, stream: u32) {
        self.inner.borrow_mut().clear(stream);
    }

    /// Closes all streams. Returns the jobs among them.
    pub(super) fn clear_all(&self) -> Vec<Rc<SharedJob>> {
        let streams = std::mem::take(&mut self.inner.borrow_mut().streams);
        let job = |stream| match stream {
            Stream::Job(job) => Some(job),
            _ => None,
        };
        streams.into_values().filter_map(job).collect()
    }

    /// Whether every client has been told all there will be.
    pub(super) fn is_settled(&self) -> bool {
        let inner = self.inner.borrow();
        inner.aside.is_empty()
            && inner.streams.values().all(|stream| match stream {
                Stream::Asked { .. } => false,
                Stream::Answered(reply) => reply.is_none(),
                Stream::Job(job) => job.look(super::job::Job::is_settled),
            })
    }
}

#[cfg(test)]
mod tests {
    use dtx_proto_types::message::RefusalCode;

    use super::*;
    use crate::front::job::Job;
    use crate::ipc::JobKey;

    fn refusal() -> Reply {
        Reply::Refusal(Refusal {
            code: RefusalCode::Busy,
            text: "later".into(),
        })
    }

    #[test]
    fn streams_that_are_gone_leave_nothing_behind() {
        let desk = Desk::default();
        for stream in 1..1000 {
            desk.answer(stream, refusal());
            desk.touch(stream);
            desk.ask(stream, None);
            desk.answer(stream, refusal());
            assert_eq!(desk.take_touched(), [stream].into());
            desk.put_back([stream]);
            desk.clear(stream);
            desk.answer(stream, refusal());
        }
        assert_eq!(desk.len(), 0);
        assert_eq!(desk.take_touched(), BTreeSet::new());
    }

    #[test]
    fn a_stream_released_before_its_answer_stays_in_use_until_it_comes() {
        let desk = Desk::default();
        let job = SharedJob::new(Job::new(JobKey(1)));
        desk.ask(1, None);
        desk.ask(2, None);
        for stream in [1, 2] {
            assert!(desk.wish(stream, |wishes| wishes.release = true));
            assert!(!desk.is_free(stream));
        }
        desk.answer(1, refusal());
        assert!(desk.is_free(1));
        let (_, wishes) = desk.bind(2, &job).unwrap();
        assert!(wishes.release);
        assert!(!desk.wish(2, |wishes| wishes.release = true), "no need to");
        assert_eq!(desk.take_touched(), BTreeSet::new());
    }
}
