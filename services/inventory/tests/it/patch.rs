//! Patches: what they are, what they bring, who needs them.

use crate::world::{World, component, patch_id, update};
use netpatch_inventory_api::*;
use netpatch_types::{Classification, ErrorCode, PageRequest, Selector, Severity, Sha256};

async fn exposed(world: &World, machine: u8, labels: &[(&str, &str)]) -> netpatch_types::HostId {
    let host = world.host(machine, labels).await;
    let components = ["curl", "libcurl4"].map(|name| component(name, "7.88.1-10+deb12u1", "curl"));
    world.report(host, components.to_vec()).await;
    world
        .offer(
            host,
            ["curl", "libcurl4"]
                .map(|name| update(name, "curl", "7.88.1-10+deb12u3"))
                .to_vec(),
        )
        .await;
    host
}

#[tokio::test]
async fn a_patch_knows_what_it_fixes_and_who_needs_it() {
    for world in World::both().await {
        world.import().await;
        let canary = exposed(&world, 1, &[("ring", "canary")]).await;
        exposed(&world, 2, &[("timezone", "Asia/Tokyo")]).await;
        let id = patch_id("curl", "7.88.1-10+deb12u3");
        let patch = world
            .api
            .patch_get(&world.ctx, PatchGet { id })
            .await
            .expect("patch");
        assert_eq!(
            (patch.name.as_str(), patch.release.as_str(), patch.hosts),
            ("curl", "bookworm", 2)
        );
        assert_eq!(
            (patch.classification, patch.severity, patch.kev),
            (Classification::Critical, Severity::Critical, true)
        );
        assert_eq!(patch.cvss_score, Some(7.5));
        assert_eq!(patch.superseded_by, None);

        let selector = Selector {
            any_of: [("ring".to_owned(), ["canary".to_owned()].into())].into(),
            ..Selector::default()
        };
        let group = world
            .api
            .group_create(
                &world.ctx,
                GroupCreate {
                    name: "canary".into(),
                    selector,
                },
            )
            .await
            .expect("group");
        let targets = |group| {
            world.api.patch_targets(
                &world.ctx,
                PatchTargets {
                    patches: vec![id],
                    group,
                },
            )
        };
        let all = targets(None).await.expect("targets");
        assert_eq!(
            all.iter()
                .map(|target| target.time_zone.as_str())
                .collect::<Vec<_>>(),
            ["Europe/Vienna", "Asia/Tokyo"]
        );
        let some = targets(Some(group.id)).await.expect("targets");
        assert_eq!(
            some.iter()
                .map(|target| (target.host, target.ring.as_str()))
                .collect::<Vec<_>>(),
            [(canary, "canary")]
        );
        assert_eq!(world.get(canary).await.groups, [group.id]);

        let content = PatchContentGet {
            patch: id,
            group: Some(group.id),
        };
        let content = world
            .api
            .patch_content(&world.ctx, content)
            .await
            .expect("content");
        assert_eq!(
            content
                .items
                .iter()
                .map(|item| item.name.as_str())
                .collect::<Vec<_>>(),
            ["curl", "libcurl4"]
        );
        assert_eq!(content.disagreement, None);
    }
}

#[tokio::test]
async fn an_installed_patch_is_not_pending_even_before_the_next_offer() {
    for world in World::both().await {
        world.import().await;
        let host = exposed(&world, 1, &[]).await;
        let id = patch_id("curl", "7.88.1-10+deb12u3");
        let pending = || {
            world.api.patch_pending(
                &world.ctx,
                PatchPending {
                    host,
                    patches: vec![id],
                },
            )
        };
        assert_eq!(pending().await, Ok(vec![id]));
        let installable = world.findings(FindingFilter::default()).await;
        assert!(installable.iter().all(|finding| finding.applicability
            == Applicability::Installable
            && finding.patch == Some(id)));
        let components =
            ["curl", "libcurl4"].map(|name| component(name, "7.88.1-10+deb12u3", "curl"));
        assert_eq!(world.report(host, components.to_vec()).await.closed, 4);
        assert_eq!(pending().await, Ok(vec![]));
        let patch = world
            .api
            .patch_get(&world.ctx, PatchGet { id })
            .await
            .expect("still known");
        assert_eq!(
            (patch.hosts, patch.classification),
            (0, Classification::Critical)
        );
        let list = |ids| {
            world.api.patch_list(
                &world.ctx,
                PatchList {
                    page: PageRequest::largest(),
                    ids,
                    ..PatchList::default()
                },
            )
        };
        assert!(list(vec![]).await.expect("list").rows.is_empty());
        assert_eq!(list(vec![id]).await.expect("list").rows.len(), 1);
    }
}

