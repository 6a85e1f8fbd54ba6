//! The program of one service, for the split deployment.
//!
//! A service says what it is made of ([`Service`]); arguments, configuration, health, the listener and the end are the same
//! for all. The listener carries the service's calls and, unless `telemetry.addr` gives them their own, `/healthz`,
//! `/readyz` and `/metrics`. When it listens, `ready rpc=ADDRESS` is printed.

use crate::configuration::Sources;
use crate::process::{App, Process, run};
use crate::tasks::BoxError;
use async_trait::async_trait;
use axum::Router;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

/// One service as a process of its own.
#[async_trait]
pub trait Service: Send + 'static {
    /// The program.
    const NAME: &'static str;
    /// What it does, for `--help`.
    const ABOUT: &'static str;

    /// Makes the service from the configuration and registers what `/readyz` checks.
    async fn make(process: &Process) -> Result<Made, BoxError>;
}

/// A service that can take work.
pub struct Made {
    /// Its calls, behind the verifier.
    pub router: Router,
    /// Its background work, until the process stops.
    pub work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file; its keys are those of the platform
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

struct Program<S>(PhantomData<S>);

#[async_trait]
impl<S: Service> App for Program<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    async fn start(&mut self, process: &mut Process) -> Result<(), BoxError> {
        let Made { router, work } = S::make(process).await?;
        let operations = process.serve_operations().await?;
        let address = process
            .serve_rpc(router.merge(operations))
            .await?
            .ok_or("nobody could call this process; set rpc.addr")?;
        process.tasks.spawn("work", async move {
            work.await;
            Ok::<(), BoxError>(())
        });
        println!("ready rpc={address}");
        Ok(())
    }
}

/// The whole of a service's `main`.
#[must_use]
pub fn main<S: Service + Sync>() -> ExitCode {
    let command = Arguments::command().name(S::NAME).about(S::ABOUT);
    let arguments = match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let sources = arguments
        .config
        .into_iter()
        .fold(Sources::new(), Sources::file)
        .process_environment();
    match sources.load() {
        Ok(configuration) => run(Program::<S>(PhantomData), configuration),
        Err(error) => {
            eprintln!("{}: {error}", S::NAME);
            ExitCode::FAILURE
        }
    }
}
