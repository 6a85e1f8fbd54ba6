//! Baselines and standards.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::{Baseline, BaselineFilter, StandardInfo};
use crate::graphql::{Connection, Result, asked, session};
use async_graphql::{Context, ID, Object};
use netpatch_policy_api as policy;

/// Baselines and standards.
#[derive(Default)]
pub struct BaselineQuery;

#[Object]
impl BaselineQuery {
    /// Baselines of an organization by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn baselines(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<BaselineFilter>,
    ) -> Result<Option<Connection<Baseline>>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let filter = filter.unwrap_or_default();
        let mut list = policy::BaselineList {
            followed: filter.is_followed,
            archived: filter.include_archived.unwrap_or(false),
            ..policy::BaselineList::default()
        };
        let asked = asked("baselines", &(of, &list), first, after)?;
        list.page = asked.page.clone();
        let page = session.apis.policy.baseline_list(&request, list).await?;
        Ok(Some(asked.connection(page, Baseline)))
    }

    /// Rule sets that baselines can follow, and those that hold no more.
    async fn standards(&self, ctx: &Context<'_>) -> Result<Option<Vec<StandardInfo>>> {
        session(ctx)?.principal()?;
        Ok(Some(
            policy::Standard::ALL
                .into_iter()
                .map(StandardInfo::from)
                .collect(),
        ))
    }
}
