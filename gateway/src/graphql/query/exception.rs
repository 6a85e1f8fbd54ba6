//! Exceptions.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::Exception;
use crate::graphql::{Connection, Result, asked, session};
use async_graphql::{Context, ID, Object};
use netpatch_policy_api as policy;

/// Exceptions.
#[derive(Default)]
pub struct ExceptionQuery;

#[Object]
impl ExceptionQuery {
    /// Exceptions of an organization, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn exceptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Exception>>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let asked = asked("exceptions", &of, first, after)?;
        let list = policy::ExceptionList {
            page: asked.page.clone(),
            tenant: Some(of),
        };
        let page = session.apis.policy.exception_list(&request, list).await?;
        Ok(Some(asked.connection(page, Exception)))
    }
}
