//! Every operation with another organization's ids and with another site's scope.

use crate::world::{World, component, facts, patch_id, update};
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory_api::*;
use netpatch_storage::hole_test;
use netpatch_types::{
    Clock as _, ErrorCode, HostId, PageRequest, RequestContext, Selector, ServiceResult, SiteId,
};

/// The catalog's id of a component.
pub(crate) fn component_id(key: &netpatch_types::ComponentKey) -> netpatch_types::ComponentId {
    netpatch_types::ComponentId::of(
        key.ecosystem.as_str(),
        &netpatch_inventory::domain::manifest::natural_key(key),
    )
}

pub(crate) fn code<T: std::fmt::Debug>(result: ServiceResult<T>) -> ErrorCode {
    result.expect_err("refused").code
}

#[tokio::test]
async fn no_table_has_a_hole() {
    let world = World::direct().await;
    let holes = hole_test(world.database.database()).await.expect("facts");
    assert!(holes.is_empty(), "{holes:#?}");
}

/// The asset of a host, made when there is none.
async fn asset_of(world: &World, host: HostId) -> netpatch_types::AssetId {
    let write = AssetWrite {
        inventory_number: Change::Set("A-1".into()),
        host: Change::Set(host),
        ..AssetWrite::default()
    };
    let origin = AssetOrigin::Api;
    let made = world
        .api
        .asset_upsert(&world.ctx, AssetUpsert { write, origin })
        .await;
    made.expect("asset").asset.id
}

