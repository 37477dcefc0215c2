//! Runs a command on a set of nodes and prints how each one ended:
//! `cargo run --example run_on_nodes -- 'n[01-16]' 'uname -r'`.
#![expect(clippy::print_stdout, reason = "the example's output goes to a person")]

use std::error::Error;

use dtx_client::cluster::{Cluster, ClusterOptions, JobTemplate, Targets};
use dtx_client::fanout::RunOptions;
use dtx_client::fanout::event::What;
use dtx_client::identity::IdentitySource;
use dtx_client::state::StateDir;
use dtx_proto_types::node::NodeSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (nodes, line) = words
        .next()
        .zip(words.next())
        .ok_or("usage: run_on_nodes NODES LINE")?;
    let identity = IdentitySource::from_environment(None).find().await?;
    let options = ClusterOptions::new(StateDir::from_environment()?.path().to_owned());
    let cluster = Cluster::open(options, identity).await?;
    let targets = Targets::nodes(nodes.parse::<NodeSet>()?.iter().cloned());
    let selection = cluster.select(&targets, &[]).await?;
    let job = JobTemplate::shell(&line, &std::env::var("USER")?);
    let mut run = cluster.run(&selection, job, RunOptions::default()).await?;
    while let Some(event) = run.next_event().await {
        match event.what {
            What::Output { node, bytes, .. } => {
                print!("{node}: {}", String::from_utf8_lossy(&bytes));
            }
            What::NodeFinished(result) => println!("{}: {}", result.node, result.outcome),
            _ => {}
        }
    }
    let summary = run.finish().await;
    println!("{} nodes in {:?}", summary.counts.nodes, summary.wall);
    cluster.close().await;
    Ok(())
}
