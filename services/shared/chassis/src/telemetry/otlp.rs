//! Export of traces over OTLP/gRPC, in batches, in a thread of its own.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetryLayer;

pub(super) fn provider(
    endpoint: &str,
    service: &str,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()?;
    let resource = Resource::builder()
        .with_service_name(service.to_owned())
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

pub(super) fn layer<S>(
    provider: &SdkTracerProvider,
    service: &str,
) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer(service.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tracing_subscriber::layer::SubscriberExt;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_are_sent_to_the_collector() {
        let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", collector.local_addr().unwrap());
        let provider = provider(&endpoint, "example").unwrap();
        let subscriber = tracing_subscriber::registry().with(layer(&provider, "example"));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("something").in_scope(|| {})
        });
        let flush = tokio::task::spawn_blocking(move || {
            provider.shutdown_with_timeout(Duration::from_secs(5))
        });
        let (mut stream, _) = tokio::time::timeout(Duration::from_secs(10), collector.accept())
            .await
            .unwrap()
            .unwrap();
        let mut preface = [0u8; 14];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0");
        drop(stream);
        drop(collector);
        flush.await.unwrap().ok();
    }
}
