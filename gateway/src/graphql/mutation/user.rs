//! `userCreate`.

use super::{answer, payload};
use crate::graphql::context::organization_id;
use crate::graphql::model::Role;
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_auth::UserCreate;
use netpatch_types::UserId;

/// A new user.
#[derive(Clone, InputObject)]
pub struct UserCreateInput {
    /// Where the user belongs.
    organization_id: ID,
    /// Unique on the platform.
    email: String,
    /// What others read.
    name: String,
    /// At least one; an auditor has no other.
    roles: Vec<Role>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `userCreate`.
    UserCreatePayload {
        /// The user's opaque id.
        user_id: ID,
        /// Shown once: null when the mutation is repeated.
        initial_password: String,
    }
}

/// Users.
#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Makes a user with a random password.
    #[graphql(complexity = "10 + child_complexity")]
    async fn user_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: UserCreateInput,
    ) -> Result<UserCreatePayload> {
        answer(create(ctx, input).await)
    }
}

async fn create(ctx: &Context<'_>, input: UserCreateInput) -> Result<UserCreatePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let create = UserCreate {
        email: input.email.clone(),
        name: input.name.clone(),
        roles: input.roles.iter().map(|role| (*role).into()).collect(),
    };
    let work = session.apis.auth.user_create(&request, create);
    let made = once(
        session,
        &request,
        "userCreate",
        &input.idempotency_key,
        &input,
        work,
        |(user, _)| vec![user.id.0],
    )
    .await?;
    let (id, initial_password) = match made {
        Once::Done((user, password)) => (user.id, Some(password)),
        Once::Before(ids) => (first::<UserId>(&ids)?, None),
    };
    Ok(UserCreatePayload {
        user_id: Some(id.public(of).into()),
        initial_password,
        ..Default::default()
    })
}
