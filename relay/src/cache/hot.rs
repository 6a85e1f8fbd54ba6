//! Payloads that are asked for again and again, by the URL that asks for them: what a request needs to be answered without a lock on
//! the index, a look into the disk's folders or a wait.
//!
//! Small ones are in memory, hashed as they were read. Large ones are open files whose digest was checked; each hit compares the
//! file's stamp, so a change on disk is seen. What the index gives up or replaces is forgotten here, and so is everything when the
//! site's repositories change. It holds nothing that the index does not: it can be emptied at any time.

use super::store::{Stamp, hash_bytes};
use bytes::Bytes;
use netpatch_relay_core::freshness::decide;
use netpatch_relay_core::{Decision, Entry, KeyId};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Largest payload in memory.
pub(crate) const MEMORY_PAYLOAD_BYTES: u64 = 128 * 1024;
/// All payloads in memory.
const MEMORY_BYTES: u64 = 64 << 20;
/// Files kept open.
const FILES: usize = 128;
/// URLs, of all payloads and of one.
const NAMES: usize = 8_192;
const NAMES_OF_ONE: usize = 4;

/// A payload that is answered at once.
pub struct Hot {
    /// What it is.
    pub entry: Entry,
    /// Its bytes.
    pub body: HotBody,
    /// Which set of repositories it was served under.
    epoch: u64,
    /// When it was last asked for, Unix seconds.
    used_at: AtomicI64,
}

/// Where the bytes are.
pub enum HotBody {
    /// In memory.
    Memory(Bytes),
    /// In a file whose digest was checked when it had this stamp.
    File(Arc<File>, Stamp),
}

/// What is hot.
#[derive(Default)]
pub(crate) struct HotTable {
    table: RwLock<Table>,
    epoch: AtomicU64,
}

#[derive(Default)]
struct Table {
    by_url: HashMap<Box<str>, Arc<Hot>>,
    urls: HashMap<KeyId, Vec<Box<str>>>,
    memory_bytes: u64,
    files: usize,
}

