//! SRV records (RFC 2782) over UDP, asked of the servers in resolv.conf(5).
//!
//! Only what a stub needs: one question, no recursion of its own, no cache, no TCP: an answer that was cut short counts as far as it
//! goes. An answer counts if it came from the server that was asked, names the question, and has its number.

use netpatch_protocol::RELAY_SERVICE;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// Search domains that are asked about.
pub const DOMAINS: usize = 6;
/// Servers that are asked, one after the other.
pub const SERVERS: usize = 3;
/// How long a server may take for one question.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Largest answer; without EDNS a server sends no more than 512.
const ANSWER_BYTES: usize = 1232;
/// Most of resolv.conf that is read.
const RESOLV_CONF_BYTES: u64 = 64 << 10;
/// Records of an answer that are looked at.
const RECORDS: usize = 64;

/// Whom to ask, about what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Name servers.
    pub servers: Vec<SocketAddr>,
    /// Search domains.
    pub domains: Vec<String>,
}

/// A place where a service is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The lowest is tried first.
    pub priority: u16,
    /// Among equals the highest.
    pub weight: u16,
    /// A host name, without a dot at the end.
    pub host: String,
    /// UDP.
    pub port: u16,
}

/// Nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum DnsFault {
    /// No server answered.
    #[error("no name server answers: {0}")]
    Silent(String),
}

/// An answer that does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name server's answer does not count: {0}")]
pub struct Unusable(&'static str);

impl Resolver {
    /// As the host's resolv.conf says, as far as it can be read.
    #[must_use]
    pub fn of_host(root: &Path) -> Self {
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(root.join("etc/resolv.conf")) {
            let _ = file.take(RESOLV_CONF_BYTES).read_to_end(&mut bytes);
        }
        Self::of(&String::from_utf8_lossy(&bytes))
    }

    /// As resolv.conf(5) says; lines that say something else are passed over.
    #[must_use]
    pub fn of(resolv_conf: &str) -> Self {
        let mut this = Self::default();
        for line in resolv_conf.lines().take(1000) {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("nameserver"), Some(address)) if this.servers.len() < SERVERS => {
                    // A scope (fe80::1%eth0) is for links, where there is no name server of a site.
                    let address = address.parse::<IpAddr>().ok();
                    this.servers
                        .extend(address.map(|ip| SocketAddr::new(ip, 53)));
                }
                // The last line of either kind counts.
                (Some("search" | "domain"), Some(first)) => {
                    let domains = std::iter::once(first).chain(words);
                    let domains = domains.map(|domain| domain.trim_end_matches('.'));
                    this.domains = domains
                        .filter(|domain| is_host_name(domain))
                        .take(DOMAINS)
                        .map(str::to_owned)
                        .collect();
                }
                _ => {}
            }
        }
        this
    }

    /// `host:port` of all that are said to be relays, the preferred first; each once.
    pub async fn relays(&self) -> Result<Vec<String>, DnsFault> {
        let questions = self.domains.iter().map(|domain| self.services(domain));
        let mut addresses = Vec::new();
        let mut fault = None;
        for answer in futures::future::join_all(questions).await {
            match answer {
                Ok(services) => {
                    for service in services {
                        let address = format!("{}:{}", service.host, service.port);
                        if !addresses.contains(&address) {
                            addresses.push(address);
                        }
                    }
                }
                Err(error) => fault = Some(error),
            }
        }
        match fault {
            Some(fault) if addresses.is_empty() => Err(fault),
            _ => Ok(addresses),
        }
    }

    async fn services(&self, domain: &str) -> Result<Vec<Service>, DnsFault> {
        let name = format!("{RELAY_SERVICE}.{domain}");
        let mut reasons = Vec::new();
        for server in &self.servers {
            match ask(*server, &name).await {
                Ok(services) => return Ok(services),
                Err(reason) => reasons.push(format!("{server}: {reason}")),
            }
        }
        Err(DnsFault::Silent(reasons.join("; ")))
    }
}

async fn ask(server: SocketAddr, name: &str) -> Result<Vec<Service>, String> {
    let id = number();
    let question = question(id, name).map_err(|error| error.to_string())?;
    let until = Instant::now() + PATIENCE;
    let asking = async {
        // A port of its own for each question, and deaf to everybody but the server.
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        socket.send(&question).await?;
        let mut answer = [0; ANSWER_BYTES];
        let mut last = Unusable("it is none");
        loop {
            match timeout_at(until, socket.recv(&mut answer)).await {
                Ok(received) => match services(&answer[..received?], id, name) {
                    Ok(services) => return Ok(Ok(services)),
                    Err(error) => last = error,
                },
                Err(_) if last.0 == "it is none" => {
                    return Ok(Err(format!("silent for {} s", PATIENCE.as_secs())));
                }
                Err(_) => return Ok(Err(last.to_string())),
            }
        }
    };
    let asked: std::io::Result<Result<Vec<Service>, String>> = asking.await;
    asked.map_err(|error| error.to_string())?
}

/// A question's number, which nobody guesses who does not see the question.
pub(super) fn number() -> u16 {
    let [one, other, ..] = uuid::Uuid::new_v4().into_bytes();
    u16::from_be_bytes([one, other])
}

fn question(id: u16, name: &str) -> Result<Vec<u8>, simple_dns::SimpleDnsError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new(name)?,
        QTYPE::TYPE(TYPE::SRV),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec()
}

