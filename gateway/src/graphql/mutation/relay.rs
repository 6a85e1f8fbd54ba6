//! `relayClaim`, `relayReplace`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, same_organization, tenant_id};
use crate::graphql::model::Relay;
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, Sha256, session};
use crate::ingress::standing_changed;
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_auth::Subject;
use netpatch_protocol::SubjectKind;
use netpatch_types::{RelayId, ServiceError, SiteId};

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

/// A machine that shows a code and takes a relay's place.
#[derive(Clone, InputObject)]
pub struct RelayReplaceInput {
    /// Whose place.
    id: ID,
    /// What the new machine shows: eight letters.
    claim_code: String,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `relayReplace`.
    RelayReplacePayload {
        /// The relay: id, name, site and history are the old one's.
        relay: Relay,
        /// Fingerprint of the new machine's key: compare it with what it shows.
        key_fingerprint: Sha256,
    }
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

    /// Puts another machine in a relay's place. What the old one had is revoked: it is refused from then on.
    #[graphql(complexity = "10 + child_complexity")]
    async fn relay_replace(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: RelayReplaceInput,
    ) -> Result<RelayReplacePayload> {
        answer(replace(ctx, input).await)
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

async fn replace(ctx: &Context<'_>, input: RelayReplaceInput) -> Result<RelayReplacePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let (of, id) = tenant_id::<RelayId>(&input.id, RelayId::PREFIX, "relay")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("relay"))?;
    let made = once(
        session,
        &request,
        "relayReplace",
        &input.idempotency_key,
        &input,
        auth.claim_replace(&request, id, &input.claim_code),
        |taken| vec![taken.relay.id.0],
    )
    .await?;
    let whose = Subject {
        organization: of,
        kind: SubjectKind::Relay,
        id: id.0,
    };
    standing_changed(&*session.apis.bus, whose).await;
    let relay = match made {
        Once::Done(taken) => taken.relay,
        Once::Before(ids) => auth.relay_get(&request, first(&ids)?).await?,
    };
    Ok(RelayReplacePayload {
        key_fingerprint: Some(Sha256(relay.key_fingerprint)),
        relay: Some(Relay(relay)),
        ..Default::default()
    })
}
