//! Alive, ready with measured values, metrics.

use crate::lamp::{HandClock, LampApi, Lamps, context};
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use netpatch_chassis::{Health, through_rpc};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

async fn get(router: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_follows_its_checks_and_the_end() {
    let stop = CancellationToken::new();
    let health = Health::new(stop.clone());
    let database = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&database);
    health.register("database", move || {
        let up = seen.load(Ordering::SeqCst);
        async move {
            if up {
                Ok("2 of 20 connections".to_owned())
            } else {
                Err("refused".to_owned())
            }
        }
    });
    health.register("blobs", || async { Ok("12 objects".to_owned()) });
    let router = health.router().unwrap();
    assert_eq!(
        get(&router, "/healthz").await,
        (StatusCode::OK, "ok\n".to_owned())
    );
    let (status, body) = get(&router, "/readyz").await;
    assert_eq!(status, StatusCode::OK);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["checks"][0]["name"], "database");
    assert_eq!(body["checks"][0]["measured"], "2 of 20 connections");
    assert_eq!(body["checks"][1]["measured"], "12 objects");

    database.store(false, Ordering::SeqCst);
    let (status, body) = get(&router, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("refused"), "{body}");

    database.store(true, Ordering::SeqCst);
    stop.cancel();
    let (status, body) = get(&router, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("\"stopping\":true"), "{body}");
    assert_eq!(get(&router, "/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_check_that_hangs_is_not_ready() {
    let health = Health::new(CancellationToken::new()).check_timeout(Duration::from_millis(20));
    health.register("relay", std::future::pending::<Result<String, String>>);
    let readiness = health.readiness().await;
    assert!(!readiness.ready);
    assert!(
        readiness.checks[0].measured.contains("20 ms"),
        "{readiness:?}"
    );
}

#[tokio::test]
async fn metrics_count_calls() {
    let router = Health::new(CancellationToken::new()).router().unwrap();
    let clock: netpatch_types::SharedClock = Arc::new(HandClock::new());
    let lamps = through_rpc(Arc::new(Lamps) as Arc<dyn LampApi>, Arc::clone(&clock));
    lamps
        .text_measure(&context(&*clock), "x".into())
        .await
        .unwrap();
    let (status, text) = get(&router, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let line = text.lines().find(|line| {
        line.starts_with("rpc_requests_total{")
            && line.contains("text_measure")
            && line.contains("200")
    });
    assert!(line.is_some(), "{text}");
    assert!(
        text.contains("rpc_request_duration_seconds_bucket{"),
        "{text}"
    );
}
