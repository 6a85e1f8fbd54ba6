//! Webhooks against a real HTTP receiver that checks signatures as receivers do.

use crate::documents::Story;
use crate::rig::Rig;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use netpatch_inventory_api::InventoryEventV1;
use netpatch_policy_api::{PolicyEventV1, Subject};
use netpatch_reporting_api::{
    Delivery, DeliveryList, DeliveryReplay, WebhookCreate, WebhookCreated, WebhookGet, WebhookList,
};
use netpatch_scheduler_api::{DeploymentStatus, RunStatus};
use netpatch_types::{ApprovalId, Clock as _, FindingId, HostId, PageRequest};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::AbortHandle;
use uuid::Uuid;

#[derive(Clone)]
struct Receiver {
    /// What to answer.
    status: Arc<Mutex<u16>>,
    /// What came, as (headers, body).
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    url: String,
    server: AbortHandle,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Shared = (Arc<Mutex<u16>>, Arc<Mutex<Vec<(HeaderMap, Bytes)>>>);

impl Receiver {
    async fn start() -> Self {
        let shared: Shared = (Arc::new(Mutex::new(204)), Arc::default());
        let router = Router::new()
            .route(
                "/hook",
                post(|State((status, got)): State<Shared>, headers: HeaderMap, body: Bytes| async move {
                    got.lock().unwrap().push((headers, body));
                    let status = *status.lock().unwrap();
                    let away = [("location", "/elsewhere")];
                    (StatusCode::from_u16(status).unwrap(), away)
                }),
            )
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
            .abort_handle();
        Self {
            status: shared.0,
            got: shared.1,
            url,
            server,
        }
    }

    fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// The bodies, each checked with its signature.
    fn verified(&self, secret: &str) -> Vec<Value> {
        let key = standardwebhooks::Webhook::new(secret).unwrap();
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|(headers, body)| {
                key.verify(body, headers).unwrap();
                assert_eq!(headers["content-type"], "application/json");
                serde_json::from_slice(body).unwrap()
            })
            .collect()
    }
}

async fn endpoint(rig: &Rig, url: &str, events: &[&str]) -> WebhookCreated {
    let events = events.iter().map(|event| (*event).to_owned()).collect();
    rig.api
        .webhook_create(
            &rig.ctx,
            WebhookCreate {
                url: url.to_owned(),
                events,
            },
        )
        .await
        .unwrap()
}

async fn deliveries(rig: &Rig, created: &WebhookCreated) -> Vec<Delivery> {
    let request = DeliveryList {
        webhook: created.webhook.id,
        page: PageRequest::largest(),
    };
    rig.api
        .webhook_deliveries(&rig.ctx, request)
        .await
        .unwrap()
        .into_nodes()
}

fn critical(rig: &Rig) {
    let event = InventoryEventV1::CriticalFinding {
        finding: FindingId::from(Uuid::from_u128(1)),
        host: HostId::from(Uuid::from_u128(2)),
        advisory: "DSA-1-1".into(),
    };
    rig.neighbours
        .inventory_event(rig.tenant(), rig.clock.now(), event);
}

#[tokio::test]
async fn the_four_events_arrive_signed_and_thin() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    let receiver = Receiver::start().await;
    let all = endpoint(&rig, &receiver.url, &[]).await;
    let other = Receiver::start().await;
    let some = endpoint(&rig, &other.url, &["deployment.run.failed"]).await;

    let asked = PolicyEventV1::ApprovalRequested {
        approval: ApprovalId::from(Uuid::from_u128(4)),
        subject: Subject::Deployment {
            deployment: story.deployment,
        },
        title: "openssl for all hosts".into(),
    };
    rig.neighbours
        .policy_event(rig.tenant(), rig.clock.now(), asked);
    rig.neighbours.scheduler_event(
        rig.tenant(),
        rig.clock.now(),
        story.ended(RunStatus::RolledBack, "maintainer_script_failed"),
    );
    rig.neighbours.scheduler_event(
        rig.tenant(),
        rig.clock.now(),
        story.ended(RunStatus::Succeeded, ""),
    );
    rig.neighbours.scheduler_event(
        rig.tenant(),
        rig.clock.now(),
        story.changed(DeploymentStatus::Halted),
    );
    critical(&rig);
    rig.service.run_once().await.unwrap();
    rig.service.run_once().await.unwrap();

    let mut kinds: Vec<String> = receiver
        .verified(&all.secret)
        .iter()
        .map(|body| body["type"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "approval.requested",
            "deployment.run.failed",
            "deployment.wave.halted",
            "finding.critical"
        ]
    );
    let failed = other.verified(&some.secret);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["data"]["cause"], "maintainer_script_failed");
    assert_eq!(failed[0]["data"]["host"], story.host.public(rig.tenant()));
    assert!(
        standardwebhooks::Webhook::new(&all.secret)
            .unwrap()
            .verify(b"{}", &other.got.lock().unwrap()[0].0)
            .is_err()
    );

    let log = deliveries(&rig, &some).await;
    assert_eq!(log.len(), 1);
    assert!(log[0].delivered_at.is_some() && log[0].next_attempt_at.is_none());
    assert_eq!((log[0].attempts, log[0].last_status), (1, Some(204)));
    assert_eq!(
        other.got.lock().unwrap()[0].0["webhook-id"]
            .to_str()
            .unwrap(),
        log[0].id.to_string()
    );

    let again = rig
        .api
        .webhook_replay(&rig.ctx, DeliveryReplay { id: log[0].id })
        .await
        .unwrap();
    assert_eq!(again.id, log[0].id);
    rig.service.run_once().await.unwrap();
    assert_eq!(other.verified(&some.secret).len(), 2);
}

