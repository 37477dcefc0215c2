//! What holds for every run, whatever its nodes do.

use std::sync::Arc;
use std::time::Duration;

use dtx_proto_types::outcome::Outcome;
use proptest::prelude::*;

use super::stage::{Stage, never, play};
use crate::fanout::event::{RunEvent, StopReason, What};

const WORDS: &[&str] = &[
    "ok",
    "exit1",
    "killed",
    "setup",
    "timeout",
    "refuse",
    "policy",
    "deny",
    "dead",
    "mute",
    "stranger",
    "flaky",
    "second",
    "torn",
    "unsent",
    "forgotten",
    "reboot",
    "vanish",
    "short",
    "hang",
    "stubborn",
    "queued",
    "twin",
    "panic",
];

fn any_run() -> impl Strategy<Value = (Vec<&'static str>, usize, u32, bool, bool, Option<u64>)> {
    (
        proptest::collection::vec(proptest::sample::select(WORDS), 1..12),
        1_usize..6,
        0_u32..3,
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(0_u64..2_000),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn counts_agree_every_node_ends_and_nothing_starts_twice(
        (words, fanout, retries, fail_fast, named, interrupt) in any_run()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut stage = Stage::new(&words.join(" "));
            stage.options.fanout = fanout;
            stage.options.retries = retries;
            stage.options.fail_fast = fail_fast;
            stage.named = named;
            // Whatever happens, it ends by then.
            stage.options.deadline = Some(Duration::from_secs(300));
            let fakes = Arc::clone(&stage.fakes);
            let run = stage.start();
            let canceller = run.canceller();
            let stopping = async {
                match interrupt {
                    Some(after) => {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        canceller.stop(StopReason::Interrupt);
                        tokio::time::sleep(Duration::from_secs(2)).await;
                        canceller.stop(StopReason::Leave);
                    }
                    None => never().await,
                }
            };
            let (summary, events) = tokio::select! {
                ended = play(run) => ended,
                () = async { stopping.await; never().await } => unreachable!(),
            };
            assert_eq!(summary.results.len(), words.len());
            for (rank, result) in (0..).zip(&summary.results) {
                assert_eq!(result.rank, rank);
                assert_eq!(result.attempts == 0, result.outcome == Outcome::Skipped, "{result:?}");
            }
            check_events(&events, words.len());
            let starts = fakes.starts.lock().unwrap();
            assert!(starts.values().all(|starts| *starts == 1), "{starts:?}");
            assert_eq!(fakes.alive(), 0);
        });
    }
}

/// Counts add up after every event; each node finishes once; the first and the last event are
/// what they must be.
fn check_events(events: &[RunEvent], nodes: usize) {
    let mut finished = 0;
    for event in events {
        let counts = event.counts;
        assert_eq!(counts.nodes, nodes);
        assert_eq!(
            counts.waiting + counts.running + counts.done(),
            nodes,
            "{event:?}"
        );
        finished += usize::from(matches!(event.what, What::NodeFinished(_)));
        assert!(finished <= counts.done());
    }
    assert_eq!(finished, nodes);
    assert!(matches!(
        events.first().unwrap().what,
        What::RunStarted { .. }
    ));
    assert!(matches!(events.last().unwrap().what, What::RunFinished));
    let in_order = events
        .windows(2)
        .all(|pair| pair[0].elapsed <= pair[1].elapsed);
    assert!(in_order, "time goes on");
}
