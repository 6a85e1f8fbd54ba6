//! Which updates an organization keeps from which hardware.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::HardwareRules;
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, Object};
use netpatch_inventory_api::HardwareRulesGet;

/// Which updates an organization keeps from which hardware.
#[derive(Default)]
pub struct HardwareRuleQuery;

#[Object]
impl HardwareRuleQuery {
    /// Which updates are not for hosts with some hardware, as the organization says.
    async fn hardware_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
    ) -> Result<Option<HardwareRules>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let held = session
            .apis
            .inventory
            .hardware_rules_get(&request, HardwareRulesGet {})
            .await;
        Ok(absent(held)?.map(HardwareRules::from))
    }
}
