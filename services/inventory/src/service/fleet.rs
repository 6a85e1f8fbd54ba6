//! The bitmaps of organizations: read when they are first asked for, brought up to date before each answer, forgotten when others
//! are needed more. Nothing is kept that the database does not have.

use crate::domain::fleet::Fleet;
use crate::domain::subject::Aliases;
use crate::service::Inventory;
use crate::service::ingest::Components;
use crate::store;
use netpatch_inventory_api::FindingFilter;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{
    AdvisoryId, HostId, RequestContext, ServiceError, ServiceResult, Sha256, TenantId,
};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;

/// Most organizations whose bitmaps are held.
const MOST: usize = 64;
/// Manifests that are read at once.
const PORTION: usize = 500;

/// The bitmaps of one organization.
struct Held {
    fleet: Fleet,
    /// The transaction number that the next look begins at.
    horizon: u64,
}

/// Empty until somebody asks.
type Place = Arc<Mutex<Option<Held>>>;

#[derive(Default)]
struct Places {
    /// With the turn of its last use.
    all: HashMap<TenantId, (u64, Place)>,
    turn: u64,
}

/// What is held.
#[derive(Default)]
pub(crate) struct Fleets(std::sync::Mutex<Places>);

impl Fleets {
    fn place(&self, tenant: TenantId) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.turn += 1;
        let turn = places.turn;
        if places.all.len() >= MOST && !places.all.contains_key(&tenant) {
            let oldest = places.all.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(tenant, _)| *tenant) {
                places.all.remove(&oldest);
            }
        }
        let place = places.all.entry(tenant).or_default();
        place.0 = turn;
        Arc::clone(&place.1)
    }
}

impl Inventory {
    /// The hosts that an advisory applies to, in the organizations that the request may read, or one of them. Sites are not
    /// looked at: whoever shows hosts filters them.
    pub(super) async fn affected_hosts(
        &self,
        ctx: &RequestContext,
        tenant: Option<TenantId>,
        advisory: AdvisoryId,
    ) -> ServiceResult<Vec<HostId>> {
        let catalog = self.catalog().await?;
        let filter = FindingFilter {
            advisory: Some(advisory),
            ..FindingFilter::default()
        };
        let numbers = catalog.named(&filter).unwrap_or_default();
        if numbers.is_empty() {
            return Err(ServiceError::not_found("advisory"));
        }
        let mut hosts = Vec::new();
        let asked = ctx.read.iter().copied();
        for tenant in asked.filter(|one| tenant.is_none_or(|tenant| tenant == *one)) {
            let found = self.ask_fleet(tenant, catalog.index.aliases(), |fleet| {
                let affected = fleet.affected(&catalog.index, |one| numbers.contains(&one));
                fleet.ids(&affected).collect::<Vec<_>>()
            });
            hosts.extend(found.await?);
        }
        Ok(hosts)
    }

    /// Asks the bitmaps of an organization, as of now.
    pub(crate) async fn ask_fleet<T>(
        &self,
        tenant: TenantId,
        aliases: &Aliases,
        question: impl FnOnce(&Fleet) -> T,
    ) -> ServiceResult<T> {
        let place = self.fleets.place(tenant);
        let mut held = place.lock().await;
        let ctx = RequestContext::system(tenant, "bitmaps", self.now());
        let tx = self.db.write(&ctx).await?;
        let horizon = store::report::horizon(&tx).await?;
        // A smaller number than before is another database.
        let usable = held
            .take()
            .filter(|held| held.fleet.is_of(aliases) && held.horizon <= horizon);
        let (mut fleet, since) = match usable {
            Some(held) => (held.fleet, held.horizon),
            None => (Fleet::new(aliases.clone()), 0),
        };
        let is_new = since == 0;
        let mut by_manifest: HashMap<Sha256, Vec<HostId>> = HashMap::new();
        for one in store::report::since(&tx, since, i64::MAX).await? {
            if fleet.manifest_of(one.host) != Some(one.manifest) {
                by_manifest.entry(one.manifest).or_default().push(one.host);
            }
        }
        self.put(&tx, tenant, &mut fleet, by_manifest).await?;
        tx.rollback().await?;
        if is_new {
            fleet.settle();
            tracing::debug!(%tenant, hosts = fleet.host_count(), components = fleet.component_count(), "bitmaps read");
        }
        let answer = question(&fleet);
        *held = Some(Held { fleet, horizon });
        Ok(answer)
    }

    async fn put(
        &self,
        tx: &TenantTx,
        tenant: TenantId,
        fleet: &mut Fleet,
        by_manifest: HashMap<Sha256, Vec<HostId>>,
    ) -> StorageResult<()> {
        let mut all: Vec<(Sha256, Vec<HostId>)> = by_manifest.into_iter().collect();
        all.sort_unstable_by_key(|(hash, _)| *hash);
        for portion in all.chunks(PORTION) {
            let hashes = portion.iter().map(|(hash, _)| *hash);
            let manifests: HashMap<Sha256, Components> = self.manifests(tx, tenant, hashes).await?;
            for (hash, hosts) in portion {
                let Some(components) = manifests.get(hash) else {
                    continue;
                };
                let mut numbers = Vec::with_capacity(components.len());
                for known in components.iter() {
                    fleet.learn(known.number, Arc::clone(&known.key));
                    numbers.push(known.number);
                }
                numbers.sort_unstable();
                fleet.put(*hash, &numbers.into(), hosts.iter().copied());
            }
        }
        Ok(())
    }
}
