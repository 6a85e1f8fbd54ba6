//! Findings: opened, explained, ranked, closed.

use crate::status;
use crate::world::{World, bundled_pack, component, update};
use netpatch_inventory_api::*;
use netpatch_types::{PageRequest, Severity};
use std::time::Duration;

#[tokio::test]
async fn a_host_of_the_real_pack_has_the_findings_of_the_reference() {
    for world in World::both().await {
        world.import_from(&bundled_pack()).await;
        let host = world.host(1, &[]).await;
        let components = status::components(&status::fixture("real-container.status"));
        let outcome = world.report(host, components.clone()).await;
        let expected = status::fixture("real-container.expected.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        let own = world
            .findings(FindingFilter {
                host: Some(host),
                ..FindingFilter::default()
            })
            .await;
        assert!(
            own.windows(2)
                .all(|pair| pair[0].risk.score >= pair[1].risk.score),
            "worst first"
        );
        assert_eq!(own.len(), 100);

        // Besides the reference's CVEs there are updates without a CVE, named by the vendor's id.
        let mut named_by_vendor = 0;
        let mut all = 0;
        let mut after = None;
        loop {
            let page = PageRequest { first: 100, after };
            let page = world
                .api
                .finding_list(
                    &world.ctx,
                    FindingList {
                        page,
                        ..FindingList::default()
                    },
                )
                .await
                .expect("page");
            all += page.rows.len();
            named_by_vendor += page
                .rows
                .iter()
                .filter(|row| !row.node.advisory.name.starts_with("CVE-"))
                .count();
            after = page.rows.last().map(|row| row.cursor.clone());
            if !page.has_next {
                break;
            }
        }
        assert_eq!(all - named_by_vendor, expected);
        assert_eq!(outcome.opened, all as u64);
        let counted: u64 = world.get(host).await.open_findings.values().sum();
        assert_eq!(counted, outcome.opened);
    }
}

#[tokio::test]
async fn a_finding_explains_itself_and_closes_when_the_fix_is_installed() {
    for world in World::both().await {
        world.import().await;
        let host = world
            .host(1, &[("exposure", "internet"), ("criticality", "high")])
            .await;
        let old = component("libcurl4", "7.88.1-10+deb12u1", "curl");
        assert_eq!(
            world
                .report(host, vec![old, component("bash", "5.2.15-2", "bash")])
                .await
                .opened,
            2
        );

        let findings = world.findings(FindingFilter::default()).await;
        let worst = &findings[0];
        assert_eq!(
            (worst.advisory.name.as_str(), worst.advisory.severity),
            ("CVE-2026-10001", Severity::Critical)
        );
        assert_eq!(worst.advisory.vendor_refs, ["DSA-9001-1"]);
        assert_eq!(worst.advisory.summary, "curl overflow");
        assert_eq!(worst.applicability, Applicability::Applicable);
        assert_eq!(worst.risk.missing, ["epss", "cvss", "ssvc"]);
        let sum: f64 = worst.risk.terms.iter().map(|term| term.points).sum();
        assert!((sum - worst.risk.score).abs() < 1e-6);
        let evidence = &worst.evidence;
        assert_eq!(
            (evidence.rule.as_str(), evidence.comparator.as_str()),
            ("debian-source", "dpkg")
        );
        assert_eq!(
            (
                evidence.installed_version.as_str(),
                evidence.fixed_version.as_str()
            ),
            ("7.88.1-10+deb12u1", "7.88.1-10+deb12u2")
        );
        assert_eq!(evidence.record, "x-CVE-2026-10001");
        assert_eq!(
            world
                .api
                .finding_get(&world.ctx, FindingGet { id: worst.id })
                .await
                .as_ref(),
            Ok(worst)
        );
        assert_eq!(findings[1].advisory.severity, Severity::High);

        // Half-way: one closes, the other goes on with its first sight and id.
        world.clock.advance(Duration::from_secs(3600));
        let half = component("libcurl4", "7.88.1-10+deb12u2", "curl");
        let outcome = world
            .report(host, vec![half, component("bash", "5.2.15-2", "bash")])
            .await;
        assert_eq!((outcome.opened, outcome.closed), (0, 1));
        let left = world.findings(FindingFilter::default()).await;
        assert_eq!(
            (left[0].id, left[0].first_seen_at),
            (findings[1].id, findings[1].first_seen_at)
        );
        assert_eq!(left[0].component.version, "7.88.1-10+deb12u2");

        let gone = world
            .api
            .finding_get(&world.ctx, FindingGet { id: worst.id })
            .await
            .expect("kept");
        assert_eq!(
            gone.resolved_at,
            Some(netpatch_types::Clock::now(&*world.clock))
        );
        assert_eq!(
            world
                .findings(FindingFilter {
                    resolved: true,
                    ..FindingFilter::default()
                })
                .await
                .len(),
            2
        );
    }
}

#[tokio::test]
async fn the_queue_has_one_item_a_patch_highest_risk_first() {
    for world in World::both().await {
        world.import().await;
        for machine in [1, 2] {
            let host = world.host(machine, &[]).await;
            let components = [
                ("curl", "7.88.1-10+deb12u1", "curl"),
                ("zip", "3.0-13", "zip"),
                ("vim", "2:9.0.1378-2", "vim"),
            ];
            world
                .report(
                    host,
                    components
                        .map(|(name, version, source)| component(name, version, source))
                        .to_vec(),
                )
                .await;
            let mut plain = update("vim", "vim", "2:9.0.1378-2+deb12u2");
            plain.label = "Debian".into();
            world
                .offer(
                    host,
                    vec![
                        plain,
                        update("zip", "zip", "3.0-13+deb12u1"),
                        update("curl", "curl", "7.88.1-10+deb12u3"),
                    ],
                )
                .await;
        }
        let queue = |page| {
            world.api.queue_list(
                &world.ctx,
                QueueList {
                    page,
                    ..QueueList::default()
                },
            )
        };
        let page = queue(PageRequest::largest()).await.expect("queue");
        assert_eq!(page.total, Some(3));
        let items = page.into_nodes();
        let seen: Vec<_> = items
            .iter()
            .map(|item| (item.patch.name.as_str(), item.hosts, item.findings))
            .collect();
        assert_eq!(seen, [("curl", 2, 4), ("zip", 2, 2), ("vim", 2, 0)]);
        assert_eq!(
            items[0].patch.classification,
            netpatch_types::Classification::Critical
        );
        assert_eq!(
            items[0].patch.advisories,
            ["CVE-2026-10001", "CVE-2026-10002"]
        );
        assert!(
            items[0].risk.score > items[1].risk.score && items[1].risk.score > items[2].risk.score
        );

        let first = queue(PageRequest {
            first: 1,
            after: None,
        })
        .await
        .expect("first");
        let second = queue(PageRequest {
            first: 1,
            after: Some(first.rows[0].cursor.clone()),
        })
        .await
        .expect("second");
        assert_eq!(second.rows[0].node.patch.name, "zip");
        assert!(
            queue(PageRequest {
                first: 1,
                after: Some("x".into())
            })
            .await
            .is_err()
        );

        let severe = QueueList {
            page: PageRequest::largest(),
            severities: vec![Severity::Critical],
            ..QueueList::default()
        };
        let severe = world
            .api
            .queue_list(&world.ctx, severe)
            .await
            .expect("queue")
            .into_nodes();
        assert_eq!(
            severe
                .iter()
                .map(|item| (item.patch.name.as_str(), item.findings))
                .collect::<Vec<_>>(),
            [("curl", 2)]
        );
    }
}

#[tokio::test]
async fn an_old_kernel_waits_for_the_restart_and_is_left_behind_by_it() {
    for world in World::both().await {
        world.import_from(&bundled_pack()).await;
        let host = world.host(1, &[]).await;
        let runs = async |kernel: &str| {
            let mut facts = crate::world::facts(1, "host1");
            facts.kernel = kernel.into();
            let report = HostFactsReport { host, facts };
            world
                .api
                .host_facts_report(&world.ctx, report)
                .await
                .expect("facts");
        };
        runs("6.1.0-9-amd64").await;
        let image = |release: &str, version: &str| {
            component(
                &format!("linux-image-{release}-amd64"),
                version,
                "linux-signed-amd64",
            )
        };
        world
            .report(
                host,
                vec![image("6.1.0-9", "6.1.27-1"), image("6.1.0-20", "6.1.85-1")],
            )
            .await;
        // CVE-2023-31248 was fixed in 6.1.38: the newer image has it.
        let state = async || -> Vec<Applicability> {
            let filter = FindingFilter {
                cve: Some("CVE-2023-31248".into()),
                ..FindingFilter::default()
            };
            let found = world.findings(filter).await;
            found.into_iter().map(|one| one.applicability).collect()
        };
        assert_eq!(state().await, [Applicability::PendingReboot]);
        runs("6.1.0-20-amd64").await;
        assert_eq!(state().await, [Applicability::Superseded]);
        let waiting = FindingFilter {
            applicability: vec![Applicability::PendingReboot],
            ..FindingFilter::default()
        };
        assert!(world.findings(waiting).await.is_empty());
    }
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let world = World::direct().await;
    world.import().await;
    let host = world.host(1, &[]).await;
    world
        .report(
            host,
            vec![
                component("curl", "7.88.1-10+deb12u1", "curl"),
                component("zip", "3.0-13", "zip"),
            ],
        )
        .await;
    world
        .offer(host, vec![update("curl", "curl", "7.88.1-10+deb12u2")])
        .await;
    let names = async |filter| -> Vec<String> {
        let mut names: Vec<String> = world
            .findings(filter)
            .await
            .into_iter()
            .map(|finding| finding.advisory.name)
            .collect();
        names.sort();
        names
    };
    let one = FindingFilter::default;
    assert_eq!(
        names(FindingFilter {
            kev: Some(true),
            ..one()
        })
        .await,
        ["CVE-2026-10001"]
    );
    assert_eq!(
        names(FindingFilter {
            severities: vec![Severity::High],
            ..one()
        })
        .await,
        ["CVE-2026-10002"]
    );
    assert_eq!(
        names(FindingFilter {
            source: Some("zip".into()),
            ..one()
        })
        .await,
        ["CVE-2026-10003"]
    );
    assert_eq!(
        names(FindingFilter {
            patch: Some(crate::world::patch_id("curl", "7.88.1-10+deb12u2")),
            ..one()
        })
        .await,
        ["CVE-2026-10001"]
    );
    assert_eq!(
        names(FindingFilter {
            cve: Some("cve-2026-10002".into()),
            ..one()
        })
        .await,
        ["CVE-2026-10002"]
    );
    let offers: Vec<_> = world
        .findings(one())
        .await
        .into_iter()
        .map(|finding| (finding.advisory.name, finding.offer))
        .collect();
    assert_eq!(
        offers.iter().filter(|(_, offer)| offer.is_some()).count(),
        1
    );
    let (name, offer) = &offers[0];
    let offer = offer.as_ref().expect("offered");
    assert_eq!(name, "CVE-2026-10001");
    assert_eq!(
        (offer.version.as_str(), offer.label.as_str()),
        ("7.88.1-10+deb12u2", "Debian-Security")
    );
    assert_eq!(
        names(FindingFilter {
            applicability: vec![Applicability::Installable, Applicability::Held],
            ..one()
        })
        .await,
        ["CVE-2026-10001"]
    );
    let advisory = AdvisoryGet {
        cve: Some("CVE-2026-10003".into()),
        ..AdvisoryGet::default()
    };
    let advisory = world
        .api
        .advisory_get(&world.ctx, advisory)
        .await
        .expect("advisory");
    assert_eq!(
        names(FindingFilter {
            advisory: Some(advisory.id),
            ..one()
        })
        .await,
        ["CVE-2026-10003"]
    );
    assert!(
        names(FindingFilter {
            sites: vec![netpatch_types::SiteId(uuid::Uuid::nil())],
            ..one()
        })
        .await
        .is_empty()
    );
}

#[tokio::test]
async fn findings_are_counted_by_advisory_patch_and_host() {
    for world in World::both().await {
        world.import().await;
        let mut hosts = Vec::new();
        for machine in 1..=2 {
            let host = world.host(machine, &[]).await;
            let mut components = vec![component("curl", "7.88.1-10+deb12u1", "curl")];
            if machine == 1 {
                components.push(component("zip", "3.0-13", "zip"));
            }
            world.report(host, components).await;
            world
                .offer(host, vec![update("curl", "curl", "7.88.1-10+deb12u3")])
                .await;
            hosts.push(host);
        }
        let groups = async |by, page| {
            let request = FindingGroupList {
                page,
                by,
                filter: FindingFilter::default(),
            };
            let page = world.api.finding_group_list(&world.ctx, request).await;
            page.expect("groups")
        };
        let tenant = world.ctx.tenant().expect("one organization");
        let advisories = groups(FindingGrouping::Advisory, PageRequest::largest()).await;
        assert_eq!(advisories.total, Some(3));
        let seen: Vec<(String, u64, u64, bool)> = advisories
            .into_nodes()
            .into_iter()
            .map(|group| match group.key {
                FindingGroupKey::Advisory(advisory) => {
                    (advisory.name, group.hosts, group.findings, group.kev)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("CVE-2026-10001".to_owned(), 2, 2, true),
                ("CVE-2026-10002".to_owned(), 2, 2, false),
                ("CVE-2026-10003".to_owned(), 1, 1, false)
            ]
        );
        let curl = crate::world::patch_id("curl", "7.88.1-10+deb12u3");
        let patches = groups(FindingGrouping::Patch, PageRequest::largest())
            .await
            .into_nodes();
        assert_eq!(
            patches
                .iter()
                .map(|group| (&group.key, group.hosts, group.findings, group.severity))
                .collect::<Vec<_>>(),
            [
                (
                    &FindingGroupKey::Patch(tenant, Some(curl)),
                    2,
                    4,
                    Severity::Critical
                ),
                (
                    &FindingGroupKey::Patch(tenant, None),
                    1,
                    1,
                    patches[1].severity
                )
            ]
        );
        // Page by page, each group once.
        let (mut after, mut names) = (None, Vec::new());
        loop {
            let page = groups(FindingGrouping::Host, PageRequest { first: 1, after }).await;
            after = page.rows.last().map(|row| row.cursor.clone());
            let has_next = page.has_next;
            names.extend(page.into_nodes().into_iter().map(|group| group.key));
            if !has_next {
                break;
            }
        }
        let both: Vec<_> = hosts
            .into_iter()
            .map(|host| FindingGroupKey::Host(tenant, host))
            .collect();
        assert_eq!(names.len(), 2);
        assert!(both.iter().all(|key| names.contains(key)), "{names:?}");
        assert!(names[0] == both[0], "the host with more findings first");
    }
}

#[tokio::test]
async fn a_host_with_tens_of_thousands_of_findings_fits_one_report() {
    let world = World::direct().await;
    world.import_from(&bundled_pack()).await;
    let host = world.host(1, &[]).await;
    let components = status::components(&status::fixture("release-day-2023-06.status"));
    let outcome = world.report(host, components.clone()).await;
    assert!(outcome.opened >= 24_459, "{outcome:?}");
    let worst = world
        .findings(FindingFilter {
            kev: Some(true),
            ..FindingFilter::default()
        })
        .await;
    assert!(worst[0].risk.score > 50.0 && worst[0].advisory.severity == Severity::Critical);
    let all = world
        .api
        .finding_list(&world.ctx, FindingList::default())
        .await
        .expect("page");
    assert_eq!((all.total, all.has_next), (Some(10_000), true));
    // Everything but one package goes.
    let outcome = world
        .report(host, components.into_iter().take(1).collect())
        .await;
    assert!(outcome.closed >= 24_000, "{outcome:?}");
}

#[tokio::test]
async fn reports_of_many_hosts_at_once_do_not_stand_in_each_others_way() {
    let world = std::sync::Arc::new(World::direct().await);
    world.import().await;
    let components: Vec<_> = (0..200)
        .map(|n| component(&format!("lib{n}"), "7.88.1-10+deb12u1", "curl"))
        .collect();
    let mut hosts = Vec::new();
    for machine in 1..=12 {
        hosts.push(world.host(machine, &[]).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (n, host) in hosts.into_iter().enumerate() {
        let (world, mut components) = (world.clone(), components.clone());
        components.rotate_left(n * 7);
        components.truncate(200 - (n % 3));
        tasks.spawn(async move { world.report(host, components).await });
    }
    let mut outcomes = tasks.join_all().await;
    // A host that somebody else holds just then is left to the job, and its report says so.
    outcomes.retain(|outcome| !outcome.evaluated);
    assert!(outcomes.iter().all(|left| left.opened == 0));
    let evaluated = world.inventory.reevaluate().await.expect("re-evaluation");
    assert_eq!(evaluated, outcomes.len() as u64);
    let all = world
        .api
        .finding_list(&world.ctx, FindingList::default())
        .await
        .expect("page");
    assert_eq!(all.total, Some(2 * (4 * (200 + 199 + 198))));
}
