//! The machine that a document speaks of: its asset, found or made as by any other record, and its host, made where there is none.

use super::write::reaches;
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{
    AssetLink, AssetOrigin, AssetWrite, HostFacts, InventoryEventV1, SoftwareOrigin,
};
use netpatch_storage::TenantTx;
use netpatch_types::{AssetId, HostId, RequestContext, ServiceError, ServiceResult, SiteId};
use uuid::Uuid;

/// The machine of a document.
pub(in crate::service) struct Machine {
    /// Its asset; `None`: nobody asked.
    pub(in crate::service) asset: Option<AssetId>,
    /// Its host, or why there is none.
    pub(in crate::service) host: Result<HostId, String>,
    /// Whether the host was made.
    pub(in crate::service) is_new: bool,
    /// Hosts whose findings are still to be judged, after the commit.
    pub(in crate::service) judge: Vec<Uuid>,
}

impl Inventory {
    /// Writes what a document says of its machine, and makes the host if the machine has none. `facts` are those of a new host.
    pub(in crate::service) async fn machine(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        write: AssetWrite,
        origin: SoftwareOrigin,
        site: Option<SiteId>,
        facts: Option<HostFacts>,
    ) -> ServiceResult<Machine> {
        let by = match origin {
            SoftwareOrigin::Agent => AssetOrigin::Api,
            SoftwareOrigin::CycloneDx => AssetOrigin::CycloneDx,
            SoftwareOrigin::Glpi => AssetOrigin::Glpi,
        };
        let (mut drafts, mut fleet) = self.draft_one(tx, ctx, write.clone(), by).await?;
        let said = drafts.said().ok_or_else(ServiceError::internal)?;
        let site = said.asset.site.or(site);
        let mut is_new = false;
        let mut host = match (&said.asset.link, site, facts) {
            (AssetLink::Linked { host, .. }, ..) => Ok(*host),
            (AssetLink::Ambiguous { .. }, ..) => Err(
                "several hosts may be this machine: link its asset to one of them first".to_owned(),
            ),
            (AssetLink::Unlinked, ..) if said.asset.is_held => Err(
                "a person took the asset of this machine from its host: link it to one first"
                    .to_owned(),
            ),
            (AssetLink::Unlinked, _, None) => {
                Err("nothing that it lists could be taken".to_owned())
            }
            (AssetLink::Unlinked, None, _) => {
                Err("no host is known of this machine: name the site where it stands".to_owned())
            }
            (AssetLink::Unlinked, Some(site), Some(mut facts)) => {
                if !reaches(ctx, Some(site)) {
                    return Err(ServiceError::not_found("site"));
                }
                let keys = said.asset.keys();
                facts.hostname.clone_from(&said.asset.hostname);
                facts.serial.clone_from(&said.asset.serial);
                facts.vendor.clone_from(&said.asset.vendor);
                facts.model.clone_from(&said.asset.model);
                if facts.hostname.is_empty() {
                    facts.hostname.clone_from(&said.asset.serial);
                }
                if keys.serial.is_empty() && keys.hostname.is_empty() {
                    return Err(ServiceError::invalid(
                        "hostname",
                        "nothing tells this machine from others: name its hostname or its serial number",
                    ));
                }
                let now = self.clock.now();
                let host = HostId::new(now);
                store::software::insert(tx, host, site, &facts, origin, now).await?;
                let event = InventoryEventV1::HostRegistered { host, site };
                self.tell_about(tx, host.0, event).await?;
                is_new = true;
                Ok(host)
            }
        };
        if is_new {
            // Now that the host is there the rules link it, as they would any other.
            (drafts, fleet) = self.draft_one(tx, ctx, write, by).await?;
            let said = drafts.said().ok_or_else(ServiceError::internal)?;
            if host.as_ref().ok() != said.asset.host().as_ref() {
                return Err(ServiceError::invalid_state(
                    "other assets are known by the same name or serial number: link this machine's asset to a host first",
                ));
            }
        }
        let (asset, _) = self.tell_written(tx, ctx, &drafts, by).await?;
        let judge = self.keep(tx, ctx, &drafts, &fleet).await?;
        if let Ok(found) = host
            && !is_new
            && store::host::lock(tx, ctx, found).await?.is_none()
        {
            host = Err("host not found".to_owned());
        }
        Ok(Machine {
            asset: Some(asset),
            host,
            is_new,
            judge,
        })
    }
}
