//! Inventory's events: what hosts offer, and where hosts belong.

use crate::PolicyService;
use crate::store::{SCHEMA, work};
use netpatch_inventory_api::{EventsAfter, InventoryEvent, InventoryEventV1};
use netpatch_storage::Consumer;
use netpatch_types::{Cursor, EventEnvelope, EventPage, ServiceResult};
use tokio_util::sync::CancellationToken;

impl PolicyService {
    fn inventory_consumer() -> Consumer {
        Consumer::new(SCHEMA, "inventory", "inventory.outbox")
    }

    pub(super) async fn follow_inventory(&self, stop: CancellationToken) {
        let source = |after, limit| self.inventory_page(after, limit);
        Self::inventory_consumer()
            .run(&self.database, &*self.bus, stop, source, |event| {
                self.note_inventory(event)
            })
            .await;
    }

    pub(super) async fn drain_inventory(&self) -> ServiceResult<usize> {
        let source = |after, limit| self.inventory_page(after, limit);
        Self::inventory_consumer()
            .drain(&self.database, &source, &|event| self.note_inventory(event))
            .await
    }

    async fn inventory_page(&self, after: Cursor, limit: u32) -> ServiceResult<EventPage> {
        self.inventory
            .events(&self.for_events(), EventsAfter { after, limit })
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
            InventoryEventV1::HostReported { .. } | InventoryEventV1::CriticalFinding { .. } => {
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
