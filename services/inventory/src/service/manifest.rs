//! Manifests as hosts report them. An unchanged one writes nothing.

use crate::domain::manifest::{
    ManifestRefused, apply, by_name, verify, verify_added, verify_lines, verify_set,
};
use crate::service::Inventory;
use crate::service::dictionary::Known;
use crate::service::ingest::{Content, UNCHANGED};
use crate::store;
use netpatch_inventory_api::{
    Component, ComponentList, ManifestDeltaReport, ManifestOutcome, ManifestReport,
};
use netpatch_types::{
    ComponentId, ComponentKey, HostId, Page, RequestContext, ServiceError, ServiceResult, Sha256,
};
use std::sync::Arc;

/// A whole manifest that is what it says.
enum Verified {
    /// The catalog has all of it; in order.
    Known(Vec<Arc<Known>>),
    /// Something has to be added.
    New(Vec<ComponentKey>),
}

impl From<ManifestRefused> for ServiceError {
    fn from(refused: ManifestRefused) -> Self {
        Self::invalid("components", refused.to_string())
    }
}

impl Inventory {
    pub(super) async fn report_manifest(
        &self,
        ctx: &RequestContext,
        request: ManifestReport,
    ) -> ServiceResult<ManifestOutcome> {
        let remembered = self.carries(ctx, request.host, request.hash).await?;
        if remembered == Some(true) {
            return Ok(UNCHANGED);
        }
        let _under_way = self.ingest.begin();
        let (host, hash) = (request.host, request.hash);
        let components = match self.verified(request).await? {
            Verified::Known(components) => components,
            Verified::New(components) => {
                // Nobody adds to the catalog for a host that is not there.
                if remembered.is_none() {
                    let _turn = self.ingest.turns.acquire().await;
                    if self.manifest_of(ctx, host).await? == Some(hash) {
                        return Ok(UNCHANGED);
                    }
                }
                let mut components = self.known(&components).await?;
                components.sort_by(|one, other| by_name(&one.key, &other.key));
                components
            }
        };
        let content = Content::of(components.into());
        self.write_report(ctx, host, hash, content).await
    }

    /// Checks a whole manifest. What the catalog has was checked when it came to be there, so only the set is looked at then.
    async fn verified(&self, request: ManifestReport) -> ServiceResult<Verified> {
        let _turn = self.ingest.verifying.acquire().await;
        let met = self.dictionary.by_key(&request.components);
        if met.iter().any(Option::is_none) {
            verify(request.hash, &request.components)?;
            return Ok(Verified::New(request.components));
        }
        let mut components: Vec<Arc<Known>> = met.into_iter().flatten().collect();
        // A manifest waits for its batch, and its text is large.
        drop(request.components);
        components.sort_by(|one, other| by_name(&one.key, &other.key));
        verify_set(request.hash, &components, |known| (&known.key, &known.line))?;
        Ok(Verified::Known(components))
    }

    pub(super) async fn report_manifest_delta(
        &self,
        ctx: &RequestContext,
        request: ManifestDeltaReport,
    ) -> ServiceResult<ManifestOutcome> {
        let is_same = match self.carries(ctx, request.host, request.hash).await? {
            Some(is_same) => is_same,
            None => {
                let _turn = self.ingest.turns.acquire().await;
                self.manifest_of(ctx, request.host).await? == Some(request.hash)
            }
        };
        if is_same {
            return Ok(UNCHANGED);
        }
        let _under_way = self.ingest.begin();
        let tenant = ctx.tenant()?;
        let base = match self.ingest.shelf.get(tenant, request.base) {
            Some(base) => base,
            None => {
                let _turn = self.ingest.turns.acquire().await;
                let tx = self.db.read(ctx).await?;
                let mut held = self.manifests(&tx, tenant, [request.base]).await?;
                match held.remove(&request.base) {
                    Some(base) => base,
                    None => return Ok(ManifestOutcome::default()),
                }
            }
        };
        let verifying = self.ingest.verifying.acquire().await;
        verify_added(&request.added)?;
        let changed = |added: Vec<Arc<Known>>| -> Result<Vec<Arc<Known>>, ManifestRefused> {
            let components = apply(&base, |known| known.key.as_ref(), added, &request.removed)?;
            let lines = components.iter().map(|known| known.line.as_ref());
            verify_lines(request.hash, lines)?;
            Ok(components)
        };
        let met = self.dictionary.by_key(&request.added);
        let has_new = met.iter().any(Option::is_none);
        let added = met.into_iter().zip(&request.added);
        let mut components = changed(
            added
                .map(|(known, key)| known.unwrap_or_else(|| Known::unnumbered(key)))
                .collect(),
        )?;
        // The catalog gets what is new only when the whole has been verified.
        drop(verifying);
        if has_new {
            components = changed(self.known(&request.added).await?)?;
        }
        let content = Content::of(components.into());
        self.write_report(ctx, request.host, request.hash, content)
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
        tx.rollback().await?;
        let tenant = ctx.tenant()?;
        if store::host::tenant_of(&stored) != tenant {
            return Err(ServiceError::not_found("host"));
        }
        if let Some(manifest) = stored.host.manifest {
            self.ingest.carried.remember(tenant, host, manifest);
        }
        Ok(stored.host.manifest)
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
