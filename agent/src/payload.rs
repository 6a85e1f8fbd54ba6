//! Payloads for the package manager: a loopback HTTP proxy for the length of one call, fed by a [`PayloadSource`].
//!
//! Invariants: it listens on 127.0.0.1 only, on a free port, until dropped; it serves only what lies below a base URL
//! of the host's own sources; bodies are streamed and never held whole. It checks no content: the package manager
//! checks every byte against its own signature chain, and the agent hashes what is staged.

pub mod direct;
mod expected;
mod origin;
pub mod relay;
pub mod switch;

pub use origin::{PayloadOrigin, Served};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use netpatch_types::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A part of a logical repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadRequest {
    /// Base URL of the host's source, as its configuration says it, without a slash at the end.
    pub repository: String,
    /// Below it: `dists/…`, `pool/…`.
    pub path: String,
    /// First byte.
    pub offset: u64,
    /// How many bytes; 0 = to the end.
    pub length: u64,
    /// HTTP date; empty for none.
    pub if_modified_since: String,
    /// Entity tag; empty for none.
    pub if_none_match: String,
    /// The hash that it must have, where the plan names it. Whoever asks checks it; to the source it is a help.
    pub sha256: Option<Sha256>,
}

/// An answer with its body as a stream.
pub struct PayloadAnswer {
    /// HTTP status: 200, 206, 304, 404, 502, …
    pub status: u16,
    /// Of the body that follows; `None` when unknown.
    pub size_bytes: Option<u64>,
    /// Of the whole payload; 0 when unknown.
    pub total_bytes: u64,
    /// HTTP date; empty for none.
    pub last_modified: String,
    /// Entity tag; empty for none.
    pub etag: String,
    /// Media type; empty for none.
    pub content_type: String,
    /// Where its bytes come from.
    pub via: Via,
    /// The bytes.
    pub body: BoxStream<'static, std::io::Result<Bytes>>,
}

/// Whether the bytes of an answer come over a relay; that may change while they come. Clones say the same.
#[derive(Clone, Debug)]
pub struct Via(Arc<AtomicBool>);

impl Via {
    /// Over a relay.
    #[must_use]
    pub fn relay() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// From the repository itself.
    #[must_use]
    pub fn direct() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// Whether they come over a relay now.
    #[must_use]
    pub fn is_relay(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// From now on they come from there.
    fn becomes(&self, other: &Self) {
        self.0.store(other.is_relay(), Ordering::Relaxed);
    }
}

/// The source cannot be reached, or broke the rules.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch {path} of {repository}: {reason}")]
pub struct PayloadError {
    /// The logical repository.
    pub repository: String,
    /// Below it.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Where payloads come from: the relay's streams, or the vendor itself.
#[async_trait]
pub trait PayloadSource: Send + Sync + 'static {
    /// Fetches a part of a logical repository.
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError>;

    /// Whether nothing can be fetched before a relay is back: whoever needs payloads waits for it.
    fn waits_for_relay(&self) -> bool {
        false
    }
}
