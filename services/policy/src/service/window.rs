//! Maintenance and blackout windows: create, change, read, preview.

use super::policy::{json_digest, name_cursor};
use super::{PolicyService, name_taken, whole_organization};
use crate::domain::spec::check_window;
use crate::store;
use netpatch_policy_api::*;
use netpatch_storage::TenantTx;
use netpatch_types::{
    Page, Permission, RequestContext, ServiceError, ServiceResult, TenantId, WindowId,
};
use netpatch_window::{occurrences, parse_zone, validate};

impl PolicyService {
    pub(super) async fn create_window(
        &self,
        ctx: &RequestContext,
        request: WindowCreate,
    ) -> ServiceResult<MaintenanceWindow> {
        let tenant = self.check_writable_window(ctx, &request.spec)?;
        let now = self.clock.now();
        let id = WindowId::new(now);
        let tx = self.database.write(ctx).await?;
        store::window::insert(&tx, id, &request.spec, now)
            .await
            .map_err(|error| name_taken(error, "windows_name"))?;
        self.window_changed(ctx, &tx, id, &request.spec).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(MaintenanceWindow {
            id,
            tenant,
            spec: request.spec,
            etag: "1".to_owned(),
        })
    }

    pub(super) async fn update_window(
        &self,
        ctx: &RequestContext,
        request: WindowUpdate,
    ) -> ServiceResult<MaintenanceWindow> {
        let tenant = self.check_writable_window(ctx, &request.spec)?;
        let tx = self.database.write(ctx).await?;
        let before = store::window::get_of(&tx, tenant, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("maintenance window"))?;
        ServiceError::unless_read(request.if_match.as_deref(), &before.etag)?;
        if before.spec == request.spec {
            return Ok(before);
        }
        if request.spec.blackout && !before.spec.blackout {
            self.refuse_blackout_in_use(&tx, tenant, request.id).await?;
        }
        let updated = store::window::update(
            &tx,
            request.id,
            &before.etag,
            &request.spec,
            self.clock.now(),
        )
        .await;
        if !updated.map_err(|error| name_taken(error, "windows_name"))? {
            return Err(ServiceError::conflict("changed meanwhile"));
        }
        self.window_changed(ctx, &tx, request.id, &request.spec)
            .await?;
        let after = store::window::get_of(&tx, tenant, request.id)
            .await?
            .ok_or_else(ServiceError::internal)?;
        tx.commit().await?;
        self.hint().await;
        Ok(after)
    }

    pub(super) async fn get_window(
        &self,
        ctx: &RequestContext,
        request: WindowGet,
    ) -> ServiceResult<MaintenanceWindow> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        store::window::get(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("maintenance window"))
    }

    pub(super) async fn list_windows(
        &self,
        ctx: &RequestContext,
        request: WindowList,
    ) -> ServiceResult<Page<MaintenanceWindow>> {
        ctx.require(Permission::Read)?;
        let after = request.page.after.as_deref().map(name_cursor).transpose()?;
        let tx = self.database.read(ctx).await?;
        let limit = request.page.limit();
        let rows = store::window::list(&tx, after, request.blackout, limit + 1).await?;
        Ok(Page::from_rows(rows, limit, |window| {
            format!("{}\n{}", window.id, window.spec.name)
        }))
    }

    pub(super) fn preview_window(
        &self,
        ctx: &RequestContext,
        request: &WindowPreview,
    ) -> ServiceResult<Vec<Occurrence>> {
        ctx.require(Permission::Read)?;
        let now = self.clock.now();
        validate(&request.rule, now)?;
        let zone = parse_zone(&request.time_zone)?;
        let from = request.from.unwrap_or(now);
        if (from - now).num_days().abs() > 3_650 {
            return Err(ServiceError::invalid(
                "from",
                "look within ten years of now",
            ));
        }
        let count = usize::try_from(request.count.clamp(1, 50)).unwrap_or(1);
        let found = occurrences(&request.rule, zone, from, count)?;
        Ok(found
            .into_iter()
            .map(|one| Occurrence {
                start: one.start,
                end: one.end,
            })
            .collect())
    }

    fn check_writable_window(
        &self,
        ctx: &RequestContext,
        spec: &WindowSpec,
    ) -> ServiceResult<TenantId> {
        ctx.require(Permission::PolicyWrite)?;
        whole_organization(ctx)?;
        let tenant = ctx.tenant()?;
        check_window(spec)?;
        validate(&spec.rule, self.clock.now())?;
        Ok(tenant)
    }

    /// A policy's window must not turn into its opposite behind its back.
    async fn refuse_blackout_in_use(
        &self,
        tx: &TenantTx,
        tenant: TenantId,
        id: WindowId,
    ) -> ServiceResult<()> {
        let policies = store::policy::all_of(tx, tenant).await?;
        match policies
            .iter()
            .find(|policy| policy.spec.windows.contains(&id))
        {
            Some(user) => Err(ServiceError::invalid(
                "blackout",
                format!(
                    "policy {:?} uses it as its maintenance window; take it out there first",
                    user.spec.name
                ),
            )),
            None => Ok(()),
        }
    }

    async fn window_changed(
        &self,
        ctx: &RequestContext,
        tx: &TenantTx,
        id: WindowId,
        spec: &WindowSpec,
    ) -> ServiceResult<()> {
        let event = PolicyEventV1::WindowChanged {
            window: id,
            name: spec.name.clone(),
            digest: json_digest(spec)?,
            by: ctx.actor.clone(),
        };
        Ok(self.emit(tx, &id.to_string(), event).await?)
    }
}
