//! An organization's Merkle tree in the blob store: tiles and entry bundles (<https://c2sp.org/tlog-tiles>) and the
//! last checkpoint.
//!
//! Invariants: what a checkpoint was signed over is durable before it is signed. The signer refuses a tree that is
//! smaller than the last checkpoint, or that is not its continuation, whatever the database says.

use bytes::Bytes;
use netpatch_proof::checkpoint::{CheckpointError, ledger_origin};
use netpatch_proof::merkle::{
    Hash, RecordingStore, TILE_HEIGHT, TILE_WIDTH, TileId, TileSet, TreeError, append,
    nodes_needed, root, tile_of,
};
use netpatch_proof::{Checkpoint, PublicKey, Signer};
use netpatch_storage::{BlobError, Blobs};
use netpatch_types::{ServiceError, TenantId};

/// The last checkpoint, beside the tiles.
const CHECKPOINT: &str = "checkpoint";

/// Why a log does not grow or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A tile is not there or damaged.
    #[error("the tile {0} is missing or damaged")]
    Tile(String),
    /// A hash is missing in the tiles.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The last checkpoint is not ours or not readable.
    #[error("the last checkpoint does not open: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The log was signed before, but its last checkpoint is gone.
    #[error("the log has {0} entries, but no checkpoint lies in the blob store")]
    CheckpointGone(u64),
    /// The tree is smaller than what was signed.
    #[error("refusing to sign {size} entries: {signed} were signed already")]
    Smaller {
        /// Entries now.
        size: u64,
        /// Entries that were signed.
        signed: u64,
    },
    /// The tree is not a continuation of what was signed.
    #[error("refusing to sign: the first {signed} entries are not those that were signed")]
    Different {
        /// Entries that were signed.
        signed: u64,
    },
}

impl From<LogError> for ServiceError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Blob(error) => error.into(),
            LogError::Tree(TreeError::OutOfRange { position, size }) => Self::invalid(
                "treeSize",
                format!("the log has {size} entries, {position} is outside of it"),
            ),
            other => {
                tracing::error!(error = %other, "the ledger is refused");
                metrics::counter!("ledger_refusals_total").increment(1);
                Self::internal()
            }
        }
    }
}

/// The blobs of one log.
#[derive(Clone, Debug)]
pub(crate) struct Log<'a> {
    blobs: &'a Blobs,
    tenant: TenantId,
}

/// A tree that has grown in memory and is not yet written.
#[derive(Debug)]
pub(crate) struct Growth {
    tiles: TileSet,
    grown: Vec<TileId>,
    from: u64,
    size: u64,
}

impl Growth {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf hash.
    pub(crate) fn push(&mut self, leaf: Hash) -> Result<(), LogError> {
        for (node, hash) in append(&self.tiles, self.size, leaf)? {
            if let Some(tile) = self.tiles.push(node, hash)
                && !self.grown.contains(&tile)
            {
                self.grown.push(tile);
            }
        }
        self.size += 1;
        Ok(())
    }

    pub(crate) fn root(&self) -> Result<Hash, LogError> {
        Ok(root(&self.tiles, self.size)?)
    }

    /// Blocks of 256 entries that have grown: first entry and count.
    pub(crate) fn bundles(&self) -> Vec<(u64, u64)> {
        let blocks = self.from / TILE_WIDTH..=self.size.saturating_sub(1) / TILE_WIDTH;
        blocks
            .map(|block| {
                (
                    block * TILE_WIDTH,
                    (self.size - block * TILE_WIDTH).min(TILE_WIDTH),
                )
            })
            .collect()
    }
}

impl<'a> Log<'a> {
    pub(crate) fn new(blobs: &'a Blobs, tenant: TenantId) -> Self {
        Self { blobs, tenant }
    }

    pub(crate) fn origin(&self) -> String {
        ledger_origin(self.tenant)
    }

    fn key(&self, name: &str) -> String {
        format!("ledger/{}/{name}", self.tenant)
    }

    async fn load(&self, into: &mut TileSet, id: TileId, size: u64) -> Result<(), LogError> {
        let width = id.width(size);
        let path = id.path(width);
        let bytes = self
            .blobs
            .get(&self.key(&path))
            .await?
            .ok_or_else(|| LogError::Tile(path.clone()))?;
        let whole = bytes.len() as u64 == width * 32;
        if whole && into.insert(id, &bytes) {
            Ok(())
        } else {
            Err(LogError::Tile(path))
        }
    }

    /// The right edge of the tree of `size` leaves, ready to grow.
    pub(crate) async fn edge(&self, size: u64) -> Result<Growth, LogError> {
        let mut tiles = TileSet::default();
        for id in edge_tiles(size) {
            self.load(&mut tiles, id, size).await?;
        }
        Ok(Growth {
            tiles,
            grown: Vec::new(),
            from: size,
            size,
        })
    }

