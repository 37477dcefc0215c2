//! A relay as a test holds it.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};

use super::fault::Fault;
use crate::lab::Process;

/// What passed through one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes from the operator to the agent.
    pub up: u64,
    /// Bytes from the agent to the operator.
    pub down: u64,
    /// Where TLS records ended on the way up.
    pub up_records: Vec<u64>,
    /// Where TLS records ended on the way down.
    pub down_records: Vec<u64>,
}

/// A relay that runs on a host.
#[derive(Debug)]
pub struct Relay {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    passed: Vec<Passed>,
    _process: Process,
}

impl Relay {
    /// Takes over a `dtx-lab relay` that was started with pipes.
    ///
    /// # Panics
    ///
    /// If it does not come up.
    #[must_use]
    pub fn new(mut process: Process) -> Self {
        let input = process.take_stdin();
        let output = BufReader::new(process.take_stdout());
        let mut relay = Self {
            input,
            output,
            passed: Vec::new(),
            _process: process,
        };
        relay.read_until("listening");
        relay
    }

    /// The next connection meets this fault, and those set before since the last connection.
    pub fn arm(&mut self, fault: Fault) {
        self.tell(&fault.to_string());
    }

    /// Nothing passes any more, and nothing is closed.
    pub fn pause(&mut self) {
        self.tell("pause");
    }

    /// Everything passes again.
    pub fn resume(&mut self) {
        self.tell("resume");
    }

    /// Closes every connection.
    pub fn break_all(&mut self) {
        self.tell("break");
    }

    /// What the connections closed so far passed, in the order in which they closed.
    ///
    /// # Panics
    ///
    /// If fewer than `count` connections end.
    pub fn closed(&mut self, count: usize) -> &[Passed] {
        while self.passed.len() < count {
            self.read_line();
        }
        &self.passed
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the relay runs");
        self.read_until("done");
    }

    fn read_until(&mut self, wanted: &str) {
        while self.read_line() != wanted {}
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        let count = self.output.read_line(&mut line).expect("the relay runs");
        assert!(count > 0, "the relay ended");
        let line = line.trim_end().to_owned();
        if let Some(passed) = line.strip_prefix("closed ") {
            self.passed.push(parse(passed));
        }
        line
    }
}

fn parse(text: &str) -> Passed {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |index: usize| words[index].parse().expect("a number");
    let records = |index: usize| {
        let inside = words[index].trim_matches(['[', ']', '-']);
        inside
            .split(',')
            .filter_map(|end| end.parse().ok())
            .collect()
    };
    Passed {
        up: number(1),
        down: number(2),
        up_records: records(3),
        down_records: records(4),
    }
}
