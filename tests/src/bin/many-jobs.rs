//! Many short jobs over one session of the client library: `many-jobs NODE COUNT AT-ONCE`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use dtx_client::cluster::{Cluster, ClusterOptions, JobTemplate, Selection, Targets};
use dtx_client::fanout::RunOptions;
use dtx_client::identity::IdentitySource;
use dtx_proto_types::outcome::Outcome;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, node, count, at_once] = arguments.as_slice() else {
        eprintln!("many-jobs NODE COUNT AT-ONCE");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    match runtime.block_on(jobs(node, count, at_once)) {
        Ok(good) => {
            println!("{good} ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("many-jobs: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn jobs(node: &str, count: &str, at_once: &str) -> Result<usize, Failure> {
    let (count, at_once): (usize, usize) = (count.parse()?, at_once.parse()?);
    let identity = IdentitySource::from_environment(None).find().await?;
    let options = ClusterOptions::new(PathBuf::from("/root/library-state"));
    let cluster = Cluster::open(options, identity).await?;
    let targets = Targets::nodes([node.parse()?]);
    let selection = cluster.select(&targets, &[]).await?;
    let mut running = JoinSet::new();
    let (mut started, mut good) = (0, 0);
    while started < count || !running.is_empty() {
        while started < count && running.len() < at_once {
            running.spawn(one(cluster.clone(), selection.clone()));
            started += 1;
        }
        if let Some(outcome) = running.join_next().await {
            match outcome?? {
                Outcome::Ok => good += 1,
                other => return Err(format!("job {started}: {other:?}").into()),
            }
        }
    }
    cluster.close().await;
    Ok(good)
}

async fn one(cluster: Cluster, selection: Selection) -> Result<Outcome, Failure> {
    let job = JobTemplate::argv(vec!["true".to_owned()], "root");
    let run = cluster.run(&selection, job, RunOptions::default()).await?;
    let summary = run.finish().await;
    let result = summary.results.first().ok_or("a run without a node")?;
    Ok(result.outcome)
}
