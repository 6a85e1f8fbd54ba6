//! Assets: who they are, whose host they belong to, imports that are all or nothing.

use crate::tenancy::code;
use crate::world::{World, component, facts};
use netpatch_inventory_api::*;
use netpatch_types::{
    AssetId, Clock as _, Criticality, ErrorCode, HostId, PageRequest, Severity, SiteId,
};
use std::collections::BTreeSet;

fn set(text: &str) -> Change<String> {
    Change::Set(text.to_owned())
}

fn named(hostname: &str) -> AssetWrite {
    AssetWrite {
        hostname: set(hostname),
        ..AssetWrite::default()
    }
}

fn rows(writes: Vec<AssetWrite>) -> AssetImport {
    AssetImport {
        rows: (1..)
            .zip(writes)
            .map(|(line, write)| AssetRow { line, write })
            .collect(),
        origin: AssetOrigin::Csv,
        dry_run: false,
    }
}

impl World {
    async fn upsert(&self, write: AssetWrite) -> AssetUpserted {
        let origin = AssetOrigin::Api;
        self.api
            .asset_upsert(&self.ctx, AssetUpsert { write, origin })
            .await
            .expect("written")
    }

    async fn refused(&self, write: AssetWrite) -> netpatch_types::ServiceError {
        let origin = AssetOrigin::Api;
        self.api
            .asset_upsert(&self.ctx, AssetUpsert { write, origin })
            .await
            .expect_err("refused")
    }

    async fn import_rows(&self, import: AssetImport) -> AssetImported {
        self.api
            .asset_import(&self.ctx, import)
            .await
            .expect("answered")
    }

    async fn asset(&self, id: AssetId) -> Asset {
        self.api
            .asset_get(&self.ctx, AssetGet { id })
            .await
            .expect("asset")
    }

    async fn asset_names(&self, filter: AssetFilter) -> Vec<String> {
        let page = PageRequest::largest();
        self.api
            .asset_list(&self.ctx, AssetList { page, filter })
            .await
            .expect("list")
            .into_nodes()
            .into_iter()
            .map(|asset| asset.hostname)
            .collect()
    }
}

#[tokio::test]
async fn an_asset_waits_for_its_host_and_its_labels_become_the_hosts() {
    for world in World::both().await {
        let write = AssetWrite {
            inventory_number: set("A-1"),
            department: set("finance"),
            criticality: Change::Set(Criticality::Critical),
            tags: Change::Set(["pci".to_owned()].into()),
            ..named("HOST1")
        };
        let made = world.upsert(write.clone()).await;
        assert_eq!(
            (made.outcome, &made.asset.link),
            (AssetOutcome::Created, &AssetLink::Unlinked)
        );
        let before = world.fingerprint().await;
        assert_eq!(world.upsert(write).await.outcome, AssetOutcome::Unchanged);
        assert_eq!(
            world.fingerprint().await,
            before,
            "nothing said, nothing written"
        );
        let host = world
            .host(1, &[("department", "it"), ("ring", "canary")])
            .await;
        let asset = world.asset(made.asset.id).await;
        assert_eq!(
            asset.link,
            AssetLink::Linked {
                host,
                rule: AssetLinkRule::Hostname
            }
        );
        let labels = world.get(host).await.labels;
        assert_eq!(
            labels
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>(),
            [
                "criticality=critical",
                "department=finance",
                "ring=canary",
                "tag:pci="
            ]
        );
        assert_eq!(asset.site, Some(world.site));
        // One copy: what is changed on the host is the asset's, and its etag grows with it.
        let relabelled = HostUpdate {
            id: host,
            if_match: None,
            labels: Some([("department".to_owned(), "sales".to_owned())].into()),
            site: None,
            release_quarantine: false,
        };
        world
            .api
            .host_update(&world.ctx, relabelled)
            .await
            .expect("relabelled");
        let now = world.asset(asset.id).await;
        assert_eq!(
            (now.department.as_str(), now.criticality, now.tags.len()),
            ("sales", None, 0)
        );
        assert_ne!(now.etag, asset.etag);
        let stale = AssetWrite {
            id: Some(asset.id),
            if_match: Some(asset.etag),
            owner: set("ada"),
            ..AssetWrite::default()
        };
        let conflict = world.refused(stale.clone()).await;
        assert_eq!(
            (conflict.code, conflict.detail),
            (ErrorCode::Conflict, Some(now.etag.clone()))
        );
        world
            .upsert(AssetWrite {
                if_match: Some(now.etag),
                ..stale
            })
            .await;
        assert_eq!(world.get(host).await.labels["owner"], "ada");
        let kinds: Vec<String> = world
            .events()
            .await
            .iter()
            .filter_map(|event| {
                Some(match event {
                    InventoryEventV1::AssetChanged { is_new, fields, .. } => {
                        format!(
                            "{} {}",
                            if *is_new { "new" } else { "changed" },
                            fields.join(" ")
                        )
                    }
                    InventoryEventV1::AssetLinked { host: linked, .. } if *linked == host => {
                        "linked".to_owned()
                    }
                    _ => return None,
                })
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "new criticality department hostname inventoryNumber tags",
                "linked",
                "changed owner"
            ]
        );
    }
}

