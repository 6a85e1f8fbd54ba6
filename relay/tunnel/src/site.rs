//! Between an agent and its relay: the relay's endpoint, and the agent's connection that carries sessions and payloads.

use crate::identity::{Identity, verify_identity};
use crate::message::{receive_one, send_one};
use crate::quic::{
    Dial, QuicConnection, QuicStream, ask, dial, ended, handshake, listen, succeeded,
};
use crate::silence::Watch;
use crate::tls::{Expect, ServerIdentity, Shown, server_config};
use crate::{Limits, TunnelError, close_code, within};
use netpatch_protocol::site::{
    PayloadRequest, SessionStream, StreamAnswer, StreamOpen, stream_open,
};
use netpatch_protocol::{ALPN_ENROL, ALPN_SITE, IdentityName, SubjectKind};
use netpatch_types::{Sha256, SharedClock};
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// A relay's endpoint for the agents of its site.
pub struct SiteEndpoint {
    endpoint: quinn::Endpoint,
    shown: Arc<Shown>,
    ca: CertificateDer<'static>,
    clock: SharedClock,
    limits: Limits,
}

/// A peer whose handshake has not been finished.
pub struct SiteHandshake {
    incoming: quinn::Incoming,
    ca: CertificateDer<'static>,
    clock: SharedClock,
    limits: Limits,
}

/// Who connected to the relay.
pub struct SiteIncoming {
    /// The host, or `None` for one that enrols and may open [`stream_open::Kind::Enrol`] only.
    pub host: Option<SiteHost>,
    /// Where it is.
    pub remote: SocketAddr,
    connection: quinn::Connection,
    limits: Limits,
}

/// A host of the organization, as its certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteHost {
    /// Whom it names.
    pub name: IdentityName,
    /// SHA-256 of the certificate, DER.
    pub certificate: Sha256,
}

/// A stream that an agent opened.
pub struct SiteStream {
    stream: QuicStream,
    limits: Limits,
}

impl SiteEndpoint {
    /// Listens on a UDP address with the relay's identity; agents must be hosts of the organization with this CA.
    pub fn bind(
        address: SocketAddr,
        identity: &Identity,
        ca_der: Vec<u8>,
        clock: SharedClock,
        limits: Limits,
    ) -> Result<Self, TunnelError> {
        let server = ServerIdentity::from(identity);
        let shown = Shown::new(&server)?;
        let tls = server_config(&[ALPN_SITE, ALPN_ENROL], &shown, &clock)?;
        Ok(Self {
            shown,
            endpoint: listen(
                address,
                tls,
                &limits,
                limits.agent_streams,
                server.reset.as_ref(),
            )?,
            ca: ca_der.into(),
            clock,
            limits,
        })
    }

    /// Takes another identity for connections to come, after a renewal.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), TunnelError> {
        self.shown.replace(&ServerIdentity::from(identity))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Result<SocketAddr, TunnelError> {
        Ok(self.endpoint.local_addr()?)
    }

