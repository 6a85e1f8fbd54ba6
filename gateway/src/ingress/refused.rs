//! A relay is told whom it turns away: all of them when it asks, and all anew when that changes.
//!
//! What it is told was read after the last hint. A lost hint costs [`LOOKS`] looks, a minute.

use super::Shared;
use netpatch_protocol::site::{RefusedHosts, RefusedRequest};
use netpatch_tunnel::TunnelError;
use netpatch_tunnel::edge::RelayAnswer;
use netpatch_types::OrganizationId;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Without a hint is looked again after so many times [`super::Options::look_every`].
const LOOKS: u32 = 4;
/// Looks are this far apart at least: somebody may revoke many hosts, one after the other.
const APART: Duration = Duration::from_secs(1);

/// Tells until the relay wants no more or has to go.
pub(super) async fn tell(
    shared: &Shared,
    organization: OrganizationId,
    request: RefusedRequest,
    to: RelayAnswer,
    go: CancellationToken,
) -> Result<(), TunnelError> {
    let mut messages = to.begin().await?;
    let mut held = request.list;
    loop {
        // From before the look: what is told meanwhile is looked at again.
        let doubted = shared.doubts.about_hosts(organization);
        let looked = Instant::now();
        // Trouble of our own changes nothing.
        let every = shared.options.look_every;
        let next = match shared.services.not_admitted(organization).await {
            Ok(now) => {
                let list = RefusedHosts::of(&now.hosts, &now.certificates);
                if list.is_cut {
                    tracing::warn!(tenant.id = %organization, "more hosts are not admitted than relays are told of");
                }
                if list.list != held {
                    messages.send(&list).await?;
                    held = list.list;
                }
                every * LOOKS
            }
            Err(error) => {
                tracing::warn!(tenant.id = %organization, %error, "a relay is not told whom to turn away; trying again");
                every
            }
        };
        let due = async {
            let _ = tokio::time::timeout_at(looked + next, doubted).await;
            tokio::time::sleep_until(looked + APART).await;
        };
        tokio::select! {
            () = due => {}
            () = messages.closed() => return Ok(()),
            () = go.cancelled() => return Ok(()),
        }
    }
}
