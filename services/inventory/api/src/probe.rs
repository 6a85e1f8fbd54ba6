//! Exposure as a relay of the host's site sees it: plain TCP connects to what the host itself says it listens on.
//!
//! Only sockets that this host named are asked for, only of a relay of its site, and only answers to what was asked are kept. They are
//! the relay's word, beside the host's own. UDP is not tried: no answer says nothing there.

use crate::ListeningSocket;
use chrono::{DateTime, Utc};
use netpatch_types::{HostId, RelayId, SiteId};
use serde::{Deserialize, Serialize};

/// Most hosts that one plan asks for.
pub const MAX_PROBE_HOSTS: usize = 16;
/// Most sockets of a host that are asked for.
pub const MAX_PROBE_SOCKETS: usize = 64;
/// Most hosts that a relay may name as connected.
pub const MAX_PROBE_CONNECTED: usize = 1_000;
/// A host is asked for again after so long, hours.
pub const PROBE_EVERY_HOURS: i64 = 6;
/// What came of it counts so long, hours.
pub const PROBE_FRESH_HOURS: i64 = 24;

/// What came of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeOutcome {
    /// The connection was made.
    Reached,
    /// Nobody listens there, or a firewall said no.
    Refused,
    /// Nothing came back.
    NoAnswer,
}

/// A TCP socket of a host, as the host names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProbeSocket {
    /// `0.0.0.0`, `::`, or one of its own.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// What a relay found out about a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Which.
    pub socket: ProbeSocket,
    /// The address that was tried.
    pub target: String,
    /// What came of it.
    pub outcome: ProbeOutcome,
    /// When.
    pub at: DateTime<Utc>,
    /// Who tried it.
    pub relay: RelayId,
    /// What the host said of its own firewall when it was asked for.
    pub allowed_by_firewall: Option<bool>,
}

impl Probe {
    /// Whether it is about this socket as the host describes it now. A host whose firewall changed since was not probed yet.
    #[must_use]
    pub fn is_of(&self, socket: &ListeningSocket) -> bool {
        socket.protocol == "tcp"
            && socket.port == self.socket.port
            && socket.address == self.socket.address
            && socket.allowed_by_firewall == self.allowed_by_firewall
    }

    /// Whether others reach the socket. `None`: it was tried by IPv4 only, without success, and waits for IPv6 too.
    #[must_use]
    pub fn is_exposed(&self) -> Option<bool> {
        match self.outcome {
            ProbeOutcome::Reached => Some(true),
            _ if self.socket.address == "::" && !self.target.contains(':') => None,
            _ => Some(false),
        }
    }
}

/// What decided whether a socket is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExposureBasis<'a> {
    /// What the host measured on itself.
    Host,
    /// What a relay of its site found out.
    Probe(&'a Probe),
}

/// Whether a socket is exposed, and what says so: a probe where there is one that says something, else the host's own measurement.
#[must_use]
pub fn exposure<'a>(
    socket: &ListeningSocket,
    probes: &'a [Probe],
) -> (Option<bool>, ExposureBasis<'a>) {
    let found = probes
        .iter()
        .filter(|probe| socket.not_loopback && probe.is_of(socket))
        .find_map(|probe| Some((probe.is_exposed()?, probe)));
    match found {
        Some((exposed, probe)) => (Some(exposed), ExposureBasis::Probe(probe)),
        None => (socket.is_exposed(), ExposureBasis::Host),
    }
}

/// What a relay may try now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbePlanGet {
    /// Who asks.
    pub relay: RelayId,
    /// Where it stands.
    pub site: SiteId,
    /// Hosts that are connected to it; at most [`MAX_PROBE_CONNECTED`].
    pub hosts: Vec<HostId>,
}

/// Hosts whose turn it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbePlan {
    /// At most [`MAX_PROBE_HOSTS`].
    pub hosts: Vec<ProbePlanned>,
}

