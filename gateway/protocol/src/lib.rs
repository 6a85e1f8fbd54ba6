//! The wire protocol of agents and relays: frames, messages, signed documents. Sans-IO.
//!
//! The `.proto` files in `proto/` are the specification and say shapes, units and limits. ALPN names and limits
//! stand here. Invariants: any bytes from outside give a value or an error, never a panic; nothing is allocated
//! by a length that the sender only claims; a signed document is decoded only after its signatures were verified
//! over the exact bytes. Absent on purpose: sockets, clocks, TLS (`netpatch-tunnel`), private keys.

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    rustdoc::all
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}

pub use generated::netpatch::document::v1 as document;
pub use generated::netpatch::enrol::v1 as enrol;
pub use generated::netpatch::session::v1 as session;
pub use generated::netpatch::site::v1 as site;

pub mod content;
pub mod counter;
pub mod envelope;
pub mod frame;
pub mod identity;
pub mod manifest;
pub mod numbered;
pub mod parts;
pub mod refused;
pub mod target;
pub mod token;

pub use envelope::{Document, OpenError, open_envelope, open_envelope_with, seal};
pub use frame::{FrameDecoder, FrameError};
pub use identity::{IdentityName, SubjectKind};
pub use numbered::{Numbered, Received};
pub use parts::{Assembler, PartError};
pub use token::EnrolmentToken;

/// ALPN of enrolment: no client certificate.
pub const ALPN_ENROL: &[u8] = b"netpatch-enrol/1";
/// ALPN of an agent's session with the edge.
pub const ALPN_AGENT: &[u8] = b"netpatch-agent/1";
/// ALPN of a relay's connection to the edge.
pub const ALPN_RELAY: &[u8] = b"netpatch-relay/1";
/// ALPN of an agent's connection to its relay.
pub const ALPN_SITE: &[u8] = b"netpatch-site/1";
/// How a relay is called in DNS, in SRV records and on the link (RFC 6763), below the domain.
pub const RELAY_SERVICE: &str = "_netpatch-relay._udp";
/// Version of the session protocol, `Hello.protocol` and `EnrolRequest.protocol`.
pub const PROTOCOL_VERSION: u32 = 1;
/// Largest frame, bytes.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
