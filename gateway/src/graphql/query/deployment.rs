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
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<DeploymentFilter>,
    ) -> Result<Option<Connection<Deployment>>> {
        let session = session(ctx)?;
        session.principal()?;
        crate::graphql::model::deployment::listing(
            session,
            first,
            after,
            filter.unwrap_or_default(),
        )
        .await
    }
}
