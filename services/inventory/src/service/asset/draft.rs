//! Assets in the middle of a write, findable by key.

use crate::domain::asset::Keys;
use crate::store::asset::StoredAsset;
use netpatch_inventory_api::AssetOutcome;
use netpatch_types::{AssetId, HostId, ServiceError};
use std::collections::{BTreeSet, HashMap};

/// An asset in the middle of a write.
#[derive(Debug)]
pub(super) struct Draft {
    /// As it will be.
    pub(super) asset: StoredAsset,
    /// As it is stored.
    pub(super) before: Option<StoredAsset>,
    /// The line that says something of it.
    pub(super) line: Option<u64>,
    /// The host that a person named; `Some(None)`: none.
    pub(super) named: Option<Option<HostId>>,
    /// Everything that shares a key with it is at hand, so that its host can be decided.
    pub(super) is_near: bool,
    /// The fields that the record, or the host's firmware, changes.
    pub(super) fields: BTreeSet<&'static str>,
}

impl Draft {
    /// Of a stored asset that nothing was said of yet.
    pub(super) fn of(asset: StoredAsset) -> Self {
        Self {
            before: Some(asset.clone()),
            asset,
            line: None,
            named: None,
            is_near: false,
            fields: BTreeSet::new(),
        }
    }

    /// What the write does to it.
    pub(super) fn outcome(&self) -> AssetOutcome {
        match &self.before {
            None => AssetOutcome::Created,
            Some(before) if *before == self.asset => AssetOutcome::Unchanged,
            Some(_) => AssetOutcome::Changed,
        }
    }
}

/// Why a row cannot be written: the service's error and the line's.
pub(super) struct Refused {
    pub(super) line: u64,
    pub(super) field: &'static str,
    pub(super) error: Box<ServiceError>,
    pub(super) remedy: String,
}

impl Refused {
    pub(super) fn new(
        line: u64,
        field: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            line,
            field,
            error: Box::new(ServiceError::invalid(field, message)),
            remedy: remedy.into(),
        }
    }
}

/// The assets of a write, findable by key.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) all: Vec<Draft>,
    pub(super) by_id: HashMap<AssetId, usize>,
    by_key: HashMap<(usize, String), Vec<usize>>,
}

impl Drafts {
    /// Of stored assets; `near` are those of which everything that shares a key is among them.
    pub(super) fn of(assets: Vec<StoredAsset>, near: &BTreeSet<AssetId>) -> Self {
        let mut drafts = Self::default();
        for asset in assets {
            let is_near = near.contains(&asset.id);
            drafts.push(Draft {
                is_near,
                ..Draft::of(asset)
            });
        }
        drafts
    }

    pub(super) fn push(&mut self, draft: Draft) -> usize {
        let at = self.all.len();
        self.by_id.insert(draft.asset.id, at);
        self.all.push(draft);
        self.index(at);
        at
    }

    /// Keys that an asset had before stay in the index; whoever looks compares.
    pub(super) fn index(&mut self, at: usize) {
        let keys = self.all[at].asset.keys();
        for (rank, (_, key)) in keys.in_order().into_iter().enumerate() {
            if !key.is_empty() {
                let places = self.by_key.entry((rank, key.to_owned())).or_default();
                if !places.contains(&at) {
                    places.push(at);
                }
            }
        }
    }

    /// The one that a single record says something of.
    pub(super) fn said(&self) -> Option<&Draft> {
        self.all.iter().find(|draft| draft.line.is_some())
    }

    /// The assets that share a key with this, in their order.
    pub(super) fn sharing(&self, keys: &Keys) -> BTreeSet<usize> {
        keys.in_order()
            .into_iter()
            .enumerate()
            .filter(|(_, (_, key))| !key.is_empty())
            .filter_map(|(rank, (_, key))| self.by_key.get(&(rank, key.to_owned())))
            .flatten()
            .copied()
            .collect()
    }

    /// How many assets have this key.
    pub(super) fn having(&self, rank: usize, key: &str) -> usize {
        let places = self.by_key.get(&(rank, key.to_owned()));
        places.map_or(0, |places| {
            places
                .iter()
                .filter(|at| self.all[**at].asset.keys().in_order()[rank].1 == key)
                .count()
        })
    }
}
