//! `relayClaim`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, same_organization};
use crate::graphql::model::Relay;
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, Sha256, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_types::SiteId;

/// A relay that shows a code.
#[derive(Clone, InputObject)]
pub struct RelayClaimInput {
    /// Whose it becomes.
    organization_id: ID,
    /// Where it is.
    site_id: ID,
    /// What it shows: eight letters.
    claim_code: String,
    /// Its name from now on.
    name: String,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `relayClaim`.
    RelayClaimPayload {
        /// The relay.
        relay: Relay,
        /// Hardware or image.
        model: String,
        /// Serial number, as it says.
        serial: String,
        /// Fingerprint of its key: compare it with what the relay shows.
        key_fingerprint: Sha256,
    }
}

/// Relays.
#[derive(Default)]
pub struct RelayMutation;

#[Object]
impl RelayMutation {
    /// Takes a relay into an organization.
    #[graphql(complexity = "10 + child_complexity")]
    async fn relay_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: RelayClaimInput,
    ) -> Result<RelayClaimPayload> {
        answer(claim(ctx, input).await)
    }
}

async fn claim(ctx: &Context<'_>, input: RelayClaimInput) -> Result<RelayClaimPayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let site = same_organization::<SiteId>(&input.site_id, of, SiteId::PREFIX, "siteId", "site")?;
    let work = auth.claim_take(&request, site, &input.claim_code, &input.name);
    let made = once(
        session,
        &request,
        "relayClaim",
        &input.idempotency_key,
        &input,
        work,
        |taken| vec![taken.relay.id.0],
    )
    .await?;
    let relay = match made {
        Once::Done(taken) => taken.relay,
        Once::Before(ids) => auth.relay_get(&request, first(&ids)?).await?,
    };
    Ok(RelayClaimPayload {
        model: Some(relay.model.clone()),
        serial: Some(relay.serial.clone()),
        key_fingerprint: Some(Sha256(relay.key_fingerprint)),
        relay: Some(Relay(relay)),
        ..Default::default()
    })
}
