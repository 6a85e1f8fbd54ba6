//! Enrolment tokens.

use super::Site;
use super::group::{Label, labels};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Result, loaders};
use async_graphql::{Context, ID, Object};
use netpatch_types::{EnrolmentTokenId, OrganizationId};

/// A short-lived right to enrol hosts, or one relay, at a site.
#[derive(Clone)]
pub struct EnrolmentToken(pub netpatch_auth::EnrolmentToken);

/// A short-lived right to enrol hosts, or one relay, at a site.
#[Object]
impl EnrolmentToken {
    /// Opaque id; not the token.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.organization).into()
    }

    /// Where.
    async fn site(&self, ctx: &Context<'_>) -> Result<Option<Site>> {
        loaders(ctx)?.site(self.0.organization, self.0.site).await
    }

    /// How often it was used.
    async fn uses(&self) -> i32 {
        int(self.0.uses)
    }

    /// How often it may be.
    async fn max_uses(&self) -> i32 {
        int(self.0.max_uses)
    }

    /// When it ends.
    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// Whether a person ended it.
    async fn is_revoked(&self) -> bool {
        self.0.revoked
    }

    /// For a relay instead of hosts.
    async fn is_for_relay(&self) -> bool {
        self.0.for_relay
    }

    /// Given to hosts.
    async fn labels(&self) -> Vec<Label> {
        labels(&self.0.labels)
    }
}

/// One token; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: EnrolmentTokenId,
) -> Result<Option<EnrolmentToken>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    let list = session.apis.auth.enrolment_token_list(&ctx).await?;
    Ok(list
        .into_iter()
        .find(|token| token.id == id)
        .map(EnrolmentToken))
}