/// Everything that answers something about one organization's objects, asked as `ctx`: (operation, refused or empty).
async fn asked(
    world: &World,
    ctx: &RequestContext,
    host: HostId,
    finding: netpatch_types::FindingId,
    group: netpatch_types::GroupId,
) -> Vec<(&'static str, bool)> {
    let (api, page) = (&world.api, PageRequest::largest());
    let asset = asset_of(world, host).await;
    let patch = patch_id("curl", "7.88.1-10+deb12u3");
    let components = vec![component("curl", "7.88.1-10+deb12u9", "curl")];
    let hash = manifest_hash(&components);
    let not_found = |code: ErrorCode| code == ErrorCode::NotFound;
    vec![
        (
            "host_get",
            not_found(code(api.host_get(ctx, HostGet { id: host }).await)),
        ),
        (
            "host_places",
            api.host_places(ctx, HostPlaces { hosts: vec![host] })
                .await
                .map_or_else(
                    |error| error.code == ErrorCode::Forbidden,
                    |places| places.is_empty(),
                ),
        ),
        (
            "host_quarantined",
            api.host_quarantined(ctx, HostQuarantined { limit: 10 })
                .await
                .map_or_else(
                    |error| error.code == ErrorCode::Forbidden,
                    |hosts| hosts.is_empty(),
                ),
        ),
        (
            "host_list",
            api.host_list(
                ctx,
                HostList {
                    page: page.clone(),
                    filter: HostFilter {
                        ids: vec![host],
                        ..HostFilter::default()
                    },
                },
            )
            .await
            .expect("list")
            .rows
            .is_empty(),
        ),
        (
            "host_list of a group",
            match api
                .host_list(
                    ctx,
                    HostList {
                        page: page.clone(),
                        filter: HostFilter {
                            group: Some(group),
                            ..HostFilter::default()
                        },
                    },
                )
                .await
            {
                Err(error) => not_found(error.code),
                // A grant for some sites knows the organization's groups, but not the hosts in them.
                Ok(list) => ctx.sites.is_some() && list.rows.is_empty(),
            },
        ),
        (
            "host_update",
            not_found(code(
                api.host_update(
                    ctx,
                    HostUpdate {
                        id: host,
                        if_match: None,
                        labels: Some(Default::default()),
                        site: None,
                        release_quarantine: false,
                    },
                )
                .await,
            )),
        ),
        (
            "host_facts_report",
            not_found(code(
                api.host_facts_report(
                    ctx,
                    HostFactsReport {
                        host,
                        facts: facts(1, "stolen"),
                    },
                )
                .await,
            )),
        ),
        ("presence_report", {
            let at = world.clock.now() + chrono::Duration::days(1);
            let seen = vec![Seen {
                host,
                at,
                relay: None,
                reboot_pending: true,
                forked: true,
            }];
            api.presence_report(ctx, PresenceReport { seen })
                .await
                .expect("ignored");
            let untouched = world.get(host).await;
            !untouched.quarantined && untouched.last_seen_at != Some(at)
        }),
        (
            "manifest_report",
            not_found(code(
                api.manifest_report(
                    ctx,
                    ManifestReport {
                        host,
                        hash,
                        components: components.clone(),
                    },
                )
                .await,
            )),
        ),
        (
            "manifest_delta_report",
            not_found(code(
                api.manifest_delta_report(
                    ctx,
                    ManifestDeltaReport {
                        host,
                        base: hash,
                        hash,
                        added: vec![],
                        removed: vec![],
                    },
                )
                .await,
            )),
        ),
        (
            "applicability_report",
            not_found(code(
                api.applicability_report(
                    ctx,
                    ApplicabilityReport {
                        sources: Vec::new(),
                        host,
                        manifest: hash,
                        updates: vec![],
                        problem: String::new(),
                    },
                )
                .await,
            )),
        ),
        (
            "component_get",
            match api
                .component_get(
                    ctx,
                    ComponentGet {
                        id: component_id(&component("curl", "7.88.1-10+deb12u1", "curl")),
                    },
                )
                .await
            {
                Err(error) => not_found(error.code),
                Ok(_) => false,
            },
        ),
        (
            "component_list",
            not_found(code(
                api.component_list(
                    ctx,
                    ComponentList {
                        host,
                        name_contains: None,
                        page: page.clone(),
                    },
                )
                .await,
            )),
        ),
        (
            "asset_get",
            not_found(code(api.asset_get(ctx, AssetGet { id: asset }).await)),
        ),
        (
            "asset_list",
            api.asset_list(
                ctx,
                AssetList {
                    page: page.clone(),
                    filter: AssetFilter::default(),
                },
            )
            .await
            .expect("list")
            .rows
            .is_empty(),
        ),
        (
            "asset_upsert by id",
            not_found(code(
                api.asset_upsert(
                    ctx,
                    AssetUpsert {
                        write: AssetWrite {
                            id: Some(asset),
                            owner: Change::Clear,
                            ..AssetWrite::default()
                        },
                        origin: AssetOrigin::Api,
                    },
                )
                .await,
            )),
        ),
        (
            "asset_upsert of its host",
            not_found(code(
                api.asset_upsert(
                    ctx,
                    AssetUpsert {
                        write: AssetWrite {
                            inventory_number: Change::Set("stolen".into()),
                            host: Change::Set(host),
                            ..AssetWrite::default()
                        },
                        origin: AssetOrigin::Api,
                    },
                )
                .await,
            )),
        ),
        (
            "asset_import",
            api.asset_import(
                ctx,
                AssetImport {
                    rows: vec![AssetRow {
                        line: 1,
                        write: AssetWrite {
                            id: Some(asset),
                            ..AssetWrite::default()
                        },
                    }],
                    origin: AssetOrigin::Csv,
                    dry_run: false,
                },
            )
            .await
            .expect("answer")
            .error_count
                == 1,
        ),
        (
            "asset_delete",
            not_found(code(
                api.asset_delete(
                    ctx,
                    AssetDelete {
                        id: asset,
                        if_match: None,
                    },
                )
                .await,
            )),
        ),
        (
            "finding_list",
            api.finding_list(
                ctx,
                FindingList {
                    page: page.clone(),
                    filter: FindingFilter {
                        host: Some(host),
                        resolved: true,
                        ..FindingFilter::default()
                    },
                    ..FindingList::default()
                },
            )
            .await
            .expect("list")
            .rows
            .is_empty(),
        ),
        (
            "finding_get",
            not_found(code(api.finding_get(ctx, FindingGet { id: finding }).await)),
        ),
        (
            "finding_group_list",
            api.finding_group_list(
                ctx,
                FindingGroupList {
                    page: page.clone(),
                    by: FindingGrouping::Host,
                    filter: FindingFilter {
                        host: Some(host),
                        resolved: true,
                        ..FindingFilter::default()
                    },
                },
            )
            .await
            .expect("list")
            .rows
            .is_empty(),
        ),
        (
            "queue_list",
            api.queue_list(
                ctx,
                QueueList {
                    page: page.clone(),
                    ..QueueList::default()
                },
            )
            .await
            .expect("list")
            .rows
            .is_empty(),
        ),
        (
            "patch_get",
            not_found(code(api.patch_get(ctx, PatchGet { id: patch }).await)),
        ),
        (
            "patch_list",
            api.patch_list(
                ctx,
                PatchList {
                    page,
                    ids: vec![patch],
                    ..PatchList::default()
                },
            )
            .await
            .expect("list")
            .rows
            .is_empty(),
        ),
        (
            "patch_content",
            not_found(code(
                api.patch_content(ctx, PatchContentGet { patch, group: None })
                    .await,
            )),
        ),
        (
            "patch_targets",
            api.patch_targets(
                ctx,
                PatchTargets {
                    patches: vec![patch],
                    group: None,
                },
            )
            .await
            .expect("targets")
            .is_empty(),
        ),
        (
            "patch_payloads",
            api.patch_payloads(
                ctx,
                PatchPayloads {
                    patches: vec![patch],
                    hosts: vec![host],
                },
            )
            .await
            .map_or_else(
                |error| error.code == ErrorCode::Forbidden,
                |payloads| payloads.is_empty(),
            ),
        ),
        (
            "delta_get",
            api.delta_get(
                ctx,
                DeltaGet {
                    url: "http://deb.example/debian/pool/curl.deb".into(),
                    ..DeltaGet::default()
                },
            )
            .await
            .map_or_else(
                |error| error.code == ErrorCode::Forbidden,
                |delta| delta.is_none(),
            ),
        ),
        (
            "stored_payload_get",
            api.stored_payload_get(
                ctx,
                StoredPayloadGet {
                    url: "http://deb.example/debian/pool/curl.deb".into(),
                    ..StoredPayloadGet::default()
                },
            )
            .await
            .map_or_else(
                |error| error.code == ErrorCode::Forbidden,
                |stored| stored.is_none(),
            ),
        ),
        (
            "payloads_store",
            // What nobody of the organization named is left out.
            api.payloads_store(
                ctx,
                PayloadsStore {
                    payloads: vec![StoredPayloadGet {
                        url: "http://deb.example/debian/pool/curl.deb".into(),
                        ..StoredPayloadGet::default()
                    }],
                },
            )
            .await
            .map_or_else(|error| error.code == ErrorCode::Forbidden, |_| true),
        ),
        (
            "patch_pending",
            not_found(code(
                api.patch_pending(
                    ctx,
                    PatchPending {
                        host,
                        patches: vec![patch],
                    },
                )
                .await,
            )),
        ),
        (
            "risk_weights_get",
            // A stranger sees its own, which are the defaults; a grant for some sites knows the organization's.
            api.risk_weights_get(ctx, RiskWeightsGet::default())
                .await
                .is_ok_and(|held| held.tenant == ctx.write.expect("tenant")),
        ),
        ("risk_weights_set", {
            let weights = RiskWeights {
                kev: 0,
                criticality: 55,
                ..RiskWeights::default()
            };
            let change = RiskWeightsSet {
                if_match: None,
                weights,
            };
            let outcome = api.risk_weights_set(ctx, change).await;
            world.inventory.reevaluate().await.expect("re-evaluation");
            let own = world.findings(FindingFilter::default()).await;
            outcome.map_or_else(
                |error| error.code == ErrorCode::Forbidden,
                |_| ctx.sites.is_none(),
            ) && own.iter().all(|finding| finding.risk.weights_version == 0)
        }),
        ("baselines_set", {
            let none = BaselinesSet {
                version: 9,
                followed: vec![],
            };
            let outcome = api.baselines_set(ctx, none).await;
            world.inventory.reevaluate().await.expect("re-evaluation");
            let own = world.findings(FindingFilter::default()).await;
            // A stranger decides for the own organization, a grant for some sites for none.
            outcome.map_or_else(
                |error| error.code == ErrorCode::Forbidden,
                |_| ctx.sites.is_none(),
            ) && own.iter().all(|finding| finding.deadline.is_some())
        }),
        (
            "compliance_now",
            api.compliance_now(ctx, ComplianceNow::default())
                .await
                .expect("cells")
                .is_empty(),
        ),
    ]
}

