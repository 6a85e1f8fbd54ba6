//! The use cases of inventory, a file per noun, and the object that implements [`InventoryApi`].

mod applicability;
mod asset;
mod baseline;
mod catalog;
mod compatibility;
pub(crate) mod delta;
mod dictionary;
mod evaluation;
pub(crate) mod feed;
pub(crate) mod feed_epoch;
mod finding;
mod fleet;
mod group;
mod guard;
mod hardware;
mod host;
mod ingest;
mod manifest;
mod patch;
mod probe;
mod queue;
mod registration;
mod sbom;
mod software;
pub(crate) mod stored;
mod together;
mod weights;

pub(crate) use catalog::{Catalog, CatalogAdvisory};
pub use delta::{DeltaSettings, DeltaStore};
pub use feed::FeedSettings;
pub use stored::{PayloadSettings, PayloadStore};

use crate::store;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::*;
use netpatch_storage::{Database, SharedBus, outbox};
use netpatch_types::{
    EventPage, HostId, Page, PatchId, Permission, RequestContext, ServiceResult, SharedClock,
};
use std::sync::{Arc, RwLock, Weak};
use tokio::sync::{Mutex, Notify};

/// Inventory. Cheap to share behind an `Arc`.
pub struct Inventory {
    pub(crate) db: Database,
    bus: SharedBus,
    pub(crate) clock: SharedClock,
    /// The newest advisories that this process has loaded.
    catalog: RwLock<Option<Arc<Catalog>>>,
    /// One load at a time.
    loading: Mutex<()>,
    /// What an operator set about feeds.
    pub(crate) feeds: FeedSettings,
    /// Wakes the evaluation after an import.
    pub(crate) imported: Notify,
    /// Wakes the evaluation after a large batch of reports.
    pub(crate) reported: Notify,
    /// Differences between payloads, where they are made.
    pub(crate) deltas: Option<delta::Deltas>,
    /// Payloads, where they are kept.
    pub(crate) stored: Option<stored::Stored>,
    dictionary: dictionary::Dictionary,
    ingest: ingest::Ingest,
    registrations: registration::Registrations,
    fleets: fleet::Fleets,
    /// The advisories before the newest, while an organization is behind.
    previous: RwLock<Option<Arc<Catalog>>>,
    /// Itself, for tasks that outlive a call.
    this: Weak<Self>,
}

impl std::fmt::Debug for Inventory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inventory")
    }
}

impl Inventory {
    /// Inventory over a migrated database. Start [`Inventory::run`] beside it.
    #[must_use]
    pub fn new(db: Database, bus: SharedBus, clock: SharedClock) -> Arc<Self> {
        Self::with_feeds(db, bus, clock, FeedSettings::default())
    }

    /// The same, with what an operator set about feeds.
    #[must_use]
    pub fn with_feeds(
        db: Database,
        bus: SharedBus,
        clock: SharedClock,
        feeds: FeedSettings,
    ) -> Arc<Self> {
        Self::with_payloads(db, bus, clock, feeds, None, None)
    }

    /// The same, making differences between payloads, and keeping payloads.
    #[must_use]
    pub fn with_payloads(
        db: Database,
        bus: SharedBus,
        clock: SharedClock,
        feeds: FeedSettings,
        deltas: Option<DeltaStore>,
        payloads: Option<PayloadStore>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            deltas: deltas.map(delta::Deltas::new),
            stored: payloads.map(stored::Stored::new),
            feeds,
            db,
            bus,
            clock,
            catalog: RwLock::default(),
            loading: Mutex::default(),
            imported: Notify::new(),
            reported: Notify::new(),
            dictionary: dictionary::Dictionary::default(),
            ingest: ingest::Ingest::default(),
            registrations: registration::Registrations::default(),
            fleets: fleet::Fleets::default(),
            previous: RwLock::default(),
            this: Weak::clone(this),
        })
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Says "look now" after a commit that appended events.
    pub(crate) async fn hint(&self) {
        self.bus.publish("inventory.outbox", b"").await;
    }
}

#[async_trait::async_trait]
impl InventoryApi for Inventory {
    async fn host_register(
        &self,
        ctx: &RequestContext,
        request: HostRegister,
    ) -> ServiceResult<HostRegistered> {
        guard::system(ctx)?;
        self.register(ctx, request).await
    }

