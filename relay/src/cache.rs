//! The payload cache: what is held, what is being fetched, and how a request is answered from either.
//!
//! A request finds held bytes that are fresh, or joins the one fill of that payload: everybody who asks meanwhile is
//! served from the growing file. Metadata that may have changed is asked for again; when its origin cannot be reached
//! the held version is served, because the package manager judges its date and signature itself. An index is served as it is while
//! the held table of contents names just these bytes, and asked for when it names others; a detached signature while it is for the held
//! table.

pub mod ahead;
pub mod care;
mod contents;
pub mod delta;
mod doubts;
pub mod fill;
pub mod hot;
pub mod origin;
mod pairs;
mod reach;
mod source;
pub mod store;
pub mod stored;

use crate::counters::{Counters, add};
use crate::line::Line;
pub use ahead::Unstaged;
use contents::Tables;
use delta::{Deltas, Recipes};
use doubts::Doubts;
use fill::{End, Fill, Head};
use futures::FutureExt as _;
use hot::{Hot, HotTable};
use netpatch_protocol::site::PayloadRequest;
use netpatch_relay_core::freshness::decide;
use netpatch_relay_core::{
    ByteRange, CacheIndex, Decision, Entry, Flights, KeyId, PayloadKey, Role, Upstreams, Validators,
};
use netpatch_tunnel::Proxies;
use netpatch_types::{Sha256, SharedClock};
use origin::Origin;
use pairs::Pairs;
use reach::Reach;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::{Store, StoreError};
use stored::{Kept, Stored};
use tokio::task::JoinSet;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Most bytes of one payload: an upstream that never ends is given up there.
const MAX_PAYLOAD_BYTES: u64 = 16 << 30;

/// The cache. Dropping it ends its fills.
pub struct Cache {
    inner: Arc<Inner>,
    fills: Mutex<JoinSet<()>>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) index: Mutex<CacheIndex>,
    pub(crate) origin: Origin,
    pub(crate) line: Line,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: SharedClock,
    flights: Mutex<Flights<Fill>>,
    reach: Reach,
    deltas: Deltas,
    hot: HotTable,
    tables: Tables,
    pairs: Pairs,
    doubts: Doubts,
    stored: Stored,
    max_payload_bytes: AtomicU64,
    fresh_seconds: i64,
}

/// How much is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes held.
    pub used_bytes: u64,
    /// Bytes that may be held.
    pub budget_bytes: u64,
    /// Payloads held.
    pub payloads: usize,
}

/// The answer to a request.
pub enum Reply {
    /// No body: HTTP status and reason.
    Status(u32, String),
    /// The requester's version is the current one.
    Unchanged(Validators),
    /// Bytes that are held.
    Held {
        /// What they are.
        entry: Entry,
        /// Where they are.
        file: Arc<File>,
        /// Which of them.
        range: ByteRange,
        /// Whether they were held before the request.
        from_cache: bool,
    },
    /// Bytes that are arriving.
    Arriving {
        /// The fill.
        fill: Arc<Fill>,
        /// What the origin said.
        head: Head,
        /// Which bytes.
        range: ByteRange,
    },
}

impl Cache {
    /// Opens the cache and takes stock of what is there.
    pub fn open(
        store: Store,
        budget_bytes: u64,
        fresh_seconds: u32,
        counters: Arc<Counters>,
        clock: SharedClock,
    ) -> Result<Self, StoreError> {
        let proxies = Proxies::default();
        Self::open_behind(proxies, store, budget_bytes, fresh_seconds, counters, clock)
    }

