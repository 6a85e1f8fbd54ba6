//! What a host tells of itself besides its packages.

use super::Relay;
use crate::graphql::connection::int;
use crate::graphql::{DateTime, Result, loaders};
use async_graphql::{Context, Enum, Object, SimpleObject};
use netpatch_inventory_api as inventory;
use netpatch_types::OrganizationId;

/// A socket of a host that waits for others.
#[derive(Clone, SimpleObject)]
pub struct ListeningSocket {
    /// Transport.
    pub protocol: SocketProtocol,
    /// `0.0.0.0`, `::1`.
    pub address: String,
    /// Port.
    pub port: i32,
    /// Whether other hosts can reach the address at all.
    pub is_reachable: bool,
    /// Whether the host's own firewall lets a new packet from outside through; null when it is not known.
    pub is_allowed_by_firewall: Option<bool>,
    /// Whether it is exposed: as a relay of the site found out lately, else as measured on the host (reachable, and allowed by the
    /// firewall); null when the firewall is not known.
    pub is_exposed: Option<bool>,
    /// Which of the two says so.
    pub exposure_basis: ExposureBasis,
    /// What a relay of the site found out; null when none tried it lately. UDP is not tried.
    pub probe: Option<SocketProbe>,
    /// Program that owns it; null when unknown.
    pub process: Option<String>,
    /// Its service, e.g. `ssh.service`.
    pub unit: Option<String>,
    /// Binary package that the program belongs to.
    pub package: Option<String>,
}

/// What says whether a socket is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ExposureBasis {
    /// The host's own measurement.
    Host,
    /// A connect by a relay of its site.
    Probe,
}

/// What came of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProbeOutcome {
    /// The connection was made.
    Reached,
    /// Nobody listens there, or a firewall said no.
    Refused,
    /// Nothing came back in time.
    NoAnswer,
}

/// What a relay of the site found out about a socket by connecting to it.
#[derive(Clone)]
pub struct SocketProbe {
    of: OrganizationId,
    probe: inventory::Probe,
}

/// What a relay of the site found out about a socket by connecting to it.
#[Object]
impl SocketProbe {
    /// What came of it.
    async fn outcome(&self) -> ProbeOutcome {
        match self.probe.outcome {
            inventory::ProbeOutcome::Reached => ProbeOutcome::Reached,
            inventory::ProbeOutcome::Refused => ProbeOutcome::Refused,
            inventory::ProbeOutcome::NoAnswer => ProbeOutcome::NoAnswer,
        }
    }

    /// When.
    async fn at(&self) -> DateTime {
        self.probe.at.into()
    }

    /// The address that was tried: where the relay sees the host's connection come from.
    async fn target(&self) -> &str {
        &self.probe.target
    }

    /// Who tried it; null when it is gone.
    async fn relay(&self, ctx: &Context<'_>) -> Result<Option<Relay>> {
        loaders(ctx)?.relay(self.of, self.probe.relay).await
    }
}

/// Transport of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SocketProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The machine of a host.
#[derive(Clone, SimpleObject)]
pub struct Hardware {
    /// Who made it.
    pub vendor: Option<String>,
    /// As its maker calls it.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// `server`, `desktop`, `laptop`, …; null when the firmware does not say.
    pub chassis: Option<String>,
    /// Version of the firmware.
    pub firmware: Option<String>,
    /// Model of the processor.
    pub processor: Option<String>,
    /// `kvm`, `container`, …; null for a machine of its own.
    pub virtualization: Option<String>,
    /// Logical processors.
    pub processor_count: i32,
    /// Memory, MiB.
    pub memory_mib: i32,
    /// Room for packages to install, MiB; null when the agent did not look.
    pub free_mib: Option<i32>,
    /// Disks by name.
    pub disks: Vec<Disk>,
    /// Network cards by name.
    pub cards: Vec<NetworkCard>,
}

/// A disk of a host.
#[derive(Clone, SimpleObject)]
pub struct Disk {
    /// `nvme0n1`.
    pub name: String,
    /// As its maker calls it.
    pub model: Option<String>,
    /// MiB.
    pub size_mib: i32,
}

