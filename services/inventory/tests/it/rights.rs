//! Every operation without its right, and an agent that reports for another host.

use crate::tenancy::{code, exposed};
use crate::world::{World, component, facts, patch_id};
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory_api::*;
use netpatch_types::{ActorKind, ComponentId, ErrorCode, PageRequest, Permission, Selector};

#[tokio::test]
async fn every_operation_needs_its_right() {
    for world in World::both().await {
        let (host, finding, _) = exposed(&world).await;
        let mut person = world.ctx.clone();
        person.actor.kind = ActorKind::User;
        person.permissions = [Permission::Approve].into();
        let (api, ctx, page) = (&world.api, &person, PageRequest::largest());
        let patch = patch_id("curl", "7.88.1-10+deb12u3");
        let asset = netpatch_types::AssetId(host.0);
        let selector = Selector::default();
        let codes = [
            code(
                api.host_register(
                    ctx,
                    HostRegister {
                        id: host,
                        site: world.site,
                        facts: facts(1, "x"),
                        labels: Default::default(),
                    },
                )
                .await,
            ),
            code(api.host_get(ctx, HostGet { id: host }).await),
            code(api.host_list(ctx, HostList::default()).await),
            code(
                api.host_update(
                    ctx,
                    HostUpdate {
                        id: host,
                        if_match: None,
                        labels: None,
                        site: None,
                        release_quarantine: true,
                    },
                )
                .await,
            ),
            code(
                api.host_facts_report(
                    ctx,
                    HostFactsReport {
                        host,
                        facts: facts(1, "x"),
                    },
                )
                .await,
            ),
            code(
                api.probe_plan(
                    ctx,
                    ProbePlanGet {
                        relay: netpatch_types::RelayId(host.0),
                        site: world.site,
                        hosts: vec![host],
                    },
                )
                .await,
            ),
            code(
                api.probe_report(
                    ctx,
                    ProbeReport {
                        relay: netpatch_types::RelayId(host.0),
                        site: world.site,
                        hosts: vec![],
                    },
                )
                .await,
            ),
            code(api.presence_report(ctx, PresenceReport::default()).await),
            code(
                api.manifest_report(
                    ctx,
                    ManifestReport {
                        host,
                        hash: Default::default(),
                        components: vec![],
                    },
                )
                .await,
            ),
            code(
                api.manifest_delta_report(
                    ctx,
                    ManifestDeltaReport {
                        host,
                        base: Default::default(),
                        hash: Default::default(),
                        added: vec![],
                        removed: vec![],
                    },
                )
                .await,
            ),
            code(
                api.applicability_report(
                    ctx,
                    ApplicabilityReport {
                        sources: Vec::new(),
                        host,
                        manifest: Default::default(),
                        updates: vec![],
                        problem: String::new(),
                    },
                )
                .await,
            ),
            code(
                api.component_get(
                    ctx,
                    ComponentGet {
                        id: ComponentId(uuid::Uuid::nil()),
                    },
                )
                .await,
            ),
            code(
                api.component_list(
                    ctx,
                    ComponentList {
                        host,
                        name_contains: None,
                        page,
                    },
                )
                .await,
            ),
            code(api.asset_get(ctx, AssetGet { id: asset }).await),
            code(api.asset_list(ctx, AssetList::default()).await),
            code(
                api.asset_upsert(
                    ctx,
                    AssetUpsert {
                        write: AssetWrite::default(),
                        origin: AssetOrigin::Api,
                    },
                )
                .await,
            ),
            code(
                api.asset_import(
                    ctx,
                    AssetImport {
                        rows: vec![],
                        origin: AssetOrigin::Csv,
                        dry_run: true,
                    },
                )
                .await,
            ),
            code(
                api.asset_file_import(
                    ctx,
                    AssetFileImport {
                        text: String::new(),
                        mapping: Default::default(),
                        sites: Default::default(),
                        dry_run: true,
                    },
                )
                .await,
            ),
            code(
                api.asset_delete(
                    ctx,
                    AssetDelete {
                        id: asset,
                        if_match: None,
                    },
                )
                .await,
            ),
            code(
                api.group_create(
                    ctx,
                    GroupCreate {
                        name: "x".into(),
                        selector,
                    },
                )
                .await,
            ),
            code(api.group_list(ctx, GroupList {}).await),
            code(api.finding_list(ctx, FindingList::default()).await),
            code(api.finding_get(ctx, FindingGet { id: finding }).await),
            code(
                api.finding_group_list(ctx, FindingGroupList::default())
                    .await,
            ),
            code(api.queue_list(ctx, QueueList::default()).await),
            code(api.patch_get(ctx, PatchGet { id: patch }).await),
            code(api.patch_list(ctx, PatchList::default()).await),
            code(
                api.patch_content(ctx, PatchContentGet { patch, group: None })
                    .await,
            ),
            code(api.patch_targets(ctx, PatchTargets::default()).await),
            code(api.patch_refusals(ctx, PatchRefusals::default()).await),
            code(api.patch_payloads(ctx, PatchPayloads::default()).await),
            code(api.delta_get(ctx, DeltaGet::default()).await),
            code(
                api.stored_payload_get(ctx, StoredPayloadGet::default())
                    .await,
            ),
            code(api.payloads_store(ctx, PayloadsStore::default()).await),
            code(api.sbom_hosts(ctx, SbomHosts::default()).await),
            code(api.sbom_findings(ctx, SbomFindings::default()).await),
            code(
                api.patch_pending(
                    ctx,
                    PatchPending {
                        host,
                        patches: vec![],
                    },
                )
                .await,
            ),
            code(api.advisory_get(ctx, AdvisoryGet::default()).await),
            code(api.compliance_now(ctx, ComplianceNow::default()).await),
            code(
                api.feed_import(
                    ctx,
                    FeedImport {
                        pack_dir: "/".into(),
                    },
                )
                .await,
            ),
            code(
                api.feed_export(
                    ctx,
                    FeedExport {
                        pack_dir: "/nonexistent".into(),
                    },
                )
                .await,
            ),
            code(api.feed_accept(ctx, FeedAccept::default()).await),
            code(api.feed_list(ctx, FeedList {}).await),
            code(api.events(ctx, EventsAfter::default()).await),
            code(api.risk_weights_get(ctx, RiskWeightsGet::default()).await),
            code(
                api.risk_weights_set(
                    ctx,
                    RiskWeightsSet {
                        if_match: None,
                        weights: RiskWeights::default(),
                    },
                )
                .await,
            ),
            code(
                api.baselines_set(
                    ctx,
                    BaselinesSet {
                        version: 1,
                        followed: vec![],
                    },
                )
                .await,
            ),
        ];
        assert_eq!(codes, [ErrorCode::Forbidden; 47]);
    }
}

#[tokio::test]
async fn an_agent_reports_for_its_own_host_only() {
    let world = World::direct().await;
    let (one, two) = (world.host(1, &[]).await, world.host(2, &[]).await);
    let mut agent = world.ctx.clone();
    agent.actor.kind = ActorKind::Agent;
    agent.actor.id = one.0;
    let components = vec![component("a", "1", "a")];
    let report = |host| ManifestReport {
        host,
        hash: manifest_hash(&components),
        components: components.clone(),
    };
    assert!(world.api.manifest_report(&agent, report(one)).await.is_ok());
    let decide = BaselinesSet {
        version: 1,
        followed: vec![],
    };
    assert_eq!(
        code(world.api.baselines_set(&agent, decide).await),
        ErrorCode::Forbidden,
        "an agent sets no deadlines"
    );
    assert_eq!(
        code(world.api.manifest_report(&agent, report(two)).await),
        ErrorCode::NotFound
    );
}
