//! The live line: how far the run is.

use std::io;
use std::time::Duration;

use dtx_client::fanout::event::{Counts, RunEvent, What};
use dtx_proto_types::outcome::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Console, Reporter, span};
use crate::exit_code;

/// Keeps one line on a terminal's standard error up to date, and leaves nothing behind.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    counts: Counts,
    began: Option<std::time::Instant>,
    // What the line says now; nothing as long as it is not there.
    shown: Option<(usize, String)>,
}

/// A run that is over sooner never shows the line.
const PATIENCE: Duration = Duration::from_millis(300);

const COLOR: &str = "{bar:24.cyan/dim} {pos}/{len}  {msg}";
const PLAIN: &str = "{bar:24} {pos}/{len}  {msg}";

impl Progress {
    /// Draws to standard error, out of the way of what `console` writes.
    ///
    /// # Panics
    ///
    /// Never: the templates are correct.
    #[must_use]
    pub fn new(console: &Console, color: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(
            ProgressStyle::with_template(if color { COLOR } else { PLAIN })
                .expect("both templates are constants, and a test reads them")
                .progress_chars("━━─"),
        );
        console.set_live(bar.clone());
        Self {
            bar,
            counts: Counts::default(),
            began: None,
            shown: None,
        }
    }
}

impl Reporter for Progress {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        self.counts = event.counts;
        match &event.what {
            What::RunStarted { nodes, .. } => {
                self.bar.set_length(nodes.len() as u64);
                self.began = Some(std::time::Instant::now());
            }
            What::RunFinished => {
                self.began = None;
                self.bar.finish_and_clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self) -> io::Result<()> {
        let Some(began) = self.began else {
            return Ok(());
        };
        let elapsed = began.elapsed();
        if elapsed < PATIENCE {
            return Ok(());
        }
        let line = (self.counts.done(), message(&self.counts, elapsed));
        if self.shown.as_ref() == Some(&line) {
            return Ok(());
        }
        self.bar.set_position(line.0 as u64);
        self.bar.set_message(line.1.clone());
        if self.shown.replace(line).is_none() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.tick();
        Ok(())
    }
}

/// `200 running, 2 failed, 3.1 s`.
fn message(counts: &Counts, elapsed: Duration) -> String {
    let mut parts = vec![format!("{} running", counts.running)];
    for outcome in Outcome::ALL {
        if exit_code::of_outcome(outcome) != exit_code::OK && counts.of(outcome) > 0 {
            parts.push(format!("{} {outcome}", counts.of(outcome)));
        }
    }
    // Tenths would only flicker.
    let whole = Duration::from_secs(elapsed.as_secs());
    parts.push(span(whole).to_string());
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [COLOR, PLAIN] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn what_the_live_line_says() {
        let mut counts = Counts {
            nodes: 512,
            waiting: 10,
            running: 190,
            ..Counts::default()
        };
        counts.finished[Outcome::Ok as usize] = 310;
        counts.finished[Outcome::Failed as usize] = 2;
        assert_eq!(
            message(&counts, Duration::from_millis(3_456)),
            "190 running, 2 failed, 3 s"
        );
        assert_eq!(
            message(&Counts::default(), Duration::from_secs(200)),
            "0 running, 3 m 20 s"
        );
    }
}
