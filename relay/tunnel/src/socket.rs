//! The UDP sockets below QUIC.
//!
//! A socket that listens holds the first packets of a whole fleet that comes back at once: what does not fit is lost, and its sender
//! tries again after a second, then two, four and eight. One that only talks keeps no room for bulk.

#[cfg(target_os = "linux")]
mod one_by_one;

use crate::{Limits, ResetSecret};
#[cfg(target_os = "linux")]
use one_by_one::one_by_one;
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime as _, TokioRuntime};
use quinn_proto::RandomConnectionIdGenerator;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that the system is asked to hold until they are read, as it counts them: a first packet is about 2.3 KB to it.
const BUFFER_BYTES: usize = 8 << 20;
/// Resets are at least this far apart: 20,000 a second, for a whole fleet that speaks to a server that was started anew. Each is shorter
/// than the packet that it answers, so nothing is amplified.
const RESET_EVERY: Duration = Duration::from_micros(50);
/// Of a connection's id; RFC 9000 allows 20.
const ID_BYTES: usize = 8;

/// Listens. With a secret of an earlier life at this address its peers are told at once that they must connect again.
pub(crate) fn server(
    config: quinn::ServerConfig,
    address: SocketAddr,
    reset: Option<&ResetSecret>,
) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind(address)?;
    let given = enlarge(&socket);
    if given < BUFFER_BYTES {
        tracing::info!(
            given_bytes = given,
            wanted_bytes = BUFFER_BYTES,
            "the system keeps few packets that wait to be read: many peers that come at once lose some and try again; raise net.core.rmem_max to {BUFFER_BYTES}"
        );
    }
    let mut endpoint = endpoint_config();
    if let Some(secret) = reset {
        endpoint
            .reset_key(secret.key_at(socket.local_addr()?))
            .min_reset_interval(RESET_EVERY);
    }
    let socket = TokioRuntime.wrap_udp_socket(socket)?;
    open(endpoint, Some(config), socket)
}

/// Connects from any port. Without segments (see [`Limits`]) datagrams are taken one by one.
pub(crate) fn client(address: SocketAddr, limits: &Limits) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind(address)?;
    if limits.segments {
        enlarge(&socket);
        return open(
            endpoint_config(),
            None,
            TokioRuntime.wrap_udp_socket(socket)?,
        );
    }
    open(endpoint_config(), None, one_by_one(socket)?)
}

#[cfg(not(target_os = "linux"))]
fn one_by_one(socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    TokioRuntime.wrap_udp_socket(socket)
}

fn open(
    endpoint: EndpointConfig,
    config: Option<quinn::ServerConfig>,
    socket: Arc<dyn AsyncUdpSocket>,
) -> io::Result<Endpoint> {
    Endpoint::new_with_abstract_socket(endpoint, config, socket, Arc::new(TokioRuntime))
}

fn endpoint_config() -> EndpointConfig {
    let mut endpoint = EndpointConfig::default();
    endpoint.cid_generator(|| Box::new(ids()));
    endpoint
}

/// Connection ids of eight random bytes. quinn's own have three (the others sign them) and are not looked up when a peer is asked to
/// retry: of 10,000 ids that are in use, each such peer meets one in 1,700 times, its packets go to that connection, and nobody answers.
fn ids() -> RandomConnectionIdGenerator {
    RandomConnectionIdGenerator::new(ID_BYTES)
}

/// Asks for room for packets that wait to be read; how much there is then. A system that refuses keeps what it had.
fn enlarge(socket: &UdpSocket) -> usize {
    let socket = socket2::SockRef::from(socket);
    if let Err(error) = socket.set_recv_buffer_size(BUFFER_BYTES) {
        tracing::debug!(%error, "a socket's buffer is not enlarged");
    }
    socket.recv_buffer_size().unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use nix::sys::socket::{getsockopt, sockopt::UdpGroSegment};
    use quinn_proto::ConnectionIdGenerator as _;
    use std::collections::HashSet;

    #[test]
    fn no_id_of_a_large_fleet_comes_twice() {
        let mut ids = ids();
        let of_fleet: HashSet<_> = (0..100_000).map(|_| ids.generate_cid()).collect();
        assert_eq!(of_fleet.len(), 100_000);
    }

    #[test]
    fn who_listens_has_as_much_room_as_the_system_gives() {
        let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").expect("the most");
        let most: usize = most.trim().parse().expect("a number");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        // The system doubles what is asked for, and counts its own bookkeeping.
        let given = enlarge(&socket);
        assert_eq!(given, 2 * BUFFER_BYTES.min(most));
    }

    #[tokio::test]
    async fn datagrams_are_taken_one_by_one_only_where_that_is_said() {
        let socket = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let joins = |of: &UdpSocket| getsockopt(of, UdpGroSegment).expect("told");
        let (many, one) = (socket(), socket());
        let (same_many, same_one) = (many.try_clone(), one.try_clone());
        let many = TokioRuntime.wrap_udp_socket(many).expect("wrapped");
        let one = one_by_one(one).expect("wrapped");
        assert!(many.max_receive_segments() > 1 && joins(&same_many.expect("cloned")));
        assert!(one.max_receive_segments() == 1 && !joins(&same_one.expect("cloned")));
    }
}
