//! What hosts on the link hear of a relay, with a real listener.

use mdns_sd::{IfKind, ServiceDaemon, ServiceEvent};
use netpatch_protocol::RELAY_SERVICE;
use netpatch_relay::announce::Announcement;
use std::net::UdpSocket;
use std::time::Duration;

/// Longer than any responder waits.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn hosts_hear_of_the_relay_while_it_is_there_and_when_it_goes() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let listener = ServiceDaemon::new_with_port(port).unwrap();
    listener.disable_interface(IfKind::All).unwrap();
    listener.enable_interface(IfKind::LoopbackV4).unwrap();
    let heard = listener.browse(&format!("{RELAY_SERVICE}.local.")).unwrap();

    let listen = "127.0.0.1:8443".parse().unwrap();
    let announcement = Announcement::start("oven", listen, port).unwrap();
    let found = loop {
        match heard.recv_timeout(PATIENCE).unwrap() {
            ServiceEvent::ServiceResolved(found) => break found,
            _ => continue,
        }
    };
    assert_eq!(found.get_fullname(), format!("oven.{RELAY_SERVICE}.local."));
    assert_eq!(found.get_port(), 8443);
    drop(announcement);
    let gone = loop {
        match heard.recv_timeout(PATIENCE).unwrap() {
            ServiceEvent::ServiceRemoved(_, name) => break name,
            _ => continue,
        }
    };
    assert_eq!(gone, found.get_fullname());
    let _ = listener.shutdown();
}
