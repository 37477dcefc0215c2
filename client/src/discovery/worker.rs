//! The thread that asks and listens.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dtx_proto_types::discovery::{REPLY_MAX, Reply};
use dtx_proto_types::id::QueryId;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::Sender;

use super::askers::Asker;
use super::bell::Bell;
use super::drops;
use super::event::{Event, Finished, Heard, InterfaceReport};
use super::rounds::{ROUNDS_MAX, Rounds};

/// Answers read from one socket before the others get their turn.
const BATCH: usize = 512;
/// How often each query is sent: one lost on its way would cost a whole round. Agents answer the
/// first copy only.
const COPIES: usize = 2;

/// All that the thread owns.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) rounds: Rounds,
    pub(super) ids: [QueryId; ROUNDS_MAX],
    pub(super) askers: Vec<Asker>,
    pub(super) reports: Vec<InterfaceReport>,
    pub(super) events: Sender<Event>,
    pub(super) bell: Arc<Bell>,
}

impl Worker {
    /// Runs all rounds. Ends early only if it is told to stop.
    pub(super) fn run(mut self) {
        let started = Instant::now();
        let mut drops = 0;
        for id in self.ids {
            if self.askers.is_empty() {
                break;
            }
            if !self.ask(id) {
                // What keeps a packet from leaving may be over by the next one.
                self.rounds.withdraw();
                continue;
            }
            if !self.listen() {
                break;
            }
            let dropped = drops::count(self.askers.iter().map(|asker| &asker.socket));
            let finished = self.rounds.conclude(dropped.saturating_sub(drops));
            drops = dropped;
            if finished {
                break;
            }
        }
        let finished = Finished {
            rounds: self.rounds.begun(),
            drops,
            ignored: self.rounds.ignored(),
            interfaces: self.reports,
            took: started.elapsed(),
        };
        // Whoever stopped the thread does not listen any more.
        self.events.try_send(Event::Finished(finished)).ok();
    }

    /// Sends a round's queries everywhere. Whether any could leave.
    fn ask(&mut self, id: QueryId) -> bool {
        let Ok(datagrams) = self.rounds.begin(id, Instant::now()) else {
            return false;
        };
        let mut left = false;
        for asker in &self.askers {
            let copies = datagrams.iter().cycle().take(datagrams.len() * COPIES);
            let sent = send_each(copies, |bytes| asker.ask(bytes));
            left |= sent.is_ok();
            if let (Err(error), Some(report)) = (sent, report_of(&mut self.reports, asker)) {
                let problem = || format!("the query could not be sent: {error}");
                report.problem.get_or_insert_with(problem);
            }
        }
        left
    }

    /// Reads answers until the round is over. `false` if told to stop.
    fn listen(&mut self) -> bool {
        loop {
            if self.bell.are_all_here() {
                self.rounds.all_here();
            }
            let now = Instant::now();
            let left = match self.rounds.ends_at() {
                Some(end) if end > now => end - now,
                _ => return true,
            };
            match self.wait(left) {
                Ok(Ready::Stop) => return false,
                Ok(Ready::Sockets(ready)) => {
                    for at in ready {
                        self.read(at);
                    }
                }
                Err(_) => return true,
            }
        }
    }

    fn wait(&self, left: Duration) -> nix::Result<Ready> {
        // A millisecond more rather than a busy loop through the last one.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1));
        let timeout = timeout.unwrap_or(PollTimeout::MAX);
        let mut waited: Vec<PollFd<'_>> = std::iter::once(self.bell.as_fd())
            .chain(self.askers.iter().map(|asker| asker.socket.as_fd()))
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        match poll(&mut waited, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let is_ready = |one: &PollFd<'_>| one.any().unwrap_or(false);
        let mut ready = waited.iter().map(is_ready);
        if ready.next() == Some(true) {
            self.bell.hush();
            if self.bell.is_stopped() {
                return Ok(Ready::Stop);
            }
        }
        let sockets = ready
            .enumerate()
            .filter_map(|(at, ready)| ready.then_some(at));
        Ok(Ready::Sockets(sockets.collect()))
    }

    fn read(&mut self, at: usize) {
        let Some(asker) = self.askers.get(at) else {
            return;
        };
        // Longer datagrams are cut to a length that no reply has.
        let mut buffer = [0; REPLY_MAX + 1];
        for _ in 0..BATCH {
            // Nothing more; or an error that an earlier query met, which is over.
            let Ok((length, source)) = asker.socket.recv_from(&mut buffer) else {
                return;
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            if let Some(heard) = hear(&mut self.rounds, asker, bytes, source) {
                if let Some(report) = report_of(&mut self.reports, asker) {
                    report.heard += 1;
                }
                // The queue holds as many as there can be.
                self.events.try_send(Event::Heard(heard)).ok();
            }
        }
    }
}

/// Sends them all, whatever becomes of one: a full queue or a packet filter takes some and lets
/// others pass. An error only if none could leave.
fn send_each<'a>(
    datagrams: impl Iterator<Item = &'a Vec<u8>>,
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut result = Ok(());
    let mut left = false;
    for datagram in datagrams {
        match send(datagram) {
            Ok(()) => left = true,
            Err(error) => result = result.and(Err(error)),
        }
    }
    if left { Ok(()) } else { result }
}

enum Ready {
    Stop,
    Sockets(Vec<usize>),
}

fn hear(rounds: &mut Rounds, asker: &Asker, bytes: &[u8], source: SocketAddr) -> Option<Heard> {
    asker.interface.facing(source.ip())?;
    let reply = Reply::decode(bytes).ok()?;
    rounds.hear(reply, source, &asker.interface.name, Instant::now())
}

fn report_of<'a>(
    reports: &'a mut [InterfaceReport],
    asker: &Asker,
) -> Option<&'a mut InterfaceReport> {
    reports
        .iter_mut()
        .find(|report| report.name == asker.interface.name && report.family == asker.family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_query_that_cannot_leave_does_not_keep_back_the_others() {
        let queries = [vec![1], vec![2], vec![3]];
        for (fails, left) in [
            (vec![], true),
            (vec![1], true),
            (vec![1, 2], true),
            (vec![1, 2, 3], false),
        ] {
            let mut tried = 0;
            let sent = send_each(queries.iter(), |query| {
                tried += 1;
                let fails = fails.contains(&query[0]);
                (!fails)
                    .then_some(())
                    .ok_or(io::ErrorKind::PermissionDenied.into())
            });
            assert_eq!((sent.is_ok(), tried), (left, 3), "{fails:?}");
        }
    }
}
