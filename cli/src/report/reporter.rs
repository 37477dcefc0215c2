//! What every reporter is.

use std::io;

use dtx_client::fanout::event::RunEvent;

/// Turns a run's events into output.
pub trait Reporter {
    /// Takes in one event. Events come in order, and none is left out.
    ///
    /// # Errors
    ///
    /// When what it writes to takes no more.
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()>;

    /// Redraws what changes with time alone; called a few times a second.
    ///
    /// # Errors
    ///
    /// When what it writes to takes no more.
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }
}
