//! `hardwareRulesSet`.

use super::{answer, payload};
use crate::graphql::context::organization_id;
use crate::graphql::model::hardware_rule::read_rules;
use crate::graphql::model::{HardwareRuleInput, HardwareRules};
use crate::graphql::once::{Once, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_inventory_api as inventory;

/// New hardware rules, replacing all.
#[derive(Clone, InputObject)]
pub struct HardwareRulesSetInput {
    /// Whose.
    organization_id: ID,
    /// The etag that was read; a change in between is a conflict.
    if_match: Option<String>,
    /// In order, at most 100; the first that holds is told.
    rules: Vec<HardwareRuleInput>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `hardwareRulesSet`.
    HardwareRulesSetPayload {
        /// The rules that hold now.
        hardware_rules: HardwareRules,
    }
}

/// Which updates an organization keeps from which hardware.
#[derive(Default)]
pub struct HardwareRuleMutation;

#[Object]
impl HardwareRuleMutation {
    /// Says which updates are not for hosts with some hardware. The updates of every host are judged anew in the background.
    #[graphql(complexity = "10 + child_complexity")]
    async fn hardware_rules_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: HardwareRulesSetInput,
    ) -> Result<HardwareRulesSetPayload> {
        answer(set(ctx, input).await)
    }
}

async fn set(ctx: &Context<'_>, input: HardwareRulesSetInput) -> Result<HardwareRulesSetPayload> {
    let session = session(ctx)?;
    let request = session.inside(organization_id(&input.organization_id)?)?;
    let change = inventory::HardwareRulesSet {
        if_match: input.if_match.clone(),
        rules: read_rules(input.rules.clone())?,
    };
    let work = session.apis.inventory.hardware_rules_set(&request, change);
    let made = once(
        session,
        &request,
        "hardwareRulesSet",
        &input.idempotency_key,
        &input,
        work,
        |_| Vec::new(),
    )
    .await?;
    let held = match made {
        Once::Done(held) => held,
        Once::Before(_) => {
            session
                .apis
                .inventory
                .hardware_rules_get(&request, inventory::HardwareRulesGet {})
                .await?
        }
    };
    Ok(HardwareRulesSetPayload {
        hardware_rules: Some(held.into()),
        ..Default::default()
    })
}
