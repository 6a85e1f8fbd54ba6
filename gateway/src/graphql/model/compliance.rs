//! Compliance snapshots.

use super::{Severity, Site};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Result, loaders};
use async_graphql::{Context, ID, Object};
use netpatch_inventory_api as inventory;
use netpatch_reporting_api as reporting;
use netpatch_types::{ComplianceSnapshotId, OrganizationId, PageRequest};

/// Compliance at one time: what screens and reports both read.
#[derive(Clone)]
pub struct ComplianceSnapshot(pub reporting::ComplianceSnapshot);

/// Compliance at one time: what screens and reports both read.
#[Object]
impl ComplianceSnapshot {
    /// Opaque id; a provisional snapshot cannot be read again by it.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// As of when.
    async fn as_of(&self) -> DateTime {
        self.0.as_of.into()
    }

    /// Not stored: counters as they are now.
    async fn is_provisional(&self) -> bool {
        self.0.provisional
    }

    /// Why it was taken.
    async fn label(&self) -> &str {
        &self.0.label
    }

    /// Site × severity.
    #[graphql(complexity = "2 + 25 * child_complexity")]
    async fn cells(&self) -> Vec<ComplianceCell> {
        self.0.cells.iter().cloned().map(ComplianceCell).collect()
    }
}

/// One site and one severity.
#[derive(Clone)]
pub struct ComplianceCell(pub inventory::ComplianceCell);

/// One site and one severity.
#[Object]
impl ComplianceCell {
    /// Which site.
    async fn site(&self, ctx: &Context<'_>) -> Result<Option<Site>> {
        loaders(ctx)?.site(self.0.tenant, self.0.site).await
    }

    /// Which severity.
    async fn severity(&self) -> Severity {
        self.0.severity.into()
    }

    /// Hosts of the site.
    async fn hosts(&self) -> i32 {
        int(self.0.hosts)
    }

    /// Hosts without an open finding of this severity.
    async fn compliant(&self) -> i32 {
        int(self.0.compliant)
    }

    /// Hosts never scanned or not seen for seven days.
    async fn unknown(&self) -> i32 {
        int(self.0.unknown)
    }

    /// Open findings of this severity.
    async fn findings(&self) -> i32 {
        int(self.0.findings)
    }
}

/// One stored snapshot among the newest 500; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: ComplianceSnapshotId,
) -> Result<Option<ComplianceSnapshot>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    let mut page = PageRequest::largest();
    for _ in 0..5 {
        let history = reporting::ComplianceHistory {
            tenant: organization,
            deployment: None,
            page: page.clone(),
        };
        let found = session
            .apis
            .reporting
            .compliance_history(&ctx, history)
            .await?;
        let next = found
            .has_next
            .then(|| found.rows.last().map(|row| row.cursor.clone()))
            .flatten();
        if let Some(snapshot) = found
            .into_nodes()
            .into_iter()
            .find(|snapshot| snapshot.id == id)
        {
            return Ok(Some(ComplianceSnapshot(snapshot)));
        }
        if next.is_none() {
            break;
        }
        page.after = next;
    }
    Ok(None)
}
