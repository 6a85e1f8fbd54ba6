//! Organizations.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::Organization;
use crate::graphql::{Connection, Result, asked, session};
use async_graphql::{Context, ID, Object};

/// Organizations.
#[derive(Default)]
pub struct OrganizationQuery;

#[Object]
impl OrganizationQuery {
    /// Organizations in reach, by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn organizations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Organization>>> {
        let asked = asked("organizations", &(), first, after)?;
        let all = crate::graphql::model::organization::all(session(ctx)?).await?;
        Ok(Some(asked.slice(all, Organization::order)))
    }

    /// One organization.
    async fn organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<Option<Organization>> {
        let session = session(ctx)?;
        session.principal()?;
        match absent(organization_id(&id))? {
            Some(id) => crate::graphql::model::organization::find(session, id).await,
            None => Ok(None),
        }
    }
}
