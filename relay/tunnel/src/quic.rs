//! QUIC: dialling, listening, and a bidirectional QUIC stream that keeps its connection alive.

use crate::congestion::{self, Yields};
use crate::identity::Identity;
use crate::message::{receive_one, send_one};
use crate::reach::{NEXT_ADDRESS, addresses, first_success};
use crate::reset::ResetSecret;
use crate::silence::{Pulse, Watch};
use crate::socket;
use crate::tls::{Expect, client_config, transport};
use crate::{ByteStream, Limits, TunnelError, within};
use netpatch_protocol::site::{StreamAnswer, StreamOpen};
use netpatch_types::SharedClock;
use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use rustls::pki_types::CertificateDer;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Peers whose handshake has not begun; more are refused at once, before their client would have given up waiting.
const WAITING: usize = 4096;

/// One bidirectional stream.
pub struct QuicStream {
    send: quinn::SendStream,
    recv: quinn::RecvStream,
    connection: quinn::Connection,
    /// Told of every write, on the side that connected.
    pulse: Option<Arc<Pulse>>,
    yields: Option<Yields>,
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(crate) struct QuicConnection {
    pub(crate) connection: quinn::Connection,
    /// On the side that connected.
    pulse: Option<Arc<Pulse>>,
}

impl QuicConnection {
    /// One that a peer made.
    pub(crate) fn accepted(connection: quinn::Connection) -> Self {
        let pulse = None;
        Self { connection, pulse }
    }

    /// Opens a stream.
    pub(crate) async fn stream(&self, limits: &Limits) -> Result<QuicStream, TunnelError> {
        within(limits.handshake_timeout, "opening a stream", async {
            let halves = self.connection.open_bi().await.map_err(ended)?;
            Ok(QuicStream {
                pulse: self.pulse.clone(),
                ..QuicStream::new(halves, self.connection.clone())
            })
        })
        .await
    }

    /// The peer's next stream; the error says why the connection ended.
    pub(crate) async fn accept(&self) -> Result<QuicStream, TunnelError> {
        let halves = self.connection.accept_bi().await.map_err(ended)?;
        Ok(QuicStream::new(halves, self.connection.clone()))
    }

    /// The round trip of the last acknowledgements. A datagram is sent for the next one: nobody reads it, and one that is lost is not
    /// sent again, because by then it would tell of the past (RFC 9221).
    pub(crate) fn probe(&self) -> Duration {
        // A peer that takes none is measured by what else is sent.
        let _ = self
            .connection
            .send_datagram(bytes::Bytes::from_static(&[0]));
        self.connection.rtt()
    }

    /// For noticing that nothing comes through any more; only on the side that connected.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let pulse = self.pulse.clone()?;
        Some(Watch::new(self.connection.clone(), pulse))
    }
}

impl QuicStream {
    pub(crate) fn new(
        (send, recv): (quinn::SendStream, quinn::RecvStream),
        connection: quinn::Connection,
    ) -> Self {
        Self {
            send,
            recv,
            connection,
            pulse: None,
            yields: None,
        }
    }

    /// Breaks the stream off in both directions, so that the peer does not take what it has for the whole.
    pub fn reset(&mut self) {
        let _ = self.send.reset(crate::close_code::PROTOCOL.into());
        let _ = self.recv.stop(crate::close_code::PROTOCOL.into());
    }

    /// What is sent here goes after what other streams of the connection send, and keeps the queue before the line short for as long
    /// as the stream lives.
    pub fn yield_to_others(&mut self) {
        // Fails only when the stream has ended: then nothing is sent.
        let _ = self.send.set_priority(-1);
        if self.yields.is_none() {
            self.yields = congestion::yielding(&self.connection).map(|all| all.one());
        }
    }

    /// Where the peer is.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.connection.remote_address()
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.recv), cx, buf)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let ticket = self.pulse.as_ref().map(|pulse| pulse.ticket());
        let written = AsyncWrite::poll_write(Pin::new(&mut self.send), cx, buf);
        if let (Some(pulse), Some(ticket), Poll::Ready(Ok(1..))) = (&self.pulse, ticket, &written) {
            pulse.wrote(ticket);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.send), cx)
    }
}

/// What every dialling needs.
#[derive(Clone, Copy)]
pub(crate) struct Dial<'a> {
    pub(crate) alpn: &'a [u8],
    pub(crate) expect: &'a Expect,
    pub(crate) identity: Option<&'a Identity>,
    pub(crate) clock: &'a SharedClock,
    pub(crate) limits: &'a Limits,
}

