//! The relay's own process: one thread for each direction of each connection.

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::fault::{Direction, Fault};

#[derive(Debug, Default)]
struct State {
    /// Strikes the next connection.
    armed: Vec<Fault>,
    paused: bool,
    open: Vec<TcpStream>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    resumed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while_paused(&self) {
        let state = self.lock();
        drop(
            self.resumed
                .wait_while(state, |state| state.paused)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Listens on one address and passes everything on to another, as told line by line on standard
/// input: a fault for the next connection, `pause`, `resume`, `break`. Ends with its input.
///
/// # Errors
///
/// If it cannot listen.
pub fn serve(listen: &str, forward: &str) -> io::Result<ExitCode> {
    let listener = TcpListener::bind(listen)?;
    let shared = Arc::new(Shared::default());
    say("listening");
    let acceptor = Arc::clone(&shared);
    let forward = forward.to_owned();
    // Ends with the process.
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            let shared = Arc::clone(&acceptor);
            let forward = forward.clone();
            std::thread::spawn(move || connection(number, &client, &forward, &shared));
        }
    });
    for line in io::stdin().lock().lines() {
        obey(&line?, &shared);
    }
    Ok(ExitCode::SUCCESS)
}

fn obey(line: &str, shared: &Shared) {
    let mut state = shared.lock();
    match line {
        "pause" => state.paused = true,
        "resume" => {
            state.paused = false;
            shared.resumed.notify_all();
        }
        "break" => {
            for stream in state.open.drain(..) {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
        fault => match fault.parse() {
            Ok(fault) => state.armed.push(fault),
            Err(error) => eprintln!("relay: {error}"),
        },
    }
    drop(state);
    say("done");
}

fn connection(number: usize, client: &TcpStream, forward: &str, shared: &Shared) {
    let faults: Arc<[Fault]> = std::mem::take(&mut shared.lock().armed).into();
    let Ok(agent) = TcpStream::connect(forward) else {
        return say(&format!("closed {number} 0 0 - -"));
    };
    for stream in [client, &agent] {
        stream.set_nodelay(true).ok();
        if let Ok(copy) = stream.try_clone() {
            shared.lock().open.push(copy);
        }
    }
    let (up, down) = std::thread::scope(|scope| {
        let up = scope.spawn(|| pass(client, &agent, Direction::Up, &faults, shared));
        let down = pass(&agent, client, Direction::Down, &faults, shared);
        (up.join().unwrap_or_default(), down)
    });
    say(&format!(
        "closed {number} {} {} {} {}",
        up.total,
        down.total,
        up.boundaries(),
        down.boundaries()
    ));
}

/// What passed in one direction.
#[derive(Debug, Default)]
struct Tally {
    total: u64,
    /// The head of a TLS record that has begun to pass.
    head: Vec<u8>,
    /// Bytes of that record's body still to come.
    body: u64,
    records: Vec<u64>,
}

impl Tally {
    /// Counts bytes, and finds where TLS records end: a frame never shares one with the next
    /// flush, so these are the moments between two messages.
    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.total += 1;
            if self.body == 0 {
                self.head.push(*byte);
                if let [_, _, _, high, low] = *self.head.as_slice() {
                    self.body = u64::from(u16::from_be_bytes([high, low]));
                    self.head.clear();
                }
            } else {
                self.body -= 1;
                if self.body == 0 {
                    self.records.push(self.total);
                }
            }
        }
    }

    fn boundaries(&self) -> String {
        let ends: Vec<String> = self.records.iter().take(4096).map(u64::to_string).collect();
        format!("[{}]", ends.join(","))
    }
}

fn pass(
    from: &TcpStream,
    to: &TcpStream,
    direction: Direction,
    faults: &[Fault],
    shared: &Shared,
) -> Tally {
    let (mut from, mut to) = (from, to);
    let mut tally = Tally::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer) else {
            // The end of one direction is passed on; the other may go on.
            to.shutdown(Shutdown::Write).ok();
            return tally;
        };
        shared.wait_while_paused();
        let bytes = &mut buffer[..count];
        let cut = faults
            .iter()
            .filter_map(|fault| fault.apply(direction, tally.total, bytes))
            .min();
        let bytes = &bytes[..cut.unwrap_or(count)];
        tally.count(bytes);
        if to.write_all(bytes).is_err() || cut.is_some() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
    tally
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Nobody listens any more: then the test is over.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
