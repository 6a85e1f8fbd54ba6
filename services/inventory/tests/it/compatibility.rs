//! What a host cannot take is never offered, and says why.

use crate::tenancy::code;
use crate::world::{World, component, facts, patch_id, update};
use netpatch_inventory_api::*;
use netpatch_types::{ErrorCode, HostId, PageRequest};

const VERSION: &str = "7.88.1-10+deb12u3";

async fn refused(world: &World, host: HostId) -> Vec<Incompatibility> {
    let request = PatchRefusals {
        host: Some(host),
        ..PatchRefusals::default()
    };
    world
        .api
        .patch_refusals(&world.ctx, request)
        .await
        .expect("answer")
        .into_iter()
        .map(|refusal| refusal.why)
        .collect()
}

/// Where an offer would show: as a patch, in the queue, as content, as target, in the newest event, on the finding.
async fn offered(world: &World, host: HostId) -> [bool; 6] {
    let (api, ctx, page) = (&world.api, &world.ctx, PageRequest::largest());
    let patch = patch_id("curl", VERSION);
    let list = PatchList {
        page: page.clone(),
        ..PatchList::default()
    };
    let queue = QueueList {
        page,
        ..QueueList::default()
    };
    let content = PatchContentGet { patch, group: None };
    let targets = PatchTargets {
        patches: vec![patch],
        group: None,
    };
    let told = world
        .events()
        .await
        .into_iter()
        .rev()
        .find_map(|event| match event {
            InventoryEventV1::PatchesAvailable { host: of, patches } if of == host => Some(patches),
            _ => None,
        });
    let findings = world.findings(FindingFilter::default()).await;
    [
        !api.patch_list(ctx, list)
            .await
            .expect("list")
            .rows
            .is_empty(),
        !api.queue_list(ctx, queue)
            .await
            .expect("queue")
            .rows
            .is_empty(),
        !api.patch_content(ctx, content)
            .await
            .expect("content")
            .items
            .is_empty(),
        !api.patch_targets(ctx, targets)
            .await
            .expect("targets")
            .is_empty(),
        told.expect("an event").contains(&patch),
        findings.iter().any(|finding| finding.patch == Some(patch)),
    ]
}

async fn say(world: &World, host: HostId, change: impl FnOnce(&mut HostFacts)) {
    let mut facts = facts(1, "host1");
    change(&mut facts);
    world
        .api
        .host_facts_report(&world.ctx, HostFactsReport { host, facts })
        .await
        .expect("facts");
}

#[tokio::test]
async fn a_patch_that_a_host_cannot_take_is_nowhere_offered_until_it_can() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        world
            .report(host, vec![component("curl", "7.88.1-10+deb12u1", "curl")])
            .await;
        let curl = update("curl", "curl", VERSION);
        world.offer(host, vec![curl.clone()]).await;
        assert_eq!(offered(&world, host).await, [true; 6]);
        assert!(refused(&world, host).await.is_empty());
        say(&world, host, |facts| facts.disk_free_bytes = 3_999).await;
        let why = Incompatibility::DiskTooSmall {
            needed_bytes: 4_000,
            free_bytes: 3_999,
        };
        assert_eq!(refused(&world, host).await, [why]);
        assert_eq!(offered(&world, host).await, [false; 6]);
        let of_patch = PatchRefusals {
            patch: Some(patch_id("curl", VERSION)),
            ..PatchRefusals::default()
        };
        let found = world
            .api
            .patch_refusals(&world.ctx, of_patch)
            .await
            .expect("answer");
        assert_eq!(
            (found.len(), found[0].host, found[0].version.as_str()),
            (1, host, VERSION)
        );
        say(&world, host, |facts| facts.disk_free_bytes = 4_000).await;
        assert!(refused(&world, host).await.is_empty());
        assert_eq!(offered(&world, host).await, [true; 6]);
        for (suite, arch, why) in [
            (
                "trixie",
                "amd64",
                Incompatibility::OtherRelease {
                    release: "trixie".into(),
                    running: "bookworm".into(),
                },
            ),
            (
                "stable-security",
                "arm64",
                Incompatibility::Architecture {
                    package: "arm64".into(),
                    host: "amd64".into(),
                },
            ),
        ] {
            let other = InstallableUpdate {
                suite: suite.into(),
                arch: arch.into(),
                ..curl.clone()
            };
            world.offer(host, vec![other]).await;
            assert_eq!(refused(&world, host).await, [why]);
            assert_eq!(offered(&world, host).await, [false; 6]);
        }
        // A person without access learns nothing of it.
        let stranger = world.stranger();
        let ask = |host, patch| PatchRefusals {
            host,
            patch,
            ..PatchRefusals::default()
        };
        let of_host = world
            .api
            .patch_refusals(&stranger, ask(Some(host), None))
            .await;
        assert_eq!(code(of_host), ErrorCode::NotFound);
        let patch = Some(patch_id("curl", VERSION));
        assert_eq!(
            world.api.patch_refusals(&stranger, ask(None, patch)).await,
            Ok(vec![])
        );
        assert_eq!(
            code(world.api.patch_refusals(&world.ctx, ask(None, None)).await),
            ErrorCode::BadUserInput
        );
    }
}

