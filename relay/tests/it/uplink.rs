//! The connection to the edge where UDP does not get through, in a network of its own.

use crate::delta::{NEW, OLD, PAIR, until};
use crate::probe::{in_own_network, run};
use crate::relay::{Site, within};
use crate::world::{clock, config, limits};
use netpatch_protocol::session::{Hello, HostFacts, agent_message, edge_message};
use netpatch_protocol::site::{DeltaFound, PayloadRequest};
use netpatch_tunnel::{
    Candidate, CarrierKind, Limits, PlatformTrust, SessionClient, SessionEvent, SessionOptions,
    TunnelError,
};
use netpatch_types::Sha256;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;

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

/// A host's session through the site's relay.
fn session(site: &Site, backoff_first: Duration) -> SessionClient {
    let host = site.edge.organization.host();
    let candidates = vec![Candidate::Relay {
        site: site.client(&host),
    }];
    let trust = PlatformTrust::Roots(vec![site.edge.platform.der.clone().into()]);
    let mut options = SessionOptions::new(candidates, host, trust, clock());
    options.limits = limits();
    options.backoff_first = backoff_first;
    SessionClient::connect(options, |_| Hello::default())
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
        let mut session = session(&site, Duration::from_millis(50));
        told(&mut session, "over tcp").await;

        run(&["nft", "delete", "table", "inet", "blocked"], "");
        carried_by(&site, CarrierKind::Direct).await;
        told(&mut session, "over quic").await;

        block_udp(site.edge.address.port());
        carried_by(&site, CarrierKind::Tcp).await;
        told(&mut session, "over tcp again").await;
    });
}

#[test]
fn an_uplink_whose_udp_is_blocked_moves_to_tcp_long_before_the_idle_timeout() {
    let name = "uplink::an_uplink_whose_udp_is_blocked_moves_to_tcp_long_before_the_idle_timeout";
    if !in_own_network(name) {
        return;
    }
    run(&["ip", "link", "set", "lo", "up"], "");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let patient = Limits {
            idle_timeout: Duration::from_secs(600),
            ..limits()
        };
        let site = Site::start_limited(config(), clock(), patient, |_| {}).await;
        assert_eq!(site.relay.carrier(), Some(CarrierKind::Direct));
        let mut session = session(&site, Duration::from_secs(1));
        told(&mut session, "before").await;

        block_udp(site.edge.address.port());
        let begun = Instant::now();
        told(&mut session, "cut").await;
        println!("answered over tcp after {:?}", begun.elapsed());
        assert_eq!(site.relay.carrier(), Some(CarrierKind::Tcp));

        run(&["nft", "delete", "table", "inet", "blocked"], "");
        carried_by(&site, CarrierKind::Direct).await;
        told(&mut session, "after").await;
    });
}

/// A site whose relay notices a silent line by nothing but what it waits for: neither an idle timeout nor its reports come soon.
async fn unhurried() -> Site {
    let patient = Limits {
        idle_timeout: Duration::from_secs(600),
        ..limits()
    };
    let quiet = netpatch_relay::Config {
        report_seconds: 600,
        ..config()
    };
    Site::start_limited(quiet, clock(), patient, |_| {}).await
}

