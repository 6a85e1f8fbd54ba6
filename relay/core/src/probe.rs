//! Which connects a plan of the edge may lead to.
//!
//! A plan names hosts and sockets, never where to connect: that is the address from which the relay sees the host's own
//! authenticated connection. So a host that lies about its addresses, and an edge that lies about its hosts, reach nobody else.
//! Addresses that mean another machine, many machines or this one are never tried, wherever they come from.

use crate::address::METADATA;
use netpatch_protocol::site::{ProbePlan, ProbeSocket};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Most hosts that are told to the edge as connected.
pub const MAX_CONNECTED: usize = 1_000;
/// Most hosts of one plan that are tried.
pub const MAX_HOSTS: usize = 16;
/// Most sockets of a host that are tried.
pub const MAX_SOCKETS: usize = 64;
/// A connect begins at most this often.
pub const PAUSE: Duration = Duration::from_millis(50);
/// Most connects at once.
pub const AT_ONCE: usize = 32;
/// A connect that has no answer by then has none.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A host of a plan with what is tried there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host's id.
    pub host: String,
    /// Where the host's connection comes from.
    pub address: IpAddr,
    /// The sockets to try, as the plan names them, with where each is.
    pub sockets: Vec<(ProbeSocket, SocketAddr)>,
}

/// Whether an address is one machine's own, on a network.
#[must_use]
pub fn is_tried(address: IpAddr) -> bool {
    if METADATA.contains(&address) {
        return false;
    }
    match address {
        IpAddr::V4(address) => {
            !(address.is_unspecified()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.octets()[0] == 0
                || address.octets()[0] >= 240)
        }
        IpAddr::V6(address) => {
            // What holds an IPv4 address is judged by none of these.
            let holds_v4 = address.to_ipv4().is_some()
                || address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
                || address.segments()[0] == 0x2002;
            !(holds_v4
                || address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.is_unicast_link_local())
        }
    }
}

