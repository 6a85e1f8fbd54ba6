//! What is kept, and what goes when there is no more room.
//!
//! ```text
//! payloads/file/<hash>                              the bytes
//! payloads/from/<half of the hash>/<of hash and address>   nothing: that the platform itself found these bytes at this address
//! ```
//!
//! Invariants: what an approved deployment that is not over names stays until that is over, as long as somebody can say what that is; of the
//! rest the oldest goes first; nothing goes unless that makes enough room; with its bytes goes where they were found, so that what stays
//! can still be had by its address.

use super::name;
use async_trait::async_trait;
use netpatch_inventory_api::StoredPayloadGet;
use netpatch_storage::Blobs;
use netpatch_storage::blobs::{BlobError, BlobResult, Stored as Blob, content_key};
use netpatch_types::{ServiceResult, Sha256};
use std::collections::{HashMap, HashSet};

const FOLDER: &str = "payloads/";
const FILES: &str = "payloads/file";
const PLACES: &str = "payloads/from";
/// Payloads that are asked about at once.
const ASKED_AT_ONCE: usize = 1_000;
/// When there is no more room, a twentieth of all is made, so that it is not looked for at each payload.
const SLACK: u64 = 20;
/// A place without its bytes is one of a payload that is being stored, or left by one that was not: after so long it goes.
const UNFINISHED_SECONDS: i64 = 3_600;
/// After so many payloads the store is looked through again: other processes put something there too.
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

/// Who knows what is still to be installed.
#[async_trait]
pub(crate) trait Needs: Send + Sync {
    /// Which of these an approved deployment that is not over names.
    async fn of(&self, payloads: Vec<Sha256>) -> ServiceResult<Vec<Sha256>>;
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
    pub(super) async fn has(&self, payload: &StoredPayloadGet) -> BlobResult<bool> {
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
    async fn put(&self, payload: &StoredPayloadGet, bytes: bytes::Bytes) -> BlobResult<()> {
        self.blobs.put_durable(&place(payload), Vec::new()).await?;
        self.blobs.put_named(FILES, bytes).await.map(drop)
    }

    /// Makes room for so many bytes; how many are kept then, or `None` when there is none to be made.
    async fn make_room(&self, wanted: u64, needs: &dyn Needs) -> BlobResult<Option<u64>> {
        let mut held = Held::of(self.blobs.stored(FOLDER).await?);
        let (used, most) = (held.used_bytes(), self.settings.store_bytes);
        for key in held.unfinished() {
            self.blobs.delete(&key).await?;
        }
        if used.saturating_add(wanted) <= most {
            return Ok(Some(used));
        }
        let enough = used
            .saturating_add(wanted)
            .saturating_sub(most - most / SLACK);
        let must = used.saturating_add(wanted) - most;
        let (mut going, mut freed) = (Vec::new(), 0);
        for some in held.files.chunks(ASKED_AT_ONCE) {
            let asked = some.iter().map(|(sha256, _)| *sha256).collect();
            let needed = match needs.of(asked).await {
                Ok(needed) => HashSet::<Sha256>::from_iter(needed),
                Err(error) => {
                    tracing::warn!(%error, "nobody can say which payloads deployments need: none is given up");
                    return Ok(None);
                }
            };
            let free = some.iter().filter(|(sha256, _)| !needed.contains(sha256));
            for (sha256, blob) in free {
                if freed >= enough {
                    break;
                }
                freed += blob.size_bytes;
                going.push((*sha256, blob.key.clone()));
            }
            if freed >= enough {
                break;
            }
        }
        if freed < must {
            return Ok(None);
        }
        for (sha256, key) in going {
            self.blobs.delete(&key).await?;
            for place in held.places.remove(&half(sha256)).unwrap_or_default() {
                self.blobs.delete(&place.key).await?;
            }
        }
        Ok(Some(used - freed))
    }
}

/// What lies in the store.
struct Held {
    /// Oldest first.
    files: Vec<(Sha256, Blob)>,
    /// By half of the hash.
    places: HashMap<String, Vec<Blob>>,
}

impl Held {
    fn of(stored: Vec<Blob>) -> Self {
        let (mut files, mut places) = (Vec::new(), HashMap::<String, Vec<Blob>>::new());
        for blob in stored {
            let name = blob.key.rsplit('/').next().unwrap_or_default();
            if let Some(rest) = blob.key.strip_prefix(PLACES) {
                let half = rest.trim_start_matches('/').split('/').next();
                let half = half.unwrap_or_default().to_owned();
                places.entry(half).or_default().push(blob);
            } else if let Ok(sha256) = name.parse() {
                files.push((sha256, blob));
            }
        }
        Self { files, places }
    }

