//! Baselines: create, change, archive, read; and the followed ones for inventory, which knows the facts and computes the dates.

use super::policy::{json_digest, name_cursor};
use super::{PolicyService, name_taken, whole_organization, writable};
use crate::domain::baseline::check_baseline;
use crate::store::{self, work};
use netpatch_inventory_api::{BaselinesSet, FollowedBaseline};
use netpatch_policy_api::*;
use netpatch_storage::{StorageError, TenantTx};
use netpatch_types::{
    BaselineId, Page, Permission, RequestContext, ServiceError, ServiceResult, TenantId,
};

impl PolicyService {
    pub(super) async fn create_baseline(
        &self,
        ctx: &RequestContext,
        request: BaselineCreate,
    ) -> ServiceResult<Baseline> {
        let tenant = self.check_writable_baseline(ctx, &request.spec).await?;
        let baseline = Baseline {
            id: BaselineId::new(self.clock.now()),
            tenant,
            spec: request.spec,
            etag: "1".to_owned(),
            archived_at: None,
        };
        let tx = self.database.write(ctx).await?;
        store::baseline::insert(&tx, baseline.id, &baseline.spec, self.clock.now())
            .await
            .map_err(taken)?;
        self.baseline_changed(ctx, &tx, &baseline, baseline.spec.followed)
            .await?;
        tx.commit().await?;
        self.hint().await;
        Ok(baseline)
    }

    pub(super) async fn update_baseline(
        &self,
        ctx: &RequestContext,
        request: BaselineUpdate,
    ) -> ServiceResult<Baseline> {
        let tenant = self.check_writable_baseline(ctx, &request.spec).await?;
        let (id, if_match) = (request.id, request.if_match.as_deref());
        self.change_baseline(ctx, tenant, id, if_match, Some(request.spec))
            .await
    }

    pub(super) async fn archive_baseline(
        &self,
        ctx: &RequestContext,
        request: BaselineArchive,
    ) -> ServiceResult<Baseline> {
        ctx.require(Permission::PolicyWrite)?;
        whole_organization(ctx)?;
        let (id, if_match) = (request.id, request.if_match.as_deref());
        self.change_baseline(ctx, ctx.tenant()?, id, if_match, None)
            .await
    }

    /// Changes a baseline, or archives it when nothing new is said.
    async fn change_baseline(
        &self,
        ctx: &RequestContext,
        tenant: TenantId,
        id: BaselineId,
        if_match: Option<&str>,
        spec: Option<BaselineSpec>,
    ) -> ServiceResult<Baseline> {
        let tx = self.database.write(ctx).await?;
        let before = store::baseline::get_of(&tx, tenant, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("baseline"))?;
        ServiceError::unless_read(if_match, &before.etag)?;
        let archive = spec.is_none();
        if before.archived_at.is_some() {
            return if archive {
                Ok(before)
            } else {
                Err(ServiceError::invalid_state(
                    "this baseline is archived; make a new one",
                ))
            };
        }
        let spec = spec.unwrap_or_else(|| before.spec.clone());
        if !archive && before.spec == spec {
            return Ok(before);
        }
        let now = self.clock.now();
        let updated = store::baseline::update(&tx, id, &before.etag, &spec, archive, now).await;
        if !updated.map_err(taken)? {
            return Err(ServiceError::conflict("changed meanwhile"));
        }
        let after = store::baseline::get_of(&tx, tenant, id)
            .await?
            .ok_or_else(ServiceError::internal)?;
        let touches_followed = before.spec.followed || spec.followed;
        self.baseline_changed(ctx, &tx, &after, touches_followed)
            .await?;
        tx.commit().await?;
        self.hint().await;
        Ok(after)
    }

    pub(super) async fn get_baseline(
        &self,
        ctx: &RequestContext,
        request: BaselineGet,
    ) -> ServiceResult<Baseline> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        store::baseline::get(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("baseline"))
    }

    pub(super) async fn list_baselines(
        &self,
        ctx: &RequestContext,
        request: BaselineList,
    ) -> ServiceResult<Page<Baseline>> {
        ctx.require(Permission::Read)?;
        let after = request.page.after.as_deref().map(name_cursor).transpose()?;
        let tx = self.database.read(ctx).await?;
        let limit = request.page.limit();
        let (followed, archived) = (request.followed, request.archived);
        let rows = store::baseline::list(&tx, followed, archived, after, limit + 1).await?;
        Ok(Page::from_rows(rows, limit, |baseline| {
            format!("{}\n{}", baseline.id, baseline.spec.name)
        }))
    }

    async fn check_writable_baseline(
        &self,
        ctx: &RequestContext,
        spec: &BaselineSpec,
    ) -> ServiceResult<TenantId> {
        let tenant = writable(ctx)?;
        check_baseline(spec)?;
        self.check_group(tenant, spec.group).await?;
        Ok(tenant)
    }

    /// The event for the ledger and, if the change touches what is followed, the work of telling inventory.
    async fn baseline_changed(
        &self,
        ctx: &RequestContext,
        tx: &TenantTx,
        baseline: &Baseline,
        touches_followed: bool,
    ) -> ServiceResult<()> {
        let event = PolicyEventV1::BaselineChanged {
            baseline: baseline.id,
            name: baseline.spec.name.clone(),
            standard: baseline.spec.standard,
            followed: baseline.spec.followed && baseline.archived_at.is_none(),
            archived: baseline.archived_at.is_some(),
            digest: json_digest(&baseline.spec)?,
            by: ctx.actor.clone(),
        };
        self.emit(tx, &baseline.id.to_string(), event).await?;
        if touches_followed {
            store::baseline::grow(tx).await?;
            work::ask(tx, work::BASELINES, &[work::ALL.to_owned()]).await?;
        }
        Ok(())
    }

    /// Hands the followed baselines of an organization to inventory.
    pub(crate) async fn hand_over_baselines(&self, tenant: TenantId) -> ServiceResult<()> {
        let ctx = self.system(tenant);
        let tx = self.database.read(&ctx).await?;
        let (version, baselines) = store::baseline::followed(&tx, tenant).await?;
        tx.rollback().await?;
        let followed = baselines
            .into_iter()
            .map(|baseline| FollowedBaseline {
                name: baseline.spec.name,
                standard: baseline.spec.standard,
                group: baseline.spec.group,
                rules: baseline.spec.rules,
            })
            .collect();
        self.inventory
            .baselines_set(&ctx, BaselinesSet { version, followed })
            .await?;
        Ok(())
    }
}

fn taken(error: StorageError) -> ServiceError {
    name_taken(error, "baselines_name")
}
