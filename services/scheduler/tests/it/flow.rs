//! A deployment from its plan to its end, directly and through router and client.

use crate::agent::SUCCESS;
use crate::neighbours::approval_signer;
use crate::world::World;
use netpatch_proof::Signer as _;
use netpatch_protocol::document::{Approval, Envelope};
use netpatch_protocol::{content, open_envelope, target};
use netpatch_scheduler_api::*;
use netpatch_types::*;
use prost::Message as _;

#[tokio::test]
async fn waves_open_one_after_another_until_all_have_passed() {
    completes(World::direct().await).await;
}

#[tokio::test]
async fn waves_open_one_after_another_through_router_and_client() {
    completes(World::remote().await).await;
}

async fn completes(world: World) {
    let id = world.deploy().await.id;
    let mut done = Vec::new();
    for ordinal in 1..=3u32 {
        world.settle().await;
        let now = world.get(id).await;
        assert_eq!(now.status, DeploymentStatus::Running);
        let ordered: Vec<HostId> = world
            .ordered()
            .await
            .into_iter()
            .filter(|host| !done.contains(host))
            .collect();
        assert_eq!(ordered.len(), 1, "one host a wave");
        let (_, order) = world.order(ordered[0]).await;
        assert_eq!(order.sequence, u64::from(ordinal));
        world.succeeds(ordered[0]).await;
        done.push(ordered[0]);
        assert!(
            world.documents(ordered[0], vec![]).await.is_empty(),
            "an order that has run is not offered again"
        );
    }
    world.settle().await;
    let ended = world.get(id).await;
    assert_eq!(ended.status, DeploymentStatus::Completed);
    assert!(ended.ended_at.is_some());
    assert_eq!(world.wave_words(id).await, [WaveStatus::Passed; 3]);
    for wave in world.waves(id).await {
        assert_eq!((wave.counts.total, wave.counts.succeeded), (1, 1));
        assert_eq!(wave.reason, "1 of 1 hosts confirmed, the gate wants 100 %");
    }
    let run = world.run_of(done[0]).await;
    assert_eq!(run.confirmed, Some(true));
    let words: Vec<RunStatus> = run.events.iter().map(|event| event.status).collect();
    assert_eq!(words, SUCCESS);

    // Everything that is signed can be had, by the names of the ledger.
    let documents = world
        .api
        .deployment_documents(&world.person(), DeploymentGet { id })
        .await
        .unwrap();
    let kinds: Vec<&str> = documents
        .iter()
        .map(|document| document.kind.as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "order",
            "order",
            "order",
            "run_result",
            "run_result",
            "run_result",
            "approval"
        ]
    );
    for document in documents {
        let envelope = Envelope::decode(document.envelope.as_slice()).unwrap();
        assert_eq!(document.digest, Sha256::of(&envelope.payload));
    }
    let ended = world
        .events()
        .await
        .into_iter()
        .filter(|event| {
            matches!(
                event,
                SchedulerEventV1::RunEnded {
                    envelope: Some(_),
                    ..
                }
            )
        })
        .count();
    assert_eq!(ended, 3, "each result goes to the ledger once");
}

