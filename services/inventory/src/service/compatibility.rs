//! Updates that a host cannot take: marked where findings are judged, shown with their reason, never offered.

use crate::domain::compatibility::judge;
use crate::domain::hardware_rule::kept_back;
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{
    HardwareRule, Host, HostFacts, Incompatibility, InstallableUpdate, InventoryEventV1,
    PatchRefusal, PatchRefusals,
};
use netpatch_storage::TenantTx;
use netpatch_types::{ComponentKey, PatchId, RequestContext, ServiceError, ServiceResult};
use std::collections::BTreeSet;

/// For each update, why the host cannot take it: what it is, else a rule of the organization.
pub(super) fn refusals<'a>(
    facts: &HostFacts,
    components: impl Iterator<Item = &'a ComponentKey>,
    updates: &[InstallableUpdate],
    rules: &[HardwareRule],
) -> Vec<Option<Incompatibility>> {
    let installed: BTreeSet<&str> = components
        .map(|component| component.arch.as_str())
        .collect();
    judge(facts, &installed, updates)
        .into_iter()
        .zip(updates)
        .map(|(refusal, update)| refusal.or_else(|| kept_back(rules, facts, update)))
        .collect()
}

/// The updates that the host can take.
pub(super) fn taken(
    refusals: &[Option<Incompatibility>],
    updates: &[InstallableUpdate],
) -> Vec<InstallableUpdate> {
    updates
        .iter()
        .zip(refusals)
        .filter(|(_, refusal)| refusal.is_none())
        .map(|(update, _)| update.clone())
        .collect()
}

/// Whether what updates are judged by is the same.
fn is_same(before: &HostFacts, after: &HostFacts) -> bool {
    (
        &before.os_id,
        &before.os_release,
        &before.os_version,
        &before.arch,
    ) == (
        &after.os_id,
        &after.os_release,
        &after.os_version,
        &after.arch,
    ) && before.disk_free_bytes == after.disk_free_bytes
        && (before.cpu_count, before.memory_bytes) == (after.cpu_count, after.memory_bytes)
        && (&before.vendor, &before.model, &before.hardware.disks)
            == (&after.vendor, &after.model, &after.hardware.disks)
}

impl Inventory {
    /// After new facts: more or less may fit the host now.
    pub(super) async fn judge_again(
        &self,
        tx: &TenantTx,
        before: &Host,
        facts: &HostFacts,
    ) -> ServiceResult<()> {
        if is_same(&before.facts, facts) {
            return Ok(());
        }
        let (components, updates) = self.parts(tx, before).await?;
        let rules = store::scoring::hold(tx).await?.hardware;
        let judged = |facts: &HostFacts| {
            let keys = components.iter().map(|(_, key)| key);
            refusals(facts, keys, &updates, &rules)
        };
        if judged(&before.facts) == judged(facts) {
            return Ok(());
        }
        let catalog = self.catalog().await?;
        let host = Host {
            facts: facts.clone(),
            ..before.clone()
        };
        let now = self.clock.now();
        self.evaluate(tx, &catalog, &host, &components, &updates, now)
            .await?;
        let patches: Vec<PatchId> = store::update::offered_to(tx, host.id).await?;
        let event = InventoryEventV1::PatchesAvailable {
            host: host.id,
            patches,
        };
        self.tell(tx, host.id, event).await
    }

    pub(super) async fn patch_refusals_of(
        &self,
        ctx: &RequestContext,
        request: PatchRefusals,
    ) -> ServiceResult<Vec<PatchRefusal>> {
        if request.host.is_none() && request.patch.is_none() {
            return Err(ServiceError::invalid("host", "name a host or a patch"));
        }
        let tx = self.db.read(ctx).await?;
        if let Some(host) = request.host {
            store::host::get(&tx, ctx, host)
                .await?
                .ok_or_else(|| ServiceError::not_found("host"))?;
        }
        Ok(store::refusal::list(&tx, ctx, &request).await?)
    }
}