/// An address as it is on the wire: IPv4 inside IPv6 is IPv4.
#[must_use]
pub fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(inner) => inner.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// What a plan leads to. `seen` says where a host's connection comes from; a host that has none is left out, and so is a socket
/// that is not to be reached at that address.
#[must_use]
pub fn targets(plan: &ProbePlan, seen: impl Fn(&str) -> Option<IpAddr>) -> Vec<Target> {
    let mut asked = BTreeSet::new();
    plan.hosts
        .iter()
        .filter_map(|wanted| {
            let address = plain(seen(&wanted.host_id)?);
            if !is_tried(address) || !asked.insert(wanted.host_id.as_str()) {
                return None;
            }
            let of_v4: BTreeSet<u32> = wanted
                .sockets
                .iter()
                .filter(|socket| socket.address == "0.0.0.0")
                .map(|socket| socket.port)
                .collect();
            let mut known = BTreeSet::new();
            let sockets: Vec<(ProbeSocket, SocketAddr)> = wanted
                .sockets
                .iter()
                .filter_map(|socket| {
                    let port = u16::try_from(socket.port).ok().filter(|port| *port != 0)?;
                    let is_there = match plain(socket.address.parse().ok()?) {
                        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.is_ipv4(),
                        // It takes IPv4 too, unless another socket has that.
                        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                            address.is_ipv6() || !of_v4.contains(&socket.port)
                        }
                        own => own == address,
                    };
                    (is_there && known.insert((socket.address.clone(), port)))
                        .then(|| (socket.clone(), SocketAddr::new(address, port)))
                })
                .take(MAX_SOCKETS)
                .collect();
            (!sockets.is_empty()).then(|| Target {
                host: wanted.host_id.clone(),
                address,
                sockets,
            })
        })
        .take(MAX_HOSTS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_protocol::site::ProbeHost;
    use proptest::prelude::*;

    fn socket(address: &str, port: u32) -> ProbeSocket {
        ProbeSocket {
            address: address.into(),
            port,
        }
    }

    fn plan(hosts: &[(u32, Vec<ProbeSocket>)]) -> ProbePlan {
        ProbePlan {
            hosts: hosts
                .iter()
                .map(|(host, sockets)| ProbeHost {
                    host_id: host.to_string(),
                    sockets: sockets.clone(),
                })
                .collect(),
        }
    }

    fn tried(sockets: Vec<ProbeSocket>, from: &str) -> Vec<String> {
        let from = from.parse().expect("an address");
        targets(&plan(&[(1, sockets)]), |_| Some(from))
            .into_iter()
            .flat_map(|target| target.sockets)
            .map(|(socket, to)| format!("{} {to}", socket.address))
            .collect()
    }

    #[test]
    fn a_host_is_tried_where_its_connection_comes_from_and_nowhere_else() {
        let asked = || {
            vec![
                socket("0.0.0.0", 22),
                socket("10.0.0.5", 80),
                socket("10.0.0.6", 81),
                socket("192.0.2.1", 82),
                socket("::", 443),
            ]
        };
        assert_eq!(
            tried(asked(), "10.0.0.5"),
            [
                "0.0.0.0 10.0.0.5:22",
                "10.0.0.5 10.0.0.5:80",
                ":: 10.0.0.5:443"
            ]
        );
        assert_eq!(
            tried(asked(), "2001:db8::5"),
            [":: [2001:db8::5]:443"],
            "IPv4 is not to be reached by IPv6"
        );
        assert_eq!(
            tried(vec![socket("10.0.0.5", 80)], "::ffff:10.0.0.5"),
            ["10.0.0.5 10.0.0.5:80"],
            "IPv4 inside IPv6"
        );
        assert_eq!(
            targets(&plan(&[(1, asked()), (2, asked())]), |host| {
                (host == "2").then(|| IpAddr::from([10, 0, 0, 5]))
            })
            .len(),
            1,
            "who is not connected is not tried"
        );
    }

    #[test]
    fn a_socket_for_both_families_is_tried_by_ipv4_only_where_no_other_has_the_port() {
        let both = vec![socket("0.0.0.0", 22), socket("::", 22), socket("::", 80)];
        assert_eq!(
            tried(both, "10.0.0.5"),
            ["0.0.0.0 10.0.0.5:22", ":: 10.0.0.5:80"]
        );
    }

    #[test]
    fn addresses_of_others_of_many_and_of_itself_are_never_tried() {
        for hostile in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            let found = tried(
                vec![socket("0.0.0.0", 80), socket("::", 80), socket(hostile, 80)],
                hostile,
            );
            assert!(found.is_empty(), "{hostile}: {found:?}");
        }
        for own in [
            "10.0.0.1",
            "192.168.3.4",
            "203.0.113.9",
            "fd00::7",
            "2001:db8::1",
        ] {
            assert!(!tried(vec![socket("::", 80)], own).is_empty(), "{own}");
        }
    }

    #[test]
    fn rubbish_is_left_out_and_what_is_asked_is_bounded() {
        let rubbish = vec![
            socket("", 80),
            socket("localhost", 80),
            socket("10.0.0.5/24", 80),
            socket("10.0.0.5:1", 80),
            socket("0.0.0.0", 0),
            socket("0.0.0.0", 65_536),
            socket("0.0.0.0", u32::MAX),
        ];
        assert!(tried(rubbish, "10.0.0.5").is_empty());
        let again = vec![socket("0.0.0.0", 80), socket("0.0.0.0", 80)];
        assert_eq!(tried(again, "10.0.0.5").len(), 1, "each once");
        let many: Vec<ProbeSocket> = (1..=500).map(|port| socket("0.0.0.0", port)).collect();
        assert_eq!(tried(many.clone(), "10.0.0.5").len(), MAX_SOCKETS);
        let hosts: Vec<(u32, Vec<ProbeSocket>)> =
            (1..=100).map(|host| (host, many.clone())).collect();
        let found = targets(&plan(&hosts), |_| Some(IpAddr::from([10, 0, 0, 5])));
        assert_eq!(found.len(), MAX_HOSTS);
        let twice = plan(&[(1, many.clone()), (1, many)]);
        assert_eq!(
            targets(&twice, |_| Some(IpAddr::from([10, 0, 0, 5]))).len(),
            1
        );
    }

    proptest! {
        #[test]
        fn whatever_is_asked_only_the_hosts_own_address_is_tried(
            address in any::<[u8; 4]>(),
            sockets in prop::collection::vec((".{0,20}", any::<u32>()), 0..40),
        ) {
            let from = IpAddr::from(address);
            let sockets = sockets.iter().map(|(address, port)| socket(address, *port)).collect();
            for target in targets(&plan(&[(1, sockets)]), |_| Some(from)) {
                prop_assert!(is_tried(from));
                for (_, to) in target.sockets {
                    prop_assert_eq!(to.ip(), from);
                }
            }
        }
    }
}
