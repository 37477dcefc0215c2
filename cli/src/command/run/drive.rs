//! From the first event of a run to the last.

use std::io;
use std::time::Duration;

use dtx_client::fanout::Run;
use dtx_client::fanout::event::{RunEvent, RunSummary, StopReason};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::signals::{Signals, stop_here};
use crate::command::Context;
use crate::error::{Context as Doing, Failure, Kind};
use crate::exit_code::EndedBy;
use crate::report::Reporters;

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What it came to.
    pub(crate) summary: RunSummary,
    /// The signal that ended it, if one did.
    pub(crate) by: Option<EndedBy>,
    /// Why its output could not be written, if so.
    pub(crate) output: Result<(), Failure>,
}

/// How often the live line is redrawn.
const TICK: Duration = Duration::from_millis(100);

/// Passes a run's events to its reporters, until it is over. What cannot be written ends it early;
/// whatever happens, every node's outcome is awaited.
///
/// # Errors
///
/// If signals cannot be listened for.
pub(crate) async fn drive(
    context: &Context,
    mut run: Run,
    reporters: &mut Reporters,
) -> Result<Ended, Failure> {
    let canceller = run.canceller();
    let mut signals = Signals::listen(run.canceller())
        .map_err(|error| Failure::new(Kind::Local, Doing("no signals can be heard", error)))?;
    let mut written = Ok(());
    let mut note = |result: io::Result<()>| {
        if let Err(error) = result
            && written.is_ok()
        {
            written = Err(Failure::output(error));
            canceller.stop(StopReason::OutputClosed);
        }
    };
    let mut tick = ticks();
    loop {
        tokio::select! {
            biased;
            () = signals.suspended() => note(suspend(context, &run).await),
            _ = tick.tick() => note(reporters.tick()),
            event = run.next_event() => match event {
                Some(event) => note(on_event(reporters, &event)),
                None => break,
            },
        }
    }
    note(reporters.flush());
    let summary = run.finish().await;
    Ok(Ended {
        summary,
        by: signals.ended_by(),
        output: written,
    })
}

/// Hands everything over at once: a line is worth most while it is new.
fn on_event(reporters: &mut Reporters, event: &RunEvent) -> io::Result<()> {
    reporters.on_event(event).and(reporters.flush())
}

/// Ctrl-Z. Stopped, we cannot say that we are alive, so the nodes are told not to wait for us.
async fn suspend(context: &Context, run: &Run) -> io::Result<()> {
    context.tell(if run.keep().await {
        "suspended: the commands that run go on without dtx; `fg` takes them up again"
    } else {
        "suspended: the commands that run go on without dtx, but not all nodes could be told; \
         those that were not end theirs, as a rule after a minute and a half; \
         `fg` takes the others up again"
    });
    stop_here()
}

fn ticks() -> Interval {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
