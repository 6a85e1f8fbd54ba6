//! Sockets that wait for others, as the kernel lists them: proc(5) `net/tcp`, `net/tcp6`, `net/udp`, `net/udp6`.
//!
//! Those of the agent's own network namespace. A UDP socket waits when it has no partner; ports that the kernel hands out to
//! clients are left out, because they come and go.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Longest table that is read, bytes.
const MAX_TABLE_BYTES: usize = 32 << 20;

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listener {
    /// Transport.
    pub(crate) transport: Transport,
    /// Where.
    pub(crate) address: IpAddr,
    /// Port.
    pub(crate) port: u16,
    /// Names the socket among the open files of its owner.
    pub(crate) inode: u64,
}

/// Transports that packet filters know ports of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// `tcp`, `udp`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl Listener {
    /// Whether other hosts can reach the address at all.
    pub(crate) fn is_reachable(&self) -> bool {
        let address = match self.address {
            IpAddr::V6(address) => address.to_ipv4_mapped().map_or(self.address, IpAddr::V4),
            address => address,
        };
        !address.is_loopback()
    }
}

/// All of them, in the order of the tables.
pub(crate) fn listeners(proc: &Path) -> Vec<Listener> {
    let text = |name: &str| {
        let bytes = fs::read(proc.join(name)).unwrap_or_default();
        let end = bytes.len().min(MAX_TABLE_BYTES);
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let clients = text("sys/net/ipv4/ip_local_port_range");
    let clients = clients
        .split_whitespace()
        .next()
        .and_then(|low| low.parse().ok())
        .unwrap_or(32_768);
    let mut all = Vec::new();
    for (name, transport) in [
        ("net/tcp", Transport::Tcp),
        ("net/tcp6", Transport::Tcp),
        ("net/udp", Transport::Udp),
        ("net/udp6", Transport::Udp),
    ] {
        let table = text(name);
        let rows = table
            .lines()
            .skip(1)
            .filter_map(|line| row(line, transport));
        all.extend(rows.filter(|row| transport == Transport::Tcp || row.port < clients));
    }
    all
}

/// `sl local remote st tx:rx tr:when retrnsmt uid timeout inode …`
fn row(line: &str, transport: Transport) -> Option<Listener> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
    let inode = columns.nth(5)?.parse().ok()?;
    let waits = match transport {
        Transport::Tcp => state == "0A",
        Transport::Udp => remote.ends_with(":0000"),
    };
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (waits && port != 0).then_some(Listener {
        transport,
        address: self::address(address)?,
        port,
        inode,
    })
}

/// Words of 32 bits in the machine's own byte order.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_rows_are_read_and_others_are_not() {
        let read = |line: &str, transport| row(line, transport);
        let tcp = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";
        let listener = read(tcp, Transport::Tcp).expect("listens");
        assert_eq!(
            (listener.address, listener.port, listener.inode),
            (Ipv4Addr::LOCALHOST.into(), 8080, 4711)
        );
        assert!(!listener.is_reachable());
        assert_eq!(read(&tcp.replace(" 0A ", " 01 "), Transport::Tcp), None);
        let any = "   1: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1";
        let listener = read(any, Transport::Tcp).expect("listens");
        assert_eq!(listener.address, IpAddr::from(Ipv6Addr::UNSPECIFIED));
        assert!(listener.is_reachable());
        let mapped = any.replacen(&"0".repeat(32), "0000000000000000FFFF00000100007F", 1);
        assert!(
            !read(&mapped, Transport::Tcp)
                .expect("listens")
                .is_reachable()
        );
        let udp = "  9: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6 2";
        assert!(read(udp, Transport::Udp).is_some());
        let connected = udp.replacen("00000000:0000 07", "0100007F:0035 01", 1);
        assert_eq!(read(&connected, Transport::Udp), None);
        for odd in [
            "",
            "x",
            "0: 0100007F 0 0A",
            "0: ZZ:1 0:0 0A 0 0 0 0 0 1",
            "0: 01:FFFFF 0:0 0A 0 0 0 0 0 1",
            "0: ü00000f:0016 0:0 0A 0 0 0 0 0 1",
        ] {
            assert_eq!(read(odd, Transport::Tcp), None, "{odd}");
        }
    }

    #[test]
    fn sockets_of_this_test_are_found() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let six = std::net::TcpListener::bind("[::]:0").expect("a port");
        let all = listeners(Path::new("/proc"));
        let find = |socket: &std::net::TcpListener| {
            let port = socket.local_addr().expect("bound").port();
            *all.iter().find(|one| one.port == port).expect("found")
        };
        assert!(!find(&tcp).is_reachable() && find(&six).is_reachable());
    }
}