/// Connects to `host:port`, trying each of its addresses.
pub(crate) async fn dial(name: &str, what: Dial<'_>) -> Result<QuicConnection, TunnelError> {
    let tls = client_config(what.alpn, what.expect, what.identity, what.clock)?;
    let crypto = QuicClientConfig::try_from(tls)
        .map_err(|error| TunnelError::OwnCertificate(error.to_string()))?;
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let limit = what.limits.handshake_timeout;
    let attempts = addresses(name).await?.into_iter().map(|address| {
        let attempt = dial_one(name, address, config.clone(), what.limits);
        (NEXT_ADDRESS, Box::pin(within(limit, "connecting", attempt)))
    });
    first_success(attempts.collect()).await
}

async fn dial_one(
    name: &str,
    address: SocketAddr,
    mut config: quinn::ClientConfig,
    limits: &Limits,
) -> Result<QuicConnection, TunnelError> {
    let pulse = Arc::<Pulse>::default();
    config.transport_config(transport(limits, 0, Some(pulse.clone())));
    let any = match address.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let endpoint = socket::client(SocketAddr::new(any, 0), limits)
        .map_err(|source| TunnelError::Socket { address, source })?;
    let failed = |reason: String| TunnelError::Connect {
        name: name.to_owned(),
        reason,
    };
    // SNI is off; QUIC's API still wants a name.
    let connecting = endpoint
        .connect_with(config, address, "netpatch")
        .map_err(|error| failed(error.to_string()))?;
    let connection = connecting.await;
    Ok(QuicConnection {
        connection: connection.map_err(|error| failed(error.to_string()))?,
        pulse: Some(pulse),
    })
}

/// Listens with a TLS configuration.
pub(crate) fn listen(
    address: SocketAddr,
    tls: rustls::ServerConfig,
    limits: &Limits,
    incoming_streams: u32,
    reset: Option<&ResetSecret>,
) -> Result<quinn::Endpoint, TunnelError> {
    let config = server_config(tls, limits, incoming_streams)?;
    socket::server(config, address, reset).map_err(|source| TunnelError::Socket { address, source })
}

/// The QUIC side of a server's configuration.
fn server_config(
    tls: rustls::ServerConfig,
    limits: &Limits,
    incoming_streams: u32,
) -> Result<quinn::ServerConfig, TunnelError> {
    let crypto = QuicServerConfig::try_from(tls)
        .map_err(|error| TunnelError::OwnCertificate(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport(limits, incoming_streams, None));
    config.max_incoming(WAITING);
    Ok(config)
}

/// Finishes the handshake of an incoming connection; the negotiated protocol and the peer's certificate, if any.
pub(crate) async fn handshake(
    incoming: quinn::Incoming,
    limits: &Limits,
) -> Result<(quinn::Connection, Vec<u8>, Option<CertificateDer<'static>>), TunnelError> {
    let name = incoming.remote_address().to_string();
    let failed = |error: quinn::ConnectionError| TunnelError::Connect {
        name: name.clone(),
        reason: error.to_string(),
    };
    let connection = within(limits.handshake_timeout, "a handshake", async {
        incoming.accept().map_err(failed)?.await.map_err(failed)
    })
    .await?;
    let data = connection
        .handshake_data()
        .map(|data| data.downcast::<HandshakeData>());
    let alpn = match data {
        Some(Ok(data)) => data.protocol.unwrap_or_default(),
        _ => Vec::new(),
    };
    let certificates = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificate = certificates.and_then(|chain| chain.into_iter().next());
    Ok((connection, alpn, certificate))
}

/// Says what a new stream of the site protocol is for and waits for the answer, whatever its status.
pub(crate) async fn ask<S: ByteStream>(
    mut stream: S,
    open: &StreamOpen,
    limits: &Limits,
) -> Result<(StreamAnswer, S), TunnelError> {
    let answer = within(limits.handshake_timeout, "opening a stream", async {
        send_one(&mut stream, open).await?;
        receive_one::<StreamAnswer>(&mut stream).await
    })
    .await?;
    Ok((answer, stream))
}

/// Why a connection ended.
pub(crate) fn ended(error: quinn::ConnectionError) -> TunnelError {
    TunnelError::Ended(error.to_string())
}

/// An error unless the answer is a success.
pub(crate) fn succeeded(answer: &StreamAnswer) -> Result<(), TunnelError> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    Err(TunnelError::Refused {
        status: answer.status,
        message: answer.message.chars().take(200).collect(),
    })
}
