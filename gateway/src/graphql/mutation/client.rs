//! `apiClientCreate`.

use super::{answer, payload};
use crate::graphql::context::organization_id;
use crate::graphql::model::Permission;
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_auth::ApiClientCreate;
use netpatch_types::ApiClientId;

/// A new API client.
#[derive(Clone, InputObject)]
pub struct ApiClientCreateInput {
    /// Whose.
    organization_id: ID,
    /// Name.
    name: String,
    /// What it may do; never `APPROVE`.
    permissions: Vec<Permission>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `apiClientCreate`.
    ApiClientCreatePayload {
        /// `client_id` at the token endpoint.
        client_id: ID,
        /// `client_secret`. Shown once: null when the mutation is repeated.
        client_secret: String,
    }
}

/// API clients.
#[derive(Default)]
pub struct ClientMutation;

#[Object]
impl ClientMutation {
    /// Makes a program's sign-in.
    #[graphql(complexity = "10 + child_complexity")]
    async fn api_client_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ApiClientCreateInput,
    ) -> Result<ApiClientCreatePayload> {
        answer(create(ctx, input).await)
    }
}

async fn create(ctx: &Context<'_>, input: ApiClientCreateInput) -> Result<ApiClientCreatePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let permissions = input
        .permissions
        .iter()
        .map(|permission| (*permission).into())
        .collect();
    let work = session.apis.auth.api_client_create(
        &request,
        ApiClientCreate {
            name: input.name.clone(),
            permissions,
        },
    );
    let made = once(
        session,
        &request,
        "apiClientCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.client.id.0],
    )
    .await?;
    let (id, client_secret) = match made {
        Once::Done(created) => (created.client.id, Some(created.secret)),
        Once::Before(ids) => (first::<ApiClientId>(&ids)?, None),
    };
    Ok(ApiClientCreatePayload {
        client_id: Some(id.public(of).into()),
        client_secret,
        ..Default::default()
    })
}
