//! One enrolment at the edge, on a connection of its own or inside a relay's stream.

use super::linger;
use crate::message::MessageStream;
use crate::{ByteStream, Limits, TunnelError, within};
use netpatch_protocol::enrol::{EnrolAnswer, EnrolRequest};
use std::net::SocketAddr;

/// One enrolment: a request and an answer.
pub struct EnrolConnection {
    messages: MessageStream,
    /// The peer's, or its relay's.
    pub remote: SocketAddr,
    /// Whether a relay carries it: then rate limits by address would hit the whole site.
    pub through_relay: bool,
    limits: Limits,
}

impl EnrolConnection {
    pub(super) fn new(
        stream: impl ByteStream,
        remote: SocketAddr,
        through_relay: bool,
        limits: Limits,
    ) -> Self {
        Self {
            messages: MessageStream::new(stream),
            remote,
            through_relay,
            limits,
        }
    }

    /// Reads the request.
    pub async fn request(&mut self) -> Result<EnrolRequest, TunnelError> {
        let request = within(
            self.limits.handshake_timeout,
            "an enrolment request",
            async { self.messages.receive::<EnrolRequest>().await },
        );
        request
            .await?
            .ok_or_else(|| TunnelError::Ended("before the request".into()))
    }

    /// Answers and waits until the peer has it.
    pub async fn answer(mut self, answer: &EnrolAnswer) -> Result<(), TunnelError> {
        self.messages.send(answer).await?;
        linger(&mut self.messages).await;
        Ok(())
    }
}