    fn used_bytes(&self) -> u64 {
        self.files.iter().map(|(_, blob)| blob.size_bytes).sum()
    }

    /// Places whose bytes are not there and will not come. The newest of all tells what time it is in the store.
    fn unfinished(&self) -> Vec<String> {
        let whole: HashSet<String> = self.files.iter().map(|(sha256, _)| half(*sha256)).collect();
        let files = self.files.iter().map(|(_, blob)| blob.written_at);
        let places = self.places.values().flatten().map(|blob| blob.written_at);
        let now = files.chain(places).max().unwrap_or(0);
        let lone = self
            .places
            .iter()
            .filter(|(half, _)| !whole.contains(*half));
        let old = |blob: &&Blob| now.saturating_sub(blob.written_at) > UNFINISHED_SECONDS;
        let old = lone.flat_map(|(_, places)| places.iter().filter(old));
        old.map(|blob| blob.key.clone()).collect()
    }
}

/// The store, and how full it is.
pub(crate) struct Room {
    pub(crate) store: PayloadStore,
    /// Bytes that are kept, as far as known, and after how many payloads that is looked up again.
    used: tokio::sync::Mutex<(u64, u32)>,
}

impl Room {
    pub(super) fn new(store: PayloadStore) -> Self {
        Self {
            store,
            used: tokio::sync::Mutex::default(),
        }
    }

