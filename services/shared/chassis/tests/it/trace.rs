//! One trace follows a call into the other process.

use crate::lamp::{HandClock, LampApi, Lamps, context};
use netpatch_chassis::{telemetry, through_rpc};
use netpatch_types::{RequestContext, SharedClock};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::sync::Arc;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

const FOREIGN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn the_callee_is_in_the_callers_trace() {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let clock: SharedClock = Arc::new(HandClock::new());
    let lamps = through_rpc(Arc::new(Lamps) as Arc<dyn LampApi>, Arc::clone(&clock));
    let ctx = context(&*clock);

    let span = tracing::info_span!("order");
    telemetry::set_parent(&span, FOREIGN);
    let seen = lamps.context_get(&ctx, ()).instrument(span).await.unwrap();
    let traceparent = seen.traceparent.unwrap();
    assert!(traceparent.starts_with(&FOREIGN[..36]), "{traceparent}");
    assert_ne!(traceparent, FOREIGN);
    assert_eq!(telemetry::traceparent(), None);
}

#[tokio::test]
async fn without_tracing_the_context_is_handed_on() {
    let clock: SharedClock = Arc::new(HandClock::new());
    let lamps = through_rpc(Arc::new(Lamps) as Arc<dyn LampApi>, Arc::clone(&clock));
    let ctx = RequestContext {
        traceparent: Some(FOREIGN.into()),
        ..context(&*clock)
    };
    assert_eq!(
        lamps
            .context_get(&ctx, ())
            .await
            .unwrap()
            .traceparent
            .as_deref(),
        Some(FOREIGN)
    );
}
