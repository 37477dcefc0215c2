//! Right clocks, wrong clocks, and clocks that nobody vouches for.

use dtx_proto_types::grant::Grant;
use dtx_proto_types::message::{Refusal, RefusalCode as Code};

use super::fixture::{Lab, NOW, assert_refused, key, line, signed_grant};
use crate::trust::{GrantSight, Session};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// A job that a client signs at this time of its own clock.
fn job_at(lab: &mut Lab, session: &Session, issued_ms: u64) -> Result<(), Refusal> {
    let mut spec = lab.shell("true");
    spec.issued_ms = issued_ms;
    spec.start_by_ms = issued_ms + MINUTE;
    let job = lab.sign(&spec);
    lab.run(session, &job).map(drop)
}

fn open_at(lab: &mut Lab, nonce: u8, issued_ms: u64) -> Session {
    let grant = Grant {
        nonce: [nonce; 16],
        issued_ms,
        expires_ms: issued_ms + 10 * MINUTE,
        ..lab.grant()
    };
    let signed = signed_grant(&lab.alice, &grant);
    lab.open_with(&signed).unwrap()
}

#[test]
fn a_synchronised_clock_decides_give_or_take_five_minutes() {
    let mut lab = Lab::new();
    let session = open_at(&mut lab, 1, NOW);
    for (wall, issued, refused) in [
        (NOW, NOW, None),
        (NOW - 5 * MINUTE, NOW, None),
        (NOW - 5 * MINUTE - 1, NOW, Some(Code::Clock)),
        (NOW + 6 * MINUTE, NOW, None),
        (NOW + 6 * MINUTE + 1, NOW, Some(Code::Clock)),
        (NOW + 10 * MINUTE, NOW + 10 * MINUTE, None),
        (NOW + 15 * MINUTE, NOW + 10 * MINUTE, None),
        (NOW + 15 * MINUTE + 1, NOW + 10 * MINUTE, Some(Code::Clock)),
        // By the client's own clock the grant is over.
        (
            NOW + 10 * MINUTE,
            NOW + 10 * MINUTE + 1,
            Some(Code::GrantExpired),
        ),
        (NOW, NOW + 10 * MINUTE + 1, Some(Code::GrantExpired)),
        (NOW + 365 * 24 * 60 * MINUTE, NOW, Some(Code::Clock)),
    ] {
        lab.clock.set_wall(wall);
        let result = job_at(&mut lab, &session, issued);
        match refused {
            None => assert_eq!(result, Ok(()), "{wall} {issued}"),
            Some(code) => assert_refused(result, code, ""),
        }
    }
    lab.clock.set_wall(NOW + 20 * MINUTE);
    let both = job_at(&mut lab, &session, NOW).unwrap_err().text;
    let clocks = [NOW, NOW + 20 * MINUTE].map(crate::trust::utc);
    assert!(clocks.iter().all(|clock| both.contains(clock)), "{both}");
}

#[test]
fn an_expired_grant_still_opens_a_session_and_starts_nothing() {
    let mut lab = Lab::new();
    lab.clock.set_wall(NOW + 60 * MINUTE);
    let session = open_at(&mut lab, 1, NOW);
    assert!(lab.trust.recheck(&session).is_ok());
    assert_refused(
        job_at(&mut lab, &session, NOW),
        Code::Clock,
        "clocks differ",
    );
    let late = job_at(&mut lab, &session, NOW + 60 * MINUTE);
    assert_refused(late, Code::GrantExpired, "run dtx again");
    assert!(lab.log.sights.is_empty(), "it was not accepted");
}

#[test]
fn windows_that_nobody_may_ask_for() {
    let mut lab = Lab::new();
    let session = open_at(&mut lab, 1, NOW);
    for (start_by, fine) in [
        (NOW + MINUTE, true),
        (NOW, true),
        (NOW + MINUTE + 1, false),
        (NOW - 1, false),
        (u64::MAX, false),
    ] {
        let mut spec = lab.shell("true");
        spec.start_by_ms = start_by;
        let job = lab.sign(&spec);
        let result = lab.run(&session, &job);
        if fine {
            assert!(result.is_ok(), "{start_by}");
        } else {
            assert_refused(result, Code::Invalid, "60 seconds");
        }
    }
}

