//! Looking after the cache's folder: what is there, whether it still is what was stored, and making it smaller.
//!
//! This works beside a running relay too, because files are only read or deleted: a relay that misses one that it had fetches the
//! payload anew, and never serves bytes that it did not check. Its own count of bytes held follows when it notices.

use super::store::{Store, StoreError, remove};
use netpatch_relay_core::{Entry, PayloadKind};
use netpatch_types::Sha256;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// What is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// Packages.
    pub packages: usize,
    /// Metadata, named by its hash or not.
    pub metadata: usize,
    /// Bytes of all payloads; equal bytes count once.
    pub bytes: u64,
    /// When the payload that was confirmed longest ago was, Unix seconds; 0 when there is none.
    pub oldest_checked_at: i64,
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Payloads whose bytes are what was stored.
    pub whole: usize,
    /// Bytes that were read for that.
    pub bytes: u64,
    /// Payloads that were not, by URL or file name: they are gone now, and are fetched anew when they are asked for.
    pub evicted: Vec<String>,
}

/// Which payloads go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Those confirmed longest ago, metadata first, until all have at most so many bytes.
    ToBytes(u64),
    /// Those not confirmed since, Unix seconds.
    CheckedBefore(i64),
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// Payloads.
    pub payloads: usize,
    /// Bytes of them that nothing else names.
    pub bytes: u64,
}

/// Counts what is there.
pub fn stock(folder: &Path) -> Result<Stock, StoreError> {
    let entries = entries(&Store::beside(folder))?;
    let mut stock = Stock::default();
    let mut sizes: HashMap<Sha256, u64> = HashMap::new();
    for entry in &entries {
        match entry.key.kind() {
            PayloadKind::Package => stock.packages += 1,
            PayloadKind::Metadata | PayloadKind::NamedMetadata => stock.metadata += 1,
        }
        sizes.insert(entry.sha256, entry.size_bytes);
    }
    stock.bytes = sizes.values().sum();
    stock.oldest_checked_at = entries.iter().map(|e| e.checked_at).min().unwrap_or(0);
    Ok(stock)
}

/// Reads every byte, and evicts what is not what was stored.
pub fn audit(folder: &Path) -> Result<Audit, StoreError> {
    let store = Store::beside(folder);
    let mut audit = Audit::default();
    let mut known: HashMap<Sha256, bool> = HashMap::new();
    for (file, entry) in store.survey()? {
        let Some(entry) = entry else {
            let name = file.file_name().unwrap_or_default();
            audit.evicted.push(name.to_string_lossy().into_owned());
            remove(&file);
            continue;
        };
        let is_whole = *known.entry(entry.sha256).or_insert_with(|| {
            audit.bytes += entry.size_bytes;
            store.is_whole(entry.sha256)
        });
        if is_whole {
            audit.whole += 1;
        } else {
            let key = &entry.key;
            audit
                .evicted
                .push(format!("{}/{}", key.repository(), key.path()));
            store.forget(&[key.id()], &[entry.sha256]);
        }
    }
    Ok(audit)
}

/// Makes it smaller.
pub fn prune(folder: &Path, what: Prune) -> Result<Pruned, StoreError> {
    let store = Store::beside(folder);
    let mut entries = entries(&store)?;
    let is_package = |entry: &Entry| entry.key.kind() == PayloadKind::Package;
    entries.sort_by_key(|entry| (is_package(entry), entry.checked_at, entry.key.id()));
    let mut names: HashMap<Sha256, usize> = HashMap::new();
    let mut held = 0;
    for entry in &entries {
        let names = names.entry(entry.sha256).or_default();
        held += if *names == 0 { entry.size_bytes } else { 0 };
        *names += 1;
    }
    let mut pruned = Pruned::default();
    for entry in &entries {
        let goes = match what {
            Prune::ToBytes(most) => held > most,
            Prune::CheckedBefore(at) => entry.checked_at < at,
        };
        if !goes {
            continue;
        }
        let left = names.entry(entry.sha256).or_default();
        *left = left.saturating_sub(1);
        let bytes = (*left == 0).then_some(entry.sha256);
        store.forget(&[entry.key.id()], bytes.as_slice());
        pruned.payloads += 1;
        if bytes.is_some() {
            held -= entry.size_bytes;
            pruned.bytes += entry.size_bytes;
        }
    }
    Ok(pruned)
}

fn entries(store: &Store) -> Result<Vec<Entry>, StoreError> {
    let found = store.survey()?;
    Ok(found.into_iter().filter_map(|(_, entry)| entry).collect())
}
