//! Fetching ahead, from the cache's side: what is kept for waves that are approved, and fetching it before anybody asks.

use super::Cache;
use netpatch_relay_core::staging::Staged;
use netpatch_types::Sha256;
use std::collections::HashSet;

/// Why a payload cannot be fetched ahead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unstaged {
    /// For a person.
    pub reason: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

impl Unstaged {
    fn for_now(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            is_final: false,
        }
    }

    fn for_good(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            is_final: true,
        }
    }
}

impl Cache {
    /// What is never given up from now on.
    pub fn pin(&self, wanted: HashSet<Sha256>) {
        self.inner.index().pin(wanted);
    }

    /// Whether a payload that is wanted ahead is here.
    #[must_use]
    pub fn holds(&self, payload: &Staged) -> bool {
        self.inner.index().holds(payload.key.id(), payload.sha256)
    }

    /// Fetches a payload ahead; whoever asks for it meanwhile joins, and then it is urgent.
    pub async fn stage(&self, payload: &Staged) -> Result<(), Unstaged> {
        let Some(urls) = self.inner.reach.upstreams().urls_of(&payload.key) else {
            return Err(Unstaged::for_good(
                "its repository is not one of the site's",
            ));
        };
        let fits = self
            .inner
            .index()
            .would_keep(&payload.key, payload.size_bytes);
        if !fits {
            return Err(Unstaged::for_now(
                "it does not fit beside what else is staged",
            ));
        }
        let other = || Unstaged::for_good("what lies there has another hash");
        let id = payload.key.id();
        if self.inner.index().look(id).is_some()
            && !self.inner.is_doubtful(&payload.key, payload.sha256)
        {
            return Err(other());
        }
        let (fill, _) = self.join(&payload.key, urls, Some(payload.sha256));
        fill.ended()
            .await
            .map_err(|(status, message)| Unstaged::for_now(&format!("{status} {message}")))?;
        if self.holds(payload) {
            return Ok(());
        }
        if fill.is_other() {
            return Err(other());
        }
        // Not tried again: each time would cost the line as much.
        Err(Unstaged::for_good("it was fetched but not kept"))
    }
}
