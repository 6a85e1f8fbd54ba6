//! Reports of many hosts, several processes, and evaluation behind them.

use crate::world::{World, component, cve_records, osv, write_pack};
use netpatch_inventory::Inventory;
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory_api::*;
use netpatch_storage::bus::MemoryBus;
use netpatch_types::{ComponentKey, ErrorCode, HostId, SiteId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Another process over the same database.
fn another(world: &World) -> Arc<Inventory> {
    let database = world.database.database().clone();
    Inventory::new(
        database,
        Arc::new(MemoryBus::default()),
        world.clock.clone(),
    )
}

fn whole(host: HostId, components: Vec<ComponentKey>) -> ManifestReport {
    ManifestReport {
        host,
        hash: manifest_hash(&components),
        components,
    }
}

fn curl(version: &str) -> ComponentKey {
    component("curl", &format!("7.88.1-10+deb12u{version}"), "curl")
}

async fn value(world: &World, sql: &str) -> i64 {
    let tx = world.database.database().write(&world.ctx).await.unwrap();
    tx.value(sql, []).await.unwrap().unwrap()
}

/// The open findings of a host: advisory, package and installed version.
async fn open(world: &World, host: HostId) -> BTreeSet<(String, String, String)> {
    let filter = FindingFilter {
        host: Some(host),
        ..FindingFilter::default()
    };
    let findings = world.findings(filter).await.into_iter();
    findings
        .map(|one| (one.advisory.name, one.component.name, one.component.version))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_two_processes_is_written_once_and_evaluated_behind() {
    let world = Arc::new(World::direct().await);
    world.import().await;
    let other = another(&world);
    let mut hosts = Vec::new();
    for machine in 1..=120 {
        hosts.push(world.host(machine, &[]).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (number, host) in hosts.iter().copied().enumerate() {
        let inventory = if number % 2 == 0 {
            world.inventory.clone()
        } else {
            other.clone()
        };
        let world = world.clone();
        tasks.spawn(async move {
            let mut components = vec![curl("1"), component("bash", &number.to_string(), "bash")];
            components.extend((0..20).map(|n| component(&format!("lib{n}"), "1", "lib")));
            components.rotate_left(number % 20);
            let outcome = inventory
                .manifest_report(&world.ctx, whole(host, components))
                .await;
            outcome.expect("written")
        });
    }
    let outcomes = tasks.join_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.base_known));
    let late = outcomes.iter().filter(|outcome| !outcome.evaluated).count();
    assert!(
        late > 0,
        "so many at once are not evaluated before they are answered"
    );
    assert_eq!(
        value(
            &world,
            "select count(*) from inventory.hosts where manifest is null"
        )
        .await,
        0
    );
    // A process that dies now leaves the work to any other one.
    another(&world).reevaluate().await.expect("evaluated");
    assert_eq!(
        value(&world, "select count(*) from inventory.evaluations").await,
        0
    );
    for host in hosts {
        assert_eq!(open(&world, host).await.len(), 2);
        assert_eq!(world.get(host).await.open_findings.values().sum::<u64>(), 2);
    }
    let told = world.events().await;
    let told = told.iter().filter(|event| {
        matches!(
            event,
            InventoryEventV1::HostReported {
                opened: 2,
                closed: 0,
                ..
            }
        )
    });
    assert_eq!(told.count(), 120, "each host's evaluation is told once");
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(value(&world, deadlocks).await, 0);
}

#[tokio::test]
async fn an_unchanged_report_needs_no_database() {
    let world = World::direct().await;
    let host = world.host(1, &[]).await;
    let components = vec![curl("1")];
    let hash = manifest_hash(&components);
    world.report(host, components.clone()).await;
    world.database.database().clone().close().await;
    let again = world.report(host, components.clone()).await;
    assert!(again.base_known && again.evaluated && again.opened == 0);
    let delta = ManifestDeltaReport {
        host,
        base: hash,
        hash,
        added: vec![],
        removed: vec![],
    };
    assert!(
        world
            .api
            .manifest_delta_report(&world.ctx, delta)
            .await
            .is_ok()
    );
    // What is not known for certain asks the database, which is gone.
    let mut narrow = world.ctx.clone();
    narrow.sites = Some(vec![world.site]);
    let asks = world
        .api
        .manifest_report(&narrow, whole(host, components.clone()))
        .await;
    assert_eq!(
        asks.expect_err("no database").code,
        ErrorCode::UpstreamUnavailable
    );
    world.clock.advance(Duration::from_secs(2));
    let asks = world
        .api
        .manifest_report(&world.ctx, whole(host, components))
        .await;
    assert_eq!(
        asks.expect_err("no database").code,
        ErrorCode::UpstreamUnavailable
    );
}

#[tokio::test]
async fn what_another_process_wrote_is_seen() {
    let world = World::direct().await;
    let other = another(&world);
    let host = world.host(1, &[]).await;
    let (old, new) = (vec![curl("1")], vec![curl("2")]);
    world.report(host, old.clone()).await;
    other
        .manifest_report(&world.ctx, whole(host, new.clone()))
        .await
        .expect("written");
    world.clock.advance(Duration::from_secs(2));
    // It goes back, here: this is no repetition.
    world.report(host, old.clone()).await;
    assert_eq!(world.get(host).await.manifest, Some(manifest_hash(&old)));
    let history = "select count(*) from inventory.host_manifests";
    assert_eq!(
        value(&world, history).await,
        2,
        "the first two were in one instant"
    );
}

#[tokio::test]
async fn a_report_that_was_answered_from_a_stale_entry_is_written_after_all() {
    let world = World::direct().await;
    let other = another(&world);
    let (host, neighbour) = (world.host(1, &[]).await, world.host(2, &[]).await);
    let (old, new) = (vec![curl("1")], vec![curl("2")]);
    world.report(host, old.clone()).await;
    other
        .manifest_report(&world.ctx, whole(host, new.clone()))
        .await
        .expect("written");
    world.clock.advance(Duration::from_millis(500));
    world.report(host, old.clone()).await;
    assert_eq!(
        world.get(host).await.manifest,
        Some(manifest_hash(&new)),
        "not seen yet"
    );
    world.clock.advance(Duration::from_secs(1));
    world.report(neighbour, new.clone()).await;
    assert_eq!(world.get(host).await.manifest, Some(manifest_hash(&old)));
}

#[tokio::test]
async fn changes_lead_to_the_findings_of_the_whole() {
    let world = World::direct().await;
    world.import().await;
    let (changing, fresh) = (world.host(1, &[]).await, world.host(2, &[]).await);
    let libcurl =
        |version: &str| component("libcurl4", &format!("7.88.1-10+deb12u{version}"), "curl");
    let zip = |version: &str| component("zip", version, "zip");
    let states = [
        vec![
            curl("1"),
            libcurl("1"),
            zip("3.0-13"),
            component("bash", "5", "bash"),
        ],
        vec![
            curl("2"),
            libcurl("1"),
            zip("3.0-13"),
            component("bash", "6", "bash"),
        ],
        vec![curl("2"), libcurl("2")],
        vec![curl("1"), libcurl("3"), zip("3.0-13+deb12u1")],
        vec![
            curl("3"),
            libcurl("1"),
            zip("3.0-13"),
            component("tor", "0", "tor"),
        ],
    ];
    let mut opened = 0;
    for state in &states {
        let outcome = world.report(changing, state.clone()).await;
        assert!(outcome.evaluated);
        opened = opened + outcome.opened - outcome.closed;
        world.report(fresh, vec![]).await;
        world.report(fresh, state.clone()).await;
        let (changed, whole) = (open(&world, changing).await, open(&world, fresh).await);
        assert_eq!(changed, whole);
        assert_eq!(opened, u64::try_from(whole.len()).unwrap());
        let counts =
            [world.get(changing).await, world.get(fresh).await].map(|host| host.open_findings);
        assert_eq!(counts[0], counts[1]);
    }
}

#[tokio::test]
async fn a_change_that_does_not_hash_adds_nothing_to_the_catalog() {
    let world = World::direct().await;
    let host = world.host(1, &[]).await;
    let base = vec![curl("1")];
    world.report(host, base.clone()).await;
    let delta = |added: Vec<ComponentKey>| ManifestDeltaReport {
        host,
        base: manifest_hash(&base),
        hash: manifest_hash([&curl("1"), &component("new", "1", "new")]),
        added,
        removed: vec![],
    };
    let count = "select count(*) from inventory.components";
    let before = value(&world, count).await;
    for added in [
        vec![component("other", "1", "other")],
        vec![component("a\u{0}", "1", "a")],
        vec![component("new", "1", "new"), component("new", "1", "new")],
    ] {
        let refused = world
            .api
            .manifest_delta_report(&world.ctx, delta(added))
            .await;
        assert_eq!(refused.expect_err("refused").code, ErrorCode::BadUserInput);
    }
    let absent = whole(
        HostId::new(world.ctx.deadline),
        vec![component("absent", "1", "a")],
    );
    let refused = world.api.manifest_report(&world.ctx, absent).await;
    assert_eq!(refused.expect_err("refused").code, ErrorCode::NotFound);
    assert_eq!(value(&world, count).await, before);
    let fits = delta(vec![component("new", "1", "new")]);
    world
        .api
        .manifest_delta_report(&world.ctx, fits)
        .await
        .expect("accepted");
    assert_eq!(value(&world, count).await, before + 1);
}

#[tokio::test]
async fn two_reports_of_a_host_at_once_are_written_one_after_the_other() {
    let world = World::direct().await;
    let host = world.host(1, &[]).await;
    let report = |version| whole(host, vec![curl(version)]);
    // What is in them is known, so that none has to ask the catalog first.
    let neighbour = world.host(2, &[]).await;
    for version in ["1", "2", "3"] {
        world.report(neighbour, vec![curl(version)]).await;
    }
    let (one, two, three) = tokio::join!(
        world.api.manifest_report(&world.ctx, report("1")),
        world.api.manifest_report(&world.ctx, report("2")),
        world.api.manifest_report(&world.ctx, report("3")),
    );
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(world.get(host).await.manifest, Some(report("3").hash));
}

#[tokio::test]
async fn after_an_import_only_hosts_are_evaluated_on_which_something_changes() {
    let world = World::direct().await;
    world.import().await;
    let hosts = [
        world.host(1, &[]).await,
        world.host(2, &[]).await,
        world.host(3, &[]).await,
    ];
    world.report(hosts[0], vec![curl("1")]).await;
    world
        .report(hosts[1], vec![component("zip", "3.0-13", "zip")])
        .await;
    world
        .report(hosts[2], vec![component("zip", "3.0-14", "zip")])
        .await;
    let mut records = cve_records();
    records[2] = osv(
        "x-CVE-2026-10003",
        &["CVE-2026-10003"],
        "zip",
        "3.0-14+deb12u1",
    );
    write_pack(world.pack.path(), &records);
    let request = FeedImport {
        pack_dir: world.pack.path().display().to_string(),
    };
    world
        .api
        .feed_import(&world.ctx, request.clone())
        .await
        .expect("import");
    assert_eq!(
        world.inventory.reevaluate().await,
        Ok(2),
        "curl says what it said"
    );
    let zip = |version: &str| {
        BTreeSet::from([(
            "CVE-2026-10003".to_owned(),
            "zip".to_owned(),
            version.to_owned(),
        )])
    };
    assert_eq!(open(&world, hosts[1]).await, zip("3.0-13"));
    assert_eq!(open(&world, hosts[2]).await, zip("3.0-14"));
    assert_eq!(open(&world, hosts[0]).await.len(), 2);
    // Another process does not know what it was before: it evaluates all.
    write_pack(world.pack.path(), &cve_records());
    world
        .api
        .feed_import(&world.ctx, request)
        .await
        .expect("import");
    assert_eq!(another(&world).reevaluate().await, Ok(3));
    assert_eq!(open(&world, hosts[1]).await, zip("3.0-13"));
    assert!(open(&world, hosts[2]).await.is_empty());
}

#[tokio::test]
async fn the_hosts_of_an_advisory_are_those_that_one_may_see() {
    for world in World::both().await {
        world.import().await;
        let other = another(&world);
        let (one, two) = (world.host(1, &[]).await, world.host(2, &[]).await);
        world.report(one, vec![curl("1")]).await;
        world.report(two, vec![curl("2")]).await;
        let advisory = async |cve: &str| {
            let get = AdvisoryGet {
                cve: Some(cve.into()),
                ..AdvisoryGet::default()
            };
            world
                .api
                .advisory_get(&world.ctx, get)
                .await
                .expect("known")
                .id
        };
        let (first, second) = (
            advisory("CVE-2026-10001").await,
            advisory("CVE-2026-10002").await,
        );
        let hosts = async |ctx: &netpatch_types::RequestContext, advisory| -> Vec<HostId> {
            let list = HostList {
                page: netpatch_types::PageRequest::largest(),
                filter: HostFilter {
                    advisory: Some(advisory),
                    ..HostFilter::default()
                },
            };
            let page = world.api.host_list(ctx, list).await.expect("list");
            assert_eq!(page.total, u64::try_from(page.rows.len()).ok());
            page.into_nodes().into_iter().map(|host| host.id).collect()
        };
        assert_eq!(hosts(&world.ctx, first).await, [one]);
        assert_eq!(hosts(&world.ctx, second).await, [one, two]);
        assert!(hosts(&world.stranger(), second).await.is_empty());
        let mut narrow = world.ctx.clone();
        narrow.sites = Some(vec![SiteId::new(world.ctx.deadline)]);
        assert!(hosts(&narrow, second).await.is_empty());
        let mut partner = world.stranger();
        partner.read.push(world.ctx.read[0]);
        assert_eq!(hosts(&partner, first).await, [one]);
        // Fixed on one, by another process; a new host carries it.
        other
            .manifest_report(&world.ctx, whole(one, vec![curl("3")]))
            .await
            .expect("written");
        let three = world.host(3, &[]).await;
        world.report(three, vec![curl("1")]).await;
        assert_eq!(hosts(&world.ctx, first).await, [three]);
        assert_eq!(hosts(&world.ctx, second).await, [two, three]);
        let nothing = netpatch_types::AdvisoryId(uuid::Uuid::nil());
        let list = HostList {
            filter: HostFilter {
                advisory: Some(nothing),
                ..HostFilter::default()
            },
            ..HostList::default()
        };
        let unknown = world.api.host_list(&world.ctx, list).await;
        assert_eq!(unknown.expect_err("unknown").code, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn a_new_kernel_changes_what_stands_beside_it() {
    let world = World::direct().await;
    let mut records = cve_records();
    records.push(osv(
        "x-CVE-2026-10004",
        &["CVE-2026-10004"],
        "linux",
        "6.1.90-1",
    ));
    write_pack(world.pack.path(), &records);
    world.import().await;
    let host = world.host(1, &[]).await;
    let facts = HostFacts {
        kernel: "6.1.0-20-amd64".into(),
        ..crate::world::facts(1, "host1")
    };
    let report = HostFactsReport { host, facts };
    world
        .api
        .host_facts_report(&world.ctx, report)
        .await
        .expect("facts");
    let kernel = |name: &str, version: &str| component(name, version, "linux-signed-amd64");
    let old = kernel("linux-image-6.1.0-20-amd64", "6.1.85-1");
    world.report(host, vec![old.clone(), curl("1")]).await;
    let state = async || {
        let filter = FindingFilter {
            source: Some("linux".into()),
            ..FindingFilter::default()
        };
        let found = world.findings(filter).await;
        assert_eq!(found.len(), 1);
        found[0].applicability
    };
    assert_eq!(state().await, Applicability::Applicable);
    let new = kernel("linux-image-6.1.0-44-amd64", "6.1.164-1");
    world.report(host, vec![old.clone(), new, curl("1")]).await;
    assert_eq!(state().await, Applicability::PendingReboot);
    world.report(host, vec![old, curl("1")]).await;
    assert_eq!(state().await, Applicability::Applicable);
}
