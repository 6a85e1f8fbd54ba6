//! A new epoch: a shadow until it is swapped, held back when it is beyond belief, accepted by a person, exported as it came.

use crate::world::{CVES, World, component, cve_records, osv, write_pack};
use netpatch_inventory::FeedSettings;
use netpatch_inventory_api::*;
use netpatch_storage::bus::MemoryBus;
use netpatch_types::{ActorKind, ComponentKey, ErrorCode, Permission, ServiceResult};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

async fn status(world: &World, name: &str) -> FeedStatus {
    let feeds = world.api.feed_list(&world.ctx, FeedList {}).await;
    let feeds = feeds.expect("feeds");
    feeds
        .into_iter()
        .find(|feed| feed.name == name)
        .expect("the feed")
}

async fn import(world: &World) -> ServiceResult<Vec<FeedStatus>> {
    let request = FeedImport {
        pack_dir: world.pack.path().display().to_string(),
    };
    world.api.feed_import(&world.ctx, request).await
}

async fn open(world: &World) -> usize {
    world.inventory.reevaluate().await.expect("matched");
    let open = world
        .api
        .finding_list(&world.ctx, FindingList::default())
        .await;
    let total = open.expect("findings").total.expect("counted");
    usize::try_from(total).expect("few")
}

/// A host with 200 packages beside those that the pack speaks of.
async fn host(world: &World) {
    let host = world.host(1, &[]).await;
    let mut installed: Vec<ComponentKey> = (0..200)
        .map(|n| component(&format!("p{n}"), "1", &format!("p{n}")))
        .collect();
    installed.push(component("curl", "7.88.1-10+deb12u1", "curl"));
    world.report(host, installed).await;
}

/// The pack's records, and one of each of so many of the packages.
fn records(packages: usize) -> Vec<String> {
    let of = |n: usize| {
        let cve = format!("CVE-2026-2{n:04}");
        osv(&format!("x-{cve}"), &[&cve], &format!("p{n}"), "2")
    };
    let mut all = cve_records();
    all.extend((0..packages).map(of));
    all
}

#[tokio::test]
async fn a_jump_waits_for_a_person_who_may_take_it() {
    for world in World::both().await {
        world.import().await;
        host(&world).await;
        assert_eq!(open(&world).await, 2);
        // Twenty of 201 components: an ordinary day.
        write_pack(world.pack.path(), &records(20));
        import(&world).await.expect("believable");
        assert_eq!(open(&world).await, 22);
        let canary = status(&world, "debian-bookworm")
            .await
            .canary
            .expect("a canary");
        assert_eq!((canary.components, canary.newly_affected), (201, 20));
        let epoch = status(&world, "debian-bookworm").await.epoch;

        write_pack(world.pack.path(), &records(190));
        let held = import(&world).await.expect_err("held back");
        assert_eq!(held.code, ErrorCode::InvalidState, "{}", held.message);
        assert!(
            held.message.contains("170 of 201 sampled components"),
            "{}",
            held.message
        );
        assert_eq!(open(&world).await, 22);
        let waiting = status(&world, "debian-bookworm").await;
        assert!(
            waiting
                .waiting_for
                .is_some_and(|why| why.contains("held back by the canary"))
        );
        assert_eq!((waiting.records, waiting.waiting_records), (25, Some(195)));
        assert_eq!(waiting.epoch, epoch);
        assert!(waiting.waiting_since.is_some());

        let unknown = FeedAccept {
            name: Some("unknown".into()),
        };
        let refused = world.api.feed_accept(&world.ctx, unknown).await;
        assert_eq!(
            refused.expect_err("nothing waits").code,
            ErrorCode::NotFound
        );
        let accept = FeedAccept {
            name: Some("debian-bookworm".into()),
        };
        world
            .api
            .feed_accept(&world.ctx, accept)
            .await
            .expect("accepted");
        assert_eq!(open(&world).await, 192);
        let taken = status(&world, "debian-bookworm").await;
        assert_eq!((taken.records, taken.waiting_for), (195, None));
        assert!(taken.epoch > epoch);
    }
}

#[tokio::test]
async fn a_fall_and_a_shrunken_feed_wait_too() {
    let world = World::direct().await;
    write_pack(world.pack.path(), &records(100));
    world.import().await;
    host(&world).await;
    assert_eq!(open(&world).await, 102);
    // As many records, of other packages.
    let other = |record: String| record.replace("\"name\":\"p", "\"name\":\"q");
    write_pack(
        world.pack.path(),
        &records(100).into_iter().map(other).collect::<Vec<_>>(),
    );
    let held = import(&world).await.expect_err("held back");
    assert!(
        held.message.contains("100 of 101 affected components"),
        "{}",
        held.message
    );
    assert_eq!(open(&world).await, 102);
    // A tenth of the records: refused, and a person may know better.
    write_pack(world.pack.path(), &records(5));
    let refused = import(&world).await.expect_err("refused");
    assert!(
        refused.message.contains("shrank from 105 to 10"),
        "{}",
        refused.message
    );
    assert_eq!(open(&world).await, 102);
    world
        .api
        .feed_accept(&world.ctx, FeedAccept::default())
        .await
        .expect("accepted");
    assert_eq!(open(&world).await, 7);
    assert_eq!(status(&world, "debian-bookworm").await.records, 10);
}

