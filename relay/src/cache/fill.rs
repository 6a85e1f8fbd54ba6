//! One payload on its way: fetched once, resumed when the connection breaks, read by everybody while it grows.

use super::delta::{self, Rebuilt};
use super::origin::{Answer, Ask, chain};
use super::store::Unfinished;
use super::{Inner, lock};
use crate::counters::add;
use crate::line::Urgency;
use netpatch_relay_core::{Admission, Entry, PayloadKey};
use netpatch_types::Sha256;
use reqwest::Response;
use sha2::Digest as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub use super::origin::Head;

/// How often in a row a fetch may end without a new byte before it is given up.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// An upstream that brings less than this while its patience is waited out twice is as good as silent, and a fetch that went on by less
/// has not gone on.
const LEAST_BYTES: u64 = 16 << 10;
/// Different hashes that may be expected of one payload; whoever names one more is not heard.
const MAX_EXPECTED: usize = 16;
/// Bytes of a rebuilt payload that are written at once.
const PIECE: usize = 256 << 10;
/// Most bytes of one payload in memory, when the cache's folder takes none.
const MEMORY_PAYLOAD_BYTES: u64 = 512 << 20;

/// A failure as the requester sees it: HTTP status and reason.
pub type Failure = (u32, String);

/// A fill that its requesters share.
pub struct Fill {
    pub(crate) urgency: Urgency,
    /// Hashes that it should have, in the words of those who wait for it and know.
    expected: Mutex<Vec<Sha256>>,
    /// Whether what came is none of these.
    is_other: AtomicBool,
    ended: watch::Sender<bool>,
    state: watch::Sender<State>,
}

#[derive(Clone, Default)]
enum State {
    #[default]
    Asking,
    /// The held version is to be served.
    Unchanged,
    Growing(Growing),
    Failed(Failure),
}

#[derive(Clone)]
struct Growing {
    head: Head,
    file: Arc<File>,
    written: u64,
    complete: bool,
}

impl Fill {
    pub(crate) fn new() -> Self {
        Self {
            urgency: Urgency::default(),
            expected: Mutex::default(),
            is_other: AtomicBool::new(false),
            ended: watch::Sender::default(),
            state: watch::Sender::default(),
        }
    }

    /// Somebody who waits for it knows its hash.
    pub(crate) fn expect(&self, sha256: Sha256) {
        let mut expected = lock(&self.expected);
        if expected.len() < MAX_EXPECTED && !expected.contains(&sha256) {
            expected.push(sha256);
        }
    }

    /// The hash that it should have, in the words of the first who knows.
    pub(crate) fn expected(&self) -> Option<Sha256> {
        lock(&self.expected).first().copied()
    }

    /// Whether somebody knows its hash, and nobody that it is this one.
    pub(crate) fn refuses(&self, sha256: Sha256) -> bool {
        let expected = lock(&self.expected);
        !expected.is_empty() && !expected.contains(&sha256)
    }

    /// Whether somebody knows that this is its hash.
    fn is_proven(&self, sha256: Sha256) -> bool {
        lock(&self.expected).contains(&sha256)
    }

    /// Whether what came was not what those who know expected.
    pub(crate) fn is_other(&self) -> bool {
        self.is_other.load(Ordering::Relaxed)
    }

    /// What the origin said; `None` when the held version is the current one.
    pub async fn head(&self) -> Result<Option<Head>, Failure> {
        let mut state = self.state.subscribe();
        let settled = state
            .wait_for(|state| !matches!(state, State::Asking))
            .await;
        match settled.as_deref() {
            Ok(State::Growing(growing)) => Ok(Some(growing.head.clone())),
            Ok(State::Unchanged) => Ok(None),
            Ok(State::Failed(failure)) => Err(failure.clone()),
            Ok(State::Asking) | Err(_) => Err((502, "fetching ended".into())),
        }
    }

    /// Waits for the end; the payload's length.
    pub async fn finished(&self) -> Result<u64, Failure> {
        loop {
            let (_, available, complete) = self.available(u64::MAX).await?;
            if complete {
                return Ok(available);
            }
        }
    }

