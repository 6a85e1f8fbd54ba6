//! What hosts' package managers could install. An unchanged report writes nothing.

use crate::domain::link::pending;
use crate::service::Inventory;
use crate::store;
use crate::store::patch::{CatalogPatch, NewOffer};
use netpatch_inventory_api::{
    ApplicabilityReport, Done, HostFacts, InstallableUpdate, InventoryEventV1, PayloadSource,
};
use netpatch_types::{
    ComponentKey, PatchId, RequestContext, ServiceError, ServiceResult, Sha256, version::Version,
};
use std::collections::BTreeSet;

/// Most updates of one report.
const MAX_UPDATES: usize = 20_000;
/// Most errata of one update.
const MAX_ERRATA: usize = 500;
/// Longest address of a payload, bytes.
const MAX_URL_BYTES: usize = 2048;
/// Longest field of an update, bytes.
const MAX_FIELD_BYTES: usize = 512;

/// The patch that an update of a component belongs to.
pub(super) fn patch_of(component: &ComponentKey, update: &InstallableUpdate) -> CatalogPatch {
    patch(&component.distribution, &component.release, update)
}

fn patch(distribution: &str, release: &str, update: &InstallableUpdate) -> CatalogPatch {
    let ecosystem = update.ecosystem.as_str();
    let key = format!(
        "{distribution}/{release}/{}/{}",
        update.source, update.source_version
    );
    CatalogPatch {
        id: PatchId::of(ecosystem, &key),
        ecosystem,
        distribution: distribution.to_owned(),
        release: release.to_owned(),
        name: update.source.clone(),
        fixed_version: update.source_version.clone(),
    }
}

/// Updates of a host with their patches.
pub(super) fn with_patches(
    facts: &HostFacts,
    updates: Vec<InstallableUpdate>,
) -> Vec<(PatchId, InstallableUpdate)> {
    updates
        .into_iter()
        .map(|update| (patch(&facts.os_id, &facts.os_release, &update).id, update))
        .collect()
}

/// An error that names what is wrong with a report.
fn check(updates: &[InstallableUpdate]) -> ServiceResult<()> {
    let invalid = |message: String| Err(ServiceError::invalid("updates", message));
    if updates.len() > MAX_UPDATES {
        return invalid(format!("more than {MAX_UPDATES} updates"));
    }
    let mut seen = BTreeSet::new();
    for update in updates {
        let shown: String = update.name.chars().take(80).collect();
        let needed = [
            &update.name,
            &update.arch,
            &update.candidate_version,
            &update.source,
            &update.source_version,
        ];
        let other = [
            &update.installed_version,
            &update.origin,
            &update.suite,
            &update.label,
            &update.section,
        ];
        let changes = update
            .requires
            .iter()
            .flat_map(|change| [&change.name, &change.arch, &change.version]);
        let fits =
            |text: &String| text.len() <= MAX_FIELD_BYTES && !text.chars().any(char::is_control);
        if needed.iter().any(|text| text.is_empty())
            || !needed
                .into_iter()
                .chain(other)
                .chain(changes)
                .chain(&update.errata)
                .all(fits)
        {
            return invalid(format!(
                "the update of {shown:?} has a field that is empty, too long or holds a control character"
            ));
        }
        if update.errata.len() > MAX_ERRATA {
            return invalid(format!(
                "the update of {shown:?} names more than {MAX_ERRATA} errata"
            ));
        }
        if Version::parse(update.ecosystem, &update.candidate_version).is_err() {
            return invalid(format!(
                "the update of {shown:?} has a version that cannot be compared"
            ));
        }
        if !seen.insert((&update.name, &update.arch)) {
            return invalid(format!("the update of {shown:?} is there twice"));
        }
    }
    Ok(())
}

