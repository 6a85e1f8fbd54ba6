//! The life of a process: start, work until SIGTERM or SIGINT, end in order.
//!
//! Invariants: a task that fails or panics ends the process with a non-zero code (a supervisor restarts it; state is in
//! the database); the order of the end is: not ready, no new work, tasks end, [`App::stop`], last traces. A signal
//! during the start drops what has been started.

use crate::configuration::Configuration;
use crate::health::Health;
use crate::rpc::RpcService;
use crate::rpc::key::{ContextKeys, ContextSigner, ContextVerifier, KeyError};
use crate::rpc::wire::{Remote, WireError, wire};
use crate::server::{Server, ServerError};
use crate::tasks::{BoxError, TaskError, Tasks};
use crate::telemetry::{self, TelemetryError};
use async_trait::async_trait;
use axum::Router;
use netpatch_types::{SharedClock, SystemClock};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Why a process ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The runtime or the signal handlers cannot be made.
    #[error("prepare the process: {0}")]
    Prepare(#[from] std::io::Error),
    /// The keys cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Telemetry cannot be started.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The listener of metrics and health cannot be opened.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The app could not start.
    #[error("start: {0}")]
    Start(#[source] BoxError),
    /// A task failed.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The app could not end in order.
    #[error("stop: {0}")]
    Stop(#[source] BoxError),
}

/// What a process does.
#[async_trait]
pub trait App: Send + 'static {
    /// The name in logs and traces.
    fn name(&self) -> &'static str;

    /// Makes everything and spawns the tasks; returns when work can be taken.
    async fn start(&mut self, process: &mut Process) -> Result<(), BoxError>;

    /// After all tasks have ended, also after a failed start: stop child processes, sync files.
    async fn stop(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What an app gets.
#[derive(Debug)]
pub struct Process {
    /// What the operator set.
    pub configuration: Arc<Configuration>,
    /// Dependencies for `/readyz`.
    pub health: Health,
    /// The tasks of this process.
    pub tasks: Tasks,
    clock: HeldClock,
    keys: ContextKeys,
}

/// A clock does not print.
struct HeldClock(SharedClock);

impl std::fmt::Debug for HeldClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("clock")
    }
}

impl Process {
    /// A process with the given clock and nothing running.
    pub fn new(configuration: Arc<Configuration>, clock: SharedClock) -> Result<Self, KeyError> {
        let keys = ContextKeys::from_configuration(&configuration.rpc)?;
        let tasks = Tasks::new();
        let health = Health::new(tasks.stop_token());
        Ok(Self {
            configuration,
            health,
            tasks,
            clock: HeldClock(clock),
            keys,
        })
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock.0)
    }

    /// Signs request contexts for calls to other processes.
    #[must_use]
    pub fn signer(&self) -> ContextSigner {
        self.keys.signer(self.clock())
    }

    /// Checks request contexts of calls from other processes.
    #[must_use]
    pub fn verifier(&self) -> ContextVerifier {
        self.keys.verifier(self.clock())
    }

    /// Another service, which runs elsewhere.
    pub fn remote<Api: RpcService + ?Sized>(
        &self,
        url: Option<&str>,
    ) -> Result<Arc<Api>, WireError> {
        let signer = self.signer();
        wire(
            None,
            &Remote {
                url,
                signer: &signer,
            },
        )
    }

    /// Serves a router on a bound listener as a task of this process.
    pub fn serve(&mut self, name: &str, server: Server, router: Router) -> SocketAddr {
        let (addr, stop) = (server.addr(), self.tasks.stop_token());
        tracing::info!(listener = name, %addr, "listening");
        self.tasks.spawn(name, async move {
            server.serve(router, stop).await;
            Ok::<(), BoxError>(())
        });
        addr
    }

    /// Serves the roles of this process to other processes, if `rpc.addr` is set.
    pub async fn serve_rpc(&mut self, roles: Router) -> Result<Option<SocketAddr>, ServerError> {
        let Some(addr) = self.configuration.rpc.addr else {
            return Ok(None);
        };
        let server = Server::bind(addr, &self.configuration.limits).await?;
        Ok(Some(self.serve("rpc", server, roles)))
    }

    /// `/healthz`, `/readyz`, `/metrics`: routes to merge into the main listener, which are none when `telemetry.addr`
    /// gives them a listener of their own.
    pub async fn serve_operations(&mut self) -> Result<Router, RunError> {
        let router = self.health.router()?;
        let Some(addr) = self.configuration.telemetry.addr else {
            return Ok(router);
        };
        let server = Server::bind(addr, &self.configuration.limits).await?;
        self.serve("operations", server, router);
        Ok(Router::new())
    }

    /// Runs an app until the given future is done or a task fails.
    pub async fn run<A: App>(
        mut self,
        app: &mut A,
        until: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        tokio::pin!(until);
        let started = tokio::select! {
            () = &mut until => Ok(false),
            started = app.start(&mut self) => started.map(|()| true).map_err(RunError::Start),
        };
        let worked = match started {
            Ok(true) => tokio::select! {
                () = until => Ok(()),
                failed = self.tasks.watch() => failed.map_err(RunError::from),
            },
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = &worked {
            tracing::error!(%error, "ending");
        } else {
            tracing::info!("ending");
        }
        // Servers get the grace for themselves; what they do not use is left for the other tasks.
        let grace = self.configuration.limits.shutdown() + std::time::Duration::from_secs(5);
        let ended = self.tasks.finish(grace).await.map_err(RunError::from);
        let stopped = app.stop().await.map_err(RunError::Stop);
        worked.and(ended).and(stopped)
    }
}

/// Runs an app as this process, until SIGTERM or SIGINT. Errors go to stderr.
pub fn run<A: App>(mut app: A, configuration: Configuration) -> ExitCode {
    let name = app.name();
    let lived = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(RunError::from)
        .and_then(|runtime| runtime.block_on(live(&mut app, configuration)));
    match lived {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn live<A: App>(app: &mut A, configuration: Configuration) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let telemetry = telemetry::start(&configuration.telemetry, app.name())?;
    telemetry::metrics()?;
    let process = Process::new(Arc::new(configuration), SystemClock::shared())?;
    let told = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let lived = process.run(app, told).await;
    telemetry.stop().await;
    lived
}
