//! Advisories and feeds.

use crate::graphql::context::{absent, catalog_id};
use crate::graphql::model::{Advisory, AdvisoryBy, Feed};
use crate::graphql::{Result, session};
use async_graphql::{Context, Object};
use netpatch_inventory_api as inventory;
use netpatch_types::AdvisoryId;

/// Advisories and feeds.
#[derive(Default)]
pub struct AdvisoryQuery;

#[Object]
impl AdvisoryQuery {
    /// One advisory by exactly one of its names.
    async fn advisory(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By what.")] by: AdvisoryBy,
    ) -> Result<Option<Advisory>> {
        let session = session(ctx)?;
        session.principal()?;
        let get = match by {
            AdvisoryBy::Id(id) => match absent(catalog_id(&id, AdvisoryId::PREFIX, "advisory"))? {
                Some(id) => inventory::AdvisoryGet {
                    id: Some(id),
                    ..Default::default()
                },
                None => return Ok(None),
            },
            AdvisoryBy::Cve(cve) => inventory::AdvisoryGet {
                cve: Some(cve),
                ..Default::default()
            },
            AdvisoryBy::VendorRef(vendor_ref) => inventory::AdvisoryGet {
                vendor_ref: Some(vendor_ref),
                ..Default::default()
            },
        };
        Ok(absent(
            session
                .apis
                .inventory
                .advisory_get(&session.everywhere()?, get)
                .await,
        )?
        .map(Advisory))
    }

    /// Where advisories come from and how fresh they are.
    #[graphql(complexity = "2 + 10 * child_complexity")]
    async fn feeds(&self, ctx: &Context<'_>) -> Result<Option<Vec<Feed>>> {
        let session = session(ctx)?;
        let feeds = session
            .apis
            .inventory
            .feed_list(&session.everywhere()?, inventory::FeedList {})
            .await?;
        Ok(Some(feeds.into_iter().map(Feed::from).collect()))
    }
}
