//! Payloads on disk: bytes named by their SHA-256, entries named by the payload, both whole or absent.
//!
//! ```text
//! cache/bytes/<2>/<sha256>      the bytes; written under tmp/, synced, renamed
//! cache/entries/<key id>.json   which payload has which bytes; written after the bytes
//! cache/tmp/                    fills under way; emptied at start
//! ```
//!
//! Invariant: bytes are handed out only when their digest was checked since the file last changed. So nothing here has to be on the disk
//! for what is served to be right: large payloads are synced because fetching them again costs the line much, small ones are not, because
//! waiting for the disk costs more than they are worth. What a power cut takes of them is found at the next start, or when it is asked for.

use crate::files::{sync_folder, write_atomically, write_soon};
use netpatch_relay_core::{Entry, KeyId};
use netpatch_types::Sha256;
use sha2::Digest as _;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The cache's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The bytes are not what was stored.
    #[error("{path} is damaged")]
    Damaged {
        /// Which.
        path: String,
    },
    /// The HTTP client for upstreams cannot be made.
    #[error("cannot make the http client: {0}")]
    Client(String),
}

/// The folder of the cache.
pub struct Store {
    root: PathBuf,
    verified: Mutex<HashMap<Sha256, Stamp>>,
    next: AtomicU64,
    /// Why the folder took no payload the last time; empty when it did.
    problem: Mutex<String>,
}

/// What changes whenever a file's bytes change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Payloads of so many bytes are synced when they are kept.
const SYNCED_BYTES: u64 = 1 << 20;
/// How often bytes that change while they are read are read again.
const ATTEMPTS: usize = 3;
/// A file that was left alone for so long shows every change in its times, on a file system that counts parts of a second and on
/// one that counts in steps of up to two.
const SETTLED_MS: i64 = 100;
const SETTLED_COARSELY_MS: i64 = 2_100;

/// A fill's file. Deleted when dropped unless it was kept.
pub struct Unfinished {
    /// Empty when the bytes are in memory only, because the folder takes none.
    path: PathBuf,
    /// For the fill.
    pub file: File,
    /// For the readers.
    pub reader: Arc<File>,
    kept: bool,
}

