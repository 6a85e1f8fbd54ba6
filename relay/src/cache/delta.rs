//! A package made of an older version that is held and a difference that the edge sends, instead of fetched whole.
//!
//! ```text
//! fill ─► an older version is held? ─► the edge has a recipe? (at once or not at all) ─► recipe over the line ─► rebuilt, hash right ─► kept
//!           no, or anything wrong ─────────────────────────────────────────────────────────────► the whole file from its origin, as ever
//! ```
//!
//! Invariants: nothing is handed out before the whole file is rebuilt and has the hash that was asked for, so hosts that wait meanwhile
//! wait until then; one rebuilding at a time, within the memory that the configuration allows; a host never waits long; a recipe that breaks
//! off is asked for once more, from its beginning, as the connection to the edge may be another one by then; after one that broke off again
//! or was wrong none is asked for in a while, so that a cloud which sends bad ones costs the line next to nothing. Which hash a file must
//! have is the word of the hosts that ask, where they say it, else of the staging plan or of the platform, as its repositories are; the
//! package manager judges by its own.

use super::fill::Fill;
use super::{Inner, lock};
use crate::counters::add;
use crate::line::Urgency;
use futures::future::BoxFuture;
use netpatch_delta::{DeltaError, Limits, Pair, pair_of, rebuild};
use netpatch_protocol::site::{DeltaBase, DeltaRequest};
use netpatch_relay_core::{Entry, PayloadKey, PayloadKind};
use netpatch_types::Sha256;
use std::fs::File;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

/// Older versions that the edge is told of.
const MAX_BASES: usize = 4;
/// The edge has so long to say whether there is a difference.
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes of a recipe that has begun come within this time.
const IDLE: Duration = Duration::from_secs(10);
/// So long may rebuilding take, with waiting for its turn, while a host waits and while none does.
const HURRIED: Duration = Duration::from_secs(20);
const UNHURRIED: Duration = Duration::from_secs(600);
/// After a wrong recipe none is asked for during this time.
const PAUSE: Duration = Duration::from_secs(600);
/// Threads of the encoder.
const THREADS: u32 = 2;

/// Who has recipes.
pub trait Recipes: Send + Sync + 'static {
    /// A difference, if there is one now.
    fn ask(&self, request: DeltaRequest) -> BoxFuture<'_, Option<Offer>>;
}

/// A difference that is offered.
pub struct Offer {
    /// From which version.
    pub base: Sha256,
    /// To which.
    pub sha256: Sha256,
    /// Length of the recipe.
    pub size_bytes: u64,
    /// The recipe.
    pub recipe: Box<dyn AsyncRead + Send + Unpin>,
}

/// What making packages of differences needs.
pub(crate) struct Deltas {
    recipes: OnceLock<(Arc<dyn Recipes>, Limits)>,
    turn: Arc<Semaphore>,
    /// Whether the site wants whole files only.
    is_off: AtomicBool,
    /// Until when none is asked for.
    paused: Mutex<Option<Instant>>,
}

impl Default for Deltas {
    fn default() -> Self {
        Self {
            recipes: OnceLock::new(),
            turn: Arc::new(Semaphore::new(1)),
            is_off: AtomicBool::new(false),
            paused: Mutex::default(),
        }
    }
}

impl Deltas {
    pub(crate) fn use_recipes(&self, recipes: Arc<dyn Recipes>, plain_bytes: usize) {
        let limits = Limits {
            plain_bytes,
            threads: THREADS,
        };
        let _ = self.recipes.set((recipes, limits));
    }

    pub(crate) fn allow(&self, are_allowed: bool) {
        self.is_off.store(!are_allowed, Ordering::Relaxed);
    }

    fn are_allowed(&self) -> bool {
        let is_paused = lock(&self.paused).is_some_and(|until| Instant::now() < until);
        !self.is_off.load(Ordering::Relaxed) && !is_paused
    }
}

/// Why the whole file is fetched after all.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the held version cannot be used: {0}")]
    Base(String),
    #[error("the offer is for other files than were asked about")]
    Other,
    #[error("the recipe has {0} bytes, more than is worth it")]
    Large(u64),
    #[error("the recipe broke off: {0}")]
    Torn(String),
    #[error("nothing came of the recipe for a while")]
    Still,
    #[error(transparent)]
    Wrong(#[from] DeltaError),
    #[error("rebuilding takes too long")]
    Slow,
}

impl Problem {
    /// Whether whoever sent it sends what is of no use.
    fn is_the_senders(&self) -> bool {
        matches!(
            self,
            Self::Other | Self::Large(_) | Self::Wrong(_) | Self::Torn(_)
        )
    }
}

/// A file, proven by its hash.
pub(super) struct Rebuilt {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: String,
}

