//! Relays that wait to be claimed.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::RelayPreview;
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, Object};

/// Relays that wait to be claimed.
#[derive(Default)]
pub struct RelayQuery;

#[Object]
impl RelayQuery {
    /// The relay that waits with a code; null when none does. Five wrong codes in ten minutes are the limit.
    #[graphql(complexity = "10 + child_complexity")]
    async fn relay_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who would claim it.")] organization_id: ID,
        #[graphql(desc = "What it shows: eight letters.")] claim_code: String,
    ) -> Result<Option<RelayPreview>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let seen = session
            .apis
            .auth
            .claim_preview(&request, &claim_code)
            .await?;
        Ok(seen.map(RelayPreview::from))
    }
}
