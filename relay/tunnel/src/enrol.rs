//! Enrolment: one request, one answer, verified end to end against the platform root, directly or through a relay.

use crate::message::MessageStream;
use crate::proxy::EdgeAddress;
use crate::quic::{Dial, ask, dial, succeeded};
use crate::reach::{NEXT_CARRIER, first_success};
use crate::tcp;
use crate::tls::{Expect, PlatformTrust, client_config};
use crate::{Limits, TunnelError, within};
use netpatch_protocol::ALPN_ENROL;
use netpatch_protocol::enrol::{EnrolAnswer, EnrolRequest};
use netpatch_protocol::site::{EnrolStream, StreamOpen, stream_open};
use netpatch_types::SharedClock;
use std::pin::Pin;
use std::sync::Arc;

/// Where an enrolment goes.
#[derive(Clone, Debug)]
pub enum EnrolTarget {
    /// The edge: over QUIC, and over TCP where that stays silent.
    Edge(EdgeAddress),
    /// A relay at `host:port`, which forwards it. It need not be trusted and is not verified.
    Relay(String),
}

/// Sends the request and waits for the answer.
pub async fn enrol(
    target: &EnrolTarget,
    trust: &PlatformTrust,
    request: &EnrolRequest,
    clock: &SharedClock,
    limits: &Limits,
) -> Result<EnrolAnswer, TunnelError> {
    let edge = Expect::Edge(trust.clone());
    let dial_as = |expect| Dial {
        alpn: ALPN_ENROL,
        expect,
        identity: None,
        clock,
        limits,
    };
    let mut messages = match target {
        EnrolTarget::Edge(edge_at) => {
            let quic = async {
                let connection = dial(&edge_at.address, dial_as(&edge)).await?;
                Ok(MessageStream::new(connection.stream(limits).await?))
            };
            let tcp = async {
                Ok(MessageStream::new(
                    tcp::dial(edge_at, dial_as(&edge)).await?,
                ))
            };
            let (quic, tcp): (Pin<Box<dyn Future<Output = _> + Send>>, Pin<Box<_>>) =
                (Box::pin(quic), Box::pin(tcp));
            first_success(vec![(NEXT_CARRIER, quic), (NEXT_CARRIER, tcp)]).await?
        }
        EnrolTarget::Relay(address) => {
            let connection = dial(address, dial_as(&Expect::AnyRelay)).await?;
            let open = StreamOpen {
                kind: Some(stream_open::Kind::Enrol(EnrolStream {})),
            };
            let (answer, stream) = ask(connection.stream(limits).await?, &open, limits).await?;
            succeeded(&answer)?;
            let config = client_config(ALPN_ENROL, &edge, None, clock)?;
            MessageStream::new(tcp::secure(stream, Arc::new(config), limits).await?)
        }
    };
    within(
        limits.handshake_timeout * 3,
        "the enrolment's answer",
        async {
            messages.send(request).await?;
            let answer = messages.receive::<EnrolAnswer>().await?;
            // The edge waits for this end before it closes.
            let _ = messages.writer.finish().await;
            answer.ok_or_else(|| TunnelError::Ended("before the enrolment's answer".into()))
        },
    )
    .await
}
