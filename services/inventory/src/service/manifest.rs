//! Manifests as hosts report them. An unchanged one writes nothing.

use crate::domain::link::pending;
use crate::domain::manifest::{ManifestRefused, apply, verify};
use crate::service::Inventory;
use crate::service::applicability::with_patches;
use crate::store;
use netpatch_inventory_api::{
    Component, ComponentList, InventoryEventV1, ManifestDeltaReport, ManifestOutcome,
    ManifestReport,
};
use netpatch_types::{
    ComponentId, ComponentKey, HostId, Page, RequestContext, ServiceError, ServiceResult, Sha256,
};

impl From<ManifestRefused> for ServiceError {
    fn from(refused: ManifestRefused) -> Self {
        Self::invalid("components", refused.to_string())
    }
}

const UNCHANGED: ManifestOutcome = ManifestOutcome {
    base_known: true,
    opened: 0,
    closed: 0,
};

impl Inventory {
    pub(super) async fn report_manifest(
        &self,
        ctx: &RequestContext,
        request: ManifestReport,
    ) -> ServiceResult<ManifestOutcome> {
        verify(request.hash, &request.components)?;
        if self.manifest_of(ctx, request.host).await? == Some(request.hash) {
            return Ok(UNCHANGED);
        }
        self.accept_manifest(ctx, request.host, request.hash, request.components)
            .await
    }

    pub(super) async fn report_manifest_delta(
        &self,
        ctx: &RequestContext,
        request: ManifestDeltaReport,
    ) -> ServiceResult<ManifestOutcome> {
        if self.manifest_of(ctx, request.host).await? == Some(request.hash) {
            return Ok(UNCHANGED);
        }
        let tx = self.db.read(ctx).await?;
        let Some(numbers) = store::manifest::get(&tx, ctx.tenant()?, request.base).await? else {
            return Ok(ManifestOutcome::default());
        };
        let base = store::component::by_number(&tx, &numbers)
            .await?
            .into_iter()
            .map(|(_, key)| key)
            .collect();
        tx.rollback().await?;
        let components = apply(base, request.added, &request.removed)?;
        verify(request.hash, &components)?;
        self.accept_manifest(ctx, request.host, request.hash, components)
            .await
    }

    /// The manifest of a host of the organization that is written to.
    async fn manifest_of(
        &self,
        ctx: &RequestContext,
        host: HostId,
    ) -> ServiceResult<Option<Sha256>> {
        let tx = self.db.read(ctx).await?;
        let stored = store::host::get(&tx, ctx, host)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        if store::host::tenant_of(&stored) == ctx.tenant()? {
            Ok(stored.host.manifest)
        } else {
            Err(ServiceError::not_found("host"))
        }
    }

    async fn accept_manifest(
        &self,
        ctx: &RequestContext,
        host: HostId,
        hash: Sha256,
        components: Vec<ComponentKey>,
    ) -> ServiceResult<ManifestOutcome> {
        let numbers = store::component::numbers(&self.db, &components).await?;
        let catalog = self.catalog().await?;
        let now = self.clock.now();
        let tx = self.db.write(ctx).await?;
        store::manifest::hold(&tx, hash, &numbers, catalog.epoch, now).await?;
        let stored = store::host::lock(&tx, ctx, host)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        let offered = store::update::of_host(&tx, host).await?;
        let before = offered.len();
        let updates = pending(offered, &components);
        if updates.len() != before {
            store::update::replace(
                &tx,
                host,
                &with_patches(&stored.host.facts, updates.clone()),
            )
            .await?;
        }
        let numbered: Vec<(u32, ComponentKey)> = numbers.into_iter().zip(components).collect();
        let done = self
            .evaluate(&tx, &catalog, &stored.host, &numbered, &updates, now)
            .await?;
        store::host::set_manifest(&tx, host, hash, &done.problem, now).await?;
        let event = InventoryEventV1::HostReported {
            host,
            manifest: hash,
            opened: done.opened,
            closed: done.closed,
        };
        self.tell(&tx, &stored.host, event).await?;
        tx.commit().await?;
        self.hint().await;
        metrics::counter!("inventory_manifests_total").increment(1);
        Ok(ManifestOutcome {
            base_known: true,
            opened: done.opened,
            closed: done.closed,
        })
    }

    /// The catalog is the platform's, but which components others have is nobody's business.
    pub(super) async fn component(
        &self,
        ctx: &RequestContext,
        id: ComponentId,
    ) -> ServiceResult<Component> {
        let tx = self.db.read(ctx).await?;
        let key = store::component::carried(&tx, ctx, id).await?;
        key.map(|key| Component { id, key })
            .ok_or_else(|| ServiceError::not_found("component"))
    }

    pub(super) async fn components(
        &self,
        ctx: &RequestContext,
        request: ComponentList,
    ) -> ServiceResult<Page<Component>> {
        let after = super::host::name_cursor(request.page.after.as_deref())?;
        let tx = self.db.read(ctx).await?;
        let stored = store::host::get(&tx, ctx, request.host)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        let Some(hash) = stored.host.manifest else {
            return Ok(Page::empty());
        };
        let numbers = store::manifest::get(&tx, stored.host.tenant, hash)
            .await?
            .unwrap_or_default();
        let limit = request.page.limit();
        let rows = store::component::page(
            &tx,
            &numbers,
            request.name_contains.as_deref(),
            after,
            limit,
        )
        .await?;
        let nodes = rows
            .into_iter()
            .map(|(id, key)| Component { id, key })
            .collect();
        Ok(Page::from_rows(nodes, limit, |component: &Component| {
            super::host::name_after(&component.key.name, component.id.0)
        }))
    }
}
