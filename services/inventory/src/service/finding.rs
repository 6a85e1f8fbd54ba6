//! Findings with their evidence and arithmetic.

use crate::domain::link::applicability_of;
use crate::domain::risk::{Place, assess};
use crate::service::{Catalog, Inventory};
use crate::store;
use crate::store::finding::StoredFinding;
use netpatch_inventory_api::{Evidence, Finding, FindingList};
use netpatch_types::{
    Ecosystem, FindingId, Page, RequestContext, ServiceError, ServiceResult, page::PageRow,
};
use uuid::Uuid;

fn finding(catalog: &Catalog, stored: StoredFinding) -> ServiceResult<Finding> {
    let known = catalog.advisory(stored.advisory).ok_or_else(|| {
        tracing::error!(
            advisory = stored.advisory,
            "an exposure's advisory is not in the catalog"
        );
        ServiceError::internal()
    })?;
    let comparator = comparator(stored.component.ecosystem).to_owned();
    Ok(Finding {
        id: stored.id.into(),
        tenant: stored.tenant.into(),
        host: stored.host.into(),
        hostname: stored.hostname,
        site: stored.site.into(),
        component: stored.component,
        applicability: applicability_of(&stored.applicability),
        patch: stored.patch.map(Into::into),
        risk: assess(&known.threat, &Place::of(&stored.labels)),
        evidence: Evidence {
            feed: known.advisory.feed.clone(),
            record: known.record.clone(),
            record_digest: known.record_digest,
            rule: stored.rule,
            installed_version: stored.installed_version,
            fixed_version: stored.fixed_version,
            comparator,
        },
        first_seen_at: stored.opened_at,
        resolved_at: stored.closed_at,
        advisory: known.advisory.clone(),
    })
}

/// Whose version order was used; the word stands in the evidence.
fn comparator(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Deb => "dpkg",
        other => other.as_str(),
    }
}

fn cursor(after: Option<&str>) -> ServiceResult<Option<(i32, Uuid)>> {
    let Some(after) = after else { return Ok(None) };
    let parsed = after
        .split_once('/')
        .and_then(|(risk, id)| Some((risk.parse().ok()?, Uuid::try_parse(id).ok()?)));
    parsed
        .map(Some)
        .ok_or_else(|| ServiceError::invalid("after", "not a position in this list"))
}

impl Inventory {
    pub(super) async fn finding(
        &self,
        ctx: &RequestContext,
        id: FindingId,
    ) -> ServiceResult<Finding> {
        let tx = self.db.read(ctx).await?;
        let stored = store::finding::get(&tx, ctx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("finding"))?;
        tx.rollback().await?;
        finding(&*self.catalog().await?, stored)
    }

    pub(super) async fn findings(
        &self,
        ctx: &RequestContext,
        request: FindingList,
    ) -> ServiceResult<Page<Finding>> {
        let after = cursor(request.page.after.as_deref())?;
        let limit = request.page.limit();
        let catalog = self.catalog().await?;
        let advisory = match request.filter.advisory {
            None => None,
            Some(id) => match catalog.number(id) {
                Some(number) => Some(number),
                None => return Ok(Page::empty()),
            },
        };
        let tx = self.db.read(ctx).await?;
        let (rows, total) =
            store::finding::list(&tx, ctx, &request.filter, advisory, after, limit).await?;
        tx.rollback().await?;
        // A finding of an import that committed since needs its advisory.
        let catalog = self.catalog().await?;
        let keyed = Page::from_rows(rows, limit, |row: &StoredFinding| {
            format!("{}/{}", row.risk, row.id)
        });
        let rows = keyed
            .rows
            .into_iter()
            .map(|row| {
                Ok(PageRow {
                    cursor: row.cursor,
                    node: finding(&catalog, row.node)?,
                })
            })
            .collect::<ServiceResult<Vec<_>>>()?;
        Ok(Page {
            rows,
            has_next: keyed.has_next,
            total: Some(total),
        })
    }
}