#[tokio::test]
async fn an_import_that_dies_in_the_swap_leaves_the_old_epoch_whole() {
    let world = World::direct().await;
    world.import().await;
    host(&world).await;
    let before = (open(&world).await, status(&world, "debian-bookworm").await);
    write_pack(world.pack.path(), &records(10));
    // Another transaction stands in the way of the swap, behind its first writes.
    let catalog = world
        .database
        .database()
        .catalog_tx()
        .await
        .expect("transaction");
    catalog
        .execute("lock table inventory.advisories in share mode", [])
        .await
        .expect("locked");
    let inventory = world.inventory.clone();
    let (ctx, dir) = (world.ctx.clone(), world.pack.path().display().to_string());
    let dying = tokio::spawn(async move {
        let request = FeedImport { pack_dir: dir };
        inventory.feed_import(&ctx, request).await
    });
    netpatch_testkit::poll_until(
        "the swap to wait for the table",
        std::time::Duration::from_secs(60),
        async || {
            let waiting: Option<i64> = catalog
                .value(
                    "select count(*) from pg_locks where not granted and relation = 'inventory.advisories'::regclass",
                    [],
                )
                .await
                .expect("locks");
            (waiting > Some(0)).then_some(())
        },
    )
    .await;
    dying.abort();
    assert!(dying.await.expect_err("it died").is_cancelled());
    catalog.rollback().await.expect("unlocked");
    assert_eq!(
        (open(&world).await, status(&world, "debian-bookworm").await),
        before
    );
    // The next one is not hindered by what the dead one left.
    import(&world).await.expect("imported");
    assert_eq!(open(&world).await, 12);
}

#[tokio::test]
async fn two_imports_at_once_both_count() {
    let world = World::direct().await;
    world.import().await;
    let kev = r#"{"vulnerabilities":[{"cveID":"CVE-2026-10002"},{"cveID":"CVE-2026-10001"}]}"#;
    let epss = "cve,epss,percentile\nCVE-2026-10003,0.7,0.5\n";
    let one = |name: &str, text: &str| {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::create_dir(dir.path().join("enrich")).expect("folder");
        std::fs::write(dir.path().join("enrich").join(name), text).expect("file");
        dir
    };
    let dirs = [one("kev-1.json", kev), one("epss-1.csv", epss)];
    let [left, right] = dirs.each_ref().map(|dir| FeedImport {
        pack_dir: dir.path().display().to_string(),
    });
    let (left, right) = tokio::join!(
        world.api.feed_import(&world.ctx, left),
        world.api.feed_import(&world.ctx, right)
    );
    assert!(left.is_ok() && right.is_ok(), "{left:?} {right:?}");
    let of = async |cve: &str| {
        let get = AdvisoryGet {
            cve: Some(cve.to_owned()),
            ..AdvisoryGet::default()
        };
        world
            .api
            .advisory_get(&world.ctx, get)
            .await
            .expect("known")
    };
    assert!(of(CVES[1].0).await.kev);
    assert_eq!(of(CVES[2].0).await.epss, Some(0.7));
}

/// Every file below a folder.
fn files(dir: &Path, below: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).expect("folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, below, all);
        } else {
            let name = path
                .strip_prefix(below)
                .expect("below")
                .display()
                .to_string();
            all.insert(name, std::fs::read(&path).expect("file"));
        }
    }
}

#[tokio::test]
async fn what_is_exported_is_imported_again_and_exported_the_same() {
    let world = World::direct().await;
    world.import_from(&crate::world::bundled_pack()).await;
    let dir = tempfile::tempdir().expect("folder");
    let export = async |world: &World, name: &str| {
        let request = FeedExport {
            pack_dir: dir.path().join(name).display().to_string(),
        };
        let exported = world.api.feed_export(&world.ctx, request).await;
        let mut all = BTreeMap::new();
        files(&dir.path().join(name), &dir.path().join(name), &mut all);
        (exported.expect("exported"), all)
    };
    let (exported, first) = export(&world, "first").await;
    assert_eq!(exported.feeds, ["cvss", "debian-bookworm", "epss", "kev"]);
    assert_eq!(exported.files, 8);
    // The files are those of the pack, byte by byte, and the sums are right.
    let bundled = std::path::PathBuf::from(crate::world::bundled_pack());
    for (name, bytes) in first.iter().filter(|(name, _)| name.contains('/')) {
        assert_eq!(
            *bytes,
            std::fs::read(bundled.join(name)).expect("bundled"),
            "{name}"
        );
    }
    let sums = String::from_utf8(first["SHA256SUMS"].clone()).expect("text");
    assert_eq!(sums.lines().count(), 8);
    let other = World::direct().await;
    let feeds = other
        .import_from(dir.path().join("first").to_str().expect("text"))
        .await;
    assert_eq!(feeds.len(), 4);
    assert!(
        feeds
            .iter()
            .all(|feed| feed.skipped == 0 && feed.problem.is_none())
    );
    assert_eq!(export(&other, "second").await.1, first);
    // A folder with something in it is not written over.
    let request = FeedExport {
        pack_dir: dir.path().join("first").display().to_string(),
    };
    let refused = world.api.feed_export(&world.ctx, request).await;
    assert_eq!(
        refused.expect_err("not empty").code,
        ErrorCode::BadUserInput
    );
}

