//! One payload on its way: fetched once, resumed when the connection breaks, read by everybody while it grows.

mod fetching;

use super::delta;
use super::origin::{Answer, Ask};
use super::{Inner, lock};
use crate::line::Urgency;
use fetching::Fetching;
use netpatch_relay_core::{Entry, PayloadKey};
use netpatch_types::Sha256;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

pub use super::origin::Head;

/// How often in a row a fetch may end without a new byte before it is given up.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Different hashes that may be expected of one payload; whoever names one more is not heard.
const MAX_EXPECTED: usize = 16;

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

    /// The hashes that it may have, in the words of those who know.
    pub(crate) fn all_expected(&self) -> Vec<Sha256> {
        lock(&self.expected).clone()
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
    let sources = &inner.sources(urls);
    let mut failure = (502, "no upstream is set".to_owned());
    let mut wait = FIRST_WAIT;
    for attempt in 0..ATTEMPTS {
        let mut absent = 0;
        for (at, source) in sources.iter().enumerate() {
            match inner.ask(source, key, fill, &ask).await {
                Answer::Unchanged => {
                    if let Some(entry) = inner.confirm(key) {
                        inner.note_confirmed(&entry);
                        return Ok(End::Unchanged);
                    }
                    failure = (502, "held version went while it was confirmed".into());
                }
                Answer::Whole(head, body) => {
                    return Fetching::begin(inner, key, head, fill)?
                        .receive(sources, at, body)
                        .await;
                }
                Answer::Absent => absent += 1,
                Answer::Rest(..) => failure = (502, "upstream answered a part unasked".into()),
                Answer::Failed(message) => failure = (502, message),
            }
        }
        if absent == sources.len() && absent > 0 {
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
pub(super) fn is_refused(key: &PayloadKey, fill: &Fill, sha256: Sha256) -> bool {
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