impl Store {
    /// Opens the folder, making it if need be; removes fills that an earlier run left.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self::beside(root);
        let tmp = root.join("tmp");
        if tmp.exists() {
            fs::remove_dir_all(&tmp).map_err(|error| failed(&tmp, error))?;
        }
        for folder in [tmp, root.join("entries"), root.join("bytes")] {
            fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        }
        Ok(store)
    }

    /// The folder of a relay that may be running: nothing is made or removed.
    pub(crate) fn beside(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            verified: Mutex::default(),
            next: AtomicU64::new(0),
            problem: Mutex::default(),
        }
    }

    /// What is there, least recently stored first: whatever is incomplete or named by nothing is deleted. Digests are
    /// checked when the bytes are first asked for.
    pub fn scan(&self) -> Result<Vec<Entry>, StoreError> {
        let folder = self.root.join("entries");
        let mut found: Vec<(SystemTime, Entry)> = Vec::new();
        for file in list(&folder)? {
            match self.read_entry(&file) {
                Some(entry) => found.push(entry),
                None => remove(&file),
            }
        }
        let named: HashSet<Sha256> = found.iter().map(|(_, entry)| entry.sha256).collect();
        for shard in list(&self.root.join("bytes"))? {
            for file in list(&shard)? {
                let name = file.file_name().and_then(|name| name.to_str());
                let digest = name.and_then(|name| name.parse::<Sha256>().ok());
                if !digest.is_some_and(|digest| named.contains(&digest)) {
                    remove(&file);
                }
            }
        }
        found.sort_by_key(|(stored, _)| *stored);
        Ok(found.into_iter().map(|(_, entry)| entry).collect())
    }

    /// An entry whose file name, bytes and size agree.
    fn read_entry(&self, file: &Path) -> Option<(SystemTime, Entry)> {
        let entry: Entry = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        let stored = fs::metadata(file).ok()?.modified().ok()?;
        let bytes = fs::metadata(self.bytes_path(entry.sha256)).ok()?;
        let complete = bytes.is_file()
            && bytes.len() == entry.size_bytes
            && file == self.entry_path(entry.key.id());
        complete.then_some((stored, entry))
    }

    /// Opens an entry's bytes after checking their digest, unless that was done and the file has not changed since.
    /// File systems count time in steps: a file that changed just now could change again without showing it, so it is
    /// checked each time until it has been left alone for a while. `now_ms` in Unix milliseconds.
    pub async fn open_verified(&self, entry: &Entry, now_ms: i64) -> Result<Arc<File>, StoreError> {
        let path = self.bytes_path(entry.sha256);
        let damaged = || StoreError::Damaged {
            path: path.display().to_string(),
        };
        // Another payload with the same bytes may take the file's place while it is read: then the new one is looked at.
        for _ in 0..ATTEMPTS {
            let file = Arc::new(File::open(&path).map_err(|error| failed(&path, error))?);
            let stamp = Stamp::of(&file).map_err(|error| failed(&path, error))?;
            let known = crate::cache::lock(&self.verified)
                .get(&entry.sha256)
                .copied();
            if known == Some(stamp) {
                return Ok(file);
            }
            let reader = file.clone();
            let hashed = tokio::task::spawn_blocking(move || hash(&reader)).await;
            let hashed = hashed.map_err(|error| failed(&path, io::Error::other(error)))?;
            let after = Stamp::of(&file).map_err(|error| failed(&path, error))?;
            match hashed {
                Ok(digest) if digest != entry.sha256 => return Err(damaged()),
                Ok(_) if after == stamp => {
                    if stamp.is_settled(now_ms) {
                        crate::cache::lock(&self.verified).insert(entry.sha256, stamp);
                    }
                    return Ok(file);
                }
                Ok(_) => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        Err(damaged())
    }

    /// The stamp that a file had when its digest was last checked, if it still has it.
    pub(crate) fn verified_stamp(&self, digest: Sha256, file: &File) -> Option<Stamp> {
        let known = crate::cache::lock(&self.verified).get(&digest).copied()?;
        (Stamp::of(file).ok()? == known).then_some(known)
    }

    /// A new file for a fill.
    pub fn begin(&self) -> Result<Unfinished, StoreError> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("tmp").join(n.to_string());
        let make = || OpenOptions::new().write(true).create_new(true).open(&path);
        let made = match make() {
            // Somebody deleted the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(self.root.join("tmp")).and_then(|()| make())
            }
            made => made,
        };
        let file = made.map_err(|error| failed(&path, error))?;
        let reader = Arc::new(File::open(&path).map_err(|error| failed(&path, error))?);
        Ok(Unfinished {
            path,
            file,
            reader,
            kept: false,
        })
    }

    /// Keeps a finished fill: its bytes first, then the entry. Blocks on the disk.
    pub fn keep(&self, unfinished: &mut Unfinished, entry: &Entry) -> Result<(), StoreError> {
        let path = self.bytes_path(entry.sha256);
        let put = || -> io::Result<()> {
            let is_synced = entry.size_bytes >= SYNCED_BYTES;
            if is_synced {
                unfinished.file.sync_all()?;
            }
            let folder = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder)?;
            fs::rename(&unfinished.path, &path)?;
            if is_synced {
                sync_folder(folder)?;
                sync_folder(&self.root.join("bytes"))?;
            }
            Ok(())
        };
        put().map_err(|error| failed(&path, error))?;
        unfinished.kept = true;
        self.write_entry(entry)
    }

    /// Notes why the folder takes no payload, or with an empty text that it did.
    pub(crate) fn note_problem(&self, problem: &str) {
        let mut held = crate::cache::lock(&self.problem);
        if *held == problem {
            return;
        }
        if !problem.is_empty() {
            tracing::error!(%problem, "the cache's folder takes no payload; serving without it");
        }
        problem.clone_into(&mut held);
    }

    /// Why the folder took no payload the last time; empty when it did.
    pub(crate) fn problem(&self) -> String {
        crate::cache::lock(&self.problem).clone()
    }

    /// Writes which payload has which bytes.
    pub fn write_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        let path = self.entry_path(entry.key.id());
        let folder = self.root.join("entries");
        fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        let text =
            serde_json::to_vec(entry).map_err(|error| failed(&path, io::Error::other(error)))?;
        let write = match entry.size_bytes >= SYNCED_BYTES {
            true => write_atomically,
            false => write_soon,
        };
        write(&path, &text, 0o600).map_err(|error| failed(&path, error))
    }

    /// Deletes entries, then bytes.
    pub fn forget(&self, entries: &[KeyId], bytes: &[Sha256]) {
        for id in entries {
            remove(&self.entry_path(*id));
        }
        for digest in bytes {
            self.delete_bytes(*digest);
        }
    }

    /// Deletes bytes that nothing names.
    pub fn delete_bytes(&self, digest: Sha256) {
        crate::cache::lock(&self.verified).remove(&digest);
        remove(&self.bytes_path(digest));
    }

    /// Bytes free on the cache's disk.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.root)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }

    /// Every entry's file, with what it says; `None` for what is no entry.
    pub(crate) fn survey(&self) -> Result<Vec<(PathBuf, Option<Entry>)>, StoreError> {
        let read = |path: PathBuf| {
            let entry = fs::read(&path)
                .ok()
                .and_then(|text| serde_json::from_slice::<Entry>(&text).ok())
                .filter(|entry| path == self.entry_path(entry.key.id()));
            (path, entry)
        };
        let files = list(&self.root.join("entries"))?.into_iter();
        Ok(files
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .map(read)
            .collect())
    }

    /// Whether an entry's bytes are what was stored. Reads them all.
    pub(crate) fn is_whole(&self, digest: Sha256) -> bool {
        File::open(self.bytes_path(digest))
            .and_then(|file| hash(&file))
            .is_ok_and(|found| found == digest)
    }

    fn bytes_path(&self, digest: Sha256) -> PathBuf {
        let name = digest.to_string();
        self.root.join("bytes").join(&name[..2]).join(name)
    }

    fn entry_path(&self, id: KeyId) -> PathBuf {
        self.root.join("entries").join(format!("{id}.json"))
    }
}

