//! Use cases of policy, a file per noun; the implementation of the api trait.

mod approval;
mod baseline;
mod block;
mod evaluation;
mod exception;
mod lifecycle;
mod membership;
mod policy;
mod rulebook;
mod scan;
mod signing;
mod site;
mod usable;
mod window;

use crate::store::{SCHEMA, work};
use async_trait::async_trait;
use netpatch_inventory_api::InventoryApi;
use netpatch_policy_api::*;
use netpatch_storage::{Database, SharedBus, StorageError, TenantTx, keys::KeyFolder, outbox};
use netpatch_types::{
    ActorKind, EventPage, Page, Permission, RequestContext, ServiceError, ServiceResult,
    SharedClock, TenantId,
};
use std::sync::Arc;

/// The topic that hints at new events.
pub(crate) const OUTBOX_TOPIC: &str = "policy.outbox";
/// The topic that hints at new work.
pub(crate) const WORK_TOPIC: &str = "policy.work";

/// What the service is made of.
#[derive(Clone)]
pub struct PolicyParts {
    /// The database, migrated.
    pub database: Database,
    /// Hints.
    pub bus: SharedBus,
    /// The time.
    pub clock: SharedClock,
    /// `DATA/keys`; the approval keys are `<organization>/approval`.
    pub keys: KeyFolder,
    /// Hosts, groups, patches.
    pub inventory: Arc<dyn InventoryApi>,
}

/// The service.
pub struct PolicyService {
    pub(crate) database: Database,
    pub(crate) bus: SharedBus,
    pub(crate) clock: SharedClock,
    pub(crate) inventory: Arc<dyn InventoryApi>,
    keys: KeyFolder,
}

impl std::fmt::Debug for PolicyService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PolicyService")
    }
}

impl PolicyService {
    /// The service; [`PolicyService::run`] does its background work.
    #[must_use]
    pub fn new(parts: PolicyParts) -> Self {
        let PolicyParts {
            database,
            bus,
            clock,
            keys,
            inventory,
        } = parts;
        Self {
            database,
            bus,
            clock,
            inventory,
            keys,
        }
    }

    /// The platform acting in one organization, for calls to other services and for jobs.
    pub(crate) fn system(&self, tenant: TenantId) -> RequestContext {
        RequestContext::system(tenant, "policy", self.clock.now())
    }

    /// Writes an event into the transaction of the change.
    async fn emit(
        &self,
        tx: &TenantTx,
        aggregate: &str,
        event: PolicyEventV1,
    ) -> Result<(), StorageError> {
        outbox::append(tx, SCHEMA, aggregate, &PolicyEvent::V1(event), &*self.clock).await?;
        Ok(())
    }

    /// Asks for a new decision about everything; see [`crate::jobs`].
    async fn ask_evaluation(&self, tx: &TenantTx) -> Result<(), StorageError> {
        work::ask(tx, work::EVALUATE, &[work::ALL.to_owned()]).await
    }

