//! A relay's one connection to the edge, with a stream for each session, enrolment, report and request.

use crate::identity::Identity;
use crate::quic::{Dial, QuicStream, dial, open_stream, succeeded};
use crate::tls::{Expect, PlatformTrust};
use crate::{Limits, TunnelError, close_code};
use netpatch_protocol::ALPN_RELAY;
use netpatch_protocol::site::{StreamAnswer, StreamOpen, stream_open};
use netpatch_types::SharedClock;

/// The connection. Clones share it.
#[derive(Clone)]
pub struct RelayUplink {
    connection: quinn::Connection,
    limits: Limits,
}

impl RelayUplink {
    /// Connects to the edge at `host:port`.
    pub async fn connect(
        address: &str,
        trust: PlatformTrust,
        identity: &Identity,
        clock: &SharedClock,
        limits: Limits,
    ) -> Result<Self, TunnelError> {
        let what = Dial {
            alpn: ALPN_RELAY,
            expect: &Expect::Edge(trust),
            identity: Some(identity),
            clock,
            limits: &limits,
        };
        let connection = dial(address, what).await?;
        Ok(Self { connection, limits })
    }

    /// Opens a stream; an error unless the edge agrees.
    pub async fn open(
        &self,
        kind: stream_open::Kind,
    ) -> Result<(StreamAnswer, QuicStream), TunnelError> {
        let open = StreamOpen { kind: Some(kind) };
        let (answer, stream) = open_stream(&self.connection, &open, &self.limits).await?;
        succeeded(&answer)?;
        Ok((answer, stream))
    }

    /// Waits until the connection ends and says why.
    pub async fn closed(&self) -> String {
        self.connection.closed().await.to_string()
    }

    /// Whether it still lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Round-trip time to the edge.
    #[must_use]
    pub fn round_trip(&self) -> std::time::Duration {
        self.connection.rtt()
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.connection.close(close_code::DONE.into(), b"");
    }
}
