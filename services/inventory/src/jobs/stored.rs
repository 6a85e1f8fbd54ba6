//! Fetches the payloads that are to be kept, a few at a time, each believed only by its hash.

use crate::fetch::{Answer, Client, FetchError, Known, Reach, Wanted};
use crate::service::Inventory;
use crate::service::stored::{Needs, Outcome, Stored};
use async_trait::async_trait;
use bytes::Bytes;
use netpatch_inventory_api::StoredPayloadGet;
use netpatch_scheduler_api::{PayloadsNeeded, SchedulerApi};
use netpatch_storage::blobs::BlobError;
use netpatch_types::{RequestContext, ServiceResult, Sha256, SharedClock, TenantId};
use std::sync::Arc;
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
    #[error("no room: what is kept is needed; give [payloads] a larger store_bytes")]
    NoRoom,
}

/// The scheduler, if there is one to ask: without, nothing is known to be needed.
pub(crate) struct Deployments {
    pub(crate) scheduler: Option<Arc<dyn SchedulerApi>>,
    pub(crate) clock: SharedClock,
}

#[async_trait]
impl Needs for Deployments {
    async fn of(&self, payloads: Vec<Sha256>) -> ServiceResult<Vec<Sha256>> {
        let Some(scheduler) = &self.scheduler else {
            return Ok(Vec::new());
        };
        // Payloads are kept for all organizations.
        let nobody = TenantId::from(uuid::Uuid::nil());
        let ctx = RequestContext::system(nobody, "kept payloads", self.clock.now());
        let request = PayloadsNeeded { payloads };
        scheduler.payloads_needed(&ctx, request).await
    }
}

impl Inventory {
    /// Fetches what is to be kept until `stop`, two payloads at a time: a slow mirror does not hold up all others.
    pub(crate) async fn keep_storing_payloads(&self, needs: &dyn Needs, stop: CancellationToken) {
        let Some(stored) = &self.stored else {
            return stop.cancelled().await;
        };
        let work = async || {
            loop {
                self.store_next(stored, needs).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            ((), ()) = async { tokio::join!(work(), work()) } => {}
        }
    }

    async fn store_next(&self, stored: &Stored, needs: &dyn Needs) {
        let wish = stored.next().await;
        let (sha256, url) = (wish.payload.sha256, &wish.payload.url);
        let kept = match stored.is_full(self.now()) {
            true => Err(Unstored::NoRoom),
            false => store_one(stored, &wish.payload, needs).await,
        };
        let outcome = match &kept {
            Ok(bytes) => {
                tracing::debug!(%sha256, bytes, "payload kept");
                Outcome::Kept
            }
            Err(error) => {
                tracing::info!(%sha256, url, %error, "payload not kept");
                match error {
                    Unstored::NoRoom => Outcome::NoRoom,
                    _ => Outcome::Failed,
                }
            }
        };
        let word = match outcome {
            Outcome::Kept => "kept",
            Outcome::Failed => "failed",
            Outcome::NoRoom => "no room",
        };
        metrics::counter!("netpatch_payloads_stored_total", "outcome" => word).increment(1);
        stored.done(&wish, outcome, self.now());
    }
}

/// Fetches and keeps a payload, unless it is kept already; its length.
async fn store_one(
    stored: &Stored,
    payload: &StoredPayloadGet,
    needs: &dyn Needs,
) -> Result<usize, Unstored> {
    if stored.has(payload).await? {
        return Ok(0);
    }
    let settings = &stored.room.store.settings;
    let client = client(&settings.private_hosts)?;
    let bytes = fetched(&client, payload, settings.max_bytes).await?;
    let length = bytes.len();
    match stored.room.keep(payload, bytes, needs).await? {
        true => Ok(length),
        false => Err(Unstored::NoRoom),
    }
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
