//! Approvals.

use crate::graphql::model::{Approval, ApprovalFilter};
use crate::graphql::{Connection, Result, session};
use async_graphql::{Context, Object};

/// Approvals.
#[derive(Default)]
pub struct ApprovalQuery;

#[Object]
impl ApprovalQuery {
    /// Approvals of every organization in reach, those that wait first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn approvals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<ApprovalFilter>,
    ) -> Result<Option<Connection<Approval>>> {
        let session = session(ctx)?;
        session.principal()?;
        crate::graphql::model::approval::listing(session, first, after, filter.unwrap_or_default())
            .await
    }
}
