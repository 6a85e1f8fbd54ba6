//! The edge's endpoint: accepts agents, enrolments and relays, and agents and enrolments inside a relay's streams.
//!
//! Accepting and finishing a handshake are two steps, so that the caller owns the task of each peer and a slow one
//! delays nobody. The certificate that comes out proves possession of its key and nothing more.

use crate::message::{MessageStream, receive_one, send_one};
use crate::quic::{QuicStream, handshake, listen};
use crate::tls::{ServerIdentity, Shown, server_config};
use crate::{ByteStream, Limits, TunnelError, close_code, within};
use netpatch_protocol::enrol::{EnrolAnswer, EnrolRequest};
use netpatch_protocol::site::{
    ProbeRequest, ProbeResults, RelayReport, StreamAnswer, StreamOpen, stream_open,
};
use netpatch_protocol::{ALPN_AGENT, ALPN_ENROL, ALPN_RELAY};
use netpatch_types::SharedClock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a side waits for the peer to take the last message.
const LINGER: Duration = Duration::from_secs(3);

/// Listens for agents, relays and enrolments.
pub struct EdgeEndpoint {
    endpoint: quinn::Endpoint,
    shown: Arc<Shown>,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
}

/// A peer whose handshake has not been finished.
pub struct EdgeHandshake {
    incoming: quinn::Incoming,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
}

/// Who connected.
pub enum EdgeIncoming {
    /// A host or relay without a certificate.
    Enrol(EnrolConnection),
    /// An agent.
    Agent(AgentConnection),
    /// A relay.
    Relay(RelayConnection),
}

/// An agent's session, whatever its carrier.
pub struct AgentConnection {
    /// DER; possession of its key is proven, its chain is not checked.
    pub certificate: Vec<u8>,
    /// The session's messages.
    pub messages: MessageStream,
    /// The agent's, or its relay's.
    pub remote: SocketAddr,
}

/// One enrolment: a request and an answer.
pub struct EnrolConnection {
    messages: MessageStream,
    /// The peer's, or its relay's.
    pub remote: SocketAddr,
    /// Whether a relay carries it: then rate limits by address would hit the whole site.
    pub through_relay: bool,
    limits: Limits,
}

/// A relay's connection with its streams.
pub struct RelayConnection {
    /// DER; possession of its key is proven, its chain is not checked.
    pub certificate: Vec<u8>,
    /// Where it is.
    pub remote: SocketAddr,
    connection: quinn::Connection,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
}

/// A relay's stream whose opening has not been read.
pub struct RelayHandshake {
    stream: QuicStream,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
}

/// What a relay's stream turned out to be.
pub enum RelayStream {
    /// An agent behind the relay.
    Agent(AgentConnection),
    /// An enrolment behind the relay.
    Enrol(EnrolConnection),
    /// The relay's own numbers.
    Report(RelayReport, RelayAnswer),
    /// The relay asks for its settings.
    Settings(RelayAnswer),
    /// The relay asks what to try to reach.
    Probe(ProbeRequest, RelayAnswer),
    /// The relay says what it reached.
    Probed(ProbeResults, RelayAnswer),
}

/// Where the answer to a relay's own request goes.
pub struct RelayAnswer {
    stream: QuicStream,
    limits: Limits,
}

impl EdgeEndpoint {
    /// Listens on a UDP address; port 0 takes any.
    pub fn bind(
        address: SocketAddr,
        identity: &ServerIdentity,
        clock: &SharedClock,
        limits: Limits,
    ) -> Result<Self, TunnelError> {
        let shown = Shown::new(identity)?;
        let outer = server_config(&[ALPN_AGENT, ALPN_RELAY, ALPN_ENROL], &shown, clock)?;
        let inner = server_config(&[ALPN_AGENT, ALPN_ENROL], &shown, clock)?;
        Ok(Self {
            // An agent opens one stream; a connection is allowed more once it has proven to be a relay.
            endpoint: listen(address, outer, &limits, 1)?,
            shown,
            inner: Arc::new(inner),
            limits,
        })
    }

