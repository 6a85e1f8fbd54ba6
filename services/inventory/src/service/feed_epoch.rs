//! From files to a new epoch of the advisories: read beside what is held, matched on a sample, and swapped at once.
//!
//! The new epoch is a shadow until the one transaction that swaps it: whatever dies before leaves the old epoch whole. What cannot be
//! believed waits for a person with its files, and the last good ones stay.

use crate::domain::canary::{compare, judge};
use crate::domain::index::MatchIndex;
use crate::pack::{self, FileSet, Pack, PackError, PackFiles, Rules};
use crate::service::Inventory;
use crate::service::feed::blocking;
use crate::store;
use crate::store::feed::Fetched;
use crate::store::feed_file::State;
use netpatch_inventory_api::{CanaryReport, FeedStatus};
use netpatch_types::{ComponentKey, ServiceError, ServiceResult};
use std::collections::{BTreeMap, BTreeSet};

/// Manifests of the canary's sample: equal hosts share one, and their names are hashes, so the first ones are any.
const SAMPLE: i64 = 100;
/// Most distinct components of the sample.
const MAX_COMPONENTS: usize = 50_000;
/// How often an import begins again because another one was faster.
const ATTEMPTS: u32 = 3;

/// Files of feeds that are to replace those that are held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer {
    /// By feed.
    pub(crate) files: BTreeMap<String, FileSet>,
    /// What their source answered, if they were fetched (then they are of one feed).
    pub(crate) fetched: Option<Fetched>,
    /// A person has said that they are right.
    pub(crate) is_accepted: bool,
}

impl Offer {
    pub(crate) fn of(files: BTreeMap<String, FileSet>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }
}

/// A new epoch that nobody sees yet.
struct Shadow {
    /// The revision of the held files that it was made beside.
    revision: i64,
    pack: Pack,
    canary: CanaryReport,
}

impl Inventory {
    /// Takes files in; how fresh the feeds are then.
    pub(crate) async fn take_in(&self, offer: Offer) -> ServiceResult<Vec<FeedStatus>> {
        for _ in 0..ATTEMPTS {
            let shadow = self.shadow(&offer).await?;
            if let Some(feeds) = self.swap(&offer, shadow).await? {
                return Ok(feeds);
            }
            tracing::info!("another import was faster, beginning again");
        }
        Err(ServiceError::unavailable("the feeds"))
    }

    /// Reads the offered feeds together with the others that are held, and matches a sample.
    async fn shadow(&self, offer: &Offer) -> ServiceResult<Shadow> {
        let tx = self.db.directory_tx().await?;
        let revision = store::feed::revision(&tx).await?;
        let status = store::feed::list(&tx).await?;
        let mut files = store::feed_file::all(&tx, State::Held).await?;
        tx.rollback().await?;
        files.extend(offer.files.clone());
        let held = status.into_iter().map(|feed| (feed.name, feed.records));
        // What was held before was measured when it came.
        let is_accepted = |feed: &&String| offer.is_accepted || !offer.files.contains_key(*feed);
        let rules = Rules {
            held: held.collect(),
            accepted: files.keys().filter(is_accepted).cloned().collect(),
        };
        let read = blocking(move || {
            let files = files.into_values().flatten().collect();
            let pack = pack::read(&PackFiles::of(files), &rules)?;
            let index = MatchIndex::build(pack.aliases.clone(), (0..).zip(&pack.advisories));
            Ok::<_, PackError>((pack, index))
        })
        .await?;
        let (pack, index) = match read {
            Ok(read) => read,
            Err(error) => {
                if error.may_be_accepted() {
                    self.wait(offer, error.feed().as_deref(), &error.to_string(), None)
                        .await?;
                }
                return Err(self.refuse(&error).await?);
            }
        };
        let (manifests, sample) = self.sample().await?;
        let held = self.catalog().await?;
        let canary = blocking(move || compare(&held.index, &index, manifests, &sample)).await?;
        if let Err(reason) = judge(&canary)
            && !offer.is_accepted
        {
            let reason = format!("held back by the canary: {reason}");
            tracing::warn!(feeds = ?offer.names(), reason, "a new epoch waits for a person");
            self.wait(offer, None, &reason, Some((&pack, &canary)))
                .await?;
            return Err(ServiceError::invalid_state(format!(
                "{reason}; look at it, then `netpatch feed accept`"
            )));
        }
        Ok(Shadow {
            revision,
            pack,
            canary,
        })
    }

