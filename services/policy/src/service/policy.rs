//! Policies: create, change, read.

use super::{PolicyService, name_taken, writable};
use crate::domain::spec::check_policy;
use crate::store;
use netpatch_inventory_api::GroupList;
use netpatch_policy_api::*;
use netpatch_storage::TenantTx;
use netpatch_types::{
    GroupId, Page, Permission, PolicyId, RequestContext, ServiceError, ServiceResult, Sha256,
    TenantId,
};
use uuid::Uuid;

impl PolicyService {
    pub(super) async fn create_policy(
        &self,
        ctx: &RequestContext,
        request: PolicyCreate,
    ) -> ServiceResult<Policy> {
        let tenant = self.check_writable_policy(ctx, &request.spec).await?;
        let (id, now) = (PolicyId::new(self.clock.now()), self.clock.now());
        let tx = self.database.write(ctx).await?;
        check_windows(&tx, tenant, &request.spec).await?;
        store::policy::insert(&tx, id, &request.spec, now)
            .await
            .map_err(|error| name_taken(error, "policies_name"))?;
        self.policy_changed(ctx, &tx, id, &request.spec).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(Policy {
            id,
            tenant,
            spec: request.spec,
            etag: "1".to_owned(),
        })
    }

    pub(super) async fn update_policy(
        &self,
        ctx: &RequestContext,
        request: PolicyUpdate,
    ) -> ServiceResult<Policy> {
        let tenant = self.check_writable_policy(ctx, &request.spec).await?;
        let tx = self.database.write(ctx).await?;
        let before = store::policy::get_of(&tx, tenant, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("policy"))?;
        ServiceError::unless_read(request.if_match.as_deref(), &before.etag)?;
        if before.spec == request.spec {
            return Ok(before);
        }
        check_windows(&tx, tenant, &request.spec).await?;
        let updated = store::policy::update(
            &tx,
            request.id,
            &before.etag,
            &request.spec,
            self.clock.now(),
        )
        .await;
        if !updated.map_err(|error| name_taken(error, "policies_name"))? {
            return Err(ServiceError::conflict("changed meanwhile"));
        }
        self.policy_changed(ctx, &tx, request.id, &request.spec)
            .await?;
        let after = store::policy::get_of(&tx, tenant, request.id)
            .await?
            .ok_or_else(ServiceError::internal)?;
        tx.commit().await?;
        self.hint().await;
        Ok(after)
    }

    pub(super) async fn get_policy(
        &self,
        ctx: &RequestContext,
        request: PolicyGet,
    ) -> ServiceResult<Policy> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        store::policy::get(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("policy"))
    }

    pub(super) async fn list_policies(
        &self,
        ctx: &RequestContext,
        request: PolicyList,
    ) -> ServiceResult<Page<Policy>> {
        ctx.require(Permission::Read)?;
        let after = request.page.after.as_deref().map(name_cursor).transpose()?;
        let tx = self.database.read(ctx).await?;
        let limit = request.page.limit();
        let rows = store::policy::list(&tx, after, limit + 1).await?;
        Ok(Page::from_rows(rows, limit, |policy| {
            format!("{}\n{}", policy.id, policy.spec.name)
        }))
    }

    async fn check_writable_policy(
        &self,
        ctx: &RequestContext,
        spec: &PolicySpec,
    ) -> ServiceResult<TenantId> {
        let tenant = writable(ctx)?;
        check_policy(spec)?;
        self.check_group(tenant, spec.group).await?;
        Ok(tenant)
    }

    /// The group that rules are for must be one of the organization.
    pub(super) async fn check_group(
        &self,
        tenant: TenantId,
        group: Option<GroupId>,
    ) -> ServiceResult<()> {
        let Some(group) = group else { return Ok(()) };
        let groups = self
            .inventory
            .group_list(&self.system(tenant), GroupList {})
            .await?;
        if groups.iter().any(|known| known.id == group) {
            return Ok(());
        }
        Err(ServiceError {
            path: vec!["group".to_owned()],
            ..ServiceError::not_found("group")
        })
    }

    /// The event for the ledger, and a new decision about everything.
    async fn policy_changed(
        &self,
        ctx: &RequestContext,
        tx: &TenantTx,
        id: PolicyId,
        spec: &PolicySpec,
    ) -> ServiceResult<()> {
        let digest = json_digest(spec)?;
        let event = PolicyEventV1::PolicyChanged {
            policy: id,
            name: spec.name.clone(),
            digest,
            by: ctx.actor.clone(),
        };
        self.emit(tx, &id.to_string(), event).await?;
        Ok(self.ask_evaluation(tx).await?)
    }
}

/// SHA-256 of the JSON of a spec.
pub(super) fn json_digest(spec: &impl serde::Serialize) -> ServiceResult<Sha256> {
    serde_json::to_vec(spec)
        .map(|bytes| Sha256::of(&bytes))
        .map_err(|error| {
            tracing::error!(%error, "a spec cannot be written as JSON");
            ServiceError::internal()
        })
}

/// Windows must exist and allow, not forbid: blackouts hold for every policy by themselves.
async fn check_windows(tx: &TenantTx, tenant: TenantId, spec: &PolicySpec) -> ServiceResult<()> {
    for id in &spec.windows {
        let placed = |error: ServiceError| ServiceError {
            path: vec!["windows".to_owned()],
            ..error
        };
        let window = store::window::get_of(tx, tenant, *id)
            .await?
            .ok_or_else(|| placed(ServiceError::not_found("maintenance window")))?;
        if window.spec.blackout {
            let message = format!(
                "{:?} is a blackout window, which holds for every policy by itself; choose a maintenance window",
                window.spec.name
            );
            return Err(ServiceError::invalid("windows", message));
        }
    }
    Ok(())
}

/// Reads `<id>\n<name>`.
pub(super) fn name_cursor(text: &str) -> ServiceResult<(String, Uuid)> {
    text.split_once('\n')
        .and_then(|(id, name)| Some((name.to_owned(), id.parse().ok()?)))
        .ok_or_else(|| ServiceError::invalid("after", "this cursor is not of this list"))
}