#[test]
fn on_a_doubtful_clock_a_grants_life_is_counted_from_its_first_sight() {
    // The node believes that it is 1970, the year 2100, or an hour ago, and nobody vouches for it.
    for wall in [0, 4_102_444_800_000, NOW - 60 * MINUTE] {
        let mut lab = Lab::new();
        lab.clock.set_wall(wall);
        lab.clock.set_synchronised(false);
        let session = open_at(&mut lab, 1, NOW);
        assert_eq!(lab.log.sights.len(), 1);
        assert_eq!(job_at(&mut lab, &session, NOW), Ok(()));
        lab.clock.advance(9 * MINUTE);
        assert_eq!(job_at(&mut lab, &session, NOW + 9 * MINUTE), Ok(()));
        // A job of the beginning is old by now: 9 minutes are more than 1 and the 5 of tolerance.
        let old = job_at(&mut lab, &session, NOW);
        assert_refused(old, Code::Clock, "not of the job's time");
        let future = job_at(&mut lab, &session, NOW + 11 * MINUTE);
        assert_refused(future, Code::GrantExpired, "");
        lab.clock.advance(MINUTE + 1);
        let over = job_at(&mut lab, &session, NOW + 10 * MINUTE);
        assert_refused(over, Code::Clock, "used up");
        // Shown once more it is no younger.
        let again = open_at(&mut lab, 1, NOW);
        let over = job_at(&mut lab, &again, NOW + 10 * MINUTE);
        assert_refused(over, Code::Clock, "used up");
        assert_eq!(lab.log.sights.len(), 1);
    }
}

#[test]
fn a_doubtful_clock_that_agrees_is_taken_as_it_is() {
    let mut lab = Lab::new();
    lab.clock.set_synchronised(false);
    let session = open_at(&mut lab, 1, NOW);
    for (passed, issued) in [(0, NOW), (12 * MINUTE, NOW + 10 * MINUTE)] {
        lab.clock.advance(passed);
        assert_eq!(job_at(&mut lab, &session, issued), Ok(()));
    }
}

#[test]
fn much_older_grants_than_the_newest_are_not_taken_on_a_doubtful_clock() {
    let mut lab = Lab::new();
    lab.clock.set_wall(0);
    lab.clock.set_synchronised(false);
    let newest = open_at(&mut lab, 1, NOW);
    assert_eq!(job_at(&mut lab, &newest, NOW), Ok(()));
    let recent = open_at(&mut lab, 2, NOW - 15 * MINUTE);
    assert_eq!(job_at(&mut lab, &recent, NOW - 15 * MINUTE), Ok(()));
    let older = open_at(&mut lab, 3, NOW - 15 * MINUTE - 1);
    let result = job_at(&mut lab, &older, NOW - 15 * MINUTE - 1);
    assert_refused(result, Code::Clock, "not one that was accepted");
    // Nor one that was accepted before the newest came.
    let newer = open_at(&mut lab, 4, NOW + MINUTE);
    assert_eq!(job_at(&mut lab, &newer, NOW + MINUTE), Ok(()));
    let result = job_at(&mut lab, &recent, NOW - 15 * MINUTE);
    assert_refused(result, Code::Clock, "much older");
}

#[test]
fn a_grant_dated_far_in_the_future_locks_nobody_else_out() {
    let mut lab = Lab::new();
    lab.clock.set_wall(0);
    lab.clock.set_synchronised(false);
    let bob = key(8);
    let both = format!("alice {}\nbob {}\n", line(&lab.alice), line(&bob));
    lab.write("operators", &both);
    let before = open_at(&mut lab, 1, NOW);
    let future = NOW + 365 * 24 * 60 * MINUTE;
    let grant = Grant {
        nonce: [2; 16],
        operator: bob.public().fingerprint(),
        issued_ms: future,
        expires_ms: future + 10 * MINUTE,
        ..lab.grant()
    };
    let of_bob = lab.open_with(&signed_grant(&bob, &grant)).unwrap();
    assert_eq!(job_at(&mut lab, &of_bob, future), Ok(()));
    assert_eq!(job_at(&mut lab, &before, NOW), Ok(()));
    let after = open_at(&mut lab, 3, NOW);
    assert_eq!(job_at(&mut lab, &after, NOW), Ok(()));
    // The same after the agent was started again.
    let mut next = Lab::new();
    next.write("operators", &both);
    next.clock.set_wall(0);
    next.clock.set_synchronised(false);
    for sight in &lab.log.sights {
        next.trust.remember_sight(sight, true);
    }
    for nonce in [1, 4] {
        let session = open_at(&mut next, nonce, NOW);
        assert_eq!(job_at(&mut next, &session, NOW), Ok(()));
    }
    // What is much older than one's own newest is not taken.
    let older = NOW - 15 * MINUTE - 1;
    let session = open_at(&mut next, 5, older);
    assert_refused(job_at(&mut next, &session, older), Code::Clock, "not one");
}