/// What an answer to the question `id` about `name` says, the preferred first. None if there is no such service.
pub fn services(answer: &[u8], id: u16, name: &str) -> Result<Vec<Service>, Unusable> {
    let packet = Packet::parse(answer).map_err(|_| Unusable("it cannot be read"))?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Err(Unusable("it answers something else"));
    }
    let is_ours = |found: &Name<'_>| found.to_string().eq_ignore_ascii_case(name);
    match &packet.questions[..] {
        [question] if is_ours(&question.qname) => {}
        _ => return Err(Unusable("it answers another question")),
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Vec::new()),
        _ => return Err(Unusable("the server cannot answer")),
    }
    let records = packet.answers.iter().take(RECORDS);
    let mut services: Vec<Service> = records
        .filter(|record| is_ours(&record.name))
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some(Service {
                priority: srv.priority,
                weight: srv.weight,
                host: srv.target.to_string().to_ascii_lowercase(),
                port: srv.port,
            }),
            _ => None,
        })
        // A single dot for a host says that there is no such service (RFC 2782).
        .filter(|service| service.port != 0 && is_host_name(&service.host))
        .collect();
    services.sort_by(|one, other| {
        let key = |service: &Service| (service.priority, u16::MAX - service.weight);
        key(one)
            .cmp(&key(other))
            .then_with(|| one.host.cmp(&other.host))
    });
    Ok(services)
}

/// Letters, digits, `-`, `_` and dots between them.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 230 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::SRV;

    const NAME: &str = "_netpatch-relay._udp.office.example";

    fn answer(id: u16, asked: &str, records: &[(&str, u16, u16, &str, u16)]) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        packet.questions.push(Question::new(
            Name::new_unchecked(asked),
            QTYPE::TYPE(TYPE::SRV),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        for (name, priority, weight, target, port) in records {
            packet.answers.push(ResourceRecord::new(
                Name::new_unchecked(name),
                CLASS::IN,
                60,
                RData::SRV(SRV {
                    priority: *priority,
                    weight: *weight,
                    port: *port,
                    target: Name::new_unchecked(target),
                }),
            ));
        }
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn the_preferred_comes_first_and_what_is_no_host_not_at_all() {
        let bytes = answer(
            7,
            NAME,
            &[
                (NAME, 20, 0, "last.office.example", 1),
                (NAME, 10, 5, "light.office.example", 2),
                (NAME, 10, 50, "Heavy.office.example", 3),
                (NAME, 0, 0, "no-port.office.example", 0),
                (NAME, 0, 0, "a host; rm -rf", 9),
                (
                    "_netpatch-relay._udp.elsewhere.example",
                    0,
                    0,
                    "rogue.example",
                    9,
                ),
            ],
        );
        let found = services(&bytes, 7, NAME).unwrap();
        let hosts: Vec<&str> = found.iter().map(|service| service.host.as_str()).collect();
        assert_eq!(
            hosts,
            [
                "heavy.office.example",
                "light.office.example",
                "last.office.example"
            ]
        );
        let upper = NAME.to_uppercase();
        assert_eq!(services(&bytes, 7, &upper), Ok(found));
    }

    #[test]
    fn an_answer_to_something_else_does_not_count() {
        let good = [(NAME, 0, 0, "relay.office.example", 8443)];
        assert!(services(&answer(8, NAME, &good), 7, NAME).is_err());
        assert!(
            services(
                &answer(7, "_netpatch-relay._udp.other.example", &good),
                7,
                NAME
            )
            .is_err()
        );
        assert!(services(&question(7, NAME).unwrap(), 7, NAME).is_err());
        assert!(services(&[], 7, NAME).is_err());
        let bytes = answer(7, NAME, &good);
        assert!(services(&bytes[..bytes.len() - 1], 7, NAME).is_err());
    }

    #[test]
    fn resolv_conf_is_read_as_far_as_it_makes_sense() {
        let text = "# comment\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\nsearch old.example\n\
                    nameserver nonsense\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n\
                    search office.example. bad..example \u{e4}.example corp.example\noptions ndots:5\nsearch\n";
        let resolver = Resolver::of(text);
        let servers = ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"];
        assert_eq!(resolver.servers, servers.map(|one| one.parse().unwrap()));
        assert_eq!(resolver.domains, ["office.example", "corp.example"]);
        let many = format!("search {}", vec!["a.example"; 100].join(" "));
        assert_eq!(Resolver::of(&many).domains.len(), DOMAINS);
        assert_eq!(Resolver::of(""), Resolver::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = services(&bytes, 7, NAME);
        }

        #[test]
        fn nor_does_a_good_answer_that_was_tampered_with(
            at in any::<proptest::sample::Index>(),
            to in any::<u8>(),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = answer(7, NAME, &[(NAME, 0, 0, "relay.office.example", 8443), (NAME, 1, 0, "b.example", 1)]);
            let at = at.index(bytes.len());
            bytes[at] = to;
            bytes.truncate(cut.index(bytes.len()) + 1);
            for service in services(&bytes, 7, NAME).unwrap_or_default() {
                prop_assert!(is_host_name(&service.host));
            }
        }

        #[test]
        fn no_resolv_conf_makes_it_panic(text in ".{0,300}") {
            let _ = Resolver::of(&text);
        }
    }
}
