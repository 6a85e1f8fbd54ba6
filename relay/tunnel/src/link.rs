//! A relay's connection to the edge with its streams: QUIC, or streams in one TLS connection over TCP.

use crate::mux::{Mux, MuxStream};
use crate::proxy::EdgeAddress;
use crate::quic::{Dial, QuicConnection, QuicStream, ask, dial};
use crate::reach::{NEXT_CARRIER, first_success};
use crate::silence::Watch;
use crate::tcp;
use crate::{CarrierKind, Limits, TunnelError, within};
use netpatch_protocol::site::{StreamAnswer, StreamOpen};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The connection. Clones share it.
#[derive(Clone)]
pub(crate) enum Link {
    /// QUIC.
    Quic(QuicConnection),
    /// TLS over TCP.
    Tcp(Mux),
}

/// One stream of it.
pub enum LinkStream {
    /// Of QUIC.
    Quic(QuicStream),
    /// Of TLS over TCP.
    Tcp(MuxedStream),
}

/// One stream in a TLS connection.
pub struct MuxedStream(MuxStream);

/// Over what a relay connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// QUIC, and TCP where it stays silent.
    Any,
    /// QUIC and TCP at once, whichever gets through first.
    AtOnce,
    /// QUIC only.
    Quic,
    /// TCP only.
    Tcp,
}

impl Link {
    /// Connects to the edge.
    pub(crate) async fn connect(
        edge: &EdgeAddress,
        over: Over,
        what: Dial<'_>,
    ) -> Result<Self, TunnelError> {
        let quic = async { Ok(Self::Quic(dial(&edge.address, what).await?)) };
        let tcp = async {
            let begun = Instant::now();
            let stream = tcp::dial(edge, what).await?;
            let remote = stream.get_ref().0.peer_addr()?;
            // Two round trips, one for TCP and one for TLS, with some time for computing.
            let round_trip = begun.elapsed() / 2;
            let streams = what.limits.relay_streams;
            Ok(Self::Tcp(Mux::client(stream, remote, streams, round_trip)))
        };
        let patience = match over {
            Over::Quic => return quic.await,
            Over::Tcp => return tcp.await,
            Over::Any => NEXT_CARRIER,
            Over::AtOnce => Duration::ZERO,
        };
        let (quic, tcp): (Pin<Box<dyn Future<Output = _> + Send>>, Pin<Box<_>>) =
            (Box::pin(quic), Box::pin(tcp));
        first_success(vec![(patience, quic), (patience, tcp)]).await
    }

    /// Which kind.
    pub(crate) fn kind(&self) -> CarrierKind {
        match self {
            Self::Quic(_) => CarrierKind::Direct,
            Self::Tcp(_) => CarrierKind::Tcp,
        }
    }

    /// Opens a stream.
    async fn stream(&self, limits: &Limits) -> Result<LinkStream, TunnelError> {
        match self {
            Self::Quic(quic) => Ok(LinkStream::Quic(quic.stream(limits).await?)),
            Self::Tcp(mux) => {
                let opened = within(limits.handshake_timeout, "opening a stream", mux.open());
                Ok(LinkStream::Tcp(MuxedStream(opened.await?)))
            }
        }
    }

    /// Opens a stream of the site protocol and waits for the answer, whatever its status.
    pub(crate) async fn open(
        &self,
        open: &StreamOpen,
        limits: &Limits,
    ) -> Result<(StreamAnswer, LinkStream), TunnelError> {
        ask(self.stream(limits).await?, open, limits).await
    }

    /// The peer's next stream; the error says why the connection ended.
    pub(crate) async fn accept(&self) -> Result<LinkStream, TunnelError> {
        match self {
            Self::Quic(quic) => Ok(LinkStream::Quic(quic.accept().await?)),
            Self::Tcp(mux) => Ok(LinkStream::Tcp(MuxedStream(mux.accept().await?))),
        }
    }

    /// Waits until it ends and says why.
    pub(crate) async fn closed(&self) -> String {
        match self {
            Self::Quic(quic) => quic.connection.closed().await.to_string(),
            Self::Tcp(mux) => mux.closed().await,
        }
    }

    /// Whether it still lives.
    pub(crate) fn is_alive(&self) -> bool {
        match self {
            Self::Quic(quic) => quic.connection.close_reason().is_none(),
            Self::Tcp(mux) => mux.end_reason().is_none(),
        }
    }

    /// For noticing that nothing comes through any more; over TCP the system does.
    pub(crate) fn watch(&self) -> Option<Watch> {
        match self {
            Self::Quic(quic) => quic.watch(),
            Self::Tcp(_) => None,
        }
    }

    /// Round-trip time; over TCP that of connecting.
    pub(crate) fn round_trip(&self) -> Duration {
        match self {
            Self::Quic(quic) => quic.connection.rtt(),
            Self::Tcp(mux) => mux.round_trip(),
        }
    }

    /// The round trip of the last acknowledgements, and sends what brings one more. Over TCP nobody knows.
    pub(crate) fn probe(&self) -> Option<Duration> {
        match self {
            Self::Quic(quic) => Some(quic.probe()),
            Self::Tcp(_) => None,
        }
    }

    /// Ends it with one of [`crate::close_code`].
    pub(crate) fn close(&self, code: u32, reason: &str) {
        match self {
            Self::Quic(quic) => quic.connection.close(code.into(), reason.as_bytes()),
            Self::Tcp(mux) => mux.close(code, reason),
        }
    }
}

impl LinkStream {
    /// Breaks the stream off in both directions.
    pub fn reset(&mut self) {
        match self {
            Self::Quic(stream) => stream.reset(),
            Self::Tcp(MuxedStream(stream)) => stream.reset(),
        }
    }

    /// What is sent here goes after what other streams send; over TCP all streams take turns.
    pub(crate) fn yield_to_others(&mut self) {
        if let Self::Quic(stream) = self {
            stream.yield_to_others();
        }
    }

    /// Where the peer is.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        match self {
            Self::Quic(stream) => stream.remote(),
            Self::Tcp(MuxedStream(stream)) => stream.remote(),
        }
    }
}

impl AsyncRead for LinkStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tcp(MuxedStream(stream)) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Quic(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tcp(MuxedStream(stream)) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(MuxedStream(stream)) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(MuxedStream(stream)) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