    async fn host_get(&self, ctx: &RequestContext, request: HostGet) -> ServiceResult<Host> {
        ctx.require(Permission::Read)?;
        self.host(ctx, request.id).await
    }

    async fn host_places(
        &self,
        ctx: &RequestContext,
        request: HostPlaces,
    ) -> ServiceResult<Vec<HostPlace>> {
        guard::platform(ctx)?;
        self.places(ctx, request).await
    }

    async fn host_quarantined(
        &self,
        ctx: &RequestContext,
        request: HostQuarantined,
    ) -> ServiceResult<Vec<HostId>> {
        guard::platform(ctx)?;
        self.quarantined(ctx, request).await
    }

    async fn host_list(
        &self,
        ctx: &RequestContext,
        request: HostList,
    ) -> ServiceResult<Page<Host>> {
        ctx.require(Permission::Read)?;
        self.hosts(ctx, request).await
    }

    async fn host_update(&self, ctx: &RequestContext, request: HostUpdate) -> ServiceResult<Host> {
        ctx.require(Permission::Admin)?;
        self.update_host(ctx, request).await
    }

    async fn host_facts_report(
        &self,
        ctx: &RequestContext,
        request: HostFactsReport,
    ) -> ServiceResult<Done> {
        guard::reports_for(ctx, request.host)?;
        self.report_facts(ctx, request).await
    }

    async fn probe_plan(
        &self,
        ctx: &RequestContext,
        request: ProbePlanGet,
    ) -> ServiceResult<ProbePlan> {
        guard::platform(ctx)?;
        self.plan_probes(ctx, request).await
    }

    async fn probe_report(
        &self,
        ctx: &RequestContext,
        request: ProbeReport,
    ) -> ServiceResult<ProbeTaken> {
        guard::platform(ctx)?;
        self.report_probes(ctx, request).await
    }

    async fn presence_report(
        &self,
        ctx: &RequestContext,
        request: PresenceReport,
    ) -> ServiceResult<Done> {
        guard::system(ctx)?;
        self.report_presence(ctx, request).await
    }

    async fn manifest_report(
        &self,
        ctx: &RequestContext,
        request: ManifestReport,
    ) -> ServiceResult<ManifestOutcome> {
        guard::reports_for(ctx, request.host)?;
        self.report_manifest(ctx, request).await
    }

    async fn manifest_delta_report(
        &self,
        ctx: &RequestContext,
        request: ManifestDeltaReport,
    ) -> ServiceResult<ManifestOutcome> {
        guard::reports_for(ctx, request.host)?;
        self.report_manifest_delta(ctx, request).await
    }

    async fn applicability_report(
        &self,
        ctx: &RequestContext,
        request: ApplicabilityReport,
    ) -> ServiceResult<Done> {
        guard::reports_for(ctx, request.host)?;
        self.report_applicability(ctx, request).await
    }

    async fn component_list(
        &self,
        ctx: &RequestContext,
        request: ComponentList,
    ) -> ServiceResult<Page<Component>> {
        ctx.require(Permission::Read)?;
        self.components(ctx, request).await
    }

    async fn component_get(
        &self,
        ctx: &RequestContext,
        request: ComponentGet,
    ) -> ServiceResult<Component> {
        ctx.require(Permission::Read)?;
        self.component(ctx, request.id).await
    }

    async fn asset_get(&self, ctx: &RequestContext, request: AssetGet) -> ServiceResult<Asset> {
        ctx.require(Permission::Read)?;
        self.asset(ctx, request).await
    }

    async fn asset_list(
        &self,
        ctx: &RequestContext,
        request: AssetList,
    ) -> ServiceResult<Page<Asset>> {
        ctx.require(Permission::Read)?;
        self.assets(ctx, request).await
    }

    async fn asset_upsert(
        &self,
        ctx: &RequestContext,
        request: AssetUpsert,
    ) -> ServiceResult<AssetUpserted> {
        ctx.require(Permission::AssetWrite)?;
        self.upsert_asset(ctx, request).await
    }

    async fn asset_import(
        &self,
        ctx: &RequestContext,
        request: AssetImport,
    ) -> ServiceResult<AssetImported> {
        ctx.require(Permission::AssetWrite)?;
        self.import_assets(ctx, request).await
    }