#[tokio::test]
async fn a_failing_endpoint_is_tried_with_growing_pauses_for_three_days() {
    let rig = Rig::new().await;
    let receiver = Receiver::start().await;
    receiver.answer(500);
    let created = endpoint(&rig, &receiver.url, &[]).await;
    critical(&rig);
    rig.service.run_once().await.unwrap();
    assert_eq!(receiver.count(), 1);
    let first = deliveries(&rig, &created).await.remove(0);
    assert_eq!(
        (first.last_status, first.last_error.as_str()),
        (Some(500), "the endpoint answered 500")
    );
    assert_eq!(
        (first.next_attempt_at.unwrap() - rig.clock.now()).num_seconds(),
        5
    );
    rig.clock.advance(Duration::from_secs(4));
    rig.service.run_once().await.unwrap();
    assert_eq!(receiver.count(), 1, "too early");

    let begun = rig.clock.now();
    let mut tries = 1;
    while let Some(next) = deliveries(&rig, &created).await[0].next_attempt_at {
        rig.clock.set_wall(next);
        rig.service.run_once().await.unwrap();
        tries += 1;
        assert_eq!(receiver.count(), tries);
        assert!(tries < 50);
    }
    assert!(
        tries >= 9 && (rig.clock.now() - begun).num_hours() <= 72,
        "{tries} tries"
    );
    receiver.answer(200);
    let last = deliveries(&rig, &created).await.remove(0);
    rig.api
        .webhook_replay(&rig.ctx, DeliveryReplay { id: last.id })
        .await
        .unwrap();
    rig.service.run_once().await.unwrap();
    assert!(deliveries(&rig, &created).await[0].delivered_at.is_some());
}

