//! What relays are to fetch ahead: of waves that are not over, for hosts of the site that still need it.

use crate::world::{SITE, World, change};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::ContentItem;
use netpatch_scheduler_api::*;
use netpatch_types::*;
use uuid::Uuid;

async fn staged(world: &World, site: SiteId) -> Vec<StagedPayload> {
    let plan = world
        .api
        .staging_plan(&world.system(), StagingPlanGet { site })
        .await;
    plan.unwrap().payloads
}

#[tokio::test]
async fn a_site_stages_what_its_hosts_still_need_until_they_have_it() {
    let world = World::remote().await;
    assert_eq!(staged(&world, SITE).await, [], "nobody deploys anything");
    let elsewhere = SiteId(Uuid::from_u128(98));
    world.change_host(world.hosts[0], |host| host.site = elsewhere);
    world.one_wave(netpatch_policy_api::Rollout::default());
    let id = world.deploy().await.id;
    for site in [SITE, elsewhere] {
        let plan = staged(&world, site).await;
        let [payload] = plan.as_slice() else {
            panic!("{plan:?}");
        };
        assert_eq!(payload.sha256, Sha256::of(b"openssl"));
        assert_eq!((payload.deployment, payload.wave), (id, 1));
        assert_eq!(payload.urls, ["http://deb.example/debian/pool/openssl.deb"]);
        // The window opens at 22:00 in Berlin, an hour ahead of UTC in January.
        let at: DateTime<Utc> = payload.needed_at.unwrap();
        assert!(
            at >= world.clock.now() && at.format("%H:%M").to_string() == "21:00",
            "{at}"
        );
    }
    assert_eq!(staged(&world, SiteId(Uuid::from_u128(97))).await, []);
    // What was not approved is not staged, whatever hosts say they need.
    world
        .facts
        .lock()
        .unwrap()
        .items
        .insert(world.patch, vec![item("openssl", "other bytes")]);
    assert_eq!(staged(&world, SITE).await, []);
    world
        .facts
        .lock()
        .unwrap()
        .items
        .insert(world.patch, vec![item("openssl", "openssl")]);
    assert_eq!(staged(&world, SITE).await.len(), 1);
    // A host that has it needs it no more.
    world.patched(world.hosts[0]);
    assert_eq!(staged(&world, elsewhere).await, []);
    world.settle().await;
    assert_eq!(staged(&world, SITE).await.len(), 1, "an open wave");
    world
        .api
        .deployment_cancel(&world.person(), change(id, "not wanted"))
        .await
        .unwrap();
    assert_eq!(staged(&world, SITE).await, [], "it is over");
}

#[tokio::test]
async fn each_payload_is_staged_for_the_first_wave_that_needs_it() {
    let world = World::direct().await;
    world.deploy().await;
    let plan = staged(&world, SITE).await;
    assert_eq!(plan.len(), 1);
    assert_eq!(plan[0].wave, 1);
}

#[tokio::test]
async fn only_the_platform_asks() {
    let world = World::direct().await;
    let get = StagingPlanGet { site: SITE };
    let refused = world.api.staging_plan(&world.person(), get).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
}

#[tokio::test]
async fn what_approved_deployments_name_is_needed_until_they_are_over() {
    let world = World::remote().await;
    let named = Sha256::of(b"openssl");
    let asked = PayloadsNeeded {
        payloads: vec![Sha256::of(b"other"), named, named],
    };
    let needed = async || {
        // For all organizations at once: whoever asks writes to none.
        let nobody = TenantId::from(Uuid::nil());
        let nobody = RequestContext::system(nobody, "test", world.clock.now());
        let asked = world.api.payloads_needed(&nobody, asked.clone());
        asked.await.unwrap()
    };
    assert_eq!(needed().await, [], "nobody deploys anything");
    world.one_wave(netpatch_policy_api::Rollout::default());
    let id = world.deploy().await.id;
    assert_eq!(needed().await, [named]);
    world.settle().await;
    assert_eq!(needed().await, [named], "running");
    let person = world.person();
    let paused = world.api.deployment_pause(&person, change(id, "wait"));
    paused.await.unwrap();
    assert_eq!(needed().await, [named], "paused");
    let halted = world.api.deployment_halt(&person, change(id, "stop"));
    halted.await.unwrap();
    assert_eq!(needed().await, [named], "it may be resumed");
    let cancelled = world
        .api
        .deployment_cancel(&person, change(id, "not wanted"));
    cancelled.await.unwrap();
    assert_eq!(needed().await, [], "it is over");
    // One that nobody ends is over when nothing may be installed any more.
    let deployment = world.deploy().await;
    assert_eq!(needed().await, [named]);
    let left = deployment.not_after - world.clock.now();
    world.clock.advance(left.to_std().unwrap());
    assert_eq!(needed().await, []);
}

#[tokio::test]
async fn only_the_platform_asks_what_is_needed_and_not_for_too_much() {
    let world = World::direct().await;
    let asked = |count: usize| PayloadsNeeded {
        payloads: vec![Sha256::of(b"openssl"); count],
    };
    let refused = world.api.payloads_needed(&world.person(), asked(1)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    let system = world.system();
    let most = world
        .api
        .payloads_needed(&system, asked(MAX_PAYLOADS_NEEDED));
    assert_eq!(most.await, Ok(vec![]));
    let more = asked(MAX_PAYLOADS_NEEDED + 1);
    let refused = world.api.payloads_needed(&system, more);
    assert_eq!(refused.await.unwrap_err().code, ErrorCode::BadUserInput);
}

fn item(name: &str, bytes: &str) -> ContentItem {
    ContentItem {
        name: name.into(),
        arch: "amd64".into(),
        version: "2".into(),
        fixed_version: "2".into(),
        sha256: Some(Sha256::of(bytes.as_bytes())),
        size_bytes: 1000,
        remove: false,
        dependency: false,
    }
}
