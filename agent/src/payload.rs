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
    /// Whether it came over the relay.
    pub from_relay: bool,
    /// The bytes.
    pub body: BoxStream<'static, std::io::Result<Bytes>>,
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
}
