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
