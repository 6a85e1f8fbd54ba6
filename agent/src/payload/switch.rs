//! Payloads from where they come now: the relay in use, past it where that fails and the site allows it.
//!
//! A payload that was begun is not begun anew when its source breaks off: it goes on where it stopped, from the relay that is in use by then
//! or from the repository itself, if that has the same thing. What the package manager gets is one body, without a gap or a byte twice.

use super::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{BoxStream, try_unfold};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// A relay that could not be reached is passed over for this long, where there is another way.
const PASSED_OVER: Duration = Duration::from_secs(15);
/// How often one body is gone on with.
const GO_ON: u32 = 4;
/// Before the first of these; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

/// Who is asked for payloads, in this order.
pub struct Sources {
    relay: Option<Arc<dyn PayloadSource>>,
    direct: Option<Arc<dyn PayloadSource>>,
    /// When the relay could not be reached.
    lost: Mutex<Option<Instant>>,
    /// The relay could not be reached, or reaches nobody itself.
    is_unable: AtomicBool,
}

impl Sources {
    /// The relay in use, if there is one, and the way past it, if that is allowed.
    #[must_use]
    pub fn new(
        relay: Option<Arc<dyn PayloadSource>>,
        direct: Option<Arc<dyn PayloadSource>>,
    ) -> Self {
        Self {
            relay,
            direct,
            lost: Mutex::default(),
            is_unable: AtomicBool::new(false),
        }
    }

    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        let mut failed = None;
        if let Some(relay) = self.relay.as_ref().filter(|_| !self.is_passed_over()) {
            let answer = relay.fetch(request.clone()).await;
            let is_unable = match &answer {
                Ok(answer) => matches!(answer.status, 502..=504),
                Err(_) => true,
            };
            self.is_unable.store(is_unable, Ordering::Relaxed);
            self.set_lost(answer.is_err().then(Instant::now));
            match answer {
                Ok(answer) if !is_no_help(answer.status) => return Ok(answer),
                other => failed = Some(other),
            }
        }
        match (&self.direct, failed) {
            (Some(direct), _) => direct.fetch(request).await,
            (None, Some(failed)) => failed,
            (None, None) => Err(PayloadError {
                repository: request.repository,
                path: request.path,
                reason: "the site forbids the direct way, and no relay of it is known".into(),
            }),
        }
    }

    fn lost(&self) -> Option<Instant> {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_lost(&self, at: Option<Instant>) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn is_passed_over(&self) -> bool {
        let is_new = |at: Instant| at.elapsed() < PASSED_OVER;
        self.direct.is_some() && self.lost().is_some_and(is_new)
    }

    fn waits_for_relay(&self) -> bool {
        let is_unable = self.relay.is_none() || self.is_unable.load(Ordering::Relaxed);
        self.direct.is_none() && is_unable
    }
}

/// The relay does not serve this repository, or cannot reach it: somebody else may.
fn is_no_help(status: u16) -> bool {
    matches!(status, 403 | 502..=504)
}

/// Sources that can be exchanged; a body that was begun goes on with the old ones as long as they last.
pub struct Switch(Arc<RwLock<Arc<Sources>>>);

impl Switch {
    /// With these first.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(sources))))
    }

    /// From now on with these.
    pub fn set(&self, sources: Sources) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sources);
    }
}

fn now(sources: &RwLock<Arc<Sources>>) -> Arc<Sources> {
    Arc::clone(&sources.read().unwrap_or_else(PoisonError::into_inner))
}

#[async_trait]
impl PayloadSource for Switch {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        let answer = now(&self.0).fetch(request.clone()).await?;
        if !matches!(answer.status, 200 | 206) {
            return Ok(answer);
        }
        Ok(Following::of(Arc::clone(&self.0), request, answer))
    }

    fn waits_for_relay(&self) -> bool {
        now(&self.0).waits_for_relay()
    }
}

