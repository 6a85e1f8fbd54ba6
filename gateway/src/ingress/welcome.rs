//! How a session begins: the host's hello, whether both sides remember an earlier session, and the edge's welcome.

use super::Shared;
use super::counter::{self, CheckIn};
use super::registry::Memory;
use super::session::{End, Session, refused};
use netpatch_protocol::Numbered;
use netpatch_protocol::parts::MAX_WHOLE_BYTES;
use netpatch_protocol::session::{
    AgentMessage, Hello, ManifestWanted, TimeProof, Welcome, agent_message, edge_message,
};
use netpatch_tunnel::AgentConnection;
use netpatch_types::{ErrorCode, Sha256};

/// Messages that wait for an agent's acknowledgement.
const OUTBOX: usize = 1000;

/// A session's first message.
pub(super) async fn first_message(
    shared: &Shared,
    connection: &mut AgentConnection,
) -> Result<(Hello, u64), End> {
    let limit = shared.options.limits.handshake_timeout;
    let first = tokio::time::timeout(limit, connection.messages.receive::<AgentMessage>()).await;
    match first.map_err(|_| End::Silent)?? {
        Some(AgentMessage {
            body: Some(agent_message::Body::Hello(hello)),
            ack,
            ..
        }) => Ok((hello, ack)),
        Some(_) => Err(refused(
            ErrorCode::BadUserInput,
            "a session begins with a hello",
        )),
        None => Err(End::Silent),
    }
}

/// Goes on with the session that both sides remember, or begins a new one.
pub(super) fn resume(memory: &mut Option<Memory>, hello: &Hello, ack: u64) -> bool {
    if let Some(known) = memory.as_mut()
        && known.numbered.resume_id() == hello.resume_id
        && known.numbered.receive(0, ack).is_ok()
    {
        // A message that no service could take ended the last carrier.
        known.numbered.expect_again();
        known.membership_version = hello.membership_version;
        return true;
    }
    let held = hello
        .active_orders
        .iter()
        .filter_map(|bytes| Sha256::from_slice(bytes));
    *memory = Some(Memory {
        numbered: Numbered::new(uuid::Uuid::new_v4().as_bytes().to_vec(), OUTBOX),
        held: held.collect(),
        membership_version: hello.membership_version,
    });
    false
}

impl Session<'_> {
    /// Welcomes the agent and sends what waits for it.
    pub(super) async fn begin(
        &mut self,
        hello: CheckIn,
        resumed: bool,
        restored: bool,
    ) -> Result<(), End> {
        self.saw(false);
        let ways = self.ways().await?;
        let welcome = Welcome {
            resume_id: self.memory.numbered.resume_id().to_vec(),
            time: self.time(&hello).await,
            known_manifest_hash: self
                .manifest
                .map(|hash| hash.0.to_vec())
                .unwrap_or_default(),
            heartbeat_seconds: u32::try_from(self.shared.options.heartbeat.as_secs().max(1))
                .unwrap_or(u32::MAX),
            relay_hints: ways.relays,
            other_relay_hints: ways.others,
            whole_bytes: MAX_WHOLE_BYTES as u64,
            signed_seconds: u32::try_from(self.shared.options.signed_every.as_secs())
                .unwrap_or(u32::MAX),
        };
        self.tell(edge_message::Body::Welcome(welcome)).await?;
        if resumed {
            for message in self.memory.numbered.unacknowledged().collect::<Vec<_>>() {
                self.write(&message).await?;
            }
        }
        if restored {
            let whole = edge_message::Body::ManifestWanted(ManifestWanted::default());
            self.send(whole).await?;
        }
        self.deliver().await
    }

    /// The signed time for a check-in; without it the agent opens no window, which is the safe direction.
    pub(crate) async fn time(&mut self, check_in: &CheckIn) -> Option<TimeProof> {
        let signed = self
            .shared
            .services
            .time(self.organization(), counter::nonce(check_in))
            .await;
        match signed {
            Ok(envelope) => Some(TimeProof {
                envelope: Some(envelope),
            }),
            Err(error) => {
                tracing::warn!(tenant.id = %self.organization(), %error, "time cannot be signed");
                None
            }
        }
    }
}
