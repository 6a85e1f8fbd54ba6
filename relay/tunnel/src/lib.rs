//! Connections of agents, relays and the edge: QUIC endpoints, and the end-to-end session on its carriers.
//!
//! ```text
//! direct   agent ══QUIC, netpatch-agent/1, both certificates══► edge            the QUIC connection is the session's TLS
//! tcp      agent ══TLS 1.3 over TCP, the same protocol and certificates══► edge      where UDP does not get through
//! relay    agent ══QUIC, netpatch-site/1══► relay ══QUIC, netpatch-relay/1══► edge
//!            └───────── TLS 1.3, both certificates, inside one stream ─────────┘  the relay sees ciphertext only
//! ```
//!
//! Over TCP the way may lead through the customer's forward proxy (proxy.rs).
//!
//! Where UDP does not get through, the relay's connection to the edge is TLS over TCP too, its streams multiplexed in it (mux.rs).
//!
//! Invariants: TLS 1.3 only, aws-lc-rs only, X25519MLKEM768 preferred. A server's certificate must chain to the pinned
//! platform root (edge) or to the organization's CA (relay). A client proves possession of its certificate's key
//! in the handshake; whether the certificate is good is decided by [`verify_identity`] with *that organization's* CA,
//! by whoever accepted the connection. TLS takes its time from an injected clock. Every wait of a handshake and
//! every size is limited. No task outlives the value that started it.

pub mod candidate;
mod congestion;
pub mod edge;
pub mod enrol;
pub mod identity;
pub mod link;
pub mod message;
mod mux;
pub mod proxy;
pub mod quic;
mod reach;
pub mod reset;
pub mod session;
mod silence;
pub mod site;
mod socket;
mod tcp;
pub mod tls;
pub mod uplink;
mod verify;

pub use candidate::{Candidate, Carrier, CarrierKind};
pub use edge::{
    AgentConnection, EdgeEndpoint, EdgeIncoming, EnrolConnection, RelayConnection, RelayStream,
};
pub use identity::{Identity, IdentityError, verify_identity};
pub use link::{LinkStream, Over};
pub use message::{MessageReader, MessageStream, MessageWriter};
pub use proxy::{EdgeAddress, Proxies, Proxy, ProxyError, Way};
pub use reset::ResetSecret;
pub use session::{SessionClient, SessionEvent, SessionOptions};
pub use site::{SiteClient, SiteConnection, SiteEndpoint, SiteIncoming};
pub use tls::{PlatformTrust, ServerIdentity};
pub use uplink::RelayUplink;

use std::time::Duration;

/// A byte stream of whatever carrier.
pub trait ByteStream:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static
{
}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// A byte stream, handed around.
pub type BoxedStream = Box<dyn ByteStream>;

/// How fast a sender goes over QUIC. Over TCP the system decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// By losses on a line whose queue is filling: a packet that is lost by chance slows nobody down.
    Tolerant,
    /// By losses, RFC 9438: each is taken for a full queue.
    Cubic,
}

/// Times and counts that bound what a peer can cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A handshake, a stream's opening or an enrolment answer takes at most this.
    pub handshake_timeout: Duration,
    /// A connection without any packet for this long is dead.
    pub idle_timeout: Duration,
    /// How often the connecting side sends something.
    pub keep_alive: Duration,
    /// How often a relay that is connected over TCP tries QUIC again.
    pub return_every: Duration,
    /// Streams at once of an agent's connection.
    pub agent_streams: u32,
    /// Streams at once of a relay's connection to the edge: two for each of its agents are plenty.
    pub relay_streams: u32,
    /// Handshakes in work at once at the edge, over UDP and over TCP each; further peers wait for their turn.
    pub handshakes: usize,
    /// Connections at once of a server; more are refused.
    pub connections: usize,
    /// How fast this side sends.
    pub congestion: Congestion,
    /// Whether several packets are given to the system, and taken from it, at once. Cheaper for bulk; each connection then keeps a buffer
    /// for ten packets, and who connects one of 3 MB.
    pub segments: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(10),
            return_every: Duration::from_secs(60),
            agent_streams: 64,
            relay_streams: 4096,
            handshakes: 1024,
            connections: 20_000,
            congestion: Congestion::Tolerant,
            segments: true,
        }
    }
}

/// Why a connection was closed, as QUIC application error codes.
pub mod close_code {
    /// Done.
    pub const DONE: u32 = 0;
    /// The peer broke the protocol: garbage, an oversized frame, a wrong number.
    pub const PROTOCOL: u32 = 1;
    /// No certificate, or not one that is accepted here.
    pub const UNAUTHENTICATED: u32 = 2;
    /// Too many at once; try again later.
    pub const BUSY: u32 = 3;
    /// This side shuts down.
    pub const SHUTDOWN: u32 = 4;
    /// This side is about to shut down: go to another edge.
    pub const DRAINING: u32 = 5;
}

/// Why a connection, handshake or exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// A socket could not be opened.
    #[error("cannot open a socket for {address}: {source}")]
    Socket {
        /// To or at which address.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A socket for TCP could not be opened.
    #[error("cannot listen on {address} over tcp: {source}")]
    TcpSocket {
        /// At which address.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A key or certificate of our own cannot be used.
    #[error("cannot use own certificate: {0}")]
    OwnCertificate(String),
    /// TLS could not be configured.
    #[error("cannot configure tls: {0}")]
    Tls(#[from] rustls::Error),
    /// The name of a server could not be resolved.
    #[error("cannot resolve {name}: {reason}")]
    Resolve {
        /// `host:port`.
        name: String,
        /// The resolver's reason.
        reason: String,
    },
    /// The connection could not be made.
    #[error("cannot connect to {name}: {reason}")]
    Connect {
        /// `host:port`.
        name: String,
        /// Why, in QUIC's or TLS' words.
        reason: String,
    },
    /// The customer's forward proxy does not let the connection through.
    #[error("proxy {proxy}: {reason}")]
    Proxy {
        /// `host:port`.
        proxy: String,
        /// Why; what to do about it where that is known.
        reason: String,
    },
    /// No way leads there; the reasons of all.
    #[error("{0}")]
    Unreachable(String),
    /// An established connection ended.
    #[error("connection ended: {0}")]
    Ended(String),
    /// The peer's frames cannot be read.
    #[error(transparent)]
    Frame(#[from] netpatch_protocol::FrameError),
    /// Reading or writing failed.
    #[error("connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The peer presented no certificate where one is needed.
    #[error("peer presented no certificate")]
    NoCertificate,
    /// The peer's certificate is not accepted.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The peer speaks another protocol on this connection.
    #[error("peer negotiated an unexpected protocol {0:?}")]
    Protocol(String),
    /// The peer answered something else than expected.
    #[error("peer answered unexpectedly: {0}")]
    Unexpected(String),
    /// The peer refused the stream.
    #[error("peer refused with status {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u32,
        /// The peer's reason.
        message: String,
    },
    /// The edge does not let the session in.
    #[error("the platform refused the session: {message} ({code})")]
    Session {
        /// `ErrorCode`.
        code: String,
        /// For a person.
        message: String,
    },
    /// Nothing happened in time.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
}

/// Bounds a wait.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &'static str,
    future: impl Future<Output = Result<T, TunnelError>>,
) -> Result<T, TunnelError> {
    tokio::time::timeout(limit, future)
        .await
        .unwrap_or(Err(TunnelError::Timeout { what, limit }))
}