    /// Distinct components of some manifests of any organization.
    async fn sample(&self) -> ServiceResult<(u64, Vec<ComponentKey>)> {
        let tx = self.db.worker_tx().await?;
        let manifests = store::manifest::sample(&tx, SAMPLE).await?;
        let count = u64::try_from(manifests.len()).unwrap_or(u64::MAX);
        let numbers: BTreeSet<u32> = manifests.into_iter().flatten().collect();
        let numbers: Vec<u32> = numbers.into_iter().take(MAX_COMPONENTS).collect();
        let components = store::component::by_number(&tx, &numbers).await?;
        tx.rollback().await?;
        Ok((count, components.into_iter().map(|(_, key)| key).collect()))
    }

    /// The swap. `None` when other files are held by now than the shadow was made beside.
    async fn swap(&self, offer: &Offer, shadow: Shadow) -> ServiceResult<Option<Vec<FeedStatus>>> {
        let Shadow {
            revision,
            pack,
            canary,
        } = shadow;
        let now = self.clock.now();
        let tx = self.db.catalog_tx().await?;
        if store::feed::lock(&tx).await? != revision {
            tx.rollback().await?;
            return Ok(None);
        }
        for (feed, files) in &offer.files {
            store::feed_file::put(&tx, State::Held, feed, files).await?;
            store::feed_file::remove(&tx, State::Waiting, feed).await?;
        }
        for facts in &pack.feeds {
            if offer.files.contains_key(&facts.name) {
                store::feed::imported(&tx, facts, Some(&canary), now).await?;
            }
        }
        if let (Some(fetched), Some(feed)) = (&offer.fetched, offer.files.keys().next()) {
            store::feed::fetched(&tx, feed, fetched, now).await?;
        }
        let changed = store::feed_epoch::replace(&tx, &pack).await?;
        if changed {
            let epoch = store::feed::next_epoch(&tx).await?;
            store::feed::changed(&tx, &offer.names(), epoch).await?;
        }
        store::feed::next_revision(&tx).await?;
        let feeds = store::feed::list(&tx).await?;
        tx.commit().await?;
        tracing::info!(feeds = ?offer.names(), advisories = pack.advisories.len(), changed, "feeds imported");
        if changed {
            self.catalog().await?;
            self.imported.notify_one();
        }
        Ok(Some(feeds))
    }

    /// Keeps offered files until a person decides: those of one feed, or all.
    async fn wait(
        &self,
        offer: &Offer,
        feed: Option<&str>,
        reason: &str,
        read: Option<(&Pack, &CanaryReport)>,
    ) -> ServiceResult<()> {
        let now = self.clock.now();
        let tx = self.db.catalog_tx().await?;
        for (name, files) in &offer.files {
            if feed.is_some_and(|feed| feed != name) {
                continue;
            }
            let facts =
                read.and_then(|(pack, _)| pack.feeds.iter().find(|facts| facts.name == *name));
            let records = facts.map(|facts| facts.records);
            let canary = read.map(|(_, canary)| canary);
            store::feed_file::put(&tx, State::Waiting, name, files).await?;
            store::feed::waits(&tx, name, reason, records, canary, now).await?;
            // What waits is not asked for again.
            if let Some(fetched) = &offer.fetched {
                store::feed::fetched(&tx, name, fetched, now).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Remembers the refusal in the freshness view; what is held stays.
    pub(super) async fn refuse(&self, error: &PackError) -> ServiceResult<ServiceError> {
        tracing::warn!(%error, "feeds refused");
        let tx = self.db.catalog_tx().await?;
        store::feed::refused(&tx, error.feed().as_deref(), &error.to_string()).await?;
        tx.commit().await?;
        Ok(ServiceError::invalid("packDir", error.to_string()))
    }
}