#[tokio::test]
async fn only_an_operators_administrator_may_accept_for_everybody() {
    let world = World::direct().await;
    world.import().await;
    write_pack(world.pack.path(), &cve_records()[..1]);
    import(&world).await.expect_err("shrank");
    let mut person = world.ctx.clone();
    person.actor.kind = ActorKind::User;
    let accept = |api: Arc<dyn InventoryApi>, ctx: netpatch_types::RequestContext| async move {
        api.feed_accept(&ctx, FeedAccept::default()).await
    };
    let code = |answer: ServiceResult<Vec<FeedStatus>>| answer.expect_err("refused").code;
    // An administrator of some organization.
    let refused = accept(world.api.clone(), person.clone()).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    let operated = netpatch_inventory::Inventory::with_feeds(
        world.database.database().clone(),
        Arc::new(MemoryBus::default()),
        world.clock.clone(),
        FeedSettings {
            operators: vec![person.tenant().expect("one")],
            ..FeedSettings::default()
        },
    );
    let mut reader = person.clone();
    reader.permissions = [Permission::Read].into();
    assert_eq!(
        code(accept(operated.clone(), reader).await),
        ErrorCode::Forbidden
    );
    let mut program = person.clone();
    program.actor.kind = ActorKind::ApiClient;
    assert_eq!(
        code(accept(operated.clone(), program).await),
        ErrorCode::Forbidden
    );
    let mut other = world.stranger();
    other.actor.kind = ActorKind::User;
    assert_eq!(
        code(accept(operated.clone(), other).await),
        ErrorCode::Forbidden
    );
    let feeds = accept(operated, person).await.expect("accepted");
    assert!(feeds.iter().all(|feed| feed.waiting_for.is_none()));
}

#[tokio::test]
async fn before_the_first_import_hosts_are_evaluated_one_after_the_other_and_the_work_ends_when_told()
 {
    let world = World::direct().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let job = tokio::spawn({
        let (inventory, stop) = (world.inventory.clone(), stop.clone());
        async move { inventory.run(None, stop).await }
    });
    let patience = std::time::Duration::from_secs(30);
    for number in 1..=3 {
        let host = world.host(number, &[]).await;
        world
            .report(host, vec![component("curl", "1", "curl")])
            .await;
        // The next one reports when this one is done, and everything behind the evaluation has had its turn.
        netpatch_testkit::poll_until("the evaluation", patience, async || {
            let events = world.events().await;
            let done = events.iter().any(
                |event| matches!(event, InventoryEventV1::HostReported { host: of, .. } if *of == host),
            );
            done.then_some(())
        })
        .await;
    }
    let told = world.events().await;
    let told = told
        .iter()
        .filter(|event| matches!(event, InventoryEventV1::AdvisoriesChanged { .. }));
    assert_eq!(told.count(), 0, "there are no advisories");
    stop.cancel();
    let ended = tokio::time::timeout(patience, job).await;
    ended.expect("in time").expect("stopped");
}

#[tokio::test]
async fn every_organization_is_told_once_of_a_new_epoch() {
    let world = World::direct().await;
    host(&world).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let job = tokio::spawn({
        let (inventory, stop) = (world.inventory.clone(), stop.clone());
        async move { inventory.run(None, stop).await }
    });
    let told = async |count: usize| {
        netpatch_testkit::poll_until(
            "the events",
            std::time::Duration::from_secs(30),
            async || {
                let told: Vec<_> = world
                    .events()
                    .await
                    .into_iter()
                    .filter_map(|event| match event {
                        InventoryEventV1::AdvisoriesChanged { epoch, feeds } => {
                            Some((epoch, feeds))
                        }
                        _ => None,
                    })
                    .collect();
                (told.len() >= count).then_some(told)
            },
        )
        .await
    };
    import(&world).await.expect("imported");
    let first = told(1).await;
    assert_eq!(first[0].1, ["cvss", "debian-bookworm", "epss", "kev"]);
    let kev = r#"{"vulnerabilities":[{"cveID":"CVE-2026-10002"}]}"#;
    std::fs::write(world.pack.path().join("enrich/kev-2026.01.12.json"), kev).expect("file");
    import(&world).await.expect("imported");
    let both = told(2).await;
    assert_eq!(both.len(), 2);
    assert!(both[1].0 > both[0].0);
    stop.cancel();
    job.await.expect("stopped");
}
