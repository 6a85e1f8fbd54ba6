//! What a host can tell of itself besides its packages: hardware, who listens, what still runs replaced files.
//!
//! All of it is the host's word. Fields that an older agent did not send are empty, and what is not known is never a "no".

use serde::{Deserialize, Serialize};

/// Most sockets of a host.
pub const MAX_SOCKETS: usize = 512;
/// Most services of a host that still run replaced files.
pub const MAX_STALE_SERVICES: usize = 256;
/// Most replaced files that are named of one service.
pub const MAX_STALE_FILES: usize = 10;
/// Most disks, and most network cards.
pub const MAX_DEVICES: usize = 64;
/// Most providers.
pub const MAX_PROVIDERS: usize = 64;

/// A socket that waits for others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListeningSocket {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// `0.0.0.0`, `::1`.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Whether the address can be reached from other hosts at all.
    pub not_loopback: bool,
    /// Whether the host's own firewall lets a new packet from outside through to it; `None`: its rules cannot be read, or say
    /// more than is understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_by_firewall: Option<bool>,
    /// Program that owns it; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
    /// Its service, e.g. `ssh.service`; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Binary package that the program belongs to; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub package: String,
}

impl ListeningSocket {
    /// The exposure as measured on the host: it listens on a non-loopback address, allowed by the firewall. `None` when the
    /// firewall is not known.
    #[must_use]
    pub fn is_exposed(&self) -> Option<bool> {
        if self.not_loopback {
            self.allowed_by_firewall
        } else {
            Some(false)
        }
    }
}

/// How the host's own packet filter was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// `nft` or `iptables`; empty when neither answered.
    pub reader: String,
    /// Why it is not known; empty when it is.
    pub problem: String,
}

/// The machine, besides its vendor, model and serial number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// Version of the firmware.
    pub firmware: String,
    /// Model of the processor.
    pub processor: String,
    /// `kvm`, `container`, …; empty for a machine of its own.
    pub virtualization: String,
    /// Disks by name.
    pub disks: Vec<Disk>,
    /// Network cards by name.
    pub cards: Vec<NetworkCard>,
    /// `server`, `desktop`, `laptop`, …; empty when the firmware does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chassis: String,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// `nvme0n1`.
    pub name: String,
    /// As its maker calls it.
    pub model: String,
    /// Bytes.
    pub size_bytes: u64,
}

/// A network card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkCard {
    /// `eth0`.
    pub name: String,
    /// `52:54:00:12:34:56`.
    pub address: String,
}

/// A service, or a program outside of any, whose processes still use replaced files.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StaleService {
    /// `nginx.service`; empty outside of any.
    pub unit: String,
    /// Program.
    pub process: String,
    /// Some of the files.
    pub files: Vec<String>,
}

/// Who said what is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderState {
    /// `apt`, `pip`.
    pub name: String,
    /// How many components.
    pub components: u32,
    /// Why these are not all, or not new; empty when they are.
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_no_exposure_and_no_safety() {
        let socket = |not_loopback, allowed_by_firewall| ListeningSocket {
            not_loopback,
            allowed_by_firewall,
            ..ListeningSocket::default()
        };
        assert_eq!(socket(true, Some(true)).is_exposed(), Some(true));
        assert_eq!(socket(true, Some(false)).is_exposed(), Some(false));
        assert_eq!(socket(true, None).is_exposed(), None);
        assert_eq!(socket(false, None).is_exposed(), Some(false));
        assert_eq!(socket(false, Some(true)).is_exposed(), Some(false));
    }
}
