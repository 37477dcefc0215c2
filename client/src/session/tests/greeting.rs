//! How a session begins, and all the ways in which it does not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::{FirstReply, Refusal, RefusalCode};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::signed::SecretKey;
use tokio::net::TcpListener;

use super::super::{ConnectError, Expect, Opening, Session};
use super::agent::{Agent, Script, hello};

pub(crate) fn opening(timeout: Duration) -> Opening {
    Opening::new(
        &Arc::new(SecretKey::from_seed(&[3; 32])),
        "default",
        timeout,
    )
}

pub(crate) fn grant() -> SignedGrant {
    SignedGrant {
        payload: vec![1; 200],
        signature: vec![2; 100],
    }
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn pinned(node: &str, key: Fingerprint) -> Expect {
    Expect::Pinned {
        node: name(node),
        keys: BTreeSet::from([key]),
    }
}

async fn agent(node: &str) -> Agent {
    let hello = FirstReply::Hello(Box::new(hello(node, "boot")));
    Agent::start(5, Script::new(hello, vec![])).await
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_node_that_was_meant_is_let_in_and_no_other() {
    let agent = agent("n1").await;
    let own = agent.key.fingerprint();
    let other = SecretKey::from_seed(&[6; 32]).public().fingerprint();
    let open = async |expect| {
        let opened = Session::open(&opening(SOON), &[agent.address], &expect, grant()).await;
        opened.map(|session| session.hello().node.clone())
    };
    assert_eq!(open(pinned("n1", own)).await.unwrap(), name("n1"));
    assert_eq!(open(Expect::FirstContact).await.unwrap(), name("n1"));
    assert_eq!(open(Expect::Named(name("n1"))).await.unwrap(), name("n1"));
    assert!(matches!(
        open(pinned("n2", own)).await,
        Err(ConnectError::WrongNode { .. })
    ));
    let named = open(Expect::Named(name("n2"))).await;
    assert!(matches!(named, Err(ConnectError::WrongNode { .. })));
    // Whoever has another key hears nothing at all, not even a hello.
    let before = agent.script.hellos.load(Ordering::SeqCst);
    let changed = open(pinned("n1", other)).await;
    assert!(matches!(changed, Err(ConnectError::OtherKey { offered, .. }) if offered == own));
    assert_eq!(agent.script.hellos.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn refusals_wrong_clusters_and_versions_are_told_apart() {
    let refusal = Refusal {
        code: RefusalCode::Unclaimed,
        text: "nobody has claimed this agent".to_owned(),
    };
    let mut elsewhere = hello("n1", "boot");
    elsewhere.cluster = "other".to_owned();
    let mut newer = hello("n1", "boot");
    newer.version = 9;
    type Test = fn(&ConnectError) -> bool;
    let rows: [(FirstReply, Test); 3] = [
        (FirstReply::Refusal(refusal), |e| {
            matches!(e, ConnectError::Refused(_))
        }),
        (FirstReply::Hello(Box::new(elsewhere)), |e| {
            matches!(e, ConnectError::WrongCluster { .. })
        }),
        (FirstReply::Hello(Box::new(newer)), |e| {
            matches!(e, ConnectError::Version { .. })
        }),
    ];
    for (reply, is_right) in rows {
        let agent = Agent::start(5, Script::new(reply, vec![])).await;
        let expect = Expect::FirstContact;
        let opened = Session::open(&opening(SOON), &[agent.address], &expect, grant()).await;
        let error = opened.unwrap_err();
        assert!(is_right(&error), "{error}");
    }
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_is_of_no_use() {
    let meant = agent("n1").await;
    let reply = FirstReply::Hello(Box::new(hello("n2", "boot")));
    let stranger = Agent::start(6, Script::new(reply, vec![])).await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    // It takes connections and says nothing: its head start is over soon.
    let expect = pinned("n1", meant.key.fingerprint());
    let addresses = [closed, stranger.address, meant.address];
    let session = Session::open(&opening(SOON), &addresses, &expect, grant())
        .await
        .unwrap();
    assert_eq!(session.address(), meant.address);
    // If none is right, what was found in the node's place says more than silence.
    let addresses = [stranger.address, closed];
    let opened = Session::open(&opening(SOON), &addresses, &expect, grant()).await;
    assert!(matches!(opened, Err(ConnectError::OtherKey { .. })));
}

#[tokio::test]
async fn whoever_says_nothing_is_given_up_in_time() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    let within = Duration::from_millis(200);
    let expect = Expect::FirstContact;
    let began = std::time::Instant::now();
    let opened = Session::open(&opening(within), &[address], &expect, grant()).await;
    assert!(matches!(opened, Err(ConnectError::Late { .. })));
    assert!(began.elapsed() >= within && began.elapsed() < within + Duration::from_secs(1));
    let nowhere = Session::open(&opening(within), &[], &expect, grant()).await;
    assert!(matches!(nowhere, Err(ConnectError::NoAddress)));
}
