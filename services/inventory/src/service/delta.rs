//! Differences between versions of a payload: which are there, and which are to be made.
//!
//! A difference is made for a pair that a relay really asked for, once, in the background: the relay that asked takes the whole file,
//! the next one takes the difference.
//!
//! Invariants: only what hosts of the organization named as theirs to install is looked up; a difference is stored under both hashes
//! **and** the address of the new version, so only who can fetch that version anyway finds it; waiting work is bounded, of one
//! organization and of all; a pair that failed is left alone for hours.

use super::Inventory;
use crate::store;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{Delta, DeltaBase, DeltaGet, MAX_DELTA_BASES};
use netpatch_storage::Blobs;
use netpatch_types::{RequestContext, ServiceError, ServiceResult, Sha256, TenantId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Where differences and the versions that were fetched for them are kept.
pub(crate) const FOLDER: &str = "deltas/";
/// Longest address, bytes.
const MAX_URL_BYTES: usize = 2048;
/// Differences that wait to be made, and how many of them for one organization.
const MAX_WAITING: usize = 64;
const MAX_WAITING_OF_ONE: usize = 16;
/// A pair that failed is not tried again for so long.
const RETRY_HOURS: i64 = 6;
/// Failed pairs that are remembered.
const MAX_FAILED: usize = 10_000;

/// Bounds of making differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaSettings {
    /// Largest file of a version.
    pub max_package_bytes: u64,
    /// Most decompressed bytes of a version.
    pub max_plain_bytes: usize,
    /// Most bytes that are kept of differences and of versions that were fetched for them.
    pub store_bytes: u64,
    /// Hosts (names or addresses) that may be fetched from although they are inside the network.
    pub private_hosts: Vec<String>,
}

impl Default for DeltaSettings {
    fn default() -> Self {
        Self {
            max_package_bytes: 128 << 20,
            max_plain_bytes: 256 << 20,
            store_bytes: 4 << 30,
            private_hosts: Vec::new(),
        }
    }
}

impl DeltaSettings {
    /// What an operator set; `None` when no differences are made.
    #[must_use]
    pub fn of(set: &netpatch_chassis::configuration::Deltas) -> Option<Self> {
        set.enabled.then(|| Self {
            max_package_bytes: set.max_package_bytes,
            max_plain_bytes: set.max_plain_bytes,
            store_bytes: set.store_bytes,
            private_hosts: set.private_hosts.clone(),
        })
    }
}

/// Where differences are kept, and how they are bounded.
#[derive(Clone, Debug)]
pub struct DeltaStore {
    /// Keeps them.
    pub blobs: Blobs,
    /// Bounds them.
    pub settings: DeltaSettings,
}

/// A difference to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) tenant: TenantId,
    pub(crate) base: DeltaBase,
    pub(crate) target: DeltaBase,
}

impl Job {
    /// Names the pair, together with where the new version comes from.
    pub(crate) fn name(&self) -> Sha256 {
        name(self.base.sha256, self.target.sha256, &self.target.url)
    }
}

fn name(base: Sha256, target: Sha256, url: &str) -> Sha256 {
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let mut text = base.0.to_vec();
    text.extend(target.0);
    text.extend(place.as_bytes());
    Sha256::of(&text)
}

/// The blob of a recipe.
pub(crate) fn blob(name: Sha256) -> String {
    netpatch_storage::blobs::content_key("deltas/recipe", &name)
}

/// Differences: those that wait, the one in work, those that failed.
pub(crate) struct Deltas {
    pub(crate) store: DeltaStore,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// Waiting or in work.
    busy: HashSet<Sha256>,
    failed: HashMap<Sha256, DateTime<Utc>>,
}

