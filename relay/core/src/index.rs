//! What the cache holds and what it gives up. Bytes are named by their SHA-256, so equal bytes count once.

use crate::freshness::Validators;
use crate::key::{KeyId, PayloadKey, PayloadKind};
use crate::package::family;
use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};

/// One payload that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub key: PayloadKey,
    /// Names the bytes; computed by the relay when it stored them.
    pub sha256: Sha256,
    /// How many.
    pub size_bytes: u64,
    /// What the origin said about this version.
    pub validators: Validators,
    /// `Content-Type`, empty for none.
    pub content_type: String,
    /// When the origin last confirmed it, Unix seconds.
    pub checked_at: i64,
}

/// Whether a payload is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Keep it, after giving up these entries. Bytes in the second list are named by no entry any more: delete them.
    Keep(Vec<KeyId>, Vec<Sha256>),
    /// Pass it through: it does not fit beside what must stay.
    PassThrough,
}

struct Held {
    entry: Entry,
    used: u64,
}

/// The cache's book: entries, their bytes, who was used when.
pub struct CacheIndex {
    budget_bytes: u64,
    used_bytes: u64,
    entries: HashMap<KeyId, Held>,
    /// How many entries name these bytes.
    names: HashMap<Sha256, u32>,
    /// Least wanted first: (kind's rank, time of last use, key).
    order: BTreeSet<(u8, u64, KeyId)>,
    pinned: HashSet<Sha256>,
    /// Versions of one package.
    families: HashMap<String, BTreeSet<KeyId>>,
    tick: u64,
}

fn rank(kind: PayloadKind) -> u8 {
    match kind {
        PayloadKind::Metadata | PayloadKind::NamedMetadata => 0,
        PayloadKind::Package => 1,
    }
}

impl CacheIndex {
    /// An empty book.
    #[must_use]
    pub fn new(budget_bytes: u64) -> Self {
        Self {
            budget_bytes,
            used_bytes: 0,
            entries: HashMap::new(),
            names: HashMap::new(),
            order: BTreeSet::new(),
            pinned: HashSet::new(),
            families: HashMap::new(),
            tick: 0,
        }
    }

    /// What is held of a payload; counts as a use.
    pub fn find(&mut self, key: KeyId) -> Option<Entry> {
        self.tick += 1;
        let held = self.entries.get_mut(&key)?;
        let rank = rank(held.entry.key.kind());
        self.order.remove(&(rank, held.used, key));
        held.used = self.tick;
        self.order.insert((rank, held.used, key));
        Some(held.entry.clone())
    }

    /// Decides whether a payload of this size is kept, and what goes for it.
    pub fn admit(&mut self, key: &PayloadKey, size_bytes: u64) -> Admission {
        if !self.would_keep(key, size_bytes) {
            return Admission::PassThrough;
        }
        let (gone, bytes) = self.make_room(size_bytes);
        Admission::Keep(gone, bytes)
    }

    /// Whether a payload of this size would be kept if it came now.
    #[must_use]
    pub fn would_keep(&self, key: &PayloadKey, size_bytes: u64) -> bool {
        self.used_bytes.saturating_add(size_bytes) <= self.budget_bytes
            || self.can_fit(key, size_bytes)
    }

    /// Whether these bytes are held under this name; counts as no use.
    #[must_use]
    pub fn holds(&self, key: KeyId, sha256: Sha256) -> bool {
        let held = self.entries.get(&key);
        held.is_some_and(|held| held.entry.sha256 == sha256)
    }

    /// Gives up what is wanted least until `size_bytes` more fit, or nothing more may go: entries, and bytes to delete.
    pub fn make_room(&mut self, size_bytes: u64) -> (Vec<KeyId>, Vec<Sha256>) {
        let (mut gone, mut bytes) = (Vec::new(), Vec::new());
        while self.used_bytes.saturating_add(size_bytes) > self.budget_bytes {
            let victim = self.order.iter().find(|(_, _, id)| !self.is_pinned(*id));
            let Some((_, _, id)) = victim.copied() else {
                break;
            };
            bytes.extend(self.remove(id));
            gone.push(id);
        }
        (gone, bytes)
    }

    /// Metadata never pushes a package out; pinned bytes are never pushed out.
    fn can_fit(&self, key: &PayloadKey, size_bytes: u64) -> bool {
        let stays = |held: &&Held| {
            self.pinned.contains(&held.entry.sha256)
                || rank(held.entry.key.kind()) > rank(key.kind())
        };
        let staying: HashMap<Sha256, u64> = self
            .entries
            .values()
            .filter(stays)
            .map(|held| (held.entry.sha256, held.entry.size_bytes))
            .collect();
        let staying: u64 = staying.values().sum();
        staying.saturating_add(size_bytes) <= self.budget_bytes
    }

