//! Exceptions: accepted lateness.

use super::{Actor, Approval, ExceptionStatus, Group};
use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Result, loaders};
use async_graphql::{Context, ID, Object};
use netpatch_policy_api as policy;
use netpatch_types::{ExceptionId, OrganizationId};

/// Accepted lateness, with owner, reason and end.
#[derive(Clone)]
pub struct Exception(pub policy::Exception);

/// Accepted lateness, with owner, reason and end.
#[Object]
impl Exception {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// For people.
    async fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// Who answers for it.
    async fn owner(&self) -> &str {
        &self.0.spec.owner
    }

    /// Why.
    async fn reason(&self) -> &str {
        &self.0.spec.reason
    }

    /// Its end. Until then it moves the deadlines of what it covers to it.
    async fn until(&self) -> DateTime {
        self.0.spec.until.into()
    }

    /// Where it stands.
    async fn status(&self) -> ExceptionStatus {
        self.0.status.into()
    }

    /// Any of these CVEs, advisories or notices; empty: any.
    async fn advisories(&self) -> &[String] {
        &self.0.spec.covers.advisories
    }

    /// Any of these packages; empty: any.
    async fn packages(&self) -> &[String] {
        &self.0.spec.covers.packages
    }

    /// Only on these hosts; empty: any.
    async fn host_ids(&self) -> Vec<ID> {
        let public = |host: &netpatch_types::HostId| host.public(self.0.tenant).into();
        self.0.spec.covers.hosts.iter().map(public).collect()
    }

    /// Only in this group; null: any.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<Group>> {
        loaders(ctx)?
            .group(self.0.tenant, self.0.spec.covers.group)
            .await
    }

    /// Who asked for it.
    async fn requested_by(&self) -> Actor {
        (&self.0.requested_by).into()
    }

    /// When.
    async fn requested_at(&self) -> DateTime {
        self.0.requested_at.into()
    }

    /// When somebody ended it before its end; null: nobody did.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// What people decided.
    async fn approval(&self) -> Option<Approval> {
        Some(Approval(self.0.approval.clone()))
    }
}

/// One exception; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: ExceptionId,
) -> Result<Option<Exception>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    let get = policy::ExceptionGet { id };
    Ok(absent(session.apis.policy.exception_get(&ctx, get).await)?.map(Exception))
}
