//! Fetches the payloads that are to be kept, a few at a time, each believed only by its hash.

use crate::fetch::{Answer, Client, FetchError, Known, Reach, Wanted};
use crate::service::Inventory;
use crate::service::stored::Stored;
use bytes::Bytes;
use netpatch_inventory_api::StoredPayloadGet;
use netpatch_storage::blobs::BlobError;
use netpatch_types::Sha256;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long fetching one payload may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why a payload is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unstored {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0} has other bytes than were named")]
    Other(String),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl Inventory {
    /// Fetches what is to be kept until `stop`, two payloads at a time: a slow mirror does not hold up all others.
    pub(crate) async fn keep_storing_payloads(&self, stop: CancellationToken) {
        let Some(stored) = &self.stored else {
            return stop.cancelled().await;
        };
        let work = async || {
            loop {
                self.store_next(stored).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            ((), ()) = async { tokio::join!(work(), work()) } => {}
        }
    }

    async fn store_next(&self, stored: &Stored) {
        let wish = stored.next().await;
        let (sha256, url) = (wish.payload.sha256, &wish.payload.url);
        let kept = store_one(stored, &wish.payload).await;
        match &kept {
            Ok(bytes) => {
                metrics::counter!("netpatch_payloads_stored_total", "outcome" => "kept")
                    .increment(1);
                tracing::debug!(%sha256, bytes, "payload kept");
            }
            Err(error) => {
                metrics::counter!("netpatch_payloads_stored_total", "outcome" => "failed")
                    .increment(1);
                tracing::info!(%sha256, url, %error, "payload not kept");
            }
        }
        stored.done(&wish, kept.is_err(), self.now());
    }
}

/// Fetches and keeps a payload, unless it is kept already; its length.
async fn store_one(stored: &Stored, payload: &StoredPayloadGet) -> Result<usize, Unstored> {
    if stored.has(payload).await? {
        return Ok(0);
    }
    let settings = &stored.store.settings;
    let client = client(&settings.private_hosts)?;
    let bytes = fetched(&client, payload, settings.max_bytes).await?;
    let length = bytes.len();
    stored.store.put(payload, bytes).await?;
    stored.grew(length as u64).await?;
    Ok(length)
}

/// A client that goes to public addresses, and inside the network only to these.
pub(crate) fn client(private_hosts: &[String]) -> Result<Client, FetchError> {
    let own: Vec<String> = private_hosts
        .iter()
        .map(|host| host.to_ascii_lowercase())
        .collect();
    Client::new(Reach::Payloads(own.into()))
}

/// The bytes of a payload from its address, if they have its hash.
pub(crate) async fn fetched(
    client: &Client,
    payload: &StoredPayloadGet,
    max_bytes: u64,
) -> Result<Bytes, Unstored> {
    let wanted = Wanted {
        url: &payload.url,
        max_bytes,
        timeout: PATIENCE,
    };
    match client.get(wanted, &Known::default()).await? {
        Answer::Fresh(bytes, _) if Sha256::of(&bytes) == payload.sha256 => Ok(bytes.into()),
        Answer::Fresh(..) | Answer::NotModified => Err(Unstored::Other(payload.url.clone())),
    }
}
