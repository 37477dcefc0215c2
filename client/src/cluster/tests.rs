//! A cluster of agents on loopback: who is believed, what is remembered.

use std::path::Path;
use std::sync::atomic::Ordering;

use dtx_proto_types::message::{FirstReply, Refusal, RefusalCode};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;
use dtx_proto_types::signed::SecretKey;

use super::{Cluster, ClusterOptions, JobTemplate, NewNodes, SelectError, Selection, Targets};
use crate::fanout::RunOptions;
use crate::fanout::event::NodeResult;
use crate::identity::Identity;
use crate::session::tests::agent::{Agent, Script, hello};

async fn agent(node: &str, seed: u8) -> Agent {
    let hello = FirstReply::Hello(Box::new(hello(node, "boot")));
    Agent::start(seed, Script::new(hello, vec![b"hi\n".to_vec()])).await
}

async fn cluster(state: &Path, new_nodes: NewNodes) -> Cluster {
    let options = ClusterOptions {
        discovery: false,
        new_nodes,
        ..ClusterOptions::new(state.to_owned())
    };
    let identity = Identity::from_secret(SecretKey::from_seed(&[8; 32]));
    Cluster::open(options, identity).await.unwrap()
}

fn targets<T: ToString>(names: &[T]) -> Targets {
    Targets::nodes(names.iter().map(|name| name.to_string().parse().unwrap()))
}

async fn select<T: ToString>(cluster: &Cluster, names: &[T]) -> Selection {
    cluster.select(&targets(names), &[]).await.unwrap()
}

async fn run(cluster: &Cluster, selection: &Selection) -> Vec<NodeResult> {
    let job = JobTemplate::shell("true", "root");
    let run = cluster
        .run(selection, job, RunOptions::default())
        .await
        .unwrap();
    run.finish().await.results
}

async fn outcomes(cluster: &Cluster, selection: &Selection) -> Vec<Outcome> {
    let results = run(cluster, selection).await;
    results.into_iter().map(|result| result.outcome).collect()
}

fn starts(agent: &Agent) -> usize {
    agent.script.starts.lock().unwrap().values().sum()
}

#[tokio::test]
async fn first_use_pins_and_says_so_and_one_session_serves_many_runs() {
    let (dir, n1) = (tempfile::tempdir().unwrap(), agent("n1", 1).await);
    let cluster = cluster(dir.path(), NewNodes::Ask).await;
    let selection = select(&cluster, &[n1.address]).await;
    assert!(
        selection
            .notices
            .iter()
            .any(|notice| notice.contains("first use"))
    );
    assert!(selection.new.is_empty());
    for _ in 0..3 {
        assert_eq!(outcomes(&cluster, &selection).await, [Outcome::Ok]);
    }
    assert_eq!(
        (starts(&n1), n1.script.hellos.load(Ordering::SeqCst)),
        (3, 1)
    );
    // From now on it is known, by what was typed and by its name.
    let again = select(&cluster, &[n1.address]).await;
    assert!(again.notices.is_empty() && again.new.is_empty());
    cluster.close().await;
    let later = self::cluster(dir.path(), NewNodes::Refuse).await;
    let by_name = select(&later, &["n1"]).await;
    assert_eq!(outcomes(&later, &by_name).await, [Outcome::Ok]);
}

#[tokio::test]
async fn a_new_node_is_used_when_somebody_accepts_it() {
    let dir = tempfile::tempdir().unwrap();
    let (n1, n2, n3) = (
        agent("n1", 1).await,
        agent("n2", 2).await,
        agent("n3", 3).await,
    );
    let cluster = cluster(dir.path(), NewNodes::Ask).await;
    select(&cluster, &[n1.address]).await;
    let mut selection = select(&cluster, &[n2.address, n1.address]).await;
    assert_eq!(selection.new.len(), 1);
    let new = &selection.new[0];
    assert_eq!(
        (new.name.as_str(), new.key, new.typed),
        ("n2", n2.key.fingerprint(), true)
    );
    let results = run(&cluster, &selection).await;
    assert_eq!(results[0].outcome, Outcome::Unreachable);
    assert_eq!(results[1].outcome, Outcome::Ok);
    let reason = results[0].reason.as_deref().unwrap();
    assert!(
        reason.contains("new, not accepted") && reason.contains("--accept-new"),
        "{reason}"
    );
    assert_eq!(starts(&n2), 0);
    cluster.accept_new(&mut selection).await.unwrap();
    assert!(selection.new.is_empty());
    assert_eq!(
        outcomes(&cluster, &selection).await,
        [Outcome::Ok, Outcome::Ok]
    );
    let fleet = self::cluster(dir.path(), NewNodes::Accept).await;
    let selection = select(&fleet, &[n3.address]).await;
    assert_eq!(outcomes(&fleet, &selection).await, [Outcome::Ok]);
}

