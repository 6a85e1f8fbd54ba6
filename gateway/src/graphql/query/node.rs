//! `node`, `nodes`, `viewer`, `rateLimit`.

use crate::graphql::cost::Charge;
use crate::graphql::model::{Node, RateLimit, Viewer};
use crate::graphql::{Result, connection::int, session};
use async_graphql::{Context, ID, Object};
use netpatch_types::ServiceError;

/// Everything with an id, and the one who asks.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The one who asks.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        Ok(Viewer(session(ctx)?.principal()?.clone()))
    }

    /// The bucket of points that pays for requests.
    async fn rate_limit(&self, ctx: &Context<'_>) -> Result<RateLimit> {
        let standing = ctx
            .data_opt::<Charge>()
            .ok_or_else(ServiceError::internal)?
            .standing();
        Ok(RateLimit {
            maximum: int(standing.maximum),
            available: int(standing.available),
            restore_rate: int(standing.restore_rate),
        })
    }

    /// Whatever has this id; null when absent or not for you.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<Option<Node>> {
        crate::graphql::model::node::find(session(ctx)?, &id).await
    }

    /// Whatever has these ids, in their order; at most 100.
    #[graphql(complexity = "2 + ids.len() * child_complexity")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, in this order.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > 100 {
            return Err(ServiceError::invalid(
                "ids",
                "at most 100 nodes can be asked for",
            ));
        }
        let session = session(ctx)?;
        let mut nodes = Vec::with_capacity(ids.len());
        for id in &ids {
            nodes.push(crate::graphql::model::node::find(session, id).await?);
        }
        Ok(nodes)
    }
}