    /// The same, fetching through the site's forward proxy.
    pub fn open_behind(
        proxies: Proxies,
        store: Store,
        budget_bytes: u64,
        fresh_seconds: u32,
        counters: Arc<Counters>,
        clock: SharedClock,
    ) -> Result<Self, StoreError> {
        let proxies = Arc::new(proxies);
        let mut index = CacheIndex::new(budget_bytes);
        for entry in store.scan()? {
            if let Some(orphan) = index.insert(entry) {
                store.delete_bytes(orphan);
            }
        }
        let (gone, bytes) = index.make_room(0);
        store.forget(&gone, &bytes);
        let reach = Reach::through(proxies.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                index: Mutex::new(index),
                line: Line::new(clock.clone()),
                origin: Origin::new(&reach)?,
                counters,
                clock,
                flights: Mutex::default(),
                reach,
                deltas: Deltas::default(),
                hot: HotTable::default(),
                tables: Tables::default(),
                pairs: Pairs::default(),
                doubts: Doubts::default(),
                stored: Stored::new(proxies)?,
                max_payload_bytes: AtomicU64::new(MAX_PAYLOAD_BYTES),
                fresh_seconds: i64::from(fresh_seconds),
            }),
            fills: Mutex::new(JoinSet::new()),
        })
    }

    /// The repositories that are served from now on.
    pub fn set_upstreams(&self, upstreams: Upstreams) {
        if self.inner.reach.set(upstreams) {
            self.inner.hot.forget_all();
        }
    }

    /// Makes packages of older versions and recipes from here, where there is one; a package may have so many decompressed bytes. Once.
    pub fn use_recipes(&self, recipes: Arc<dyn Recipes>, plain_bytes: usize) {
        self.inner.deltas.use_recipes(recipes, plain_bytes);
    }

    /// Asks the platform for payloads that it keeps, before the mirrors or after them; some hosts inside the network may be sent to. Once.
    pub fn use_kept(&self, kept: Arc<dyn Kept>, is_first: bool, hosts: &[String]) {
        self.inner.stored.use_kept(kept, is_first, hosts);
    }

    /// Whether recipes are asked for from now on: what the site says.
    pub fn allow_recipes(&self, are_allowed: bool) {
        self.inner.deltas.allow(are_allowed);
    }

    /// The line over which is fetched.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.inner.line
    }

    /// Most bytes of one payload from now on; an upstream that sends more is given up.
    pub fn limit_payloads(&self, max_bytes: u64) {
        let limit = &self.inner.max_payload_bytes;
        limit.store(max_bytes, Ordering::Relaxed);
    }

    /// So long is waited for the next byte of an upstream, from now on.
    pub fn limit_waits(&self, patience: Duration) {
        self.inner.origin.set_patience(patience);
    }

    /// Why the folder took no payload the last time; empty when it did. Hosts are served all the same.
    #[must_use]
    pub fn problem(&self) -> String {
        self.inner.store.problem()
    }

    /// How many repositories are served.
    #[must_use]
    pub fn repositories(&self) -> usize {
        self.inner.reach.upstreams().len()
    }

    /// How much is held.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let index = self.inner.index();
        Usage {
            used_bytes: index.used_bytes(),
            budget_bytes: index.budget_bytes(),
            payloads: index.len(),
        }
    }

    /// Bytes free on the cache's disk; 0 when that cannot be told.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.inner.store.free_bytes().unwrap_or(0)
    }

    /// Answers a request; waits for the origin's first word if it has to be asked.
    pub async fn respond(&self, request: &PayloadRequest) -> Reply {
        let key = match PayloadKey::new(&request.repository, &request.path) {
            Ok(key) => key,
            Err(error) => return Reply::Status(400, error.to_string()),
        };
        let Some(urls) = self.inner.reach.upstreams().urls_of(&key) else {
            return Reply::Status(403, "repository is not one of the site's".into());
        };
        let expected = Sha256::from_slice(&request.sha256).filter(|_| key.kind().is_immutable());
        if !expected.is_some_and(|sha256| self.inner.is_doubtful(&key, sha256))
            && let Some(reply) = self.serve_held(&key, request, true).await
        {
            add(&self.inner.counters.hits, 1);
            return reply;
        }
        let (fill, role) = self.join(&key, urls, expected);
        self.inner.line.hurry(&fill.urgency);
        match role {
            Role::Leader => add(&self.inner.counters.misses, 1),
            Role::Follower => add(&self.inner.counters.hits, 1),
        }
        self.serve_fill(&key, request, fill).await
    }

    /// Repository and path of an absolute URL; `None` when no repository of the site has it.
    pub(crate) fn locate(&self, url: &str) -> Option<(String, String)> {
        let upstreams = self.inner.reach.upstreams();
        let (repository, path) = upstreams.locate(url)?;
        Some((repository, path.to_owned()))
    }

    /// What a URL asks for, if that is at hand and may be served as it is; counts as a hit.
    pub(crate) fn find_hot(&self, url: &str) -> Option<Arc<Hot>> {
        let inner = &self.inner;
        let (hot, is_first) = inner.hot.find(url, inner.now(), inner.fresh_seconds)?;
        if is_first {
            inner.index().find(hot.entry.key.id());
        }
        add(&inner.counters.hits, 1);
        Some(hot)
    }

    /// Which set of repositories is served: to be asked before a payload is, whose [`Self::keep_hot`] comes after.
    pub(crate) fn epoch(&self) -> u64 {
        self.inner.hot.epoch()
    }

    /// Keeps a held payload at hand for whoever asks by the same URL.
    pub(crate) fn keep_hot(&self, url: &str, entry: &Entry, file: &Arc<File>, epoch: u64) {
        let inner = &self.inner;
        let stamp = inner.store.verified_stamp(entry.sha256, file);
        inner.hot.keep(url, entry, file, stamp, epoch, inner.now());
    }

    /// What it counts.
    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// The time.
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    /// From held bytes, if they may be served as they are; `must_be_fresh` is false once the origin has been asked.
    async fn serve_held(
        &self,
        key: &PayloadKey,
        request: &PayloadRequest,
        must_be_fresh: bool,
    ) -> Option<Reply> {
        let id = key.id();
        if must_be_fresh && !key.kind().is_immutable() {
            self.inner.be_kept(id).await;
        }
        loop {
            let entry = self.inner.index().find(id)?;
            if must_be_fresh && !self.may_serve(&entry).await {
                return None;
            }
            let now_ms = self.inner.clock.now().timestamp_millis();
            match self.inner.store.open_verified(&entry, now_ms).await {
                Ok(file) => return Some(reply_from(request, entry, file, must_be_fresh)),
                // Another version may have come meanwhile, and the file of this one gone: then that one is looked at.
                Err(error) if self.inner.drop_entry(&entry) => {
                    tracing::warn!(payload = key.path(), %error, "held payload is damaged; fetching it anew");
                    lock(&self.inner.flights).abandon(id);
                    return None;
                }
                Err(_) => {}
            }
        }
    }

    /// Whether a held payload may be served without asking its origin.
    async fn may_serve(&self, entry: &Entry) -> bool {
        let (key, inner) = (&entry.key, &self.inner);
        if let Some(is_paired) = inner.is_paired(entry).await {
            return is_paired;
        }
        if let Some((digest, _)) = inner.listed(key).await {
            return digest == entry.sha256;
        }
        let decision = decide(
            key.kind(),
            entry.checked_at,
            inner.now(),
            inner.fresh_seconds,
        );
        decision == Decision::Serve
    }

    fn join(
        &self,
        key: &PayloadKey,
        urls: Vec<String>,
        expected: Option<Sha256>,
    ) -> (Arc<Fill>, Role) {
        let id = key.id();
        // A fill whose payload is held already has nothing new for somebody who found that too old or damaged.
        let held = self.inner.index().find(id).is_some();
        let mut flights = lock(&self.inner.flights);
        if held && flights.get(id).is_some_and(|fill| fill.is_complete()) {
            flights.abandon(id);
        }
        let (fill, role) = flights.join(id, Fill::new);
        if let Some(expected) = expected {
            fill.expect(expected);
        }
        drop(flights);
        if role == Role::Leader {
            let (inner, key, shared) = (self.inner.clone(), key.clone(), fill.clone());
            let mut fills = lock(&self.fills);
            while fills.try_join_next().is_some() {}
            fills.spawn(async move {
                let work = std::panic::AssertUnwindSafe(fill::run(&inner, &key, &urls, &shared));
                let unexpected = |_| End::Failed((500, "fetching ended unexpectedly".into()));
                let begun = Instant::now();
                let end = work.catch_unwind().await.unwrap_or_else(unexpected);
                if matches!(end, End::Grown) {
                    inner.counters.note_fill(begun.elapsed());
                }
                lock(&inner.flights).land(id, &shared);
                shared.settle(end);
            });
        }
        (fill, role)
    }

    async fn serve_fill(
        &self,
        key: &PayloadKey,
        request: &PayloadRequest,
        fill: Arc<Fill>,
    ) -> Reply {
        let head = match fill.head().await {
            Ok(Some(head)) => head,
            Ok(None) => {
                let held = self.serve_held(key, request, false).await;
                return held.unwrap_or_else(|| {
                    Reply::Status(502, "held payload was damaged; try again".into())
                });
            }
            Err((status, message)) => return Reply::Status(status, message),
        };
        if head
            .validators
            .matches(&request.if_none_match, &request.if_modified_since)
        {
            return Reply::Unchanged(head.validators);
        }
        let total = match head.total_bytes {
            Some(total) => Ok(total),
            // The origin did not say how long it is: the length is known at the end.
            None => fill.finished().await,
        };
        match total.map(|total| ByteRange::of(request.offset, request.length, total)) {
            Ok(Ok(range)) => Reply::Arriving { fill, head, range },
            Ok(Err(error)) => Reply::Status(416, error.to_string()),
            Err((status, message)) => Reply::Status(status, message),
        }
    }
}