/// What is tried on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbePlanned {
    /// Which.
    pub host: HostId,
    /// At most [`MAX_PROBE_SOCKETS`].
    pub sockets: Vec<ProbeSocket>,
}

/// What a relay found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Who.
    pub relay: RelayId,
    /// Where it stands.
    pub site: SiteId,
    /// At most [`MAX_PROBE_HOSTS`].
    pub hosts: Vec<ProbedHost>,
}

/// What came of trying a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedHost {
    /// Which.
    pub host: HostId,
    /// The address that was tried.
    pub target: String,
    /// Sockets as they were asked for, with what came of it and when by the relay's clock.
    pub sockets: Vec<(ProbeSocket, ProbeOutcome, DateTime<Utc>)>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeTaken {
    /// Answers that are kept.
    pub taken: u32,
    /// Answers to what was not asked, or not of this relay.
    pub ignored: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str, allowed_by_firewall: Option<bool>) -> ListeningSocket {
        ListeningSocket {
            protocol: "tcp".into(),
            address: address.into(),
            port: 22,
            not_loopback: !address.starts_with("127."),
            allowed_by_firewall,
            ..ListeningSocket::default()
        }
    }

    fn probe(address: &str, outcome: ProbeOutcome) -> Probe {
        Probe {
            socket: ProbeSocket {
                address: address.into(),
                port: 22,
            },
            target: "10.0.0.5".into(),
            outcome,
            at: DateTime::UNIX_EPOCH,
            relay: RelayId::new(DateTime::UNIX_EPOCH),
            allowed_by_firewall: Some(true),
        }
    }

    #[test]
    fn a_probe_counts_before_the_host_and_only_for_what_the_host_still_says() {
        let said = |socket: &ListeningSocket, probe: &Probe| {
            let (exposed, basis) = exposure(socket, std::slice::from_ref(probe));
            (exposed, matches!(basis, ExposureBasis::Probe(_)))
        };
        let open = socket("0.0.0.0", Some(true));
        let lost = probe("0.0.0.0", ProbeOutcome::NoAnswer);
        assert_eq!(said(&open, &lost), (Some(false), true));
        assert_eq!(
            said(&open, &probe("0.0.0.0", ProbeOutcome::Refused)),
            (Some(false), true)
        );
        assert_eq!(
            said(&open, &probe("0.0.0.0", ProbeOutcome::Reached)),
            (Some(true), true)
        );
        assert_eq!(
            said(&open, &probe("10.0.0.5", ProbeOutcome::Refused)),
            (Some(true), false),
            "another socket"
        );
        assert_eq!(
            said(&socket("0.0.0.0", Some(false)), &lost),
            (Some(false), false),
            "its firewall changed since"
        );
        let udp = ListeningSocket {
            protocol: "udp".into(),
            ..open
        };
        assert_eq!(said(&udp, &lost), (Some(true), false), "UDP is not tried");
        let local = ListeningSocket {
            not_loopback: false,
            ..socket("127.0.0.1", Some(true))
        };
        assert_eq!(
            said(&local, &probe("127.0.0.1", ProbeOutcome::Reached)),
            (Some(false), false),
            "nobody reaches a loopback address"
        );
    }

    #[test]
    fn without_success_by_ipv4_nothing_is_known_of_ipv6() {
        let any = socket("::", Some(true));
        let by_v4 = probe("::", ProbeOutcome::NoAnswer);
        assert_eq!(
            exposure(&any, std::slice::from_ref(&by_v4)),
            (Some(true), ExposureBasis::Host)
        );
        let by_v6 = Probe {
            target: "2001:db8::5".into(),
            ..by_v4.clone()
        };
        assert_eq!(exposure(&any, std::slice::from_ref(&by_v6)).0, Some(false));
        let reached = probe("::", ProbeOutcome::Reached);
        assert_eq!(exposure(&any, &[reached]).0, Some(true));
    }
}
