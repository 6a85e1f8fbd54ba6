//! Patches.

use crate::graphql::context::{absent, catalog_id, organization_id};
use crate::graphql::model::{Patch, PatchFilter};
use crate::graphql::{Connection, Result, asked, session};
use async_graphql::{Context, ID, Object};
use netpatch_inventory_api as inventory;
use netpatch_types::{Classification, PatchId};

/// Patches.
#[derive(Default)]
pub struct PatchQuery;

#[Object]
impl PatchQuery {
    /// Patches that at least one host of an organization could install.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn patches(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<PatchFilter>,
    ) -> Result<Option<Connection<Patch>>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let filter = filter.unwrap_or_default();
        let classifications: Vec<Classification> = filter
            .classification
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect();
        let patch = |id: ID| {
            catalog_id(&id, PatchId::PREFIX, "patch").unwrap_or(PatchId(uuid::Uuid::nil()))
        };
        let ids: Vec<PatchId> = filter
            .ids
            .unwrap_or_default()
            .into_iter()
            .map(patch)
            .collect();
        let asked = asked("patches", &(of, &classifications, &ids), first, after)?;
        let list = inventory::PatchList {
            page: asked.page.clone(),
            classifications,
            ids,
        };
        let page = session.apis.inventory.patch_list(&request, list).await?;
        Ok(Some(asked.connection(page, |patch| Patch { of, patch })))
    }
}
