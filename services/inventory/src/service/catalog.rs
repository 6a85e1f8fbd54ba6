//! The advisories in memory, loaded once per feed epoch and shared by all requests.

use crate::domain::affected::Status;
use crate::domain::index::MatchIndex;
use crate::domain::interval::Interval;
use crate::domain::risk::Threat;
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{Advisory, AdvisoryGet, CveFacts, FindingFilter};
use netpatch_storage::Tx;
use netpatch_types::{ComponentKey, ServiceError, ServiceResult, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// One advisory, ready to show and to rank.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CatalogAdvisory {
    /// Dense number.
    pub(crate) number: u32,
    /// As callers see it.
    pub(crate) advisory: Advisory,
    /// The record's own id.
    pub(crate) record: String,
    /// SHA-256 of its bytes.
    pub(crate) record_digest: Sha256,
    /// What risk is computed from.
    pub(crate) threat: Threat,
    /// Of all that an exposure depends on.
    digest: Sha256,
}

/// All advisories of one feed epoch.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// Which epoch.
    pub(crate) epoch: i64,
    /// Ready to match.
    pub(crate) index: MatchIndex,
    advisories: HashMap<u32, CatalogAdvisory>,
    /// What applies to each component that somebody had: asked once an epoch.
    matches: RwLock<HashMap<u32, Arc<Matches>>>,
}

/// Most components whose matches are remembered; then all are forgotten.
const MOST_MATCHES: usize = 500_000;

/// An advisory that applies to a component.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Its number.
    pub(crate) advisory: u32,
    /// The version that has the fix, if it is said.
    pub(crate) fixed: Option<Arc<str>>,
    /// No version has it.
    pub(crate) is_open: bool,
}

/// What applies to a component.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// The advisories.
    pub(crate) hits: Box<[Hit]>,
    /// As the advisories name the package.
    pub(crate) source: Box<str>,
    /// The version that was compared.
    pub(crate) version: Box<str>,
    /// Which rule.
    pub(crate) rule: &'static str,
    /// The version cannot be compared.
    pub(crate) is_odd: bool,
}

impl Catalog {
    /// An advisory by its number.
    #[must_use]
    pub(crate) fn advisory(&self, number: u32) -> Option<&CatalogAdvisory> {
        self.advisories.get(&number)
    }

    /// The numbers of the advisories that a filter lets through: by id, by CVE, or both. `None` when it names neither.
    #[must_use]
    pub(crate) fn named(&self, filter: &FindingFilter) -> Option<Vec<u32>> {
        if filter.advisory.is_none() && filter.cve.is_none() {
            return None;
        }
        let cve = filter.cve.as_deref().map(str::to_ascii_uppercase);
        let wanted = |known: &&CatalogAdvisory| {
            filter.advisory.is_none_or(|id| known.advisory.id == id)
                && cve
                    .as_ref()
                    .is_none_or(|cve| known.advisory.cves.contains(cve))
        };
        let mut numbers: Vec<u32> = self
            .advisories
            .values()
            .filter(wanted)
            .map(|known| known.number)
            .collect();
        numbers.sort_unstable();
        Some(numbers)
    }

    /// The advisories that are not what they were.
    pub(crate) fn changed_since(&self, before: &Self) -> HashSet<u32> {
        let digest = |catalog: &Self, number: &u32| {
            let known = catalog.advisories.get(number);
            known.map(|known| known.digest)
        };
        self.advisories
            .keys()
            .chain(before.advisories.keys())
            .filter(|number| digest(self, number) != digest(before, number))
            .copied()
            .collect()
    }

    /// What applies to a component of this number.
    pub(crate) fn matches(&self, number: u32, component: &ComponentKey) -> Arc<Matches> {
        let held = self.matches.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(matches) = held.get(&number) {
            return Arc::clone(matches);
        }
        drop(held);
        let matches = Arc::new(self.matched(component));
        let mut held = self.matches.write().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST_MATCHES {
            held.clear();
        }
        held.insert(number, Arc::clone(&matches));
        matches
    }

    fn matched(&self, component: &ComponentKey) -> Matches {
        let Ok(found) = self.index.affected(component) else {
            return Matches {
                is_odd: true,
                ..Matches::default()
            };
        };
        // What a vendor still investigates is no finding yet.
        let hits: Box<[_]> = found
            .intervals
            .iter()
            .filter(|interval| interval.status == Status::Affected)
            .map(|interval| Hit {
                advisory: interval.advisory,
                fixed: interval.fixed_text(),
                is_open: interval.is_open(),
            })
            .collect();
        if hits.is_empty() {
            return Matches::default();
        }
        let subject = self.index.subject(component);
        Matches {
            hits,
            source: subject.source.as_ref().into(),
            version: subject.version.into(),
            rule: found.rule.as_str(),
            is_odd: false,
        }
    }

    /// The intervals that a component lies in, by advisory: for what can be done about it on one host.
    pub(crate) fn intervals(&self, component: &ComponentKey) -> HashMap<u32, &Interval> {
        let found = self.index.affected(component);
        found
            .into_iter()
            .flat_map(|found| found.intervals)
            .filter(|interval| interval.status == Status::Affected)
            .map(|interval| (interval.advisory, interval))
            .collect()
    }