impl Unfinished {
    /// A fill whose bytes are in memory only: it cannot be kept.
    pub(crate) fn in_memory() -> io::Result<Self> {
        let made = rustix::fs::memfd_create("payload", rustix::fs::MemfdFlags::CLOEXEC)?;
        let file = File::from(made);
        let reader = Arc::new(file.try_clone()?);
        Ok(Self {
            path: PathBuf::new(),
            file,
            reader,
            kept: false,
        })
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.path.as_os_str().is_empty()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept && !self.is_in_memory() {
            remove(&self.path);
        }
    }
}

impl Stamp {
    fn is_settled(&self, now_ms: i64) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let changed_ms = seconds
            .saturating_mul(1_000)
            .saturating_add(nanoseconds / 1_000_000);
        let wait = if nanoseconds == 0 {
            SETTLED_COARSELY_MS
        } else {
            SETTLED_MS
        };
        now_ms.saturating_sub(changed_ms) > wait
    }

    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self {
            inode: meta.ino(),
            size_bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

fn hash(mut file: &File) -> io::Result<Sha256> {
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0u8; 256 * 1024];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(Sha256(hasher.finalize().into()));
        }
        hasher.update(&chunk[..count]);
    }
}

pub(crate) fn hash_bytes(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let path = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.path());
    let paths: io::Result<Vec<PathBuf>> = entries.map(path).collect();
    paths.map_err(|error| failed(folder, error))
}

pub(crate) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot delete");
    }
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::File {
        path: path.display().to_string(),
        source,
    }
}