#[tokio::test]
async fn a_changed_key_is_refused_whatever_the_options_say() {
    let dir = tempfile::tempdir().unwrap();
    let old = agent("n1", 1).await;
    let cluster = cluster(dir.path(), NewNodes::Ask).await;
    let mut selection = select(&cluster, &[old.address]).await;
    cluster.close().await;
    // The same name with another key, where the first one was typed.
    let impostor = agent("n1", 9).await;
    let cluster = self::cluster(dir.path(), NewNodes::Accept).await;
    selection.nodes[0].node = "n1".parse().unwrap();
    selection.nodes[0].addresses = vec![impostor.address];
    let results = run(&cluster, &selection).await;
    assert_eq!(results[0].outcome, Outcome::Unreachable);
    let reason = results[0].reason.as_deref().unwrap();
    for part in [
        "has changed",
        &old.key.fingerprint().to_string(),
        &impostor.key.fingerprint().to_string(),
        "known_nodes:1",
    ] {
        assert!(reason.contains(part), "{reason} lacks {part}");
    }
    assert_eq!(
        (
            starts(&impostor),
            impostor.script.hellos.load(Ordering::SeqCst)
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn a_refusal_at_first_contact_gives_its_own_outcome_and_pins_nothing() {
    for (code, outcome) in [
        (RefusalCode::Unclaimed, Outcome::Denied),
        (RefusalCode::UnknownOperator, Outcome::Denied),
        (RefusalCode::Busy, Outcome::Refused),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let text = "there is no operators file".to_owned();
        let refusal = FirstReply::Refusal(Refusal { code, text });
        let agent = Agent::start(1, Script::new(refusal, Vec::new())).await;
        let cluster = cluster(dir.path(), NewNodes::Ask).await;
        let selection = select(&cluster, &[agent.address]).await;
        let results = run(&cluster, &selection).await;
        assert_eq!(results[0].outcome, outcome, "{code:?}");
        let reason = results[0].reason.as_deref().unwrap();
        assert!(reason.contains("no operators file"), "{reason}");
        assert!(selection.new.is_empty() && !dir.path().join("known_nodes").exists());
    }
}

#[tokio::test]
async fn two_names_for_one_machine_are_one_node() {
    let (dir, n1) = (tempfile::tempdir().unwrap(), agent("n1", 1).await);
    let cluster = cluster(dir.path(), NewNodes::Accept).await;
    let localhost = format!("localhost:{}", n1.address.port());
    let selection = select(&cluster, &[n1.address.to_string(), localhost]).await;
    let mut outcomes = outcomes(&cluster, &selection).await;
    outcomes.sort();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Refused]);
    assert_eq!(starts(&n1), 1);
}

#[tokio::test]
async fn one_name_with_two_keys_is_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (agent("n1", 1).await, agent("n1", 2).await);
    let cluster = cluster(dir.path(), NewNodes::Accept).await;
    let selection = select(&cluster, &[one.address, other.address]).await;
    assert_eq!(selection.conflicts.len(), 1);
    let outcomes = outcomes(&cluster, &selection).await;
    assert_eq!(outcomes, [Outcome::Unreachable, Outcome::Unreachable]);
    assert_eq!((starts(&one), starts(&other)), (0, 0));
}

#[tokio::test]
async fn order_and_exclusion_and_what_is_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (n1, n2) = (agent("n1", 1).await, agent("n2", 2).await);
    let cluster = cluster(dir.path(), NewNodes::Accept).await;
    let excluded: NodeName = n1.address.to_string().parse().unwrap();
    let wanted = targets(&[n2.address, n1.address, n2.address]);
    let both = cluster.select(&wanted, &[]).await.unwrap();
    let names: Vec<_> = both.names().map(ToString::to_string).collect();
    assert_eq!(names, [n2.address.to_string(), n1.address.to_string()]);
    let one = cluster
        .select(&wanted, std::slice::from_ref(&excluded))
        .await
        .unwrap();
    assert_eq!(one.nodes.len(), 1);
    let none = cluster.select(&targets(&[n1.address]), &[excluded]).await;
    assert!(matches!(none, Err(SelectError::Empty(_))));
    let unknown = cluster
        .select(&targets(&["no-such-node.invalid"]), &[])
        .await;
    assert!(matches!(unknown, Err(SelectError::Unknown(names)) if names.len() == 1));
}

#[tokio::test]
async fn pings_say_who_is_there_and_who_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let n1 = agent("n1", 1).await;
    let cluster = cluster(dir.path(), NewNodes::Accept).await;
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let selection = select(&cluster, &[gone, n1.address]).await;
    let pongs = cluster.ping(&selection).await;
    assert!(pongs[0].answer.is_err());
    let alive = pongs[1].answer.as_ref().unwrap();
    assert_eq!(
        (alive.hello.node.as_str(), alive.address),
        ("n1", n1.address)
    );
    assert_eq!(alive.key, n1.key.fingerprint());
}

#[tokio::test]
async fn what_no_node_could_run_is_refused_here() {
    use super::RunError;
    let (dir, n1) = (tempfile::tempdir().unwrap(), agent("n1", 1).await);
    let cluster = cluster(dir.path(), NewNodes::Accept).await;
    let selection = select(&cluster, &[n1.address]).await;
    let try_run = async |job| {
        let run = cluster.run(&selection, job, RunOptions::default()).await;
        run.err()
    };
    let long = JobTemplate::shell(&"x".repeat(200_000), "root");
    assert!(matches!(
        try_run(long).await,
        Some(RunError::ArgumentTooLong { size: 200_000 })
    ));
    let zero = JobTemplate::argv(vec!["a\0b".to_owned()], "root");
    assert!(matches!(try_run(zero).await, Some(RunError::ZeroByte(_))));
    let many = JobTemplate::argv(vec!["x".repeat(100_000); 6], "root");
    assert!(matches!(
        try_run(many).await,
        Some(RunError::JobTooLarge { .. })
    ));
    assert!(
        try_run(JobTemplate::shell(&"x".repeat(100_000), "root"))
            .await
            .is_none()
    );
    let empty = Selection::default();
    let job = JobTemplate::shell("true", "root");
    let run = cluster.run(&empty, job, RunOptions::default()).await;
    assert!(matches!(run, Err(RunError::Empty)));
}
