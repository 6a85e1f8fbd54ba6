//! Connections to vendors: directly, or through the site's forward proxy. Plain HTTP is asked for at the proxy itself, TLS goes through it by
//! CONNECT, as proxies allow it.

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use netpatch_tunnel::{Limits, Proxies, Way};
use netpatch_types::SharedClock;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Ways {
    tcp: HttpConnector,
    proxies: Arc<Proxies>,
    clock: SharedClock,
}

impl Ways {
    pub(super) fn new(tcp: HttpConnector, proxies: Arc<Proxies>, clock: SharedClock) -> Self {
        Self {
            tcp,
            proxies,
            clock,
        }
    }

    /// What a proxy is to be shown with a request in plain HTTP.
    pub(super) fn authorization(&self, uri: &Uri) -> Option<&str> {
        let is_plain = uri.scheme_str() == Some("http");
        let proxy = self.proxies.towards(uri.host()?).filter(|_| is_plain)?;
        proxy.authorization()
    }
}

impl Service<Uri> for Ways {
    type Response = Connecting;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connecting, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let host = to.host().unwrap_or_default();
        let Some(proxy) = self.proxies.towards(host).cloned() else {
            let connecting = self.tcp.call(to);
            return Box::pin(async move { Ok(Connecting::Direct(connecting.await?)) });
        };
        let is_plain = to.scheme_str() == Some("http");
        let port = to.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let (address, clock) = (format!("{host}:{port}"), self.clock.clone());
        Box::pin(async move {
            let limits = Limits::default();
            let way = match is_plain {
                true => proxy.open(&clock, &limits).await?,
                false => proxy.tunnel(&address, &clock, &limits).await?,
            };
            Ok(Connecting::Proxied(TokioIo::new(way), is_plain))
        })
    }
}

/// A connection.
pub(super) enum Connecting {
    /// To a vendor.
    Direct(TokioIo<TcpStream>),
    /// To a proxy that is asked, or through it.
    Proxied(TokioIo<Way>, bool),
}

impl Connection for Connecting {
    fn connected(&self) -> Connected {
        match self {
            Self::Direct(stream) => stream.connected(),
            Self::Proxied(_, is_asked) => Connected::new().proxy(*is_asked),
        }
    }
}

impl Read for Connecting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Direct(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Proxied(stream, _) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl Write for Connecting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Direct(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Proxied(stream, _) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Direct(stream) => Pin::new(stream).poll_flush(cx),
            Self::Proxied(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Direct(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Proxied(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