/// The payload, if it can be made of what is held.
pub(super) async fn rebuilt(inner: &Arc<Inner>, key: &PayloadKey, fill: &Fill) -> Option<Rebuilt> {
    let deltas = &inner.deltas;
    let (recipes, limits) = deltas.recipes.get()?;
    if key.kind() != PayloadKind::Package || !deltas.are_allowed() {
        return None;
    }
    let held = inner.index().versions_beside(key, MAX_BASES);
    if held.is_empty() {
        return None;
    }
    let base = |entry: &Entry| DeltaBase {
        repository: entry.key.repository().to_owned(),
        path: entry.key.path().to_owned(),
        sha256: entry.sha256.0.to_vec(),
    };
    let request = DeltaRequest {
        repository: key.repository().to_owned(),
        path: key.path().to_owned(),
        sha256: fill
            .expected()
            .map_or_else(Vec::new, |sha256| sha256.0.to_vec()),
        bases: held.iter().map(base).collect(),
    };
    let mut is_first = true;
    let problem = loop {
        let offer = timeout(ANSWER, recipes.ask(request.clone())).await.ok()??;
        match take(inner, &held, fill, offer, limits).await {
            Ok(rebuilt) => return Some(rebuilt),
            // The connection that carried it is gone, and another may be there already.
            Err(Problem::Torn(_)) if is_first => is_first = false,
            Err(problem) => break problem,
        }
    };
    tracing::warn!(payload = key.path(), %problem, "no use of a difference; fetching the whole file");
    if problem.is_the_senders() {
        *lock(&deltas.paused) = Some(Instant::now() + PAUSE);
    }
    None
}

async fn take(
    inner: &Arc<Inner>,
    held: &[Entry],
    fill: &Fill,
    mut offer: Offer,
    limits: &Limits,
) -> Result<Rebuilt, Problem> {
    let of_offer = |entry: &&Entry| entry.sha256 == offer.base;
    let base = held.iter().find(of_offer).ok_or(Problem::Other)?;
    if fill.refuses(offer.sha256) {
        return Err(Problem::Other);
    }
    // A difference as large as the version it starts from saves nothing.
    if offer.size_bytes > base.size_bytes {
        return Err(Problem::Large(offer.size_bytes));
    }
    if base.size_bytes > limits.plain_bytes as u64 {
        return Err(Problem::Base(format!("it has {} bytes", base.size_bytes)));
    }
    let old = read_base(inner, base).await?;
    let recipe = receive(inner, fill, &mut offer).await?;
    let pair = pair_of(&recipe, limits)?;
    if (pair.old, pair.new) != (base.sha256, offer.sha256) {
        return Err(Problem::Other);
    }
    if pair.new_bytes > inner.max_payload_bytes() {
        return Err(Problem::Large(pair.new_bytes));
    }
    let recipe_bytes = recipe.len() as u64;
    let working = work(inner, old, recipe, pair, *limits);
    let bytes = tokio::select! {
        done = working => done?,
        () = overdue(&fill.urgency) => return Err(Problem::Slow),
    };
    let saved = (bytes.len() as u64).saturating_sub(recipe_bytes);
    add(&inner.counters.deltas, 1);
    add(&inner.counters.delta_saved_bytes, saved);
    Ok(Rebuilt {
        bytes,
        content_type: base.content_type.clone(),
    })
}

/// The held version, whole and undamaged.
async fn read_base(inner: &Arc<Inner>, base: &Entry) -> Result<Vec<u8>, Problem> {
    let now_ms = inner.clock.now().timestamp_millis();
    let file = match inner.store.open_verified(base, now_ms).await {
        Ok(file) => file,
        Err(error) => {
            inner.drop_entry(base);
            return Err(Problem::Base(error.to_string()));
        }
    };
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let mut file: &File = &file;
        std::io::Seek::rewind(&mut file)?;
        file.read_to_end(&mut bytes).map(|_| bytes)
    });
    let read = reading.await.map_err(std::io::Error::other).flatten();
    read.map_err(|error| Problem::Base(error.to_string()))
}

/// The recipe, over the line like everything else that is fetched.
async fn receive(inner: &Inner, fill: &Fill, offer: &mut Offer) -> Result<Vec<u8>, Problem> {
    let size = usize::try_from(offer.size_bytes).map_err(|_| Problem::Large(offer.size_bytes))?;
    let mut recipe = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while recipe.len() < size {
        let most = piece.len().min(size - recipe.len());
        let reading = timeout(IDLE, offer.recipe.read(&mut piece[..most])).await;
        let count = match reading {
            Ok(Ok(0)) => return Err(Problem::Torn("it ended early".into())),
            Ok(Ok(count)) => count,
            Ok(Err(error)) => return Err(Problem::Torn(error.to_string())),
            Err(_) => return Err(Problem::Still),
        };
        recipe.extend_from_slice(&piece[..count]);
        add(&inner.counters.bytes_fetched, count as u64);
        add(&inner.counters.recipe_bytes, count as u64);
        inner.line.pay(count as u64, &fill.urgency).await;
    }
    Ok(recipe)
}

/// Rebuilds on a thread of its own, which nobody waits for at the end. It keeps its turn until it is done, even when its fill has gone on
/// without it.
async fn work(
    inner: &Inner,
    old: Vec<u8>,
    recipe: Vec<u8>,
    pair: Pair,
    limits: Limits,
) -> Result<Vec<u8>, Problem> {
    let broken = || Problem::Base("rebuilding ended unexpectedly".into());
    let turn = inner.deltas.turn.clone().acquire_owned().await;
    let turn = turn.map_err(|_| broken())?;
    let (done, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("rebuild".into());
    let begun = thread.spawn(move || {
        let made = rebuild(&old, &recipe, &pair, &limits);
        drop(turn);
        let _ = done.send(made);
    });
    begun.map_err(|error| Problem::Base(error.to_string()))?;
    Ok(told.await.map_err(|_| broken())??)
}

/// Ends when a fill should wait no longer.
async fn overdue(urgency: &Urgency) {
    let begun = Instant::now();
    loop {
        let patience = match urgency.is_hurried() {
            true => HURRIED,
            false => UNHURRIED,
        };
        if begun.elapsed() > patience {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