fn reply_from(request: &PayloadRequest, entry: Entry, file: Arc<File>, from_cache: bool) -> Reply {
    if entry
        .validators
        .matches(&request.if_none_match, &request.if_modified_since)
    {
        return Reply::Unchanged(entry.validators);
    }
    match ByteRange::of(request.offset, request.length, entry.size_bytes) {
        Ok(range) => Reply::Held {
            entry,
            file,
            range,
            from_cache,
        },
        Err(error) => Reply::Status(416, error.to_string()),
    }
}

impl Inner {
    pub(crate) fn max_payload_bytes(&self) -> u64 {
        self.max_payload_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, CacheIndex> {
        lock(&self.index)
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    /// Forgets an entry and deletes what nothing names any more; not if another version has taken its place: then false.
    pub(crate) fn drop_entry(&self, entry: &Entry) -> bool {
        let id = entry.key.id();
        let orphan = {
            let mut index = self.index();
            let is_other = |held: &Entry| held.sha256 != entry.sha256;
            if index.look(id).is_some_and(is_other) {
                return false;
            }
            index.remove(id)
        };
        self.give_up(&[id], orphan.as_slice());
        true
    }

    /// Deletes what the index has given up.
    pub(crate) fn give_up(&self, entries: &[KeyId], bytes: &[netpatch_types::Sha256]) {
        for id in entries {
            self.hot.forget(*id);
        }
        self.store.forget(entries, bytes);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
