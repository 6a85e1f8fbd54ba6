//! The edge's endpoint, over UDP and TCP: accepts agents, enrolments and relays, and agents and enrolments inside a relay's streams.
//!
//! Accepting and finishing a handshake are two steps, so that the caller owns the task of each peer and a slow one
//! delays nobody. The certificate that comes out proves possession of its key and nothing more.

mod enrol;
mod stream;

use crate::link::Link;
use crate::message::MessageStream;
use crate::mux::Mux;
use crate::quic::{QuicConnection, QuicStream, handshake, listen};
use crate::tcp::{self, Counted};
use crate::tls::{ServerIdentity, Shown, server_config};
use crate::{Limits, TunnelError, close_code, within};
use netpatch_protocol::{ALPN_AGENT, ALPN_ENROL, ALPN_RELAY};
use netpatch_types::SharedClock;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::server::TlsStream;

pub use enrol::EnrolConnection;
pub use stream::{RelayAnswer, RelayHandshake, RelayMessages, RelayStream};

/// How often another port is taken when the one that UDP got is in use by TCP.
const PORT_TRIES: u32 = 16;
/// After an error of the system, such as too many open files, accepting waits for this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a side waits for the peer to take the last message.
const LINGER: Duration = Duration::from_secs(3);

/// Listens for agents, relays and enrolments.
pub struct EdgeEndpoint {
    endpoint: quinn::Endpoint,
    tcp: Option<TcpListener>,
    /// Connections over TCP that may still come.
    places: Arc<Semaphore>,
    /// Handshakes that may still begin, by carrier, so that silent peers over one do not keep those over the other waiting.
    quic_handshakes: Arc<Semaphore>,
    tcp_handshakes: Arc<Semaphore>,
    shown: Arc<Shown>,
    outer: Arc<rustls::ServerConfig>,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
    /// Nobody is let in any more.
    draining: AtomicBool,
}

/// A peer whose handshake has not been finished.
pub struct EdgeHandshake {
    working: OwnedSemaphorePermit,
    incoming: Incoming,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
}

enum Incoming {
    Quic(Box<quinn::Incoming>),
    Tcp {
        stream: Counted,
        remote: SocketAddr,
        config: Arc<rustls::ServerConfig>,
    },
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

/// A relay's connection with its streams.
pub struct RelayConnection {
    /// DER; possession of its key is proven, its chain is not checked.
    pub certificate: Vec<u8>,
    /// Where it is.
    pub remote: SocketAddr,
    link: RelayLink,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
}

/// Streams over TCP begin when the relay has been admitted.
enum RelayLink {
    Quic(Link),
    Tcp(Mutex<TcpLink>),
}

enum TcpLink {
    Waiting(Box<TlsStream<Counted>>),
    Begun(Link),
    Gone,
}

impl EdgeEndpoint {
    /// Listens on an address, over UDP and over TCP; port 0 takes any that both have.
    pub fn bind(
        address: SocketAddr,
        identity: &ServerIdentity,
        clock: &SharedClock,
        limits: Limits,
    ) -> Result<Self, TunnelError> {
        let mut tries = 0;
        loop {
            let mut edge = Self::bind_udp_only(address, identity, clock, limits)?;
            let address_of_both = edge.local_addr()?;
            match tcp::listen(address_of_both) {
                Ok(listener) => {
                    edge.tcp = Some(listener);
                    return Ok(edge);
                }
                Err(source) => {
                    tries += 1;
                    if address.port() != 0 || tries >= PORT_TRIES {
                        let address = address_of_both;
                        return Err(TunnelError::TcpSocket { address, source });
                    }
                }
            }
        }
    }

    /// Listens on a UDP address only: agents and relays where UDP does not get through find nobody.
    pub fn bind_udp_only(
        address: SocketAddr,
        identity: &ServerIdentity,
        clock: &SharedClock,
        limits: Limits,
    ) -> Result<Self, TunnelError> {
        // An edge sends little on each of very many connections.
        let limits = Limits {
            segments: false,
            ..limits
        };
        let shown = Shown::new(identity)?;
        let outer = server_config(&[ALPN_AGENT, ALPN_RELAY, ALPN_ENROL], &shown, clock)?;
        let inner = server_config(&[ALPN_AGENT, ALPN_ENROL], &shown, clock)?;
        Ok(Self {
            // An agent opens one stream; a connection is allowed more once it has proven to be a relay.
            endpoint: listen(address, outer.clone(), &limits, 1, identity.reset.as_ref())?,
            tcp: None,
            places: Arc::new(Semaphore::new(limits.connections)),
            quic_handshakes: Arc::new(Semaphore::new(limits.handshakes.max(1))),
            tcp_handshakes: Arc::new(Semaphore::new(limits.handshakes.max(1))),
            shown,
            outer: Arc::new(outer),
            inner: Arc::new(inner),
            limits,
            draining: AtomicBool::new(false),
        })
    }