#[tokio::test]
async fn criticality_is_the_weight_of_a_finding_at_once_and_after_an_import() {
    let world = World::direct().await;
    world.import().await;
    let mut hosts = Vec::new();
    for machine in 1..=30 {
        let host = world.host(machine, &[]).await;
        world
            .report(host, vec![component("zip", "3.0-13", "zip")])
            .await;
        hosts.push(host);
    }
    let order = async || -> Vec<i32> {
        let tx = world
            .database
            .database()
            .write(&world.ctx)
            .await
            .expect("transaction");
        let risks: Option<Vec<i32>> = tx
            .value(
                "select array_agg(e.risk order by length(h.hostname), h.hostname) from inventory.exposures e \
                 join inventory.hosts h on h.tenant_id = e.tenant_id and h.id = e.host_id where e.closed_at is null",
                [],
            )
            .await
            .expect("risks");
        risks.unwrap_or_default()
    };
    let usual = order().await;
    assert_eq!(usual.len(), 30);
    let write = AssetWrite {
        criticality: Change::Set(Criticality::Critical),
        ..named("host1")
    };
    world.upsert(write).await;
    let now = order().await;
    assert!(now[0] > usual[0] && now[1..] == usual[1..], "{now:?}");
    let all = (1..=30).map(|machine| AssetWrite {
        criticality: Change::Set(Criticality::Critical),
        ..named(&format!("host{machine}"))
    });
    let done = world.import_rows(rows(all.collect())).await;
    assert_eq!((done.created, done.unchanged, done.error_count), (29, 1, 0));
    world.inventory.reevaluate().await.expect("judged");
    assert!(order().await.iter().all(|risk| *risk == now[0]));
    let worst = world.findings(FindingFilter::default()).await;
    assert!(
        worst
            .iter()
            .all(|finding| finding.advisory.severity != Severity::Critical)
    );
}