    /// Computes something from the tiles of the tree of `size` leaves; only the tiles that it reads are fetched.
    pub(crate) async fn compute<T>(
        &self,
        size: u64,
        plan: impl FnOnce(&RecordingStore) -> Result<T, TreeError>,
        run: impl FnOnce(&TileSet) -> Result<T, TreeError>,
    ) -> Result<T, LogError> {
        let mut tiles = TileSet::default();
        for node in nodes_needed(plan)? {
            let id = tile_of(node);
            if !tiles.contains(id) {
                self.load(&mut tiles, id, size).await?;
            }
        }
        Ok(run(&tiles)?)
    }

    /// Writes the tiles that have grown.
    pub(crate) async fn write_tiles(&self, growth: &Growth) -> Result<(), LogError> {
        for id in &growth.grown {
            let path = id.path(id.width(growth.size));
            let bytes = growth
                .tiles
                .bytes(*id)
                .ok_or_else(|| LogError::Tile(path.clone()))?;
            self.blobs.put_durable(&self.key(&path), bytes).await?;
        }
        Ok(())
    }

    /// Writes an entry bundle: each leaf behind its length in two bytes.
    pub(crate) async fn write_bundle(
        &self,
        first: u64,
        leaves: &[Vec<u8>],
    ) -> Result<(), LogError> {
        let mut bytes = Vec::new();
        for leaf in leaves {
            let length = u16::try_from(leaf.len())
                .map_err(|_| LogError::Tile(format!("entry of {} bytes", leaf.len())))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(leaf);
        }
        let path = bundle_path(first / TILE_WIDTH, leaves.len() as u64);
        Ok(self
            .blobs
            .put_durable(&self.key(&path), Bytes::from(bytes))
            .await?)
    }

    /// Refuses a grown tree that does not continue what was signed last. Asked before anything is written, so that the
    /// tiles of a signed tree are never replaced by others.
    pub(crate) async fn check(&self, growth: &Growth, key: PublicKey) -> Result<(), LogError> {
        let Some(bytes) = self.blobs.get(&self.key(CHECKPOINT)).await? else {
            return if growth.from == 0 {
                Ok(())
            } else {
                Err(LogError::CheckpointGone(growth.from))
            };
        };
        let last = Checkpoint::open(&String::from_utf8_lossy(&bytes), &self.origin(), key)?;
        if last.size > growth.size {
            return Err(LogError::Smaller {
                size: growth.size,
                signed: last.size,
            });
        }
        if self.root_at(growth, last.size).await? != last.root {
            return Err(LogError::Different { signed: last.size });
        }
        Ok(())
    }

    /// Signs the grown, checked and written tree and keeps the checkpoint.
    pub(crate) async fn sign(
        &self,
        growth: &Growth,
        signer: &dyn Signer,
    ) -> Result<(Checkpoint, String), LogError> {
        let checkpoint = Checkpoint {
            origin: self.origin(),
            size: growth.size,
            root: growth.root()?,
        };
        let note = checkpoint.sign(signer)?;
        self.blobs
            .put_durable(&self.key(CHECKPOINT), note.clone())
            .await?;
        Ok((checkpoint, note))
    }

    /// The root that the grown tree had at an earlier size.
    async fn root_at(&self, growth: &Growth, size: u64) -> Result<Hash, LogError> {
        if size >= growth.from {
            return Ok(root(&growth.tiles, size)?);
        }
        self.compute(
            growth.from,
            |store| root(store, size),
            |store| root(store, size),
        )
        .await
    }

    /// Removes the partial tiles that a larger tree replaced. Nothing depends on it.
    pub(crate) async fn sweep(&self, old: u64, new: u64) {
        let mut paths: Vec<String> = edge_tiles(old)
            .filter(|id| id.width(old) < TILE_WIDTH && id.width(old) < id.width(new))
            .map(|id| id.path(id.width(old)))
            .collect();
        if !old.is_multiple_of(TILE_WIDTH) {
            paths.push(bundle_path(old / TILE_WIDTH, old % TILE_WIDTH));
        }
        for path in paths {
            if let Err(error) = self.blobs.delete(&self.key(&path)).await {
                tracing::debug!(%error, "removing a replaced tile failed");
            }
        }
    }
}

/// The partial tiles at the right edge, one a level.
fn edge_tiles(size: u64) -> impl Iterator<Item = TileId> {
    (0..u64::BITS as u8 / TILE_HEIGHT).filter_map(move |level| {
        let count = size >> (level * TILE_HEIGHT);
        let index = count / TILE_WIDTH;
        (!count.is_multiple_of(TILE_WIDTH)).then_some(TileId { level, index })
    })
}

fn bundle_path(index: u64, width: u64) -> String {
    TileId { level: 0, index }
        .path(width)
        .replacen("tile/0/", "tile/entries/", 1)
}
