//! Payloads that the platform keeps: by a short-lived address of its blob store, or through the edge where that has no addresses.
//!
//! ```text
//! no mirror has it ─► the edge keeps it, by its hash? ─┬─ an address, good for minutes ─► GET there, with a range when it is resumed
//!                                                       └─ the bytes follow on the one connection
//! ```
//!
//! Invariants: only what somebody knows the hash of is asked for, and only the hash is believed; each request, a resumed one too, has
//! an address of its own, so that one which has ended costs an attempt at most; an address leads to public hosts over HTTPS, and inside
//! the network or over plain HTTP only to hosts that the relay's own configuration names, never to where machines keep their secrets;
//! no address is logged.

use super::lock;
use super::origin::{Answer, Ask, Body, Head, Origin};
use super::reach::Reach;
use super::store::StoreError;
use futures::future::BoxFuture;
use netpatch_protocol::site::StoredRequest;
use netpatch_relay_core::{PayloadKey, PayloadKind, Upstreams, Validators};
use netpatch_tunnel::Proxies;
use netpatch_types::Sha256;
use reqwest::Url;
use std::sync::Arc;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::AsyncRead;
use tokio::time::timeout_at;

/// The edge has so long to say whether the platform keeps a payload, by whichever hash: a host that waits gives up after 10 s.
const ANSWER: Duration = Duration::from_secs(4);
/// When it sent what it should not, mirrors are asked before it for so long.
const SHUNNED: Duration = Duration::from_secs(60);
/// Hashes of one payload that are asked for, where hosts name different ones.
const MAX_HASHES: usize = 4;

/// Who knows what the platform keeps.
pub trait Kept: Send + Sync + 'static {
    /// A payload that is kept.
    fn ask(&self, request: StoredRequest) -> BoxFuture<'_, Result<Holding, NotKept>>;
}

/// How a payload that is kept can be had.
pub enum Holding {
    /// By a GET, for a while.
    At(String),
    /// The bytes follow, from where they were asked for on.
    Bytes {
        /// Length of the whole payload.
        total_bytes: u64,
        /// Its bytes.
        bytes: Box<dyn AsyncRead + Send + Unpin>,
    },
}

/// Why a payload cannot be had from the platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// It keeps none such, or nobody can be asked.
    #[error("the platform keeps no such payload")]
    Absent,
    /// It might another time.
    #[error("the platform: {0}")]
    Failed(String),
}

/// The platform as a source.
pub(super) struct Stored {
    kept: OnceLock<(Arc<dyn Kept>, bool)>,
    /// Hosts inside the network that addresses may lead to.
    reach: Reach,
    origin: Origin,
    shunned: Mutex<Option<Instant>>,
}

impl Stored {
    pub(super) fn new(proxies: Arc<Proxies>) -> Result<Self, StoreError> {
        let reach = Reach::through(proxies);
        Ok(Self {
            kept: OnceLock::new(),
            origin: Origin::new(&reach)?,
            reach,
            shunned: Mutex::default(),
        })
    }

    pub(super) fn use_kept(&self, kept: Arc<dyn Kept>, is_first: bool, hosts: &[String]) {
        self.reach.set(Upstreams::of_hosts(hosts));
        let _ = self.kept.set((kept, is_first));
    }

    /// Whether it is asked before the mirrors; `None`: not at all.
    pub(super) fn is_first(&self) -> Option<bool> {
        let (_, is_first) = self.kept.get()?;
        let is_shunned = lock(&self.shunned).is_some_and(|since| since.elapsed() < SHUNNED);
        Some(*is_first && !is_shunned)
    }

    pub(super) fn shun(&self) {
        *lock(&self.shunned) = Some(Instant::now());
    }

    /// Asks for a payload by the hashes that it may have.
    pub(super) async fn ask(
        &self,
        key: &PayloadKey,
        expected: &[Sha256],
        what: &Ask<'_>,
        patience: Duration,
    ) -> Answer {
        let offset = match what {
            Ask::Whole => 0,
            Ask::From(offset, _) | Ask::Part(offset) => *offset,
            Ask::IfChanged(_) => return Answer::Absent,
        };
        let Some((kept, _)) = self.kept.get() else {
            return Answer::Absent;
        };
        if key.kind() != PayloadKind::Package {
            return Answer::Absent;
        }
        self.origin.set_patience(patience);
        let deadline = tokio::time::Instant::now() + ANSWER;
        for sha256 in expected.iter().take(MAX_HASHES) {
            let request = StoredRequest {
                repository: key.repository().to_owned(),
                path: key.path().to_owned(),
                sha256: sha256.0.to_vec(),
                offset,
            };
            let answer = match timeout_at(deadline, kept.ask(request)).await {
                Err(_) => Answer::Failed("the platform does not answer".into()),
                Ok(Err(NotKept::Absent)) => Answer::Absent,
                Ok(Err(NotKept::Failed(message))) => Answer::Failed(message),
                Ok(Ok(Holding::At(url))) => self.fetch(&url, offset).await,
                Ok(Ok(Holding::Bytes { total_bytes, bytes })) => {
                    carried(offset, total_bytes, bytes)
                }
            };
            if !matches!(answer, Answer::Absent) {
                return answer;
            }
        }
        Answer::Absent
    }

    /// By an address. What the store calls its version is nobody else's name for it.
    async fn fetch(&self, url: &str, offset: u64) -> Answer {
        if let Err(problem) = self.may(url) {
            return Answer::Failed(problem.to_owned());
        }
        let ask = match offset {
            0 => Ask::Whole,
            _ => Ask::Part(offset),
        };
        match self.origin.ask(url, &ask).await {
            Answer::Whole(_, _) if offset > 0 => {
                Answer::Failed("the platform's store knows no parts".into())
            }
            Answer::Whole(head, body) => Answer::Whole(nameless(head), body),
            Answer::Rest(head, body) => Answer::Rest(nameless(head), body),
            other => other,
        }
    }

    /// Plain HTTP only to hosts that the configuration names; which addresses may be connected to is judged when that happens.
    fn may(&self, url: &str) -> Result<(), &'static str> {
        let bad = "the platform's store has an address that is none";
        let url = Url::parse(url).map_err(|_| bad)?;
        let host = url.host_str().ok_or(bad)?;
        let is_named = self.reach.upstreams().has_host(host);
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_named => Ok(()),
            _ => Err(
                "the platform's store is to be asked over plain HTTP, and its host is not one of platform_store_hosts",
            ),
        }
    }
}

fn nameless(head: Head) -> Head {
    Head {
        validators: Validators::default(),
        content_type: String::new(),
        ..head
    }
}

fn carried(offset: u64, total_bytes: u64, bytes: Box<dyn AsyncRead + Send + Unpin>) -> Answer {
    let head = Head {
        total_bytes: Some(total_bytes),
        ..Head::default()
    };
    match offset {
        0 => Answer::Whole(head, Body::Carried(bytes)),
        _ if offset < total_bytes => Answer::Rest(head, Body::Carried(bytes)),
        _ => Answer::Failed("the platform keeps something shorter".into()),
    }
}
