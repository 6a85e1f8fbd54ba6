//! Inventory's events: what hosts offer, and where hosts belong.

use crate::PolicyService;
use crate::store::{SCHEMA, work};
use netpatch_inventory_api::{EventsAfter, InventoryEvent, InventoryEventV1};
use netpatch_storage::{Consumer, Until};
use netpatch_types::{EventEnvelope, ServiceResult};

impl PolicyService {
    pub(super) async fn follow_inventory(&self, until: Until) -> ServiceResult<usize> {
        let source = async |after, limit| {
            self.inventory
                .events(&self.for_events(), EventsAfter { after, limit })
                .await
        };
        Consumer::of(SCHEMA, "inventory")
            .follow(&self.database, &*self.bus, until, source, |event| {
                self.note_inventory(event)
            })
            .await
    }

    /// Notes what the event makes necessary.
    async fn note_inventory(&self, event: EventEnvelope) -> ServiceResult<()> {
        let tenant = event.tenant;
        let Ok(InventoryEvent::V1(payload)) = serde_json::from_value(event.payload) else {
            tracing::warn!(event = %event.id, "an event of inventory in a version that policy does not read");
            return Ok(());
        };
        let mut asked: Vec<(&str, Vec<String>)> = Vec::new();
        match payload {
            InventoryEventV1::PatchesAvailable { patches, .. } => {
                // What waits may be about a patch that no host offers any more.
                let waiting = self.waiting_patches(tenant).await?;
                asked.push((
                    work::EVALUATE,
                    patches
                        .into_iter()
                        .chain(waiting)
                        .map(|patch| patch.to_string())
                        .collect(),
                ));
            }
            InventoryEventV1::HostRegistered { host, .. } => {
                asked.push((work::MEMBERSHIP, vec![host.to_string()]))
            }
            InventoryEventV1::HostChanged { host } => {
                asked.push((work::MEMBERSHIP, vec![host.to_string()]));
                // It may have joined or left a group, which changes what the group would install.
                asked.push((work::EVALUATE, vec![work::ALL.to_owned()]));
            }
            InventoryEventV1::HostReported { .. }
            | InventoryEventV1::AdvisoriesChanged { .. }
            | InventoryEventV1::CriticalFinding { .. }
            | InventoryEventV1::AssetChanged { .. }
            | InventoryEventV1::AssetsImported { .. }
            | InventoryEventV1::SoftwareImported { .. }
            | InventoryEventV1::AssetLinked { .. }
            | InventoryEventV1::AssetDeleted { .. }
            | InventoryEventV1::HardwareRulesChanged { .. }
            | InventoryEventV1::RiskWeightsChanged { .. } => {
                return Ok(());
            }
        }
        let tx = self.database.write(&self.system(tenant)).await?;
        for (kind, keys) in asked {
            work::ask(&tx, kind, &keys).await?;
        }
        tx.commit().await?;
        self.hint().await;
        Ok(())
    }
}
