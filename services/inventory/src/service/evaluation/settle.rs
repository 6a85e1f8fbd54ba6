//! Writes what changes on hosts under evaluation, and tells it.

use super::{Evaluation, HostCase, place_of};
use crate::domain::deadline::exception::{covering, moved};
use crate::domain::deadline::{Case, Software, earliest};
use crate::domain::exposure::{Change, Wanted, change, known_as};
use crate::domain::risk::Place;
use crate::service::{Catalog, Inventory};
use crate::store;
use crate::store::host::Judged;
use crate::store::scoring::Scoring;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{
    Deadline, FollowedBaseline, Group, Host, InventoryEvent, InventoryEventV1,
};
use netpatch_storage::{TenantTx, outbox};
use netpatch_types::{FindingId, HostId, ServiceResult, Severity};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Open findings after a change.
fn counts(case: &HostCase<'_>) -> BTreeMap<Severity, u64> {
    let mut counts: BTreeMap<Severity, u64> = Severity::ALL
        .into_iter()
        .map(|severity| (severity, 0))
        .collect();
    if !case.is_whole {
        counts.extend(case.host.open_findings.clone());
        for open in &case.open {
            let severity = Severity::ALL
                .into_iter()
                .find(|severity| severity.as_str() == open.severity);
            if let Some(count) = severity.and_then(|severity| counts.get_mut(&severity)) {
                *count = count.saturating_sub(1);
            }
        }
    }
    for wanted in &case.wanted {
        *counts.entry(wanted.severity).or_default() += 1;
    }
    counts
}

