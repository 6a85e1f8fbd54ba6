//! Payloads that the platform keeps: what approved waves need, what a relay asked for in vain, and versions that were fetched for
//! differences. A vendor that takes an old version away, or is down, then hurts nobody.
//!
//! ```text
//! payloads/file/<hash>                    the bytes
//! payloads/from/<of hash and address>     nothing: that the platform itself found these bytes at this address
//! ```
//!
//! Invariants: an organization gets only what its hosts named as theirs to install, and only if the platform itself found these bytes at
//! the very address that the relay asks by, so nobody reads from here what that one could not fetch there; what waits is bounded, of one
//! organization and of all; what could not be fetched is left alone for hours; of what is kept the oldest goes first.

use super::Inventory;
use super::delta::plain_url;
use crate::store;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{MAX_STORED_PAYLOADS, PayloadsStore, StoredPayload, StoredPayloadGet};
use netpatch_storage::Blobs;
use netpatch_storage::blobs::{BlobError, BlobResult, content_key};
use netpatch_types::{RequestContext, ServiceError, ServiceResult, Sha256, TenantId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

const FOLDER: &str = "payloads/";
const FILES: &str = "payloads/file";
const PLACES: &str = "payloads/from";
/// Payloads that wait to be fetched, and how many of them for one organization.
const MAX_WAITING: usize = 20_000;
const MAX_WAITING_OF_ONE: usize = MAX_STORED_PAYLOADS;
/// A payload that could not be had is not asked for again for so long.
const RETRY_HOURS: i64 = 6;
/// Such payloads that are remembered.
const MAX_FAILED: usize = 20_000;
/// After so many the store is looked through again: other processes put something there too.
const LOOK_EVERY: u32 = 64;

/// Bounds of keeping payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadSettings {
    /// The largest payload.
    pub max_bytes: u64,
    /// Most bytes that are kept.
    pub store_bytes: u64,
    /// Hosts (names or addresses) that may be fetched from although they are inside the network.
    pub private_hosts: Vec<String>,
}

impl Default for PayloadSettings {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            store_bytes: 10 << 30,
            private_hosts: Vec::new(),
        }
    }
}

impl PayloadSettings {
    /// What an operator set; `None` when nothing is kept.
    #[must_use]
    pub fn of(set: &netpatch_chassis::configuration::Payloads) -> Option<Self> {
        set.enabled.then(|| Self {
            max_bytes: set.max_bytes,
            store_bytes: set.store_bytes,
            private_hosts: set.private_hosts.clone(),
        })
    }
}

/// Where payloads are kept, and how much of them.
#[derive(Clone, Debug)]
pub struct PayloadStore {
    /// Keeps them.
    pub blobs: Blobs,
    /// Bounds them.
    pub settings: PayloadSettings,
}

impl PayloadStore {
    /// Whether these bytes are kept, and were found at this address.
    async fn has(&self, payload: &StoredPayloadGet) -> BlobResult<bool> {
        Ok(self.blobs.exists(&place(payload)).await?
            && self.blobs.exists(&file(payload.sha256)).await?)
    }

    /// The bytes, wherever they were found; what is damaged goes.
    pub(crate) async fn bytes(&self, sha256: Sha256) -> BlobResult<Option<bytes::Bytes>> {
        match self.blobs.get_named(FILES, &sha256).await {
            Err(BlobError::Damaged(key)) => {
                tracing::warn!(key, "a kept payload is damaged");
                self.blobs.delete(&key).await?;
                Ok(None)
            }
            other => other,
        }
    }

    /// Keeps what was found, and where.
    pub(crate) async fn put(
        &self,
        payload: &StoredPayloadGet,
        bytes: bytes::Bytes,
    ) -> BlobResult<()> {
        self.blobs.put_durable(&place(payload), Vec::new()).await?;
        self.blobs.put_named(FILES, bytes).await.map(drop)
    }

    /// Removes what is oldest until the rest fits; how much that is.
    async fn keep_within(&self) -> BlobResult<u64> {
        let stored = self.blobs.stored(FOLDER).await?;
        let mut used: u64 = stored.iter().map(|blob| blob.size_bytes).sum();
        for blob in stored {
            if used <= self.settings.store_bytes {
                break;
            }
            self.blobs.delete(&blob.key).await?;
            used = used.saturating_sub(blob.size_bytes);
        }
        Ok(used)
    }
}

fn file(sha256: Sha256) -> String {
    content_key(FILES, &sha256)
}

fn place(payload: &StoredPayloadGet) -> String {
    content_key(PLACES, &name(payload))
}

/// Of hash and address, whether that has http or https.
fn name(payload: &StoredPayloadGet) -> Sha256 {
    let url = payload.url.as_str();
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let mut text = payload.sha256.0.to_vec();
    text.extend(place.as_bytes());
    Sha256::of(&text)
}