    /// Enters a payload whose bytes are stored; bytes that nothing names any more come back, to be deleted.
    pub fn insert(&mut self, entry: Entry) -> Option<Sha256> {
        let id = entry.key.id();
        self.tick += 1;
        let names = self.names.entry(entry.sha256).or_insert(0);
        *names += 1;
        if *names == 1 {
            self.used_bytes = self.used_bytes.saturating_add(entry.size_bytes);
        }
        let orphan = self.remove(id);
        self.order.insert((rank(entry.key.kind()), self.tick, id));
        let used = self.tick;
        if let Some(family) = family(entry.key.path()) {
            self.families.entry(family).or_default().insert(id);
        }
        self.entries.insert(id, Held { entry, used });
        orphan
    }

    /// Forgets a payload; bytes that nothing names any more come back, to be deleted.
    pub fn remove(&mut self, key: KeyId) -> Option<Sha256> {
        let Held { entry, used } = self.entries.remove(&key)?;
        self.order.remove(&(rank(entry.key.kind()), used, key));
        self.leave_family(&entry);
        let names = self.names.get_mut(&entry.sha256)?;
        *names -= 1;
        if *names > 0 {
            return None;
        }
        self.names.remove(&entry.sha256);
        self.used_bytes = self.used_bytes.saturating_sub(entry.size_bytes);
        Some(entry.sha256)
    }

    fn leave_family(&mut self, entry: &Entry) {
        let Some(family) = family(entry.key.path()) else {
            return;
        };
        if let Some(members) = self.families.get_mut(&family) {
            members.remove(&entry.key.id());
            if members.is_empty() {
                self.families.remove(&family);
            }
        }
    }

    /// What is held beside a package of other versions of it, as far as their names tell; what was used last first. Counts as no use.
    #[must_use]
    pub fn versions_beside(&self, key: &PayloadKey, most: usize) -> Vec<Entry> {
        let members = family(key.path()).and_then(|family| self.families.get(&family));
        let others = members.into_iter().flatten().filter(|id| **id != key.id());
        let mut held: Vec<&Held> = others.filter_map(|id| self.entries.get(id)).collect();
        held.sort_by_key(|held| std::cmp::Reverse(held.used));
        held.truncate(most);
        held.into_iter().map(|held| held.entry.clone()).collect()
    }

    /// The origin has confirmed the held version.
    pub fn confirmed(&mut self, key: KeyId, at: i64) -> Option<Entry> {
        let held = self.entries.get_mut(&key)?;
        held.entry.checked_at = at;
        Some(held.entry.clone())
    }

    /// What the origin had when it was asked last is known to be outdated: it is to be asked again.
    pub fn doubt(&mut self, key: KeyId) {
        if let Some(held) = self.entries.get_mut(&key) {
            held.entry.checked_at = 0;
        }
    }

    /// What is held of a payload; counts as no use.
    #[must_use]
    pub fn look(&self, key: KeyId) -> Option<&Entry> {
        Some(&self.entries.get(&key)?.entry)
    }

    /// Bytes that approved deployments still need: never given up. Replaces the earlier set.
    pub fn pin(&mut self, needed: HashSet<Sha256>) {
        self.pinned = needed;
    }

