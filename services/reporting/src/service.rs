//! Use cases of reporting, a file per noun; the implementation of the api trait.

mod compliance;
mod evidence;
mod ledger;
mod report;
mod webhook;

use crate::webhook_client::WebhookClient;
use async_trait::async_trait;
use netpatch_inventory_api::InventoryApi;
use netpatch_policy_api::PolicyApi;
use netpatch_proof::Ed25519Signer;
use netpatch_reporting_api::*;
use netpatch_scheduler_api::SchedulerApi;
use netpatch_storage::{Blobs, Database, SharedBus, keys::KeyFolder, outbox};
use netpatch_types::{
    ActorKind, EventPage, Page, Permission, RequestContext, ServiceError, ServiceResult,
    SharedClock, TenantId,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const SCHEMA: &str = "reporting";
/// The topic that hints at new events.
pub(crate) const OUTBOX_TOPIC: &str = "reporting.outbox";
/// The topic that hints at entries that wait for the tree, and at deliveries.
pub(crate) const WORK_TOPIC: &str = "reporting.work";

/// What an operator sets.
#[derive(Clone, Debug)]
pub struct ReportingSettings {
    /// Webhooks may reach private addresses and plain HTTP: for demos and tests.
    pub allow_private_webhooks: bool,
    /// A snapshot of compliance at least this often.
    pub snapshot_every: Duration,
    /// A snapshot this long after the first change since the last.
    pub snapshot_after_change: Duration,
}

impl Default for ReportingSettings {
    fn default() -> Self {
        Self {
            allow_private_webhooks: false,
            snapshot_every: Duration::from_secs(3600),
            snapshot_after_change: Duration::from_secs(60),
        }
    }
}

/// What the service is made of.
#[derive(Clone)]
pub struct ReportingParts {
    /// The database, migrated.
    pub database: Database,
    /// Tiles, checkpoints, reports.
    pub blobs: Blobs,
    /// Hints.
    pub bus: SharedBus,
    /// The time.
    pub clock: SharedClock,
    /// `DATA/keys`; the ledger keys are `<organization>/ledger`.
    pub keys: KeyFolder,
    /// Compliance, findings.
    pub inventory: Arc<dyn InventoryApi>,
    /// The approval key, events.
    pub policy: Arc<dyn PolicyApi>,
    /// The director key, runs, events.
    pub scheduler: Arc<dyn SchedulerApi>,
    /// What an operator sets.
    pub settings: ReportingSettings,
}

/// The service.
pub struct ReportingService {
    pub(crate) database: Database,
    pub(crate) blobs: Blobs,
    pub(crate) bus: SharedBus,
    pub(crate) clock: SharedClock,
    pub(crate) inventory: Arc<dyn InventoryApi>,
    pub(crate) policy: Arc<dyn PolicyApi>,
    pub(crate) scheduler: Arc<dyn SchedulerApi>,
    pub(crate) settings: ReportingSettings,
    pub(crate) webhooks: WebhookClient,
    pub(crate) keys: KeyFolder,
}

impl std::fmt::Debug for ReportingService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportingService")
    }
}

impl ReportingService {
    /// The service; [`ReportingService::run`] does its background work. Fails when no HTTP client can be made.
    pub fn new(parts: ReportingParts) -> Result<Self, crate::webhook_client::WebhookClientError> {
        let ReportingParts {
            database,
            blobs,
            bus,
            clock,
            keys,
            inventory,
            policy,
            scheduler,
            settings,
        } = parts;
        let webhooks = WebhookClient::new(settings.allow_private_webhooks)?;
        Ok(Self {
            database,
            blobs,
            bus,
            clock,
            inventory,
            policy,
            scheduler,
            settings,
            webhooks,
            keys,
        })
    }

    /// The platform acting in one organization, for calls to other services and for jobs.
    pub(crate) fn system(&self, tenant: TenantId) -> RequestContext {
        RequestContext::system(tenant, "reporting", self.clock.now())
    }

    /// The ledger key of an organization, made at first use.
    pub(crate) fn ledger_signer(&self, tenant: TenantId) -> ServiceResult<Ed25519Signer> {
        let secret = self
            .keys
            .secret(&format!("{tenant}/ledger"))
            .map_err(|error| {
                tracing::error!(%error, %tenant, "the ledger key cannot be read");
                ServiceError::internal()
            })?;
        Ok(Ed25519Signer::from_secret(&secret))
    }
}

/// Only the platform itself may.
fn system_only(ctx: &RequestContext) -> ServiceResult<()> {
    if ctx.actor.kind == ActorKind::System {
        Ok(())
    } else {
        Err(ServiceError::forbidden(
            "only the platform itself does this",
        ))
    }
}

/// Another organization looks like one that does not exist.
fn readable(ctx: &RequestContext, tenant: TenantId) -> ServiceResult<()> {
    if ctx.read.contains(&tenant) {
        Ok(())
    } else {
        Err(ServiceError::not_found("organization"))
    }
}

/// The ledger, evidence and webhooks are the organization's, not a site's.
fn whole_organization(ctx: &RequestContext) -> ServiceResult<()> {
    if ctx.sites.is_none() {
        Ok(())
    } else {
        Err(ServiceError::forbidden(
            "your right is limited to some sites; this concerns the whole organization",
        ))
    }
}