/// A payload to be fetched and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) tenant: TenantId,
    pub(crate) payload: StoredPayloadGet,
}

/// What is kept, what waits to be fetched, what could not be had.
pub(crate) struct Stored {
    pub(crate) store: PayloadStore,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Bytes that are kept, as far as known, and after how many payloads that is looked up again.
    used: tokio::sync::Mutex<(u64, u32)>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Wish>,
    /// Waiting or in work.
    busy: HashSet<Sha256>,
    failed: HashMap<Sha256, DateTime<Utc>>,
}

impl Stored {
    pub(crate) fn new(store: PayloadStore) -> Self {
        Self {
            store,
            queue: Mutex::default(),
            wake: Notify::new(),
            used: tokio::sync::Mutex::default(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has these fetched that are neither in work nor failed lately, as far as there is room.
    fn want(&self, tenant: TenantId, payloads: Vec<StoredPayloadGet>, now: DateTime<Utc>) {
        let mut queue = self.queue();
        queue.failed.retain(|_, until| *until > now);
        let own = queue.waiting.iter().filter(|one| one.tenant == tenant);
        let mut room = MAX_WAITING_OF_ONE.saturating_sub(own.count());
        for payload in payloads {
            let name = name(&payload);
            if room == 0 || queue.waiting.len() >= MAX_WAITING {
                tracing::info!(tenant.id = %tenant, "more payloads to keep than may wait");
                break;
            }
            if !queue.failed.contains_key(&name) && queue.busy.insert(name) {
                queue.waiting.push_back(Wish { tenant, payload });
                room -= 1;
            }
        }
        drop(queue);
        self.wake.notify_waiters();
        self.wake.notify_one();
    }

    /// The next payload to fetch.
    pub(crate) async fn next(&self) -> Wish {
        loop {
            let woken = self.wake.notified();
            if let Some(wish) = self.queue().waiting.pop_front() {
                return wish;
            }
            woken.await;
        }
    }

    /// The payload is there, or cannot be had.
    pub(crate) fn done(&self, wish: &Wish, failed: bool, now: DateTime<Utc>) {
        let mut queue = self.queue();
        let name = name(&wish.payload);
        queue.busy.remove(&name);
        if failed && queue.failed.len() < MAX_FAILED {
            let until = now + chrono::Duration::hours(RETRY_HOURS);
            queue.failed.insert(name, until);
        }
    }

    /// So many bytes more are kept: makes room when that is too much.
    pub(crate) async fn grew(&self, bytes: u64) -> BlobResult<()> {
        let mut used = self.used.lock().await;
        used.0 = used.0.saturating_add(bytes);
        if used.1 == 0 || used.0 > self.store.settings.store_bytes {
            *used = (self.store.keep_within().await?, LOOK_EVERY);
        }
        used.1 -= 1;
        Ok(())
    }

    /// Whether it is kept as it is wanted.
    pub(crate) async fn has(&self, payload: &StoredPayloadGet) -> BlobResult<bool> {
        self.store.has(payload).await
    }
}

impl Inventory {
    pub(super) async fn stored_payload(
        &self,
        ctx: &RequestContext,
        request: StoredPayloadGet,
    ) -> ServiceResult<Option<StoredPayload>> {
        check(&request)?;
        let Some(stored) = &self.stored else {
            return Ok(None);
        };
        let tenant = ctx.tenant()?;
        if self
            .named_by_hosts(ctx, vec![request.clone()])
            .await?
            .is_empty()
        {
            return Ok(None);
        }
        if stored.has(&request).await? {
            let blob = file(request.sha256);
            return Ok(Some(StoredPayload { blob }));
        }
        stored.want(tenant, vec![request], self.now());
        Ok(None)
    }

    pub(super) async fn store_payloads(
        &self,
        ctx: &RequestContext,
        request: PayloadsStore,
    ) -> ServiceResult<()> {
        if request.payloads.len() > MAX_STORED_PAYLOADS {
            return Err(ServiceError::invalid(
                "payloads",
                format!("more than {MAX_STORED_PAYLOADS}"),
            ));
        }
        request.payloads.iter().try_for_each(check)?;
        let tenant = ctx.tenant()?;
        let Some(stored) = &self.stored else {
            return Ok(());
        };
        let named = self.named_by_hosts(ctx, request.payloads).await?;
        stored.want(tenant, named, self.now());
        Ok(())
    }

    /// What of these hosts of the organization said.
    async fn named_by_hosts(
        &self,
        ctx: &RequestContext,
        payloads: Vec<StoredPayloadGet>,
    ) -> ServiceResult<Vec<StoredPayloadGet>> {
        let hashes: Vec<Sha256> = payloads.iter().map(|payload| payload.sha256).collect();
        let tx = self.db.read(ctx).await?;
        let said = store::payload::places(&tx, ctx.tenant()?, &hashes).await?;
        tx.rollback().await?;
        let said: HashSet<Sha256> = said.iter().map(name).collect();
        Ok(payloads
            .into_iter()
            .filter(|payload| said.contains(&name(payload)))
            .collect())
    }
}

fn check(payload: &StoredPayloadGet) -> ServiceResult<()> {
    if plain_url(&payload.url) {
        Ok(())
    } else {
        Err(ServiceError::invalid(
            "url",
            "not a plain http or https address",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str, url: &str) -> StoredPayloadGet {
        StoredPayloadGet {
            url: url.into(),
            sha256: Sha256::of(text.as_bytes()),
        }
    }

    async fn stored(folder: &std::path::Path, store_bytes: u64) -> Stored {
        let address = format!("file:{}", folder.display());
        Stored::new(PayloadStore {
            blobs: Blobs::connect(&address).await.expect("blobs"),
            settings: PayloadSettings {
                store_bytes,
                ..PayloadSettings::default()
            },
        })
    }

    #[tokio::test]
    async fn bytes_are_had_only_by_the_address_where_they_were_found() {
        let folder = tempfile::tempdir().expect("folder");
        let stored = stored(folder.path(), 1_000).await;
        let own = payload("a", "http://deb.example/secret/a");
        stored.store.put(&own, "a".into()).await.expect("kept");
        let has = async |url: &str| stored.has(&payload("a", url)).await.expect("told");
        assert!(has("http://deb.example/secret/a").await);
        assert!(has("https://deb.example/secret/a").await, "the same place");
        assert!(!has("http://deb.example/a").await, "only guessed");
        // Differences may start from it, wherever it was found.
        let bytes = stored.store.bytes(own.sha256).await.expect("read");
        assert_eq!(bytes.as_deref(), Some(&b"a"[..]));
        // Damaged at rest it is none.
        let key = file(own.sha256);
        stored.store.blobs.put(&key, "b").await.expect("damage");
        assert_eq!(stored.store.bytes(own.sha256).await.expect("read"), None);
        assert!(!has("http://deb.example/secret/a").await);
    }

    #[tokio::test]
    async fn the_oldest_goes_when_there_is_no_more_room() {
        let folder = tempfile::tempdir().expect("folder");
        let stored = stored(folder.path(), 250).await;
        let of = |n: u8| {
            let bytes = vec![n; 100];
            let payload = StoredPayloadGet {
                url: format!("http://deb.example/{n}"),
                sha256: Sha256::of(&bytes),
            };
            (payload, bytes)
        };
        for n in 0..4 {
            let (payload, bytes) = of(n);
            stored
                .store
                .put(&payload, bytes.into())
                .await
                .expect("kept");
            stored.grew(100).await.expect("within");
            // The store tells times by the second.
            let second = std::time::Duration::from_millis(1_100);
            tokio::time::sleep(second).await;
        }
        let mut held = Vec::new();
        for n in 0..4 {
            held.push(stored.has(&of(n).0).await.expect("told"));
        }
        assert_eq!(held, [false, false, true, true]);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_each_payload_waits_once() {
        let folder = tempfile::tempdir().expect("folder");
        let stored = stored(folder.path(), 1_000).await;
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("time");
        let tenant = |n: u128| TenantId::from(uuid::Uuid::from_u128(n));
        let many = |from: usize| -> Vec<StoredPayloadGet> {
            let urls = (from..from + MAX_WAITING_OF_ONE + 10).map(|n| format!("http://d/{n}"));
            urls.map(|url| payload("a", &url)).collect()
        };
        let first = payload("a", "http://d/0");
        stored.want(tenant(1), vec![first.clone(), first.clone()], now);
        stored.want(tenant(2), vec![first.clone()], now);
        assert_eq!(stored.queue().waiting.len(), 1);
        stored.want(tenant(1), many(0), now);
        assert_eq!(stored.queue().waiting.len(), MAX_WAITING_OF_ONE);
        for n in 2..9_u8 {
            stored.want(tenant(n.into()), many(usize::from(n) * 10_000), now);
        }
        assert_eq!(stored.queue().waiting.len(), MAX_WAITING);
        // What cannot be had is left alone, and tried again later.
        let wish = stored.next().await;
        assert_eq!(wish.payload, first);
        stored.done(&wish, true, now);
        stored.queue().waiting.clear();
        stored.want(tenant(1), vec![first.clone()], now);
        assert_eq!(stored.queue().waiting.len(), 0);
        let later = now + chrono::Duration::hours(RETRY_HOURS + 1);
        stored.want(tenant(1), vec![first], later);
        assert_eq!(stored.queue().waiting.len(), 1);
    }
}
