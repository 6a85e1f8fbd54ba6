//! Hosts that enrol, many in one transaction: a site that is rolled out, or a fleet that comes back to a restored database.

use super::host::check_labels;
use super::together::Together;
use crate::domain::asset::{Keys, hostname_key, serial_key};
use crate::domain::facts::check as check_facts;
use crate::service::Inventory;
use crate::store;
use crate::store::asset::Wanted;
use netpatch_inventory_api::{
    HostFacts, HostRegister, HostRegistered, InventoryEvent, InventoryEventV1,
};
use netpatch_storage::{StorageResult, TenantTx, outbox};
use netpatch_types::{RequestContext, ServiceError, ServiceResult, TenantId};

/// Most hosts of one transaction.
const AT_ONCE: usize = 256;

/// A host that enrols in an organization.
type Enrolling = (TenantId, HostRegister);

/// What became of a host, and whether an asset may be its own.
pub(crate) struct Registered {
    host: HostRegistered,
    has_asset: bool,
}

/// Hosts that wait for their registration.
pub(crate) type Registrations = Together<Enrolling, Registered>;

/// One organization at a time, a machine once.
fn fits((tenant, host): &Enrolling, batch: &[Enrolling]) -> bool {
    let is_other = |(_, other): &Enrolling| {
        other.id != host.id
            && (other.site, &other.facts.machine_id) != (host.site, &host.facts.machine_id)
    };
    batch.len() < AT_ONCE
        && batch.first().is_none_or(|(first, _)| first == tenant)
        && batch.iter().all(is_other)
}

/// By what the asset of a host is found.
pub(super) fn keys_of(facts: &HostFacts) -> Keys {
    Keys {
        inventory_number: String::new(),
        machine_id: facts.machine_id.clone(),
        serial: serial_key(&facts.serial),
        hostname: hostname_key(&facts.hostname),
    }
}

impl Inventory {
    pub(super) async fn register(
        &self,
        ctx: &RequestContext,
        request: HostRegister,
    ) -> ServiceResult<HostRegistered> {
        check_facts(&request.facts)?;
        check_labels(&request.labels)?;
        let facts = request.facts.clone();
        let enrolling = (ctx.tenant()?, request);
        let registered = self
            .registrations
            .join(enrolling, fits, |batch| self.register_all(batch))
            .await?;
        if registered.has_asset {
            self.link_host(ctx, registered.host.id, &facts).await?;
        }
        if !registered.host.known {
            self.hint().await;
        }
        Ok(registered.host)
    }

    async fn register_all(&self, batch: Vec<Enrolling>) -> Vec<ServiceResult<Registered>> {
        match self.register_together(&batch).await {
            Ok(registered) => registered.into_iter().map(Ok).collect(),
            Err(error) if batch.len() == 1 => vec![Err(error)],
            Err(error) => {
                // One that cannot be registered must not refuse the others.
                tracing::warn!(%error, hosts = batch.len(), "hosts could not be registered together, trying one by one");
                let mut all = Vec::with_capacity(batch.len());
                for one in batch {
                    let done = self.register_together(std::slice::from_ref(&one)).await;
                    let lost = || Err(ServiceError::internal());
                    all.push(done.and_then(|done| done.into_iter().next().map_or_else(lost, Ok)));
                }
                all
            }
        }
    }

    /// One transaction; what became of each, in order.
    async fn register_together(&self, batch: &[Enrolling]) -> ServiceResult<Vec<Registered>> {
        let Some((tenant, _)) = batch.first() else {
            return Ok(Vec::new());
        };
        let now = self.now();
        let ctx = RequestContext::system(*tenant, "registration", now);
        let tx = self.db.write(&ctx).await?;
        let requests: Vec<&HostRegister> = batch.iter().map(|(_, request)| request).collect();
        let known = store::host::by_machines(&tx, &requests).await?;
        let mut fresh = Vec::with_capacity(requests.len());
        let mut registered = Vec::with_capacity(requests.len());
        for request in &requests {
            let machine = (request.site, request.facts.machine_id.clone());
            let id = known.get(&machine).copied();
            match id {
                Some(id) => store::host::set_facts(&tx, id, &request.facts).await?,
                None => fresh.push(*request),
            }
            // The same id again is a repeated call, not another identity.
            let id = id.unwrap_or(request.id);
            registered.push(HostRegistered {
                id,
                known: id != request.id,
            });
        }
        store::host::insert_all(&tx, &fresh, now).await?;
        if !fresh.is_empty() && store::software::has_stand_ins(&tx).await? {
            for request in &fresh {
                take_over(&tx, request).await?;
            }
        }
        let told: Vec<(String, InventoryEvent)> = fresh
            .iter()
            .map(|request| {
                let (host, site) = (request.id, request.site);
                let event = InventoryEventV1::HostRegistered { host, site };
                (host.to_string(), InventoryEvent::V1(event))
            })
            .collect();
        outbox::append_all(&tx, store::migrations::SCHEMA, &told, &*self.clock).await?;
        let has_asset = has_free_asset(&tx, &requests).await?;
        tx.commit().await?;
        let with_asset = |host| Registered { host, has_asset };
        Ok(registered.into_iter().map(with_asset).collect())
    }
}

/// Whether there are assets without a host that one of these may be.
async fn has_free_asset(tx: &TenantTx, requests: &[&HostRegister]) -> StorageResult<bool> {
    let mut wanted = Wanted::default();
    for request in requests {
        wanted.keys(&keys_of(&request.facts));
    }
    let known = store::asset::matching(tx, &wanted).await?;
    Ok(known.iter().any(|asset| asset.host().is_none()))
}

/// A machine that enrols takes the place of the one host without an agent that it is, if there is one.
async fn take_over(tx: &TenantTx, request: &HostRegister) -> ServiceResult<()> {
    let (site, facts) = (request.site, &request.facts);
    if store::software::stand_ins(tx, site, facts)
        .await?
        .is_empty()
    {
        return Ok(());
    }
    store::asset::lock(tx).await?;
    if let [stand_in] = store::software::stand_ins(tx, site, facts).await?[..] {
        store::software::take_over(tx, stand_in, request.id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::{HostId, Labels, SiteId};
    use uuid::Uuid;

    #[test]
    fn a_batch_is_of_one_organization_and_has_a_machine_once() {
        let tenant = |number| TenantId::from(Uuid::from_u128(number));
        let host = |organization, id, site, machine: &str| {
            let facts = HostFacts {
                machine_id: machine.to_owned(),
                ..HostFacts::default()
            };
            let (id, site) = (HostId(Uuid::from_u128(id)), SiteId(Uuid::from_u128(site)));
            let labels = Labels::new();
            (
                tenant(organization),
                HostRegister {
                    id,
                    site,
                    facts,
                    labels,
                },
            )
        };
        let batch = [host(1, 1, 1, "a")];
        assert!(fits(&host(1, 2, 1, "b"), &batch));
        assert!(fits(&host(1, 2, 2, "a"), &batch), "another site");
        assert!(!fits(&host(2, 2, 1, "b"), &batch), "another organization");
        assert!(!fits(&host(1, 2, 1, "a"), &batch), "the same machine");
        assert!(!fits(&host(1, 1, 1, "b"), &batch), "the same id");
        let full: Vec<Enrolling> = (0..256).map(|id| host(1, id, 1, &id.to_string())).collect();
        assert!(!fits(&host(1, 900, 1, "x"), &full));
    }
}
