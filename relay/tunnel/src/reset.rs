//! Stateless resets (RFC 9000, 10.3): a server that was killed and started anew tells whoever still speaks to its earlier life that the
//! connection is gone. Without them a peer waits until silence convinces it.

use aws_lc_rs::hmac;
use quinn::crypto::HmacKey;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a server keeps from one life to the next. No other server may have it: whoever gets a packet to one that does not know its
/// connection can end the connection (RFC 9000, 21.11).
#[derive(Clone)]
pub struct ResetSecret(hmac::Key);

impl ResetSecret {
    /// From a secret of any length, used for something else as well or not.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(derived(
            &hmac::Key::new(hmac::HMAC_SHA256, secret),
            "netpatch: stateless reset",
        ))
    }

    /// The key of the server that listens at an address: two at one machine have different ones.
    pub(crate) fn key_at(&self, address: SocketAddr) -> Arc<dyn HmacKey> {
        Arc::new(derived(&self.0, &address.to_string()))
    }
}

fn derived(from: &hmac::Key, label: &str) -> hmac::Key {
    hmac::Key::new(
        hmac::HMAC_SHA256,
        hmac::sign(from, label.as_bytes()).as_ref(),
    )
}
