//! The advisories in memory, loaded once per feed epoch and shared by all requests.

use crate::domain::index::MatchIndex;
use crate::domain::risk::Threat;
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{Advisory, AdvisoryGet, CveFacts, FindingFilter};
use netpatch_storage::Tx;
use netpatch_types::{ServiceError, ServiceResult, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

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
}

/// All advisories of one feed epoch.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// Which epoch.
    pub(crate) epoch: i64,
    /// Ready to match.
    pub(crate) index: MatchIndex,
    advisories: HashMap<u32, CatalogAdvisory>,
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

    async fn load<S>(tx: &Tx<S>) -> ServiceResult<Self> {
        // The epoch first: if an import commits in between, the next request sees a newer epoch and loads again.
        let epoch = store::feed::epoch(tx).await?;
        let aliases = store::feed_epoch::aliases(tx).await?;
        let cves = store::feed_epoch::cves(tx).await?;
        let held = store::advisory::all(tx).await?;
        let index = MatchIndex::build(aliases, held.iter().map(|held| (held.number, &held.record)));
        let advisories = held
            .into_iter()
            .map(|held| (held.number, catalog_advisory(held, &cves)))
            .collect();
        Ok(Self {
            epoch,
            index,
            advisories,
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
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&catalog));
        Ok(catalog)
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
