//! People of an organization.

use super::Role;
use crate::graphql::{Result, session};
use async_graphql::{Context, SimpleObject};
use netpatch_types::RequestContext;

/// A person who signs in here, as administrators see them.
#[derive(Clone, SimpleObject)]
pub struct Member {
    /// What others read.
    pub name: String,
    /// What the person signs in with.
    pub email: String,
    /// As what.
    pub roles: Vec<Role>,
    /// Whether the person may sign in.
    pub is_active: bool,
}

impl From<netpatch_auth::Member> for Member {
    fn from(member: netpatch_auth::Member) -> Self {
        Self {
            name: member.user.name,
            email: member.user.email,
            roles: member.roles.into_iter().map(Role::from).collect(),
            is_active: member.active,
        }
    }
}

/// People of the organization in the context, by name.
pub(crate) async fn listing(ctx: &Context<'_>, inside: &RequestContext) -> Result<Vec<Member>> {
    let members = session(ctx)?.apis.auth.member_list(inside).await?;
    Ok(members.into_iter().map(Member::from).collect())
}
