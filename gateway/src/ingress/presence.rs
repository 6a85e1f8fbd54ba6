//! Who was seen when: kept in memory, written in batches, so that a check-in touches no database.

use super::Shared;
use super::standing::standing_changed;
use netpatch_inventory_api::Seen;
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_types::{HostId, OrganizationId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Hosts of one batch.
const BATCH: usize = 1000;

/// What was not written yet, the newest of each host.
#[derive(Default)]
pub(crate) struct Presence {
    waiting: Mutex<HashMap<(OrganizationId, HostId), Seen>>,
}

/// Writes what was seen, again and again, until stopped. A write that was begun is finished.
pub(crate) async fn keep(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(shared.options.presence_every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        shared.presence.write(&shared).await;
    }
}

impl Presence {
    /// A host was seen. A fork that was not written yet stays one.
    pub(crate) fn saw(&self, organization: OrganizationId, mut seen: Seen) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = waiting.get(&(organization, seen.host));
        seen.forked |= earlier.is_some_and(|earlier| earlier.forked);
        waiting.insert((organization, seen.host), seen);
    }

    /// Writes what waits; what cannot be written waits on, unless something newer came. A fork that is written is told to all edges: one of
    /// the two copies may be at another.
    pub(crate) async fn write(&self, shared: &Shared) {
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        let mut by_organization: HashMap<OrganizationId, Vec<Seen>> = HashMap::new();
        for ((organization, _), seen) in waiting {
            by_organization.entry(organization).or_default().push(seen);
        }
        for (organization, seen) in by_organization {
            for batch in seen.chunks(BATCH) {
                if let Err(error) = shared.services.seen(organization, batch.to_vec()).await {
                    tracing::warn!(tenant.id = %organization, %error, "presence cannot be written; trying again");
                    for one in batch {
                        self.put_back(organization, one.clone());
                    }
                    continue;
                }
                for forked in batch.iter().filter(|one| one.forked) {
                    let whose = IdentityName {
                        organization,
                        kind: SubjectKind::Host,
                        id: forked.host.0,
                    };
                    standing_changed(&*shared.bus, whose).await;
                }
            }
        }
    }

    fn put_back(&self, organization: OrganizationId, seen: Seen) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry((organization, seen.host)).or_insert(seen);
    }
}
