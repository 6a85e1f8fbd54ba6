//! To which addresses the relay may connect for payloads.
//!
//! What the site's settings name is what its people meant, a mirror in the own network included. Everything else that a name or a
//! redirect leads to comes from outside: it may only be a public address. Where a machine keeps its secrets (metadata services,
//! link-local) or where nobody lives (multicast, reserved) no payload comes from, whoever says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses where clouds tell machines their secrets, besides 169.254.169.254.
pub(crate) const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// How an address came to be one to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The site's settings have this very address, or `localhost`.
    Literal,
    /// The site's settings have a name that leads here.
    Name,
    /// Something else does: a redirect.
    Elsewhere,
}

/// Whether payloads may be fetched from an address.
#[must_use]
pub fn may_fetch_from(address: IpAddr, origin: Origin) -> bool {
    let address = inner(address);
    if METADATA.contains(&address) || is_nobodys(address) {
        return false;
    }
    match origin {
        Origin::Literal => true,
        Origin::Name => !address.is_loopback(),
        Origin::Elsewhere => !address.is_loopback() && !is_private(address),
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64, 6to4.
fn inner(address: IpAddr) -> IpAddr {
    let IpAddr::V6(outer) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = outer.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0] if g != 0 => v4(g, h),
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

fn is_nobodys(address: IpAddr) -> bool {
    address.is_unspecified()
        || address.is_multicast()
        || match address {
            IpAddr::V4(address) => {
                address.is_link_local() || address.octets()[0] == 0 || address.octets()[0] >= 240
            }
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            address.is_private() || (a == 100 && b & 0xc0 == 64) || (a, b, c) == (192, 0, 0)
        }
        // Unique-local, and the site-local that came before.
        IpAddr::V6(address) => {
            address.is_unique_local() || address.segments()[0] & 0xffc0 == 0xfec0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(address: &str, origin: Origin) -> bool {
        may_fetch_from(address.parse().expect("an address"), origin)
    }

    #[test]
    fn secrets_and_nobodys_addresses_are_refused_whoever_says_so() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "fd00:ec2::254",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            for origin in [Origin::Literal, Origin::Name, Origin::Elsewhere] {
                assert!(!may(address, origin), "{address} {origin:?}");
            }
        }
    }

    #[test]
    fn the_own_network_is_for_what_the_site_names_and_the_own_machine_for_its_address() {
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd12::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(may(address, Origin::Literal), "{address}");
            assert!(may(address, Origin::Name), "{address}");
            assert!(!may(address, Origin::Elsewhere), "{address}");
        }
        for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(may(address, Origin::Literal), "{address}");
            assert!(!may(address, Origin::Name), "{address}");
            assert!(!may(address, Origin::Elsewhere), "{address}");
        }
        for address in ["8.8.8.8", "2600::1", "100.128.0.1"] {
            assert!(may(address, Origin::Elsewhere), "{address}");
        }
    }
}
