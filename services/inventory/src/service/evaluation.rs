//! Makes the exposures of hosts what they should be. Every cause (another manifest, other updates, another feed, another
//! place of the host) ends here, so there is one rule.
//!
//! A host that waits is compared as a whole, or only in the packages that changed since the manifest which its exposures are of.
//! What applies to a component is found once an epoch and shared by all hosts that have it.

use crate::domain::deadline::exception::{covering, moved};
use crate::domain::deadline::{Case, Software, earliest};
use crate::domain::exposure::{Change, Open, Wanted, change, known_as};
use crate::domain::link::{Offers, candidate_version};
use crate::domain::risk::{Place, score_tenths};
use crate::domain::standing::{Siblings, family, standing};
use crate::service::ingest::Components;
use crate::service::{Catalog, Inventory};
use crate::store;
use crate::store::evaluation::Waited;
use crate::store::host::Judged;
use crate::store::scoring::Scoring;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{
    Applicability, Deadline, FollowedBaseline, Group, Host, Incompatibility, InstallableUpdate,
    InventoryEvent, InventoryEventV1, RiskWeights,
};
use netpatch_storage::{TenantTx, outbox};
use netpatch_types::{
    ComponentKey, FindingId, HostId, RequestContext, ServiceResult, Severity, Sha256, TenantId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Most hosts of one transaction that are compared in what changed.
const PORTION: i64 = 200;
/// Most hosts of one transaction that are compared as a whole: thousands of exposures each.
const WHOLE: usize = 8;

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

/// Where a host stands.
pub(super) fn place_of(host: &Host) -> Place {
    Place::of(&host.labels).measured(&host.facts.listening, &host.probes)
}

/// The exposures that a host with these components and updates has.
fn wanted<'a>(
    catalog: &Catalog,
    place: &Place,
    weights: &RiskWeights,
    siblings: &Siblings<'_>,
    components: impl Iterator<Item = (u32, &'a ComponentKey)>,
    updates: &[InstallableUpdate],
) -> Vec<Wanted> {
    let offers = Offers::of(updates);
    let aliases = catalog.index.aliases();
    let mut all = Vec::new();
    for (number, component) in components {
        let matches = catalog.matches(number, component);
        if matches.hits.is_empty() {
            continue;
        }
        let offered = offers.for_component(component);
        let candidate = offered.and_then(|update| candidate_version(aliases, component, update));
        // What is the same on every host is known; where an update or a sibling counts, the interval is looked at.
        let intervals = if offered.is_some() || siblings.newer(aliases, component).is_some() {
            catalog.intervals(component)
        } else {
            HashMap::new()
        };
        for hit in &matches.hits {
            let Some(known) = catalog.advisory(hit.advisory) else {
                continue;
            };
            let (applicability, is_patch) = match intervals.get(&hit.advisory) {
                Some(interval) => standing(
                    aliases,
                    siblings,
                    component,
                    interval,
                    offered.map(|update| (update, candidate.as_ref())),
                ),
                None if hit.is_open => (Applicability::NoFixYet, false),
                None => (Applicability::Applicable, false),
            };
            all.push(Wanted {
                advisory: hit.advisory,
                component: number,
                name: component.name.clone(),
                arch: component.arch.clone(),
                ecosystem: component.ecosystem,
                source: matches.source.to_string(),
                fixed_version: hit.fixed.as_deref().unwrap_or_default().to_owned(),
                installed_version: matches.version.to_string(),
                rule: matches.rule,
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
    all
}

/// What is wrong with components that cannot be compared; empty when all can.
fn problem<'a>(
    catalog: &Catalog,
    components: impl Iterator<Item = (u32, &'a ComponentKey)>,
) -> String {
    let mut odd = components
        .filter(|(number, component)| catalog.matches(*number, component).is_odd)
        .map(|(_, component)| component.name.as_str());
    match odd.next() {
        None => String::new(),
        Some(first) => format!(
            "{} components have a version that cannot be compared, first: {first}",
            1 + odd.count()
        ),
    }
}

/// One host under evaluation.
struct HostCase<'a> {
    host: &'a Host,
    waited: Option<Waited>,
    open: Vec<Open>,
    wanted: Vec<Wanted>,
    /// Whether `open` and `wanted` are all that the host has.
    is_whole: bool,
    problem: String,
}

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
    /// Opens, moves and closes the exposures of a locked host, compared as a whole. If it waited for that, it does not any more.
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
        let keys = components.iter().map(|(_, key)| key);
        let rules = &scoring.hardware;
        let refusals = super::compatibility::refusals(&host.facts, keys, updates, rules);
        if !updates.is_empty() {
            store::update::set_refusals(tx, host.id, updates, &refusals).await?;
        }
        let updates = &super::compatibility::taken(&refusals, updates);
        // Who does not know the newest advisories leaves the host to who does.
        let waited = if store::evaluation::epoch(tx).await? <= catalog.epoch {
            store::evaluation::take(tx, &[host.id]).await?
        } else {
            HashMap::new()
        };
        let open = store::exposure::open(tx, &[host.id]).await?;
        let pairs = || components.iter().map(|(number, key)| (*number, key));
        let case = HostCase {
            host,
            waited: waited.get(&host.id).copied(),
            open: open.into_values().flatten().collect(),
            wanted: wanted(
                catalog,
                &place_of(host),
                &scoring.weights,
                &siblings(catalog, host, pairs()),
                pairs(),
                updates,
            ),
            is_whole: true,
            problem: problem(catalog, pairs()),
        };
        let done = self.settle(tx, catalog, &scoring, vec![case], now).await?;
        Ok(done.into_values().next().unwrap_or_default())
    }

    /// Evaluates a portion of the hosts that wait, of these or of all; what it did with each. Hosts that somebody else has
    /// locked are left out.
    pub(crate) async fn evaluate_waiting(
        &self,
        tenant: TenantId,
        only: Option<&[HostId]>,
    ) -> ServiceResult<HashMap<HostId, Evaluation>> {
        loop {
            let catalog = self.catalog().await?;
            let now = self.now();
            let ctx = RequestContext::system(tenant, "evaluation", now);
            let tx = self.db.write(&ctx).await?;
            if store::evaluation::epoch(&tx).await? > catalog.epoch {
                // An import was committed in between.
                tx.rollback().await?;
                continue;
            }
            let waiting = store::evaluation::waiting(&tx, only, PORTION).await?;
            let hosts = store::host::lock_free(&tx, &portion(waiting)).await?;
            let ids: Vec<HostId> = hosts.iter().map(|stored| stored.host.id).collect();
            if ids.is_empty() {
                return Ok(HashMap::new());
            }
            let taken = store::evaluation::take(&tx, &ids).await?;
            let waited: Vec<(&Host, Waited)> = hosts
                .iter()
                .filter_map(|stored| Some((&stored.host, *taken.get(&stored.host.id)?)))
                .collect();
            let scoring = store::scoring::hold(&tx).await?;
            let cases = self.cases(&tx, &catalog, &scoring, tenant, &waited).await?;
            let done = self.settle(&tx, &catalog, &scoring, cases, now).await?;
            tx.commit().await?;
            metrics::counter!("inventory_evaluations_total")
                .increment(u64::try_from(done.len()).unwrap_or(u64::MAX));
            return Ok(done);
        }
    }

    /// What locked hosts have and should have.
    async fn cases<'a>(
        &self,
        tx: &TenantTx,
        catalog: &Catalog,
        scoring: &Scoring,
        tenant: TenantId,
        waited: &[(&'a Host, Waited)],
    ) -> ServiceResult<Vec<HostCase<'a>>> {
        let hashes: BTreeSet<Sha256> = waited
            .iter()
            .flat_map(|(host, waited)| [host.manifest, waited.base])
            .flatten()
            .collect();
        let manifests = self.manifests(tx, tenant, hashes).await?;
        let none: Components = Components::from([]);
        let ids: Vec<HostId> = waited.iter().map(|(host, _)| host.id).collect();
        let mut updates = store::update::of_hosts(tx, &ids).await?;
        let problems: HashMap<Sha256, String> = manifests
            .iter()
            .map(|(hash, components)| (*hash, problem(catalog, pairs(components))))
            .collect();
        // Which hosts are compared as a whole, and in what components the others.
        let (mut whole, mut parts, mut scopes) = (Vec::new(), Vec::new(), HashMap::new());
        for (host, waited) in waited {
            let base = waited.base.and_then(|base| manifests.get(&base));
            let Some(base) = base else {
                whole.push(host.id);
                continue;
            };
            let now = host.manifest.and_then(|hash| manifests.get(&hash));
            let scope = Scope::of(base, now.unwrap_or(&none));
            parts.extend(
                base.iter()
                    .filter(|known| scope.has(&known.key))
                    .map(|known| (host.id, known.number)),
            );
            scopes.insert(host.id, scope);
        }
        let mut open = HashMap::new();
        if !whole.is_empty() {
            open.extend(store::exposure::open(tx, &whole).await?);
        }
        if !parts.is_empty() {
            open.extend(store::exposure::open_in(tx, &parts).await?);
        }
        let mut cases = Vec::with_capacity(waited.len());
        for (host, waited) in waited {
            let components = host.manifest.and_then(|hash| manifests.get(&hash));
            let components = components.unwrap_or(&none);
            let offered = updates.remove(&host.id).unwrap_or_default();
            let scope = scopes.get(&host.id);
            let is_whole = scope.is_none();
            let updates = self
                .taken(tx, scoring, host, components, offered, is_whole)
                .await?;
            let is_asked =
                |component: &ComponentKey| scope.is_none_or(|scope| scope.has(component));
            let asked = pairs(components).filter(|(_, component)| is_asked(component));
            let siblings = siblings(catalog, host, pairs(components));
            cases.push(HostCase {
                host,
                waited: Some(*waited),
                open: open.remove(&host.id).unwrap_or_default(),
                wanted: wanted(
                    catalog,
                    &place_of(host),
                    &scoring.weights,
                    &siblings,
                    asked,
                    &updates,
                ),
                is_whole: scope.is_none(),
                problem: host
                    .manifest
                    .and_then(|hash| problems.get(&hash).cloned())
                    .unwrap_or_default(),
            });
        }
        Ok(cases)
    }

    /// The updates that a host can take. Where it is compared as a whole they are judged anew: rules may have changed.
    async fn taken(
        &self,
        tx: &TenantTx,
        scoring: &Scoring,
        host: &Host,
        components: &Components,
        offered: Vec<(InstallableUpdate, Option<Incompatibility>)>,
        is_whole: bool,
    ) -> ServiceResult<Vec<InstallableUpdate>> {
        let (updates, held): (Vec<_>, Vec<_>) = offered.into_iter().unzip();
        if updates.is_empty() || !is_whole {
            return Ok(super::compatibility::taken(&held, &updates));
        }
        let keys = components.iter().map(|known| known.key.as_ref());
        let rules = &scoring.hardware;
        let refusals = super::compatibility::refusals(&host.facts, keys, &updates, rules);
        if refusals != held {
            store::update::set_refusals(tx, host.id, &updates, &refusals).await?;
            let patches = store::update::offered_to(tx, host.id).await?;
            let event = InventoryEventV1::PatchesAvailable {
                host: host.id,
                patches,
            };
            self.tell(tx, host.id, event).await?;
        }
        Ok(super::compatibility::taken(&refusals, &updates))
    }

    /// Writes what changes on locked hosts, and tells it.
    async fn settle(
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

/// What is evaluated in one transaction: many hosts that changed a little, or a few as a whole.
fn portion(waiting: Vec<(HostId, bool)>) -> Vec<HostId> {
    let (whole, parts): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, whole)| *whole);
    let parts = parts.into_iter();
    let whole = whole.into_iter().take(WHOLE);
    parts.chain(whole).map(|(host, _)| host).collect()
}

fn pairs(components: &Components) -> impl Iterator<Item = (u32, &ComponentKey)> {
    components
        .iter()
        .map(|known| (known.number, known.key.as_ref()))
}

/// The newest of what is installed side by side on a host.
fn siblings<'a>(
    catalog: &Catalog,
    host: &'a Host,
    components: impl Iterator<Item = (u32, &'a ComponentKey)>,
) -> Siblings<'a> {
    let keys = components.map(|(_, key)| key);
    Siblings::of(catalog.index.aliases(), keys, &host.facts.kernel)
}

/// The packages in which a manifest differs from another, with those that stand beside one of them.
struct Scope<'a> {
    names: HashSet<&'a str>,
    families: HashSet<(&'a str, &'a str)>,
}

impl<'a> Scope<'a> {
    fn of(before: &'a Components, after: &'a Components) -> Self {
        let numbers =
            |all: &Components| -> HashSet<u32> { all.iter().map(|one| one.number).collect() };
        let (old, new) = (numbers(before), numbers(after));
        let gone = before.iter().filter(|one| !new.contains(&one.number));
        let come = after.iter().filter(|one| !old.contains(&one.number));
        let mut scope = Self {
            names: HashSet::new(),
            families: HashSet::new(),
        };
        for known in gone.chain(come) {
            scope.names.insert(&known.key.name);
            scope.families.extend(family(&known.key));
        }
        scope
    }

    fn has(&self, component: &ComponentKey) -> bool {
        self.names.contains(component.name.as_str())
            || family(component).is_some_and(|family| self.families.contains(&family))
    }
}