#[tokio::test]
async fn what_the_firmware_says_fills_what_nobody_said() {
    for world in World::both().await {
        let said = |serial: &str, vendor: &str, model: &str| HostFacts {
            serial: serial.into(),
            vendor: vendor.into(),
            model: model.into(),
            ..facts(1, "host1")
        };
        let report = async |facts: HostFacts, host| {
            let report = HostFactsReport { host, facts };
            let done = world.api.host_facts_report(&world.ctx, report).await;
            done.expect("facts");
        };
        // A person was here first, and knows the vendor better.
        let write = AssetWrite {
            inventory_number: set("A-1"),
            vendor: set("Ours"),
            ..named("host1")
        };
        let id = world.upsert(write).await.asset.id;
        let host = world.host(1, &[]).await;
        report(
            said("To Be Filled By O.E.M.", "Acme", "Default string"),
            host,
        )
        .await;
        let asset = world.asset(id).await;
        assert_eq!(
            [&*asset.serial, &*asset.vendor, &*asset.model],
            ["", "Ours", ""],
            "what says nothing is nothing"
        );
        report(said(" PF-1 ", "Acme", "T 1"), host).await;
        let asset = world.asset(id).await;
        assert_eq!(
            [&*asset.serial, &*asset.vendor, &*asset.model],
            ["PF-1", "Ours", "T 1"]
        );
        assert_eq!(asset.origin, AssetOrigin::Agent);
        let told = world.events().await;
        assert!(
            told.iter().any(|event| matches!(
                event,
                InventoryEventV1::AssetChanged { asset, origin: AssetOrigin::Agent, fields, .. }
                    if *asset == id && fields == &["model", "serial"]
            )),
            "{told:?}"
        );
        // Another board, and a person's correction: neither is written over.
        let corrected = AssetWrite {
            id: Some(id),
            model: set("T 1 (second disk)"),
            ..AssetWrite::default()
        };
        world.upsert(corrected).await;
        report(said("PF-2", "Acme", "T 2"), host).await;
        let asset = world.asset(id).await;
        assert_eq!(
            [&*asset.serial, &*asset.vendor, &*asset.model],
            ["PF-1", "Ours", "T 1 (second disk)"]
        );
        let before = world.fingerprint().await;
        report(said("PF-2", "Acme", "T 2"), host).await;
        assert_eq!(world.fingerprint().await, before);

        // An asset that is imported after its host has reported finds the same.
        let second = world.host(2, &[]).await;
        let facts = HostFacts {
            serial: "PF-9".into(),
            vendor: "Acme".into(),
            ..facts(2, "host2")
        };
        report(facts, second).await;
        let done = world.import_rows(rows(vec![named("host2")])).await;
        assert_eq!((done.created, done.error_count), (1, 0));
        let filter = AssetFilter {
            hosts: vec![second],
            ..AssetFilter::default()
        };
        let page = PageRequest::largest();
        let list = AssetList { page, filter };
        let found = world.api.asset_list(&world.ctx, list).await.expect("list");
        let found = found.into_nodes().remove(0);
        assert_eq!([&*found.serial, &*found.vendor], ["PF-9", "Acme"]);
        assert_eq!(found.origin, AssetOrigin::Csv);
    }
}

