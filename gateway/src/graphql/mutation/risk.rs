//! `riskWeightsSet`.

use super::{answer, payload};
use crate::graphql::context::organization_id;
use crate::graphql::model::weights::read_weights;
use crate::graphql::model::{RiskWeightInput, RiskWeights};
use crate::graphql::once::{Once, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_inventory_api as inventory;

/// New weights.
#[derive(Clone, InputObject)]
pub struct RiskWeightsSetInput {
    /// Whose.
    organization_id: ID,
    /// The etag that was read; a change in between is a conflict.
    if_match: Option<String>,
    /// Every input once; they add up to 100.
    weights: Vec<RiskWeightInput>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `riskWeightsSet`.
    RiskWeightsSetPayload {
        /// The weights that hold now.
        risk_weights: RiskWeights,
    }
}

/// By what an organization ranks its findings.
#[derive(Default)]
pub struct RiskMutation;

#[Object]
impl RiskMutation {
    /// Says how many points each input of the risk can add. Every open finding is ranked anew in the background.
    #[graphql(complexity = "10 + child_complexity")]
    async fn risk_weights_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: RiskWeightsSetInput,
    ) -> Result<RiskWeightsSetPayload> {
        answer(set(ctx, input).await)
    }
}

async fn set(ctx: &Context<'_>, input: RiskWeightsSetInput) -> Result<RiskWeightsSetPayload> {
    let session = session(ctx)?;
    let request = session.inside(organization_id(&input.organization_id)?)?;
    let change = inventory::RiskWeightsSet {
        if_match: input.if_match.clone(),
        weights: read_weights(input.weights.clone())?,
    };
    let work = session.apis.inventory.risk_weights_set(&request, change);
    let made = once(
        session,
        &request,
        "riskWeightsSet",
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
                .risk_weights_get(&request, inventory::RiskWeightsGet::default())
                .await?
        }
    };
    Ok(RiskWeightsSetPayload {
        risk_weights: Some(held.into()),
        ..Default::default()
    })
}