    /// Waits until there are bytes behind `position`, or the fill is complete: the file, how many bytes it has, and
    /// whether these are all.
    pub async fn available(&self, position: u64) -> Result<(Arc<File>, u64, bool), Failure> {
        let mut state = self.state.subscribe();
        let enough = |state: &State| match state {
            State::Growing(growing) => growing.complete || growing.written > position,
            State::Asking => false,
            State::Unchanged | State::Failed(_) => true,
        };
        match state.wait_for(enough).await.as_deref() {
            Ok(State::Growing(growing)) => {
                Ok((growing.file.clone(), growing.written, growing.complete))
            }
            Ok(State::Failed(failure)) => Err(failure.clone()),
            _ => Err((502, "fetching ended".into())),
        }
    }

    /// Waits until nothing more happens: what can be kept is kept.
    pub(crate) async fn ended(&self) -> Result<(), Failure> {
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
        match &*self.state.borrow() {
            State::Failed(failure) => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// Tells the requesters the end of a fill.
    pub(crate) fn settle(&self, end: End) {
        match end {
            End::Grown => {}
            End::Unchanged => {
                self.state.send_replace(State::Unchanged);
            }
            End::Failed(failure) => {
                self.state.send_replace(State::Failed(failure));
            }
        }
        self.ended.send_replace(true);
    }

    fn grow(&self, written: u64, complete: bool) {
        self.state.send_modify(|state| {
            if let State::Growing(growing) = state {
                growing.written = written;
                growing.complete = complete;
            }
        });
    }
}

/// How a fill ended. It is told only when nobody can join the fill any more, so that nobody gets an old answer.
pub(crate) enum End {
    /// The requesters have the bytes.
    Grown,
    /// The held version is to be served.
    Unchanged,
    /// There are no bytes, or not all.
    Failed(Failure),
}

/// Fetches, whatever it takes.
pub(crate) async fn run(inner: &Arc<Inner>, key: &PayloadKey, urls: &[String], fill: &Fill) -> End {
    let held = inner.index().find(key.id());
    match fetch(inner, key, urls, held.as_ref(), fill).await {
        Ok(end) => {
            inner.pair(key).await;
            end
        }
        Err((status, message)) if status != 404 && held.is_some() && fill.is_asking() => {
            tracing::info!(payload = key.path(), %message, "origin cannot be asked; serving what is held");
            End::Unchanged
        }
        Err((status, message)) => {
            tracing::debug!(payload = key.path(), status, %message, "payload cannot be fetched");
            End::Failed((status, message))
        }
    }
}

impl Fill {
    /// Whether all bytes are there: what it brought may be older than what the next requester wants.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(&*self.state.borrow(), State::Growing(growing) if growing.complete)
    }

    fn is_asking(&self) -> bool {
        matches!(*self.state.borrow(), State::Asking)
    }
}

async fn fetch(
    inner: &Arc<Inner>,
    key: &PayloadKey,
    urls: &[String],
    held: Option<&Entry>,
    fill: &Fill,
) -> Result<End, Failure> {
    // Whether bytes changed that are not what they should be is no question: it would be answered with no.
    let held = held.filter(|held| !is_refused(key, fill, held.sha256));
    if held.is_none()
        && let Some(rebuilt) = delta::rebuilt(inner, key, fill).await
    {
        return Fetching::made(inner, key, fill, rebuilt).await;
    }
    let ask = held.map_or(Ask::Whole, |entry| Ask::IfChanged(&entry.validators));
    let urls = &inner.origin.in_order(urls);
    let mut failure = (502, "no upstream is set".to_owned());
    let mut wait = FIRST_WAIT;
    for attempt in 0..ATTEMPTS {
        let mut absent = 0;
        for url in urls {
            match inner.origin.ask(url, &ask).await {
                Answer::Unchanged => {
                    if let Some(entry) = inner.confirm(key) {
                        inner.note_confirmed(&entry);
                        return Ok(End::Unchanged);
                    }
                    failure = (502, "held version went while it was confirmed".into());
                }
                Answer::Whole(head, response) => {
                    return Fetching::begin(inner, key, head, fill)?
                        .receive(urls, url, response)
                        .await;
                }
                Answer::Absent => absent += 1,
                Answer::Rest(..) => failure = (502, "upstream answered a part unasked".into()),
                Answer::Failed(message) => failure = (502, message),
            }
        }
        if absent == urls.len() && absent > 0 {
            return Err((404, "no upstream has it".into()));
        }
        // With something to serve instead there is no use in waiting.
        if held.is_some() || attempt + 1 == ATTEMPTS {
            break;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    Err(failure)
}

/// Only what never changes has one hash.
fn is_refused(key: &PayloadKey, fill: &Fill, sha256: Sha256) -> bool {
    key.kind().is_immutable() && fill.refuses(sha256)
}

impl Inner {
    fn confirm(&self, key: &PayloadKey) -> Option<Entry> {
        let now = self.now();
        self.index().confirmed(key.id(), now)
    }

    fn note_confirmed(&self, entry: &Entry) {
        if let Err(error) = self.store.write_entry(entry) {
            tracing::warn!(%error, "cannot note that a payload was confirmed");
        }
    }
}

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
struct Fetching<'a> {
    inner: &'a Arc<Inner>,
    key: &'a PayloadKey,
    head: Head,
    fill: &'a Fill,
    unfinished: Unfinished,
    hasher: sha2::Sha256,
    written: u64,
}

impl<'a> Fetching<'a> {
    fn begin(
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
    async fn made(
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
        making.complete("").await;
        Ok(End::Grown)
    }

    /// Receives to the end; when the connection breaks, the rest is asked for, there first and then from the others.
    async fn receive(
        mut self,
        urls: &[String],
        from: &str,
        response: Response,
    ) -> Result<End, Failure> {
        let mut next = Some(response);
        let (mut idle, mut wait) = (0, FIRST_WAIT);
        let mut at = urls.iter().position(|url| url == from).unwrap_or(0);
        let others = u32::try_from(urls.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1);
        loop {
            let before = self.written;
            let url = urls.get(at).map_or(from, String::as_str);
            let broken = match next.take() {
                Some(response) => self.take_body(response).await?,
                None => match self.inner.origin.ask(url, &self.rest()).await {
                    Answer::Rest(head, response) if self.fits(&head) => {
                        self.take_body(response).await?
                    }
                    Answer::Failed(message) => Broken::off(message),
                    // The version went, or the upstream knows no parts: what was sent cannot be completed from there.
                    _ if url == from => {
                        return Err((502, "payload changed while it was fetched".into()));
                    }
                    _ => Broken::off("the upstreams have different versions"),
                },
            };
            let Some(Broken { message, is_silent }) = broken else {
                self.complete(url).await;
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
                self.inner.origin.shun(url);
                at = (at + 1) % urls.len().max(1);
            }
            tracing::debug!(payload = self.key.path(), at = self.written, %message, "resuming");
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    fn rest(&self) -> Ask<'_> {
        Ask::From(self.written, &self.head.validators)
    }

    fn fits(&self, rest: &Head) -> bool {
        self.head.total_bytes.is_none() || self.head.total_bytes == rest.total_bytes
    }

    /// Takes what one response has; why it broke off, or `None` when the payload is whole.
    async fn take_body(&mut self, mut response: Response) -> Result<Option<Broken>, Failure> {
        let patience = self.inner.origin.patience();
        let (mut waited, mut brought) = (Duration::ZERO, 0);
        loop {
            let begun = Instant::now();
            let Ok(came) = timeout(patience, response.chunk()).await else {
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
                Err(error) => return Ok(Broken::off(chain(&error))),
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
    async fn complete(self, url: &str) {
        let entry = Entry {
            key: self.key.clone(),
            sha256: Sha256(self.hasher.finalize().into()),
            size_bytes: self.written,
            validators: self.head.validators.clone(),
            content_type: self.head.content_type.clone(),
            checked_at: self.inner.now(),
        };
        if is_refused(self.key, self.fill, entry.sha256) {
            tracing::warn!(payload = self.key.path(), from = url, sha256 = %entry.sha256, "what came is not what hosts expect; not keeping it");
            self.fill.is_other.store(true, Ordering::Relaxed);
            self.inner.origin.shun(url);
            self.inner.doubt(self.key.id());
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
            Ok::<(), super::store::StoreError>(())
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
