//! Policies.

use crate::graphql::context::{absent, catalog_id, organization_id, tenant_id};
use crate::graphql::model::{Policy, PolicyExplanation};
use crate::graphql::{Connection, Result, asked, session};
use async_graphql::{Context, ID, Object};
use netpatch_policy_api as policy;
use netpatch_types::{HostId, PatchId};

/// Policies.
#[derive(Default)]
pub struct PolicyQuery;

#[Object]
impl PolicyQuery {
    /// Policies of an organization by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn policies(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Policy>>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let asked = asked("policies", &of, first, after)?;
        let page = session
            .apis
            .policy
            .policy_list(
                &request,
                policy::PolicyList {
                    page: asked.page.clone(),
                },
            )
            .await?;
        Ok(Some(asked.connection(page, Policy)))
    }

    /// What the policies say of a patch on a host, and why.
    async fn policy_explain(
        &self,
        ctx: &Context<'_>,
        host_id: ID,
        patch_id: ID,
    ) -> Result<Option<PolicyExplanation>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some((of, host)) = absent(tenant_id::<HostId>(&host_id, HostId::PREFIX, "host"))?
        else {
            return Ok(None);
        };
        let Some(patch) = absent(catalog_id::<PatchId>(&patch_id, PatchId::PREFIX, "patch"))?
        else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let explanation = session
            .apis
            .policy
            .policy_explain(&request, policy::PolicyExplain { host, patch })
            .await;
        Ok(absent(explanation)?.map(|explanation| PolicyExplanation { of, explanation }))
    }
}
