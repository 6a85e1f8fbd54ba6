//! TLS over TCP, for where UDP does not get through: the same protocols and certificates as over QUIC.
//!
//! QUIC notices a dead peer by itself; here the system does: probes while nothing is sent, and an end to retransmitting.

use crate::proxy::{EdgeAddress, Way};
use crate::quic::Dial;
use crate::reach::{NEXT_ADDRESS, addresses, first_success};
use crate::tls::client_config;
use crate::{ByteStream, Limits, TunnelError, within};
use rustls::pki_types::{CertificateDer, ServerName};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// Connections that the system holds until they are accepted: a whole fleet may come back at once.
const BACKLOG: u32 = 4096;

/// A connection that counts for as long as it lives.
pub(crate) struct Counted {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
}

impl Counted {
    pub(crate) fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            stream,
            _place: place,
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Listens on a TCP address.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Or a restart would have to wait for the connections of before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Small messages go out at once, and a peer that is gone is noticed about as soon as over QUIC.
pub(crate) fn tune(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // The system counts whole seconds.
    let pause = limits.keep_alive.max(Duration::from_secs(1));
    let probes = socket2::TcpKeepalive::new()
        .with_time(pause)
        .with_interval(pause);
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(limits.idle_timeout))?;
    Ok(())
}

/// Connects to the edge and finishes the handshake, trying each of its addresses, or through the proxy.
pub(crate) async fn dial(
    edge: &EdgeAddress,
    what: Dial<'_>,
) -> Result<client::TlsStream<Way>, TunnelError> {
    let name = edge.address.as_str();
    let config = Arc::new(client_config(
        what.alpn,
        what.expect,
        what.identity,
        what.clock,
    )?);
    if let Some(proxy) = &edge.proxy {
        let stream = proxy.tunnel(name, what.clock, what.limits).await?;
        return secure(stream, config, what.limits)
            .await
            .map_err(|error| over_tcp(&edge.to_string(), error));
    }
    let attempts = addresses(name).await?.into_iter().map(|address| {
        let config = config.clone();
        let attempt = async move {
            let stream = connect(address, what.limits).await?;
            secure(Way::Open(stream), config, what.limits).await
        };
        (NEXT_ADDRESS, Box::pin(attempt))
    });
    first_success(attempts.collect())
        .await
        .map_err(|error| over_tcp(name, error))
}

fn over_tcp(name: &str, error: TunnelError) -> TunnelError {
    match error {
        TunnelError::Io(error) => TunnelError::Connect {
            name: format!("{name} over tcp"),
            reason: error.to_string(),
        },
        other => other,
    }
}

/// Connects to one address.
pub(crate) async fn connect(
    address: SocketAddr,
    limits: &Limits,
) -> Result<TcpStream, TunnelError> {
    within(limits.handshake_timeout, "connecting over tcp", async {
        let stream = TcpStream::connect(address).await?;
        tune(&stream, limits)?;
        Ok(stream)
    })
    .await
}

/// The client's side of TLS over any stream.
pub(crate) async fn secure<S: ByteStream>(
    stream: S,
    config: Arc<rustls::ClientConfig>,
    limits: &Limits,
) -> Result<client::TlsStream<S>, TunnelError> {
    // SNI is off; the API still wants a name.
    let name = ServerName::try_from("netpatch")
        .map_err(|error| TunnelError::OwnCertificate(error.to_string()))?;
    within(limits.handshake_timeout, "a tls handshake", async {
        Ok(TlsConnector::from(config).connect(name, stream).await?)
    })
    .await
}

/// The server's side: the stream, the negotiated protocol, and the peer's certificate, if any.
pub(crate) async fn accept<S: ByteStream>(
    stream: S,
    config: Arc<rustls::ServerConfig>,
) -> Result<
    (
        server::TlsStream<S>,
        Vec<u8>,
        Option<CertificateDer<'static>>,
    ),
    TunnelError,
> {
    let tls = TlsAcceptor::from(config).accept(stream).await?;
    let (_, session) = tls.get_ref();
    let alpn = session.alpn_protocol().unwrap_or_default().to_vec();
    let first = session.peer_certificates().and_then(<[_]>::first);
    let certificate = first.map(|der| der.clone().into_owned());
    Ok((tls, alpn, certificate))
}
