//! Hosts that are no Debian: their own version order, their vendor's errata, versions side by side.

use crate::world::{World, facts, update};
use netpatch_inventory_api::*;
use netpatch_types::{
    Classification, ComponentKey, Ecosystem, HostId, Labels, PatchId, ServiceError,
};

const ALMA: &str = r#"{"id":"ALSA-2026:0001","published":"2026-01-02T00:00:00Z","summary":"Important: openssl security update","related":["CVE-2026-20001"],"affected":[{"package":{"ecosystem":"AlmaLinux:9","name":"openssl-libs"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:3.0.7-27.el9_3.1"}]}]},{"package":{"ecosystem":"AlmaLinux:9","name":"kernel"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"5.14.0-427.el9"}]}]}]}"#;

/// The same notice once more, as the vendor's database has some.
const AGAIN: &str = r#"{"id":"ALSA-2026:0001","published":"2026-01-02T00:00:00Z","summary":"Important: openssl security update","related":["CVE-2026-20001"],"affected":[{"package":{"ecosystem":"AlmaLinux:9","name":"openssl-devel"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:3.0.7-27.el9_3.1"}]}]}]}"#;

/// A version that dpkg's order has no place for: it knows no caret.
const FIXED: &str = "1:3.0.8^git1-1.el9";

fn component(name: &str, version: &str) -> ComponentKey {
    ComponentKey {
        ecosystem: Ecosystem::Rpm,
        distribution: "almalinux".into(),
        release: "9".into(),
        name: name.into(),
        version: version.into(),
        arch: "x86_64".into(),
        source: "openssl".into(),
        source_version: version.into(),
    }
}

fn rpm_update(name: &str, candidate: &str) -> InstallableUpdate {
    InstallableUpdate {
        arch: "x86_64".into(),
        label: "AlmaLinux 9 - BaseOS".into(),
        suite: "baseos".into(),
        ecosystem: Ecosystem::Rpm,
        errata: vec!["ALSA-2026:0001".into(), "ALBA-2026:0002".into()],
        security: true,
        ..update(name, "openssl", candidate)
    }
}

async fn world() -> World {
    let world = World::direct().await;
    let place = world.pack.path().join("almalinux");
    std::fs::create_dir_all(&place).expect("folder");
    let feed = format!("{ALMA}\n{AGAIN}\n");
    std::fs::write(place.join("advisories.osv.jsonl"), feed).expect("feed");
    world.import().await;
    world
}

async fn alma_host(world: &World, machine: u8) -> HostId {
    let id = HostId::new(netpatch_types::Clock::now(&*world.clock));
    let request = HostRegister {
        id,
        site: world.site,
        facts: HostFacts {
            os_id: "almalinux".into(),
            os_version: "9.4".into(),
            os_release: "9".into(),
            arch: "x86_64".into(),
            ..facts(machine, &format!("alma{machine}"))
        },
        labels: Labels::new(),
    };
    world
        .api
        .host_register(&world.ctx, request)
        .await
        .expect("register")
        .id
}

async fn open(world: &World, host: HostId) -> Vec<Finding> {
    world
        .findings(FindingFilter {
            host: Some(host),
            ..FindingFilter::default()
        })
        .await
}

fn patch_id(version: &str) -> PatchId {
    PatchId::of("rpm", &format!("almalinux/9/openssl/{version}"))
}

#[tokio::test]
async fn an_update_of_an_rpm_host_is_its_own_worlds_patch() {
    let world = world().await;
    let host = alma_host(&world, 1).await;
    world
        .report(host, vec![component("openssl-libs", "1:3.0.7-6.el9")])
        .await;
    world
        .offer(host, vec![rpm_update("openssl-libs", FIXED)])
        .await;
    let findings = open(&world, host).await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].applicability, Applicability::Installable);
    assert_eq!(findings[0].patch, Some(patch_id(FIXED)));
    assert_eq!(findings[0].evidence.comparator, "rpm");
    let get = PatchGet {
        id: patch_id(FIXED),
    };
    let patch = world.api.patch_get(&world.ctx, get).await.expect("patch");
    assert_eq!(
        (patch.distribution.as_str(), patch.release.as_str()),
        ("almalinux", "9")
    );
    // A vendor's erratum that a feed tells of is named once, and one that only the host's index knows is named too.
    assert_eq!(patch.advisories, ["ALSA-2026:0001", "ALBA-2026:0002"]);

    world
        .report(host, vec![component("openssl-libs", FIXED)])
        .await;
    assert!(open(&world, host).await.is_empty());
}