    /// Shows another certificate in handshakes to come, also inside the connections of relays that are there. Sessions go on.
    pub fn set_identity(&self, identity: &ServerIdentity) -> Result<(), TunnelError> {
        self.shown.replace(identity)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Result<SocketAddr, TunnelError> {
        Ok(self.endpoint.local_addr()?)
    }

    /// The next peer; `None` after [`Self::close`]. Over the limit of connections peers are refused.
    pub async fn accept(&self) -> Option<EdgeHandshake> {
        loop {
            let incoming = self.endpoint.accept().await?;
            if self.endpoint.open_connections() > self.limits.connections {
                incoming.refuse();
                continue;
            }
            return Some(EdgeHandshake {
                incoming,
                inner: self.inner.clone(),
                limits: self.limits,
            });
        }
    }

    /// Ends every connection.
    pub fn close(&self) {
        self.endpoint
            .close(close_code::SHUTDOWN.into(), b"shutting down");
    }

    /// Waits until the peers have been told.
    pub async fn closed(&self) {
        self.endpoint.wait_idle().await;
    }
}

impl EdgeHandshake {
    /// Where the peer is.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Finishes the handshake and waits for the peer's first stream where it has only one.
    pub async fn open(self) -> Result<EdgeIncoming, TunnelError> {
        let Self {
            incoming,
            inner,
            limits,
        } = self;
        let (connection, alpn, certificate) = handshake(incoming, &limits).await?;
        let remote = connection.remote_address();
        if alpn == ALPN_ENROL {
            let stream = first_stream(&connection, &limits).await?;
            return Ok(EdgeIncoming::Enrol(EnrolConnection {
                messages: MessageStream::new(stream),
                remote,
                through_relay: false,
                limits,
            }));
        }
        let Some(certificate) = certificate.map(|der| der.to_vec()) else {
            connection.close(close_code::UNAUTHENTICATED.into(), b"no certificate");
            return Err(TunnelError::NoCertificate);
        };
        match alpn.as_slice() {
            ALPN_AGENT => Ok(EdgeIncoming::Agent(AgentConnection {
                certificate,
                messages: MessageStream::new(first_stream(&connection, &limits).await?),
                remote,
            })),
            ALPN_RELAY => Ok(EdgeIncoming::Relay(RelayConnection {
                certificate,
                remote,
                connection,
                inner,
                limits,
            })),
            other => Err(TunnelError::Protocol(String::from_utf8_lossy(other).into())),
        }
    }
}

async fn first_stream(
    connection: &quinn::Connection,
    limits: &Limits,
) -> Result<QuicStream, TunnelError> {
    within(limits.handshake_timeout, "the first stream", async {
        let halves = connection.accept_bi().await.map_err(crate::quic::ended)?;
        Ok(QuicStream::new(halves, connection.clone()))
    })
    .await
}

impl AgentConnection {
    /// Ends the session after what was sent last has been taken.
    pub async fn finish(mut self) {
        linger(&mut self.messages).await;
    }
}

impl EnrolConnection {
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

async fn linger(messages: &mut MessageStream) {
    let taken = async {
        messages.writer.finish().await?;
        messages.reader.drain().await
    };
    let _ = tokio::time::timeout(LINGER, taken).await;
}

impl RelayConnection {
    /// Allows the relay its streams: call it when the certificate has been accepted.
    pub fn admit(&self) {
        let streams = self.limits.relay_streams.into();
        self.connection.set_max_concurrent_bi_streams(streams);
    }

    /// The relay's next stream; the error says why the connection ended.
    pub async fn accept(&self) -> Result<RelayHandshake, TunnelError> {
        let halves = self
            .connection
            .accept_bi()
            .await
            .map_err(crate::quic::ended)?;
        Ok(RelayHandshake {
            stream: QuicStream::new(halves, self.connection.clone()),
            inner: self.inner.clone(),
            limits: self.limits,
        })
    }

    /// Ends the connection with one of [`close_code`].
    pub fn close(&self, code: u32, reason: &str) {
        self.connection.close(code.into(), reason.as_bytes());
    }
}

impl RelayHandshake {
    /// Reads what the stream is for; for sessions and enrolments finishes the TLS handshake inside it.
    pub async fn open(self) -> Result<RelayStream, TunnelError> {
        let Self {
            mut stream,
            inner,
            limits,
        } = self;
        let remote = stream.remote();
        let open = within(limits.handshake_timeout, "opening a stream", async {
            receive_one::<StreamOpen>(&mut stream).await
        });
        match open.await?.kind {
            Some(stream_open::Kind::Session(_)) => {
                let (tls, certificate) = inner_tls(stream, inner, ALPN_AGENT, &limits).await?;
                Ok(RelayStream::Agent(AgentConnection {
                    certificate: certificate.ok_or(TunnelError::NoCertificate)?,
                    messages: MessageStream::new(tls),
                    remote,
                }))
            }
            Some(stream_open::Kind::Enrol(_)) => {
                let (tls, _) = inner_tls(stream, inner, ALPN_ENROL, &limits).await?;
                Ok(RelayStream::Enrol(EnrolConnection {
                    messages: MessageStream::new(tls),
                    remote,
                    through_relay: true,
                    limits,
                }))
            }
            Some(stream_open::Kind::Report(report)) => {
                Ok(RelayStream::Report(report, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Site(_)) => {
                Ok(RelayStream::Settings(RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Probe(request)) => {
                Ok(RelayStream::Probe(request, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Probed(results)) => {
                Ok(RelayStream::Probed(results, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Payload(_)) | None => {
                let answer = StreamAnswer {
                    status: 400,
                    message: "the edge serves no payloads".into(),
                    ..StreamAnswer::default()
                };
                RelayAnswer { stream, limits }.answer(&answer).await?;
                Err(TunnelError::Unexpected(
                    "a stream of no kind of the edge's".into(),
                ))
            }
        }
    }
}

/// Accepts the end-to-end TLS session inside a relay's stream.
async fn inner_tls(
    mut stream: QuicStream,
    config: Arc<rustls::ServerConfig>,
    alpn: &[u8],
    limits: &Limits,
) -> Result<(impl ByteStream, Option<Vec<u8>>), TunnelError> {
    let ok = StreamAnswer {
        status: 200,
        ..StreamAnswer::default()
    };
    let tls = within(
        limits.handshake_timeout,
        "a handshake inside a relay's stream",
        async {
            send_one(&mut stream, &ok).await?;
            Ok(tokio_rustls::TlsAcceptor::from(config)
                .accept(stream)
                .await?)
        },
    )
    .await?;
    let (_, session) = tls.get_ref();
    if session.alpn_protocol() != Some(alpn) {
        let spoken = session.alpn_protocol().unwrap_or_default();
        return Err(TunnelError::Protocol(
            String::from_utf8_lossy(spoken).into(),
        ));
    }
    let first = session.peer_certificates().and_then(<[_]>::first);
    let certificate = first.map(|der| der.to_vec());
    Ok((tls, certificate))
}

impl RelayAnswer {
    /// Answers the relay.
    pub async fn answer(mut self, answer: &StreamAnswer) -> Result<(), TunnelError> {
        within(self.limits.handshake_timeout, "answering a relay", async {
            send_one(&mut self.stream, answer).await?;
            tokio::io::AsyncWriteExt::shutdown(&mut self.stream).await?;
            Ok(())
        })
        .await
    }
}