    /// Lets nobody in any more; who is there may stay. [`Self::accept`] goes on to be called: it turns peers away, so that they try
    /// another edge at once.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Shows another certificate in handshakes to come, also inside the connections of relays that are there. Sessions go on.
    pub fn set_identity(&self, identity: &ServerIdentity) -> Result<(), TunnelError> {
        self.shown.replace(identity)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Result<SocketAddr, TunnelError> {
        Ok(self.endpoint.local_addr()?)
    }

    /// The next peer whose handshake may begin; `None` after [`Self::close`]. Over the limit of handshakes peers wait, so that a fleet
    /// that comes back at once is let in as fast as the edge can; over the limit of connections they are refused.
    pub async fn accept(&self) -> Option<EdgeHandshake> {
        loop {
            let (working, incoming) = tokio::select! {
                biased;
                (working, incoming) = self.accept_quic() => {
                    let incoming = incoming?;
                    if self.draining.load(Ordering::Relaxed) || self.open_connections() > self.limits.connections {
                        incoming.refuse();
                        continue;
                    }
                    if self.is_busy() && incoming.may_retry() {
                        // Who answers from the address that he gave may go on; others have cost one packet.
                        let _ = incoming.retry();
                        continue;
                    }
                    (working, Incoming::Quic(Box::new(incoming)))
                }
                (working, stream, remote) = self.accept_tcp() => {
                    let Some(stream) = self.admit_tcp(stream) else {
                        continue;
                    };
                    let config = self.outer.clone();
                    (working, Incoming::Tcp { stream, remote, config })
                }
            };
            return Some(EdgeHandshake {
                working: working?,
                incoming,
                inner: self.inner.clone(),
                limits: self.limits,
            });
        }
    }

    async fn accept_quic(&self) -> (Option<OwnedSemaphorePermit>, Option<quinn::Incoming>) {
        let working = self.quic_handshakes.clone().acquire_owned().await.ok();
        (working, self.endpoint.accept().await)
    }

    /// Half of the handshakes over QUIC that may be in work are.
    fn is_busy(&self) -> bool {
        self.quic_handshakes.available_permits() < self.limits.handshakes / 2
    }

    async fn accept_tcp(&self) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
        let Some(listener) = &self.tcp else {
            return std::future::pending().await;
        };
        let working = self.tcp_handshakes.clone().acquire_owned().await.ok();
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => return (working, stream, remote),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept over tcp");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A connection over TCP, unless there are too many.
    fn admit_tcp(&self, stream: TcpStream) -> Option<Counted> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        if self.draining.load(Ordering::Relaxed)
            || self.open_connections() > self.limits.connections
        {
            return None;
        }
        if let Err(error) = tcp::tune(&stream, &self.limits) {
            tracing::debug!(%error, "connection over tcp is gone already");
            return None;
        }
        Some(Counted::new(stream, Some(place)))
    }

    fn open_connections(&self) -> usize {
        let over_tcp = self.limits.connections - self.places.available_permits();
        self.endpoint.open_connections() + over_tcp
    }

    /// Lets nobody in any more and ends every connection over QUIC; one over TCP ends when its owner lets it go.
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
        match &self.incoming {
            Incoming::Quic(incoming) => incoming.remote_address(),
            Incoming::Tcp { remote, .. } => *remote,
        }
    }

    /// Finishes the handshake and waits for the peer's first stream where it has only one.
    pub async fn open(self) -> Result<EdgeIncoming, TunnelError> {
        let Self {
            working,
            incoming,
            inner,
            limits,
        } = self;
        let opened = match incoming {
            Incoming::Quic(incoming) => open_quic(*incoming, inner, limits).await,
            Incoming::Tcp {
                stream,
                remote,
                config,
            } => open_tcp(stream, remote, config, inner, limits).await,
        };
        drop(working);
        opened
    }
}