pub(crate) async fn exposed(
    world: &World,
) -> (HostId, netpatch_types::FindingId, netpatch_types::GroupId) {
    world.import().await;
    let host = world.host(1, &[]).await;
    world
        .report(host, vec![component("curl", "7.88.1-10+deb12u1", "curl")])
        .await;
    world
        .offer(host, vec![update("curl", "curl", "7.88.1-10+deb12u3")])
        .await;
    let finding = world.findings(FindingFilter::default()).await[0].id;
    let group = GroupCreate {
        name: "all".into(),
        selector: Selector::default(),
    };
    let group = world
        .api
        .group_create(&world.ctx, group)
        .await
        .expect("group")
        .id;
    (host, finding, group)
}

#[tokio::test]
async fn another_organizations_ids_are_not_found_in_every_operation() {
    for world in World::both().await {
        let (host, finding, group) = exposed(&world).await;
        asset_of(&world, host).await;
        let before = world.fingerprint().await;
        let stranger = world.stranger();
        let leaks: Vec<_> = asked(&world, &stranger, host, finding, group)
            .await
            .into_iter()
            .filter(|(_, refused)| !refused)
            .collect();
        assert!(leaks.is_empty(), "{leaks:?}");
        assert_eq!(
            world.api.group_list(&stranger, GroupList {}).await,
            Ok(vec![])
        );
        assert_eq!(world.fingerprint().await, before);
        // The same machine of another organization is another host.
        let register = HostRegister {
            id: HostId::new(world.clock.now()),
            site: world.site,
            facts: facts(1, "mine"),
            labels: Default::default(),
        };
        let registered = world
            .api
            .host_register(&stranger, register.clone())
            .await
            .expect("registered");
        assert_eq!(
            registered,
            HostRegistered {
                id: register.id,
                known: false
            }
        );
        // A name that is taken elsewhere is free here.
        let same = GroupCreate {
            name: "all".into(),
            selector: Selector::default(),
        };
        assert!(world.api.group_create(&stranger, same).await.is_ok());
    }
}

