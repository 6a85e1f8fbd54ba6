//! Hosts: enrolment, presence, labels, groups, compliance.

use crate::world::{World, component, facts};
use netpatch_inventory_api::*;
use netpatch_types::{
    Clock as _, ErrorCode, HostId, PageRequest, RelayId, Selector, Severity, SiteId,
};
use std::time::Duration;

#[tokio::test]
async fn places_of_many_hosts_say_what_each_host_says() {
    for world in World::both().await {
        let berlin = world.host(1, &[("ring", "canary"), ("timezone", "Europe/Berlin")]);
        let hosts = [berlin.await, world.host(2, &[]).await];
        let group = GroupCreate {
            name: "first".into(),
            selector: Selector {
                any_of: [("ring".to_owned(), ["canary".to_owned()].into())].into(),
                ..Selector::default()
            },
        };
        let group = world.api.group_create(&world.ctx, group).await;
        let group = group.expect("created").id;
        let mut audited = facts(2, "audited");
        audited.audit_only = true;
        audited.time_zone = "America/Lima".into();
        let report = HostFactsReport {
            host: hosts[1],
            facts: audited,
        };
        let reported = world.api.host_facts_report(&world.ctx, report).await;
        reported.expect("reported");
        world.report(hosts[1], vec![component("a", "1", "a")]).await;
        let forked = PresenceReport {
            seen: vec![Seen {
                host: hosts[1],
                at: world.clock.now(),
                relay: None,
                reboot_pending: false,
                forked: true,
            }],
        };
        let seen = world.api.presence_report(&world.ctx, forked).await;
        seen.expect("seen");
        let unknown = HostId::new(world.clock.now());
        let asked = HostPlaces {
            hosts: vec![hosts[1], unknown, hosts[0], hosts[1]],
        };
        let places = world.api.host_places(&world.ctx, asked).await;
        let mut places = places.expect("places");
        places.sort_by_key(|place| hosts.iter().position(|host| *host == place.id));
        let mut expected = Vec::new();
        for host in hosts {
            expected.push(HostPlace::from(&world.get(host).await));
        }
        assert_eq!(places, expected);
        let [first, second] = [&places[0], &places[1]];
        assert_eq!(first.groups, [group]);
        assert_eq!(
            (first.ring.as_str(), first.time_zone.as_str()),
            ("canary", "Europe/Berlin")
        );
        assert_eq!(second.time_zone, "America/Lima");
        assert!(second.audit_only && second.quarantined && second.manifest.is_some());
        let too_many = HostPlaces {
            hosts: vec![unknown; MAX_PLACES + 1],
        };
        let refused = world.api.host_places(&world.ctx, too_many).await;
        let refused = refused.expect_err("too many");
        assert_eq!(refused.code, ErrorCode::BadUserInput);
    }
}

#[tokio::test]
async fn enrolling_again_finds_the_host_by_site_and_machine() {
    for world in World::both().await {
        let first = world.host(1, &[("tier", "server")]).await;
        let other = HostId::new(world.clock.now());
        let again = HostRegister {
            id: other,
            site: world.site,
            facts: facts(1, "renamed"),
            labels: Default::default(),
        };
        let known = world
            .api
            .host_register(&world.ctx, again.clone())
            .await
            .expect("known");
        assert_eq!(
            known,
            HostRegistered {
                id: first,
                known: true
            }
        );
        let repeated = HostRegister {
            id: first,
            ..again.clone()
        };
        assert!(
            !world
                .api
                .host_register(&world.ctx, repeated)
                .await
                .expect("a repeated call")
                .known
        );
        let host = world.get(first).await;
        assert_eq!(
            (host.facts.hostname.as_str(), host.labels["tier"].as_str()),
            ("renamed", "server")
        );
        let elsewhere = HostRegister {
            site: SiteId::new(world.clock.now()),
            ..again
        };
        assert_eq!(
            world
                .api
                .host_register(&world.ctx, elsewhere)
                .await
                .expect("new")
                .id,
            other
        );
        let registered = world
            .events()
            .await
            .into_iter()
            .filter(|event| matches!(event, InventoryEventV1::HostRegistered { .. }))
            .count();
        assert_eq!(registered, 2);
        let odd = HostRegister {
            id: other,
            site: world.site,
            facts: HostFacts {
                machine_id: "x".into(),
                ..facts(3, "h")
            },
            labels: Default::default(),
        };
        assert_eq!(
            world
                .api
                .host_register(&world.ctx, odd)
                .await
                .expect_err("refused")
                .path,
            ["machineId"]
        );
    }
}

