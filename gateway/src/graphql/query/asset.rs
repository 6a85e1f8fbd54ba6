//! Assets.

use crate::graphql::model::{Asset, AssetFilter};
use crate::graphql::{Connection, Result, session};
use async_graphql::{Context, Object};

/// Assets.
#[derive(Default)]
pub struct AssetQuery;

#[Object]
impl AssetQuery {
    /// Assets of every organization in reach, by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn assets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<AssetFilter>,
    ) -> Result<Option<Connection<Asset>>> {
        let session = session(ctx)?;
        session.principal()?;
        crate::graphql::model::asset::listing(session, first, after, filter.unwrap_or_default())
            .await
    }
}