fn require(ctx: &RequestContext, permission: Permission) -> ServiceResult<()> {
    ctx.require(permission)?;
    whole_organization(ctx)
}

#[async_trait]
impl ReportingApi for ReportingService {
    async fn ledger_append(
        &self,
        ctx: &RequestContext,
        request: LedgerAppend,
    ) -> ServiceResult<Vec<u64>> {
        system_only(ctx)?;
        self.append(ctx, request).await
    }

    async fn ledger_list(
        &self,
        ctx: &RequestContext,
        request: LedgerList,
    ) -> ServiceResult<Page<LedgerEntry>> {
        require(ctx, Permission::LedgerRead)?;
        self.entries(ctx, request).await
    }

    async fn ledger_get(
        &self,
        ctx: &RequestContext,
        request: LedgerGet,
    ) -> ServiceResult<LedgerEntry> {
        require(ctx, Permission::LedgerRead)?;
        self.entry(ctx, request).await
    }

    async fn ledger_proof(
        &self,
        ctx: &RequestContext,
        request: LedgerProofGet,
    ) -> ServiceResult<InclusionProof> {
        require(ctx, Permission::LedgerRead)?;
        readable(ctx, request.tenant)?;
        self.inclusion(ctx, request).await
    }

    async fn ledger_consistency(
        &self,
        ctx: &RequestContext,
        request: ConsistencyGet,
    ) -> ServiceResult<ConsistencyProof> {
        require(ctx, Permission::LedgerRead)?;
        readable(ctx, request.tenant)?;
        self.consistency(ctx, request).await
    }

    async fn ledger_checkpoint(
        &self,
        ctx: &RequestContext,
        request: CheckpointGet,
    ) -> ServiceResult<Checkpoint> {
        require(ctx, Permission::LedgerRead)?;
        readable(ctx, request.tenant)?;
        self.checkpoint(ctx, request.tenant).await
    }

    async fn ledger_key(&self, ctx: &RequestContext, _: LedgerKeyGet) -> ServiceResult<LedgerKey> {
        system_only(ctx)?;
        self.public_key(ctx.tenant()?)
    }

    async fn compliance_get(
        &self,
        ctx: &RequestContext,
        request: ComplianceGet,
    ) -> ServiceResult<ComplianceSnapshot> {
        ctx.require(Permission::Read)?;
        readable(ctx, request.tenant)?;
        self.snapshot_at(ctx, request).await
    }

    async fn compliance_history(
        &self,
        ctx: &RequestContext,
        request: ComplianceHistory,
    ) -> ServiceResult<Page<ComplianceSnapshot>> {
        ctx.require(Permission::Read)?;
        readable(ctx, request.tenant)?;
        self.snapshots(ctx, request).await
    }

    async fn compliance_snapshot(
        &self,
        ctx: &RequestContext,
        request: SnapshotTake,
    ) -> ServiceResult<ComplianceSnapshot> {
        require(ctx, Permission::Report)?;
        self.take_snapshot(ctx.tenant()?, &request).await
    }

    async fn report_create(
        &self,
        ctx: &RequestContext,
        request: ReportCreate,
    ) -> ServiceResult<Report> {
        require(ctx, Permission::Report)?;
        self.create_report(ctx, request).await
    }

    async fn report_get(&self, ctx: &RequestContext, request: ReportGet) -> ServiceResult<Report> {
        require(ctx, Permission::Report)?;
        self.report(ctx, request.id)
            .await
            .map(|stored| stored.report)
    }

    async fn report_list(
        &self,
        ctx: &RequestContext,
        request: ReportList,
    ) -> ServiceResult<Page<Report>> {
        require(ctx, Permission::Report)?;
        self.reports(ctx, request).await
    }

    async fn report_content(
        &self,
        ctx: &RequestContext,
        request: ReportGet,
    ) -> ServiceResult<ReportContent> {
        require(ctx, Permission::Report)?;
        self.content(ctx, request.id).await
    }

    async fn webhook_create(
        &self,
        ctx: &RequestContext,
        request: WebhookCreate,
    ) -> ServiceResult<WebhookCreated> {
        require(ctx, Permission::Report)?;
        self.create_webhook(ctx, request).await
    }

    async fn webhook_list(
        &self,
        ctx: &RequestContext,
        _: WebhookList,
    ) -> ServiceResult<Vec<Webhook>> {
        require(ctx, Permission::Report)?;
        self.list_webhooks(ctx).await
    }

    async fn webhook_delete(
        &self,
        ctx: &RequestContext,
        request: WebhookGet,
    ) -> ServiceResult<Done> {
        require(ctx, Permission::Report)?;
        self.delete_webhook(ctx, request.id).await
    }

    async fn webhook_deliveries(
        &self,
        ctx: &RequestContext,
        request: DeliveryList,
    ) -> ServiceResult<Page<Delivery>> {
        require(ctx, Permission::Report)?;
        self.deliveries(ctx, request).await
    }

    async fn webhook_replay(
        &self,
        ctx: &RequestContext,
        request: DeliveryReplay,
    ) -> ServiceResult<Delivery> {
        require(ctx, Permission::Report)?;
        self.replay(ctx, request.id).await
    }

    async fn events(&self, ctx: &RequestContext, request: EventsAfter) -> ServiceResult<EventPage> {
        system_only(ctx)?;
        Ok(outbox::read(&self.database, SCHEMA, request.after, request.limit).await?)
    }
}
