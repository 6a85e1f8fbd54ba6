//! Makes the differences that relays asked for, one after the other: both versions from the blob store or from their own addresses,
//! believed only by their hashes. Keeps what is stored within its bound.

use super::stored::{Unstored, client, fetched};
use crate::fetch::{Client, FetchError};
use crate::service::Inventory;
use crate::service::delta::{DeltaStore, FOLDER, Job, blob};
use crate::service::stored::{Needs, Stored};
use bytes::Bytes;
use netpatch_delta::{DeltaError, Limits, make};
use netpatch_inventory_api::{DeltaBase, StoredPayloadGet};
use netpatch_storage::blobs::BlobError;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Threads of the encoder.
const THREADS: u32 = 2;
/// New versions that were fetched, by their hash, where payloads are not kept anyway: the next one's base is often gone from where it
/// came.
const FILES: &str = "deltas/file";

/// Why there is no difference.
#[derive(Debug, thiserror::Error)]
enum Unmade {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Version(#[from] Unstored),
    #[error(transparent)]
    Delta(#[from] DeltaError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("making ended unexpectedly")]
    Ended,
}

impl Inventory {
    /// Makes differences until `stop`.
    pub(crate) async fn keep_making_deltas(&self, needs: &dyn Needs, stop: CancellationToken) {
        let Some(deltas) = &self.deltas else {
            return stop.cancelled().await;
        };
        loop {
            let work = async {
                let job = deltas.next().await;
                let begun = Instant::now();
                let stored = self.stored.as_ref().map(|stored| (stored, needs));
                let made = make_one(&deltas.store, stored, &job).await;
                let (base, target) = (job.base.sha256, job.target.sha256);
                match &made {
                    Ok(bytes) => {
                        metrics::counter!("netpatch_deltas_total", "outcome" => "made")
                            .increment(1);
                        tracing::info!(%base, %target, bytes, took = ?begun.elapsed(), "difference made");
                    }
                    Err(error) => {
                        metrics::counter!("netpatch_deltas_total", "outcome" => "failed")
                            .increment(1);
                        tracing::info!(%base, %target, %error, "no difference");
                    }
                }
                deltas.done(&job, made.is_err(), self.now());
                if made.is_ok()
                    && let Err(error) = keep_within(&deltas.store).await
                {
                    tracing::warn!(%error, "old differences cannot be removed");
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = work => {}
            }
        }
    }
}

/// Makes and stores a recipe; its length.
async fn make_one(
    store: &DeltaStore,
    stored: Option<(&Stored, &dyn Needs)>,
    job: &Job,
) -> Result<usize, Unmade> {
    let client = client(&store.settings.private_hosts)?;
    let new = version(store, stored, &client, &job.target).await?;
    let old = version(store, stored, &client, &job.base).await?;
    let limits = Limits {
        plain_bytes: store.settings.max_plain_bytes,
        threads: THREADS,
    };
    let kept = new.clone();
    let recipe = aside(move || make(&old, &new, &limits))
        .await
        .ok_or(Unmade::Ended)??;
    let length = recipe.len();
    if stored.is_none() {
        store.blobs.put_named(FILES, kept).await?;
    }
    store.blobs.put_durable(&blob(job.name()), recipe).await?;
    Ok(length)
}

/// On a thread of its own, which nobody waits for when the process ends: a large package takes a minute.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, told) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("delta".into());
    let begun = thread.spawn(move || {
        let _ = done.send(work());
    });
    begun.ok()?;
    told.await.ok()
}

/// The bytes of a version, if they have its hash. Where payloads are kept, it is one of them from then on, if there is room.
async fn version(
    store: &DeltaStore,
    stored: Option<(&Stored, &dyn Needs)>,
    client: &Client,
    version: &DeltaBase,
) -> Result<Bytes, Unmade> {
    let held = match stored {
        Some((stored, _)) => stored.room.store.bytes(version.sha256).await?,
        None => held(store, version).await?,
    };
    if let Some(held) = held {
        return Ok(held);
    }
    let payload = StoredPayloadGet {
        url: version.url.clone(),
        sha256: version.sha256,
    };
    let bytes = fetched(client, &payload, store.settings.max_package_bytes).await?;
    if let Some((stored, needs)) = stored {
        stored.room.keep(&payload, bytes.clone(), needs).await?;
    }
    Ok(bytes)
}

async fn held(store: &DeltaStore, version: &DeltaBase) -> Result<Option<Bytes>, BlobError> {
    match store.blobs.get_named(FILES, &version.sha256).await {
        Err(BlobError::Damaged(key)) => {
            tracing::warn!(key, "a kept version is damaged, fetching it again");
            store.blobs.delete(&key).await?;
            Ok(None)
        }
        other => other,
    }
}

/// Removes what is oldest until the rest fits.
async fn keep_within(store: &DeltaStore) -> Result<(), BlobError> {
    let stored = store.blobs.stored(FOLDER).await?;
    let mut used: u64 = stored.iter().map(|blob| blob.size_bytes).sum();
    for blob in stored {
        if used <= store.settings.store_bytes {
            break;
        }
        store.blobs.delete(&blob.key).await?;
        used = used.saturating_sub(blob.size_bytes);
    }
    Ok(())
}