    /// Bytes held.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Bytes that may be held.
    #[must_use]
    pub fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// How many payloads are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn is_pinned(&self, key: KeyId) -> bool {
        let held = self.entries.get(&key);
        held.is_some_and(|held| self.pinned.contains(&held.entry.sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(path: &str, bytes: u8, size_bytes: u64) -> Entry {
        Entry {
            key: PayloadKey::new("http://deb.example/debian", path).expect("valid"),
            sha256: Sha256([bytes; 32]),
            size_bytes,
            validators: Validators::default(),
            content_type: String::new(),
            checked_at: 0,
        }
    }

    fn store(index: &mut CacheIndex, new: Entry) -> Admission {
        let admission = index.admit(&new.key, new.size_bytes);
        if matches!(admission, Admission::Keep(..)) {
            index.insert(new);
        }
        admission
    }

    fn id(path: &str) -> KeyId {
        entry(path, 0, 0).key.id()
    }

    #[test]
    fn metadata_goes_first_then_the_least_recently_used_package() {
        let mut index = CacheIndex::new(100);
        store(&mut index, entry("pool/a.deb", 1, 40));
        store(&mut index, entry("pool/b.deb", 2, 30));
        store(&mut index, entry("dists/x/InRelease", 3, 30));
        index.find(id("pool/a.deb"));
        let kept = store(&mut index, entry("pool/c.deb", 4, 30));
        let expected = Admission::Keep(vec![id("dists/x/InRelease")], vec![Sha256([3; 32])]);
        assert_eq!(kept, expected);
        let kept = store(&mut index, entry("pool/d.deb", 5, 10));
        let expected = Admission::Keep(vec![id("pool/b.deb")], vec![Sha256([2; 32])]);
        assert_eq!(kept, expected);
        assert!(index.find(id("pool/a.deb")).is_some());
    }

    #[test]
    fn metadata_never_pushes_a_package_out_nor_anything_a_pinned_one() {
        let mut index = CacheIndex::new(100);
        store(&mut index, entry("pool/a.deb", 1, 80));
        let big = entry("dists/x/Packages", 2, 30);
        assert_eq!(store(&mut index, big), Admission::PassThrough);
        index.pin([Sha256([1; 32])].into());
        let other = entry("pool/b.deb", 3, 30);
        assert_eq!(store(&mut index, other), Admission::PassThrough);
        index.pin(HashSet::new());
        assert!(matches!(
            store(&mut index, entry("pool/b.deb", 3, 30)),
            Admission::Keep(..)
        ));
    }

    #[test]
    fn equal_bytes_count_once_and_stay_until_the_last_name_goes() {
        let mut index = CacheIndex::new(100);
        index.insert(entry("dists/x/Packages", 7, 50));
        index.insert(entry("dists/x/by-hash/SHA256/07", 7, 50));
        assert_eq!(index.used_bytes(), 50);
        assert_eq!(index.remove(id("dists/x/Packages")), None);
        let last = index.remove(id("dists/x/by-hash/SHA256/07"));
        assert_eq!((last, index.used_bytes()), (Some(Sha256([7; 32])), 0));
    }

    #[test]
    fn versions_of_a_package_are_found_while_they_are_held() {
        let mut index = CacheIndex::new(1000);
        for (n, path) in [
            "pool/a_1_all.deb",
            "pool/a_2_all.deb",
            "pool/b_1_all.deb",
            "upd/a_3_all.deb",
        ]
        .into_iter()
        .enumerate()
        {
            index.insert(entry(path, u8::try_from(n).expect("small"), 1));
        }
        let beside = |index: &CacheIndex, most| -> Vec<String> {
            let key = entry("upd/a_3_all.deb", 0, 0).key;
            let found = index.versions_beside(&key, most).into_iter();
            found.map(|one| one.key.path().to_owned()).collect()
        };
        assert_eq!(beside(&index, 4), ["pool/a_2_all.deb", "pool/a_1_all.deb"]);
        index.find(id("pool/a_1_all.deb"));
        assert_eq!(beside(&index, 1), ["pool/a_1_all.deb"]);
        // Stored anew it is still one, and gone it is none.
        index.insert(entry("pool/a_1_all.deb", 9, 1));
        assert_eq!(beside(&index, 4).len(), 2);
        index.remove(id("pool/a_1_all.deb"));
        index.remove(id("pool/a_2_all.deb"));
        assert_eq!(beside(&index, 4), [""; 0]);
        index.remove(id("upd/a_3_all.deb"));
        index.remove(id("pool/b_1_all.deb"));
        assert!(index.families.is_empty());
    }

    #[test]
    fn a_new_version_frees_the_bytes_of_the_old_and_the_same_frees_none() {
        let mut index = CacheIndex::new(100);
        index.insert(entry("dists/x/InRelease", 1, 10));
        assert_eq!(index.insert(entry("dists/x/InRelease", 1, 10)), None);
        let old = index.insert(entry("dists/x/InRelease", 2, 20));
        assert_eq!((old, index.used_bytes()), (Some(Sha256([1; 32])), 20));
    }

    proptest! {
        #[test]
        fn the_budget_holds(steps in prop::collection::vec((0u8..20, any::<bool>(), 0u64..60), 1..200)) {
            let mut index = CacheIndex::new(100);
            for (n, package, size) in steps {
                let path = if package { format!("pool/{n}.deb") } else { format!("dists/{n}") };
                // Equal digests have equal sizes: the digest stands for both.
                let digest = u8::try_from(size).expect("small");
                store(&mut index, entry(&path, digest, size));
                prop_assert!(index.used_bytes() <= 100);
            }
        }
    }
}
