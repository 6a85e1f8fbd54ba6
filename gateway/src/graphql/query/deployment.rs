//! Deployments.

use crate::graphql::model::{Deployment, DeploymentFilter};
use crate::graphql::{Connection, Result, session};
use async_graphql::{Context, Object};

/// Deployments.
#[derive(Default)]
pub struct DeploymentQuery;

#[Object]
impl DeploymentQuery {
    /// Deployments of every organization in reach, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn deployments(
        &self,
        ctx: &Context<'_>,
        first: i32,
        after: Option<String>,
        filter: Option<DeploymentFilter>,
    ) -> Result<Option<Connection<Deployment>>> {
        let session = session(ctx)?;
        session.principal()?;
        crate::graphql::model::deployment::list(session, first, after, filter.unwrap_or_default()).await
    }
}
