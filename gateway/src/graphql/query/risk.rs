//! By what an organization ranks its findings.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::RiskWeights;
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, Object};
use netpatch_inventory_api::RiskWeightsGet;
use netpatch_types::ServiceError;

/// By what an organization ranks its findings.
#[derive(Default)]
pub struct RiskQuery;

#[Object]
impl RiskQuery {
    /// How many points each input of the risk can add in an organization.
    async fn risk_weights(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
        #[graphql(desc = "An older version; the newest if not given.")] version: Option<i32>,
    ) -> Result<Option<RiskWeights>> {
        let session = session(ctx)?;
        session.principal()?;
        let version = version
            .map(|version| {
                u64::try_from(version)
                    .map_err(|_| ServiceError::invalid("version", "versions begin with 0"))
            })
            .transpose()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let held = session
            .apis
            .inventory
            .risk_weights_get(&request, RiskWeightsGet { version })
            .await;
        Ok(absent(held)?.map(RiskWeights::from))
    }
}