async fn open_quic(
    incoming: quinn::Incoming,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
) -> Result<EdgeIncoming, TunnelError> {
    let (connection, alpn, certificate) = handshake(incoming, &limits).await?;
    let remote = connection.remote_address();
    if alpn == ALPN_ENROL {
        let stream = first_stream(&connection, &limits).await?;
        return Ok(EdgeIncoming::Enrol(EnrolConnection::new(
            stream, remote, false, limits,
        )));
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
            link: RelayLink::Quic(Link::Quic(QuicConnection::accepted(connection))),
            inner,
            limits,
        })),
        other => Err(unknown_protocol(other)),
    }
}

async fn open_tcp(
    stream: Counted,
    remote: SocketAddr,
    config: Arc<rustls::ServerConfig>,
    inner: Arc<rustls::ServerConfig>,
    limits: Limits,
) -> Result<EdgeIncoming, TunnelError> {
    let accepting = tcp::accept(stream, config);
    let (stream, alpn, certificate) =
        within(limits.handshake_timeout, "a handshake over tcp", accepting).await?;
    if alpn == ALPN_ENROL {
        return Ok(EdgeIncoming::Enrol(EnrolConnection::new(
            stream, remote, false, limits,
        )));
    }
    let certificate = certificate.ok_or(TunnelError::NoCertificate)?.to_vec();
    match alpn.as_slice() {
        ALPN_AGENT => Ok(EdgeIncoming::Agent(AgentConnection {
            certificate,
            messages: MessageStream::new(stream),
            remote,
        })),
        ALPN_RELAY => Ok(EdgeIncoming::Relay(RelayConnection {
            certificate,
            remote,
            link: RelayLink::Tcp(Mutex::new(TcpLink::Waiting(Box::new(stream)))),
            inner,
            limits,
        })),
        other => Err(unknown_protocol(other)),
    }
}

fn unknown_protocol(alpn: &[u8]) -> TunnelError {
    TunnelError::Protocol(String::from_utf8_lossy(alpn).into())
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
        let streams = self.limits.relay_streams;
        match &self.link {
            RelayLink::Quic(Link::Quic(quic)) => {
                quic.connection
                    .set_max_concurrent_bi_streams(streams.into());
            }
            RelayLink::Quic(Link::Tcp(_)) => {}
            RelayLink::Tcp(_) => {
                self.begin();
            }
        }
    }

    /// The relay's next stream; the error says why the connection ended. Before [`Self::admit`] a relay over QUIC has one stream,
    /// one over TCP none.
    pub async fn accept(&self) -> Result<RelayHandshake, TunnelError> {
        let link = match &self.link {
            RelayLink::Quic(link) => Some(link.clone()),
            RelayLink::Tcp(link) => match &*lock(link) {
                TcpLink::Begun(link) => Some(link.clone()),
                TcpLink::Waiting(_) | TcpLink::Gone => None,
            },
        };
        let link = link.ok_or_else(|| TunnelError::Ended("relay is not admitted".into()))?;
        Ok(RelayHandshake {
            stream: link.accept().await?,
            inner: self.inner.clone(),
            limits: self.limits,
        })
    }

    /// Ends the connection with one of [`close_code`].
    pub fn close(&self, code: u32, reason: &str) {
        if let Some(link) = self.begin() {
            link.close(code, reason);
        }
    }

    /// The streams of a relay over TCP begin, if they have not yet.
    fn begin(&self) -> Option<Link> {
        let waiting = match &self.link {
            RelayLink::Quic(link) => return Some(link.clone()),
            RelayLink::Tcp(waiting) => waiting,
        };
        let mut state = lock(waiting);
        let link = match std::mem::replace(&mut *state, TcpLink::Gone) {
            TcpLink::Waiting(stream) => {
                let streams = self.limits.relay_streams;
                Link::Tcp(Mux::server(*stream, self.remote, streams))
            }
            TcpLink::Begun(link) => link,
            TcpLink::Gone => return None,
        };
        *state = TcpLink::Begun(link.clone());
        Some(link)
    }
}

fn lock(link: &Mutex<TcpLink>) -> std::sync::MutexGuard<'_, TcpLink> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}
