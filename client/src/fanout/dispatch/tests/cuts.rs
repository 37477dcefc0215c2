//! The engine over real sessions to an agent that cuts the connection, once, after any frame in
//! either direction: at most one start, and never `ok` without all of the output.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dtx_proto_types::id::RunId;
use dtx_proto_types::message::FirstReply;
use dtx_proto_types::outcome::Outcome;

use super::super::plan::{Plan, Planned, start};
use super::stage::Stage;
use crate::fanout::RunOptions;
use crate::fanout::dial::Dial;
use crate::fanout::event::What;
use crate::fanout::stdin::Supply;
use crate::session::tests::agent::{Agent, Script, hello};
use crate::session::tests::greeting::{grant, opening};
use crate::session::{ConnectError, Expect, Session};

/// Dials the one agent there is.
#[derive(Debug)]
struct Loopback(Arc<Agent>);

impl Dial for Loopback {
    type Session = Session;

    async fn dial(&self, _rank: u32) -> Result<Arc<Session>, ConnectError> {
        let expect = Expect::Pinned {
            node: "n1".parse().unwrap(),
            keys: BTreeSet::from([self.0.key.fingerprint()]),
        };
        let opening = opening(Duration::from_secs(10));
        let session = Session::open(&opening, &[self.0.address], &expect, grant()).await?;
        Ok(Arc::new(session))
    }

    async fn redial(&self, rank: u32) -> Result<Arc<Session>, ConnectError> {
        self.dial(rank).await
    }

    fn release(&self, _rank: u32, _others_wait: bool) {}
}

fn chunks() -> Vec<Vec<u8>> {
    (0..5_u8)
        .map(|n| vec![b'a' + n; 1_000 * usize::from(n) + 1])
        .collect()
}

async fn run(script: Script) -> (Outcome, Vec<u8>, usize) {
    let agent = Arc::new(Agent::start(5, script).await);
    let plan = Plan {
        run: RunId::from_bytes([2; 16]),
        command: "true".to_owned(),
        nodes: vec![Planned {
            label: "n1".parse().unwrap(),
            name: Some("n1".parse().unwrap()),
        }],
        supply: Supply::None,
        source: None,
        timeout: None,
        output_bytes: None,
    };
    let signer = Stage::new("n1").signer;
    let dial = Arc::new(Loopback(Arc::clone(&agent)));
    let mut run = start(plan, dial, signer, RunOptions::default());
    let mut output = Vec::new();
    while let Some(event) = run.next_event().await {
        if let What::Output { bytes, .. } = event.what {
            output.extend_from_slice(&bytes);
        }
    }
    let summary = run.finish().await;
    let starts = agent.script.starts.lock().unwrap().values().sum();
    (summary.results[0].outcome, output, starts)
}

fn script() -> Script {
    Script::new(FirstReply::Hello(Box::new(hello("n1", "boot"))), chunks())
}

#[tokio::test]
async fn cut_after_every_frame_that_the_agent_sends() {
    // Hello, running, the chunks, the end.
    for cut in 0..=chunks().len() + 3 {
        let (outcome, output, starts) = run(Script {
            cut_after_sent: cut,
            ..script()
        })
        .await;
        if cut == 0 {
            // There was no session yet, so nothing was sent.
            assert_eq!((outcome, starts), (Outcome::Unreachable, 0));
            continue;
        }
        assert_eq!(
            (outcome, starts),
            (Outcome::Ok, 1),
            "cut after {cut} frames"
        );
        assert_eq!(output, chunks().concat(), "cut after {cut} frames");
    }
}

#[tokio::test]
async fn cut_after_every_frame_that_the_agent_reads() {
    // Hello, the job; acknowledgements and the release do not come before the end.
    for cut in 0..4 {
        for takes_last in [false, true] {
            let (outcome, output, starts) = run(Script {
                cut_after_read: cut,
                takes_last,
                ..script()
            })
            .await;
            if cut == 0 {
                assert_eq!((outcome, starts), (Outcome::Unreachable, 0));
                continue;
            }
            let case = format!("cut after {cut} frames, taken: {takes_last}");
            assert_eq!((outcome, starts), (Outcome::Ok, 1), "{case}");
            assert_eq!(output, chunks().concat(), "{case}");
        }
    }
}