async fn rules(world: &World, if_match: &str, rules: Vec<HardwareRule>) -> HardwareRulesHeld {
    let set = HardwareRulesSet {
        if_match: Some(if_match.into()),
        rules,
    };
    let held = world.api.hardware_rules_set(&world.ctx, set).await;
    world.inventory.reevaluate().await.expect("re-evaluation");
    held.expect("rules")
}

fn small() -> HardwareRule {
    HardwareRule {
        name: "small machines".into(),
        reason: "the new version needs four processors".into(),
        updates: UpdateScope {
            packages: vec!["cur?".into()],
            ..UpdateScope::default()
        },
        not_for: HardwareScope {
            cpus_below: Some(4),
            ..HardwareScope::default()
        },
    }
}

#[tokio::test]
async fn what_an_organization_keeps_from_some_hardware_is_nowhere_offered_there() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        world
            .report(host, vec![component("curl", "7.88.1-10+deb12u1", "curl")])
            .await;
        let curl = update("curl", "curl", VERSION);
        world.offer(host, vec![curl.clone()]).await;
        say(&world, host, |facts| facts.cpu_count = 2).await;
        assert_eq!(offered(&world, host).await, [true; 6]);
        // A rule holds for what was offered before, and for what is offered after.
        let held = rules(&world, "0", vec![small()]).await;
        assert_eq!((held.version, held.changed_by.is_some()), (1, true));
        let why = Incompatibility::HardwareRule {
            rule: "small machines".into(),
            why: "the new version needs four processors".into(),
            found: "2 processors".into(),
        };
        assert_eq!(refused(&world, host).await, std::slice::from_ref(&why));
        assert_eq!(offered(&world, host).await, [false; 6]);
        let again = InstallableUpdate {
            size_bytes: 1_001,
            ..curl
        };
        world.offer(host, vec![again]).await;
        assert_eq!(refused(&world, host).await, std::slice::from_ref(&why));
        // Another feed changes nothing about it.
        let mut records = crate::world::cve_records();
        records.push(crate::world::osv(
            "x-CVE-2026-10009",
            &["CVE-2026-10009"],
            "curl",
            VERSION,
        ));
        crate::world::write_pack(world.pack.path(), &records);
        world.import().await;
        assert_eq!(refused(&world, host).await, [why]);
        assert_eq!(offered(&world, host).await, [false; 6]);
        // More processors, or no rule any more.
        say(&world, host, |facts| facts.cpu_count = 4).await;
        assert_eq!(offered(&world, host).await, [true; 6]);
        say(&world, host, |facts| facts.cpu_count = 1).await;
        assert_eq!(offered(&world, host).await, [false; 6]);
        let stale = HardwareRulesSet {
            if_match: Some("0".into()),
            rules: vec![],
        };
        let conflict = world.api.hardware_rules_set(&world.ctx, stale).await;
        assert_eq!(code(conflict), ErrorCode::Conflict);
        rules(&world, "1", vec![]).await;
        assert!(refused(&world, host).await.is_empty());
        assert_eq!(offered(&world, host).await, [true; 6]);
        let told: Vec<_> = world
            .events()
            .await
            .into_iter()
            .filter_map(|event| match event {
                InventoryEventV1::HardwareRulesChanged { version, rules, .. } => {
                    Some((version, rules))
                }
                _ => None,
            })
            .collect();
        assert_eq!(told, [(1, vec!["small machines".to_owned()]), (2, vec![])]);
    }
}

#[tokio::test]
async fn hardware_rules_are_an_organizations_own_and_need_the_right() {
    let world = World::direct().await;
    rules(&world, "0", vec![small()]).await;
    let get = HardwareRulesGet {};
    let theirs = world.api.hardware_rules_get(&world.stranger(), get).await;
    assert_eq!(
        theirs.map(|held| (held.version, held.rules)),
        Ok((0, vec![]))
    );
    let set = || HardwareRulesSet {
        if_match: None,
        rules: vec![],
    };
    let mut narrow = world.ctx.clone();
    narrow.sites = Some(vec![world.site]);
    let mut person = world.ctx.clone();
    person
        .permissions
        .remove(&netpatch_types::Permission::PolicyWrite);
    for ctx in [narrow, person] {
        let refused = world.api.hardware_rules_set(&ctx, set()).await;
        assert_eq!(code(refused), ErrorCode::Forbidden);
    }
    let wrong = HardwareRulesSet {
        rules: vec![HardwareRule::default()],
        ..set()
    };
    let refused = world.api.hardware_rules_set(&world.ctx, wrong).await;
    assert_eq!(code(refused), ErrorCode::BadUserInput);
    let kept = world
        .api
        .hardware_rules_get(&world.ctx, get)
        .await
        .expect("rules");
    assert_eq!(kept.rules, [small()]);
}