impl HotTable {
    /// The present set of repositories; a payload is hot only under the set that it was served under.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The site's repositories are others now.
    pub(crate) fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        *self.write() = Table::default();
    }

    /// What a URL asks for, if it may be served as it is; and whether this is its first use in this second, so that the index
    /// hears of a use from time to time.
    pub(crate) fn find(&self, url: &str, now: i64, fresh_seconds: i64) -> Option<(Arc<Hot>, bool)> {
        let hot = self
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_url
            .get(url)?
            .clone();
        let entry = &hot.entry;
        let kind = entry.key.kind();
        let is_good = hot.epoch == self.epoch()
            && decide(kind, entry.checked_at, now, fresh_seconds) == Decision::Serve
            && hot.is_unchanged();
        if !is_good {
            self.write().remove(entry.key.id());
            return None;
        }
        let is_first = hot.used_at.swap(now, Ordering::Relaxed) != now;
        Some((hot, is_first))
    }

    /// Keeps a held payload at hand. `stamp` is the file's when its digest was checked, `None` when that may have changed since.
    pub(crate) fn keep(
        &self,
        url: &str,
        entry: &Entry,
        file: &Arc<File>,
        stamp: Option<Stamp>,
        epoch: u64,
        now: i64,
    ) {
        let body = if entry.size_bytes <= MEMORY_PAYLOAD_BYTES {
            read_checked(entry, file).map(HotBody::Memory)
        } else {
            stamp.map(|stamp| HotBody::File(file.clone(), stamp))
        };
        let Some(body) = body else {
            return;
        };
        let hot = Arc::new(Hot {
            entry: entry.clone(),
            body,
            epoch,
            used_at: AtomicI64::new(now),
        });
        let mut table = self.write();
        table.make_room(&hot);
        table.insert(url, hot);
    }

    /// The index has given a payload up, or has another version of it.
    pub(crate) fn forget(&self, key: KeyId) {
        self.write().remove(key);
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hot {
    fn is_unchanged(&self) -> bool {
        match &self.body {
            HotBody::Memory(_) => true,
            HotBody::File(file, stamp) => Stamp::of(file).is_ok_and(|now| now == *stamp),
        }
    }

    fn memory_bytes(&self) -> u64 {
        match &self.body {
            HotBody::Memory(bytes) => bytes.len() as u64,
            HotBody::File(..) => 0,
        }
    }
}

impl Table {
    fn insert(&mut self, url: &str, hot: Arc<Hot>) {
        let key = hot.entry.key.id();
        // Names of another version go, and so do all when they are many: they come back when they are asked for.
        let urls = self.urls.get(&key).map(Vec::as_slice).unwrap_or_default();
        let is_alike = |name: &str| {
            name != url
                && self
                    .by_url
                    .get(name)
                    .is_some_and(|held| held.entry == hot.entry)
        };
        if urls.len() >= NAMES_OF_ONE || !urls.iter().all(|name| is_alike(name)) {
            self.remove(key);
        }
        self.memory_bytes += hot.memory_bytes();
        self.files += usize::from(matches!(hot.body, HotBody::File(..)));
        self.urls.entry(key).or_default().push(url.into());
        self.by_url.insert(url.into(), hot);
    }

    fn remove(&mut self, key: KeyId) {
        for url in self.urls.remove(&key).unwrap_or_default() {
            if let Some(hot) = self.by_url.remove(&url) {
                self.memory_bytes -= hot.memory_bytes();
                self.files -= usize::from(matches!(hot.body, HotBody::File(..)));
            }
        }
    }

    /// Gives up the half that was used longest ago, once one of the limits would be passed.
    fn make_room(&mut self, new: &Hot) {
        let fits = self.memory_bytes + new.memory_bytes() <= MEMORY_BYTES
            && self.files < FILES
            && self.by_url.len() < NAMES;
        if fits {
            return;
        }
        let mut all: Vec<(i64, KeyId)> = self
            .by_url
            .values()
            .map(|hot| (hot.used_at.load(Ordering::Relaxed), hot.entry.key.id()))
            .collect();
        all.sort_unstable();
        all.truncate(all.len().div_ceil(2));
        for (_, key) in all {
            self.remove(key);
        }
    }
}

/// The bytes of a small payload, if they are what they were stored as.
fn read_checked(entry: &Entry, file: &File) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(entry.size_bytes).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    (hash_bytes(&bytes) == entry.sha256).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_relay_core::{PayloadKey, Validators};
    use std::io::Write as _;

    fn payload(path: &str, bytes: &[u8]) -> (Entry, Arc<File>, tempfile::NamedTempFile) {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(bytes).expect("written");
        let entry = Entry {
            key: PayloadKey::new("http://deb.example/debian", path).expect("key"),
            sha256: hash_bytes(bytes),
            size_bytes: bytes.len() as u64,
            validators: Validators::default(),
            content_type: String::new(),
            checked_at: 100,
        };
        let opened = Arc::new(File::open(file.path()).expect("opened"));
        (entry, opened, file)
    }

    fn keep(
        table: &HotTable,
        url: &str,
        (entry, file, _): &(Entry, Arc<File>, tempfile::NamedTempFile),
    ) {
        let stamp = Stamp::of(file).ok();
        table.keep(url, entry, file, stamp, table.epoch(), 100);
    }

    #[test]
    fn what_grew_stale_changed_or_lost_its_repository_is_not_hot() {
        let table = HotTable::default();
        let list = payload("dists/x/InRelease", b"list");
        keep(&table, "list", &list);
        assert!(table.find("list", 105, 10).is_some());
        assert!(table.find("list", 110, 10).is_none(), "stale");
        assert!(table.find("list", 105, 10).is_none(), "and gone");

        let big = payload("pool/a.deb", &vec![7; 200_000]);
        keep(&table, "big", &big);
        assert!(table.find("big", 105, 10).is_some());
        std::fs::write(big.2.path(), vec![8; 200_000]).expect("changed");
        assert!(table.find("big", 105, 10).is_none(), "changed");

        let small = payload("pool/b.deb", b"small");
        keep(&table, "small", &small);
        table.forget(small.0.key.id());
        assert!(table.find("small", 105, 10).is_none(), "given up");
        keep(&table, "small", &small);
        table.forget_all();
        assert!(table.find("small", 105, 10).is_none(), "another set");
        table.keep("small", &small.0, &small.1, None, table.epoch() - 1, 100);
        assert!(
            table.find("small", 105, 10).is_none(),
            "served under the set before"
        );
    }

    #[test]
    fn one_payload_has_several_names_and_only_one_version() {
        let table = HotTable::default();
        let old = payload("dists/x/InRelease", b"old");
        for url in ["a", "b", "b", "a"] {
            keep(&table, url, &old);
        }
        assert!(table.find("a", 100, 10).is_some() && table.find("b", 100, 10).is_some());
        assert_eq!(table.write().memory_bytes, 6);
        let new = payload("dists/x/InRelease", b"newer");
        keep(&table, "b", &new);
        assert!(table.find("a", 100, 10).is_none());
        assert_eq!(table.find("b", 100, 10).expect("hot").0.entry, new.0);
        assert_eq!(table.write().memory_bytes, 5);
    }

    #[test]
    fn bytes_that_are_not_what_was_stored_never_become_hot() {
        let table = HotTable::default();
        let mut wrong = payload("pool/a.deb", b"wrong");
        wrong.0.sha256 = hash_bytes(b"right");
        keep(&table, "a", &wrong);
        assert!(table.find("a", 100, 10).is_none());
        let unsure = payload("pool/b.deb", &vec![1; 200_000]);
        table.keep("b", &unsure.0, &unsure.1, None, table.epoch(), 100);
        assert!(table.find("b", 100, 10).is_none());
    }

    #[test]
    fn the_limits_hold_and_what_is_used_stays() {
        let table = HotTable::default();
        let files: Vec<_> = (0..FILES + 10)
            .map(|n| payload(&format!("pool/{n}.deb"), &vec![1; 130 * 1024]))
            .collect();
        for (n, (entry, file, _)) in files.iter().enumerate() {
            let now = 200 + i64::try_from(n).expect("small");
            let stamp = Stamp::of(file).ok();
            table.keep(&n.to_string(), entry, file, stamp, table.epoch(), now);
            table.find("0", now, 10);
        }
        let open = table.write().files;
        assert!(open <= FILES && open > 10, "{open}");
        assert!(table.find("0", 999, 10).is_some());
        assert!(table.find("1", 999, 10).is_none());
    }
}
