//! What every command has at hand.

use std::future::Future;
use std::io::{self, Write};

use dtx_client::cluster::{Cluster, OpenError};
use dtx_client::fanout::event::Stream;
use dtx_client::identity::{Identity, IdentitySource};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Context as Doing, Failure, Kind};
use crate::report::{Console, Pen, Verbosity};
use crate::settings::{Environment, Settings};
use crate::terminal::Terminal;

/// What every command has at hand.
#[derive(Debug)]
pub struct Context {
    /// What holds for this invocation.
    pub settings: Settings,
    /// The variables that matter.
    pub environment: Environment,
    /// What the standard streams are.
    pub terminal: Terminal,
    /// `-q`, `-v`.
    pub verbosity: Verbosity,
    /// Where output goes.
    pub console: Console,
}

/// More threads than this do not make a run faster: the nodes do the work.
const WORKERS_MAX: usize = 4;

impl Context {
    /// Where data goes.
    #[must_use]
    pub fn stdout(&self) -> Pen {
        self.console.pen(Stream::Stdout)
    }

    /// Where everything else goes.
    #[must_use]
    pub fn stderr(&self) -> Pen {
        self.console.pen(Stream::Stderr)
    }

    /// Writes lines to standard output.
    ///
    /// # Errors
    ///
    /// When nobody reads it.
    pub fn print<T: std::fmt::Display>(
        &self,
        lines: impl IntoIterator<Item = T>,
    ) -> Result<(), Failure> {
        let mut to = self.stdout();
        lines
            .into_iter()
            .try_for_each(|line| writeln!(to, "{line}"))
            .and_then(|()| to.flush())
            .map_err(Failure::output)
    }

    /// Says something beside the data, unless `-q`.
    pub fn tell(&self, line: impl std::fmt::Display) {
        if self.verbosity > Verbosity::Quiet {
            let mut to = self.stderr();
            // If standard error is gone, there is nobody to tell.
            let _nobody = writeln!(to, "{line}").and_then(|()| to.flush());
        }
    }

    /// Runs a future on this thread, and whatever it leads to on others, so that a slow reader of
    /// our output never keeps a session from saying that it is alive.
    ///
    /// # Errors
    ///
    /// Those of the future, or if no threads can be started.
    pub fn block_on<T>(
        &self,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = runtime().map_err(|error| {
            Failure::new(Kind::Local, Doing("no threads can be started", error))
        })?;
        let result = runtime.block_on(future);
        // Someone may still wait for standard input, which cannot be given up otherwise.
        runtime.shutdown_background();
        result
    }

    /// Finds the operator's key.
    ///
    /// # Errors
    ///
    /// If there is none that can be used.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        IdentitySource::from_environment(self.settings.identity.clone())
            .find()
            .await
            .map_err(|error| Failure::hinted(Kind::Identity, error))
    }

    /// Opens the cluster.
    ///
    /// # Errors
    ///
    /// If there is no key, or the cluster cannot be used with it.
    pub async fn open(&self) -> Result<Cluster, Failure> {
        let identity = self.identity().await?;
        Cluster::open(self.settings.cluster_options(), identity)
            .await
            .map_err(open_failure)
    }
}

pub(super) fn open_failure(error: OpenError) -> Failure {
    let kind = match &error {
        OpenError::Sign(_) | OpenError::GrantTooLarge => Kind::Identity,
        OpenError::Random | OpenError::State { .. } => Kind::Configuration,
    };
    Failure::hinted(kind, error)
}

fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(cores.min(WORKERS_MAX))
        .enable_all()
        .build()
}
