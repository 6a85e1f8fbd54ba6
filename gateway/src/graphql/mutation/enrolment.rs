//! `enrolmentTokenCreate`, `enrolmentTokenRevoke`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, same_organization, tenant_id};
use crate::graphql::model::group::read_labels;
use crate::graphql::model::{EnrolmentToken, LabelInput};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_auth::{Auth, EnrolmentTokenCreate};
use netpatch_types::{EnrolmentTokenId, RequestContext, ServiceError, SiteId};

/// A new enrolment token.
#[derive(Clone, InputObject)]
pub struct EnrolmentTokenCreateInput {
    /// Whose.
    organization_id: ID,
    /// Where hosts enrol.
    site_id: ID,
    /// How often it may be used.
    #[graphql(default_with = "Some(1)")]
    max_uses: Option<i32>,
    /// How long it lasts, 60 seconds to 30 days.
    #[graphql(default_with = "Some(86400)")]
    ttl_seconds: Option<i32>,
    /// Given to hosts.
    labels: Option<Vec<LabelInput>>,
    /// For a relay instead of hosts.
    #[graphql(default_with = "Some(false)")]
    for_relay: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Ends a token.
#[derive(Clone, InputObject)]
pub struct EnrolmentTokenRevokeInput {
    /// Which.
    id: ID,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `enrolmentTokenCreate`.
    EnrolmentTokenCreatePayload {
        /// What can be known of it later.
        enrolment_token: EnrolmentToken,
        /// The token, `np1.…`. Shown once: null when the mutation is repeated.
        token: String,
    }
}
payload! {
    /// Answer of `enrolmentTokenRevoke`.
    EnrolmentTokenRevokePayload {
        /// The token.
        enrolment_token: EnrolmentToken,
    }
}

/// Enrolment tokens.
#[derive(Default)]
pub struct EnrolmentMutation;

#[Object]
impl EnrolmentMutation {
    /// Makes a token to enrol hosts, or one relay.
    #[graphql(complexity = "10 + child_complexity")]
    async fn enrolment_token_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: EnrolmentTokenCreateInput,
    ) -> Result<EnrolmentTokenCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// Ends a token.
    #[graphql(complexity = "10 + child_complexity")]
    async fn enrolment_token_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: EnrolmentTokenRevokeInput,
    ) -> Result<EnrolmentTokenRevokePayload> {
        answer(revoke(ctx, input).await)
    }
}

async fn create(
    ctx: &Context<'_>,
    input: EnrolmentTokenCreateInput,
) -> Result<EnrolmentTokenCreatePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let create = EnrolmentTokenCreate {
        site: same_organization::<SiteId>(&input.site_id, of, SiteId::PREFIX, "siteId", "site")?,
        labels: read_labels(input.labels.clone().unwrap_or_default())?,
        for_relay: input.for_relay.unwrap_or(false),
        max_uses: u32::try_from(input.max_uses.unwrap_or(1)).unwrap_or(0),
        ttl_seconds: u32::try_from(input.ttl_seconds.unwrap_or(86_400)).unwrap_or(0),
    };
    let work = auth.enrolment_token_create(&request, create);
    let made = once(
        session,
        &request,
        "enrolmentTokenCreate",
        &input.idempotency_key,
        &input,
        work,
        |(made, _)| vec![made.id.0],
    )
    .await?;
    let (made, token) = match made {
        Once::Done((made, token)) => (made, Some(token)),
        Once::Before(ids) => (find(auth, &request, first(&ids)?).await?, None),
    };
    Ok(EnrolmentTokenCreatePayload {
        enrolment_token: Some(EnrolmentToken(made)),
        token,
        ..Default::default()
    })
}

async fn revoke(
    ctx: &Context<'_>,
    input: EnrolmentTokenRevokeInput,
) -> Result<EnrolmentTokenRevokePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let (of, id) =
        tenant_id::<EnrolmentTokenId>(&input.id, EnrolmentTokenId::PREFIX, "enrolment token")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("enrolment token"))?;
    let work = auth.enrolment_token_revoke(&request, id);
    let made = once(
        session,
        &request,
        "enrolmentTokenRevoke",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let token = match made {
        Once::Done(token) => token,
        Once::Before(ids) => find(auth, &request, first(&ids)?).await?,
    };
    Ok(EnrolmentTokenRevokePayload {
        enrolment_token: Some(EnrolmentToken(token)),
        ..Default::default()
    })
}

async fn find(
    auth: &Auth,
    request: &RequestContext,
    id: EnrolmentTokenId,
) -> Result<netpatch_auth::EnrolmentToken> {
    let list = auth.enrolment_token_list(request).await?;
    list.into_iter()
        .find(|token| token.id == id)
        .ok_or_else(|| ServiceError::not_found("enrolment token"))
}