#[tokio::test]
async fn an_order_says_who_what_when_and_who_approved() {
    let world = World::direct().await;
    let created = world.deploy().await;
    world.settle().await;
    let host = world.ordered().await[0];
    let (_, order) = world.order(host).await;
    assert_eq!(order.organization_id, world.tenant.to_string());
    assert_eq!(order.deployment_id, created.id.to_string());
    assert_eq!(
        order.wave_id,
        world.waves(created.id).await[0].id.to_string()
    );
    assert_eq!(order.not_after_ms, created.not_after.timestamp_millis());
    assert_eq!((order.epoch, order.lease_seconds), (1, 900));
    let window = order.window.as_ref().unwrap();
    assert_eq!(
        (
            window.rrule.as_str(),
            window.starts_at.as_str(),
            window.duration_seconds
        ),
        ("FREQ=DAILY", "2026-01-01T22:00:00", 7200)
    );
    assert_eq!(window.time_zone, "", "the host's own");
    let range = order.target.as_ref().unwrap();
    let inside: Vec<HostId> = world
        .hosts
        .iter()
        .copied()
        .filter(|host| target::in_range(target::position(created.id, *host), range.low, range.high))
        .collect();
    assert_eq!(
        inside,
        [host],
        "the range holds the wave's hosts and nobody else"
    );

    // Each patch's items are those that its approval signed.
    assert_eq!(order.approvals.len(), 1);
    let keys = [approval_signer().public_key()];
    let approval = open_envelope::<Approval>(&order.approvals[0], &keys, 1).unwrap();
    assert_eq!(approval.patch_id, world.patch.public());
    let content = order.content.as_ref().unwrap();
    assert_eq!(
        content::content_digest(content).0.to_vec(),
        approval.content_digest
    );

    // Another organization's key opens nothing.
    let foreign =
        RequestContext::system(TenantId::new(world.clock.now()), "test", world.clock.now());
    let key = world
        .api
        .director_key(&foreign, DirectorKeyGet {})
        .await
        .unwrap();
    let key = netpatch_proof::PublicKey::ed25519(&key.public_key).unwrap();
    assert_ne!(key, world.director().await);
}

#[tokio::test]
async fn an_order_is_released_only_by_the_ledgers_word() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.work().await;
    assert_eq!(world.get(id).await.status, DeploymentStatus::Running);
    assert!(world.ordered().await.is_empty(), "signed, not logged");
    let signed = world
        .events()
        .await
        .into_iter()
        .find_map(|event| match event {
            SchedulerEventV1::OrderSigned {
                order, envelope, ..
            } => Some((order, envelope)),
            _ => None,
        });
    // Not even a host that has it from elsewhere may report about it.
    let (digest, envelope) = signed.unwrap();
    let envelope = Envelope::decode(envelope.as_slice()).unwrap();
    let order = netpatch_protocol::document::Order::decode(envelope.payload.as_slice()).unwrap();
    let range = order.target.clone().unwrap();
    let host = world
        .hosts
        .iter()
        .copied()
        .find(|host| target::in_range(target::position(id, *host), range.low, range.high))
        .unwrap();
    let early = crate::agent::report(&world, host, &(digest, order), &SUCCESS);
    assert_eq!(
        world.send(early.clone()).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    world.log_orders().await;
    world.work().await;
    assert_eq!(world.ordered().await, [host]);
    world.send(early).await.unwrap();
}

#[tokio::test]
async fn a_deployment_waits_for_its_time_and_ends_with_it() {
    let world = World::direct().await;
    let now = world.clock.now();
    let request = DeploymentCreate {
        not_before: Some(now + chrono::Duration::hours(1)),
        not_after: Some(now + chrono::Duration::hours(2)),
        ..world.request()
    };
    let plan = world.api.deployment_create(&world.person(), request).await;
    let id = plan.unwrap().deployment.unwrap().id;
    world.settle().await;
    assert_eq!(world.get(id).await.status, DeploymentStatus::Scheduled);
    world.pass(3600);
    world.settle().await;
    assert_eq!(world.get(id).await.status, DeploymentStatus::Running);
    // Nobody came: the wave ends with the deployment, and no other one opens.
    world.pass(3600);
    world.settle().await;
    let ended = world.get(id).await;
    assert_eq!(ended.status, DeploymentStatus::Halted);
    assert_eq!(
        ended.reason,
        "wave 1: 0 of 1 hosts confirmed, the gate wants 100 %"
    );
    assert_eq!(
        world.wave_words(id).await,
        [WaveStatus::Failed, WaveStatus::Waiting, WaveStatus::Waiting]
    );
}
