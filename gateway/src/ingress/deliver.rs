//! Documents that wait for a host: its membership first, then orders and halts.
//!
//! An agent refuses orders before it has a membership document, so without one no order is sent, nor to a host that came directly although
//! its site forbids it. What cannot be read now is looked for again at the next hint or tick.

use super::session::{End, Session};
use netpatch_protocol::document::Membership;
use netpatch_protocol::session::edge_message;
use prost::Message as _;

impl Session<'_> {
    /// Sends what the host should hold and has not been sent.
    pub(crate) async fn deliver(&mut self) -> Result<(), End> {
        let (organization, host) = (self.organization(), self.host());
        let version = self.memory.membership_version;
        match self
            .shared
            .services
            .membership(organization, host, version)
            .await
        {
            Ok(Some((version, envelope))) => {
                // What the service signed a moment ago.
                let says = Membership::decode(envelope.payload.as_slice()).unwrap_or_default();
                self.send(edge_message::Body::Document(envelope)).await?;
                self.memory.membership_version = version;
                if says.direct_forbidden {
                    self.forbid_direct();
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(tenant.id = %organization, host.id = %host, %error, "membership cannot be read");
                return Ok(());
            }
        }
        if self.memory.membership_version == 0 || self.is_introduction() {
            return Ok(());
        }
        let held = self.memory.held.iter().copied().collect();
        match self
            .shared
            .services
            .documents(organization, host, held)
            .await
        {
            Ok(documents) => {
                for envelope in documents {
                    let digest = envelope.digest();
                    if !self.memory.held.contains(&digest) {
                        self.send(edge_message::Body::Document(envelope)).await?;
                        self.memory.held.insert(digest);
                    }
                }
            }
            Err(error) => {
                tracing::debug!(tenant.id = %organization, host.id = %host, %error, "documents cannot be read")
            }
        }
        Ok(())
    }
}