    /// "Look now", after the commit.
    pub(crate) async fn hint(&self) {
        self.bus.publish(OUTBOX_TOPIC, b"").await;
        self.bus.publish(WORK_TOPIC, b"").await;
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

/// The organization that a question is about: the one written to, or the only one read.
fn one_organization(ctx: &RequestContext) -> ServiceResult<TenantId> {
    match (ctx.write, ctx.read.as_slice()) {
        (Some(tenant), _) => Ok(tenant),
        (None, [tenant]) => Ok(*tenant),
        _ => Err(ServiceError::invalid(
            "organizationId",
            "this question is about exactly one organization",
        )),
    }
}

/// A grant over some sites cannot change what holds for the whole organization.
fn whole_organization(ctx: &RequestContext) -> ServiceResult<()> {
    if ctx.sites.is_none() {
        Ok(())
    } else {
        Err(ServiceError::forbidden(
            "this holds for the whole organization; your grant covers some of its sites",
        ))
    }
}

/// The organization whose rules the request may write.
fn writable(ctx: &RequestContext) -> ServiceResult<TenantId> {
    ctx.require(Permission::PolicyWrite)?;
    whole_organization(ctx)?;
    ctx.tenant()
}

/// The name is taken; anything else as usual.
fn name_taken(error: StorageError, constraint: &str) -> ServiceError {
    if error.duplicate() == Some(constraint) {
        ServiceError::invalid("name", "this name is taken; choose another one")
    } else {
        error.into()
    }
}

#[async_trait]
impl PolicyApi for PolicyService {
    async fn policy_create(
        &self,
        ctx: &RequestContext,
        request: PolicyCreate,
    ) -> ServiceResult<Policy> {
        self.create_policy(ctx, request).await
    }

    async fn policy_update(
        &self,
        ctx: &RequestContext,
        request: PolicyUpdate,
    ) -> ServiceResult<Policy> {
        self.update_policy(ctx, request).await
    }

    async fn policy_get(&self, ctx: &RequestContext, request: PolicyGet) -> ServiceResult<Policy> {
        self.get_policy(ctx, request).await
    }

    async fn policy_list(
        &self,
        ctx: &RequestContext,
        request: PolicyList,
    ) -> ServiceResult<Page<Policy>> {
        self.list_policies(ctx, request).await
    }

    async fn policy_evaluate(
        &self,
        ctx: &RequestContext,
        request: PolicyEvaluate,
    ) -> ServiceResult<Vec<Approval>> {
        self.evaluate_policy(ctx, request).await
    }

    async fn policy_explain(
        &self,
        ctx: &RequestContext,
        request: PolicyExplain,
    ) -> ServiceResult<Explanation> {
        self.explain(ctx, request).await
    }

    async fn window_create(
        &self,
        ctx: &RequestContext,
        request: WindowCreate,
    ) -> ServiceResult<MaintenanceWindow> {
        self.create_window(ctx, request).await
    }

    async fn window_update(
        &self,
        ctx: &RequestContext,
        request: WindowUpdate,
    ) -> ServiceResult<MaintenanceWindow> {
        self.update_window(ctx, request).await
    }

    async fn window_get(
        &self,
        ctx: &RequestContext,
        request: WindowGet,
    ) -> ServiceResult<MaintenanceWindow> {
        self.get_window(ctx, request).await
    }

    async fn window_list(
        &self,
        ctx: &RequestContext,
        request: WindowList,
    ) -> ServiceResult<Page<MaintenanceWindow>> {
        self.list_windows(ctx, request).await
    }

    async fn window_preview(
        &self,
        ctx: &RequestContext,
        request: WindowPreview,
    ) -> ServiceResult<Vec<Occurrence>> {
        self.preview_window(ctx, &request)
    }

    async fn approval_list(
        &self,
        ctx: &RequestContext,
        request: ApprovalList,
    ) -> ServiceResult<Page<Approval>> {
        self.list_approvals(ctx, request).await
    }

    async fn approval_get(
        &self,
        ctx: &RequestContext,
        request: ApprovalGet,
    ) -> ServiceResult<Approval> {
        self.get_approval(ctx, request).await
    }

    async fn approval_decide(
        &self,
        ctx: &RequestContext,
        request: ApprovalDecide,
    ) -> ServiceResult<Approval> {
        self.decide_approval(ctx, request).await
    }

    async fn approval_request(
        &self,
        ctx: &RequestContext,
        request: ApprovalRequest,
    ) -> ServiceResult<Approval> {
        self.request_approval(ctx, request).await
    }

    async fn approval_usable(
        &self,
        ctx: &RequestContext,
        request: ApprovalUsable,
    ) -> ServiceResult<Usable> {
        self.usable(ctx, request).await
    }

    async fn block_list(
        &self,
        ctx: &RequestContext,
        _: BlockList,
    ) -> ServiceResult<Vec<BlockEntry>> {
        self.list_blocks(ctx).await
    }

    async fn block_set(
        &self,
        ctx: &RequestContext,
        request: BlockSet,
    ) -> ServiceResult<Vec<BlockEntry>> {
        self.set_block(ctx, request).await
    }

    async fn scan_schedule_list(
        &self,
        ctx: &RequestContext,
        request: ScanScheduleList,
    ) -> ServiceResult<Vec<ScanSchedule>> {
        self.list_scan_schedules(ctx, request).await
    }

    async fn scan_schedule_set(
        &self,
        ctx: &RequestContext,
        request: ScanScheduleSet,
    ) -> ServiceResult<Option<ScanSchedule>> {
        self.set_scan_schedule(ctx, request).await
    }

    async fn site_way_set(&self, ctx: &RequestContext, request: SiteWay) -> ServiceResult<SiteWay> {
        self.set_site_way(ctx, request).await
    }

    async fn baseline_create(
        &self,
        ctx: &RequestContext,
        request: BaselineCreate,
    ) -> ServiceResult<Baseline> {
        self.create_baseline(ctx, request).await
    }

    async fn baseline_update(
        &self,
        ctx: &RequestContext,
        request: BaselineUpdate,
    ) -> ServiceResult<Baseline> {
        self.update_baseline(ctx, request).await
    }

    async fn baseline_archive(
        &self,
        ctx: &RequestContext,
        request: BaselineArchive,
    ) -> ServiceResult<Baseline> {
        self.archive_baseline(ctx, request).await
    }

    async fn baseline_get(
        &self,
        ctx: &RequestContext,
        request: BaselineGet,
    ) -> ServiceResult<Baseline> {
        self.get_baseline(ctx, request).await
    }

    async fn baseline_list(
        &self,
        ctx: &RequestContext,
        request: BaselineList,
    ) -> ServiceResult<Page<Baseline>> {
        self.list_baselines(ctx, request).await
    }

    async fn exception_request(
        &self,
        ctx: &RequestContext,
        request: ExceptionRequest,
    ) -> ServiceResult<Exception> {
        self.request_exception(ctx, request).await
    }

    async fn exception_end(
        &self,
        ctx: &RequestContext,
        request: ExceptionEnd,
    ) -> ServiceResult<Exception> {
        self.end_exception(ctx, request).await
    }

    async fn exception_get(
        &self,
        ctx: &RequestContext,
        request: ExceptionGet,
    ) -> ServiceResult<Exception> {
        self.get_exception(ctx, request).await
    }

    async fn exception_list(
        &self,
        ctx: &RequestContext,
        request: ExceptionList,
    ) -> ServiceResult<Page<Exception>> {
        self.list_exceptions(ctx, request).await
    }

    async fn membership_get(
        &self,
        ctx: &RequestContext,
        request: MembershipGet,
    ) -> ServiceResult<Option<Membership>> {
        self.get_membership(ctx, request).await
    }

    async fn membership_list(
        &self,
        ctx: &RequestContext,
        request: MembershipList,
    ) -> ServiceResult<Vec<HostMembership>> {
        self.list_memberships(ctx, request).await
    }

    async fn approval_key(
        &self,
        ctx: &RequestContext,
        _: ApprovalKeyGet,
    ) -> ServiceResult<ApprovalKey> {
        self.get_approval_key(ctx)
    }

    async fn events(&self, ctx: &RequestContext, request: EventsAfter) -> ServiceResult<EventPage> {
        system_only(ctx)?;
        Ok(outbox::read(&self.database, SCHEMA, request.after, request.limit).await?)
    }
}
