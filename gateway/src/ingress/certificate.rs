//! The edge's own certificate: fresh at the start, renewed at half of its life under living sessions.
//!
//! Signing needs only the platform root's key in the key folder, so no service is asked. What fails is tried again, and
//! the gauge `edge_certificate_expires_seconds` says how long the one that is shown still holds.

use super::Shared;
use netpatch_tunnel::identity::{renewal_due, validity};
use netpatch_tunnel::{EdgeEndpoint, ServerIdentity};
use std::time::Duration;

/// A renewal that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// The certificate that is shown now.
pub(super) struct EdgeCertificate {
    /// Unix seconds.
    due: i64,
    ends: i64,
    /// Monotonic.
    not_before: Duration,
}

impl EdgeCertificate {
    pub(super) fn of(identity: &ServerIdentity) -> Self {
        let leaf = identity
            .chain
            .first()
            .map(AsRef::as_ref)
            .unwrap_or_default();
        Self {
            due: renewal_due(leaf),
            ends: validity(leaf).map_or(i64::MIN, |(_, to)| to),
            not_before: Duration::ZERO,
        }
    }

    /// Shows a fresh certificate if this one's time has come.
    pub(super) fn renew_when_due(&mut self, endpoint: &EdgeEndpoint, shared: &Shared) {
        let (now, monotonic) = (shared.clock.now().timestamp(), shared.clock.monotonic());
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("edge_certificate_expires_seconds")
            .set(self.ends.saturating_sub(now) as f64);
        if now < self.due || monotonic < self.not_before {
            return;
        }
        let renewed = shared
            .services
            .edge_identity()
            .map_err(|error| error.message);
        let shown = renewed.and_then(|identity| {
            let set = endpoint.set_identity(&identity);
            set.map(|()| identity).map_err(|error| error.to_string())
        });
        match shown {
            Ok(identity) => {
                tracing::info!("the edge's certificate is renewed");
                *self = Self::of(&identity);
            }
            Err(reason) => {
                tracing::error!(%reason, "the edge's certificate cannot be renewed; trying again later");
                self.not_before = monotonic + AGAIN;
            }
        }
    }
}
