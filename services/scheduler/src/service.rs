//! Use cases of the scheduler, a file per noun; the implementation of the api trait.

mod change;
mod deployment;
mod documents;
mod keys;
mod plan;
mod report;
mod run;
mod staging;
pub(crate) mod wave;

use crate::store::SCHEMA;
use async_trait::async_trait;
use netpatch_inventory_api::InventoryApi;
use netpatch_policy_api::PolicyApi;
use netpatch_scheduler_api::*;
use netpatch_storage::{Database, KeyFolder, SharedBus, StorageError, TenantTx, outbox};
use netpatch_types::{
    ActorKind, EventPage, HostId, Page, RequestContext, ServiceError, ServiceResult, Sha256,
    SharedClock, TenantId,
};
use std::sync::Arc;

/// The topic that hints at new events, and at deployments that may move.
pub(crate) const OUTBOX_TOPIC: &str = "scheduler.outbox";
/// The topic that hints at documents for hosts; the message is the organization's id.
pub(crate) const DOCUMENTS_TOPIC: &str = "scheduler.documents";

/// What the service is made of.
#[derive(Clone)]
pub struct SchedulerParts {
    /// The database, migrated.
    pub database: Database,
    /// Hints.
    pub bus: SharedBus,
    /// The time.
    pub clock: SharedClock,
    /// `DATA/keys`; the director keys are `<organization>/director`.
    pub keys: KeyFolder,
    /// Hosts, patches.
    pub inventory: Arc<dyn InventoryApi>,
    /// Approvals, windows, policies.
    pub policy: Arc<dyn PolicyApi>,
}

/// The service.
pub struct SchedulerService {
    pub(crate) database: Database,
    pub(crate) bus: SharedBus,
    pub(crate) clock: SharedClock,
    pub(crate) inventory: Arc<dyn InventoryApi>,
    pub(crate) policy: Arc<dyn PolicyApi>,
    signers: keys::Signers,
}

impl std::fmt::Debug for SchedulerService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SchedulerService")
    }
}

impl SchedulerService {
    /// The service; [`SchedulerService::run`] does its background work.
    #[must_use]
    pub fn new(parts: SchedulerParts) -> Self {
        Self {
            database: parts.database,
            bus: parts.bus,
            clock: parts.clock,
            inventory: parts.inventory,
            policy: parts.policy,
            signers: keys::Signers::new(parts.keys),
        }
    }

    /// The platform acting in one organization, for calls to other services and for jobs.
    pub(crate) fn system(&self, tenant: TenantId) -> RequestContext {
        RequestContext::system(tenant, "scheduler", self.clock.now())
    }

    /// The signed form of a document.
    pub(crate) fn seal<D: netpatch_protocol::Document>(
        &self,
        tenant: TenantId,
        document: &D,
    ) -> ServiceResult<netpatch_protocol::document::Envelope> {
        self.signers.seal(tenant, document)
    }

    /// Writes an event into the transaction of the change.
    pub(crate) async fn emit(
        &self,
        tx: &TenantTx,
        aggregate: &str,
        event: SchedulerEventV1,
    ) -> Result<(), StorageError> {
        outbox::append(
            tx,
            SCHEMA,
            aggregate,
            &SchedulerEvent::V1(event),
            &*self.clock,
        )
        .await?;
        Ok(())
    }

    /// "Look now": there are events; after the commit.
    pub(crate) async fn hint_events(&self) {
        self.bus.publish(OUTBOX_TOPIC, b"").await;
    }

