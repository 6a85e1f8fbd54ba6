//! Fetches feeds at their intervals, each with jitter, and gives what is new to the importer. When a source was asked last is kept with the
//! feed, so a restart asks nobody early and two processes ask about as often as one.

use crate::fetch::{Answer, Client, FeedSource, Known, Reach, unpack};
use crate::pack::has_many_files;
use crate::service::feed::blocking;
use crate::service::feed_epoch::Offer;
use crate::service::{FeedSettings, Inventory};
use crate::store;
use crate::store::feed::Fetched;
use crate::store::feed_file::State;
use netpatch_types::{ServiceError, ServiceResult};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Looks this often whether a source is due.
const LOOK: Duration = Duration::from_secs(15);
/// After a failure it is tried again so soon, and twice as late each time, up to the interval.
const RETRY: Duration = Duration::from_secs(60);

/// What became of asking a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// It is what is held.
    NotModified,
    /// Its content is held now, or waits for a person.
    Taken,
}

impl Inventory {
    /// Asks every source when it is due, until `stop`.
    pub(crate) async fn keep_fetching(&self, stop: CancellationToken) {
        let FeedSettings { sources, .. } = &self.feeds;
        if sources.is_empty() {
            return stop.cancelled().await;
        }
        let mut failures: HashMap<&str, u32> = HashMap::new();
        let mut not_before: HashMap<&str, chrono::DateTime<chrono::Utc>> = HashMap::new();
        loop {
            for source in sources {
                let now = self.now();
                let is_early = not_before
                    .get(source.name.as_str())
                    .is_some_and(|at| *at > now);
                if is_early || !self.is_due(source).await.unwrap_or(true) {
                    continue;
                }
                let asked = tokio::select! {
                    () = stop.cancelled() => return,
                    asked = self.fetch(source) => asked,
                };
                match asked {
                    Ok(outcome) => {
                        tracing::info!(feed = source.name, ?outcome, "feed source asked");
                        failures.remove(source.name.as_str());
                    }
                    Err(error) => {
                        let failed = failures.entry(&source.name).or_default();
                        let pause = source.interval.min(RETRY * 2u32.pow((*failed).min(10)));
                        *failed += 1;
                        let pause = chrono::Duration::from_std(pause).unwrap_or_default();
                        not_before.insert(&source.name, now + pause);
                        tracing::warn!(feed = source.name, %error, "feed source failed, trying again");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Whether the interval since the last answer is over.
    pub async fn is_due(&self, source: &FeedSource) -> ServiceResult<bool> {
        let tx = self.db.directory_tx().await?;
        let feeds = store::feed::list(&tx).await?;
        let of_source = |feed: &&netpatch_inventory_api::FeedStatus| {
            feed.name == source.name && feed.source.as_deref() == Some(&source.url)
        };
        let Some(last) = feeds
            .iter()
            .find(of_source)
            .and_then(|feed| feed.fetched_at)
        else {
            return Ok(true);
        };
        let attempt = u64::try_from(last.timestamp()).unwrap_or_default();
        let pause = chrono::Duration::from_std(source.pause(attempt)).unwrap_or_default();
        Ok(last + pause <= self.now())
    }

    /// Asks a source now. What it refuses, and why, stands in the feed's status.
    pub async fn fetch(&self, source: &FeedSource) -> ServiceResult<FetchOutcome> {
        let tx = self.db.directory_tx().await?;
        let held = store::feed::list(&tx).await?;
        tx.rollback().await?;
        let held = held
            .into_iter()
            .find(|feed| feed.name == source.name && feed.source.as_deref() == Some(&source.url));
        let known = held.map_or_else(Known::default, |feed| Known {
            etag: feed.etag,
            last_modified: feed.last_modified,
        });
        let asked_for = FeedSource {
            url: source.url_at(self.now()),
            ..source.clone()
        };
        let reach = match self.feeds.allow_private {
            true => Reach::Anywhere,
            false => Reach::Public,
        };
        let asked = match Client::new(reach) {
            Ok(client) => client.get((&asked_for).into(), &known).await,
            Err(error) => Err(error),
        };
        let (bytes, said) = match asked {
            Ok(Answer::NotModified) => {
                self.note(source, &known).await?;
                return Ok(FetchOutcome::NotModified);
            }
            Ok(Answer::Fresh(bytes, said)) => (bytes, said),
            Err(error) => return Err(self.failed(source, error.to_string()).await?),
        };
        let feed = source.name.clone();
        let mut files = match blocking(move || unpack(&feed, &asked_for.url, bytes)).await? {
            Ok(files) => files,
            Err(reason) => return Err(self.failed(source, reason).await?),
        };
        let tx = self.db.directory_tx().await?;
        if has_many_files(&source.name) {
            // Of such a feed an address has one file; the others stay.
            let mut all = store::feed_file::all(&tx, State::Held).await?;
            let mut held = all.remove(&source.name).unwrap_or_default();
            held.append(&mut files);
            files = held;
        }
        let is_held = store::feed_file::is_held(&tx, &source.name, &files).await?;
        tx.rollback().await?;
        if is_held {
            self.note(source, &said).await?;
            return Ok(FetchOutcome::NotModified);
        }
        let offer = Offer {
            fetched: Some(fetched(source, &said)),
            ..Offer::of(BTreeMap::from([(source.name.clone(), files)]))
        };
        self.take_in(offer).await?;
        Ok(FetchOutcome::Taken)
    }

    /// The source was asked with success and had nothing new.
    async fn note(&self, source: &FeedSource, known: &Known) -> ServiceResult<()> {
        let tx = self.db.catalog_tx().await?;
        store::feed::fetched(&tx, &source.name, &fetched(source, known), self.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn failed(&self, source: &FeedSource, reason: String) -> ServiceResult<ServiceError> {
        let tx = self.db.catalog_tx().await?;
        store::feed::refused(&tx, Some(&source.name), &reason).await?;
        tx.commit().await?;
        Ok(ServiceError::invalid("url", reason))
    }
}

fn fetched(source: &FeedSource, known: &Known) -> Fetched {
    Fetched {
        source: source.url.clone(),
        etag: known.etag.clone(),
        last_modified: known.last_modified.clone(),
    }
}