impl Deltas {
    pub(crate) fn new(store: DeltaStore) -> Self {
        Self {
            store,
            queue: Mutex::default(),
            wake: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the first of these made that is neither in work nor failed lately, if there is room.
    fn want(&self, jobs: Vec<Job>, now: DateTime<Utc>) {
        let mut queue = self.queue();
        queue.failed.retain(|_, until| *until > now);
        let mut open = jobs.into_iter().filter(|job| {
            let name = job.name();
            !queue.failed.contains_key(&name)
        });
        let Some(job) = open.next() else { return };
        drop(open);
        let own = queue.waiting.iter().filter(|one| one.tenant == job.tenant);
        if queue.busy.contains(&job.name())
            || own.count() >= MAX_WAITING_OF_ONE
            || queue.waiting.len() >= MAX_WAITING
        {
            return;
        }
        queue.busy.insert(job.name());
        queue.waiting.push_back(job);
        drop(queue);
        self.wake.notify_one();
    }

    /// The next difference to make.
    pub(crate) async fn next(&self) -> Job {
        loop {
            if let Some(job) = self.queue().waiting.pop_front() {
                return job;
            }
            self.wake.notified().await;
        }
    }

    /// The difference is there, or cannot be made.
    pub(crate) fn done(&self, job: &Job, failed: bool, now: DateTime<Utc>) {
        let mut queue = self.queue();
        let name = job.name();
        queue.busy.remove(&name);
        if failed && queue.failed.len() < MAX_FAILED {
            let until = now + chrono::Duration::hours(RETRY_HOURS);
            queue.failed.insert(name, until);
        }
    }
}

/// Whether an address of a payload is one.
pub(super) fn plain_url(url: &str) -> bool {
    let web = url.starts_with("http://") || url.starts_with("https://");
    web && url.len() <= MAX_URL_BYTES && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check(request: &DeltaGet) -> ServiceResult<()> {
    if request.bases.len() > MAX_DELTA_BASES {
        return Err(ServiceError::invalid(
            "bases",
            format!("more than {MAX_DELTA_BASES} versions"),
        ));
    }
    let mut urls = request.bases.iter().map(|base| base.url.as_str());
    if plain_url(&request.url) && urls.all(plain_url) {
        Ok(())
    } else {
        Err(ServiceError::invalid(
            "url",
            "not a plain http or https address",
        ))
    }
}

impl Inventory {
    pub(super) async fn delta(
        &self,
        ctx: &RequestContext,
        request: DeltaGet,
    ) -> ServiceResult<Option<Delta>> {
        check(&request)?;
        let Some(deltas) = &self.deltas else {
            return Ok(None);
        };
        let tenant = ctx.tenant()?;
        let place = request.url.split_once("://").map_or("", |(_, rest)| rest);
        let urls = [format!("http://{place}"), format!("https://{place}")];
        let tx = self.db.read(ctx).await?;
        let mut targets = store::payload::at(&tx, tenant, &urls).await?;
        tx.rollback().await?;
        targets.retain(|target| request.sha256.is_none_or(|wanted| wanted == *target));
        let mut jobs = Vec::new();
        for target in targets {
            for base in &request.bases {
                let job = Job {
                    tenant,
                    base: base.clone(),
                    target: DeltaBase {
                        sha256: target,
                        url: request.url.clone(),
                    },
                };
                let blob = blob(job.name());
                if deltas.store.blobs.exists(&blob).await? {
                    return Ok(Some(Delta {
                        base: base.sha256,
                        sha256: target,
                        blob,
                    }));
                }
                jobs.push(job);
            }
        }
        deltas.want(jobs, self.now());
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(tenant: u128, base: u32, target: &str) -> Job {
        let file = |text: &str| DeltaBase {
            sha256: Sha256::of(text.as_bytes()),
            url: format!("http://deb.example/{text}"),
        };
        Job {
            tenant: uuid::Uuid::from_u128(tenant).into(),
            base: file(&base.to_string()),
            target: file(target),
        }
    }

    #[test]
    fn the_name_of_a_difference_has_the_address_of_the_new_version_and_not_its_scheme() {
        let one = job(1, 1, "a");
        let mut secure = one.clone();
        secure.target.url = "https://deb.example/a".into();
        assert_eq!(one.name(), secure.name());
        secure.target.url = "https://deb.example/secret/a".into();
        assert_ne!(one.name(), secure.name());
        assert_eq!(one.name(), job(2, 1, "a").name(), "organizations share");
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_each_pair_waits_once() {
        let folder = tempfile::tempdir().expect("folder");
        let address = format!("file:{}", folder.path().display());
        let deltas = Deltas::new(DeltaStore {
            blobs: Blobs::connect(&address).await.expect("blobs"),
            settings: DeltaSettings::default(),
        });
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("time");
        deltas.want(vec![job(1, 0, "a")], now);
        deltas.want(vec![job(2, 0, "a")], now);
        assert_eq!(deltas.queue().waiting.len(), 1);
        for base in 1..100 {
            deltas.want(vec![job(1, base, "a")], now);
        }
        assert_eq!(deltas.queue().waiting.len(), MAX_WAITING_OF_ONE);
        for tenant in 2..100u32 {
            deltas.want(vec![job(tenant.into(), tenant * 1000, "a")], now);
        }
        assert_eq!(deltas.queue().waiting.len(), MAX_WAITING);
        // What failed gives way to the next version that is held, and is tried again later.
        let first = deltas.next().await;
        assert_eq!(first, job(1, 0, "a"));
        deltas.done(&first, true, now);
        deltas.want(vec![job(7, 0, "a"), job(7, 5_001, "a")], now);
        let last = deltas.queue().waiting.back().cloned();
        assert_eq!(last, Some(job(7, 5_001, "a")));
        let later = now + chrono::Duration::hours(RETRY_HOURS + 1);
        deltas.next().await;
        deltas.want(vec![job(7, 0, "a")], later);
        let last = deltas.queue().waiting.back().cloned();
        assert_eq!(last, Some(job(7, 0, "a")));
    }
}
