//! A relay's one connection to the edge, with a stream for each session, enrolment, report and request.

use crate::identity::Identity;
use crate::link::{Link, LinkStream, Over};
use crate::proxy::EdgeAddress;
use crate::quic::{Dial, succeeded};
use crate::tls::{Expect, PlatformTrust};
use crate::{CarrierKind, Limits, TunnelError, close_code};
use netpatch_protocol::ALPN_RELAY;
use netpatch_protocol::site::{StreamAnswer, StreamOpen, stream_open};
use netpatch_types::SharedClock;

/// The connection. Clones share it.
#[derive(Clone)]
pub struct RelayUplink {
    link: Link,
    limits: Limits,
}

impl RelayUplink {
    /// Connects to the edge: over QUIC, and over TCP where that stays silent.
    pub async fn connect(
        edge: &EdgeAddress,
        trust: PlatformTrust,
        identity: &Identity,
        clock: &SharedClock,
        limits: Limits,
    ) -> Result<Self, TunnelError> {
        Self::connect_over(Over::Any, edge, trust, identity, clock, limits).await
    }

    /// Connects as wished.
    pub async fn connect_over(
        over: Over,
        edge: &EdgeAddress,
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
        let link = Link::connect(edge, over, what).await?;
        Ok(Self { link, limits })
    }

    /// Opens a stream; an error unless the edge agrees.
    pub async fn open(
        &self,
        kind: stream_open::Kind,
    ) -> Result<(StreamAnswer, LinkStream), TunnelError> {
        let open = StreamOpen { kind: Some(kind) };
        let (answer, stream) = self.link.open(&open, &self.limits).await?;
        succeeded(&answer)?;
        Ok((answer, stream))
    }

    /// [`CarrierKind::Direct`] or [`CarrierKind::Tcp`].
    #[must_use]
    pub fn carrier(&self) -> CarrierKind {
        self.link.kind()
    }

    /// Waits until the connection ends and says why.
    pub async fn closed(&self) -> String {
        self.link.closed().await
    }

    /// What `other` found while something was sent and nothing came back from the beginning of the search to its end, long before the
    /// idle timeout. `other` is asked again when it fails. Never ends on a connection over TCP.
    pub async fn instead<F>(&self, other: impl FnMut() -> F) -> Self
    where
        F: Future<Output = Result<Self, TunnelError>>,
    {
        match self.link.watch() {
            Some(watch) => watch.instead(other).await,
            None => std::future::pending().await,
        }
    }

    /// Whether it still lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.link.is_alive()
    }

    /// Round-trip time to the edge; over TCP that of connecting.
    #[must_use]
    pub fn round_trip(&self) -> std::time::Duration {
        self.link.round_trip()
    }

    /// The round-trip time to the edge, which this call also has measured anew: over QUIC only.
    #[must_use]
    pub fn probe(&self) -> Option<std::time::Duration> {
        self.link.probe()
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.link.close(close_code::DONE, "");
    }
}
