//! The platform itself.

use crate::graphql::model::Platform;
use crate::graphql::{Result, Sha256, session};
use async_graphql::{Context, Object};

/// The platform itself.
#[derive(Default)]
pub struct PlatformQuery;

#[Object]
impl PlatformQuery {
    /// Where machines find the platform, and what they know it by.
    async fn platform(&self, ctx: &Context<'_>) -> Result<Option<Platform>> {
        let session = session(ctx)?;
        session.principal()?;
        Ok(Some(Platform {
            edge_port: session.edge_port.map(i32::from),
            root_fingerprint: Sha256(session.apis.auth.platform_fingerprint()?),
        }))
    }
}