#[tokio::test]
async fn presence_is_written_in_batches_and_a_fork_quarantines() {
    for world in World::both().await {
        let (one, two) = (world.host(1, &[]).await, world.host(2, &[]).await);
        let relay = RelayId::new(world.clock.now());
        let at = world.clock.now() + chrono::Duration::minutes(5);
        let seen = |host, at, forked| Seen {
            host,
            at,
            relay: Some(relay),
            reboot_pending: true,
            forked,
        };
        let earlier = at - chrono::Duration::minutes(1);
        let report = PresenceReport {
            seen: vec![
                seen(one, at, false),
                seen(one, earlier, false),
                seen(two, at, true),
            ],
        };
        world
            .api
            .presence_report(&world.ctx, report)
            .await
            .expect("presence");
        let host = world.get(one).await;
        assert_eq!(
            (host.last_seen_at, host.relay, host.facts.reboot_pending),
            (Some(at), Some(relay), true)
        );
        assert!(world.get(two).await.quarantined && !host.quarantined);
        let quarantined = async |limit| {
            let asked = HostQuarantined { limit };
            world.api.host_quarantined(&world.ctx, asked).await
        };
        assert_eq!(quarantined(10).await.expect("listed"), [two]);
        assert_eq!(quarantined(0).await.expect("listed"), []);
        let asked = HostQuarantined { limit: 10 };
        let theirs = world.api.host_quarantined(&world.stranger(), asked).await;
        assert_eq!(theirs.expect("listed"), []);
        let refused = quarantined(MAX_QUARANTINED + 1).await.expect_err("many");
        assert_eq!(refused.code, ErrorCode::BadUserInput);
        let late = PresenceReport {
            seen: vec![seen(one, earlier, false)],
        };
        world
            .api
            .presence_report(&world.ctx, late)
            .await
            .expect("presence");
        assert_eq!(world.get(one).await.last_seen_at, Some(at));
        assert_eq!(
            world.events().await.last(),
            Some(&InventoryEventV1::HostChanged { host: two })
        );
        let release = HostUpdate {
            id: two,
            if_match: None,
            labels: None,
            site: None,
            release_quarantine: true,
        };
        assert!(
            !world
                .api
                .host_update(&world.ctx, release)
                .await
                .expect("released")
                .quarantined
        );
        assert_eq!(quarantined(10).await.expect("listed"), []);
    }
}

#[tokio::test]
async fn a_change_needs_the_etag_that_was_read_and_moves_the_risk() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        world
            .report(host, vec![component("zip", "3.0-13", "zip")])
            .await;
        let before = world.findings(FindingFilter::default()).await;
        let read = world.get(host).await;
        let change = HostUpdate {
            id: host,
            if_match: Some(read.etag.clone()),
            labels: Some(
                [
                    ("exposure".to_owned(), "internet".to_owned()),
                    ("timezone".into(), "Asia/Tokyo".into()),
                ]
                .into(),
            ),
            site: None,
            release_quarantine: false,
        };
        let changed = world
            .api
            .host_update(&world.ctx, change.clone())
            .await
            .expect("changed");
        assert_eq!(changed.time_zone, "Asia/Tokyo");
        assert_ne!(changed.etag, read.etag);
        let after = world.findings(FindingFilter::default()).await;
        assert!((after[0].risk.score - before[0].risk.score - 2.5).abs() < 1e-6);
        assert_eq!(after[0].id, before[0].id);
        let conflict = world
            .api
            .host_update(&world.ctx, change)
            .await
            .expect_err("conflict");
        assert_eq!(
            (conflict.code, conflict.detail),
            (ErrorCode::Conflict, Some(changed.etag))
        );
        assert_eq!(
            world.events().await.last(),
            Some(&InventoryEventV1::HostChanged { host })
        );
    }
}