/// Where payloads lie that the updates name. Hints: what does not fit is left out.
fn sources(report: &ApplicabilityReport) -> Vec<&PayloadSource> {
    let named: BTreeSet<Sha256> = report
        .updates
        .iter()
        .flat_map(|update| {
            let required = update.requires.iter().filter_map(|change| change.sha256);
            required.chain([update.sha256])
        })
        .collect();
    let plain = |url: &str| {
        let web = url.starts_with("http://") || url.starts_with("https://");
        web && url.len() <= MAX_URL_BYTES && url.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let sources = report.sources.iter();
    let mut fitting: Vec<&PayloadSource> = sources
        .filter(|source| named.contains(&source.sha256) && plain(&source.url))
        .collect();
    fitting.sort();
    // One address a payload: a host fetches it from one.
    fitting.dedup_by_key(|source| source.sha256);
    fitting
}

fn digest(report: &ApplicabilityReport) -> ServiceResult<Sha256> {
    let mut updates: Vec<&InstallableUpdate> = report.updates.iter().collect();
    updates.sort_by(|left, right| (&left.name, &left.arch).cmp(&(&right.name, &right.arch)));
    let bytes = serde_json::to_vec(&(report.manifest, &report.problem, updates, sources(report)))
        .map_err(|_| ServiceError::internal())?;
    Ok(Sha256::of(&bytes))
}

impl Inventory {
    pub(super) async fn report_applicability(
        &self,
        ctx: &RequestContext,
        request: ApplicabilityReport,
    ) -> ServiceResult<Done> {
        check(&request.updates)?;
        let digest = digest(&request)?;
        let tx = self.db.read(ctx).await?;
        let stored = store::host::get(&tx, ctx, request.host)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        tx.rollback().await?;
        if stored.host.tenant != ctx.tenant()? {
            return Err(ServiceError::not_found("host"));
        }
        if stored.applicability_digest == Some(digest) {
            return Ok(Done {});
        }
        if !request.problem.is_empty() {
            let problem: String = request
                .problem
                .chars()
                .filter(|c| !c.is_control())
                .take(500)
                .collect();
            let tx = self.db.write(ctx).await?;
            store::host::set_applicability(&tx, request.host, digest, &problem).await?;
            tx.commit().await?;
            return Ok(Done {});
        }
        let facts = &stored.host.facts;
        let patches: Vec<CatalogPatch> = request
            .updates
            .iter()
            .map(|update| patch(&facts.os_id, &facts.os_release, update))
            .collect();
        store::patch::ensure(&self.db, &patches).await?;
        let located = sources(&request);
        if !located.is_empty() {
            // Apart from the rest, and short: hosts name the same payloads.
            let tx = self.db.write(ctx).await?;
            store::payload::note(&tx, &located, self.clock.now()).await?;
            tx.commit().await?;
        }
        self.accept_applicability(ctx, request, digest).await
    }

    async fn accept_applicability(
        &self,
        ctx: &RequestContext,
        request: ApplicabilityReport,
        digest: Sha256,
    ) -> ServiceResult<Done> {
        let catalog = self.catalog().await?;
        let now = self.clock.now();
        let tx = self.db.write(ctx).await?;
        let stored = store::host::lock(&tx, ctx, request.host)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        let host = &stored.host;
        let components = match host.manifest {
            Some(hash) => {
                let numbers = store::manifest::get(&tx, host.tenant, hash)
                    .await?
                    .unwrap_or_default();
                store::component::by_number(&tx, &numbers).await?
            }
            None => Vec::new(),
        };
        // The report may be older or newer than the manifest that is held: what is installed is not pending.
        let updates = if host.manifest.is_some() {
            let keys: Vec<ComponentKey> = components.iter().map(|(_, key)| key.clone()).collect();
            pending(request.updates, &keys)
        } else {
            request.updates
        };
        let with_patches = with_patches(&host.facts, updates.clone());
        let offers: Vec<NewOffer> = with_patches
            .iter()
            .map(|(patch, update)| NewOffer {
                patch: *patch,
                label: update.label.clone(),
                suite: update.suite.clone(),
                section: update.section.clone(),
                errata: update.errata.iter().cloned().collect(),
                security: update.security,
            })
            .collect();
        store::patch::offer(&tx, &offers, now).await?;
        store::update::replace(&tx, request.host, &with_patches).await?;
        let done = self
            .evaluate(&tx, &catalog, host, &components, &updates, now)
            .await?;
        store::host::set_applicability(&tx, request.host, digest, &done.problem).await?;
        let patches = store::update::offered_to(&tx, request.host).await?;
        let event = InventoryEventV1::PatchesAvailable {
            host: request.host,
            patches,
        };
        self.tell(&tx, host.id, event).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(Done {})
    }
}