    /// Keeps what was found, and where, if there is room for it or some can be made.
    pub(crate) async fn keep(
        &self,
        payload: &StoredPayloadGet,
        bytes: bytes::Bytes,
        needs: &dyn Needs,
    ) -> BlobResult<bool> {
        let wanted = bytes.len() as u64;
        if wanted > self.store.settings.store_bytes {
            return Ok(false);
        }
        let mut used = self.used.lock().await;
        if used.1 == 0 || used.0.saturating_add(wanted) > self.store.settings.store_bytes {
            let Some(kept) = self.store.make_room(wanted, needs).await? else {
                return Ok(false);
            };
            *used = (kept, LOOK_EVERY);
        }
        used.0 = used.0.saturating_add(wanted);
        used.1 -= 1;
        drop(used);
        self.store.put(payload, bytes).await?;
        Ok(true)
    }
}

pub(super) fn file(sha256: Sha256) -> String {
    content_key(FILES, &sha256)
}

fn place(payload: &StoredPayloadGet) -> String {
    format!("{PLACES}/{}/{}", half(payload.sha256), name(payload))
}

/// Enough of a hash to find what belongs to it; a key has no room for two.
fn half(sha256: Sha256) -> String {
    let mut digits = sha256.to_string();
    digits.truncate(32);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::ServiceError;
    use std::sync::Mutex;

    /// What deployments need; `None`: nobody can say.
    struct Told(Mutex<Option<Vec<Sha256>>>);

    impl Told {
        fn of(payloads: &[&StoredPayloadGet]) -> Self {
            let hashes = payloads.iter().map(|payload| payload.sha256).collect();
            Self(Mutex::new(Some(hashes)))
        }
    }

    #[async_trait]
    impl Needs for Told {
        async fn of(&self, payloads: Vec<Sha256>) -> ServiceResult<Vec<Sha256>> {
            let told = self.0.lock().expect("told").clone();
            let told = told.ok_or_else(|| ServiceError::unavailable("the scheduler"))?;
            Ok(payloads
                .into_iter()
                .filter(|one| told.contains(one))
                .collect())
        }
    }

    async fn room(folder: &std::path::Path, store_bytes: u64) -> Room {
        let address = format!("file:{}", folder.display());
        Room::new(PayloadStore {
            blobs: Blobs::connect(&address).await.expect("blobs"),
            settings: PayloadSettings {
                store_bytes,
                ..PayloadSettings::default()
            },
        })
    }

    fn of(n: u8) -> (StoredPayloadGet, bytes::Bytes) {
        let bytes = vec![n; 100];
        let payload = StoredPayloadGet {
            url: format!("http://deb.example/{n}"),
            sha256: Sha256::of(&bytes),
        };
        (payload, bytes.into())
    }

    async fn keep(room: &Room, n: u8, needs: &Told) -> bool {
        let (payload, bytes) = of(n);
        let kept = room.keep(&payload, bytes, needs).await.expect("told");
        // The store tells times by the second.
        let second = std::time::Duration::from_millis(1_100);
        tokio::time::sleep(second).await;
        kept
    }

    async fn held(room: &Room, count: u8) -> Vec<bool> {
        let mut held = Vec::new();
        for n in 0..count {
            held.push(room.store.has(&of(n).0).await.expect("told"));
        }
        held
    }

    #[tokio::test]
    async fn bytes_are_had_only_by_the_address_where_they_were_found() {
        let folder = tempfile::tempdir().expect("folder");
        let (room, nobody) = (room(folder.path(), 1_000).await, Told::of(&[]));
        let payload = |url: &str| StoredPayloadGet {
            url: url.into(),
            sha256: Sha256::of(b"a"),
        };
        let own = payload("http://deb.example/secret/a");
        let kept = room.keep(&own, "a".into(), &nobody).await;
        assert!(kept.expect("kept"));
        let has = async |url: &str| room.store.has(&payload(url)).await.expect("told");
        assert!(has("http://deb.example/secret/a").await);
        assert!(has("https://deb.example/secret/a").await, "the same place");
        assert!(!has("http://deb.example/a").await, "only guessed");
        // Differences may start from it, wherever it was found.
        let bytes = room.store.bytes(own.sha256).await.expect("read");
        assert_eq!(bytes.as_deref(), Some(&b"a"[..]));
        // Damaged at rest it is none.
        let key = file(own.sha256);
        room.store.blobs.put(&key, "b").await.expect("damage");
        assert_eq!(room.store.bytes(own.sha256).await.expect("read"), None);
        assert!(!has("http://deb.example/secret/a").await);
    }

    #[tokio::test]
    async fn the_oldest_that_no_deployment_needs_goes_when_there_is_no_more_room() {
        let folder = tempfile::tempdir().expect("folder");
        let room = room(folder.path(), 250).await;
        let needs = Told::of(&[&of(0).0]);
        for n in 0..4 {
            assert!(keep(&room, n, &needs).await, "{n}");
        }
        assert_eq!(held(&room, 4).await, [true, false, false, true]);
        // When its deployment is over it goes as any other.
        *needs.0.lock().expect("told") = Some(Vec::new());
        assert!(keep(&room, 4, &needs).await);
        assert_eq!(held(&room, 5).await, [false, false, false, true, true]);
        let left = room.store.blobs.list("payloads/").await.expect("listed");
        assert_eq!(
            left.len(),
            4,
            "two payloads and where they were found: {left:?}"
        );
    }

    #[tokio::test]
    async fn nothing_goes_when_only_what_is_needed_is_there_or_nobody_can_say() {
        let folder = tempfile::tempdir().expect("folder");
        let room = room(folder.path(), 250).await;
        let needs = Told::of(&[&of(0).0, &of(1).0, &of(2).0]);
        assert!(keep(&room, 0, &needs).await && keep(&room, 1, &needs).await);
        assert!(!keep(&room, 2, &needs).await, "no room, needed or not");
        assert!(!keep(&room, 3, &needs).await);
        assert_eq!(held(&room, 4).await, [true, true, false, false]);
        *needs.0.lock().expect("told") = None;
        assert!(!keep(&room, 2, &needs).await, "the scheduler is not there");
        assert_eq!(held(&room, 4).await, [true, true, false, false]);
        *needs.0.lock().expect("told") = Some(Vec::new());
        assert!(keep(&room, 2, &needs).await);
        assert_eq!(held(&room, 3).await, [false, true, true]);
        // What is larger than all that is kept makes nothing go.
        let (large, _) = of(9);
        let kept = room.keep(&large, vec![9; 300].into(), &needs).await;
        assert!(!kept.expect("told"));
        assert_eq!(held(&room, 3).await, [false, true, true]);
    }

    #[test]
    fn a_place_without_its_bytes_goes_after_a_while() {
        let blob = |key: &str, written_at: i64| Blob {
            key: key.into(),
            size_bytes: 1,
            written_at,
        };
        let (whole, lone) = (of(1).0, of(2).0);
        let held = Held::of(vec![
            blob(&place(&whole), 10),
            blob(&place(&lone), 20),
            blob("payloads/from/ab/abcd", 30),
            blob(&place(&of(3).0), 3_631),
            blob(&file(whole.sha256), 3_631),
            blob("payloads/file/ab/no-hash", 1),
        ]);
        assert_eq!(held.used_bytes(), 1);
        let mut gone = held.unfinished();
        gone.sort();
        let mut expected = [place(&lone), "payloads/from/ab/abcd".to_owned()];
        expected.sort();
        assert_eq!(gone, expected);
    }
}
