//! Logs to stderr, traces to an OTLP collector when configured, metrics for Prometheus.
//!
//! Invariants: logs never go to stdout, which belongs to data; nothing is exported unless configured. Spans carry
//! `tenant.id`, `host.id`, `deployment.id`; secrets and file contents are never logged. Levels: error = somebody must
//! act, warn = it goes on but something was refused or lost, info = a change of state, debug = for developers.

mod otlp;
mod trace;

pub use trace::{set_parent, traceparent};

use crate::configuration;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("read telemetry.log: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter cannot be made.
    #[error("prepare the export to telemetry.otlp_endpoint: {0}")]
    Export(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Something else logs already.
    #[error("start logging: {0}")]
    Subscriber(#[from] tracing_subscriber::util::TryInitError),
    /// Something else collects metrics already.
    #[error("start metrics: {0}")]
    Metrics(String),
}

/// Running telemetry. Stop it last, so that the end of everything else is exported too.
#[must_use = "traces are lost unless it is stopped"]
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Starts logs and traces of this process, once. Needs a Tokio runtime when traces are exported.
pub fn start(
    settings: &configuration::Telemetry,
    service: &str,
) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.log)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if settings.json {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed()
    } else {
        lines
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .boxed()
    };
    let provider = settings
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| otlp::provider(endpoint, service))
        .transpose()?;
    let traces = provider
        .as_ref()
        .map(|provider| otlp::layer(provider, service));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(traces)
        .try_init()?;
    Ok(Telemetry { provider })
}

impl Telemetry {
    /// Exports what is left, for at most three seconds.
    pub async fn stop(self) {
        let Some(provider) = self.provider else {
            return;
        };
        let stopped = tokio::task::spawn_blocking(move || {
            provider.shutdown_with_timeout(Duration::from_secs(3))
        })
        .await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last traces are lost");
        }
    }
}

/// Upper bounds of duration histograms, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of this process; installs the recorder on first use. Durations end in `_seconds`.
pub fn metrics() -> Result<PrometheusHandle, TelemetryError> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    static INSTALL: Mutex<()> = Mutex::new(());
    let _one = INSTALL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| TelemetryError::Metrics(error.to_string()))?;
    metrics::describe_counter!(
        "rpc_requests_total",
        "calls to a service of this process, by outcome"
    );
    metrics::describe_histogram!(
        "rpc_request_duration_seconds",
        "how long calls to a service took"
    );
    Ok(HANDLE.get_or_init(|| handle).clone())
}
