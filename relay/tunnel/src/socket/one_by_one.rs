//! Datagrams one by one, on the system that otherwise joins them (UDP GRO).

use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime as _, TokioRuntime, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Makes a socket such a one.
pub(super) fn one_by_one(socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let same = socket.try_clone()?;
    let inner = TokioRuntime.wrap_udp_socket(socket)?;
    setsockopt(&same, UdpGroSegment, &false)?;
    Ok(Arc::new(OneByOne(inner)))
}

/// A socket whose system joins no datagrams: QUIC keeps 47 KB for what it reads, where it would be 3 MB.
#[derive(Debug)]
struct OneByOne(Arc<dyn AsyncUdpSocket>);

impl AsyncUdpSocket for OneByOne {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.0).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.max_transmit_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.may_fragment()
    }
}
