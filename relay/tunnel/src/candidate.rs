//! The carriers of a session: how an agent's bytes can get to the edge.

use crate::identity::Identity;
use crate::message::MessageStream;
use crate::quic::{Dial, QuicStream, dial, open_raw};
use crate::site::SiteClient;
use crate::tls::{Expect, PlatformTrust, client_config};
use crate::{Limits, TunnelError, within};
use netpatch_protocol::ALPN_AGENT;
use netpatch_types::SharedClock;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// A way to the edge, in the order of preference of its list.
#[derive(Clone)]
pub enum Candidate {
    /// QUIC to the edge at `host:port`.
    Direct {
        /// `host:port`.
        address: String,
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
}

/// A carrier that is connected and authenticated on both sides.
pub struct Carrier {
    /// Which kind.
    pub kind: CarrierKind,
    /// The session's messages.
    pub messages: MessageStream,
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
        }
    }

    /// Connects this carrier.
    pub(crate) async fn connect(&self, with: &Credentials<'_>) -> Result<Carrier, TunnelError> {
        let expect = Expect::Edge(with.trust.clone());
        let messages = match self {
            Self::Direct { address } => {
                let what = Dial {
                    alpn: ALPN_AGENT,
                    expect: &expect,
                    identity: Some(with.identity),
                    clock: with.clock,
                    limits: with.limits,
                };
                let connection = dial(address, what).await?;
                MessageStream::new(open_raw(&connection, with.limits).await?)
            }
            Self::Relay { site } => {
                let stream = site.connection().await?.session().await?;
                let config = client_config(ALPN_AGENT, &expect, Some(with.identity), with.clock)?;
                MessageStream::new(inner_tls(stream, config, with.limits).await?)
            }
        };
        Ok(Carrier {
            kind: self.kind(),
            messages,
        })
    }
}

/// The end-to-end TLS session inside a relay's stream.
pub(crate) async fn inner_tls(
    stream: QuicStream,
    config: rustls::ClientConfig,
    limits: &Limits,
) -> Result<tokio_rustls::client::TlsStream<QuicStream>, TunnelError> {
    let name = ServerName::try_from("netpatch")
        .map_err(|error| TunnelError::OwnCertificate(error.to_string()))?;
    let limit = limits.handshake_timeout;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    within(limit, "a handshake through the relay", async {
        Ok(connector.connect(name, stream).await?)
    })
    .await
}