/// A network card of a host.
#[derive(Clone, SimpleObject)]
pub struct NetworkCard {
    /// `eth0`.
    pub name: String,
    /// `52:54:00:12:34:56`.
    pub address: String,
}

/// A service, or a program outside of any, whose processes still use replaced files.
#[derive(Clone, SimpleObject)]
pub struct StaleService {
    /// `nginx.service`; null outside of any.
    pub unit: Option<String>,
    /// Program.
    pub process: String,
    /// Some of the files.
    pub files: Vec<String>,
}

/// Who on a host says what is installed.
#[derive(Clone, SimpleObject)]
pub struct HostProvider {
    /// `apt`, `pip`.
    pub name: String,
    /// How many components.
    pub component_count: i32,
    /// Why these are not all, or not new; null when they are.
    pub problem: Option<String>,
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn mib(bytes: u64) -> i32 {
    int(bytes >> 20)
}

impl ListeningSocket {
    /// A socket of a host with what relays found out about the host.
    pub(super) fn of(
        tenant: OrganizationId,
        socket: &inventory::ListeningSocket,
        probes: &[inventory::Probe],
    ) -> Self {
        let (is_exposed, basis) = inventory::exposure(socket, probes);
        let probe = probes.iter().find(|probe| probe.is_of(socket));
        Self {
            protocol: if socket.protocol == "udp" {
                SocketProtocol::Udp
            } else {
                SocketProtocol::Tcp
            },
            address: socket.address.clone(),
            port: socket.port.into(),
            is_reachable: socket.not_loopback,
            is_allowed_by_firewall: socket.allowed_by_firewall,
            is_exposed,
            exposure_basis: match basis {
                inventory::ExposureBasis::Host => ExposureBasis::Host,
                inventory::ExposureBasis::Probe(_) => ExposureBasis::Probe,
            },
            probe: probe.map(|probe| SocketProbe {
                of: tenant,
                probe: probe.clone(),
            }),
            process: filled(&socket.process),
            unit: filled(&socket.unit),
            package: filled(&socket.package),
        }
    }
}

impl From<&inventory::HostFacts> for Hardware {
    fn from(facts: &inventory::HostFacts) -> Self {
        let machine = &facts.hardware;
        Self {
            vendor: filled(&facts.vendor),
            model: filled(&facts.model),
            serial: filled(&facts.serial),
            chassis: filled(&machine.chassis),
            firmware: filled(&machine.firmware),
            processor: filled(&machine.processor),
            virtualization: filled(&machine.virtualization),
            processor_count: int(facts.cpu_count),
            memory_mib: mib(facts.memory_bytes),
            free_mib: Some(mib(facts.disk_free_bytes)).filter(|_| facts.disk_free_bytes > 0),
            disks: machine
                .disks
                .iter()
                .map(|disk| Disk {
                    name: disk.name.clone(),
                    model: filled(&disk.model),
                    size_mib: mib(disk.size_bytes),
                })
                .collect(),
            cards: machine
                .cards
                .iter()
                .map(|card| NetworkCard {
                    name: card.name.clone(),
                    address: card.address.clone(),
                })
                .collect(),
        }
    }
}

impl From<&inventory::StaleService> for StaleService {
    fn from(service: &inventory::StaleService) -> Self {
        Self {
            unit: filled(&service.unit),
            process: service.process.clone(),
            files: service.files.clone(),
        }
    }
}

impl From<&inventory::ProviderState> for HostProvider {
    fn from(provider: &inventory::ProviderState) -> Self {
        Self {
            name: provider.name.clone(),
            component_count: int(provider.components),
            problem: filled(&provider.problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_free_space_reported_is_not_known_rather_than_none() {
        let of = |disk_free_bytes| {
            let facts = inventory::HostFacts {
                disk_free_bytes,
                ..Default::default()
            };
            Hardware::from(&facts).free_mib
        };
        assert_eq!(of(0), None);
        assert_eq!(of(1), Some(0));
        assert_eq!(of(3 << 20), Some(3));
        assert_eq!(of(u64::MAX), Some(i32::MAX));
    }
}