#[tokio::test]
async fn what_fits_several_is_listed_and_a_person_decides() {
    for world in World::both().await {
        let (one, two) = (world.host(1, &[]).await, world.host(2, &[]).await);
        for (host, machine) in [(one, 1), (two, 2)] {
            let report = HostFactsReport {
                host,
                facts: HostFacts {
                    serial: format!("SN-{machine}"),
                    ..facts(machine, "web")
                },
            };
            world
                .api
                .host_facts_report(&world.ctx, report)
                .await
                .expect("facts");
        }
        let made = world.upsert(named("web")).await.asset;
        assert!(
            matches!(&made.link, AssetLink::Ambiguous { candidates } if candidates.len() == 2),
            "{:?}",
            made.link
        );
        let filter = AssetFilter {
            links: vec![AssetLinkState::Ambiguous],
            ..AssetFilter::default()
        };
        assert_eq!(world.asset_names(filter).await, ["web"]);
        // The serial number decides; the second asset of that name finds the other host by its own.
        let by_serial = AssetWrite {
            id: Some(made.id),
            serial: set("sn-2"),
            ..AssetWrite::default()
        };
        let linked = world.upsert(by_serial).await.asset;
        assert_eq!(
            linked.link,
            AssetLink::Linked {
                host: two,
                rule: AssetLinkRule::Serial
            }
        );
        let other = AssetWrite {
            inventory_number: set("B"),
            machine_id: set(&"01".repeat(32)),
            ..AssetWrite::default()
        };
        let other = world.upsert(other).await.asset;
        assert_eq!(
            (other.link, other.hostname.as_str()),
            (
                AssetLink::Linked {
                    host: one,
                    rule: AssetLinkRule::MachineId
                },
                "web"
            )
        );
        // A host has one asset; a person may take it away, and no rule gives it back.
        let taken = AssetWrite {
            id: Some(made.id),
            host: Change::Set(one),
            ..AssetWrite::default()
        };
        assert_eq!(world.refused(taken.clone()).await.path, ["hostId"]);
        let freed = AssetWrite {
            id: Some(other.id),
            host: Change::Clear,
            ..AssetWrite::default()
        };
        assert_eq!(world.upsert(freed).await.asset.link, AssetLink::Unlinked);
        let touched = AssetWrite {
            id: Some(other.id),
            owner: set("ada"),
            ..AssetWrite::default()
        };
        assert_eq!(world.upsert(touched).await.asset.link, AssetLink::Unlinked);
        let linked = world.upsert(taken).await.asset;
        assert_eq!(
            linked.link,
            AssetLink::Linked {
                host: one,
                rule: AssetLinkRule::Person
            }
        );
        let foreign = AssetWrite {
            id: Some(other.id),
            host: Change::Set(HostId::new(world.clock.now())),
            ..AssetWrite::default()
        };
        assert_eq!(world.refused(foreign).await.code, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn an_import_is_all_or_nothing_and_says_line_by_line_what_is_wrong() {
    for world in World::both().await {
        world
            .upsert(AssetWrite {
                inventory_number: set("A1"),
                ..named("a")
            })
            .await;
        let before = world.fingerprint().await;
        let bad = vec![
            named("fine"),
            AssetWrite {
                model: set(&"x".repeat(300)),
                ..named("b")
            },
            AssetWrite {
                owner: set("nobody knows which"),
                ..AssetWrite::default()
            },
            named("Fine"),
            AssetWrite {
                id: Some(AssetId::new(world.clock.now())),
                ..AssetWrite::default()
            },
        ];
        let done = world.import_rows(rows(bad)).await;
        let errors: Vec<(u64, &str)> = done
            .errors
            .iter()
            .map(|error| (error.line, error.column.as_str()))
            .collect();
        assert_eq!(errors, [(2, "model"), (3, "hostname"), (4, ""), (5, "id")]);
        assert!(
            done.errors
                .iter()
                .all(|error| !error.message.is_empty() && !error.remedy.is_empty())
        );
        assert!(
            done.errors[2].message.contains("line 1"),
            "{:?}",
            done.errors[2]
        );
        let good = vec![
            named("b"),
            AssetWrite {
                inventory_number: set("A1"),
                location: set("rack 4"),
                ..AssetWrite::default()
            },
        ];
        let dry = world
            .import_rows(AssetImport {
                dry_run: true,
                ..rows(good.clone())
            })
            .await;
        assert_eq!((dry.created, dry.changed), (1, 1));
        assert_eq!(world.fingerprint().await, before, "nothing was written");
        let done = world.import_rows(rows(good.clone())).await;
        assert_eq!((done.created, done.changed, done.unchanged), (1, 1, 0));
        let again = world.import_rows(rows(good)).await;
        assert_eq!((again.created, again.changed, again.unchanged), (0, 0, 2));
        let imports = world
            .events()
            .await
            .into_iter()
            .filter(|event| matches!(event, InventoryEventV1::AssetsImported { .. }))
            .count();
        assert_eq!(imports, 1, "an import that changes nothing is no event");
        // Two numbers, one serial number: nobody may guess.
        let clash = vec![
            AssetWrite {
                inventory_number: set("A2"),
                serial: set("S-77"),
                ..AssetWrite::default()
            },
            AssetWrite {
                inventory_number: set("A3"),
                serial: set("S-77"),
                ..AssetWrite::default()
            },
        ];
        let done = world.import_rows(rows(clash)).await;
        assert_eq!((done.error_count, done.errors[0].line), (1, 2));
        let many = vec![
            AssetWrite {
                tags: Change::Set(["".to_owned()].into()),
                ..named("x")
            };
            150
        ];
        let done = world.import_rows(rows(many)).await;
        assert_eq!(
            (done.error_count, done.errors.len()),
            (150, MAX_LISTED_ERRORS)
        );
    }
}

#[tokio::test]
async fn assets_are_found_by_what_they_say() {
    let world = World::direct().await;
    let day = |text: &str| text.parse().expect("a day");
    let writes = vec![
        AssetWrite {
            department: set("it"),
            vendor: set("Dell_50%"),
            warranty_end: Change::Set(day("2026-05-01")),
            tags: Change::Set(BTreeSet::from(["lab".to_owned()])),
            ..named("a")
        },
        AssetWrite {
            department: set("hr"),
            criticality: Change::Set(Criticality::Low),
            end_of_life: Change::Set(day("2027-01-01")),
            serial: set("XYZ-1"),
            ..named("b")
        },
    ];
    world.import_rows(rows(writes)).await;
    let found = async |filter: AssetFilter| world.asset_names(filter).await.join(" ");
    let all = AssetFilter::default;
    assert_eq!(found(all()).await, "a b");
    assert_eq!(
        found(AssetFilter {
            departments: vec!["hr".into()],
            ..all()
        })
        .await,
        "b"
    );
    assert_eq!(
        found(AssetFilter {
            criticalities: vec![Criticality::Low],
            ..all()
        })
        .await,
        "b"
    );
    assert_eq!(
        found(AssetFilter {
            tags: vec!["lab".into(), "x".into()],
            ..all()
        })
        .await,
        "a"
    );
    assert_eq!(
        found(AssetFilter {
            text_contains: Some("l_50%".into()),
            ..all()
        })
        .await,
        "a"
    );
    assert_eq!(
        found(AssetFilter {
            text_contains: Some("xyz".into()),
            ..all()
        })
        .await,
        "b"
    );
    assert_eq!(
        found(AssetFilter {
            warranty_ends_before: Some(day("2026-05-02")),
            ..all()
        })
        .await,
        "a"
    );
    assert_eq!(
        found(AssetFilter {
            end_of_life_before: Some(day("2027-01-01")),
            ..all()
        })
        .await,
        ""
    );
    let later = world.clock.now() + chrono::Duration::seconds(1);
    assert_eq!(
        found(AssetFilter {
            changed_since: Some(later),
            ..all()
        })
        .await,
        ""
    );
    let page = PageRequest {
        first: 1,
        after: None,
    };
    let first = world
        .api
        .asset_list(
            &world.ctx,
            AssetList {
                page,
                filter: all(),
            },
        )
        .await
        .expect("page");
    assert!(first.has_next && first.total == Some(2));
    let page = PageRequest {
        first: 1,
        after: Some(first.rows[0].cursor.clone()),
    };
    let second = world
        .api
        .asset_list(
            &world.ctx,
            AssetList {
                page,
                filter: all(),
            },
        )
        .await
        .expect("page");
    assert_eq!(
        (second.has_next, second.rows[0].node.hostname.as_str()),
        (false, "b")
    );
}

#[tokio::test]
async fn a_grant_for_a_site_writes_there_only() {
    for world in World::both().await {
        let elsewhere = world.upsert(named("elsewhere")).await.asset;
        let mut narrow = world.ctx.clone();
        narrow.sites = Some(vec![world.site]);
        let ask = |write| AssetUpsert {
            write,
            origin: AssetOrigin::Api,
        };
        let made = world
            .api
            .asset_upsert(&narrow, ask(named("here")))
            .await
            .expect("its only site")
            .asset;
        assert_eq!(made.site, Some(world.site));
        assert!(
            world
                .api
                .asset_get(&narrow, AssetGet { id: made.id })
                .await
                .is_ok()
        );
        for id in [elsewhere.id] {
            assert_eq!(
                code(world.api.asset_get(&narrow, AssetGet { id }).await),
                ErrorCode::NotFound
            );
            let write = AssetWrite {
                id: Some(id),
                owner: set("me"),
                ..AssetWrite::default()
            };
            assert_eq!(
                code(world.api.asset_upsert(&narrow, ask(write)).await),
                ErrorCode::NotFound
            );
            let delete = AssetDelete { id, if_match: None };
            assert_eq!(
                code(world.api.asset_delete(&narrow, delete).await),
                ErrorCode::NotFound
            );
        }
        let away = AssetWrite {
            site: Change::Set(SiteId::new(world.clock.now())),
            ..named("away")
        };
        assert_eq!(
            code(world.api.asset_upsert(&narrow, ask(away)).await),
            ErrorCode::NotFound
        );
        let delete = AssetDelete {
            id: made.id,
            if_match: Some("0".into()),
        };
        assert_eq!(
            code(world.api.asset_delete(&narrow, delete).await),
            ErrorCode::Conflict
        );
        let delete = AssetDelete {
            id: made.id,
            if_match: None,
        };
        world
            .api
            .asset_delete(&narrow, delete)
            .await
            .expect("removed");
        assert_eq!(
            world.asset_names(AssetFilter::default()).await,
            ["elsewhere"]
        );
    }
}

#[tokio::test]
async fn a_criticality_that_nobody_counts_with_is_refused() {
    let world = World::direct().await;
    let host = world.host(1, &[]).await;
    let update = |word: &str| HostUpdate {
        id: host,
        if_match: None,
        labels: Some([("criticality".to_owned(), word.to_owned())].into()),
        site: None,
        release_quarantine: false,
    };
    let refused = world.api.host_update(&world.ctx, update("urgent")).await;
    assert_eq!(code(refused), ErrorCode::BadUserInput);
    assert!(
        world
            .api
            .host_update(&world.ctx, update("high"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_file_is_written_whole_or_not_and_errors_speak_its_words() {
    for world in World::both().await {
        let import = async |text: &str, dry_run| {
            let request = AssetFileImport {
                text: text.to_owned(),
                mapping: [("Rechner".to_owned(), "hostname".to_owned())].into(),
                sites: [("main".to_owned(), world.site)].into(),
                dry_run,
            };
            world
                .api
                .asset_file_import(&world.ctx, request)
                .await
                .expect("answered")
        };
        let before = world.fingerprint().await;
        let long = "x".repeat(60);
        let bad = format!("Rechner;tags;eol\nweb;{long};\nweb;;\nmail;;soon\n");
        let done = import(&bad, false).await;
        let places: Vec<(u64, &str)> = done
            .errors
            .iter()
            .map(|error| (error.line, error.column.as_str()))
            .collect();
        assert_eq!(
            (places, done.error_count),
            (vec![(2, "tags"), (4, "eol")], 2)
        );
        let good = "Rechner;tags;eol;site;note\nweb;a|b;2030-01-01;MAIN;x\nmail;;;;\n";
        assert_eq!(import(good, true).await.created, 2);
        assert_eq!(world.fingerprint().await, before, "nothing was written");
        let done = import(good, false).await;
        assert_eq!(
            (done.created, done.ignored_columns.join(",")),
            (2, "note".to_owned())
        );
        let again = import(good, false).await;
        assert_eq!((again.created, again.changed, again.unchanged), (0, 0, 2));
        let tagged = AssetFilter {
            tags: vec!["b".into()],
            sites: vec![world.site],
            ..AssetFilter::default()
        };
        assert_eq!(world.asset_names(tagged).await, ["web"]);
        let mut stranger = AssetFileImport {
            text: good.to_owned(),
            mapping: Default::default(),
            sites: Default::default(),
            dry_run: false,
        };
        stranger.text = "hostname\nweb\n".into();
        let other = world
            .api
            .asset_file_import(&world.stranger(), stranger)
            .await
            .expect("another organization's own");
        assert_eq!(other.created, 1);
    }
}