    async fn load<S>(tx: &Tx<S>) -> ServiceResult<Self> {
        // The epoch first: if an import commits in between, the next request sees a newer epoch and loads again.
        let epoch = store::feed::epoch(tx).await?;
        let aliases = store::feed_epoch::aliases(tx).await?;
        let cves = store::feed_epoch::cves(tx).await?;
        let held = store::advisory::all(tx).await?;
        let index = MatchIndex::build(aliases, held.iter().map(|held| (held.number, &held.record)));
        let advisories = held
            .into_iter()
            .map(|held| {
                let record = &held.record;
                let says = format!(
                    "{:?} {} {:?}",
                    record.affected, record.withdrawn, record.informational
                );
                let mut known = catalog_advisory(held, &cves);
                known.digest = Sha256::of(format!("{says} {known:?}").as_bytes());
                (known.number, known)
            })
            .collect();
        Ok(Self {
            epoch,
            index,
            advisories,
            matches: RwLock::default(),
        })
    }
}

fn catalog_advisory(
    held: store::advisory::HeldAdvisory,
    cves: &HashMap<String, CveFacts>,
) -> CatalogAdvisory {
    let record = held.record;
    let cve_facts: BTreeMap<String, CveFacts> = record
        .cves
        .iter()
        .filter_map(|cve| Some((cve.clone(), cves.get(cve)?.clone())))
        .collect();
    let facts = || cve_facts.values();
    let severity = record.severity();
    CatalogAdvisory {
        number: held.number,
        threat: Threat {
            kev: record.kev,
            ransomware: record.ransomware,
            epss: record.epss,
            cvss: record.cvss_score,
            ssvc: facts().filter_map(|facts| facts.ssvc).max(),
        },
        record: record.record,
        record_digest: record.record_digest,
        digest: Sha256::default(),
        advisory: Advisory {
            id: held.id,
            name: record.name,
            vendor_refs: record.vendor_refs,
            cves: record.cves,
            summary: record.summary,
            severity,
            cvss_score: record.cvss_score,
            cvss_vector: record.cvss_vector,
            epss: record.epss,
            kev: record.kev,
            ransomware: record.ransomware,
            kev_added: facts().filter_map(|facts| facts.kev.as_ref()?.added).min(),
            ssvc: facts().filter_map(|facts| facts.ssvc).max(),
            cve_facts,
            published_at: record.published_at,
            feed: record.feed,
            url: record.url,
        },
    }
}

impl Inventory {
    /// The advisories of the newest epoch.
    pub(crate) async fn catalog(&self) -> ServiceResult<Arc<Catalog>> {
        let tx = self.db.directory_tx().await?;
        let epoch = store::feed::epoch(&tx).await?;
        if let Some(catalog) = self.loaded(epoch) {
            return Ok(catalog);
        }
        let _one = self.loading.lock().await;
        if let Some(catalog) = self.loaded(epoch) {
            return Ok(catalog);
        }
        let catalog = Arc::new(Catalog::load(&tx).await?);
        tracing::info!(
            epoch = catalog.epoch,
            advisories = catalog.advisories.len(),
            packages = catalog.index.package_count(),
            "advisories loaded"
        );
        let before = self
            .catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(Arc::clone(&catalog));
        *self
            .previous
            .write()
            .unwrap_or_else(PoisonError::into_inner) = before;
        Ok(catalog)
    }

    /// The advisories that were the newest before, while it is worth while to know what changed.
    pub(crate) fn previous_catalog(&self) -> Option<Arc<Catalog>> {
        self.previous
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Nobody is behind the newest advisories any more.
    pub(crate) fn forget_previous_catalog(&self) {
        *self
            .previous
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn loaded(&self, epoch: i64) -> Option<Arc<Catalog>> {
        let held = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref()
            .filter(|catalog| catalog.epoch >= epoch)
            .cloned()
    }

    pub(super) async fn advisory(&self, request: AdvisoryGet) -> ServiceResult<Advisory> {
        let catalog = self.catalog().await?;
        let named =
            |known: &&CatalogAdvisory| match (&request.id, &request.cve, &request.vendor_ref) {
                (Some(id), None, None) => known.advisory.id == *id,
                (None, Some(cve), None) => known.advisory.cves.contains(cve),
                (None, None, Some(vendor)) => {
                    known.advisory.vendor_refs.contains(vendor) || known.advisory.name == *vendor
                }
                _ => false,
            };
        let names = [
            request.id.is_some(),
            request.cve.is_some(),
            request.vendor_ref.is_some(),
        ];
        if names.into_iter().filter(|given| *given).count() != 1 {
            return Err(ServiceError::invalid(
                "id",
                "name the advisory by exactly one of id, cve and vendor reference",
            ));
        }
        // A notice has several CVEs: the one named like it, else the worst.
        let wanted = request.vendor_ref.as_deref().or(request.cve.as_deref());
        catalog
            .advisories
            .values()
            .filter(named)
            .max_by_key(|known| {
                (
                    Some(known.advisory.name.as_str()) == wanted,
                    known.threat.tenths(),
                    std::cmp::Reverse(known.number),
                )
            })
            .map(|known| known.advisory.clone())
            .ok_or_else(|| ServiceError::not_found("advisory"))
    }
}