#[tokio::test]
async fn a_notice_that_the_feed_has_twice_is_one_advisory_for_all_it_names() {
    let world = world().await;
    let host = alma_host(&world, 1).await;
    let old = |name| component(name, "1:3.0.7-6.el9");
    world
        .report(host, vec![old("openssl-libs"), old("openssl-devel")])
        .await;
    let findings = open(&world, host).await;
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[0].advisory, findings[1].advisory);
}

#[tokio::test]
async fn an_erratum_alone_makes_a_security_patch() {
    let world = world().await;
    let host = alma_host(&world, 1).await;
    world
        .report(host, vec![component("zlib", "1.2.11-40.el9")])
        .await;
    let offered = InstallableUpdate {
        source: "zlib".into(),
        source_version: "1.2.11-41.el9".into(),
        ..rpm_update("zlib", "1.2.11-41.el9")
    };
    world.offer(host, vec![offered]).await;
    let id = PatchId::of("rpm", "almalinux/9/zlib/1.2.11-41.el9");
    let patch = world
        .api
        .patch_get(&world.ctx, PatchGet { id })
        .await
        .expect("patch");
    assert_eq!(patch.classification, Classification::Security);
    assert_eq!(patch.advisories, ["ALBA-2026:0002", "ALSA-2026:0001"]);
}

#[tokio::test]
async fn the_newest_patch_is_the_newest_by_rpms_order() {
    let world = world().await;
    for (machine, version) in [(1, "1:3.0.7^a-1.el9"), (2, "1:3.0.7-1.el9")] {
        let host = alma_host(&world, machine).await;
        world
            .report(host, vec![component("openssl-libs", "1:3.0.1-1.el9")])
            .await;
        world
            .offer(host, vec![rpm_update("openssl-libs", version)])
            .await;
    }
    // A caret sorts behind its own base; dpkg would not compare the two at all.
    let get = PatchGet {
        id: patch_id("1:3.0.7-1.el9"),
    };
    let patch = world.api.patch_get(&world.ctx, get).await.expect("patch");
    assert_eq!(patch.superseded_by, Some(patch_id("1:3.0.7^a-1.el9")));
}

#[tokio::test]
async fn a_kernel_beside_an_older_one_is_not_pending() {
    let world = world().await;
    let host = alma_host(&world, 1).await;
    let offered = InstallableUpdate {
        source: "kernel".into(),
        ..rpm_update("kernel", "5.14.0-427.el9")
    };
    world
        .report(host, vec![component("kernel", "5.14.0-70.el9")])
        .await;
    world.offer(host, vec![offered]).await;
    assert!(open(&world, host).await[0].patch.is_some());
    let both = ["5.14.0-70.el9", "5.14.0-427.el9"].map(|version| component("kernel", version));
    world.report(host, both.to_vec()).await;
    let left = open(&world, host).await;
    assert_eq!(left.len(), 1, "the old kernel is still on the disk");
    assert_eq!(left[0].patch, None, "but there is nothing left to install");
}

#[tokio::test]
async fn what_cannot_be_compared_or_is_too_much_is_refused() {
    let world = world().await;
    let host = alma_host(&world, 1).await;
    world
        .report(host, vec![component("openssl-libs", "1:3.0.7-6.el9")])
        .await;
    let long = "x".repeat(513);
    for odd in [
        rpm_update("openssl-libs", "1: 2"),
        InstallableUpdate {
            errata: vec![long],
            ..rpm_update("openssl-libs", FIXED)
        },
        InstallableUpdate {
            errata: vec!["a\nb".into()],
            ..rpm_update("openssl-libs", FIXED)
        },
        InstallableUpdate {
            errata: vec!["e".into(); 501],
            ..rpm_update("openssl-libs", FIXED)
        },
    ] {
        let request = ApplicabilityReport {
            sources: Vec::new(),
            host,
            manifest: world.get(host).await.manifest.expect("a manifest"),
            updates: vec![odd],
            problem: String::new(),
        };
        let refused: ServiceError = world
            .api
            .applicability_report(&world.ctx, request)
            .await
            .expect_err("refused");
        assert_eq!(refused.code, netpatch_types::ErrorCode::BadUserInput);
    }
}
