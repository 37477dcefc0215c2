//! The smallest programs that say whether a network carries what it should.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

fn bad(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// Sends `count` datagrams to a group, slowly enough for any receiver.
///
/// # Errors
///
/// If the network does not take them.
pub fn send(group: &str, count: &str) -> io::Result<ExitCode> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    for number in 0..count.parse::<u32>().map_err(bad)? {
        socket.send_to(&number.to_be_bytes(), group)?;
        if number % 20 == 19 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts the datagrams to a group, until none has come for `quiet` milliseconds, and prints how
/// many came.
///
/// # Errors
///
/// If the group cannot be joined.
pub fn listen(group: &str, interface: &str, quiet: &str) -> io::Result<ExitCode> {
    let group: SocketAddrV4 = group.parse().map_err(bad)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, group.port()))?;
    socket.join_multicast_v4(group.ip(), &interface.parse().map_err(bad)?)?;
    let quiet = Duration::from_millis(quiet.parse().map_err(bad)?);
    socket.set_read_timeout(Some(quiet))?;
    let mut count = 0;
    while socket.recv(&mut [0; 64]).is_ok() {
        count += 1;
    }
    println!("{count}");
    Ok(ExitCode::SUCCESS)
}

/// Sends back what it hears, one connection after the other.
///
/// # Errors
///
/// If it cannot listen.
pub fn echo(listen: &str) -> io::Result<ExitCode> {
    let listener = TcpListener::bind(listen)?;
    println!("listening");
    for stream in listener.incoming() {
        let stream = stream?;
        // A broken connection is what its test wants.
        io::copy(&mut &stream, &mut &stream).ok();
        stream.shutdown(Shutdown::Both).ok();
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends its input and prints the answer.
///
/// # Errors
///
/// If nobody listens.
pub fn call(address: &str) -> io::Result<ExitCode> {
    let stream = TcpStream::connect(address)?;
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    (&stream).write_all(&input)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = (&stream).read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
    }
    io::stdout().write_all(&answer)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a program with its output thrown away, and prints its wall time and the processor time of
/// its whole tree, in microseconds.
///
/// # Errors
///
/// If it cannot be started or does not end well.
pub fn clock(program: &[String]) -> io::Result<ExitCode> {
    let (name, arguments) = program.split_first().ok_or_else(|| bad("no program"))?;
    let start = Instant::now();
    let status = Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    let wall = start.elapsed().as_micros();
    if !status.success() {
        return Err(bad(format!("{name}: {status}")));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    println!("{wall} {}", cpu.num_microseconds());
    Ok(ExitCode::SUCCESS)
}