#[tokio::test]
async fn gone_turns_the_endpoint_off_and_a_redirect_is_not_followed() {
    let rig = Rig::new().await;
    let receiver = Receiver::start().await;
    receiver.answer(302);
    let created = endpoint(&rig, &receiver.url, &[]).await;
    critical(&rig);
    rig.service.run_once().await.unwrap();
    assert_eq!(deliveries(&rig, &created).await[0].last_status, Some(302));

    receiver.answer(410);
    critical(&rig);
    rig.service.run_once().await.unwrap();
    let hooks = rig
        .api
        .webhook_list(&rig.ctx, WebhookList {})
        .await
        .unwrap();
    assert_eq!(hooks[0].disabled_reason, "the endpoint answered 410 Gone");
    let log = deliveries(&rig, &created).await;
    assert!(
        log.iter()
            .all(|delivery| delivery.next_attempt_at.is_none())
    );
    let count = receiver.count();
    critical(&rig);
    rig.clock.advance(Duration::from_secs(3600));
    rig.service.run_once().await.unwrap();
    assert_eq!(receiver.count(), count);
    assert!(
        rig.api
            .webhook_replay(&rig.ctx, DeliveryReplay { id: log[0].id })
            .await
            .is_err()
    );

    rig.api
        .webhook_delete(
            &rig.ctx,
            WebhookGet {
                id: created.webhook.id,
            },
        )
        .await
        .unwrap();
    assert!(
        rig.api
            .webhook_list(&rig.ctx, WebhookList {})
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        rig.api
            .webhook_delete(
                &rig.ctx,
                WebhookGet {
                    id: created.webhook.id
                }
            )
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_dead_endpoint_and_a_wrong_request_are_told() {
    let rig = Rig::new().await;
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    receiver.server.abort();
    drop(receiver);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let created = endpoint(&rig, &closed, &[]).await;
    critical(&rig);
    rig.service.run_once().await.unwrap();
    let log = deliveries(&rig, &created).await;
    assert_eq!(log[0].last_status, None);
    assert!(!log[0].last_error.is_empty() && log[0].next_attempt_at.is_some());

    for (url, events) in [
        ("ftp://example.com", vec![]),
        ("https://a@b/", vec![]),
        (url.as_str(), vec!["x".to_owned()]),
    ] {
        let wrong = WebhookCreate {
            url: url.to_owned(),
            events,
        };
        let error = rig.api.webhook_create(&rig.ctx, wrong).await.unwrap_err();
        assert_eq!(error.code, netpatch_types::ErrorCode::BadUserInput);
    }
}

/// What the database holds of an endpoint's secret: in the open, key number, sealed.
async fn stored(rig: &Rig, created: &WebhookCreated) -> (String, i32, Vec<u8>) {
    let tx = rig.database.database().read(&rig.ctx).await.unwrap();
    let column = async |name: &str| {
        let sql = format!("select {name}::text from reporting.webhooks where id = $1");
        let value: Option<String> = tx.value(&sql, [created.webhook.id.0.into()]).await.unwrap();
        value.unwrap()
    };
    let key = column("sealed_key").await.parse().unwrap();
    (
        column("secret").await,
        key,
        column("sealed").await.into_bytes(),
    )
}

#[tokio::test]
async fn secrets_are_sealed_at_rest_old_ones_and_after_a_new_key_too() {
    let rig = Rig::new().await;
    let receiver = Receiver::start().await;
    let created = endpoint(&rig, &receiver.url, &[]).await;
    let (open, key, sealed) = stored(&rig, &created).await;
    assert_eq!((open.as_str(), key), ("", 1));
    assert!(sealed.len() > created.secret.len());

    // A row of the time before sealing.
    let tx = rig.database.database().write(&rig.ctx).await.unwrap();
    tx.execute(
        "update reporting.webhooks set secret = $1, sealed_key = 0, sealed = ''",
        [created.secret.clone().into()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    critical(&rig);
    rig.service.run_once().await.unwrap();
    assert_eq!(receiver.verified(&created.secret).len(), 1);
    let (open, key, first) = stored(&rig, &created).await;
    assert_eq!((open.as_str(), key), ("", 1));

    let keys = netpatch_storage::KeyFolder::open(rig.folder.path().join("keys")).unwrap();
    keys.replace("webhooks/2", &[9; 32]).unwrap();
    rig.service.run_once().await.unwrap();
    let (open, key, second) = stored(&rig, &created).await;
    assert_eq!((open.as_str(), key), ("", 2));
    assert_ne!(first, second);
    // The old key is needed no more.
    keys.remove("webhooks/1").unwrap();
    let log = deliveries(&rig, &created).await;
    rig.api
        .webhook_replay(&rig.ctx, DeliveryReplay { id: log[0].id })
        .await
        .unwrap();
    rig.service.run_once().await.unwrap();
    assert_eq!(receiver.verified(&created.secret).len(), 2);
}

#[tokio::test]
async fn what_is_said_of_assets_is_told_thinly_and_stands_in_the_ledger_without_its_values() {
    let rig = Rig::new().await;
    let receiver = Receiver::start().await;
    let all = endpoint(&rig, &receiver.url, &["asset.changed", "asset.imported"]).await;
    let by = rig.ctx.actor.clone();
    let (asset, host) = (
        netpatch_types::AssetId::from(Uuid::from_u128(3)),
        HostId::from(Uuid::from_u128(2)),
    );
    let events = [
        InventoryEventV1::AssetChanged {
            asset,
            host: Some(host),
            is_new: true,
            fields: vec!["department".into(), "owner".into()],
            origin: netpatch_inventory_api::AssetOrigin::Api,
            by: by.clone(),
        },
        InventoryEventV1::AssetsImported {
            created: 2,
            changed: 1,
            unchanged: 7,
            origin: netpatch_inventory_api::AssetOrigin::Csv,
            digest: netpatch_types::Sha256::of(b"file"),
            by: by.clone(),
        },
        InventoryEventV1::AssetLinked {
            asset,
            host,
            rule: netpatch_inventory_api::AssetLinkRule::Serial,
        },
        InventoryEventV1::AssetDeleted {
            asset,
            host: Some(host),
            by,
        },
    ];
    for event in events {
        rig.neighbours
            .inventory_event(rig.tenant(), rig.clock.now(), event);
    }
    rig.service.run_once().await.unwrap();
    rig.service.run_once().await.unwrap();
    let bodies = receiver.verified(&all.secret);
    let of = |kind: &str| {
        bodies
            .iter()
            .find(|body| body["type"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in {bodies:?}"))
    };
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert_eq!(
        of("asset.changed")["data"]["asset"],
        asset.public(rig.tenant())
    );
    assert_eq!(of("asset.imported")["data"]["created"], 2);
    let list = netpatch_reporting_api::LedgerList {
        page: PageRequest::largest(),
        ..Default::default()
    };
    let entries = rig
        .api
        .ledger_list(&rig.ctx, list)
        .await
        .unwrap()
        .into_nodes();
    let mut actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        ["asset.created", "asset.deleted", "asset.imported"]
    );
    let created = entries
        .iter()
        .find(|entry| entry.action == "asset.created")
        .unwrap();
    assert_eq!(created.details["fields"], "department,owner");
    assert_eq!(created.subject, format!("asset:{asset}"));
}
