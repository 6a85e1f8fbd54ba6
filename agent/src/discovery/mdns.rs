//! Multicast DNS on the host's own links (RFC 6762, IPv4): one question, asked once as section 5.1 describes for who is no full
//! responder, and what is answered within [`PATIENCE`].
//!
//! A relay speaks for itself only: a candidate is at the address from which its answer came, so that nobody can send hosts elsewhere.
//! Nobody's name is resolved and nothing is remembered. Routers do not carry this: it is for relays on the host's own links.

use super::dns::number;
use netpatch_protocol::RELAY_SERVICE;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, SimpleDnsError, TYPE};
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// Links that are asked.
pub const LINKS: usize = 8;
/// How long answers are waited for; a responder that shares its name with others waits up to 120 ms (section 6).
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Datagrams of a link that are read.
const ANSWERS: usize = 64;
/// Largest datagram (section 17).
const ANSWER_BYTES: usize = 9000;
/// Records of an answer that are looked at.
const RECORDS: usize = 64;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The host's own address on each.
    pub own: Vec<Ipv4Addr>,
    /// 5353, but in tests.
    pub port: u16,
}

impl Links {
    /// Those of this host that are up and carry multicast; none if the system does not say.
    #[must_use]
    pub fn of_host() -> Self {
        let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
        let all = getifaddrs().into_iter().flatten();
        let own = all
            .filter(|one| one.flags.contains(wanted))
            .filter(|one| !one.flags.contains(InterfaceFlags::IFF_LOOPBACK))
            .filter_map(|one| Some(one.address?.as_sockaddr_in()?.ip()))
            .take(LINKS)
            .collect();
        Self { own, port: PORT }
    }

    /// `address:port` of all that say that they are relays, each once. A link that cannot be asked says nothing.
    pub async fn relays(&self) -> Vec<String> {
        let asked = self.own.iter().map(|own| self.ask(*own));
        let mut addresses = Vec::new();
        for answered in futures::future::join_all(asked).await {
            match answered {
                Ok(found) => addresses.extend(found),
                Err(error) => tracing::debug!(%error, "a link cannot be asked for relays"),
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses.iter().map(SocketAddr::to_string).collect()
    }

    async fn ask(&self, own: Ipv4Addr) -> io::Result<Vec<SocketAddr>> {
        let id = number();
        let question = question(id).map_err(io::Error::other)?;
        // Not from port 5353: answers come to this socket alone (section 6.7).
        let socket = UdpSocket::bind((own, 0)).await?;
        SockRef::from(&socket).set_multicast_if_v4(&own)?;
        socket.set_multicast_ttl_v4(255)?;
        socket.send_to(&question, (GROUP, self.port)).await?;
        let until = Instant::now() + PATIENCE;
        let mut buffer = vec![0; ANSWER_BYTES];
        let mut found = Vec::new();
        for _ in 0..ANSWERS {
            let Ok(received) = timeout_at(until, socket.recv_from(&mut buffer)).await else {
                break;
            };
            let (length, from) = received?;
            let said = ports(&buffer[..length], id);
            found.extend(said.into_iter().map(|port| at(from.ip(), port)));
        }
        Ok(found)
    }
}

fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

fn service() -> String {
    format!("{RELAY_SERVICE}.local")
}

fn question(id: u16) -> Result<Vec<u8>, SimpleDnsError> {
    let mut packet = Packet::new_query(id);
    packet.questions.push(Question::new(
        Name::new(&service())?.into_owned(),
        QTYPE::TYPE(TYPE::PTR),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec()
}

/// UDP ports on which the sender of an answer to the question `id` says that a relay is; none if it says something else.
pub fn ports(answer: &[u8], id: u16) -> Vec<u16> {
    let Ok(packet) = Packet::parse(answer) else {
        return Vec::new();
    };
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Vec::new();
    }
    let below = format!(".{}", service());
    let records = packet.answers.iter().chain(&packet.additional_records);
    let mut ports: Vec<u16> = records
        .take(RECORDS)
        .filter(|record| {
            let name = record.name.to_string().to_ascii_lowercase();
            name.ends_with(&below)
        })
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some(srv.port),
            _ => None,
        })
        .filter(|port| *port != 0)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::SRV;

    fn answer(id: u16, records: &[(&str, u16)]) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        for (name, port) in records {
            packet.additional_records.push(ResourceRecord::new(
                Name::new_unchecked(name),
                CLASS::IN,
                10,
                RData::SRV(SRV {
                    priority: 0,
                    weight: 0,
                    port: *port,
                    target: Name::new_unchecked("elsewhere.local"),
                }),
            ));
        }
        packet.build_bytes_vec().expect("a packet")
    }

    #[test]
    fn only_relays_count_and_only_in_answers_to_the_question() {
        let said = [
            ("oven._netpatch-relay._udp.local", 8443),
            ("Oven._NetPatch-Relay._UDP.local", 8443),
            ("other._netpatch-relay._udp.local", 9000),
            ("none._netpatch-relay._udp.local", 0),
            ("printer._ipp._tcp.local", 631),
            ("_netpatch-relay._udp.example", 1),
        ];
        let bytes = answer(7, &said);
        assert_eq!(ports(&bytes, 7), [8443, 9000]);
        assert!(ports(&bytes, 8).is_empty());
        assert!(ports(&question(7).expect("a question"), 7).is_empty());
        assert!(ports(&bytes[..bytes.len() - 1], 7).is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = ports(&bytes, 7);
        }

        #[test]
        fn nor_does_a_good_answer_that_was_tampered_with(at in any::<proptest::sample::Index>(), to in any::<u8>()) {
            let mut bytes = answer(7, &[("oven._netpatch-relay._udp.local", 8443), ("b._netpatch-relay._udp.local", 1)]);
            let at = at.index(bytes.len());
            bytes[at] = to;
            prop_assert!(!ports(&bytes, 7).contains(&0));
        }
    }
}
