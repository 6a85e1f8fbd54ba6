//! The remediation queue: one item a patch and organization, highest risk first.

use crate::domain::classify::Origin;
use crate::domain::risk::{Place, Threat, assess, score_tenths};
use crate::service::patch::{current_of, patch};
use crate::service::{Catalog, Inventory};
use crate::store;
use crate::store::patch::{CurrentPatch, OfferedPatch, PatchFindings};
use crate::store::scoring::Scoring;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{Deadline, FindingOrder, QueueItem, QueueList, Risk};
use netpatch_types::{Page, RequestContext, ServiceError, ServiceResult};
use std::cmp::Reverse;
use std::collections::HashMap;
use uuid::Uuid;

/// Sort key: risk in tenths or how early the deadline is, then findings, then who and what. Smaller comes later.
type Key = (i64, u64, Reverse<(Uuid, Uuid)>);

fn cursor(key: &Key) -> String {
    let (first, findings, Reverse((tenant, patch))) = key;
    format!("{first}/{findings}/{tenant}/{patch}")
}

fn parse(after: &str) -> Option<Key> {
    let mut parts = after.split('/');
    let key = (
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        Reverse((
            Uuid::try_parse(parts.next()?).ok()?,
            Uuid::try_parse(parts.next()?).ok()?,
        )),
    );
    parts.next().is_none().then_some(key)
}

/// Risk of a patch: of the worst finding that it closes. A security update without a finding is ranked as an ordinary
/// vulnerability of which nothing is known; any other update has none.
fn risk(
    catalog: &Catalog,
    scoring: &Scoring,
    offered: &OfferedPatch,
    findings: Option<&PatchFindings>,
) -> (i32, Risk) {
    let origin = Origin {
        label: &offered.label,
        suite: &offered.suite,
        section: &offered.section,
        security: offered.security,
    };
    let (threat, place) = match findings {
        Some(findings) => (
            catalog
                .advisory(findings.advisory)
                .map(|known| known.threat)
                .unwrap_or_default(),
            Place::of(&findings.labels).measured(&findings.listening, &findings.probes),
        ),
        None if origin.is_security() => (Threat::default(), Place::default()),
        None => return (0, Risk::default()),
    };
    let weights = &scoring.weights;
    (
        score_tenths(&threat, &place, weights),
        assess(&threat, &place, weights, scoring.weights_version),
    )
}

fn item(
    order: FindingOrder,
    catalog: &Catalog,
    scoring: &Scoring,
    offered: &OfferedPatch,
    current: &[CurrentPatch],
    findings: Option<&PatchFindings>,
) -> (Key, QueueItem) {
    let (tenths, risk) = risk(catalog, scoring, offered, findings);
    let count = findings.map_or(0, |findings| findings.findings);
    let deadline = findings.and_then(|findings| findings.due.clone());
    let first = match order {
        FindingOrder::Risk => i64::from(tenths),
        FindingOrder::Deadline => due_at(deadline.as_ref())
            .map_or(i64::MIN, |due| due.timestamp_micros().saturating_neg()),
    };
    let item = QueueItem {
        patch: patch(catalog, offered, current),
        tenant: offered.tenant_id.into(),
        hosts: u64::try_from(offered.needing).unwrap_or_default(),
        findings: count,
        risk,
        deadline,
        first_seen_at: findings.map_or(offered.first_seen_at, |findings| findings.first_seen_at),
    };
    (
        (first, count, Reverse((offered.tenant_id, offered.patch_id))),
        item,
    )
}

fn due_at(deadline: Option<&Deadline>) -> Option<DateTime<Utc>> {
    deadline.and_then(|deadline| deadline.due_at)
}

/// Whether the request asks for an item with this earliest deadline.
fn asked_for(request: &QueueList, deadline: Option<&Deadline>, now: DateTime<Utc>) -> bool {
    let due = due_at(deadline);
    request
        .overdue
        .is_none_or(|overdue| overdue == due.is_some_and(|due| due < now))
        && request
            .due_within_days
            .is_none_or(|days| due.is_some_and(|due| due <= store::finding::due_horizon(now, days)))
}

impl Inventory {
    pub(super) async fn queue(
        &self,
        ctx: &RequestContext,
        request: QueueList,
    ) -> ServiceResult<Page<QueueItem>> {
        let after = match &request.page.after {
            None => None,
            Some(after) => Some(
                parse(after)
                    .ok_or_else(|| ServiceError::invalid("after", "not a position in this list"))?,
            ),
        };
        let now = self.now();
        let tx = self.db.read(ctx).await?;
        let offered = store::patch::offered(&tx, ctx, None, request.tenant, &request.sites).await?;
        let waiting: Vec<OfferedPatch> =
            offered.into_iter().filter(|row| row.needing > 0).collect();
        let findings = store::patch::findings(
            &tx,
            ctx,
            request.tenant,
            &request.sites,
            &request.severities,
        )
        .await?;
        let current = current_of(&tx, ctx, &waiting).await?;
        let scoring = store::scoring::readable(&tx).await?;
        let usual = Scoring::default();
        tx.rollback().await?;
        let catalog = self.catalog().await?;
        let findings: HashMap<(Uuid, Uuid), PatchFindings> = findings
            .into_iter()
            .map(|findings| ((findings.tenant, findings.patch), findings))
            .collect();
        let mut items: Vec<(Key, QueueItem)> = waiting
            .iter()
            .map(|row| (row, findings.get(&(row.tenant_id, row.patch_id))))
            // Asked for some severities, a patch without such a finding is no answer.
            .filter(|(_, findings)| request.severities.is_empty() || findings.is_some())
            .filter(|(_, findings)| {
                asked_for(
                    &request,
                    findings.and_then(|findings| findings.due.as_ref()),
                    now,
                )
            })
            .map(|(row, findings)| {
                let scoring = scoring.get(&row.tenant_id.into()).unwrap_or(&usual);
                item(request.order, &catalog, scoring, row, &current, findings)
            })
            .collect();
        items.sort_by_key(|(key, _)| Reverse(*key));
        let total = u64::try_from(items.len()).ok();
        let rest = items
            .into_iter()
            .filter(|(key, _)| after.is_none_or(|after| *key < after))
            .collect();
        let mut page = Page::from_rows(rest, request.page.limit(), |(key, _)| cursor(key))
            .map(|(_, item)| item);
        page.total = total;
        Ok(page)
    }
}
