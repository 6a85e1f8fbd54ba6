//! Findings with their evidence and arithmetic.

use crate::domain::affected::Status;
use crate::domain::link::applicability_of;
use crate::domain::risk::{Place, assess};
use crate::service::{Catalog, CatalogAdvisory, Inventory};
use crate::store;
use crate::store::finding::{After, GroupPlace, GroupRow, Part, StoredFinding};
use crate::store::scoring::Scoring;
use chrono::DateTime;
use netpatch_inventory_api::{
    ClearedBy, Evidence, Finding, FindingGroup, FindingGroupKey, FindingGroupList, FindingGrouping,
    FindingList, FindingOrder,
};
use netpatch_types::{
    ComponentKey, Ecosystem, FindingId, Page, RequestContext, ServiceError, ServiceResult,
    Severity, TenantId, page::PageRow,
};
use std::collections::HashMap;
use uuid::Uuid;

fn known(catalog: &Catalog, advisory: u32) -> ServiceResult<&CatalogAdvisory> {
    catalog.advisory(advisory).ok_or_else(|| {
        tracing::error!(advisory, "an exposure's advisory is not in the catalog");
        ServiceError::internal()
    })
}

fn finding(
    catalog: &Catalog,
    scoring: &HashMap<TenantId, Scoring>,
    stored: StoredFinding,
) -> ServiceResult<Finding> {
    let usual = Scoring::default();
    let scoring = scoring.get(&stored.tenant.into()).unwrap_or(&usual);
    let known = known(catalog, stored.advisory)?;
    let cleared_by = stored
        .closed_at
        .and_then(|_| cleared_by(catalog, &stored.component, stored.advisory));
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
        offer: stored.offer,
        risk: assess(
            &known.threat,
            &Place::of(&stored.labels).measured(&stored.listening, &stored.probes),
            &scoring.weights,
            scoring.weights_version,
        ),
        evidence: Evidence {
            feed: known.advisory.feed.clone(),
            record: known.record.clone(),
            record_digest: known.record_digest,
            rule: stored.rule,
            installed_version: stored.installed_version,
            fixed_version: stored.fixed_version,
            comparator,
            cleared_by,
        },
        deadline: stored.due,
        first_seen_at: stored.opened_at,
        resolved_at: stored.closed_at,
        advisory: known.advisory.clone(),
    })
}

/// Who says that the component does not have it, as the advisories stand now.
fn cleared_by(catalog: &Catalog, component: &ComponentKey, advisory: u32) -> Option<ClearedBy> {
    let hits = catalog.index.affected(component).ok()?;
    let cleared = hits.cleared.iter().find(|one| one.advisory == advisory)?;
    let by = catalog.advisory(cleared.by)?;
    let status = match cleared.status {
        Status::NotAffected => "not_affected",
        _ => "fixed",
    };
    Some(ClearedBy {
        feed: by.advisory.feed.clone(),
        record: by.record.clone(),
        record_digest: by.record_digest,
        status: status.to_owned(),
    })
}

/// Whose version order was used; the word stands in the evidence.
fn comparator(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Deb => "dpkg",
        other => other.as_str(),
    }
}

/// What stands in a cursor for "without a date".
const NO_DATE: &str = "none";

fn parse(order: FindingOrder, after: &str) -> Option<After> {
    let (key, id) = after.split_once('/')?;
    let id = Uuid::try_parse(id).ok()?;
    Some(match order {
        FindingOrder::Risk => After::Risk(key.parse().ok()?, id),
        FindingOrder::Deadline if key == NO_DATE => After::Due(None, id),
        FindingOrder::Deadline => After::Due(
            Some(DateTime::from_timestamp_micros(key.parse().ok()?)?),
            id,
        ),
    })
}

