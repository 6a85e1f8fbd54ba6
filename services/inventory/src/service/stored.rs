//! Payloads that the platform keeps: what approved waves need, what a relay asked for in vain, and versions that were fetched for
//! differences. A vendor that takes an old version away, or is down, then hurts nobody.
//!
//! What waits to be fetched is held in memory only: a process that is killed loses it, and the edge names what plans of relays need again
//! and again. What is kept, and what goes, is told in `stored/room.rs`.
//!
//! Invariants: an organization gets only what its hosts named as theirs to install, and only if the platform itself found these bytes at
//! the very address that the relay asks by, so nobody reads from here what that one could not fetch there; what waits is bounded, of one
//! organization and of all; what could not be fetched is left alone for hours, and what had no room for minutes.

mod room;

pub(crate) use room::{Needs, Room};
pub use room::{PayloadSettings, PayloadStore};

use super::Inventory;
use super::delta::plain_url;
use crate::store;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{MAX_STORED_PAYLOADS, PayloadsStore, StoredPayload, StoredPayloadGet};
use netpatch_storage::blobs::BlobResult;
use netpatch_types::{RequestContext, ServiceError, ServiceResult, Sha256, TenantId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Payloads that wait to be fetched, and how many of them for one organization.
const MAX_WAITING: usize = 20_000;
const MAX_WAITING_OF_ONE: usize = MAX_STORED_PAYLOADS;
/// A payload that could not be had is not asked for again for so long.
const RETRY_HOURS: i64 = 6;
/// When there was no room for a payload, none is fetched for so long.
const FULL_MINUTES: i64 = 10;
/// Payloads left alone that are remembered.
const MAX_FAILED: usize = 20_000;

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

/// What became of a payload that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is kept.
    Kept,
    /// It cannot be had.
    Failed,
    /// There is no room: what is kept is needed.
    NoRoom,
}

/// What is kept, what waits to be fetched, what could not be had.
pub(crate) struct Stored {
    pub(crate) room: Room,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Wish>,
    /// Waiting or in work.
    busy: HashSet<Sha256>,
    /// Left alone until then.
    failed: HashMap<Sha256, DateTime<Utc>>,
    /// There is no room until then.
    full_until: Option<DateTime<Utc>>,
}

impl Stored {
    pub(crate) fn new(store: PayloadStore) -> Self {
        Self {
            room: Room::new(store),
            queue: Mutex::default(),
            wake: Notify::new(),
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

    /// The payload is there, or is left alone for a while.
    pub(crate) fn done(&self, wish: &Wish, outcome: Outcome, now: DateTime<Utc>) {
        let mut queue = self.queue();
        let name = name(&wish.payload);
        queue.busy.remove(&name);
        let until = match outcome {
            Outcome::Kept => return,
            Outcome::Failed => now + chrono::Duration::hours(RETRY_HOURS),
            Outcome::NoRoom => {
                let known = queue.full_until.filter(|until| *until > now);
                *queue
                    .full_until
                    .insert(known.unwrap_or(now + chrono::Duration::minutes(FULL_MINUTES)))
            }
        };
        if queue.failed.len() < MAX_FAILED {
            queue.failed.insert(name, until);
        }
    }

    /// Whether there was no room a moment ago: what is fetched now would be fetched for nothing.
    pub(crate) fn is_full(&self, now: DateTime<Utc>) -> bool {
        self.queue().full_until.is_some_and(|until| until > now)
    }

    /// Whether it is kept as it is wanted.
    pub(crate) async fn has(&self, payload: &StoredPayloadGet) -> BlobResult<bool> {
        self.room.store.has(payload).await
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
            let blob = room::file(request.sha256);
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

    async fn stored(folder: &std::path::Path) -> Stored {
        let address = format!("file:{}", folder.display());
        Stored::new(PayloadStore {
            blobs: netpatch_storage::Blobs::connect(&address)
                .await
                .expect("blobs"),
            settings: PayloadSettings::default(),
        })
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_each_payload_waits_once() {
        let folder = tempfile::tempdir().expect("folder");
        let stored = stored(folder.path()).await;
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
        stored.done(&wish, Outcome::Failed, now);
        stored.queue().waiting.clear();
        stored.want(tenant(1), vec![first.clone()], now);
        assert_eq!(stored.queue().waiting.len(), 0);
        let later = now + chrono::Duration::hours(RETRY_HOURS + 1);
        stored.want(tenant(1), vec![first.clone()], later);
        assert_eq!(stored.queue().waiting.len(), 1);
        // What had no room waits for less long, and nothing is fetched meanwhile.
        let wish = stored.next().await;
        assert!(!stored.is_full(later));
        stored.done(&wish, Outcome::NoRoom, later);
        assert!(stored.is_full(later));
        stored.want(tenant(1), vec![first.clone()], later);
        assert_eq!(stored.queue().waiting.len(), 0);
        let soon = later + chrono::Duration::minutes(FULL_MINUTES + 1);
        assert!(!stored.is_full(soon));
        stored.want(tenant(1), vec![first], soon);
        assert_eq!(stored.queue().waiting.len(), 1);
    }
}
