//! By which ways a host may come: it is told of relays, and one that came directly although its site forbids it is sent to them.

use super::services::Ways;
use super::session::{End, Session, refused};
use netpatch_types::ErrorCode;
use std::time::Duration;
use tokio::time::Instant;

/// How long a host is heard that came directly although its site forbids it: it learns of its site's relays and of its membership, and
/// is given nothing to do.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// Ends with the end of the session when such a host has been heard for long enough; for others never.
pub(super) async fn introduced(until: Option<Instant>) -> End {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
    refused(
        ErrorCode::Forbidden,
        "the host's site forbids the direct way: come through its relays",
    )
}

impl Session<'_> {
    /// Relays that the host may go through: hints, without them it goes on as it came. One that came directly although its site forbids
    /// it hears of them and is sent away.
    pub(super) async fn ways(&mut self) -> Result<Ways, End> {
        let Some(site) = self.site else {
            return Ok(Ways::default());
        };
        match self.shared.services.ways(self.organization(), site).await {
            Ok(ways) => {
                if !ways.direct_allowed {
                    self.forbid_direct();
                }
                Ok(ways)
            }
            Err(error) if self.relay.is_none() => Err(End::Unavailable(error)),
            Err(error) => {
                tracing::warn!(tenant.id = %self.organization(), %error, "a host is told of no relays");
                Ok(Ways::default())
            }
        }
    }

    /// The host's site forbids the direct way.
    pub(crate) fn forbid_direct(&mut self) {
        if self.relay.is_none() {
            let until = Instant::now() + INTRODUCTION;
            self.introduced_until.get_or_insert(until);
        }
    }

    /// Whether the host only hears by which way to come.
    pub(crate) fn is_introduction(&self) -> bool {
        self.introduced_until.is_some()
    }
}
