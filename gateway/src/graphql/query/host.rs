//! Hosts.

use crate::graphql::model::{Host, HostFilter};
use crate::graphql::{Connection, Result, session};
use async_graphql::{Context, Object};

/// Hosts.
#[derive(Default)]
pub struct HostQuery;

#[Object]
impl HostQuery {
    /// Hosts of every organization in reach, by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn hosts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<HostFilter>,
    ) -> Result<Option<Connection<Host>>> {
        let session = session(ctx)?;
        session.principal()?;
        crate::graphql::model::host::listing(session, first, after, filter.unwrap_or_default())
            .await
    }
}