    /// How many agents are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.endpoint.open_connections()
    }

    /// The next peer; `None` after [`Self::close`].
    pub async fn accept(&self) -> Option<SiteHandshake> {
        loop {
            let incoming = self.endpoint.accept().await?;
            if self.endpoint.open_connections() > self.limits.connections {
                incoming.refuse();
                continue;
            }
            return Some(SiteHandshake {
                incoming,
                ca: self.ca.clone(),
                clock: self.clock.clone(),
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

impl SiteHandshake {
    /// Finishes the handshake and checks the host's certificate.
    pub async fn open(self) -> Result<SiteIncoming, TunnelError> {
        let (connection, alpn, certificate) = handshake(self.incoming, &self.limits).await?;
        let host = if alpn == ALPN_ENROL {
            None
        } else {
            match host_of(certificate, &self.ca, &self.clock) {
                Ok(host) => Some(host),
                Err(error) => {
                    connection.close(
                        close_code::UNAUTHENTICATED.into(),
                        b"certificate not accepted",
                    );
                    return Err(error);
                }
            }
        };
        Ok(SiteIncoming {
            host,
            remote: connection.remote_address(),
            connection,
            limits: self.limits,
        })
    }
}

fn host_of(
    certificate: Option<CertificateDer<'static>>,
    ca: &CertificateDer<'static>,
    clock: &SharedClock,
) -> Result<SiteHost, TunnelError> {
    let certificate = certificate.ok_or(TunnelError::NoCertificate)?;
    let now = u64::try_from(clock.now().timestamp()).unwrap_or(0);
    let name = verify_identity(&certificate, ca, now)?;
    if name.kind == SubjectKind::Host {
        Ok(SiteHost {
            name,
            certificate: Sha256::of(&certificate),
        })
    } else {
        Err(TunnelError::Unexpected(
            "a relay connected as an agent".into(),
        ))
    }
}

impl SiteIncoming {
    /// The host's next stream; the error says why the connection ended.
    pub async fn accept(&self) -> Result<SiteStream, TunnelError> {
        let halves = self.connection.accept_bi().await.map_err(ended)?;
        Ok(SiteStream {
            stream: QuicStream::new(halves, self.connection.clone()),
            limits: self.limits,
        })
    }

    /// Ends the connection with one of [`close_code`].
    pub fn close(&self, code: u32, reason: &str) {
        self.connection.close(code.into(), reason.as_bytes());
    }
}

impl SiteStream {
    /// What the stream is for. The answer is the caller's: [`send_answer`].
    pub async fn open(mut self) -> Result<(stream_open::Kind, QuicStream), TunnelError> {
        let open = within(self.limits.handshake_timeout, "opening a stream", async {
            receive_one::<StreamOpen>(&mut self.stream).await
        });
        let kind = open.await?.kind;
        let kind = kind.ok_or_else(|| TunnelError::Unexpected("a stream of no kind".into()))?;
        Ok((kind, self.stream))
    }
}

/// Answers a stream's opening.
pub async fn send_answer(
    stream: &mut QuicStream,
    answer: &StreamAnswer,
) -> Result<(), TunnelError> {
    send_one(stream, answer).await
}

/// An agent's way to its relay: one connection, made when it is needed, shared by sessions and payloads.
pub struct SiteClient {
    address: String,
    ca: CertificateDer<'static>,
    identity: Mutex<Identity>,
    clock: SharedClock,
    limits: Limits,
    current: tokio::sync::Mutex<Option<QuicConnection>>,
}

/// A living connection to the relay.
#[derive(Clone)]
pub struct SiteConnection {
    dialled: QuicConnection,
    limits: Limits,
}

impl SiteConnection {
    /// The round-trip time to the relay, which this call also has measured anew.
    #[must_use]
    pub fn probe(&self) -> std::time::Duration {
        self.dialled.probe()
    }
}

impl SiteClient {
    /// A relay at `host:port`, which must show a relay's certificate of the organization with this CA.
    #[must_use]
    pub fn new(
        address: String,
        ca_der: Vec<u8>,
        identity: Identity,
        clock: SharedClock,
        limits: Limits,
    ) -> Self {
        Self {
            address,
            ca: ca_der.into(),
            identity: Mutex::new(identity),
            clock,
            limits,
            current: tokio::sync::Mutex::new(None),
        }
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Takes another identity for connections to come, after a renewal.
    pub fn set_identity(&self, identity: Identity) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// The living connection, or a new one.
    pub async fn connection(&self) -> Result<SiteConnection, TunnelError> {
        let mut current = self.current.lock().await;
        let living = current
            .as_ref()
            .filter(|dialled| dialled.connection.close_reason().is_none());
        let dialled = match living {
            Some(dialled) => dialled.clone(),
            None => {
                let identity = self
                    .identity
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let what = Dial {
                    alpn: ALPN_SITE,
                    expect: &Expect::Relay(self.ca.clone()),
                    identity: Some(&identity),
                    clock: &self.clock,
                    limits: &self.limits,
                };
                dial(&self.address, what).await?
            }
        };
        *current = Some(dialled.clone());
        Ok(SiteConnection {
            dialled,
            limits: self.limits,
        })
    }
}

impl SiteConnection {
    /// Asks for payload bytes. The status says what happened; on success the body follows in the stream and has
    /// exactly `size_bytes` bytes: fewer mean that it broke off.
    pub async fn payload(
        &self,
        request: PayloadRequest,
    ) -> Result<(StreamAnswer, QuicStream), TunnelError> {
        let open = StreamOpen {
            kind: Some(stream_open::Kind::Payload(request)),
        };
        self.open(&open).await
    }

    async fn open(&self, open: &StreamOpen) -> Result<(StreamAnswer, QuicStream), TunnelError> {
        let stream = self.dialled.stream(&self.limits).await?;
        let asked = ask(stream, open, &self.limits).await;
        // A relay that does not let the host in says so by ending the connection.
        asked.map_err(|error| match self.dialled.connection.close_reason() {
            Some(reason) => ended(reason),
            None => error,
        })
    }

    /// Whether the relay's own way to the edge works, shown by a stream through it that is dropped again.
    pub async fn reaches_edge(&self) -> Result<(), TunnelError> {
        self.session().await.map(drop)
    }

    pub(crate) fn watch(&self) -> Option<Watch> {
        self.dialled.watch()
    }

    /// A stream that the relay forwards to the edge.
    pub(crate) async fn session(&self) -> Result<QuicStream, TunnelError> {
        let open = StreamOpen {
            kind: Some(stream_open::Kind::Session(SessionStream {})),
        };
        let (answer, stream) = self.open(&open).await?;
        succeeded(&answer)?;
        Ok(stream)
    }
}
