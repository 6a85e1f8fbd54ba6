//! Makes the exposures of a host what they should be. Every cause (another manifest, other updates, another feed, another
//! place of the host) ends here, so there is one rule.

use crate::domain::affected::Status;
use crate::domain::deadline::{Case, Software, earliest};
use crate::domain::exposure::{Change, Wanted, change};
use crate::domain::interval::Interval;
use crate::domain::link::{Offers, candidate_version};
use crate::domain::risk::{Place, score_tenths};
use crate::domain::standing::{Siblings, standing};
use crate::service::{Catalog, Inventory};
use crate::store;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{
    Deadline, FollowedBaseline, Host, InstallableUpdate, InventoryEvent, InventoryEventV1,
    RiskWeights,
};
use netpatch_storage::{TenantTx, outbox};
use netpatch_types::{ComponentKey, FindingId, ServiceResult, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// What an evaluation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evaluation {
    /// Findings opened.
    pub(crate) opened: u64,
    /// Findings closed.
    pub(crate) closed: u64,
    /// Components that cannot be judged; empty when all can.
    pub(crate) problem: String,
}

/// The exposures that a host with these components and updates has.
fn wanted(
    catalog: &Catalog,
    place: &Place,
    weights: &RiskWeights,
    kernel: &str,
    components: &[(u32, ComponentKey)],
    updates: &[InstallableUpdate],
) -> (Vec<Wanted>, String) {
    let offers = Offers::of(updates);
    let keys = components.iter().map(|(_, key)| key);
    let siblings = Siblings::of(catalog.index.aliases(), keys, kernel);
    let (mut all, mut odd) = (Vec::new(), Vec::new());
    for (number, component) in components {
        let hits = match catalog.index.affected(component) {
            Ok(hits) => hits,
            Err(_) => {
                odd.push(component.name.as_str());
                continue;
            }
        };
        if hits.intervals.is_empty() {
            continue;
        }
        let subject = catalog.index.subject(component);
        let offered = offers.for_component(component);
        let candidate = offered
            .and_then(|update| candidate_version(catalog.index.aliases(), component, update));
        // What a vendor still investigates is no finding yet.
        let affected = |interval: &&&Interval| interval.status == Status::Affected;
        for interval in hits.intervals.iter().filter(affected) {
            let Some(known) = catalog.advisory(interval.advisory) else {
                continue;
            };
            let (applicability, is_patch) = standing(
                catalog.index.aliases(),
                &siblings,
                component,
                interval,
                offered.map(|update| (update, candidate.as_ref())),
            );
            all.push(Wanted {
                advisory: interval.advisory,
                component: *number,
                name: component.name.clone(),
                arch: component.arch.clone(),
                ecosystem: component.ecosystem,
                source: subject.source.clone().into_owned(),
                fixed_version: interval.fixed_version().unwrap_or_default().to_owned(),
                installed_version: subject.version.to_owned(),
                rule: hits.rule.as_str(),
                risk: score_tenths(&known.threat, place, weights),
                severity: known.advisory.severity,
                kev: known.advisory.kev,
                patch: offered
                    .filter(|_| is_patch)
                    .map(|update| super::applicability::patch_of(component, update).id.0),
                applicability,
                due: None,
            });
        }
    }
    let problem = match odd.as_slice() {
        [] => String::new(),
        [first, ..] => format!(
            "{} components have a version that cannot be compared, first: {first}",
            odd.len()
        ),
    };
    (all, problem)
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

impl Inventory {
    /// The followed baselines whose group the host is in.
    async fn baselines_of(
        &self,
        tx: &TenantTx,
        host: &Host,
        followed: Vec<FollowedBaseline>,
    ) -> ServiceResult<Vec<FollowedBaseline>> {
        if followed.iter().all(|baseline| baseline.group.is_none()) {
            return Ok(followed);
        }
        let groups = store::group::list(tx).await?;
        let outside = |baseline: &FollowedBaseline| {
            groups
                .iter()
                .find(|group| Some(group.id) == baseline.group)
                .is_some_and(|group| !group.selector.matches(&host.labels))
        };
        Ok(followed
            .into_iter()
            .filter(|baseline| !outside(baseline))
            .collect())
    }

    /// Opens, moves and closes the exposures of a locked host.
    pub(crate) async fn evaluate(
        &self,
        tx: &TenantTx,
        catalog: &Catalog,
        host: &Host,
        components: &[(u32, ComponentKey)],
        updates: &[InstallableUpdate],
        now: DateTime<Utc>,
    ) -> ServiceResult<Evaluation> {
        let scoring = store::scoring::hold(tx).await?;
        let baselines = self.baselines_of(tx, host, scoring.baselines).await?;
        let place = Place::of(&host.labels);
        let (wanted, problem) = wanted(
            catalog,
            &place,
            &scoring.weights,
            &host.facts.kernel,
            components,
            updates,
        );
        let mut counts: BTreeMap<Severity, u64> = Severity::ALL
            .into_iter()
            .map(|severity| (severity, 0))
            .collect();
        for exposure in &wanted {
            *counts.entry(exposure.severity).or_default() += 1;
        }
        let open = store::exposure::open(tx, host.id).await?;
        let change = change(open, wanted, now, |wanted, first_seen_at| {
            due(
                catalog,
                &baselines,
                &place,
                host,
                wanted,
                first_seen_at,
                now,
            )
        });
        if !change.is_empty() {
            self.write(tx, catalog, host, &change, now).await?;
        }
        if counts != host.open_findings {
            store::host::set_counts(tx, host.id, &counts).await?;
        }
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Ok(Evaluation {
            opened: count(change.opened.len()),
            closed: count(change.closed.len()),
            problem,
        })
    }

    async fn write(
        &self,
        tx: &TenantTx,
        catalog: &Catalog,
        host: &Host,
        change: &Change,
        now: DateTime<Utc>,
    ) -> ServiceResult<()> {
        store::exposure::close(tx, &change.closed, now).await?;
        store::exposure::update(tx, &change.moved).await?;
        let opened: Vec<_> = change
            .opened
            .iter()
            .map(|wanted| (FindingId::new(now), wanted))
            .collect();
        store::exposure::insert(tx, host.id, &opened, now).await?;
        // One event an advisory, not one a binary package: a person reads it.
        let mut told = BTreeSet::new();
        for (finding, wanted) in opened {
            if wanted.severity == Severity::Critical && told.insert(wanted.advisory) {
                let Some(known) = catalog.advisory(wanted.advisory) else {
                    continue;
                };
                let event = InventoryEventV1::CriticalFinding {
                    finding,
                    host: host.id,
                    advisory: known.advisory.name.clone(),
                };
                self.tell(tx, host, event).await?;
            }
        }
        Ok(())
    }

    /// Appends an event of a host.
    pub(crate) async fn tell(
        &self,
        tx: &TenantTx,
        host: &Host,
        event: InventoryEventV1,
    ) -> ServiceResult<()> {
        let aggregate = host.id.to_string();
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