#[tokio::test]
async fn hosts_that_disagree_on_a_hash_block_the_patch() {
    let world = World::direct().await;
    exposed(&world, 1, &[]).await;
    let other = exposed(&world, 2, &[]).await;
    let mut forged = update("curl", "curl", "7.88.1-10+deb12u3");
    forged.sha256 = Sha256::of(b"forged");
    world.offer(other, vec![forged]).await;
    let content = PatchContentGet {
        patch: patch_id("curl", "7.88.1-10+deb12u3"),
        group: None,
    };
    let content = world
        .api
        .patch_content(&world.ctx, content)
        .await
        .expect("content");
    assert_eq!(
        content.disagreement.as_deref(),
        Some("hosts host1 and host2 were offered different files for curl amd64")
    );
}

#[tokio::test]
async fn an_update_without_findings_stays_a_patch_and_a_newer_one_supersedes_it() {
    let world = World::direct().await;
    world.import().await;
    let (one, two) = (world.host(1, &[]).await, world.host(2, &[]).await);
    for host in [one, two] {
        world
            .report(host, vec![component("vim", "2:9.0.1378-2", "vim")])
            .await;
    }
    let mut held = update("vim", "vim", "2:9.0.1378-2+deb12u2");
    held.label = "Debian".into();
    world.offer(one, vec![held.clone()]).await;
    held.candidate_version = "2:9.0.1378-2+deb12u3".into();
    held.source_version = held.candidate_version.clone();
    world.offer(two, vec![held.clone()]).await;
    let (old, new) = (
        patch_id("vim", "2:9.0.1378-2+deb12u2"),
        patch_id("vim", "2:9.0.1378-2+deb12u3"),
    );
    let get = async |id| {
        world
            .api
            .patch_get(&world.ctx, PatchGet { id })
            .await
            .expect("patch")
    };
    assert_eq!(
        (get(old).await.classification, get(old).await.severity),
        (Classification::Update, Severity::Unknown)
    );
    assert_eq!(get(old).await.superseded_by, Some(new));
    assert_eq!(get(new).await.superseded_by, None);
    let security = PatchList {
        page: PageRequest::largest(),
        classifications: vec![Classification::Security],
        ids: vec![],
    };
    assert!(
        world
            .api
            .patch_list(&world.ctx, security)
            .await
            .expect("list")
            .rows
            .is_empty()
    );

    // A held update is no target, and its finding says so.
    held.state = UpdateState::Held;
    world.offer(two, vec![held]).await;
    assert_eq!(get(new).await.hosts, 0);
    let targets = world
        .api
        .patch_targets(
            &world.ctx,
            PatchTargets {
                patches: vec![new],
                group: None,
            },
        )
        .await;
    assert_eq!(targets, Ok(vec![]));
}

#[tokio::test]
async fn an_unknown_group_or_patch_is_not_found() {
    let world = World::direct().await;
    let group = Some(netpatch_types::GroupId(uuid::Uuid::nil()));
    let targets = world
        .api
        .patch_targets(
            &world.ctx,
            PatchTargets {
                patches: vec![],
                group,
            },
        )
        .await;
    assert_eq!(targets.expect_err("absent").code, ErrorCode::NotFound);
    let content = PatchContentGet {
        patch: patch_id("x", "1"),
        group: None,
    };
    assert_eq!(
        world
            .api
            .patch_content(&world.ctx, content)
            .await
            .expect_err("absent")
            .code,
        ErrorCode::NotFound
    );
}
