//! The log: lines on standard error, as text or JSON. Both processes write the same form.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{LevelFilter, Log, Metadata, Record};

/// Writes each record with one `write`, so that lines of two processes never mix.
struct Lines {
    json: bool,
    process: &'static str,
}

/// Makes this the process's log. A second call changes nothing.
pub fn install(level: LevelFilter, json: bool, process: &'static str) {
    if log::set_boxed_logger(Box::new(Lines { json, process })).is_ok() {
        log::set_max_level(level);
    }
}

/// The level for a number of `-v`.
#[must_use]
pub const fn level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries are heard only when something is wrong.
        metadata.target().starts_with("dtx") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let line = if self.json {
            let time = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let line = serde_json::json!({
                "time_ms": u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
                "level": record.level().as_str().to_ascii_lowercase(),
                "process": self.process,
                "message": message,
            });
            format!("{line}\n")
        } else {
            // What peers sent may be quoted in a message; it must not begin a line of its own.
            let message = message.escape_debug().to_string().replace("\\\"", "\"");
            let message = message.replace("\\'", "'");
            format!(
                "dtx-agent {} {}: {message}\n",
                self.process,
                record.level().as_str()
            )
        };
        // A log that cannot be written must not stop the agent.
        drop(std::io::stderr().write_all(line.as_bytes()));
    }

    fn flush(&self) {}
}