#[tokio::test]
async fn a_manifest_of_another_organization_is_no_base() {
    let world = World::direct().await;
    let (_, _, _) = exposed(&world).await;
    let stranger = world.stranger();
    let host = HostId::new(world.clock.now());
    let register = HostRegister {
        id: host,
        site: world.site,
        facts: facts(2, "other"),
        labels: Default::default(),
    };
    world
        .api
        .host_register(&stranger, register)
        .await
        .expect("registered");
    let held = vec![component("curl", "7.88.1-10+deb12u1", "curl")];
    let mut after = held.clone();
    after.push(component("zip", "3.0-13", "zip"));
    let delta = ManifestDeltaReport {
        host,
        base: manifest_hash(&held),
        hash: manifest_hash(&after),
        added: vec![component("zip", "3.0-13", "zip")],
        removed: vec![],
    };
    let outcome = world
        .api
        .manifest_delta_report(&stranger, delta)
        .await
        .expect("answer");
    assert!(!outcome.base_known, "a known hash would be an oracle");
}

#[tokio::test]
async fn a_grant_for_one_site_sees_nothing_of_another() {
    for world in World::both().await {
        let (host, finding, group) = exposed(&world).await;
        let mut narrow = world.ctx.clone();
        narrow.sites = Some(vec![SiteId::new(world.clock.now())]);
        let leaks: Vec<_> = asked(&world, &narrow, host, finding, group)
            .await
            .into_iter()
            .filter(|(_, refused)| !refused)
            .collect();
        assert!(leaks.is_empty(), "{leaks:?}");
        narrow.sites = Some(vec![world.site]);
        assert!(
            world
                .api
                .host_get(&narrow, HostGet { id: host })
                .await
                .is_ok()
        );
        let elsewhere = HostUpdate {
            id: host,
            if_match: None,
            labels: None,
            site: Some(SiteId::new(world.clock.now())),
            release_quarantine: false,
        };
        assert_eq!(
            code(world.api.host_update(&narrow, elsewhere).await),
            ErrorCode::NotFound
        );
    }
}

#[tokio::test]
async fn a_partner_reads_several_organizations_and_writes_one() {
    let world = World::direct().await;
    let (host, ..) = exposed(&world).await;
    let mut partner = world.stranger();
    partner.read.push(world.ctx.read[0]);
    assert_eq!(
        world
            .api
            .host_get(&partner, HostGet { id: host })
            .await
            .expect("read")
            .tenant,
        world.ctx.read[0]
    );
    let queue = QueueList {
        page: PageRequest::largest(),
        ..QueueList::default()
    };
    assert_eq!(
        world
            .api
            .queue_list(&partner, queue)
            .await
            .expect("queue")
            .rows
            .len(),
        1
    );
    let change = HostUpdate {
        id: host,
        if_match: None,
        labels: Some(Default::default()),
        site: None,
        release_quarantine: false,
    };
    assert_eq!(
        code(world.api.host_update(&partner, change).await),
        ErrorCode::NotFound,
        "written is only one's own"
    );
    let report = ApplicabilityReport {
        sources: Vec::new(),
        host,
        manifest: Default::default(),
        updates: vec![],
        problem: "x".into(),
    };
    assert_eq!(
        code(world.api.applicability_report(&partner, report).await),
        ErrorCode::NotFound
    );
}