#[test]
fn a_payload_that_stands_still_because_udp_is_blocked_goes_on_over_tcp() {
    let name = "uplink::a_payload_that_stands_still_because_udp_is_blocked_goes_on_over_tcp";
    if !in_own_network(name) {
        return;
    }
    run(&["ip", "link", "set", "lo", "up"], "");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let site = unhurried().await;
        assert_eq!(site.relay.carrier(), Some(CarrierKind::Direct));
        let wanted = crate::cache::bytes(2_000_000);
        let rest = Arc::new(Notify::new());
        *site.edge.desk.carried.lock().unwrap() = Some((wanted.clone(), rest.clone()));
        let connection = site.client(&site.edge.organization.host());
        let connection = within(connection.connection()).await.expect("connected");
        let request = PayloadRequest {
            repository: site.upstream.base.clone(),
            path: "pool/gone_1_all.deb".into(),
            sha256: Sha256::of(&wanted).0.to_vec(),
            ..PayloadRequest::default()
        };
        let (answer, mut stream) = within(connection.payload(request)).await.expect("answered");
        assert_eq!((answer.status, answer.size_bytes), (200, 2_000_000));
        let mut got = vec![0; 900_000];
        within(stream.read_exact(&mut got))
            .await
            .expect("the first part");

        block_udp(site.edge.address.port());
        let begun = Instant::now();
        rest.notify_one();
        within(stream.read_to_end(&mut got))
            .await
            .expect("the rest");
        println!("whole over tcp {:?} after udp was blocked", begun.elapsed());
        assert!(got == wanted);
        assert_eq!(site.relay.carrier(), Some(CarrierKind::Tcp));
        let asked = site.edge.desk.stored_asked.lock().unwrap().clone();
        let offsets: Vec<u64> = asked.iter().map(|asked| asked.offset).collect();
        assert_eq!(offsets[0], 0);
        assert!(
            offsets[1..].iter().all(|offset| *offset >= 900_000),
            "{offsets:?}"
        );
        let fetched = site.relay.status().expect("status").counted.bytes_fetched;
        assert_eq!(fetched, 2_000_000, "nothing twice");
    });
}

#[test]
fn a_recipe_that_stands_still_because_udp_is_blocked_comes_over_tcp() {
    let name = "uplink::a_recipe_that_stands_still_because_udp_is_blocked_comes_over_tcp";
    if !in_own_network(name) {
        return;
    }
    run(&["ip", "link", "set", "lo", "up"], "");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let site = unhurried().await;
        site.upstream.put_bytes(OLD, &PAIR.old);
        let connection = site.client(&site.edge.organization.host());
        let connection = within(connection.connection()).await.expect("connected");
        let get = async |path: &str, wanted: &[u8]| {
            let request = PayloadRequest {
                repository: site.upstream.base.clone(),
                path: path.into(),
                sha256: Sha256::of(wanted).0.to_vec(),
                ..PayloadRequest::default()
            };
            // Nothing is answered until it is rebuilt, which may take longer than this host waits at once.
            let (_, mut stream) = loop {
                match connection.payload(request.clone()).await {
                    Err(TunnelError::Timeout { .. }) => {}
                    answered => break answered.expect("answered"),
                }
            };
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.expect("whole");
            assert!(got == wanted);
        };
        within(get(OLD, &PAIR.old)).await;
        within(until(async || {
            (site.relay.status().expect("status").payloads == 1).then_some(())
        }))
        .await;
        let rest = Arc::new(Notify::new());
        let found = DeltaFound {
            base: Sha256::of(&PAIR.old).0.to_vec(),
            sha256: Sha256::of(&PAIR.new).0.to_vec(),
        };
        *site.edge.desk.delta.lock().unwrap() = Some((found, PAIR.recipe.clone()));
        *site.edge.desk.delta_rest.lock().unwrap() = Some(rest.clone());
        let counted = || site.relay.status().expect("status").counted;
        let half = PAIR.recipe.len() as u64 / 2;
        let begun = async {
            until(async || (counted().recipe_bytes >= half).then_some(())).await;
            block_udp(site.edge.address.port());
            rest.notify_one();
            Instant::now()
        };
        let (blocked, ()) = within(async { tokio::join!(begun, get(NEW, &PAIR.new)) }).await;
        println!("rebuilt {:?} after udp was blocked", blocked.elapsed());
        assert_eq!(site.relay.carrier(), Some(CarrierKind::Tcp));
        assert_eq!(site.edge.desk.deltas_asked.lock().unwrap().len(), 2);
        assert_eq!(counted().deltas, 1);
    });
}