/// A body that outlives its source.
struct Following {
    sources: Arc<RwLock<Arc<Sources>>>,
    request: PayloadRequest,
    /// The first answer without its body: what every later one has to be of, and whose source counts.
    first: PayloadAnswer,
    body: BoxStream<'static, io::Result<Bytes>>,
    /// Handed on.
    seen: u64,
    /// To be left out of a body that begins too early.
    skip: u64,
    tries: u32,
}

impl Following {
    fn of(
        sources: Arc<RwLock<Arc<Sources>>>,
        request: PayloadRequest,
        mut answer: PayloadAnswer,
    ) -> PayloadAnswer {
        let body = std::mem::replace(&mut answer.body, futures::stream::empty().boxed());
        let first = PayloadAnswer {
            last_modified: answer.last_modified.clone(),
            etag: answer.etag.clone(),
            content_type: String::new(),
            via: answer.via.clone(),
            body: futures::stream::empty().boxed(),
            ..answer
        };
        let following = Self {
            sources,
            request,
            first,
            body,
            seen: 0,
            skip: 0,
            tries: 0,
        };
        answer.body = try_unfold(following, Self::next).boxed();
        answer
    }

    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            match self.body.next().await {
                None => return Ok(None),
                Some(Ok(mut bytes)) => {
                    let left_out = bytes
                        .len()
                        .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                    self.skip -= left_out as u64;
                    let bytes = bytes.split_off(left_out);
                    if !bytes.is_empty() {
                        self.seen += bytes.len() as u64;
                        return Ok(Some((bytes, self)));
                    }
                }
                Some(Err(error)) => self.go_on(error).await?,
            }
        }
    }

    /// Takes a body that begins where the last one broke off; fails as that did when nobody has one.
    async fn go_on(&mut self, broke: io::Error) -> io::Result<()> {
        if self.first.size_bytes.is_some_and(|size| self.seen >= size) {
            self.body = futures::stream::empty().boxed();
            return Ok(());
        }
        while self.tries < GO_ON {
            if self.tries > 0 {
                tokio::time::sleep(PAUSE * 2u32.pow(self.tries - 1)).await;
            }
            self.tries += 1;
            let request = PayloadRequest {
                offset: self.request.offset + self.seen,
                length: match self.request.length {
                    0 => 0,
                    length => length.saturating_sub(self.seen),
                },
                if_modified_since: String::new(),
                if_none_match: String::new(),
                ..self.request.clone()
            };
            let (from, path) = (request.offset, request.path.clone());
            let Ok(answer) = now(&self.sources).fetch(request).await else {
                continue;
            };
            if is_no_help(answer.status) {
                continue;
            }
            let Some(skip) = self.continued_by(&answer, from) else {
                break;
            };
            tracing::info!(
                path,
                from,
                from_relay = answer.via.is_relay(),
                "a payload that broke off goes on"
            );
            self.first.via.becomes(&answer.via);
            (self.body, self.skip) = (answer.body, skip);
            return Ok(());
        }
        Err(broke)
    }

    /// Whether an answer is of the same thing, and how many bytes of it are known already.
    fn continued_by(&self, answer: &PayloadAnswer, from: u64) -> Option<u64> {
        let total = |answer: &PayloadAnswer| match (answer.status, answer.total_bytes) {
            (200, 0) => answer.size_bytes,
            (_, 0) => None,
            (_, total) => Some(total),
        };
        let is_other_size =
            matches!((total(&self.first), total(answer)), (Some(a), Some(b)) if a != b);
        let is_same = |a: &str, b: &str| !a.is_empty() && a == b;
        let is_known = self.request.sha256.is_some()
            || is_same(&self.first.etag, &answer.etag)
            || is_same(&self.first.last_modified, &answer.last_modified);
        match answer.status {
            _ if is_other_size || !is_known => None,
            206 => Some(0),
            // Whoever knows no ranges sends all of it, which fits only an end that is the end of all.
            200 if self.request.length == 0 => Some(from),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
