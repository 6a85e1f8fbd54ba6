//! Bytes that arrive: written, hashed, resumed elsewhere when an upstream breaks off, and kept when they are what they should be.

use super::{ATTEMPTS, End, FIRST_WAIT, Failure, Fill, Growing, Head, State, is_refused};
use crate::cache::Inner;
use crate::cache::delta::Rebuilt;
use crate::cache::origin::{Answer, Ask, Body};
use crate::cache::source::Source;
use crate::cache::store::{StoreError, Unfinished};
use crate::counters::add;
use netpatch_relay_core::{Admission, Entry, PayloadKey};
use netpatch_types::Sha256;
use sha2::Digest as _;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// An upstream that brings less than this while its patience is waited out twice is as good as silent, and a fetch that went on by less
/// has not gone on.
const LEAST_BYTES: u64 = 16 << 10;
/// Bytes of a rebuilt payload that are written at once.
const PIECE: usize = 256 << 10;
/// Most bytes of one payload in memory, when the cache's folder takes none.
const MEMORY_PAYLOAD_BYTES: u64 = 512 << 20;

/// Why a response ended before the payload did.
struct Broken {
    message: String,
    /// Whether the upstream would be waited for in vain again.
    is_silent: bool,
}

impl Broken {
    fn off(message: impl Into<String>) -> Option<Self> {
        Some(Self {
            message: message.into(),
            is_silent: false,
        })
    }

    fn silent(message: &str) -> Option<Self> {
        Some(Self {
            message: message.to_owned(),
            is_silent: true,
        })
    }
}

/// A fill whose bytes arrive.
pub(super) struct Fetching<'a> {
    inner: &'a Arc<Inner>,
    key: &'a PayloadKey,
    head: Head,
    fill: &'a Fill,
    unfinished: Unfinished,
    hasher: sha2::Sha256,
    written: u64,
}

impl<'a> Fetching<'a> {
    pub(super) fn begin(
        inner: &'a Arc<Inner>,
        key: &'a PayloadKey,
        head: Head,
        fill: &'a Fill,
    ) -> Result<Self, Failure> {
        if head.total_bytes.unwrap_or(0) > inner.max_payload_bytes() {
            return Err((502, too_large(inner)));
        }
        let unfinished = match inner.store.begin() {
            Ok(unfinished) => unfinished,
            Err(error) => {
                inner.store.note_problem(&error.to_string());
                memory_for(head.total_bytes, &error.to_string())?
            }
        };
        fill.state.send_replace(State::Growing(Growing {
            head: head.clone(),
            file: unfinished.reader.clone(),
            written: 0,
            complete: false,
        }));
        Ok(Self {
            inner,
            key,
            head,
            fill,
            unfinished,
            hasher: sha2::Sha256::new(),
            written: 0,
        })
    }

    /// A payload that did not come from its origin: all of it is there.
    pub(super) async fn made(
        inner: &'a Arc<Inner>,
        key: &'a PayloadKey,
        fill: &'a Fill,
        rebuilt: Rebuilt,
    ) -> Result<End, Failure> {
        let head = Head {
            content_type: rebuilt.content_type,
            total_bytes: Some(rebuilt.bytes.len() as u64),
            ..Head::default()
        };
        let mut making = Self::begin(inner, key, head, fill)?;
        for piece in rebuilt.bytes.chunks(PIECE) {
            making.append(piece)?;
            tokio::task::yield_now().await;
        }
        making.complete(&Source::Rebuilt).await;
        Ok(End::Grown)
    }

