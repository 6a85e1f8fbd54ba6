//! The one who asks.

use super::{Actor, Organization, Permission};
use crate::graphql::{Connection, Result, asked, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_auth::Principal;
use netpatch_types::PublicId;

/// The one who asks.
pub struct Viewer(pub Principal);

/// The one who asks.
#[Object]
impl Viewer {
    /// As others see it.
    async fn actor(&self) -> Actor {
        Actor {
            kind: self.0.kind.into(),
            name: self.0.name.clone(),
        }
    }

    /// Organizations in reach, by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn organizations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Organization>>> {
        let asked = asked("organizations", &(), first, after)?;
        Ok(Some(asked.slice(
            super::organization::all(session(ctx)?).await?,
            Organization::order,
        )))
    }

    /// Whether the viewer has a right in the organization that owns an object; `on` is the id of any such object.
    async fn can(&self, permission: Permission, on: ID) -> bool {
        let Some(PublicId::Tenant { organization, .. }) = PublicId::parse(&on) else {
            return false;
        };
        let mut access = self
            .0
            .access
            .iter()
            .filter(|access| access.organization == organization);
        access.any(|access| access.permissions.contains(&permission.into()))
    }
}

/// The bucket of points that pays for requests.
#[derive(Clone, Copy, SimpleObject)]
pub struct RateLimit {
    /// Points of a full bucket.
    pub maximum: i32,
    /// Points left.
    pub available: i32,
    /// Points that come back each second.
    pub restore_rate: i32,
}
