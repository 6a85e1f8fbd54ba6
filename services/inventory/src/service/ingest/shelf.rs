//! Manifests in memory, as the base of changes and for evaluation. A manifest never changes under its name, so an entry is right
//! for ever; a lost one is read again.

use crate::domain::manifest::encode;
use crate::service::Inventory;
use crate::service::dictionary::Known;
use crate::store;
use netpatch_storage::{StorageError, StorageResult, TenantTx, Tx};
use netpatch_types::{ComponentKey, ServiceResult, Sha256, TenantId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Components of the manifests of one generation; two generations are kept.
const WEIGHT: usize = 8_000_000;

/// The components of a manifest in the order of the protocol.
pub(crate) type Components = Arc<[Arc<Known>]>;

/// A manifest that was verified.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// Its components.
    pub(crate) components: Components,
    /// As they are stored.
    pub(crate) stored: Vec<u8>,
}

impl Content {
    /// Of components in the order of the protocol.
    pub(crate) fn of(components: Components) -> Self {
        let numbers: Vec<u32> = components.iter().map(|known| known.number).collect();
        let stored = encode(&numbers);
        Self { components, stored }
    }
}

type Key = (TenantId, Sha256);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Components>,
    old: HashMap<Key, Components>,
    weight: usize,
}

/// What was used last. When the young are too many they become the old, and the old go.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Generations>);

impl Shelf {
    /// A manifest, if it is here.
    pub(crate) fn get(&self, tenant: TenantId, hash: Sha256) -> Option<Components> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant, hash);
        if let Some(found) = held.young.get(&key) {
            return Some(Arc::clone(found));
        }
        let found = held.old.remove(&key)?;
        put(&mut held, key, Arc::clone(&found));
        Some(found)
    }

    /// Keeps a manifest that the database holds.
    pub(crate) fn put(&self, tenant: TenantId, hash: Sha256, components: Components) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        put(&mut held, (tenant, hash), components);
    }
}

fn put(held: &mut Generations, key: Key, components: Components) {
    let weight = components.len() + 8;
    if held.young.insert(key, components).is_none() {
        held.weight += weight;
    }
    if held.weight > WEIGHT {
        held.old = std::mem::take(&mut held.young);
        held.weight = 0;
    }
}

impl Inventory {
    /// What components are known as; unknown ones, which have been verified, are added to the catalog.
    pub(in crate::service) async fn known(
        &self,
        keys: &[ComponentKey],
    ) -> ServiceResult<Vec<Arc<Known>>> {
        let mut found = self.dictionary.by_key(keys);
        let missing: Vec<ComponentKey> = keys
            .iter()
            .zip(&found)
            .filter(|(_, known)| known.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        if !missing.is_empty() {
            let added = self.add(missing).await?;
            let gaps = found.iter_mut().filter(|known| known.is_none());
            for (gap, known) in gaps.zip(added) {
                *gap = Some(known);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// What component numbers stand for; an error when one stands for nothing.
    pub(in crate::service) async fn named<S>(
        &self,
        tx: &Tx<S>,
        numbers: &[u32],
    ) -> StorageResult<Vec<Arc<Known>>> {
        let mut found = self.dictionary.by_number(numbers);
        let missing: Vec<u32> = numbers
            .iter()
            .zip(&found)
            .filter(|(_, known)| known.is_none())
            .map(|(number, _)| *number)
            .collect();
        if !missing.is_empty() {
            let learnt = self
                .dictionary
                .learn(store::component::by_number(tx, &missing).await?);
            let learnt: HashMap<u32, Arc<Known>> = learnt
                .into_iter()
                .map(|known| (known.number, known))
                .collect();
            for (known, number) in found.iter_mut().zip(numbers) {
                if known.is_none() {
                    *known = learnt.get(number).cloned();
                }
            }
        }
        let absent = found.iter().position(Option::is_none);
        if let Some(number) = absent.and_then(|at| numbers.get(at)) {
            return Err(StorageError::Encoding {
                what: "a manifest",
                reason: format!("no component has the number {number}"),
            });
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Those of these manifests that the organization holds.
    pub(in crate::service) async fn manifests(
        &self,
        tx: &TenantTx,
        tenant: TenantId,
        hashes: impl IntoIterator<Item = Sha256>,
    ) -> StorageResult<HashMap<Sha256, Components>> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for hash in hashes {
            match self.ingest.shelf.get(tenant, hash) {
                Some(components) => {
                    found.insert(hash, components);
                }
                None => missing.push(hash),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(found);
        }
        for (hash, numbers) in store::manifest::some(tx, tenant, &missing).await? {
            let mut components = self.named(tx, &numbers).await?;
            components.sort_by(|one, other| crate::domain::manifest::by_name(&one.key, &other.key));
            let components: Components = components.into();
            self.ingest.shelf.put(tenant, hash, Arc::clone(&components));
            found.insert(hash, components);
        }
        Ok(found)
    }
}
