//! Patches as an organization (or a partner over several) sees them.

use crate::domain::classify::{Origin, classify, worst};
use crate::domain::content::unite;
use crate::service::{Catalog, CatalogAdvisory, Inventory, group};
use crate::store;
use crate::store::patch::{CurrentPatch, OfferedPatch};
use netpatch_inventory_api::{
    Patch, PatchContent, PatchContentGet, PatchList, PatchPayloads, PatchPending, PatchTargets,
    Payload, Target,
};
use netpatch_storage::TenantTx;
use netpatch_types::{
    Ecosystem, Page, PatchId, RequestContext, ServiceError, ServiceResult, Severity,
    version::compare,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Most advisories that a patch names.
const MAX_ADVISORIES: usize = 200;
/// Most patches of one question.
const MAX_PATCHES: usize = 5_000;

/// One patch of one organization.
pub(super) fn patch(catalog: &Catalog, offered: &OfferedPatch, current: &[CurrentPatch]) -> Patch {
    let mut fixed: Vec<&CatalogAdvisory> = offered
        .advisories
        .iter()
        .filter_map(|number| catalog.advisory(store::number(*number)))
        .collect();
    fixed.sort_by_key(|known| (std::cmp::Reverse(known.threat.tenths()), known.number));
    let severities: Vec<Severity> = fixed.iter().map(|known| known.advisory.severity).collect();
    let origin = Origin {
        label: &offered.label,
        suite: &offered.suite,
        section: &offered.section,
        security: offered.security,
    };
    let highest = |read: fn(&CatalogAdvisory) -> Option<f64>| {
        fixed
            .iter()
            .filter_map(|known| read(known))
            .max_by(f64::total_cmp)
    };
    Patch {
        id: offered.patch_id.into(),
        name: offered.name.clone(),
        distribution: offered.distribution.clone(),
        release: offered.release.clone(),
        fixed_version: offered.fixed_version.clone(),
        classification: classify(&severities, &origin),
        severity: worst(&severities),
        advisories: names(&fixed, offered),
        cvss_score: highest(|known| known.advisory.cvss_score),
        epss: highest(|known| known.advisory.epss),
        kev: fixed.iter().any(|known| known.advisory.kev),
        origin_label: offered.label.clone(),
        first_seen_at: offered.first_seen_at,
        hosts: u64::try_from(offered.installable).unwrap_or_default(),
        superseded_by: newest(offered, current),
    }
}

/// Names of the known advisories, the worst first, then of the vendor's errata that no feed told of.
fn names(fixed: &[&CatalogAdvisory], offered: &OfferedPatch) -> Vec<String> {
    let mut names: Vec<String> = fixed
        .iter()
        .map(|known| known.advisory.name.clone())
        .collect();
    let errata = offered.errata.as_array().into_iter().flatten();
    for name in errata.filter_map(|name| name.as_str()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names.truncate(MAX_ADVISORIES);
    names
}

/// The newest patch of the same source that hosts are offered, if it is newer than this one.
fn newest(offered: &OfferedPatch, current: &[CurrentPatch]) -> Option<PatchId> {
    let ecosystem = Ecosystem::from_word(&offered.ecosystem)?;
    let newer =
        |left: &str, right: &str| compare(ecosystem, left, right).unwrap_or(Ordering::Equal);
    current
        .iter()
        .filter(|other| {
            (
                &other.name,
                &other.release,
                &other.distribution,
                &other.ecosystem,
            ) == (
                &offered.name,
                &offered.release,
                &offered.distribution,
                &offered.ecosystem,
            )
        })
        .max_by(|left, right| newer(&left.fixed_version, &right.fixed_version))
        .filter(|best| newer(&best.fixed_version, &offered.fixed_version) == Ordering::Greater)
        .map(|best| best.id.into())
}

/// The same patch in several organizations as one.
fn united(rows: Vec<OfferedPatch>) -> Vec<OfferedPatch> {
    let mut by_id: BTreeMap<(String, Uuid), OfferedPatch> = BTreeMap::new();
    for row in rows {
        match by_id.get_mut(&(row.name.clone(), row.patch_id)) {
            None => {
                by_id.insert((row.name.clone(), row.patch_id), row);
            }
            Some(known) => {
                known.installable += row.installable;
                known.needing += row.needing;
                known.first_seen_at = known.first_seen_at.min(row.first_seen_at);
                known.advisories.extend(row.advisories);
                known.advisories.sort_unstable();
                known.advisories.dedup();
            }
        }
    }
    by_id.into_values().collect()
}

pub(super) async fn current_of(
    tx: &TenantTx,
    ctx: &RequestContext,
    rows: &[OfferedPatch],
) -> ServiceResult<Vec<CurrentPatch>> {
    let mut names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(store::patch::current(tx, ctx, names).await?)
}

fn check(patches: &[PatchId]) -> ServiceResult<()> {
    if patches.len() > MAX_PATCHES {
        return Err(ServiceError::invalid(
            "patches",
            format!("more than {MAX_PATCHES} patches"),
        ));
    }
    Ok(())
}

impl Inventory {
    pub(super) async fn patch(&self, ctx: &RequestContext, id: PatchId) -> ServiceResult<Patch> {
        let tx = self.db.read(ctx).await?;
        let rows = united(store::patch::offered(&tx, ctx, Some(&[id]), None, &[]).await?);
        let current = current_of(&tx, ctx, &rows).await?;
        tx.rollback().await?;
        let catalog = self.catalog().await?;
        rows.first()
            .map(|row| patch(&catalog, row, &current))
            .ok_or_else(|| ServiceError::not_found("patch"))
    }

    pub(super) async fn patches(
        &self,
        ctx: &RequestContext,
        request: PatchList,
    ) -> ServiceResult<Page<Patch>> {
        check(&request.ids)?;
        let after = super::host::name_cursor(request.page.after.as_deref())?;
        let limit = request.page.limit();
        let ids = (!request.ids.is_empty()).then_some(request.ids.as_slice());
        let tx = self.db.read(ctx).await?;
        let rows = united(store::patch::offered(&tx, ctx, ids, None, &[]).await?);
        let current = current_of(&tx, ctx, &rows).await?;
        tx.rollback().await?;
        let catalog = self.catalog().await?;
        let wanted: Vec<Patch> = rows
            .iter()
            // Who asks for some patches by id also wants those that no host needs any more.
            .filter(|row| ids.is_some() || row.installable > 0)
            .map(|row| patch(&catalog, row, &current))
            .filter(|patch| {
                request.classifications.is_empty()
                    || request.classifications.contains(&patch.classification)
            })
            .collect();
        let total = u64::try_from(wanted.len()).ok();
        let behind = |patch: &Patch| {
            after
                .as_ref()
                .is_none_or(|(name, id)| (patch.name.as_str(), patch.id.0) > (name.as_str(), *id))
        };
        let rest: Vec<Patch> = wanted.into_iter().filter(behind).collect();
        let mut page = Page::from_rows(rest, limit, |patch: &Patch| {
            super::host::name_after(&patch.name, patch.id.0)
        });
        page.total = total;
        Ok(page)
    }

    pub(super) async fn content(
        &self,
        ctx: &RequestContext,
        request: PatchContentGet,
    ) -> ServiceResult<PatchContent> {
        let tx = self.db.read(ctx).await?;
        let selector = group::selector(&tx, request.group).await?;
        if store::patch::offered(&tx, ctx, Some(&[request.patch]), None, &[])
            .await?
            .is_empty()
        {
            return Err(ServiceError::not_found("patch"));
        }
        let offers = store::patch::content(&tx, ctx, request.patch, selector.as_ref()).await?;
        Ok(unite(request.patch, &offers))
    }

    pub(super) async fn targets(
        &self,
        ctx: &RequestContext,
        request: PatchTargets,
    ) -> ServiceResult<Vec<Target>> {
        check(&request.patches)?;
        let tx = self.db.read(ctx).await?;
        let selector = group::selector(&tx, request.group).await?;
        Ok(store::patch::targets(&tx, ctx, &request.patches, selector.as_ref()).await?)
    }

    pub(super) async fn payloads(
        &self,
        ctx: &RequestContext,
        request: PatchPayloads,
    ) -> ServiceResult<Vec<Payload>> {
        check(&request.patches)?;
        if request.hosts.len() > 10_000 {
            return Err(ServiceError::invalid("hosts", "at most 10000 hosts"));
        }
        let tx = self.db.read(ctx).await?;
        Ok(store::payload::of_hosts(&tx, ctx.tenant()?, &request.hosts, &request.patches).await?)
    }

    pub(super) async fn pending(
        &self,
        ctx: &RequestContext,
        request: PatchPending,
    ) -> ServiceResult<Vec<PatchId>> {
        check(&request.patches)?;
        let tx = self.db.read(ctx).await?;
        store::host::get(&tx, ctx, request.host)
            .await?
            .ok_or_else(|| ServiceError::not_found("host"))?;
        Ok(store::patch::pending(&tx, request.host, &request.patches).await?)
    }
}
