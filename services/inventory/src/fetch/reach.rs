//! How far a client goes.

use netpatch_types::address::is_public;
use std::net::IpAddr;
use std::sync::Arc;

/// Where may be fetched from.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    /// Public addresses over HTTPS.
    Public,
    /// Addresses inside the network and plain HTTP too.
    Anywhere,
    /// Public addresses, over plain HTTP too, and wherever these hosts (names or addresses, in lower case) lead.
    Payloads(Arc<[String]>),
}

impl Reach {
    pub(super) fn takes_plain_http(&self) -> bool {
        !matches!(self, Self::Public)
    }

    /// Whether a host's address may be connected to.
    pub(super) fn may(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Anywhere => true,
            Self::Payloads(own) => {
                let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
                is_public(address) || own.contains(&host)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payloads_host_is_inside_only_if_the_operator_named_it() {
        let reach = Reach::Payloads(Arc::new(["mirror.example".to_owned()]));
        let may = |host: &str, address: &str| reach.may(host, address.parse().expect("address"));
        assert!(may("deb.example", "8.8.8.8"));
        assert!(may("Mirror.example", "10.0.0.1"));
        for (host, address) in [
            ("deb.example", "10.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("evil.mirror.example", "169.254.169.254"),
        ] {
            assert!(!may(host, address), "{host}");
        }
    }
}