/// The date that the followed baselines demand for an exposure.
fn due(
    catalog: &Catalog,
    baselines: &[FollowedBaseline],
    place: &Place,
    host: &Host,
    wanted: &Wanted,
    first_seen_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<Deadline> {
    let known = catalog.advisory(wanted.advisory)?;
    let mut case = Case::of(&known.advisory, &host.labels, first_seen_at, now);
    case.fix_released = !wanted.fixed_version.is_empty();
    case.exposed = place.is_exposed();
    case.software = Software::of(wanted.ecosystem, &wanted.source);
    earliest(baselines, &case)
}

/// The followed baselines whose group the host is in.
fn baselines_of(
    followed: &[FollowedBaseline],
    groups: &[Group],
    host: &Host,
) -> Vec<FollowedBaseline> {
    let is_outside = |baseline: &FollowedBaseline| {
        groups
            .iter()
            .find(|group| Some(group.id) == baseline.group)
            .is_some_and(|group| !group.selector.matches(&host.labels))
    };
    followed
        .iter()
        .filter(|baseline| !is_outside(baseline))
        .cloned()
        .collect()
}

impl Inventory {
    /// Writes what changes on locked hosts, and tells it.
    pub(super) async fn settle(
        &self,
        tx: &TenantTx,
        catalog: &Catalog,
        scoring: &Scoring,
        cases: Vec<HostCase<'_>>,
        now: DateTime<Utc>,
    ) -> ServiceResult<HashMap<HostId, Evaluation>> {
        let followed = &scoring.baselines;
        let is_grouped = followed.iter().any(|baseline| baseline.group.is_some())
            || scoring
                .exceptions
                .iter()
                .any(|exception| exception.covers.group.is_some());
        let groups = if is_grouped {
            store::group::list(tx).await?
        } else {
            Vec::new()
        };
        // Also of those that are not told of any more.
        let known_as = |advisory: u32| {
            let known = &catalog.advisory(advisory)?.advisory;
            Some(known_as(&known.name, &known.cves))
        };
        let mut done = HashMap::with_capacity(cases.len());
        let (mut judged, mut events) = (Vec::new(), Vec::new());
        let mut changes: Vec<(HostId, Change)> = Vec::with_capacity(cases.len());
        for case in cases {
            let host = case.host;
            let counts = counts(&case);
            // What a report says replaces what was wrong before; another feed does not.
            let is_reported = case.waited.is_some_and(|waited| waited.reported);
            let problem = if is_reported {
                case.problem.clone()
            } else {
                host.scan_problem.clone()
            };
            if counts != host.open_findings || problem != host.scan_problem {
                judged.push(Judged {
                    host: host.id,
                    counts,
                    problem,
                });
            }
            let baselines = baselines_of(followed, &groups, host);
            let exceptions = covering(&scoring.exceptions, &groups, host);
            let place = place_of(host);
            let change = change(
                case.open,
                case.wanted,
                now,
                |wanted, first_seen_at| {
                    due(
                        catalog,
                        &baselines,
                        &place,
                        host,
                        wanted,
                        first_seen_at,
                        now,
                    )
                    .map(|due| match catalog.advisory(wanted.advisory) {
                        Some(known) => {
                            moved(due, &exceptions, &known.advisory, &wanted.source, now)
                        }
                        None => due,
                    })
                },
                known_as,
            );
            let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
            let evaluation = Evaluation {
                opened: count(change.opened.len()),
                closed: count(change.closed.len()),
                problem: case.problem,
            };
            let is_told =
                is_reported || (case.waited.is_some() && evaluation.opened + evaluation.closed > 0);
            if let Some(manifest) = host.manifest.filter(|_| is_told) {
                events.push(InventoryEventV1::HostReported {
                    host: host.id,
                    manifest,
                    opened: evaluation.opened,
                    closed: evaluation.closed,
                });
            }
            done.insert(host.id, evaluation);
            changes.push((host.id, change));
        }
        let critical = self.write(tx, catalog, &changes, now).await?;
        if !judged.is_empty() {
            store::host::set_judged(tx, &judged).await?;
        }
        self.tell_all(tx, critical.into_iter().chain(events))
            .await?;
        Ok(done)
    }

    /// Writes changes of exposures; the events of critical findings.
    async fn write(
        &self,
        tx: &TenantTx,
        catalog: &Catalog,
        changes: &[(HostId, Change)],
        now: DateTime<Utc>,
    ) -> ServiceResult<Vec<InventoryEventV1>> {
        let closed: Vec<_> = changes
            .iter()
            .flat_map(|(_, change)| change.closed.iter().copied())
            .collect();
        store::exposure::close(tx, &closed, now).await?;
        let moved: Vec<_> = changes
            .iter()
            .flat_map(|(_, change)| &change.moved)
            .collect();
        store::exposure::update(tx, &moved).await?;
        let opened: Vec<_> = changes
            .iter()
            .flat_map(|(host, change)| change.opened.iter().map(move |wanted| (*host, wanted)))
            .map(|(host, wanted)| (FindingId::new(now), host, wanted))
            .collect();
        store::exposure::insert(tx, &opened, now).await?;
        // One event an advisory, not one a binary package: a person reads it.
        let mut told = HashSet::new();
        let mut events = Vec::new();
        for (finding, host, wanted) in opened {
            if wanted.severity == Severity::Critical
                && told.insert((host, wanted.advisory))
                && let Some(known) = catalog.advisory(wanted.advisory)
            {
                events.push(InventoryEventV1::CriticalFinding {
                    finding,
                    host,
                    advisory: known.advisory.name.clone(),
                });
            }
        }
        Ok(events)
    }

    async fn tell_all(
        &self,
        tx: &TenantTx,
        events: impl Iterator<Item = InventoryEventV1>,
    ) -> ServiceResult<()> {
        let events: Vec<(String, InventoryEvent)> = events
            .map(|event| {
                let host = match &event {
                    InventoryEventV1::HostReported { host, .. }
                    | InventoryEventV1::CriticalFinding { host, .. } => host.to_string(),
                    _ => String::new(),
                };
                (host, InventoryEvent::V1(event))
            })
            .collect();
        outbox::append_all(tx, store::migrations::SCHEMA, &events, &*self.clock).await?;
        Ok(())
    }

    /// Appends an event of a host.
    pub(crate) async fn tell(
        &self,
        tx: &TenantTx,
        host: HostId,
        event: InventoryEventV1,
    ) -> ServiceResult<()> {
        let aggregate = host.to_string();
        outbox::append(
            tx,
            store::migrations::SCHEMA,
            &aggregate,
            &InventoryEvent::V1(event),
            &*self.clock,
        )
        .await?;
        Ok(())
    }
}