    async fn asset_file_import(
        &self,
        ctx: &RequestContext,
        request: AssetFileImport,
    ) -> ServiceResult<AssetImported> {
        ctx.require(Permission::AssetWrite)?;
        self.import_asset_file(ctx, request).await
    }

    async fn software_import(
        &self,
        ctx: &RequestContext,
        request: SoftwareImport,
    ) -> ServiceResult<SoftwareImported> {
        ctx.require(Permission::AssetWrite)?;
        self.import_software(ctx, request).await
    }

    async fn asset_delete(
        &self,
        ctx: &RequestContext,
        request: AssetDelete,
    ) -> ServiceResult<Done> {
        ctx.require(Permission::AssetWrite)?;
        self.delete_asset(ctx, request).await
    }

    async fn group_create(
        &self,
        ctx: &RequestContext,
        request: GroupCreate,
    ) -> ServiceResult<Group> {
        ctx.require(Permission::PolicyWrite)?;
        self.create_group(ctx, request).await
    }

    async fn group_list(&self, ctx: &RequestContext, _: GroupList) -> ServiceResult<Vec<Group>> {
        ctx.require(Permission::Read)?;
        Ok(store::group::list(&self.db.read(ctx).await?).await?)
    }

    async fn finding_list(
        &self,
        ctx: &RequestContext,
        request: FindingList,
    ) -> ServiceResult<Page<Finding>> {
        ctx.require(Permission::Read)?;
        self.findings(ctx, request).await
    }

    async fn finding_get(
        &self,
        ctx: &RequestContext,
        request: FindingGet,
    ) -> ServiceResult<Finding> {
        ctx.require(Permission::Read)?;
        self.finding(ctx, request.id).await
    }

    async fn finding_group_list(
        &self,
        ctx: &RequestContext,
        request: FindingGroupList,
    ) -> ServiceResult<Page<FindingGroup>> {
        ctx.require(Permission::Read)?;
        self.finding_groups(ctx, request).await
    }

    async fn queue_list(
        &self,
        ctx: &RequestContext,
        request: QueueList,
    ) -> ServiceResult<Page<QueueItem>> {
        ctx.require(Permission::Read)?;
        self.queue(ctx, request).await
    }

    async fn patch_get(&self, ctx: &RequestContext, request: PatchGet) -> ServiceResult<Patch> {
        ctx.require(Permission::Read)?;
        self.patch(ctx, request.id).await
    }

    async fn patch_list(
        &self,
        ctx: &RequestContext,
        request: PatchList,
    ) -> ServiceResult<Page<Patch>> {
        ctx.require(Permission::Read)?;
        self.patches(ctx, request).await
    }

    async fn patch_content(
        &self,
        ctx: &RequestContext,
        request: PatchContentGet,
    ) -> ServiceResult<PatchContent> {
        ctx.require(Permission::Read)?;
        self.content(ctx, request).await
    }

    async fn patch_targets(
        &self,
        ctx: &RequestContext,
        request: PatchTargets,
    ) -> ServiceResult<Vec<Target>> {
        ctx.require(Permission::Read)?;
        self.targets(ctx, request).await
    }

    async fn patch_payloads(
        &self,
        ctx: &RequestContext,
        request: PatchPayloads,
    ) -> ServiceResult<Vec<Payload>> {
        guard::platform(ctx)?;
        self.payloads(ctx, request).await
    }

    async fn delta_get(
        &self,
        ctx: &RequestContext,
        request: DeltaGet,
    ) -> ServiceResult<Option<Delta>> {
        guard::platform(ctx)?;
        self.delta(ctx, request).await
    }

    async fn stored_payload_get(
        &self,
        ctx: &RequestContext,
        request: StoredPayloadGet,
    ) -> ServiceResult<Option<StoredPayload>> {
        guard::platform(ctx)?;
        self.stored_payload(ctx, request).await
    }

    async fn payloads_store(
        &self,
        ctx: &RequestContext,
        request: PayloadsStore,
    ) -> ServiceResult<Done> {
        guard::platform(ctx)?;
        self.store_payloads(ctx, request).await?;
        Ok(Done {})
    }

    async fn patch_pending(
        &self,
        ctx: &RequestContext,
        request: PatchPending,
    ) -> ServiceResult<Vec<PatchId>> {
        ctx.require(Permission::Read)?;
        self.pending(ctx, request).await
    }

