//! What becomes of nodes, case by case.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;
use tokio::time::Instant;

use super::fake::GRACE;
use super::script::{TEXT, WORK};
use super::stage::{Stage, play};
use crate::fanout::event::{Counts, NodeResult, RunEvent, StopReason, What};
use crate::fanout::stdin::{SharedStdin, Supply};
use crate::fanout::{Admission, Admit, Verdict};

fn outcomes(results: &[NodeResult]) -> String {
    let words: Vec<_> = results
        .iter()
        .map(|result| result.outcome.as_str())
        .collect();
    words.join(" ")
}

fn output_of(events: &[RunEvent], node: &NodeName) -> Vec<u8> {
    let mut all = Vec::new();
    for event in events {
        if let What::Output {
            node: from, bytes, ..
        } = &event.what
            && from == node
        {
            all.extend_from_slice(bytes);
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_node_gets_its_outcome() {
    for (nodes, expected) in [
        (
            "ok exit3 killed setup timeout",
            "ok failed killed failed timeout",
        ),
        ("refuse policy deny", "refused denied denied"),
        ("dead mute stranger", "unreachable unreachable unreachable"),
        // A session that breaks is taken up again; what cannot be known is lost.
        ("torn unsent forgotten", "ok ok ok"),
        ("reboot vanish short", "lost lost lost"),
        // Two names for one machine.
        ("twin twin", "ok refused"),
        // A bug costs one node, not the run.
        ("panic ok", "unreachable ok"),
    ] {
        let stage = Stage::new(nodes);
        let fakes = Arc::clone(&stage.fakes);
        let (summary, _) = stage.play().await;
        assert_eq!(outcomes(&summary.results), expected, "{nodes}");
        assert_eq!(summary.counts.done(), summary.counts.nodes);
        for result in &summary.results {
            let plain = matches!(result.outcome, Outcome::Ok | Outcome::Killed)
                || (result.outcome == Outcome::Failed && result.exit_code == Some(3));
            assert!(plain || result.reason.is_some(), "{result:?} has no reason");
        }
        assert!(
            fakes
                .starts
                .lock()
                .unwrap()
                .values()
                .all(|starts| *starts == 1),
            "{nodes}"
        );
        assert_eq!(fakes.alive(), 0, "{nodes}: every attempt has ended");
    }
}

#[tokio::test(start_paused = true)]
async fn all_jobs_are_told_to_go_on_without_us_now_and_later() {
    let mut stage = Stage::new("hang ok ok torn");
    stage.options.fanout = 2;
    let fakes = Arc::clone(&stage.fakes);
    let run = stage.start();
    tokio::time::sleep(WORK / 2).await;
    assert!(run.keep().await);
    assert_eq!(fakes.told_to_keep(), [0, 1]);
    tokio::time::sleep(WORK * 10).await;
    // The one whose session broke was told on each of its sessions that lived to hear it.
    assert_eq!(fakes.told_to_keep(), [0, 1, 2, 3]);
    let times = fakes.keeps.lock().unwrap().len();
    assert!(run.keep().await);
    assert_eq!(fakes.keeps.lock().unwrap().len(), times, "once is enough");
    assert_eq!(fakes.cancels.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_nothing_in_does_not_hold_up_the_others() {
    let stage = Stage::new("clogged hang");
    let fakes = Arc::clone(&stage.fakes);
    let run = stage.start();
    tokio::time::sleep(WORK).await;
    let began = Instant::now();
    assert!(!run.keep().await, "it is not known to have been told");
    assert!(began.elapsed() <= Duration::from_secs(2));
    assert_eq!(fakes.told_to_keep(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_session_shows_in_the_result_and_nowhere_else() {
    let (summary, events) = Stage::new("torn ok").play().await;
    let torn = &summary.results[0];
    assert_eq!((torn.reconnects, torn.attempts), (1, 1));
    assert_eq!(output_of(&events, &torn.node), TEXT, "byte for byte");
    let found_again = |event: &&RunEvent| matches!(event.what, What::NodeReattached { .. });
    assert_eq!(events.iter().filter(found_again).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_vanished_is_lost_after_its_grace() {
    let (summary, _) = Stage::new("vanish").play().await;
    assert!(summary.wall >= GRACE && summary.wall < GRACE + Duration::from_secs(3));
    let reason = summary.results[0].reason.as_deref().unwrap();
    assert!(reason.contains("could not be reached again"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn retries_are_for_what_never_started() {
    for (nodes, retry_on, expected, attempts) in [
        ("flaky", "unreachable", "ok", 2),
        ("dead", "unreachable", "unreachable", 3),
        ("refuse", "refused", "refused", 3),
        ("refuse", "unreachable", "refused", 1),
        ("exit1", "unreachable,refused", "failed", 1),
        ("exit1", "failed", "failed", 3),
        ("second", "failed", "ok", 2),
        ("timeout", "timeout", "timeout", 3),
        ("stranger", "unreachable", "unreachable", 1),
        ("policy", "refused", "denied", 1),
        ("reboot", "unreachable,refused,failed,timeout", "lost", 1),
    ] {
        let mut stage = Stage::new(nodes);
        stage.options.retries = 2;
        stage.options.retry_on = retry_on.parse().unwrap();
        let fakes = Arc::clone(&stage.fakes);
        let (summary, events) = stage.play().await;
        assert_eq!(outcomes(&summary.results), expected, "{nodes}");
        assert_eq!(summary.results[0].attempts, attempts, "{nodes}");
        let retrying = |event: &&RunEvent| matches!(event.what, What::NodeRetrying { .. });
        let retried = events.iter().filter(retrying).count();
        assert_eq!(retried, attempts as usize - 1, "{nodes}");
        // What had started runs again under a new id and a new number; what had not keeps both.
        let starts = fakes.starts.lock().unwrap();
        assert!(
            starts.values().all(|starts| *starts == 1),
            "{nodes}: {starts:?}"
        );
        let specs = fakes.specs.lock().unwrap();
        let again = retry_on.contains("failed") || retry_on.contains("timeout");
        let last = specs.last().map_or(1, |(_, attempt)| *attempt);
        assert_eq!(
            last,
            if again && !starts.is_empty() {
                attempts
            } else {
                1
            },
            "{nodes}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_slides_and_is_never_exceeded() {
    for (nodes, window, rounds) in [("ok*20", 4, 5), ("ok*3", 1, 3), ("ok*5", 512, 1)] {
        let mut stage = Stage::new(nodes);
        stage.options.fanout = window;
        let fakes = Arc::clone(&stage.fakes);
        let (summary, _) = stage.play().await;
        assert!(fakes.busiest.load(Ordering::SeqCst) <= window, "{nodes}");
        assert_eq!(
            summary.wall.as_millis() / WORK.as_millis(),
            rounds,
            "{nodes}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn signatures_are_shared() {
    for (nodes, window, named, signatures) in [
        ("ok*512", 512, true, 2),
        ("ok*256", 512, true, 1),
        ("ok*257", 512, true, 2),
        // Their names are proved only by their sessions.
        ("ok*5", 512, false, 5),
    ] {
        let mut stage = Stage::new(nodes);
        stage.options.fanout = window;
        stage.named = named;
        let signer = Arc::clone(&stage.signer);
        let (summary, _) = stage.play().await;
        assert_eq!(summary.counts.of(Outcome::Ok), summary.counts.nodes);
        assert_eq!(signer.signatures(), signatures, "{nodes}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cancels_what_runs_and_skips_what_waits() {
    let mut stage = Stage::new("hang hang ok");
    stage.options.fanout = 2;
    stage.options.deadline = Some(Duration::from_secs(1));
    let fakes = Arc::clone(&stage.fakes);
    let (summary, _) = stage.play().await;
    assert_eq!(outcomes(&summary.results), "timeout timeout skipped");
    assert_eq!(summary.results[2].attempts, 0);
    assert_eq!(summary.stopped, Some(StopReason::Deadline));
    assert_eq!(fakes.cancels.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn fail_fast_cancels_the_rest() {
    let mut stage = Stage::new("exit1 hang ok");
    stage.options.fanout = 2;
    stage.options.fail_fast = true;
    let (summary, _) = stage.play().await;
    assert_eq!(outcomes(&summary.results), "failed cancelled skipped");
    assert_eq!(summary.stopped, Some(StopReason::FailFast));
}

/// Starts the run, waits for as many `NodeStarted`, then stops it for these reasons, one after
/// the other.
async fn interrupted(stage: Stage, starts: usize, reasons: &[StopReason]) -> (String, Duration) {
    let fakes = Arc::clone(&stage.fakes);
    let mut run = stage.start();
    let mut seen = 0;
    while seen < starts {
        let event = run.next_event().await.unwrap();
        seen += usize::from(matches!(event.what, What::NodeStarted { .. }));
    }
    let began = Instant::now();
    let canceller = run.canceller();
    for reason in reasons {
        canceller.stop(*reason);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (summary, _) = play(run).await;
    assert_eq!(summary.counts.done(), summary.counts.nodes);
    assert_eq!(fakes.alive(), 0, "every attempt has ended");
    (outcomes(&summary.results), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn interrupts_await_answers_and_the_second_one_leaves() {
    use StopReason::{Interrupt, Leave};
    let patience = Duration::from_secs(5);
    for (nodes, fanout, starts, reasons, expected, within) in [
        (
            "hang hang ok",
            2,
            2,
            &[Interrupt][..],
            "cancelled cancelled skipped",
            WORK,
        ),
        ("hang mute", 9, 1, &[Interrupt], "cancelled skipped", WORK),
        (
            "hang queued",
            9,
            1,
            &[Interrupt],
            "cancelled cancelled",
            WORK,
        ),
        (
            "stubborn hang",
            9,
            2,
            &[Interrupt],
            "lost cancelled",
            patience + WORK,
        ),
        (
            "stubborn hang ok",
            2,
            2,
            &[Interrupt, Leave],
            "lost cancelled skipped",
            WORK,
        ),
        ("stubborn mute", 9, 1, &[Leave], "lost skipped", WORK),
        // The node is away when the interrupt comes, and comes back too late.
        (
            "hang vanish",
            9,
            1,
            &[Interrupt],
            "cancelled lost",
            patience + WORK,
        ),
    ] {
        let mut stage = Stage::new(nodes);
        stage.options.fanout = fanout;
        let (got, took) = interrupted(stage, starts, reasons).await;
        assert_eq!(got, expected, "{nodes} {reasons:?}");
        assert!(took <= within, "{nodes} {reasons:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_goes_away_ends_the_run() {
    let stage = Stage::new("hang hang");
    let fakes = Arc::clone(&stage.fakes);
    let mut run = stage.start();
    while !matches!(
        run.next_event().await.unwrap().what,
        What::NodeStarted { .. }
    ) {}
    drop(run);
    tokio::time::timeout(Duration::from_secs(1), async {
        while fakes.alive() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a dropped run leaves no attempt behind");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_does_not_listen_can_still_interrupt() {
    // Each floods the events; nobody takes them.
    let run = Stage::new("noisy*8").start();
    tokio::time::sleep(Duration::from_secs(60)).await;
    run.canceller().stop(StopReason::Interrupt);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (summary, _) = play(run).await;
    assert_eq!(summary.counts.of(Outcome::Ok), 0);
    assert_eq!(summary.counts.done(), 8);
    assert!(summary.wall < Duration::from_secs(70), "{:?}", summary.wall);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_forgets_the_timeout_is_not_awaited_for_ever() {
    let mut stage = Stage::new("stubborn");
    stage.timeout = Some(Duration::from_secs(10));
    let (summary, _) = stage.play().await;
    assert_eq!(outcomes(&summary.results), "lost");
    assert_eq!(summary.wall.as_secs(), 10 + 2 + 30);
}

#[tokio::test(start_paused = true)]
async fn a_stream_reaches_every_node_whatever_the_window() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut stage = Stage::new("cat*4");
    let shared = SharedStdin::new(0..4);
    stage.supply = Supply::Shared(Arc::new(shared));
    stage.source = Some(Box::new(std::io::Cursor::new(bytes.clone())));
    stage.options.fanout = 1;
    let fakes = Arc::clone(&stage.fakes);
    let (summary, _) = stage.play().await;
    assert_eq!(outcomes(&summary.results), "ok ok ok ok");
    assert!(
        fakes
            .stdin
            .lock()
            .unwrap()
            .values()
            .all(|read| *read == bytes)
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_session_does_not_hold_the_stream() {
    let mut stage = Stage::new("cat dead mute");
    stage.supply = Supply::Shared(Arc::new(SharedStdin::new(0..3)));
    stage.source = Some(Box::new(std::io::Cursor::new(vec![7; 2_000_000])));
    let (summary, _) = stage.play().await;
    assert_eq!(outcomes(&summary.results), "ok unreachable unreachable");
}

/// One node at first, then two at a time; the run ends with the second failure.
#[derive(Debug, Default)]
struct Waves {
    failures: usize,
    paused: bool,
}

impl Admission for Waves {
    fn admit(&mut self, _node: &NodeName, counts: &Counts) -> Admit {
        let wave = if counts.done() == 0 { 1 } else { 2 };
        if counts.done() == 1 && !self.paused {
            return Admit::Wait;
        }
        if counts.running < wave {
            Admit::Now
        } else {
            Admit::Wait
        }
    }

    fn finished(&mut self, result: &NodeResult, _counts: &Counts) -> Verdict {
        self.failures += usize::from(result.outcome == Outcome::Failed);
        if self.failures > 1 {
            Verdict::Stop(StopReason::Budget)
        } else {
            Verdict::GoOn
        }
    }

    fn ready(&mut self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.paused {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
            self.paused = true;
        })
    }
}

#[tokio::test(start_paused = true)]
async fn waves_pauses_and_budgets_have_their_hook() {
    let mut stage = Stage::new("ok ok exit1 exit1 ok ok");
    stage.options.admission = Some(Box::new(Waves::default()));
    let fakes = Arc::clone(&stage.fakes);
    let (summary, _) = stage.play().await;
    assert_eq!(outcomes(&summary.results), "ok ok failed failed ok skipped");
    assert_eq!(summary.stopped, Some(StopReason::Budget));
    assert!(fakes.busiest.load(Ordering::SeqCst) <= 2);
    assert!(summary.wall >= Duration::from_secs(3), "{:?}", summary.wall);
}

#[tokio::test(start_paused = true)]
async fn known_stdin_is_sent_when_the_agent_asks() {
    let mut stage = Stage::new("ok");
    stage.supply = Supply::Bytes(Bytes::from_static(b"abc"));
    let (summary, _) = stage.play().await;
    assert_eq!(outcomes(&summary.results), "ok", "and not when it does not");
}