#[tokio::test]
async fn lists_are_in_order_of_name_and_filtered() {
    for world in World::both().await {
        world.import().await;
        for machine in [3, 1, 2] {
            let tier = if machine == 1 { "desktop" } else { "server" };
            world.host(machine, &[("tier", tier)]).await;
        }
        let page = |filter, first, after| {
            world.api.host_list(
                &world.ctx,
                HostList {
                    page: PageRequest { first, after },
                    filter,
                },
            )
        };
        let first = page(HostFilter::default(), 2, None).await.expect("page");
        assert_eq!((first.has_next, first.total), (true, Some(3)));
        let cursor = first.rows[1].cursor.clone();
        let names: Vec<String> = first
            .into_nodes()
            .into_iter()
            .map(|host| host.facts.hostname)
            .collect();
        assert_eq!(names, ["host1", "host2"]);
        let second = page(HostFilter::default(), 2, Some(cursor))
            .await
            .expect("page");
        assert_eq!(
            (second.has_next, second.rows[0].node.facts.hostname.as_str()),
            (false, "host3")
        );

        let selector = Selector {
            none_of: [("tier".to_owned(), ["desktop".to_owned()].into())].into(),
            ..Selector::default()
        };
        let group = world
            .api
            .group_create(
                &world.ctx,
                GroupCreate {
                    name: "servers".into(),
                    selector,
                },
            )
            .await
            .expect("group");
        let taken = GroupCreate {
            name: "servers".into(),
            selector: Selector::default(),
        };
        assert_eq!(
            world
                .api
                .group_create(&world.ctx, taken)
                .await
                .expect_err("taken")
                .code,
            ErrorCode::Conflict
        );
        assert_eq!(
            world.api.group_list(&world.ctx, GroupList {}).await,
            Ok(vec![group.clone()])
        );
        let count = async |filter| page(filter, 100, None).await.expect("page").rows.len();
        assert_eq!(
            count(HostFilter {
                group: Some(group.id),
                ..HostFilter::default()
            })
            .await,
            2
        );
        assert_eq!(
            count(HostFilter {
                hostname_contains: Some("OST1".into()),
                ..HostFilter::default()
            })
            .await,
            1
        );
        assert_eq!(
            count(HostFilter {
                hostname_contains: Some("%".into()),
                ..HostFilter::default()
            })
            .await,
            0
        );
        assert_eq!(
            count(HostFilter {
                severities: vec![Severity::High],
                ..HostFilter::default()
            })
            .await,
            0
        );
        assert_eq!(
            count(HostFilter {
                not_seen_since: Some(world.clock.now()),
                ..HostFilter::default()
            })
            .await,
            3
        );
        assert_eq!(
            count(HostFilter {
                reboot_pending: Some(true),
                ..HostFilter::default()
            })
            .await,
            0
        );
    }
}

#[tokio::test]
async fn compliance_counts_exposed_compliant_and_unknown_hosts() {
    for world in World::both().await {
        world.import().await;
        let (exposed, clean) = (world.host(1, &[]).await, world.host(2, &[]).await);
        world.host(3, &[]).await;
        world
            .report(
                exposed,
                vec![
                    component("curl", "7.88.1-10+deb12u1", "curl"),
                    component("libcurl4", "7.88.1-10+deb12u1", "curl"),
                ],
            )
            .await;
        world
            .report(clean, vec![component("curl", "7.88.1-10+deb12u3", "curl")])
            .await;
        let cell = async |severity| {
            let cells = world
                .api
                .compliance_now(&world.ctx, ComplianceNow::default())
                .await
                .expect("cells");
            assert_eq!(cells.len(), 5);
            cells
                .into_iter()
                .find(|cell| cell.severity == severity)
                .expect("a cell")
        };
        let critical = cell(Severity::Critical).await;
        assert_eq!(
            (
                critical.hosts,
                critical.compliant,
                critical.unknown,
                critical.findings
            ),
            (3, 1, 1, 2)
        );
        assert_eq!(cell(Severity::Low).await.compliant, 2);
        let count = async |filter| {
            let list = HostList {
                page: PageRequest::largest(),
                filter,
            };
            world
                .api
                .host_list(&world.ctx, list)
                .await
                .expect("list")
                .rows
                .len()
        };
        assert_eq!(
            count(HostFilter {
                unknown: Some(true),
                ..HostFilter::default()
            })
            .await,
            1
        );
        assert_eq!(
            count(HostFilter {
                unknown: Some(false),
                ..HostFilter::default()
            })
            .await,
            2
        );
        assert_eq!(
            count(HostFilter {
                never_scanned: Some(true),
                ..HostFilter::default()
            })
            .await,
            1
        );
        world.clock.advance(Duration::from_secs(8 * 86_400));
        assert_eq!(
            count(HostFilter {
                unknown: Some(true),
                ..HostFilter::default()
            })
            .await,
            3
        );
        assert_eq!(
            (
                cell(Severity::Low).await.compliant,
                cell(Severity::Low).await.unknown
            ),
            (0, 3)
        );
    }
}
