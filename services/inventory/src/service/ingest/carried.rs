//! What hosts carry, remembered: a report of the same costs one compare and no SQL.
//!
//! Other processes write too. So an organization's entries are used only if they were compared with the database within the last
//! [`FRESH`]: one query for the hosts whose manifest was written since the last time, whatever the number of hosts. If somebody
//! else wrote a host in between, the newer word counts: an older one is forgotten, and a report that was answered from the
//! entry after that is written now. Losing everything costs a few queries.

use crate::service::Inventory;
use crate::store;
use crate::store::report::Reported;
use chrono::{DateTime, Utc};
use netpatch_storage::StorageResult;
use netpatch_types::{HostId, RequestContext, Sha256, TenantId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// So long entries are used without looking.
const FRESH: Duration = Duration::from_secs(1);
/// After so long, or so many changes, all entries are forgotten instead.
const STALE: Duration = Duration::from_secs(60);
const MOST_CHANGES: i64 = 50_000;
/// Most hosts of one organization that are remembered.
const MOST_HOSTS: usize = 1_000_000;

struct Entry {
    manifest: Sha256,
    /// When the host said last that it still carries it, in milliseconds.
    said: AtomicI64,
}

/// One organization.
#[derive(Default)]
struct Known {
    hosts: RwLock<HashMap<HostId, Entry>>,
    /// Monotonic milliseconds of the last comparison, plus one; 0: never.
    compared: AtomicU64,
    /// The transaction number that the next comparison begins at. Locked while comparing.
    horizon: tokio::sync::Mutex<u64>,
}

/// All organizations.
#[derive(Default)]
pub(crate) struct Carrying(RwLock<HashMap<TenantId, Arc<Known>>>);

impl Carrying {
    fn of(&self, tenant: TenantId) -> Option<Arc<Known>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&tenant).cloned()
    }

    fn make(&self, tenant: TenantId) -> Arc<Known> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(tenant).or_default())
    }

    /// A host carries a manifest: it was read or committed just now.
    pub(crate) fn remember(&self, tenant: TenantId, host: HostId, manifest: Sha256) {
        let Some(known) = self.of(tenant) else { return };
        // Before the first comparison nobody knows from where on changes have to be looked for.
        if known.compared.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut hosts = known.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MOST_HOSTS {
            hosts.clear();
        }
        let said = AtomicI64::new(0);
        hosts.insert(host, Entry { manifest, said });
    }
}

impl Known {
    fn is_fresh(&self, now: Duration, within: Duration) -> bool {
        match self.compared.load(Ordering::Acquire) {
            0 => false,
            at => now < Duration::from_millis(at - 1) + within,
        }
    }

    /// Whether the host carries this manifest, if it is known; it is noted that it said so.
    fn carries(&self, host: HostId, manifest: Sha256, now: DateTime<Utc>) -> Option<bool> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let entry = hosts.get(&host)?;
        let is_same = entry.manifest == manifest;
        if is_same {
            entry.said.store(now.timestamp_millis(), Ordering::Release);
        }
        Some(is_same)
    }

    /// Takes what the database says; the hosts that said something else later.
    fn correct(&self, reported: Vec<Reported>) -> Vec<(HostId, Sha256)> {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let mut newer = Vec::new();
        for one in reported {
            let Some(entry) = hosts.get_mut(&one.host) else {
                continue;
            };
            if entry.manifest == one.manifest {
                continue;
            }
            let said = entry.said.load(Ordering::Acquire);
            if one.at.is_some_and(|at| said > at.timestamp_millis()) {
                newer.push((one.host, entry.manifest));
            }
            entry.manifest = one.manifest;
            entry.said = AtomicI64::new(0);
        }
        newer
    }
}

