//! Detached signatures and the tables of contents that they are for: `Release.gpg` beside `Release`.
//!
//! A signature that was there while the table did not change belongs to that table, however old it is; beside another version of the
//! table it is worth nothing. Which is so is told by asking for the table once more when a signature has come. A signature that was held
//! when its table became another, or that is older than the table by what the origin says, is not for it. Nothing of this is kept on
//! disk: a relay that starts asks again.

use super::Inner;
use super::lock;
use super::origin::{Answer, Ask};
use netpatch_relay_core::contents::{signature_of, signed_by};
use netpatch_relay_core::{Entry, KeyId, PayloadKey};
use netpatch_types::Sha256;
use std::collections::HashMap;
use std::sync::Mutex;

/// Signatures whose tables are known. With more, all are learned anew.
const MAX_PAIRS: usize = 1_000;

/// Of each signature: its digest, and that of the table it is for, all zeros for one that is not here any more.
#[derive(Default)]
pub(super) struct Pairs(Mutex<HashMap<KeyId, (Sha256, Sha256)>>);

impl Pairs {
    fn get(&self, signature: KeyId) -> Option<(Sha256, Sha256)> {
        lock(&self.0).get(&signature).copied()
    }

    fn set(&self, signature: KeyId, digest: Sha256, table: Sha256) {
        let mut pairs = lock(&self.0);
        if pairs.len() >= MAX_PAIRS {
            pairs.clear();
        }
        pairs.insert(signature, (digest, table));
    }
}

impl Inner {
    /// Whether a held signature is for the held version of its table; `None` for what is no signature, or has no table here.
    pub(super) async fn is_paired(&self, signature: &Entry) -> Option<bool> {
        let table = table_of(&signature.key)?;
        self.be_kept(table.id()).await;
        let table = self.index().look(table.id())?.sha256;
        let known = self.pairs.get(signature.key.id());
        Some(known == Some((signature.sha256, table)))
    }

    /// A signature has come, or was confirmed: learns which version of its table it is for.
    pub(super) async fn pair(&self, signature: &PayloadKey) {
        let Some(table) = table_of(signature) else {
            return;
        };
        self.be_kept(table.id()).await;
        let look = |key: &PayloadKey| self.index().look(key.id()).cloned();
        let (Some(signature), Some(before)) = (look(signature), look(&table)) else {
            return;
        };
        let id = signature.key.id();
        let known = self.pairs.get(id);
        if known.is_some_and(|(digest, _)| digest == signature.sha256)
            || is_older(&signature, &before)
        {
            // For this version of the table, if it is not that one, there is none yet.
            return;
        }
        let urls = self.reach.upstreams().urls_of(&table).unwrap_or_default();
        for url in self.origin.in_order(&urls) {
            match self
                .origin
                .ask(&url, &Ask::IfChanged(&before.validators))
                .await
            {
                Answer::Unchanged => {
                    if look(&table).is_some_and(|now| now.sha256 == before.sha256) {
                        self.pairs.set(id, signature.sha256, before.sha256);
                    }
                    return;
                }
                // The next host has to get the new one.
                Answer::Whole(..) => {
                    self.index().doubt(table.id());
                    self.hot.forget(table.id());
                    return;
                }
                Answer::Absent | Answer::Rest(..) | Answer::Failed(_) => {}
            }
        }
    }
}

impl Inner {
    /// A table has become another: the signature that is held is not for it.
    pub(super) fn part(&self, table: &PayloadKey) {
        let signature = signature_of(table.path())
            .and_then(|path| PayloadKey::new(table.repository(), &path).ok());
        let Some(id) = signature.map(|key| key.id()) else {
            return;
        };
        let held = self.index().look(id).map(|held| held.sha256);
        if let Some(digest) = held
            && self.pairs.get(id).is_none_or(|(known, _)| known != digest)
        {
            self.pairs.set(id, digest, Sha256::default());
        }
    }
}

/// A table is signed after it was written.
fn is_older(signature: &Entry, table: &Entry) -> bool {
    let at = |entry: &Entry| {
        let text = &entry.validators.last_modified;
        chrono::DateTime::parse_from_rfc2822(text).ok()
    };
    matches!((at(signature), at(table)), (Some(signature), Some(table)) if signature < table)
}

fn table_of(signature: &PayloadKey) -> Option<PayloadKey> {
    let path = signed_by(signature.path())?;
    PayloadKey::new(signature.repository(), path).ok()
}
