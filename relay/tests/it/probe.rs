//! Probes of what hosts listen on: real connects to real listeners behind a real packet filter, in a network of its own.

use crate::relay::{Site, within};
use crate::world::{clock, config};
use netpatch_protocol::site::{
    ProbeHost, ProbeOutcome, ProbePlan, ProbeResults, ProbeSocket, SiteSettings,
};
use netpatch_tunnel::Identity;
use netpatch_tunnel::identity::claimed_name;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Relay and host, on the loopback device of a network without any other.
const HERE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Somebody else.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Set in the process that is inside.
const INSIDE: &str = "NETPATCH_TEST_INSIDE";

/// Runs this one test again in a network of its own; there, returns true.
pub(crate) fn in_own_network(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let ended = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    false
}

pub(crate) fn run(words: &[&str], input: &str) {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a program");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("written");
    drop(pipe);
    assert!(child.wait().expect("ends").success(), "{words:?}");
}

fn addresses() {
    run(&["ip", "link", "set", "lo", "up"], "");
    for address in [HERE, ELSEWHERE] {
        let address = format!("{address}/32");
        run(&["ip", "address", "add", &address, "dev", "lo"], "");
    }
}

fn name(host: &Identity) -> String {
    claimed_name(&host.certificate)
        .expect("a name")
        .id
        .to_string()
}

fn socket(address: impl ToString, port: u16) -> ProbeSocket {
    ProbeSocket {
        address: address.to_string(),
        port: port.into(),
    }
}

fn listener(at: Ipv4Addr) -> (TcpListener, u16) {
    let listener = TcpListener::bind((at, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

/// A relay that listens there, of a site that lets it probe.
async fn site(listen: Ipv4Addr) -> Site {
    let config = netpatch_relay::Config {
        listen: SocketAddr::from((listen, 0)),
        ..config()
    };
    Site::start_with(config, clock(), |edge| {
        edge.desk.settings.lock().unwrap().probes_exposure = true;
    })
    .await
}

async fn probed(site: &Site) -> ProbeResults {
    let answered = async {
        loop {
            if let Some(results) = site.edge.desk.probed.lock().unwrap().pop() {
                return results;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(answered).await
}

/// Waits until the relay has asked once more from now on.
async fn asked_again(site: &Site) {
    let asked = || site.edge.desk.asked.lock().unwrap().len();
    let before = asked();
    let again = async {
        while asked() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(again).await;
}

#[test]
fn a_host_is_tried_at_the_ports_that_were_asked_and_nobody_else_is() {
    if !in_own_network("probe::a_host_is_tried_at_the_ports_that_were_asked_and_nobody_else_is") {
        return;
    }
    addresses();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (_open, open) = listener(Ipv4Addr::UNSPECIFIED);
        let (_own, own) = listener(HERE);
        let (_dropped, dropped) = listener(Ipv4Addr::UNSPECIFIED);
        let (_local, local) = listener(Ipv4Addr::LOCALHOST);
        let (closing, closed) = listener(Ipv4Addr::UNSPECIFIED);
        drop(closing);
        let (elsewhere, other) = listener(ELSEWHERE);
        elsewhere.set_nonblocking(true).expect("set");
        run(
            &["nft", "-f", "-"],
            &format!(
                "table inet t {{\n chain input {{\n type filter hook input priority 0; policy accept;\n tcp dport {dropped} drop\n }}\n}}\n"
            ),
        );
        let site = site(HERE).await;
        let host = site.edge.organization.host();
        let _connection = site.client(&host).connection().await.expect("connected");
        let stranger = site.edge.organization.host();
        let everything = |host: &Identity| ProbeHost {
            host_id: name(host),
            sockets: vec![
                socket("0.0.0.0", open),
                socket(HERE, own),
                socket("0.0.0.0", dropped),
                socket("0.0.0.0", closed),
                socket("127.0.0.1", local),
                socket(ELSEWHERE, other),
                socket("::1", open),
                socket("169.254.169.254", 80),
                socket("224.0.0.1", 80),
            ],
        };
        *site.edge.desk.plan.lock().unwrap() = ProbePlan {
            hosts: vec![everything(&host), everything(&stranger)],
        };
        let results = probed(&site).await;

        assert_eq!(results.hosts.len(), 1, "who is not connected is not tried");
        let answered = &results.hosts[0];
        assert_eq!(answered.host_id, name(&host));
        assert_eq!(answered.target, HERE.to_string());
        let mut outcomes: Vec<(ProbeSocket, ProbeOutcome)> = answered
            .sockets
            .iter()
            .map(|one| (one.socket.clone().expect("a socket"), one.outcome()))
            .collect();
        outcomes.sort_by_key(|(socket, _)| (socket.port, socket.address.clone()));
        let mut expected = vec![
            (socket("0.0.0.0", open), ProbeOutcome::Reached),
            (socket(HERE, own), ProbeOutcome::Reached),
            (socket("0.0.0.0", dropped), ProbeOutcome::NoAnswer),
            (socket("0.0.0.0", closed), ProbeOutcome::Refused),
        ];
        expected.sort_by_key(|(socket, _)| (socket.port, socket.address.clone()));
        assert_eq!(outcomes, expected);
        let now = clock().now().timestamp_millis();
        assert!(
            answered
                .sockets
                .iter()
                .all(|one| (now - one.at_ms).abs() < 60_000)
        );
        assert!(elsewhere.accept().is_err(), "another address was not tried");
        let asked = site.edge.desk.asked.lock().unwrap()[0].clone();
        assert_eq!(asked.hosts, [name(&host)]);
    });
}

#[tokio::test]
async fn a_host_on_the_relays_own_machine_is_not_probed() {
    let site = site(Ipv4Addr::LOCALHOST).await;
    let host = site.edge.organization.host();
    let _connection = site.client(&host).connection().await.expect("connected");
    let (listener, port) = listener(Ipv4Addr::UNSPECIFIED);
    listener.set_nonblocking(true).expect("set");
    *site.edge.desk.plan.lock().unwrap() = ProbePlan {
        hosts: vec![ProbeHost {
            host_id: name(&host),
            sockets: vec![socket("0.0.0.0", port), socket("127.0.0.1", port)],
        }],
    };
    asked_again(&site).await;
    // The next question comes after the first plan was dealt with.
    asked_again(&site).await;
    assert!(site.edge.desk.probed.lock().unwrap().is_empty());
    assert!(listener.accept().is_err(), "loopback was not tried");
}

#[tokio::test]
async fn a_relay_asks_only_where_its_site_allows_it_and_for_hosts_that_are_connected() {
    let site = site(Ipv4Addr::LOCALHOST).await;
    let reports = || site.edge.desk.reports.lock().unwrap().len();
    let three_more = async {
        let before = reports();
        while reports() < before + 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(three_more).await;
    assert!(
        site.edge.desk.asked.lock().unwrap().is_empty(),
        "nobody is connected"
    );
    let host = site.edge.organization.host();
    let _connection = site.client(&host).connection().await.expect("connected");
    asked_again(&site).await;

    *site.edge.desk.settings.lock().unwrap() = SiteSettings::default();
    let told = async {
        let before = reports();
        while reports() < before + 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(told).await;
    let asked = site.edge.desk.asked.lock().unwrap().len();
    let three_more = async {
        let before = reports();
        while reports() < before + 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(three_more).await;
    assert_eq!(
        site.edge.desk.asked.lock().unwrap().len(),
        asked,
        "the site forbids it"
    );
}