fn cursor(order: FindingOrder, row: &StoredFinding) -> String {
    let id = row.id;
    match order {
        FindingOrder::Risk => format!("{}/{id}", row.risk),
        FindingOrder::Deadline => match row.due.as_ref().and_then(|due| due.due_at) {
            Some(due) => format!("{}/{id}", due.timestamp_micros()),
            None => format!("{NO_DATE}/{id}"),
        },
    }
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
        let scoring = store::scoring::readable(&tx).await?;
        tx.rollback().await?;
        finding(&*self.catalog().await?, &scoring, stored)
    }

    pub(super) async fn findings(
        &self,
        ctx: &RequestContext,
        request: FindingList,
    ) -> ServiceResult<Page<Finding>> {
        let order = request.order;
        let after = match &request.page.after {
            None => None,
            Some(after) => Some(
                parse(order, after)
                    .ok_or_else(|| ServiceError::invalid("after", "not a position in this list"))?,
            ),
        };
        let limit = request.page.limit();
        let catalog = self.catalog().await?;
        let advisories = catalog.named(&request.filter);
        if advisories.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Page::empty());
        }
        let tx = self.db.read(ctx).await?;
        let part = Part {
            order,
            after,
            limit,
        };
        let (rows, total) =
            store::finding::list(&tx, ctx, &request.filter, advisories, part, self.now()).await?;
        let scoring = store::scoring::readable(&tx).await?;
        tx.rollback().await?;
        // A finding of an import that committed since needs its advisory.
        let catalog = self.catalog().await?;
        let keyed = Page::from_rows(rows, limit, |row: &StoredFinding| cursor(order, row));
        let rows = keyed
            .rows
            .into_iter()
            .map(|row| {
                Ok(PageRow {
                    cursor: row.cursor,
                    node: finding(&catalog, &scoring, row.node)?,
                })
            })
            .collect::<ServiceResult<Vec<_>>>()?;
        Ok(Page {
            rows,
            has_next: keyed.has_next,
            total: Some(total),
        })
    }

    pub(super) async fn finding_groups(
        &self,
        ctx: &RequestContext,
        request: FindingGroupList,
    ) -> ServiceResult<Page<FindingGroup>> {
        let after = match request.page.after.as_deref() {
            None => None,
            Some(after) => Some(
                group_place(after)
                    .ok_or_else(|| ServiceError::invalid("after", "not a position in this list"))?,
            ),
        };
        let advisories = self.catalog().await?.named(&request.filter);
        if advisories.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Page::empty());
        }
        let tx = self.db.read(ctx).await?;
        let (rows, total) =
            store::finding::groups(&tx, ctx, &request, advisories, after, self.now()).await?;
        tx.rollback().await?;
        let catalog = self.catalog().await?;
        let keyed = Page::from_rows(rows, request.page.limit(), |row: &GroupRow| {
            format!(
                "{}/{}/{}/{}/{}",
                row.risk, row.findings, row.advisory, row.tenant_id, row.key
            )
        });
        let rows = keyed
            .rows
            .into_iter()
            .map(|row| {
                Ok(PageRow {
                    cursor: row.cursor,
                    node: group(&catalog, request.by, row.node)?,
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

fn group_place(after: &str) -> Option<GroupPlace> {
    let mut parts = after.split('/');
    let place = (
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        Uuid::try_parse(parts.next()?).ok()?,
        Uuid::try_parse(parts.next()?).ok()?,
    );
    parts.next().is_none().then_some(place)
}

fn group(catalog: &Catalog, by: FindingGrouping, row: GroupRow) -> ServiceResult<FindingGroup> {
    let tenant = row.tenant_id.into();
    let key = match by {
        FindingGrouping::Advisory => FindingGroupKey::Advisory(
            known(catalog, store::number(row.advisory))?
                .advisory
                .clone(),
        ),
        FindingGrouping::Patch => FindingGroupKey::Patch(
            tenant,
            Some(row.key).filter(|key| !key.is_nil()).map(Into::into),
        ),
        FindingGrouping::Host => FindingGroupKey::Host(tenant, row.key.into()),
    };
    let severity = usize::try_from(row.severity)
        .ok()
        .and_then(|place| Severity::ALL.get(place).copied());
    Ok(FindingGroup {
        key,
        hosts: u64::try_from(row.hosts).unwrap_or_default(),
        findings: u64::try_from(row.findings).unwrap_or_default(),
        score: f64::from(row.risk) / 10.0,
        severity: severity.unwrap_or(Severity::Unknown),
        kev: row.kev,
        first_seen_at: row.opened_at,
    })
}
