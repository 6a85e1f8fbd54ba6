//! Puts the drafts of a write into the database, and tells what follows from them.

use super::draft::{Draft, Drafts};
use super::link::Fleet;
use crate::domain::risk::Place;
use crate::service::Inventory;
use crate::store;
use crate::store::asset::StoredAsset;
use netpatch_inventory_api::{AssetLink, AssetOutcome, InventoryEventV1};
use netpatch_storage::TenantTx;
use netpatch_types::{HostId, Labels, RequestContext, ServiceResult};
use std::collections::BTreeMap;

/// Hosts whose findings are judged again in the transaction; more are left to the background job.
const JUDGED_AT_ONCE: usize = 20;

impl Inventory {
    /// Writes what changed, tells what follows from it; the hosts whose findings are still to be judged.
    pub(super) async fn keep(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        drafts: &Drafts,
        fleet: &Fleet,
    ) -> ServiceResult<Vec<uuid::Uuid>> {
        let changed: Vec<&Draft> = drafts
            .all
            .iter()
            .filter(|draft| draft.outcome() != AssetOutcome::Unchanged)
            .collect();
        // Whoever loses a host goes first: a host has one asset.
        let assets = |losing: bool| -> Vec<&StoredAsset> {
            changed
                .iter()
                .map(|draft| &draft.asset)
                .filter(|asset| asset.host().is_none() == losing)
                .collect()
        };
        store::asset::put(tx, &assets(true)).await?;
        store::asset::put(tx, &assets(false)).await?;
        let mut labels: BTreeMap<HostId, Labels> = BTreeMap::new();
        for draft in &changed {
            let host = draft.asset.host();
            if let Some(host) = host
                && fleet
                    .host(host)
                    .is_some_and(|held| held.labels != draft.asset.labels)
            {
                labels.insert(host, draft.asset.labels.clone());
            }
            let before = draft.before.as_ref().and_then(StoredAsset::host);
            if let AssetLink::Linked { host, rule } = draft.asset.link
                && before != Some(host)
            {
                let event = InventoryEventV1::AssetLinked {
                    asset: draft.asset.id,
                    host,
                    rule,
                };
                self.tell_about(tx, draft.asset.id.0, event).await?;
            }
        }
        let moved: Vec<uuid::Uuid> = labels
            .iter()
            .filter(|(host, labels)| {
                fleet
                    .host(**host)
                    .is_some_and(|held| Place::of(&held.labels) != Place::of(labels))
            })
            .map(|(host, _)| host.0)
            .collect();
        let labels: Vec<(HostId, Labels)> = labels.into_iter().collect();
        store::asset::set_host_labels(tx, &labels).await?;
        for (host, _) in &labels {
            let event = InventoryEventV1::HostChanged { host: *host };
            self.tell_about(tx, host.0, event).await?;
        }
        if moved.len() > JUDGED_AT_ONCE {
            let hosts: Vec<HostId> = moved.iter().copied().map(HostId).collect();
            store::evaluation::ask(tx, Some(&hosts)).await?;
            return Ok(moved);
        }
        if moved.is_empty() {
            return Ok(Vec::new());
        }
        let catalog = self.catalog().await?;
        for host in moved {
            if let Some(stored) = store::host::lock(tx, ctx, HostId(host)).await? {
                let host = stored.host;
                let (components, updates) = self.parts(tx, &host).await?;
                let now = self.clock.now();
                self.evaluate(tx, &catalog, &host, &components, &updates, now)
                    .await?;
            }
        }
        Ok(Vec::new())
    }

    /// Wakes the background job for findings that were left to it, after the commit.
    pub(in crate::service) fn judge_later(&self, hosts: &[uuid::Uuid]) {
        if !hosts.is_empty() {
            self.reported.notify_one();
        }
    }
}
