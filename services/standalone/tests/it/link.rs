//! What the relay says by multicast DNS, heard by the agent over a real link: two network namespaces, joined by a pair of virtual
//! Ethernet devices, with a process in each.

use netpatch_agent::discovery::mdns::Links;
use netpatch_relay::announce::{Announcement, PORT};
use netpatch_testkit::poll_until;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Says in which of the processes this one is.
const ROLE: &str = "NETPATCH_TEST_ROLE";
/// Where the relay listens: at all addresses, as it does unless its configuration names one.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443);
const NAME: &str = "link::a_host_hears_of_the_relay_on_its_link_and_of_nobody_once_it_has_left";
const EARLY: &str = "link::a_relay_with_one_address_that_starts_before_its_link_is_up_is_heard";
/// What the relay's process says when it has started.
const HERE: &str = "the relay is here";
const SOON: Duration = Duration::from_secs(60);
const HOST: &str = "10.9.0.1";
const RELAY: &str = "10.9.0.2";

/// A test again, in a network of its own.
fn again(test: &str, role: &str, unshare: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(unshare)
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role);
    command
}

fn run(words: &[&str]) {
    let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words:?}: {said}");
}

fn up(device: &str, address: &str, within: &[&str]) {
    let network = format!("{address}/24");
    // Whoever has the address has the link, too.
    for words in [
        ["ip", "link", "set", "dev", device, "up"],
        ["ip", "address", "add", &network, "dev", device],
    ] {
        run(&[within, &words].concat());
    }
}

/// The relay's machine at the far end of the host's link.
struct Far {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Far {
    /// Its end of the link has its address; the near one has none and is down.
    fn start(test: &str) -> Self {
        let mut command = again(test, "relay", &[]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let far = Self { child, says };
        let pid = far.child.id().to_string();
        let place = format!("--net=/proc/{pid}/ns/net");
        // unshare has entered the new namespace once it is another one than ours.
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        while of(&pid) == of("self") {
            std::thread::sleep(Duration::from_millis(5));
        }
        let ends = [
            "ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns",
        ];
        run(&[&ends[..], &[&pid]].concat());
        up("far", RELAY, &["nsenter", &place]);
        far
    }

    /// The relay has started.
    fn is_here(&mut self) {
        let mut line = String::new();
        while !line.contains(HERE) {
            line.clear();
            assert_ne!(self.says.read_line(&mut line).unwrap(), 0, "it has ended");
        }
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        let _ = self.says.read_to_end(&mut Vec::new());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until its input ends the relay says that it is here.
fn relay(listen: SocketAddr) {
    while UdpSocket::bind((RELAY, 0)).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _here = Announcement::start("relay-1", listen, PORT).unwrap();
    println!("{HERE}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

async fn host() {
    let far = Far::start(NAME);
    up("near", HOST, &[]);
    let links = Links::of_host();
    assert_eq!(links.own, [HOST.parse::<std::net::Ipv4Addr>().unwrap()]);
    let heard = poll_until("the relay on the link", SOON, async || {
        Some(links.relays().await).filter(|heard| !heard.is_empty())
    })
    .await;
    assert_eq!(heard, [format!("{RELAY}:{}", LISTEN.port())]);
    far.end();
    // With the far end its link has gone.
    poll_until("no link", SOON, async || {
        Links::of_host().own.is_empty().then_some(())
    })
    .await;
    assert!(links.relays().await.is_empty());
}

/// The relay's end has its address and no carrier until the relay has said that it is here.
async fn late_host() {
    let mut far = Far::start(EARLY);
    far.is_here();
    up("near", HOST, &[]);
    let heard = poll_until("the relay on the link", SOON, async || {
        Some(Links::of_host().relays().await).filter(|heard| !heard.is_empty())
    })
    .await;
    assert_eq!(heard, [format!("{RELAY}:{}", LISTEN.port())]);
    far.end();
}

#[test]
fn a_host_hears_of_the_relay_on_its_link_and_of_nobody_once_it_has_left() {
    played(NAME, LISTEN, host());
}

#[test]
fn a_relay_with_one_address_that_starts_before_its_link_is_up_is_heard() {
    let at = SocketAddr::new(RELAY.parse().unwrap(), LISTEN.port());
    played(EARLY, at, late_host());
}

/// Plays a test's part in this process, or starts all of them.
fn played(test: &str, listen: SocketAddr, host: impl Future<Output = ()>) {
    match std::env::var(ROLE).as_deref() {
        Ok("relay") => relay(listen),
        Ok("host") => tokio::runtime::Runtime::new().unwrap().block_on(host),
        _ => {
            let ended = again(test, "host", &["--user", "--map-root-user"])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&ended.stdout);
            assert!(
                ended.status.success() && said.contains("1 passed"),
                "{said}{}",
                String::from_utf8_lossy(&ended.stderr)
            );
        }
    }
}
