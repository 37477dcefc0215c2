//! The task that answers.

use std::time::{Duration, Instant};

use dtx_proto_types::discovery::QUERY_MAX;
use dtx_proto_types::id::InstanceId;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::announcement::{Announcement, Settings};
use super::answerer::Answerer;
use super::links::Links;
use super::report::Reporter;
use super::watch::Watch;

/// Between membership reports, drawn anew each time: well below the 255 s after which switches
/// forget, and never in step with other agents.
const REFRESH_SECONDS: std::ops::Range<u64> = 60..110;
/// How long changes of the network may settle before one looks, and the least time between looks.
const SETTLE: Duration = Duration::from_millis(500);
/// When one looks again although nobody announced a change.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Answers queries until cancelled. Interfaces may come and go; without a fit one it waits.
pub async fn serve(settings: Settings, announcement: Announcement, cancel: CancellationToken) {
    let Some(instance) = random().map(InstanceId::from_bytes) else {
        log::error!("discovery: the system gives no random bytes; not answering");
        return;
    };
    let mut responder = Responder {
        answerer: Answerer::new(announcement, instance, Instant::now()),
        links: Links::new(settings.interfaces),
        reporter: Reporter::open(),
        watch: Watch::open()
            .inspect_err(|error| log::debug!("discovery: no news of the network: {error}"))
            .ok(),
        look_at: None,
        report_at: Instant::now() + refresh_period(),
    };
    responder.look(Instant::now());
    tokio::select! {
        () = cancel.cancelled() => {}
        () = responder.run() => {}
    }
}

struct Responder {
    answerer: Answerer<super::links::LinkId>,
    links: Links,
    reporter: Reporter,
    watch: Option<Watch>,
    /// When to look at the interfaces again, if a change is expected.
    look_at: Option<Instant>,
    report_at: Instant,
}

impl Responder {
    async fn run(&mut self) {
        // One byte more than a query has, so that a longer datagram is seen to be longer.
        let mut buffer = [0; QUERY_MAX + 1];
        loop {
            let due = [self.answerer.due(), self.look_at]
                .into_iter()
                .flatten()
                .fold(self.report_at, Instant::min);
            tokio::select! {
                (link, length, source) = self.links.receive(&mut buffer) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if let Some(interface) = self.links.interface(link) {
                        self.answerer.hear(bytes, source, (link, interface), Instant::now());
                    }
                }
                still = changed(self.watch.as_ref()) => {
                    if still {
                        self.look_at.get_or_insert(Instant::now() + SETTLE);
                    } else {
                        self.watch = None;
                    }
                }
                () = sleep_until(due.into()) => {}
            }
            self.act(Instant::now());
        }
    }

    /// Does what is due.
    fn act(&mut self, now: Instant) {
        while let Some(answer) = self.answerer.ready(now) {
            if let Err(error) = self.links.send(&answer) {
                log::debug!("discovery: no answer to {}: {error}", answer.to);
            }
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look(now);
        }
        if self.report_at <= now {
            self.report_at = now + refresh_period();
            self.look(now);
            for (link, interface) in self.links.all() {
                self.reporter.report(link, interface);
            }
        }
    }

    fn look(&mut self, now: Instant) {
        self.links.refresh();
        let again = self.watch.is_none() || self.links.is_lame();
        self.look_at = again.then(|| now + LOOK_AGAIN);
    }
}

/// Waits for a change; whether there is still someone to tell.
async fn changed(watch: Option<&Watch>) -> bool {
    match watch {
        Some(watch) => watch.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

fn refresh_period() -> Duration {
    let span = REFRESH_SECONDS.end - REFRESH_SECONDS.start;
    let extra = random().map_or(0, u64::from_be_bytes) % (span * 1000);
    Duration::from_secs(REFRESH_SECONDS.start) + Duration::from_millis(extra)
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use dtx_proto_types::discovery::{Filter, GROUP_V4, PORT, Query, Reply, Shard};
    use dtx_proto_types::id::QueryId;
    use dtx_proto_types::key::Fingerprint;
    use tokio::net::UdpSocket;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    fn announcement(node: &str, cluster: &str, port: u16) -> Announcement {
        Announcement {
            node: node.parse().unwrap(),
            cluster: cluster.to_owned(),
            listen: vec![(Ipv4Addr::LOCALHOST, port).into()],
            fingerprint: Fingerprint::from_bytes([1; 32]),
        }
    }

    /// Two agents of one machine and one of another cluster, asked over loopback.
    #[tokio::test]
    async fn several_agents_of_one_machine_all_answer() {
        let cluster = format!("test-{:x}", u64::from_be_bytes(random().unwrap()));
        let settings = Settings {
            interfaces: vec!["lo".to_owned()],
        };
        let cancel = CancellationToken::new();
        let mut agents = JoinSet::new();
        for (node, cluster, port) in [
            ("n1", cluster.as_str(), 1001),
            ("n2", cluster.as_str(), 1002),
            ("n3", "test-another", 1003),
        ] {
            let announcement = announcement(node, cluster, port);
            agents.spawn(serve(settings.clone(), announcement, cancel.clone()));
        }
        let asker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut heard = Vec::new();
        let ask = async {
            // Agents that are not there yet hear the next round.
            for round in 0.. {
                let query = Query {
                    id: QueryId::from_bytes([round; 16]),
                    cluster: cluster.clone(),
                    population: 2,
                    shard: Shard::ALL,
                    spread: Duration::from_millis(20),
                    heard: Filter::default(),
                };
                let bytes = query.encode().unwrap();
                asker.send_to(&bytes, (GROUP_V4, PORT)).await.unwrap();
                let mut buffer = [0; 600];
                while let Ok(received) =
                    timeout(Duration::from_millis(100), asker.recv_from(&mut buffer)).await
                {
                    let (length, from) = received.unwrap();
                    let reply = Reply::decode(&buffer[..length]).unwrap();
                    assert_eq!((from.ip(), from.port()), (Ipv4Addr::LOCALHOST.into(), PORT));
                    assert_eq!(reply.cluster, cluster);
                    heard.push((reply.node.to_string(), reply.port));
                }
                heard.sort();
                heard.dedup();
                if heard.len() == 2 {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(10), ask).await.unwrap();
        assert_eq!(heard, [("n1".to_owned(), 1001), ("n2".to_owned(), 1002)]);
        cancel.cancel();
        timeout(Duration::from_secs(5), agents.join_all())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn without_a_fit_interface_it_waits() {
        let settings = Settings {
            interfaces: vec!["no-such-one".to_owned()],
        };
        let cancel = CancellationToken::new();
        let mut agents = JoinSet::new();
        agents.spawn(serve(settings, announcement("n1", "c", 1), cancel.clone()));
        tokio::task::yield_now().await;
        assert!(agents.try_join_next().is_none());
        cancel.cancel();
        timeout(Duration::from_secs(5), agents.join_all())
            .await
            .unwrap();
    }

    #[test]
    fn reports_are_neither_frequent_nor_late() {
        for _ in 0..1_000 {
            let period = refresh_period();
            assert!((60..110).contains(&period.as_secs()), "{period:?}");
        }
    }
}
