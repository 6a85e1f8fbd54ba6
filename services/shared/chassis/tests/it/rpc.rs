//! Calls between services: the same answers in both topologies, and nothing gets past the token.

use crate::lamp::{HandClock, Lamp, LampApi, LampSet, Lamps, context, lamp_router};
use axum::body::Body;
use http::{Request, StatusCode};
use netpatch_chassis::rpc::{
    CONTEXT_HEADER, REQUEST_LIMIT_BYTES, RpcClient, RpcService, Transport,
};
use netpatch_chassis::{ContextKeys, Remote, WireError, through_rpc, wire};
use netpatch_types::{Clock, ErrorCode, RequestContext, ServiceError, SharedClock};
use std::sync::Arc;
use tower::ServiceExt;

fn clock() -> SharedClock {
    Arc::new(HandClock::new())
}

fn direct() -> Arc<dyn LampApi> {
    Arc::new(Lamps)
}

fn both(clock: &SharedClock) -> [Arc<dyn LampApi>; 2] {
    [direct(), through_rpc(direct(), Arc::clone(clock))]
}

fn hall() -> LampSet {
    LampSet {
        room: "hall".into(),
        on: true,
    }
}

#[tokio::test]
async fn answers_and_errors_are_equal_in_both_topologies() {
    let clock = clock();
    let ctx = context(&*clock);
    for lamps in both(&clock) {
        let lamp = lamps.lamp_set(&ctx, hall()).await;
        assert_eq!(
            lamp,
            Ok(Lamp {
                room: "hall".into(),
                on: true,
                changed_by: "a test".into()
            })
        );
        let attic = lamps
            .lamp_set(
                &ctx,
                LampSet {
                    room: "attic".into(),
                    on: true,
                },
            )
            .await;
        assert_eq!(
            attic,
            Err(ServiceError::invalid("room", "the attic has no lamp"))
        );
        let cellar = lamps
            .lamp_set(
                &ctx,
                LampSet {
                    room: "cellar".into(),
                    on: true,
                },
            )
            .await;
        assert_eq!(cellar, Err(ServiceError::conflict("etag-7")));
        assert_eq!(lamps.context_get(&ctx, ()).await, Ok(ctx.clone()));
    }
}

#[tokio::test]
async fn calls_cross_a_real_socket() {
    let clock = clock();
    let keys = ContextKeys::random();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = lamp_router(direct(), keys.verifier(Arc::clone(&clock)));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let signer = keys.signer(Arc::clone(&clock));
    let lamps: Arc<dyn LampApi> = wire(
        None,
        &Remote {
            url: Some(&url),
            signer: &signer,
        },
    )
    .unwrap();
    let ctx = context(&*clock);
    assert_eq!(lamps.text_measure(&ctx, "light".into()).await, Ok(5));
    assert_eq!(
        lamps
            .lamp_set(
                &ctx,
                LampSet {
                    room: "cellar".into(),
                    on: true
                }
            )
            .await,
        Err(ServiceError::conflict("etag-7"))
    );
    server.abort();
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let clock = clock();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let signer = ContextKeys::random().signer(Arc::clone(&clock));
    let lamps: Arc<dyn LampApi> = wire(
        None,
        &Remote {
            url: Some(&url),
            signer: &signer,
        },
    )
    .unwrap();
    let error = lamps
        .text_measure(&context(&*clock), String::new())
        .await
        .unwrap_err();
    assert_eq!(error, ServiceError::unavailable("lamp"));
}

#[test]
fn wire_prefers_the_object_and_names_what_is_missing() {
    let signer = ContextKeys::random().signer(clock());
    let object = direct();
    let wired = wire(
        Some(Arc::clone(&object)),
        &Remote {
            url: Some("http://elsewhere"),
            signer: &signer,
        },
    )
    .unwrap();
    assert!(Arc::ptr_eq(&object, &wired));
    let nowhere = wire::<dyn LampApi>(
        None,
        &Remote {
            url: None,
            signer: &signer,
        },
    )
    .err()
    .unwrap();
    assert!(
        matches!(nowhere, WireError::Nowhere { service: "lamp" }),
        "{nowhere}"
    );
    let wrong = wire::<dyn LampApi>(
        None,
        &Remote {
            url: Some("ftp://x"),
            signer: &signer,
        },
    )
    .err()
    .unwrap();
    assert!(wrong.to_string().contains("lamp"), "{wrong}");
}

/// A caller with some keys and a service with others.
fn pair(caller: &ContextKeys, callee: &ContextKeys, times: [&SharedClock; 2]) -> Arc<dyn LampApi> {
    let router = lamp_router(direct(), callee.verifier(Arc::clone(times[1])));
    let rpc = RpcClient::new(
        "lamp",
        Transport::memory(router),
        caller.signer(Arc::clone(times[0])),
    );
    <dyn LampApi as RpcService>::client(rpc)
}

