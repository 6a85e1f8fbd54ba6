//! The connection to the edge where UDP does not get through, in a network of its own.

use crate::probe::{in_own_network, run};
use crate::relay::{Site, within};
use crate::world::{clock, config, limits};
use netpatch_protocol::session::{Hello, HostFacts, agent_message, edge_message};
use netpatch_tunnel::{
    Candidate, CarrierKind, PlatformTrust, SessionClient, SessionEvent, SessionOptions,
};
use std::time::Duration;

/// Whatever comes over UDP to or from this port vanishes without a word.
fn block_udp(port: u16) {
    let rules = format!(
        "table inet blocked {{
            chain arriving {{
                type filter hook input priority 0;
                udp dport {port} drop
                udp sport {port} drop
            }}
        }}"
    );
    run(&["nft", "-f", "-"], &rules);
}

async fn carried_by(site: &Site, carrier: CarrierKind) {
    let carried = async {
        while site.relay.carrier() != Some(carrier) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(carried).await;
}

/// Until the edge has answered; carriers may come and go meanwhile.
async fn told(session: &mut SessionClient, hostname: &str) {
    let facts = HostFacts {
        hostname: hostname.into(),
        ..HostFacts::default()
    };
    let facts = agent_message::Body::Facts(facts);
    session.handle().send(facts).expect("room");
    let answered = async {
        loop {
            if let Some(SessionEvent::Message(message)) = session.next().await
                && let Some(edge_message::Body::ScanNow(scan)) = message.body
                && scan.reason == hostname
            {
                break;
            }
        }
    };
    within(answered).await;
}

#[test]
fn the_uplink_goes_over_tcp_while_udp_is_blocked_and_back() {
    if !in_own_network("uplink::the_uplink_goes_over_tcp_while_udp_is_blocked_and_back") {
        return;
    }
    run(&["ip", "link", "set", "lo", "up"], "");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let site = Site::start_with(config(), clock(), |edge| block_udp(edge.address.port())).await;
        assert_eq!(site.relay.carrier(), Some(CarrierKind::Tcp));
        let host = site.edge.organization.host();
        let candidates = vec![Candidate::Relay {
            site: site.client(&host),
        }];
        let trust = PlatformTrust::Roots(vec![site.edge.platform.der.clone().into()]);
        let mut options = SessionOptions::new(candidates, host, trust, clock());
        options.limits = limits();
        options.backoff_first = Duration::from_millis(50);
        options.backoff_longest = Duration::from_millis(200);
        let mut session = SessionClient::connect(options, |_| Hello::default());
        told(&mut session, "over tcp").await;

        run(&["nft", "delete", "table", "inet", "blocked"], "");
        carried_by(&site, CarrierKind::Direct).await;
        told(&mut session, "over quic").await;

        block_udp(site.edge.address.port());
        carried_by(&site, CarrierKind::Tcp).await;
        told(&mut session, "over tcp again").await;
    });
}