impl Inventory {
    /// Whether the host carries the manifest, so that nothing needs to be written; `None` when it is not remembered. A request
    /// of some sites only has to ask the database where the host is.
    pub(in crate::service) async fn carries(
        &self,
        ctx: &RequestContext,
        host: HostId,
        manifest: Sha256,
    ) -> StorageResult<Option<bool>> {
        let Some(tenant) = ctx.write.filter(|_| ctx.sites.is_none()) else {
            return Ok(None);
        };
        let known = match self.ingest.carried.of(tenant) {
            Some(known) => known,
            None => self.ingest.carried.make(tenant),
        };
        if !known.is_fresh(self.clock.monotonic(), FRESH) {
            self.compare(tenant, &known).await?;
        }
        let is_same = known.carries(host, manifest, self.now());
        if is_same == Some(true) {
            metrics::counter!("inventory_unchanged_reports_total").increment(1);
        }
        Ok(is_same)
    }

    /// Looks what was written since the last time.
    async fn compare(&self, tenant: TenantId, known: &Known) -> StorageResult<()> {
        let mut horizon = known.horizon.lock().await;
        let now = self.clock.monotonic();
        if known.is_fresh(now, FRESH) {
            return Ok(());
        }
        let ctx = RequestContext::system(tenant, "what hosts carry", self.now());
        let tx = self.db.write(&ctx).await?;
        let next = store::report::horizon(&tx).await?;
        // A smaller number than before is another database.
        let mut is_known = known.is_fresh(now, STALE) && next >= *horizon;
        let mut newer = Vec::new();
        if is_known {
            let reported = store::report::since(&tx, *horizon, MOST_CHANGES).await?;
            is_known = i64::try_from(reported.len()).unwrap_or(MOST_CHANGES) < MOST_CHANGES;
            newer = known.correct(reported);
        }
        tx.rollback().await?;
        if !is_known {
            let mut hosts = known.hosts.write().unwrap_or_else(PoisonError::into_inner);
            hosts.clear();
        }
        *horizon = next;
        let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX - 1);
        known.compared.store(at + 1, Ordering::Release);
        drop(horizon);
        for (host, manifest) in newer {
            self.write_again(tenant, host, manifest).await?;
        }
        Ok(())
    }

    /// A host was told that nothing changed, but somebody else had written it: what it said is written now.
    async fn write_again(
        &self,
        tenant: TenantId,
        host: HostId,
        manifest: Sha256,
    ) -> StorageResult<()> {
        let ctx = RequestContext::system(tenant, "what hosts carry", self.now());
        let tx = self.db.write(&ctx).await?;
        let held = self.manifests(&tx, tenant, [manifest]).await?;
        tx.rollback().await?;
        if let Some(components) = held.get(&manifest) {
            let content = super::Content::of(Arc::clone(components));
            let written = self.write_report(&ctx, host, manifest, content);
            if let Err(error) = Box::pin(written).await {
                tracing::warn!(%error, %host, "a report could not be written after all");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_newer_word_counts() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let (host, manifest) = (HostId(Uuid::from_u128(1)), |of: &str| {
            Sha256::of(of.as_bytes())
        });
        let carrying = Carrying::default();
        let tenant = TenantId::from(Uuid::from_u128(2));
        let known = carrying.make(tenant);
        carrying.remember(tenant, host, manifest("a"));
        let says = |of, seconds| known.carries(host, manifest(of), at(seconds).expect("a time"));
        assert_eq!(says("a", 1), None, "not before the first comparison");
        known.compared.store(1, Ordering::Release);
        carrying.remember(tenant, host, manifest("a"));
        assert_eq!((says("a", 10), says("b", 10)), (Some(true), Some(false)));
        let reported = |of, seconds| {
            vec![Reported {
                host,
                manifest: manifest(of),
                at: at(seconds),
            }]
        };
        // Somebody wrote it before it said that nothing changed.
        assert_eq!(known.correct(reported("b", 9)), [(host, manifest("a"))]);
        // And after.
        assert_eq!(says("b", 20), Some(true));
        assert!(known.correct(reported("c", 21)).is_empty());
        assert_eq!(says("c", 30), Some(true));
        assert!(known.correct(reported("c", 5)).is_empty());
    }
}
