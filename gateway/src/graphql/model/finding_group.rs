//! Findings counted together by what they have in common.

use super::finding::read_filter;
use super::*;
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent, organization_id};
use crate::graphql::{Connection, DateTime, Result, asked, loaders};
use async_graphql::{Context, Enum, Object};
use netpatch_inventory_api as inventory;

/// What findings are counted together by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::FindingGrouping")]
pub enum FindingGrouping {
    /// One group an advisory, over all organizations in reach.
    Advisory,
    /// One group a patch and organization; findings that no origin offers a fix for are one group of theirs.
    Patch,
    /// One group a host.
    Host,
}

/// Findings counted together.
#[derive(Clone)]
pub struct FindingGroup(pub inventory::FindingGroup);

/// Findings counted together.
#[Object]
impl FindingGroup {
    /// The advisory, when grouped by advisory.
    async fn advisory(&self) -> Option<Advisory> {
        match &self.0.key {
            inventory::FindingGroupKey::Advisory(advisory) => Some(Advisory(advisory.clone())),
            _ => None,
        }
    }

    /// The patch that closes them, when grouped by patch; null for those that no origin offers a fix for.
    async fn patch(&self, ctx: &Context<'_>) -> Result<Option<Patch>> {
        match self.0.key {
            inventory::FindingGroupKey::Patch(tenant, Some(patch)) => {
                loaders(ctx)?.patch(tenant, patch).await
            }
            _ => Ok(None),
        }
    }

    /// The host, when grouped by host.
    async fn host(&self, ctx: &Context<'_>) -> Result<Option<Host>> {
        match self.0.key {
            inventory::FindingGroupKey::Host(tenant, host) => {
                loaders(ctx)?.host(tenant, host).await
            }
            _ => Ok(None),
        }
    }

    /// Whose, when grouped by patch or host.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        match self.0.key {
            inventory::FindingGroupKey::Patch(tenant, _)
            | inventory::FindingGroupKey::Host(tenant, _) => {
                loaders(ctx)?.organization(tenant).await
            }
            inventory::FindingGroupKey::Advisory(_) => Ok(None),
        }
    }

    /// On how many hosts.
    async fn host_count(&self) -> i32 {
        int(self.0.hosts)
    }

    /// How many findings.
    async fn finding_count(&self) -> i32 {
        int(self.0.findings)
    }

    /// The highest score among them, 0–100.
    async fn score(&self) -> f64 {
        self.0.score
    }

    /// The worst severity among them.
    async fn severity(&self) -> Severity {
        self.0.severity.into()
    }

    /// Whether one of them is known to be exploited.
    async fn is_known_exploited(&self) -> bool {
        self.0.kev
    }

    /// Oldest first sight.
    async fn first_seen_at(&self) -> DateTime {
        self.0.first_seen_at.into()
    }
}

/// Findings in groups, worst first.
pub(crate) async fn groups(
    session: &Session,
    by: FindingGrouping,
    first: i32,
    after: Option<String>,
    filter: FindingFilter,
) -> Result<Option<Connection<FindingGroup>>> {
    let organization = filter
        .organization_id
        .as_ref()
        .map(organization_id)
        .transpose();
    let Some(organization) = absent(organization)? else {
        return Ok(None);
    };
    let Some(ctx) = absent(session.within(organization))? else {
        return Ok(None);
    };
    let by = inventory::FindingGrouping::from(by);
    let filter = read_filter(filter, organization)?;
    let asked = asked("findingGroups", &(by, &filter), first, after)?;
    let list = inventory::FindingGroupList {
        page: asked.page.clone(),
        by,
        filter,
    };
    let page = session
        .apis
        .inventory
        .finding_group_list(&ctx, list)
        .await?;
    Ok(Some(asked.connection(page, FindingGroup)))
}