#[tokio::test]
async fn a_forged_context_is_refused() {
    let clock = clock();
    let keys = ContextKeys::random();
    let ctx = context(&*clock);
    let good = pair(&keys, &keys, [&clock, &clock]);
    assert_eq!(good.text_measure(&ctx, String::new()).await, Ok(0));
    let forged = pair(&ContextKeys::random(), &keys, [&clock, &clock]);
    assert_eq!(
        forged
            .text_measure(&ctx, String::new())
            .await
            .unwrap_err()
            .code,
        ErrorCode::Unauthenticated
    );
}

#[tokio::test]
async fn a_context_is_refused_when_changed_old_early_or_for_another() {
    let hand = Arc::new(HandClock::new());
    let clock: SharedClock = hand.clone();
    let keys = ContextKeys::random();
    let (signer, verifier) = (
        keys.signer(Arc::clone(&clock)),
        keys.verifier(Arc::clone(&clock)),
    );
    let ctx = context(&*clock);
    let token = signer.sign("lamp", &ctx).unwrap();
    assert_eq!(verifier.verify("lamp", &token), Ok(ctx.clone()));
    assert!(
        verifier
            .verify("door", &token)
            .unwrap_err()
            .to_string()
            .contains("lamp")
    );
    let (payload, signature) = token.split_once('.').unwrap();
    let other = signer.sign("door", &ctx).unwrap();
    let swapped = format!("{}.{signature}", other.split_once('.').unwrap().0);
    for damaged in [
        String::new(),
        payload.to_owned(),
        format!("{payload}."),
        format!("!.{signature}"),
        swapped,
    ] {
        assert!(verifier.verify("lamp", &damaged).is_err(), "{damaged}");
    }
    hand.advance(59);
    assert!(verifier.verify("lamp", &token).is_ok());
    hand.advance(1);
    assert!(verifier.verify("lamp", &token).is_err());
    hand.advance(-120);
    assert!(verifier.verify("lamp", &token).is_err());
}

#[tokio::test]
async fn a_missing_context_is_unauthenticated() {
    let router = lamp_router(direct(), ContextKeys::random().verifier(clock()));
    for token in [None, Some("x.y")] {
        let mut request = Request::post("/rpc/lamp/text_measure");
        if let Some(token) = token {
            request = request.header(CONTEXT_HEADER, token);
        }
        let response = router
            .clone()
            .oneshot(request.body(Body::from("\"x\"")).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_passed_deadline_is_not_sent() {
    let hand = Arc::new(HandClock::new());
    let clock: SharedClock = hand.clone();
    let ctx = context(&*clock);
    let lamps = through_rpc(direct(), Arc::clone(&clock));
    hand.advance(31);
    assert_eq!(
        lamps
            .text_measure(&ctx, String::new())
            .await
            .unwrap_err()
            .code,
        ErrorCode::UpstreamUnavailable
    );
}

#[tokio::test]
async fn the_caller_stops_waiting_at_the_deadline() {
    let clock = clock();
    let ctx = soon(&*clock);
    let lamps = through_rpc(direct(), Arc::clone(&clock));
    let error = lamps.wait_forever(&ctx, ()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UpstreamUnavailable);
    assert!(error.message.contains("in time"), "{error}");
}

#[tokio::test]
async fn the_callee_stops_working_at_the_deadline() {
    let clock = clock();
    let keys = ContextKeys::random();
    let token = keys
        .signer(Arc::clone(&clock))
        .sign("lamp", &soon(&*clock))
        .unwrap();
    let router = lamp_router(direct(), keys.verifier(Arc::clone(&clock)));
    let request = Request::post("/rpc/lamp/wait_forever").header(CONTEXT_HEADER, token);
    let response = router
        .oneshot(request.body(Body::from("null")).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

fn soon(clock: &dyn Clock) -> RequestContext {
    RequestContext {
        deadline: clock.now() + chrono::Duration::milliseconds(50),
        ..context(clock)
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let clock = clock();
    let ctx = context(&*clock);
    let lamps = through_rpc(direct(), Arc::clone(&clock));
    let fits = "x".repeat(REQUEST_LIMIT_BYTES - 2);
    assert_eq!(lamps.text_measure(&ctx, fits.clone()).await, Ok(fits.len()));
    let error = lamps.text_measure(&ctx, fits + "x").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_without_its_text() {
    let clock = clock();
    let lamps = through_rpc(direct(), Arc::clone(&clock));
    assert_eq!(
        lamps.fall_over(&context(&*clock), ()).await,
        Err(ServiceError::internal())
    );
}

#[tokio::test]
async fn a_request_that_does_not_fit_names_the_method() {
    let clock = clock();
    let keys = ContextKeys::random();
    let token = keys
        .signer(Arc::clone(&clock))
        .sign("lamp", &context(&*clock))
        .unwrap();
    let router = lamp_router(direct(), keys.verifier(clock));
    let request = Request::post("/rpc/lamp/lamp_set").header(CONTEXT_HEADER, token);
    let response = router
        .oneshot(request.body(Body::from("{\"room\":1}")).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = axum::body::to_bytes(response.into_body(), 4096)
        .await
        .unwrap();
    let error: ServiceError = serde_json::from_slice(&body).unwrap();
    assert!(error.message.contains("lamp.lamp_set"), "{error}");
}
