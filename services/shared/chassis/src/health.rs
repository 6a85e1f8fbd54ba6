//! `/healthz` (the process answers), `/readyz` (its dependencies do too), `/metrics`.
//!
//! What a check returns is shown to whoever may reach the address: numbers and names, no addresses, no secrets.

use crate::telemetry::{self, TelemetryError};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long one check may take, unless said otherwise.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Outcome = Result<String, String>;
type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// What this process depends on. Clones share the checks.
#[derive(Clone)]
pub struct Health {
    checks: Arc<RwLock<Vec<(String, Check)>>>,
    stop: CancellationToken,
    check_timeout: Duration,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// Whether work should be sent here.
    pub ready: bool,
    /// The process is ending.
    pub stopping: bool,
    /// Every check, in the order of registration.
    pub checks: Vec<CheckResult>,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckResult {
    /// The dependency.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What was measured, or why it does not work.
    pub measured: String,
    /// How long the check took.
    pub duration_ms: u128,
}

impl Health {
    /// No checks yet; not ready any more once the token is cancelled.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            checks: Arc::default(),
            stop,
            check_timeout: CHECK_TIMEOUT,
        }
    }

    /// How long one check may take.
    #[must_use]
    pub fn check_timeout(self, check_timeout: Duration) -> Self {
        Self {
            check_timeout,
            ..self
        }
    }

    /// Adds a dependency. The check returns what it measured ("3 of 20 connections") or why it fails.
    pub fn register<F, Fut>(&self, name: &str, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name.to_owned(), check));
    }

    /// Runs all checks at once.
    pub async fn readiness(&self) -> Readiness {
        let checks = self
            .checks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut running = JoinSet::new();
        let timeout = self.check_timeout;
        for (position, (name, check)) in checks.into_iter().enumerate() {
            running.spawn(async move { (position, measure(name, check, timeout).await) });
        }
        let mut results = running.join_all().await;
        results.sort_by_key(|(position, _)| *position);
        let checks: Vec<_> = results.into_iter().map(|(_, result)| result).collect();
        let stopping = self.stop.is_cancelled();
        Readiness {
            ready: !stopping && checks.iter().all(|check| check.ok),
            stopping,
            checks,
        }
    }

    /// The three routes.
    pub fn router(&self) -> Result<Router, TelemetryError> {
        let metrics = telemetry::metrics()?;
        let render = move || {
            let metrics = metrics.clone();
            async move {
                metrics.run_upkeep();
                (
                    [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                    metrics.render(),
                )
            }
        };
        Ok(Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render))
            .with_state(self.clone()))
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.readiness().await;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

async fn measure(name: String, check: Check, timeout: Duration) -> CheckResult {
    let started = Instant::now();
    let outcome = match tokio::time::timeout(timeout, check()).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} ms", timeout.as_millis())),
    };
    let (ok, measured) = match outcome {
        Ok(measured) => (true, measured),
        Err(reason) => {
            tracing::warn!(check = name, reason, "not ready");
            (false, reason)
        }
    };
    CheckResult {
        name,
        ok,
        measured,
        duration_ms: started.elapsed().as_millis(),
    }
}
