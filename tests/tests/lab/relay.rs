//! The relay passes every byte, but those that it was told not to.

use std::io::{Read, Write};
use std::time::Duration;

use dtx_tests::relay::{Direction, Fault};

use crate::hosts::bare;

#[test]
fn a_relay_passes_cuts_and_flips() {
    let Some(lab) = bare(2) else { return };
    let (client, server) = (lab.host(0), lab.host(1));
    // An echo service that lives in this test: what arrives goes back.
    let mut relay = client.relay("127.0.0.1:5900", &format!("{}:5900", server.address()));
    let echo = server
        .program(&["/dtx/bin/dtx-lab", "echo", "0.0.0.0:5900"])
        .spawn_with_pipes();
    let mut echo = echo;
    let mut ready = [0; 1];
    echo.take_stdout().read_exact(&mut ready).unwrap();
    let call = |text: &str| {
        let mut call = client
            .program(&["/dtx/bin/dtx-lab", "call", "127.0.0.1:5900"])
            .deadline(Duration::from_secs(10))
            .spawn_with_pipes();
        call.take_stdin().write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        call.take_stdout().read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    };
    assert_eq!(call("hello there"), "hello there");
    assert_eq!((relay.closed(1)[0].up, relay.closed(1)[0].down), (11, 11));
    relay.arm(Fault::Flip(Direction::Up, 0));
    assert_eq!(call("hello"), "iello");
    relay.arm(Fault::Cut(Direction::Down, 3));
    assert_eq!(call("hello"), "hel");
    relay.arm(Fault::Cut(Direction::Up, 2));
    assert!("he".starts_with(&call("hello")));
    assert_eq!(call("whole again"), "whole again");
    relay.pause();
    relay.resume();
    relay.break_all();
}
