//! Makes the exposures of hosts what they should be. Every cause (another manifest, other updates, another feed, another
//! place of the host) ends here, so there is one rule.
//!
//! A host that waits is compared as a whole, or only in the packages that changed since the manifest which its exposures are of.
//! What applies to a component is found once an epoch and shared by all hosts that have it.

mod settle;
mod wanted;

pub(super) use wanted::place_of;
use wanted::{Scope, pairs, problem, siblings, wanted};

use crate::domain::exposure::{Open, Wanted};
use crate::service::ingest::Components;
use crate::service::{Catalog, Inventory};
use crate::store;
use crate::store::evaluation::Waited;
use crate::store::scoring::Scoring;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{Host, Incompatibility, InstallableUpdate, InventoryEventV1};
use netpatch_storage::TenantTx;
use netpatch_types::{ComponentKey, HostId, RequestContext, ServiceResult, Sha256, TenantId};
use std::collections::{BTreeSet, HashMap};

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
}

/// What is evaluated in one transaction: many hosts that changed a little, or a few as a whole.
fn portion(waiting: Vec<(HostId, bool)>) -> Vec<HostId> {
    let (whole, parts): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, whole)| *whole);
    let parts = parts.into_iter();
    let whole = whole.into_iter().take(WHOLE);
    parts.chain(whole).map(|(host, _)| host).collect()
}