    async fn patch_refusals(
        &self,
        ctx: &RequestContext,
        request: PatchRefusals,
    ) -> ServiceResult<Vec<PatchRefusal>> {
        ctx.require(Permission::Read)?;
        self.patch_refusals_of(ctx, request).await
    }

    async fn sbom_hosts(
        &self,
        ctx: &RequestContext,
        request: SbomHosts,
    ) -> ServiceResult<SbomHostPage> {
        ctx.require(Permission::Report)?;
        self.sbom_hosts_page(ctx, request).await
    }

    async fn sbom_findings(
        &self,
        ctx: &RequestContext,
        request: SbomFindings,
    ) -> ServiceResult<SbomFindingPage> {
        ctx.require(Permission::Report)?;
        self.sbom_findings_page(ctx, request).await
    }

    async fn advisory_get(
        &self,
        ctx: &RequestContext,
        request: AdvisoryGet,
    ) -> ServiceResult<Advisory> {
        ctx.require(Permission::Read)?;
        self.advisory(request).await
    }

    async fn baselines_set(
        &self,
        ctx: &RequestContext,
        request: BaselinesSet,
    ) -> ServiceResult<Done> {
        guard::platform(ctx)?;
        self.set_baselines(ctx, request).await
    }

    async fn exceptions_set(
        &self,
        ctx: &RequestContext,
        request: ExceptionsSet,
    ) -> ServiceResult<Done> {
        guard::platform(ctx)?;
        self.set_exceptions(ctx, request).await
    }

    async fn risk_weights_get(
        &self,
        ctx: &RequestContext,
        request: RiskWeightsGet,
    ) -> ServiceResult<RiskWeightsHeld> {
        ctx.require(Permission::Read)?;
        self.weights(ctx, request).await
    }

    async fn risk_weights_set(
        &self,
        ctx: &RequestContext,
        request: RiskWeightsSet,
    ) -> ServiceResult<RiskWeightsHeld> {
        ctx.require(Permission::PolicyWrite)?;
        self.set_weights(ctx, request).await
    }

    async fn hardware_rules_get(
        &self,
        ctx: &RequestContext,
        request: HardwareRulesGet,
    ) -> ServiceResult<HardwareRulesHeld> {
        ctx.require(Permission::Read)?;
        self.hardware_rules(ctx, request).await
    }

    async fn hardware_rules_set(
        &self,
        ctx: &RequestContext,
        request: HardwareRulesSet,
    ) -> ServiceResult<HardwareRulesHeld> {
        ctx.require(Permission::PolicyWrite)?;
        self.set_hardware_rules(ctx, request).await
    }

    async fn compliance_now(
        &self,
        ctx: &RequestContext,
        request: ComplianceNow,
    ) -> ServiceResult<Vec<ComplianceCell>> {
        ctx.require(Permission::Read)?;
        let since = crate::domain::compliance::known_since(self.clock.now());
        let tx = self.db.read(ctx).await?;
        let sites = store::compliance::sites(&tx, ctx, request.tenant, since).await?;
        Ok(sites
            .iter()
            .flat_map(crate::domain::compliance::cells)
            .collect())
    }

    async fn feed_import(
        &self,
        ctx: &RequestContext,
        request: FeedImport,
    ) -> ServiceResult<Vec<FeedStatus>> {
        guard::system(ctx)?;
        self.import(request).await
    }

    async fn feed_export(
        &self,
        ctx: &RequestContext,
        request: FeedExport,
    ) -> ServiceResult<FeedExported> {
        guard::system(ctx)?;
        self.export(request).await
    }

    async fn feed_accept(
        &self,
        ctx: &RequestContext,
        request: FeedAccept,
    ) -> ServiceResult<Vec<FeedStatus>> {
        self.accept(ctx, request).await
    }

    async fn feed_list(&self, ctx: &RequestContext, _: FeedList) -> ServiceResult<Vec<FeedStatus>> {
        ctx.require(Permission::Read)?;
        Ok(store::feed::list(&self.db.directory_tx().await?).await?)
    }

    async fn events(&self, ctx: &RequestContext, request: EventsAfter) -> ServiceResult<EventPage> {
        guard::system(ctx)?;
        Ok(outbox::read(
            &self.db,
            store::migrations::SCHEMA,
            request.after,
            request.limit,
        )
        .await?)
    }
}