    /// Receives to the end; when the connection breaks, the rest is asked for, there first and then from the others.
    pub(super) async fn receive(
        mut self,
        sources: &[Source],
        from: usize,
        body: Body,
    ) -> Result<End, Failure> {
        let mut next = Some(body);
        let (mut idle, mut wait) = (0, FIRST_WAIT);
        let mut at = from;
        let others = u32::try_from(sources.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1);
        loop {
            let before = self.written;
            let Some(source) = sources.get(at) else {
                return Err((502, "no upstream is set".into()));
            };
            let is_first = at == from;
            let broken = match next.take() {
                Some(body) => self.take_body(body).await?,
                None => {
                    let rest = self.rest(is_first && !source.is_platform());
                    match self.inner.ask(source, self.key, self.fill, &rest).await {
                        Answer::Rest(head, body) if self.fits(&head) => {
                            self.take_body(body).await?
                        }
                        Answer::Failed(message) => Broken::off(message),
                        // The version went, or the upstream knows no parts: what was sent cannot be completed from there.
                        _ if is_first && !source.is_platform() => {
                            return Err((502, "payload changed while it was fetched".into()));
                        }
                        _ => Broken::off("the upstreams have different versions"),
                    }
                }
            };
            let Some(Broken { message, is_silent }) = broken else {
                self.complete(source).await;
                return Ok(End::Grown);
            };
            if self.written - before >= LEAST_BYTES {
                (idle, wait) = (0, FIRST_WAIT);
            }
            idle += 1;
            if idle >= ATTEMPTS + others {
                return Err((502, message));
            }
            if idle > 1 || is_silent {
                self.inner.shun(source);
                at = (at + 1) % sources.len();
            }
            tracing::debug!(payload = self.key.path(), at = self.written, %message, "resuming");
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    /// The rest, from where the beginning came from or from elsewhere. What has a hash is put together of any sources, for that tells.
    fn rest(&self, is_same: bool) -> Ask<'_> {
        let is_known = self.key.kind().is_immutable() && self.fill.expected().is_some();
        match is_known && !is_same {
            true => Ask::Part(self.written),
            false => Ask::From(self.written, &self.head.validators),
        }
    }

    fn fits(&self, rest: &Head) -> bool {
        self.head.total_bytes.is_none() || self.head.total_bytes == rest.total_bytes
    }

    /// Takes what one response has; why it broke off, or `None` when the payload is whole.
    async fn take_body(&mut self, mut body: Body) -> Result<Option<Broken>, Failure> {
        let patience = self.inner.origin.patience();
        let (mut waited, mut brought) = (Duration::ZERO, 0);
        loop {
            let begun = Instant::now();
            let Ok(came) = timeout(patience, body.chunk()).await else {
                return Ok(Broken::silent("upstream has fallen silent"));
            };
            waited += begun.elapsed();
            match came {
                Ok(Some(chunk)) => {
                    let size = chunk.len() as u64;
                    add(&self.inner.counters.bytes_fetched, size);
                    self.append(&chunk)?;
                    self.inner.line.pay(size, &self.fill.urgency).await;
                    brought += size;
                }
                Ok(None) => {
                    return Ok(match self.head.total_bytes {
                        Some(total) if self.written < total => Broken::off("upstream ended early"),
                        _ => None,
                    });
                }
                Err(message) => return Ok(Broken::off(message)),
            }
            if waited >= patience * 2 {
                if brought < LEAST_BYTES {
                    return Ok(Broken::silent("upstream sends next to nothing"));
                }
                (waited, brought) = (Duration::ZERO, 0);
            }
        }
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let length = chunk.len() as u64;
        if self
            .head
            .total_bytes
            .is_some_and(|total| self.written + length > total)
        {
            return Err((502, "upstream sent more than it said".into()));
        }
        if self.written + length > self.inner.max_payload_bytes() {
            return Err((502, too_large(self.inner)));
        }
        if let Err(error) = self.unfinished.file.write_all(chunk) {
            self.go_on_in_memory(&error)?;
            let full = |error: std::io::Error| (507, format!("cannot hold payload: {error}"));
            self.unfinished.file.write_all(chunk).map_err(full)?;
        }
        let is_in_memory = self.unfinished.is_in_memory();
        if is_in_memory && self.written + length > MEMORY_PAYLOAD_BYTES {
            return Err((507, "the cache's folder takes no payload".into()));
        }
        self.hasher.update(chunk);
        self.written += length;
        self.fill.grow(self.written, false);
        Ok(())
    }

    /// The folder takes no more: what was written so far moves to memory, and its readers with it.
    fn go_on_in_memory(&mut self, error: &std::io::Error) -> Result<(), Failure> {
        if self.unfinished.is_in_memory() {
            return Err((507, format!("cannot hold payload: {error}")));
        }
        self.inner.store.note_problem(&error.to_string());
        let mut memory = memory_for(self.head.total_bytes, &error.to_string())?;
        let mut chunk = vec![0; 256 * 1024];
        let mut at = 0;
        while at < self.written {
            let size = usize::try_from(self.written - at).unwrap_or(usize::MAX);
            let part = chunk.len().min(size);
            let moved = self
                .unfinished
                .reader
                .read_exact_at(&mut chunk[..part], at)
                .and_then(|()| memory.file.write_all(&chunk[..part]));
            moved.map_err(|error| (507, format!("cannot hold payload: {error}")))?;
            at += part as u64;
        }
        let reader = memory.reader.clone();
        self.unfinished = memory;
        self.fill.state.send_modify(|state| {
            if let State::Growing(growing) = state {
                growing.file = reader;
            }
        });
        Ok(())
    }

    /// Keeps the payload if there is room and it is what it should be. Its readers have it in any case, and judge it themselves.
    async fn complete(self, source: &Source) {
        let entry = Entry {
            key: self.key.clone(),
            sha256: Sha256(self.hasher.finalize().into()),
            size_bytes: self.written,
            validators: self.head.validators.clone(),
            content_type: self.head.content_type.clone(),
            checked_at: self.inner.now(),
        };
        if is_refused(self.key, self.fill, entry.sha256) {
            tracing::warn!(payload = self.key.path(), from = %source, sha256 = %entry.sha256, "what came is not what hosts expect; not keeping it");
            self.fill.is_other.store(true, Ordering::Relaxed);
            self.inner.shun(source);
            self.inner.doubt(self.key.id());
        }
        if source.is_platform() && !self.fill.is_other() {
            add(&self.inner.counters.stored, 1);
        }
        self.fill.grow(self.written, true);
        let is_torn = self.head.may_be_torn && !self.fill.is_proven(entry.sha256);
        let is_unsure = self.key.kind().is_immutable() && is_torn;
        if self.unfinished.is_in_memory() || self.fill.is_other() || is_unsure {
            return;
        }
        let admission = self.inner.index().admit(self.key, self.written);
        let Admission::Keep(gone, bytes) = admission else {
            tracing::debug!(payload = self.key.path(), "passed through: it does not fit");
            return;
        };
        self.inner.give_up(&gone, &bytes);
        let mut unfinished = self.unfinished;
        let inner = self.inner.clone();
        let sha256 = entry.sha256;
        let before = inner.index().look(entry.key.id()).map(|held| held.sha256);
        let keeping = tokio::task::spawn_blocking(move || {
            inner.store.keep(&mut unfinished, &entry)?;
            let id = entry.key.id();
            let orphan = inner.index().insert(entry);
            inner.hot.forget(id);
            inner.store.forget(&[], orphan.as_slice());
            Ok::<(), StoreError>(())
        });
        match keeping.await {
            Ok(Ok(())) => {
                self.inner.store.note_problem("");
                self.inner.note_kept(self.key, sha256, before).await;
            }
            Ok(Err(error)) => self.inner.store.note_problem(&error.to_string()),
            Err(error) => tracing::error!(%error, "keeping a payload ended unexpectedly"),
        }
    }
}

/// Memory instead of a file, for a payload that has room there.
fn memory_for(total_bytes: Option<u64>, problem: &str) -> Result<Unfinished, Failure> {
    let full = || (507, format!("cannot hold payload: {problem}"));
    if total_bytes.unwrap_or(0) > MEMORY_PAYLOAD_BYTES {
        return Err(full());
    }
    Unfinished::in_memory().map_err(|_| full())
}

fn too_large(inner: &Inner) -> String {
    format!(
        "upstream sends more than {} bytes, the most that one payload may have",
        inner.max_payload_bytes()
    )
}
