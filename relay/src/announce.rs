//! Multicast DNS (RFC 6762, 6763): the relay tells hosts on its own links that it is here, if its configuration says so.
//!
//! A hint and never trust: a host uses the relay once its certificate has proved what it is. What is told is the relay's id, its
//! addresses on the link and its port.

use mdns_sd::{IfKind, IfPredicate, ServiceDaemon, ServiceInfo};
use netpatch_protocol::RELAY_SERVICE;
use std::net::SocketAddr;

/// Where hosts ask.
pub const PORT: u16 = 5353;

/// The relay is told of as long as this lives.
pub struct Announcement(ServiceDaemon);

impl Announcement {
    /// Tells that the relay `id` is at `listen`; where that is every address of the machine, on all its links. Asked on `port`.
    pub fn start(id: &str, listen: SocketAddr, port: u16) -> Result<Self, mdns_sd::Error> {
        let this = Self(ServiceDaemon::new_with_port(port)?);
        this.tell(id, listen)?;
        Ok(this)
    }

    fn tell(&self, id: &str, listen: SocketAddr) -> Result<(), mdns_sd::Error> {
        let (kind, host) = (format!("{RELAY_SERVICE}.local."), format!("{id}.local."));
        let port = listen.port();
        // Hosts ask over IPv4.
        self.0.disable_interface(IfKind::All)?;
        if listen.ip().is_unspecified() {
            self.0.enable_interface(IfKind::IPv4)?;
            self.0.disable_interface(IfKind::LoopbackV4)?;
        } else {
            // An address may come to its link later than this, or to another one: the library is to ask each time, not to remember where
            // it was.
            let ip = listen.ip();
            let has_it = IfPredicate::new(move |link| link.ip() == ip);
            self.0.enable_interface(IfKind::Predicate(has_it))?;
        }
        // Also for a single address: a service whose addresses are fixed is never told of on a link that comes up after it was
        // registered, nor answered for there. The addresses that are told are those of the links that are enabled, so no others.
        let service = ServiceInfo::new(&kind, id, &host, (), port, None)?.enable_addr_auto();
        self.0.register(service)
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // It takes leave and ends its thread; nobody waits for it.
        let _ = self.0.shutdown();
    }
}