#[test]
fn a_key_that_ended_before_the_build_is_over_on_any_clock() {
    let mut lab = Lab::new();
    let end = |ms: u64| crate::trust::utc(ms)[..10].replace('-', "");
    let day = 24 * 60 * MINUTE;
    for (option, ms, holds) in [
        ("valid-before", NOW - 2 * day, false),
        ("valid-before", NOW + 2 * day, true),
        ("valid-after", NOW - 2 * day, true),
        ("valid-after", NOW + 2 * day, false),
    ] {
        let text = format!("alice {option}=\"{}Z\" {}\n", end(ms), line(&lab.alice));
        lab.write("operators", &text);
        for (wall, synchronised) in [(NOW, true), (0, false), (0, true), (NOW, false)] {
            lab.clock.set_wall(wall);
            lab.clock.set_synchronised(synchronised);
            let opened = lab.open();
            if holds {
                assert!(opened.is_ok(), "{option} {ms} {wall}: {opened:?}");
            } else {
                assert_refused(opened, Code::UnknownOperator, "does not hold");
            }
            assert_eq!(lab.trust.report().1[0].contains("not valid now"), !holds);
        }
    }
}

#[test]
fn a_first_sight_of_nobody_in_particular_still_counts() {
    let mut lab = Lab::new();
    lab.clock.set_wall(0);
    lab.clock.set_synchronised(false);
    let sight = GrantSight {
        nonce: [1; 16],
        operator: None,
        issued_ms: NOW,
        boot_ms: 0,
    };
    lab.trust.remember_sight(&sight, true);
    let session = open_at(&mut lab, 1, NOW);
    assert!(lab.log.sights.is_empty(), "it is known");
    // The node has been running for an hour.
    assert_refused(job_at(&mut lab, &session, NOW), Code::Clock, "used up");
}

#[test]
fn first_sights_outlive_the_agent_and_not_the_boot() {
    let mut lab = Lab::new();
    lab.clock.set_wall(0);
    lab.clock.set_synchronised(false);
    drop(open_at(&mut lab, 1, NOW));
    let sight = lab.log.sights[0];
    for same_boot in [true, false] {
        let mut next = Lab::new();
        next.clock.set_wall(0);
        next.clock.set_synchronised(false);
        next.clock.advance(5 * MINUTE);
        next.trust.remember_sight(&sight, same_boot);
        let session = open_at(&mut next, 1, NOW);
        assert!(next.log.sights.is_empty(), "it is known");
        let result = job_at(&mut next, &session, NOW + 5 * MINUTE);
        if same_boot {
            assert_eq!(result, Ok(()));
            next.clock.advance(5 * MINUTE + 1);
            let result = job_at(&mut next, &session, NOW + 10 * MINUTE);
            assert_refused(result, Code::Clock, "used up");
        } else {
            assert_refused(result, Code::Clock, "before this node was started");
        }
    }
}

#[test]
fn a_first_sight_that_was_not_journaled_does_not_count() {
    let mut lab = Lab::new();
    lab.clock.set_wall(0);
    lab.clock.set_synchronised(false);
    lab.log.full = true;
    let session = open_at(&mut lab, 1, NOW);
    let result = job_at(&mut lab, &session, NOW);
    assert_refused(result, Code::Clock, "not one that was accepted");
}

#[test]
fn a_clock_that_was_set_right_is_believed_again() {
    let mut lab = Lab::new();
    lab.clock.set_wall(0);
    lab.clock.set_synchronised(false);
    let session = open_at(&mut lab, 1, NOW);
    lab.clock.set_wall(NOW + 30 * MINUTE);
    lab.clock.set_synchronised(true);
    assert_refused(
        job_at(&mut lab, &session, NOW),
        Code::Clock,
        "clocks differ",
    );
    let session = open_at(&mut lab, 2, NOW + 30 * MINUTE);
    assert_eq!(job_at(&mut lab, &session, NOW + 30 * MINUTE), Ok(()));
}