    /// "Look now": there are events, and hosts may get other documents; after the commit.
    pub(crate) async fn hint(&self, tenant: TenantId) {
        self.hint_events().await;
        self.bus
            .publish(DOCUMENTS_TOPIC, tenant.to_string().as_bytes())
            .await;
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

/// Only the platform itself, or a host's agent about its own host.
fn agent_only(ctx: &RequestContext, host: Option<HostId>) -> ServiceResult<()> {
    let itself =
        ctx.actor.kind == ActorKind::Agent && host.is_none_or(|host| host.0 == ctx.actor.id);
    if itself { Ok(()) } else { system_only(ctx) }
}

/// Waves and orders reach over sites: what starts or ends them cannot be had for some sites only.
fn whole_organization(ctx: &RequestContext) -> ServiceResult<()> {
    if ctx.sites.is_none() {
        Ok(())
    } else {
        Err(ServiceError::forbidden(
            "a deployment reaches over sites, and your grant is for some sites only; you may pause or halt it",
        ))
    }
}

/// The same request in the one organization that it writes to.
fn narrowed(ctx: &RequestContext) -> ServiceResult<RequestContext> {
    Ok(RequestContext {
        read: vec![ctx.tenant()?],
        ..ctx.clone()
    })
}

#[async_trait]
impl SchedulerApi for SchedulerService {
    async fn deployment_create(
        &self,
        ctx: &RequestContext,
        request: DeploymentCreate,
    ) -> ServiceResult<DeploymentPlan> {
        self.create_deployment(ctx, request).await
    }

    async fn deployment_get(
        &self,
        ctx: &RequestContext,
        request: DeploymentGet,
    ) -> ServiceResult<Deployment> {
        self.get_deployment(ctx, request.id).await
    }

    async fn deployment_list(
        &self,
        ctx: &RequestContext,
        request: DeploymentList,
    ) -> ServiceResult<Page<Deployment>> {
        self.list_deployments(ctx, request).await
    }

    async fn deployment_pause(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        self.pause(ctx, request).await
    }

    async fn deployment_resume(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        self.resume(ctx, request).await
    }

    async fn deployment_halt(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        self.halt(ctx, request).await
    }

    async fn deployment_cancel(
        &self,
        ctx: &RequestContext,
        request: DeploymentChange,
    ) -> ServiceResult<Deployment> {
        self.cancel(ctx, request).await
    }

    async fn wave_list(&self, ctx: &RequestContext, request: WaveList) -> ServiceResult<Vec<Wave>> {
        self.list_waves(ctx, request.deployment).await
    }

    async fn wave_get(&self, ctx: &RequestContext, request: WaveGet) -> ServiceResult<Wave> {
        self.get_wave(ctx, request.id).await
    }

    async fn run_list(&self, ctx: &RequestContext, request: RunList) -> ServiceResult<Page<Run>> {
        self.list_runs(ctx, request).await
    }

    async fn run_get(&self, ctx: &RequestContext, request: RunGet) -> ServiceResult<Run> {
        self.get_run(ctx, request.id).await
    }

    async fn run_report(
        &self,
        ctx: &RequestContext,
        request: RunReport,
    ) -> ServiceResult<RunStored> {
        agent_only(ctx, Some(request.host))?;
        self.report_run(ctx, request).await
    }

    async fn order_answer(
        &self,
        ctx: &RequestContext,
        request: OrderAnswered,
    ) -> ServiceResult<RunStored> {
        agent_only(ctx, Some(request.host))?;
        self.answer_order(ctx, request).await
    }

    async fn documents_for_host(
        &self,
        ctx: &RequestContext,
        request: DocumentsForHost,
    ) -> ServiceResult<Vec<HostDocument>> {
        agent_only(ctx, Some(request.host))?;
        self.list_documents(ctx, request).await
    }

    async fn documents_for_hosts(
        &self,
        ctx: &RequestContext,
        request: DocumentsForHosts,
    ) -> ServiceResult<HostsDocuments> {
        system_only(ctx)?;
        self.list_documents_of(ctx, request).await
    }

    async fn freshness(
        &self,
        ctx: &RequestContext,
        request: FreshnessGet,
    ) -> ServiceResult<SignedBytes> {
        agent_only(ctx, None)?;
        self.sign_freshness(ctx, request.deployment).await
    }

    async fn staging_plan(
        &self,
        ctx: &RequestContext,
        request: StagingPlanGet,
    ) -> ServiceResult<StagingPlan> {
        system_only(ctx)?;
        self.plan_staging(ctx, request.site).await
    }

    async fn payloads_needed(
        &self,
        ctx: &RequestContext,
        request: PayloadsNeeded,
    ) -> ServiceResult<Vec<Sha256>> {
        system_only(ctx)?;
        self.needed(request).await
    }

    async fn time_sign(
        &self,
        ctx: &RequestContext,
        request: TimeSign,
    ) -> ServiceResult<SignedBytes> {
        agent_only(ctx, None)?;
        self.sign_time(ctx, request)
    }

    async fn director_key(
        &self,
        ctx: &RequestContext,
        _: DirectorKeyGet,
    ) -> ServiceResult<DirectorKey> {
        system_only(ctx)?;
        let public_key = self.signers.public_key(ctx.tenant()?)?;
        Ok(DirectorKey { public_key })
    }

    async fn deployment_documents(
        &self,
        ctx: &RequestContext,
        request: DeploymentGet,
    ) -> ServiceResult<Vec<LoggedDocument>> {
        self.logged_documents(ctx, request.id).await
    }

    async fn events(&self, ctx: &RequestContext, request: EventsAfter) -> ServiceResult<EventPage> {
        system_only(ctx)?;
        Ok(outbox::read(
            &self.database,
            SCHEMA,
            request.after,
            request.limit.clamp(1, 1000),
        )
        .await?)
    }
}
