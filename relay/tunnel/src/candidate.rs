//! The carriers of a session: how an agent's bytes can get to the edge.

use crate::identity::Identity;
use crate::message::MessageStream;
use crate::proxy::EdgeAddress;
use crate::quic::{Dial, dial};
use crate::reach::NEXT_CARRIER;
use crate::silence::Watch;
use crate::site::SiteClient;
use crate::tcp;
use crate::tls::{Expect, PlatformTrust, client_config};
use crate::{Limits, TunnelError};
use netpatch_protocol::ALPN_AGENT;
use netpatch_types::SharedClock;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A relay is worth some waiting: what goes past it costs the site's line.
const NEXT_AFTER_RELAY: Duration = Duration::from_secs(3);

/// A way to the edge, in the order of preference of its list.
#[derive(Clone)]
pub enum Candidate {
    /// QUIC to the edge at `host:port`.
    Direct {
        /// `host:port`.
        address: String,
    },
    /// TLS over TCP to the edge, perhaps through a proxy, for where UDP does not get through.
    Tcp {
        /// Where it is.
        address: EdgeAddress,
    },
    /// Through a relay, which sees ciphertext only.
    Relay {
        /// The shared connection to the relay.
        site: Arc<SiteClient>,
    },
}

/// What kind of carrier a session runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarrierKind {
    /// QUIC to the edge.
    Direct,
    /// A stream through a relay.
    Relay,
    /// TLS over TCP to the edge.
    Tcp,
}

/// A carrier that is connected and authenticated on both sides.
pub struct Carrier {
    /// Which kind.
    pub kind: CarrierKind,
    /// The session's messages.
    pub messages: MessageStream,
    /// What it goes over, if that is QUIC.
    pub(crate) watch: Option<Watch>,
    /// When it was begun.
    pub(crate) begun: Instant,
}

/// With what an agent connects.
pub(crate) struct Credentials<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) trust: &'a PlatformTrust,
    pub(crate) clock: &'a SharedClock,
    pub(crate) limits: &'a Limits,
}

impl Candidate {
    /// Which kind of carrier it gives.
    #[must_use]
    pub fn kind(&self) -> CarrierKind {
        match self {
            Self::Direct { .. } => CarrierKind::Direct,
            Self::Relay { .. } => CarrierKind::Relay,
            Self::Tcp { .. } => CarrierKind::Tcp,
        }
    }

    /// Whether each carrier of it has a connection of its own.
    pub(crate) fn connects_anew(&self) -> bool {
        !matches!(self, Self::Relay { .. })
    }

    /// How long it may stay silent before the next way is tried beside it.
    pub(crate) fn patience(&self) -> Duration {
        match self {
            Self::Relay { .. } => NEXT_AFTER_RELAY,
            Self::Direct { .. } | Self::Tcp { .. } => NEXT_CARRIER,
        }
    }

    /// Connects this carrier.
    pub(crate) async fn connect(&self, with: &Credentials<'_>) -> Result<Carrier, TunnelError> {
        let begun = Instant::now();
        let expect = Expect::Edge(with.trust.clone());
        let what = Dial {
            alpn: ALPN_AGENT,
            expect: &expect,
            identity: Some(with.identity),
            clock: with.clock,
            limits: with.limits,
        };
        let (messages, watch) = match self {
            Self::Direct { address } => {
                // Between an agent and its edge there is no bulk: payloads come from mirrors.
                let limits = Limits {
                    segments: false,
                    ..*with.limits
                };
                let limits = &limits;
                let dialled = dial(address, Dial { limits, ..what }).await?;
                let stream = dialled.stream(with.limits).await?;
                (MessageStream::new(stream), dialled.watch())
            }
            Self::Tcp { address } => (MessageStream::new(tcp::dial(address, what).await?), None),
            Self::Relay { site } => {
                let relay = site.connection().await?;
                let stream = relay.session().await?;
                let config = client_config(ALPN_AGENT, &expect, Some(with.identity), with.clock)?;
                let stream = tcp::secure(stream, Arc::new(config), with.limits).await?;
                (MessageStream::new(stream), relay.watch())
            }
        };
        Ok(Carrier {
            kind: self.kind(),
            messages,
            watch,
            begun,
        })
    }
}
