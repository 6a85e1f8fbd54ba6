//! Indices and the held table of contents that lists them: no host is to see a half-updated repository.

use super::Inner;
use super::store::StoreError;
use netpatch_relay_core::contents::{MAX_TABLE_BYTES, is_table, tables_of};
use netpatch_relay_core::{Contents, Entry, KeyId, PayloadKey, PayloadKind};
use netpatch_types::Sha256;
use std::collections::HashMap;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

/// Tables that are kept read. Each is read again when it is not among them.
const READ: usize = 64;

/// Tables as they were read, by name and digest.
#[derive(Default)]
pub(super) struct Tables(Mutex<HashMap<KeyId, (Sha256, Arc<Contents>)>>);

impl Inner {
    /// What the held table of contents says that an index is: the digest, and the table's name. `None` when none lists it.
    pub(super) async fn listed(&self, key: &PayloadKey) -> Option<(Sha256, KeyId)> {
        if key.kind() != PayloadKind::Metadata {
            return None;
        }
        for path in tables_of(key.path()) {
            let table = PayloadKey::new(key.repository(), &path).ok()?;
            self.be_kept(table.id()).await;
            let held = self.index().look(table.id()).cloned();
            if let Some(held) = held
                && let Some(digest) = self.contents(&held).await?.digest(key.path())
            {
                return Some((digest, table.id()));
            }
        }
        None
    }

    /// Whoever has the last byte of a new table may ask for its indices before the table is kept, or for the table again.
    pub(super) async fn be_kept(&self, metadata: KeyId) {
        let arrived = super::lock(&self.flights)
            .get(metadata)
            .filter(|fill| fill.is_complete())
            .cloned();
        if let Some(fill) = arrived {
            let _ = fill.ended().await;
        }
    }

    async fn contents(&self, table: &Entry) -> Option<Arc<Contents>> {
        let id = table.key.id();
        let known = super::lock(&self.tables.0).get(&id).cloned();
        if let Some((digest, contents)) = known
            && digest == table.sha256
        {
            return Some(contents);
        }
        let contents = Arc::new(self.read_contents(table).await.unwrap_or_default());
        let mut tables = super::lock(&self.tables.0);
        if tables.len() >= READ {
            tables.clear();
        }
        tables.insert(id, (table.sha256, contents.clone()));
        Some(contents)
    }

    async fn read_contents(&self, table: &Entry) -> Result<Contents, StoreError> {
        if table.size_bytes > MAX_TABLE_BYTES {
            return Ok(Contents::default());
        }
        let now_ms = self.clock.now().timestamp_millis();
        let file = self.store.open_verified(table, now_ms).await?;
        let mut bytes = vec![0; usize::try_from(table.size_bytes).unwrap_or(0)];
        if file.read_exact_at(&mut bytes, 0).is_err() {
            return Ok(Contents::default());
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(Contents::read(table.key.path(), &text))
    }

    /// Something new is held, in place of what was held `before`. Beside a new table nothing at hand may be served unjudged; an index that a table does not list as it
    /// is says that the table is of yesterday.
    pub(super) async fn note_kept(&self, key: &PayloadKey, sha256: Sha256, before: Option<Sha256>) {
        if is_table(key.path()) {
            if before.is_some_and(|before| before != sha256) {
                self.part(key);
            }
            self.hot.forget_all();
        } else if let Some((listed, table)) = self.listed(key).await
            && listed != sha256
        {
            self.index().doubt(table);
            self.hot.forget(table);
        }
    }
}
